"""Run lengths are what the COCO tools write and read."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.world.export import rle

SHAPES = [(1, 1), (1, 7), (9, 1), (5, 8), (33, 20), (96, 96)]


def some_masks() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    found = []
    for shape in SHAPES:
        found += [np.zeros(shape, np.bool_), np.ones(shape, np.bool_)]
        found += [rng.random(shape) < share for share in (0.03, 0.5, 0.97)]
        blob = np.zeros(shape, np.bool_)
        blob[shape[0] // 3 :, : shape[1] // 2 + 1] = True
        found.append(blob)
    return found


def test_decoding_gives_the_mask_back() -> None:
    for mask in some_masks():
        assert np.array_equal(rle.decode(rle.encode(mask)), mask)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # theirs
def test_the_coco_tools_write_the_same_and_read_ours() -> None:
    tools = pytest.importorskip("pycocotools.mask")
    for mask in some_masks():
        theirs = tools.encode(np.asfortranarray(mask.astype(np.uint8)))
        ours = rle.encode(mask)
        assert ours == {"size": theirs["size"], "counts": theirs["counts"].decode()}
        assert np.array_equal(tools.decode(ours).astype(np.bool_), mask)


def test_a_box_is_the_smallest_rectangle() -> None:
    mask = np.zeros((5, 8), np.bool_)
    assert rle.box(mask) == (0, 0, 0, 0)
    mask[1, 6] = mask[3, 2] = True
    assert rle.box(mask) == (2, 1, 5, 3)


def test_runs_are_read_down_the_columns_and_begin_with_false() -> None:
    assert rle.run_lengths(np.array([[True, False, False], [True, False, True]])) == [0, 2, 3, 1]
    assert rle.run_lengths(np.zeros((0, 3), np.bool_)) == []


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ("22", "4 pixels long"),
        ("2\x01", "contain '\\x01'"),
        ("2R", "end in the middle of a number"),
        ("\x7f", "contain"),
    ],
)
def test_what_is_no_mask_is_told(counts: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        rle.decode({"size": [3, 2], "counts": counts})
    assert said in str(caught.value) and str(caught.value).count("\n") == 2
