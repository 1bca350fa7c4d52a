"""Inside the disk nothing changes; outside, each pixel is a weighted mean of its surroundings."""

from __future__ import annotations

import math

import torch

from seewhy.grounding.blur import BlurOutside, gaussian
from tests.grounding.fake import Patches, inputs


def blurred_by_hand(x: torch.Tensor, i: int, j: int, sigma: float) -> torch.Tensor:
    total, weights = torch.zeros(3, dtype=torch.float64), 0.0
    for k in range(x.shape[1]):
        for m in range(x.shape[2]):
            weight = math.exp(-((k - i) ** 2 + (m - j) ** 2) / (2 * sigma**2))
            total += weight * x[:, k, m].double()
            weights += weight
    return total / weights


def test_the_disk_is_sharp_and_the_rest_a_gaussian_mean() -> None:
    vlm = Patches()
    x = inputs(vlm, 1)
    shown = BlurOutside((2, 2), radius=0.25, sigma=0.1).painter(vlm, x)(slice(2, 3))[0, 0]  # lower left cell
    for i, j in ((18, 8), (13, 8), (12, 8), (11, 8), (0, 0), (23, 31), (5, 20)):
        inside = math.hypot(i + 0.5 - 18, j + 0.5 - 8) <= 6
        expected = x[0, :, i, j] if inside else blurred_by_hand(x[0], i, j, 2.4).float()
        torch.testing.assert_close(shown[:, i, j], expected)


def test_a_plain_picture_stays_as_it_is() -> None:
    vlm = Patches()
    x = torch.full((1, 3, 24, 32), 0.7)
    shown = BlurOutside((2, 3)).painter(vlm, x)(slice(0, 6))
    torch.testing.assert_close(shown, x[:, None].expand_as(shown))
    torch.testing.assert_close(gaussian(1, 0.3), torch.ones(1, 1, dtype=torch.float64))


def test_the_whole_picture_is_sharp_within_a_large_disk() -> None:
    vlm = Patches(size=(24, 24))
    x = inputs(vlm, 2)
    found = BlurOutside((1, 1), radius=1.0)(vlm, x)
    torch.testing.assert_close(found[:, 0, 0], vlm.encode_images(x))
