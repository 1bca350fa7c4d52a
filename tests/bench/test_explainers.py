"""What a map says of things is read rightly, and made explainers are what they are called."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seewhy.bench import how_much
from seewhy.bench.explainers import mean_of_others, oracles, read_out
from seewhy.bench.subject import Subject
from seewhy.bench.subjects import glass
from seewhy.models.classifier import Classifier
from seewhy.world.glass.boxes import GlassColor
from seewhy.world.sampling import Grammar, sample_scene

RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def subject() -> Subject:
    return glass("where", 14, 0)


def _things(side: int) -> np.ndarray:
    """Four masks that partition a picture of 24 x 24 pixels, two of them small."""
    masks = np.zeros((4, 24, 24), bool)
    masks[0, 2:5, 3:9] = True
    masks[1, 10:22, 12:20] = True
    masks[2, 1, 20] = True
    masks[3] = ~masks[:3].any(0)
    return masks


def test_at_pixels_a_thing_has_what_lies_on_it() -> None:
    masks, maps = _things(24), RNG.normal(size=(2, 24, 24))
    for at in range(2):
        np.testing.assert_allclose(
            read_out(maps, masks, at), [maps[at][mask].sum() for mask in masks], atol=1e-9
        )


@pytest.mark.parametrize("grid", [(24, 24), (8, 8), (6, 5), (7, 3)])
def test_what_things_put_on_any_grid_is_read_back(grid: tuple[int, int]) -> None:
    masks, wanted = _things(24), np.array([3.0, -2.0, 0.5, 1.0])
    density = sum(c * mask / mask.sum() for c, mask in zip(wanted, masks, strict=True))
    rows, columns = (
        np.clip(np.minimum((np.arange(n)[:, None] + 1) * 24 / n, np.arange(24) + 1)
                - np.maximum(np.arange(n)[:, None] * 24 / n, np.arange(24)), 0, None)
        for n in grid
    )  # fmt: skip
    coarse = (rows @ density @ columns.T)[None]
    np.testing.assert_allclose(read_out(coarse, masks, 0), wanted, atol=1e-7)


def test_a_hidden_thing_has_nothing_and_one_cell_tells_no_two_things_apart() -> None:
    masks = _things(24)
    masks[2] = False
    assert read_out(RNG.normal(size=(1, 6, 6)), masks, 0)[2] == 0
    found = read_out(np.array([[[5.0]]]), _things(24), 0)
    np.testing.assert_allclose(found, np.full(4, 5 / 4))  # the smallest of all that sum to 5


def test_mean_map_leaves_out_the_scene_itself(subject: Subject) -> None:
    maps = mean_of_others(subject)
    for at in range(len(subject.scenes)):
        others = [one for k, one in enumerate(subject.evidence) if subject.groups[k] != subject.groups[at]]
        np.testing.assert_allclose(maps[at], np.mean(others, axis=0))


def test_oracles_are_the_evidence_at_pixels_and_at_the_grid(subject: Subject) -> None:
    pixel, grid = (explainer.maps()[0] for explainer in oracles(subject))
    assert np.array_equal(pixel, subject.evidence)
    cells = subject.evidence.reshape(len(pixel), 8, 8, 8, 8).mean((2, 4))
    np.testing.assert_allclose(grid, cells)


def test_what_lies_on_a_plain_background_belongs_to_nothing() -> None:
    scene = replace(
        sample_scene(1, 3, Grammar(counts=(3,), creatures=(0,), backgrounds=("plain",))), noise=0.0
    )
    box = GlassColor({"worth": {"red": 1.0}})
    one = Subject(
        "one", "", Classifier(box.backbone(48)), (scene,), np.array([0]), np.zeros((1, 48, 48), bool), ()
    )
    account = how_much.account(one)
    objects = account.masks[0][:3]
    density = sum(c * mask / mask.sum() for c, mask in zip((1.0, -0.5, 0.3), objects, strict=True))
    density = density + 5.0 * account.masks[0][3] / account.masks[0][3].sum()
    coarse = density.reshape(1, 8, 6, 8, 6).sum((2, 4))
    np.testing.assert_allclose(account.of(coarse)[0, :3], [1.0, -0.5, 0.3], atol=1e-7)
