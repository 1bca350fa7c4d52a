"""The model that comes along: its real weights put words on the right pictures and places."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from seewhy.errors import InputError
from seewhy.images.picture import Picture
from seewhy.vlms.base import VLM
from seewhy.vlms.load import load_vlm
from seewhy.vlms.templates import embed_phrases
from seewhy.world.drawing.renderer import render
from seewhy.world.scene import Scene, Thing
from seewhy.world.tasks.tasks import find_task

KINDS = ("plain", "gradient", "stripes", "dots", "checker", "grass", "water", "bricks")


@pytest.fixture(scope="module")
def vlm() -> VLM:
    return load_vlm("seewhy/clip")


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    which = find_task("T8")
    return [which.scene("test", index) for index in range(60)]


def inputs(vlm: VLM, scenes: list[Scene]) -> Tensor:
    return torch.stack([vlm.preprocess(Picture(render(scene, 96).rgb))[0] for scene in scenes])


def test_backgrounds_are_named(vlm: VLM, scenes: list[Scene]) -> None:
    words = embed_phrases(vlm, [_phrase(kind) for kind in KINDS])
    named = (vlm.encode_images(inputs(vlm, scenes)) @ words.T).argmax(1).tolist()
    right = [KINDS[at] == scene.background.kind for at, scene in zip(named, scenes, strict=True)]
    assert np.mean(right) >= 0.9  # chance 1/8


@pytest.mark.parametrize("mode", ["maskclip", "tokens", "reattend"])
def test_words_land_on_the_things_that_they_name(vlm: VLM, scenes: list[Scene], mode: str) -> None:
    x = inputs(vlm, scenes)
    if mode == "reattend":
        found = vlm.reattend(x, 6.0 * torch.eye(64)).transpose(1, 2).reshape(len(x), -1, 8, 8)
    else:
        found = vlm.dense(x, mode)
    inside = []
    for scene, places in zip(scenes, found, strict=True):
        things = [item for item in scene.items if isinstance(item, Thing)]
        alone = [t for t in things if sum(o.colour == t.colour for o in things) == 1]
        for thing in alone:
            word = vlm.encode_texts([f"a {thing.texture} {thing.colour} {thing.shape}"])[0]
            row, column = divmod(int(torch.einsum("dhw,d->hw", places, word).argmax()), 8)
            off = np.hypot((column + 0.5) / 8 - thing.x, (row + 0.5) / 8 - thing.y)
            inside.append(off <= thing.radius + 1 / 8)
    assert len(inside) > 40 and np.mean(inside) >= 0.75


def test_words_outside_its_world_are_refused_by_name(vlm: VLM) -> None:
    with pytest.raises(InputError, match="has the word 'zebra'"):
        vlm.encode_texts(["a red star", "a zebra"])
    with pytest.raises(InputError, match="At most 38 fit"):
        vlm.encode_texts(["red " * 39])


def test_it_says_what_it_is(vlm: VLM) -> None:
    said = vlm.describe()
    assert (said["id"], said["dim"], said["token_grid"]) == ("seewhy/clip", 128, [8, 8])
    assert said["supports"] == ["dense", "reattend"] and said["notes"] == [
        "It knows 123 words, those of its world."
    ]
    assert vlm.scale > 1 and vlm.shift < 0


def test_random_weights_are_the_same_ones_and_marked(vlm: VLM) -> None:
    one, other = (load_vlm("seewhy/clip", weights=None) for _ in range(2))
    assert one.untrained and one.fingerprint() == other.fingerprint() != vlm.fingerprint()


def _phrase(kind: str) -> str:
    return {"plain": "a plain background", "gradient": "a gradient background"}.get(kind, kind)
