"""With the bundled model of pictures and words: circles find what is where, and cheap ways cost what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from seewhy.grounding.agreement import agreement
from seewhy.grounding.build import build
from seewhy.grounding.dense import Dense
from seewhy.grounding.reattend import Reattend
from seewhy.grounding.red_circle import RedCircle
from seewhy.grounding.store import LocalEmbeddingStore
from seewhy.vlms.base import VLM
from seewhy.vlms.load import load_vlm
from seewhy.world.drawing.renderer import render
from seewhy.world.scene import Thing
from seewhy.world.tasks.tasks import find_task

N = 6


@pytest.fixture(scope="module")
def vlm() -> VLM:
    return load_vlm("seewhy/clip")


@pytest.fixture(scope="module")
def scenes() -> list[tuple[np.ndarray, list[tuple[str, int]], np.ndarray]]:
    """Pixels, (colour and shape, number of the object), and which object each pixel shows."""
    found = []
    for index in range(N):
        scene = find_task("T8").scene("test", index)
        drawn = render(scene, 128)
        things = [(f"{t.colour} {t.shape}", i) for i, t in enumerate(scene.items) if isinstance(t, Thing)]
        found.append((drawn.rgb, things, drawn.id_map))
    return found


@pytest.fixture(scope="module")
def circled(vlm: VLM, scenes: list, tmp_path_factory: pytest.TempPathFactory) -> LocalEmbeddingStore:  # type: ignore[type-arg]
    return build(vlm, RedCircle(), np.stack([s[0] for s in scenes]), tmp_path_factory.mktemp("a") / "s")


def test_circles_point_at_the_object_that_the_words_name(
    vlm: VLM,
    scenes: list,
    circled: LocalEmbeddingStore,  # type: ignore[type-arg]
) -> None:
    hits = []
    for n, (_, things, owner) in enumerate(scenes):
        for words, at in things:
            if [w for w, _ in things].count(words) > 1 or (owner == at + 1).sum() < 100:
                continue
            row, column = divmod(int(circled.similarity(vlm.encode_texts([words]), n, n + 1).argmax()), 7)
            ys, xs = np.nonzero(owner == at + 1)
            away = np.hypot(ys + 0.5 - (row + 0.5) * 128 / 7, xs + 0.5 - (column + 0.5) * 128 / 7).min()
            hits.append(away < 128 / 14)  # half a cell; by chance about a fifth
    assert len(hits) >= 10 and np.mean(hits) > 0.8


def test_embedding_again_gives_what_is_stored(
    vlm: VLM,
    scenes: list,
    circled: LocalEmbeddingStore,  # type: ignore[type-arg]
) -> None:
    assert circled.recompute(vlm, RedCircle(), np.stack([s[0] for s in scenes]), k=2) < 1e-3


@pytest.mark.parametrize("prompter", [Reattend(), Dense("maskclip", (7, 7))], ids=repr)
def test_cheap_ways_agree_with_circles_more_than_by_chance(
    prompter: Reattend | Dense,
    vlm: VLM,
    scenes: list,
    circled: LocalEmbeddingStore,
    tmp_path: Path,  # type: ignore[type-arg]
) -> None:
    pixels = np.stack([s[0] for s in scenes])
    text = vlm.encode_texts(["red", "green", "blue", "disk", "star", "cross", "grass", "water", "striped"])
    found = agreement(circled, build(vlm, prompter, pixels, tmp_path / "a"), text)
    assert found.cells_pearson.mean > 0.1 and found.images_pearson.mean > 0.1


def test_no_strength_is_the_whole_picture(vlm: VLM, scenes: list) -> None:  # type: ignore[type-arg]
    from seewhy.images.read import read_images

    x = torch.stack([vlm.preprocess(p)[0] for p in read_images(np.stack([s[0] for s in scenes[:2]]))])
    found = Reattend((2, 3), strength=0.0)(vlm, x)
    whole = vlm.encode_images(x)[:, None, None].expand_as(found)
    torch.testing.assert_close(found, whole, atol=1e-5, rtol=0)
