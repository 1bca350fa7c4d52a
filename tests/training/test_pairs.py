"""Batches follow from seed and step, are mixed as asked, and no picture contradicts its own text."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from seewhy.training.pairs import CIRCLED, CUT, WHOLE_KIND, Batch, Circle, Mix, Pairs, disk, draw_circle
from seewhy.training.said import BIT, CONCEPTS, GROUP, Said, said_by, words_of
from seewhy.training.scenes import Scenes
from seewhy.world.grammar import COLOURS, SHAPES
from seewhy.world.language.captions import LEVELS, caption
from seewhy.world.language.facts import holds
from tests.training.conftest import FEW

PLAIN = Mix(circled=0.0, cut=0.0)


def pairs(scenes: Scenes, mix: Mix = Mix(), *, batch: int = 20, seed: int = 0) -> Pairs:  # noqa: B008
    return Pairs(scenes, mix, batch=batch, size=64, grid=8, seed=seed)


def same(one: Batch, other: Batch) -> bool:
    arrays = ("images", "kinds", "truth", "truth_alone", "dense", "truth_cells")
    equal = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays)
    return equal and (one.texts, one.alone, one.groups) == (other.texts, other.alone, other.groups)


def test_a_batch_follows_from_seed_and_step(drawn: Scenes) -> None:
    source = pairs(drawn)
    first = source(3)
    assert not same(first, source(4)) and not same(first, pairs(drawn, seed=1)(3))
    assert same(first, source(3)) and same(first, pairs(drawn)(3))


def test_shapes_and_ranges(drawn: Scenes) -> None:
    batch = pairs(drawn)(0)
    assert batch.images.shape == (20, 3, 64, 64) and 0 <= batch.images.min() < batch.images.max() <= 1
    assert len(batch.texts) == batch.truth.shape[1] == 30 and batch.truth.shape[0] == 20
    assert batch.truth_alone.shape == (20, len(batch.alone)) == (20, 80)
    assert batch.groups == [GROUP[name] for name in CONCEPTS] + ["pair"] * 20
    assert batch.truth_cells.shape == (len(batch.dense), 64, 60)
    for truth in (batch.truth, batch.truth_alone, batch.truth_cells):
        assert set(np.unique(truth)) == {-1, 0, 1}


@pytest.mark.parametrize("mix", [Mix(), PLAIN, Mix(circled=1.0, cut=0.0), Mix(circled=0.2, cut=0.8)])
def test_kinds_have_their_shares(drawn: Scenes, mix: Mix) -> None:
    for step in range(4):
        batch = pairs(drawn, mix)(step)
        counts = [int((batch.kinds == kind).sum()) for kind in (CIRCLED, CUT, WHOLE_KIND)]
        assert counts == [
            round(20 * mix.circled), round(20 * mix.cut), round(20 * (1 - mix.circled - mix.cut)),
        ]  # fmt: skip
        assert batch.dense.tolist() == [at for at in range(20) if batch.kinds[at] != CUT]


def test_no_picture_contradicts_its_own_text(drawn: Scenes) -> None:
    n = 0
    for step in range(30):
        batch = pairs(drawn)(step)
        for at, kind in enumerate(batch.kinds):
            own = batch.truth[at, at]
            # Where not even one concept is sure, a text is drawn by chance.
            if kind == WHOLE_KIND:
                assert own != 0, batch.texts[at]
            elif (batch.truth_alone[at, :60] == 1).any():
                n += 1
                assert own == 1, batch.texts[at]
    assert n > 300


def test_whole_pictures_agree_with_the_worlds_facts(drawn: Scenes) -> None:
    """Captions of the batch are true (or unsaid) where their facts hold, and false (or unsaid) elsewhere."""
    batch = pairs(drawn, PLAIN, batch=len(drawn))(0)  # all scenes, in their order
    said = {caption(FEW.scene(at), level).text: (at, level) for at in range(36) for level in range(LEVELS)}
    n = 0
    for column, text in enumerate(batch.texts):
        if text in said:
            at, level = said[text]
            facts = caption(FEW.scene(at), level).facts
            for row in range(36):
                n += 1
                found = batch.truth[row, column]
                assert found == -1 or found == holds(FEW.scene(row), facts), (text, row)
                assert found != -1 or row != column or not said_by(facts, text).beyond
    assert n > 300


def test_concepts_alone_are_true_of_whole_pictures_that_have_them(drawn: Scenes) -> None:
    batch = pairs(drawn, PLAIN, batch=len(drawn))(1)
    for row in range(len(drawn)):
        there = {word for bits in drawn.things[row] for word in words_of(int(bits))}
        seen = {
            word
            for bits, share in zip(drawn.things[row], drawn.seen[row], strict=True)
            if share >= 0.35
            for word in words_of(int(bits))
        }
        for column, name in enumerate(CONCEPTS):
            found = batch.truth_alone[row, column]
            assert (found != 0) == (name in there)
            if GROUP[name] not in ("part", "slot"):
                assert (found == 1) == (name in seen)
        for column in range(60, 80):
            colour, shape = batch.alone[column].split()[-2:]
            has = any(
                int(bits) & asked == asked
                for bits in drawn.things[row]
                for asked in [BIT[colour] | BIT[shape]]
            )
            assert (batch.truth_alone[row, column] != 0) == has


def test_plain_pictures_are_those_of_the_world_without_any_circle(drawn: Scenes) -> None:
    batch = pairs(drawn, PLAIN, batch=len(drawn))(0)
    x = torch.from_numpy(np.array(drawn.pixels)).permute(0, 3, 1, 2).float() / 255
    expected = torch.nn.functional.interpolate(x, (64, 64), mode="bilinear", antialias=True)
    assert torch.allclose(batch.images, expected, atol=1e-6)


def test_a_circled_picture_is_the_plain_one_with_a_ring(drawn: Scenes) -> None:
    batch = pairs(drawn, Mix(circled=1.0, cut=0.0), batch=len(drawn))(0)
    plain = pairs(drawn, PLAIN, batch=len(drawn))(0)
    changed = (batch.images - plain.images).abs().amax(1) > 0.02
    for at in range(len(drawn)):
        y, x = changed[at].nonzero(as_tuple=True)
        assert 3 < len(x) < 0.4 * 64 * 64
        red, green, blue = batch.images[at][:, y, x]
        assert bool((red.max() > 0.8) & (green.min() < 0.4) & (blue.min() < 0.4))


class Fixed(Pairs):
    """Every circle and every cut-out lies in the middle."""

    def _circle(self, scene: int, rng: np.random.Generator) -> Circle:
        return Circle(0.5, 0.5, 0.25)

    def _box(self, scene: int, rng: np.random.Generator) -> tuple[float, float, float]:
        return 0.25, 0.25, 0.5


@pytest.mark.parametrize("mix", [Mix(circled=1.0, cut=0.0), Mix(circled=0.0, cut=1.0)], ids=["circle", "cut"])
def test_a_region_speaks_of_what_it_holds_and_denies_the_rest(drawn: Scenes, mix: Mix) -> None:
    batch = Fixed(drawn, mix, batch=len(drawn), size=64, grid=8, seed=0)(0)
    rows, columns = np.abs((np.mgrid[:32, :32] + 0.5) / 32 - 0.5)
    region = np.hypot(rows, columns) <= 0.25 if mix.circled else np.maximum(rows, columns) <= 0.25
    n_in = n_out = 0
    for at in range(len(drawn)):
        words = [set(words_of(int(bits))) & {*SHAPES, *COLOURS} for bits in drawn.things[at]]
        for k in range(1, len(words)):
            mine = region[drawn.owner[at] == k]
            own = words[k].difference(*(other for j, other in enumerate(words) if j != k))
            if len(mine) < 4 or 0 < mine.mean() < 1:
                continue
            n_in, n_out = n_in + int(mine.all()), n_out + int(not mine.any())
            for word in own:
                assert batch.truth_alone[at, CONCEPTS.index(word)] == mine.all(), (word, at)
    assert n_in > 3 and n_out > 20


def test_a_cut_out_is_enlarged_to_the_whole_picture(drawn: Scenes) -> None:
    batch = Fixed(drawn, Mix(circled=0.0, cut=1.0), batch=len(drawn), size=64, grid=8, seed=0)(0)
    x = torch.from_numpy(np.array(drawn.pixels[:, 24:72, 24:72])).permute(0, 3, 1, 2).float() / 255
    expected = torch.nn.functional.interpolate(x, (64, 64), mode="bilinear", antialias=True)
    assert torch.allclose(batch.images, expected, atol=1e-6)


def test_a_circle_lies_where_it_is_said() -> None:
    image = torch.full((3, 50, 50), 0.5)
    draw_circle(image, Circle(0.4, 0.6, 0.2, width=2.0, rgb=(255, 0, 51)))
    for row in range(50):
        for column in range(50):
            away = abs(math.hypot(row + 0.5 - 30, column + 0.5 - 20) - 10)
            ink = min(1.0, max(0.0, 1.5 - away))
            for channel, colour in enumerate((1.0, 0.0, 0.2)):
                assert image[channel, row, column] == pytest.approx(0.5 * (1 - ink) + colour * ink, abs=1e-4)


def test_a_disk_holds_the_places_within_and_at_least_one() -> None:
    found = disk(32, Circle(0.5, 0.25, 0.2))
    for row in range(32):
        for column in range(32):
            away = math.hypot((row + 0.5) / 32 - 0.25, (column + 0.5) / 32 - 0.5)
            assert found[row, column] == (away <= 0.2)
    tiny = disk(32, Circle(0.01, 0.99, 0.001))
    assert tiny.sum() == 1 and tiny[31, 0]


def test_a_cut_out_with_one_thing_speaks_of_no_size(drawn: Scenes) -> None:
    batch = pairs(drawn, Mix(circled=0.0, cut=1.0))(0)
    sizes = [CONCEPTS.index(name) for name in ("small", "medium", "large")]
    assert not (batch.truth_alone[:, sizes] == 1).any()
    assert not any(word in text.split() for text in batch.texts[:20] for word in ("small", "medium", "large"))


def test_a_text_that_says_more_is_surely_true_of_its_own_picture_only() -> None:
    from seewhy.training.pairs import _truth, _with_own

    said = [Said("two red objects", (BIT["red"] | BIT["object"],), beyond=True), Said("blue", (BIT["blue"],))]
    things = np.array([[BIT["red"] | BIT["object"]], [BIT["red"] | BIT["object"]], [BIT["blue"]]], np.uint64)
    truth = _truth(said, things, things)
    assert truth.tolist() == [[-1, 0], [-1, 0], [0, 1]]
    assert _with_own(truth, said, np.array([WHOLE_KIND, WHOLE_KIND])).tolist() == [[1, 0], [-1, 0], [0, 1]]
    might = np.array([[0], [BIT["blue"]], [0]], np.uint64)
    assert _truth(said[1:], things, might).tolist() == [[0], [-1], [1]]
