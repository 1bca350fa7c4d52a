"""The image-text model's numbers: their parts in closed form, an oracle at the top, a random network at chance."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from seewhy.bundled.image_text import build
from seewhy.hub.random_weights import private_randomness
from seewhy.training import image_text_measures as module
from seewhy.training.image_text_measures import Prompted, circled, cut_outs, maps, presence
from seewhy.training.pairs import Circle, draw_circle
from seewhy.training.run import tokenizer
from seewhy.training.said import BIT, CONCEPTS, bits_of, phrases
from seewhy.world.drawing.renderer import render
from seewhy.world.tasks.tasks import find_task

N = 60


@pytest.fixture(scope="module")
def untrained() -> Prompted:
    words = tokenizer()
    with private_randomness(1):
        model = build(words)
    return Prompted(model.eval(), words, 64)


class Oracle(Prompted):
    """Knows every scene by its pixels: a picture is what is true of it, a text the concept that it names."""

    def words(self, texts: Sequence[str]) -> Tensor:
        named = {text: at for at, name in enumerate(CONCEPTS) for text in phrases(name)}
        return torch.eye(len(CONCEPTS))[[named[text] for text in texts]]

    def pictures(self, images: Tensor) -> Tensor:
        return torch.stack([self.model[one.numpy().tobytes()] for one in images])


def known(n: int) -> Oracle:
    oracle = Oracle({}, None, 64)
    for index in range(n):
        scene = find_task("T8").scene("test", index)
        bits = BIT[scene.background.kind]
        for item in scene.items:
            bits |= bits_of(item)
        has = [float(bits & BIT[name] > 0) for name in CONCEPTS]
        picture = oracle.resized(render(scene, module.SOURCE).rgb[None])[0]
        oracle.model[picture.numpy().tobytes()] = torch.tensor(has)
    return oracle


def test_an_oracle_of_presence_is_perfect_and_its_opposite_the_worst() -> None:
    oracle = known(N)
    assert {one.value for one in presence(oracle, N)} == {1.0}
    oracle.model.update({key: -has for key, has in oracle.model.items()})
    assert {one.value for one in presence(oracle, N)} == {0.0}


def test_an_untrained_network_is_at_chance(untrained: Prompted) -> None:
    for one in presence(untrained, N):
        assert 0.35 < one.value < 0.65, one
    found = {one.what: one for one in (*cut_outs(untrained, N), *circled(untrained, N), *maps(untrained, 6))}
    assert found["cut-outs: colour and shape of 64"].value < 0.1
    assert found["circled thing's text first"].value < 0.6
    assert 0.2 < found["dense tokens: AUROC"].value < 0.8
    assert found["a perfect 7x7 map: pointing within .07"].value > 0.9
    for one in found.values():
        assert one.low is not None and one.high is not None and one.low <= one.value <= one.high
        assert one.n >= 6


def test_pictures_and_tokens_are_those_of_open_clip(untrained: Prompted) -> None:
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    visual = untrained.model.visual
    visual.output_tokens = True
    try:
        with torch.inference_mode():
            pooled, tokens = visual(images * 2 - 1)
            expected = torch.nn.functional.normalize(tokens @ visual.proj, dim=-1)
    finally:
        visual.output_tokens = False
    torch.testing.assert_close(untrained.tokens(images), expected)
    torch.testing.assert_close(untrained.pictures(images), torch.nn.functional.normalize(pooled, dim=-1))
    assert untrained.tokens(images).shape == (3, 64, 128)


def test_areas_are_the_mean_or_the_least_of_the_concepts(untrained: Prompted) -> None:
    rng = np.random.default_rng(0)
    scores, there = rng.normal(size=(80, 3)), rng.random((80, 3)) < (0.5, 0.2, 0.7)
    each = [roc_auc_score(there[:, k], scores[:, k]) for k in range(3)]
    mean = module._areas("presence AUROC: shape", "on", scores, there)
    assert mean.value == pytest.approx(np.mean(each), abs=1e-4) and mean.bar == 0.86
    worst = module._areas("x", "on", scores, there, worst=True)
    assert worst.value == pytest.approx(min(each), abs=1e-4) and worst.bar is None


def test_pointing_is_judged_from_the_centre_of_the_highest_cell() -> None:
    cells = np.zeros((7, 7))
    cells[2, 5] = 1  # its centre is at (5.5 / 7, 2.5 / 7) of the side
    mask = np.zeros((70, 70), bool)
    mask[25, 55] = True
    assert module._points(cells, mask) == 1
    for column, hit in ((59, 1.0), (60, 0.0)):  # .066 and .08 of the side away
        mask[:] = False
        mask[25, column] = True
        assert module._points(cells, mask) == hit
    mask[:] = False
    mask[20:30, 50:60] = True  # exactly that cell
    assert module._points(module._shares(mask), mask) == 1 and module._shares(mask)[2, 5] == 1


def test_forty_nine_circles_each_in_its_cell() -> None:
    clean = torch.full((3, 70, 70), 0.5)
    images = module._with_circles(clean)
    assert images.shape == (49, 3, 70, 70)
    for at in (0, 24, 30, 48):
        row, column = divmod(at, 7)
        y, x = np.nonzero((images[at] != clean).any(0).numpy())
        away = np.hypot(y + 0.5 - (10 * row + 5), x + 0.5 - (10 * column + 5))
        assert len(away) and np.abs(away - 0.14 * 70).max() < 2
    assert (clean == 0.5).all()


def test_a_cut_out_at_the_border_is_a_square_moved_into_the_picture(untrained: Prompted) -> None:
    item = next(item for index in range(50) for item in find_task("T8").scene("test", index).objects)
    picture = np.zeros((96, 96, 3), np.uint8)
    picture[:, :, 0], picture[:, :, 1] = np.arange(96)[None] * 2, np.arange(96)[:, None] * 2
    cut = module._cut(untrained, picture, replace(item, x=1.0, y=0.5, radius=0.125))[0] * 255
    assert cut.shape == (3, 64, 64)
    side = 2 * 1.3 * 0.125 * 96  # 31.2 pixels
    assert cut[0, :, -1].mean().item() == pytest.approx(2 * 95, abs=2)
    assert cut[0, :, 0].mean().item() == pytest.approx(2 * (96 - side), abs=3)
    assert cut[1, 0].mean().item() == pytest.approx(2 * (48 - side / 2), abs=3)


class FollowsCircles(Prompted):
    """Sees what was circled last in the first of two pictures, and nothing in the second."""

    def words(self, texts: Sequence[str]) -> Tensor:
        return torch.stack([self.vector(text) for text in texts])

    def pictures(self, images: Tensor) -> Tensor:
        return torch.stack([self.model["sees"] * self.vector(self.model["circled"]), torch.zeros(64)])

    def vector(self, text: str) -> Tensor:
        return torch.randn(64, generator=torch.Generator().manual_seed(zlib.crc32(text.encode())))


@pytest.mark.parametrize(("sees", "expected"), [(1.0, 1.0), (-1.0, 0.0)])
def test_who_follows_every_circle_is_right_every_time(
    sees: float, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle = FollowsCircles({"sees": sees}, None, 64)
    texts = {
        (item.x, item.y): module._described(item)
        for index in range(4 * N)
        for item in find_task("T8").scene("test", index).objects
    }

    def noticed(image: Tensor, circle: Circle) -> None:
        oracle.model["circled"] = texts[circle.x, circle.y]
        draw_circle(image, circle)

    monkeypatch.setattr(module, "draw_circle", noticed)
    first, bare = circled(oracle, N)
    assert (first.value, first.n) == (expected, N) and bare.value < 0.6
