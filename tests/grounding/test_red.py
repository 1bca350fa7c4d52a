"""Red is what people call red, its share is that of the pixels, and the audit finds what follows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from seewhy.errors import InputError
from seewhy.grounding.build import build
from seewhy.grounding.red import is_red, red_audit, red_share
from seewhy.grounding.red_circle import RedCircle
from seewhy.images.preprocess import Preprocess
from seewhy.images.read import read_images
from tests.grounding.fake import Circled

RED = [(255, 0, 0), (205, 40, 40), (178, 34, 34), (255, 99, 71), (220, 20, 60), (139, 0, 0)]
OTHER = [(235, 130, 30), (255, 165, 0), (139, 69, 19), (255, 192, 203), (224, 172, 105), (128, 0, 128),
         (255, 255, 255), (0, 0, 0), (255, 255, 0), (90, 0, 0)]  # fmt: skip


def test_red_is_red_and_orange_brown_pink_and_skin_are_not() -> None:
    levels = torch.tensor([*RED, *OTHER])[:, :, None, None] / 255
    assert is_red(levels).flatten().tolist() == [True] * len(RED) + [False] * len(OTHER)


@pytest.mark.parametrize("bgr", [False, True])
def test_the_share_is_that_of_red_pixels_after_any_normalisation(bgr: bool) -> None:
    pixels = np.full((2, 10, 20, 3), 128, np.uint8)
    pixels[0, :3, :7] = (255, 0, 0)
    pixels[0, 5:, :] = (0, 0, 255)
    preprocess = Preprocess(size=(10, 20), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4), bgr=bgr)
    x = torch.stack([preprocess(picture)[0] for picture in read_images(pixels)])
    assert red_share(x, preprocess).tolist() == pytest.approx([21 / 200, 0])
    grey = Preprocess(size=(10, 20), mean=0.5, std=0.5, channels=1)
    assert red_share(torch.zeros(2, 1, 10, 20), grey).tolist() == [0, 0]


def test_the_audit_flags_red_pictures_and_finds_the_concept_that_follows_red(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = np.zeros((9, 56, 56, 3), np.uint8)
    shares = np.arange(9) * 3 / 56
    for one, share in zip(pixels, shares, strict=True):
        one[:, :, 1], one[:, :, 2] = rng.integers(60, 120, 2)[:, None, None]
        one[: round(56 * share)] = (220, 0, 0)
    vlm = Circled()
    store = build(vlm, RedCircle((2, 2), radius=0.2), pixels, tmp_path / "a")
    np.testing.assert_allclose(store.red, shares, atol=1e-6)
    text = vlm.encode_texts(["red", "green"])
    found = red_audit(store, text)
    assert found.flagged == (8, 7, 6, 5, 4, 3, 2) and (found.share[list(found.flagged)] > 0.1).all()
    assert found.local[0] > 0.9 and found.unprompted[0] > 0.9
    local = store.similarity(text).mean((2, 3)).numpy()
    for concept in range(2):
        assert found.local[concept] == pytest.approx(
            np.corrcoef(local[:, concept], store.red)[0, 1], abs=1e-4
        )
        whole = (store.unprompted @ text[concept]).numpy()
        assert found.unprompted[concept] == pytest.approx(np.corrcoef(whole, store.red)[0, 1], abs=1e-4)
    np.testing.assert_allclose(found.rise, np.abs(found.local) - np.abs(found.unprompted))
    assert red_audit(store, text, above=1.0).flagged == ()
    with pytest.raises(InputError, match=r"above is 2.\n.*0 to 1"):
        red_audit(store, text, above=2)


def test_without_any_red_there_is_nothing_to_follow(tmp_path: Path) -> None:
    vlm = Circled()
    pixels = np.random.default_rng(0).integers(0, 100, (4, 56, 56, 3), np.uint8)
    store = build(vlm, RedCircle(2, radius=0.2), pixels, tmp_path / "a")
    found = red_audit(store, vlm.encode_texts(["green"]))
    assert found.flagged == () and np.isnan(found.local).all() and np.isnan(found.unprompted).all()
