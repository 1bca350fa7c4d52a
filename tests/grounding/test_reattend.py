"""The bias is a Gaussian around each cell; none of it leaves the whole picture's embedding."""

from __future__ import annotations

import math

import pytest
import torch

from seewhy.errors import NotSupported
from seewhy.grounding.reattend import Reattend
from tests.grounding.fake import Circled, Patches, inputs


def test_the_bias_is_a_gaussian_of_pixels_around_each_cell() -> None:
    prompter = Reattend((2, 3), sigma=0.3, strength=5.0)
    found = prompter.bias((24, 36), (3, 4))
    assert found.shape == (6, 12) and found.dtype == torch.float32
    for cell in range(6):
        cy, cx = (cell // 3 + 0.5) * 12, (cell % 3 + 0.5) * 12
        for token in range(12):
            y, x = (token // 4 + 0.5) * 8, (token % 4 + 0.5) * 9
            away = (y - cy) ** 2 + (x - cx) ** 2
            expected = 5.0 * math.exp(-away / (2 * (0.3 * 24) ** 2))
            assert found[cell, token].item() == pytest.approx(expected, rel=1e-5)


def test_no_strength_is_the_whole_picture_and_much_is_the_patch_of_the_cell() -> None:
    vlm = Patches()
    x = inputs(vlm, 2)
    none = Reattend((2, 3), strength=0.0)(vlm, x)
    torch.testing.assert_close(none, vlm.encode_images(x)[:, None, None].expand(2, 2, 3, 6))
    much = Reattend(vlm.token_grid, sigma=0.05, strength=1e4)(vlm, x)
    torch.testing.assert_close(much, vlm.dense(x).movedim(1, -1))


def test_pictures_pass_once() -> None:
    vlm = Patches()
    Reattend()(vlm, inputs(vlm, 3))
    assert vlm.n_shown == 3


def test_a_vlm_that_cannot_says_so() -> None:
    vlm = Circled()
    with pytest.raises(NotSupported, match=r"circled has no .*\n.*\n.*red circles or crops"):
        Reattend()(vlm, inputs(vlm, 1))
