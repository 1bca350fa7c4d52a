"""Marks against what must change, what must not, and where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import seewhy as sw
from seewhy.audit.marks import Mark, as_mark
from seewhy.errors import SeewhyError

SEEN = (10.0, 0.0, 70.0, 40.0)


def grey(height: int = 40, width: int = 80) -> sw.Picture:
    return sw.Picture(np.full((height, width, 3), 100, np.uint8), "grey", label="g")


def changed(before: sw.Picture, after: sw.Picture) -> np.ndarray:
    return (before.pixels != after.pixels).any(-1)


@pytest.mark.parametrize(
    ("shape", "place", "box"),
    [
        ("tag", "top_left", (12, 2, 20, 10)),  # side 0.2 * 40 = 8, a quarter of it from the edges
        ("tag", "bottom_right", (60, 30, 68, 38)),
        ("patch", "top_right", (62, 0, 70, 8)),
        ("patch", "bottom_left", (10, 32, 18, 40)),
        ("tag", "centre", (36, 16, 44, 24)),
    ],
)
def test_a_square_covers_its_box_and_nothing_else(shape: str, place: str, box: tuple[int, ...]) -> None:
    before = grey()
    after, where = Mark(shape, place=place, colour=(1, 2, 3)).paint(before, SEEN)
    wanted = np.zeros((40, 80), bool)
    wanted[box[1] : box[3], box[0] : box[2]] = True
    assert where == box and np.array_equal(changed(before, after), wanted)
    assert (after.pixels[wanted] == (1, 2, 3)).all() and (before.pixels == 100).all()


def test_a_border_frames_what_the_model_sees() -> None:
    after, where = Mark("border", size=0.1).paint(grey(), SEEN)
    wanted = np.zeros((40, 80), bool)
    wanted[:, 10:70] = True
    wanted[4:36, 14:66] = False
    assert where == SEEN and np.array_equal(changed(grey(), after), wanted)


def test_region_is_the_mark_and_half_its_size_around_it_within_what_is_seen() -> None:
    region = Mark("patch", place="top_right").region((40, 80), SEEN)
    wanted = np.zeros((40, 80))
    wanted[0:12, 58:70] = 1
    np.testing.assert_array_equal(region, wanted)
    border = Mark("border", size=0.1).region((40, 80), SEEN)
    assert border[5, 30] == 1 and border[6, 30] == 0 and border[:, :10].sum() == 0 and border[20, 15] == 1


def test_a_centre_crop_leaves_the_whole_mark_in_the_models_input() -> None:
    recipe = sw.Preprocess(size=20, mean=0.0, std=1.0, interpolation="box")
    seen = recipe(grey())[1].seen_box
    assert seen == (20, 0, 60, 40)
    x, _ = recipe(Mark("patch", place="top_left", colour=(255, 0, 0)).paint(grey(), seen)[0])
    red = (x[0] - 100 / 255).clamp(min=0).sum() / (155 / 255)
    assert float(red) == pytest.approx(16, abs=0.01)  # 8 x 8 pixels at half the scale


def test_own_picture_keeps_its_form_and_its_transparency(tmp_path: Path) -> None:
    own = np.zeros((10, 20, 4), np.uint8)
    own[:, :10] = (200, 0, 0, 255)
    own[:, 10:15] = (200, 0, 0, 51)  # a fifth
    Image.fromarray(own).save(tmp_path / "own.png")
    for given in (own, Image.fromarray(own), tmp_path / "own.png", str(tmp_path / "own.png")):
        after, box = as_mark(given).paint(grey(), (0.0, 0.0, 80.0, 40.0))
        assert box == (68, 33, 78, 38)  # 10 x 5, the gap a quarter of 10, rounded to 2
        row = after.pixels[35, 68:78, 0].tolist()
        assert row[:5] == [200] * 5 and row[8:] == [100, 100] and 115 <= row[6] <= 125
        assert not changed(grey(), after)[:33].any()


def test_a_painted_picture_says_so_and_keeps_its_label() -> None:
    before = grey()
    after, _ = Mark().paint(before, SEEN)
    assert after.label == "g" and after.name == "grey with mark" and "painted" in after.notes[-1]
    assert after.sha256 != before.sha256 and after.path is None


def test_a_mark_says_what_it_is() -> None:
    assert Mark(place="top_left").describe() == "a tag of 0.2 of the shorter side, top left"
    assert Mark("border").to_dict()["size"] == 0.08
    assert as_mark("patch").shape == "patch"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: as_mark("tagg"), "Did you mean 'tag'?"),
        (lambda: Mark(size=1.2), "larger than the picture"),
        (lambda: Mark("border", size=0.3), "below 0.25"),
        (lambda: Mark(size=0), "above 0"),
        (lambda: Mark(size=float("nan")), "size nan"),
        (lambda: Mark(place="left"), "place is 'left'"),
        (lambda: Mark("picture"), "none was given"),
        (lambda: Mark(colour=(0, 0, 300)), "from 0 to 255"),
        (lambda: Mark(picture=np.zeros((4, 4))), "shape (4, 4) and dtype float64"),
        (lambda: Mark(size=0.01).paint(grey(), SEEN), "less than a pixel of 60 x 40"),
    ],
)
def test_bad_marks_are_refused_in_words(make: object, words: str) -> None:
    with pytest.raises(SeewhyError) as error:
        make()  # type: ignore[operator]
    assert words in str(error.value) and str(error.value).count("\n") == 2
