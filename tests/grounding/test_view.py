"""Both models see one part of the picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seewhy.errors import NotSupported
from seewhy.grounding.view import common_view
from seewhy.images.picture import Picture
from seewhy.images.preprocess import Preprocess

SIZES = [(480, 640), (640, 480), (500, 500), (7, 9), (1, 1), (2, 31), (31, 2), (101, 333), (224, 225)]
BACKBONES: list[dict[str, Any]] = [
    {"size": 224, "resize": 256},
    {"size": 224, "resize": 224},
    {"size": 299, "resize": 342},
    {"size": 96, "resize": 96},
    {"size": 224, "resize": 200},
    {"size": 224, "resize": (240, 300)},
    {"size": 224, "resize": 256, "odd_margin": "floor"},
    {"size": 224, "fit": "pad", "fill": 0.5},
    {"size": 224, "fit": "stretch", "resize": 256},
    {"size": (120, 160), "resize": (140, 180)},
    {"size": (120, 160), "fit": "stretch"},
]


def pairs() -> list[tuple[Preprocess, Preprocess]]:
    found = []
    for settings in BACKBONES:
        backbone = Preprocess(**settings)
        square = backbone.size[0] == backbone.size[1] or backbone.fit == "stretch"
        for size in ((64, 64), (224, 224), (336, 336)) if square else ((60, 80), (120, 160), (240, 320)):
            found.append((backbone, Preprocess(size=size, mean=0.5, std=0.25, interpolation="bicubic")))
    return found


@pytest.mark.parametrize(("backbone", "vlm"), pairs(), ids=lambda p: f"{p.fit}{p.resize or p.size}{p.size}")
def test_both_see_one_box_of_any_picture(backbone: Preprocess, vlm: Preprocess) -> None:
    view = common_view(backbone, vlm)
    for height, width in SIZES:
        picture = Picture(np.zeros((height, width, 3), np.uint8))
        (_, one), (_, other) = backbone(picture), view(picture)
        for seen in (one.seen_box, other.seen_box):
            here, there = one.box_to_model(seen), other.box_to_model(seen)
            for a, b, side, own in zip(here, there, one.model[::-1] * 2, other.model[::-1] * 2, strict=True):
                # Both in pixels of the backbone's input.
                assert abs(a - b * side / own) <= 1 + 1.25 * side / own, (height, width)


def test_sizes_in_proportion_are_matched_to_the_pixel() -> None:
    view = common_view(Preprocess(size=224, resize=256), Preprocess(size=112, mean=0.1))
    assert view.resize == (128, 128) and view.size == (112, 112)
    same = common_view(Preprocess(size=224, resize=248), Preprocess(size=224))
    for height, width in SIZES:
        picture = Picture(np.zeros((height, width, 3), np.uint8))
        assert same(picture)[1] == Preprocess(size=224, resize=248)(picture)[1]


def test_only_the_part_comes_from_the_backbone() -> None:
    vlm = Preprocess(size=64, mean=(0.1, 0.2, 0.3), std=0.5, interpolation="lanczos", bgr=True)
    view = common_view(Preprocess(size=224, fit="pad", fill=0.25, odd_margin="floor", mean=0.9), vlm)
    assert (view.size, view.mean, view.std, view.interpolation, view.bgr) == (
        vlm.size, vlm.mean, vlm.std, "lanczos", True
    )  # fmt: skip
    assert (view.fit, view.fill, view.odd_margin, view.resize) == ("pad", 0.25, "floor", (64, 64))
    assert "the part that the backbone sees" in view.source


def test_the_vlms_own_view_would_be_an_eighth_off() -> None:
    backbone, vlm = Preprocess(size=224, resize=256), Preprocess(size=64)
    picture = Picture(np.zeros((640, 640, 3), np.uint8))
    box = backbone(picture)[1].box_to_model(vlm(picture)[1].box_to_original((0, 0, 64, 64)))
    assert box[0] == pytest.approx(-16) and box[2] == pytest.approx(240)


def test_another_aspect_is_refused() -> None:
    with pytest.raises(NotSupported, match=r"sees 120x160 pixels and the VLM 64x64(?s:.*)fit='stretch'"):
        common_view(Preprocess(size=(120, 160)), Preprocess(size=64))
