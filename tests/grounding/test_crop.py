"""A cut-out is a resize of that part of the picture, and nothing of its surroundings gets in."""

from __future__ import annotations

import torch
from torch import nn

from seewhy.grounding.crop import Crop, sampling
from tests.grounding.fake import Patches, inputs


def test_cut_outs_with_whole_borders_are_resized_slices() -> None:
    vlm = Patches()
    x = inputs(vlm, 2)
    shown = Crop((3, 4), size=0.5).painter(vlm, x)(slice(0, 12))
    tops, lefts = (0, 6, 12), (0, 4, 12, 16)  # of 12 x 16 pixels; outer ones are moved inside
    for cell in range(12):
        top, left = tops[cell // 4], lefts[cell % 4]
        part = x[:, :, top : top + 12, left : left + 16]
        expected = nn.functional.interpolate(part, (24, 32), mode="bilinear", align_corners=False)
        torch.testing.assert_close(shown[:, cell], expected)


def test_a_ramp_is_sampled_to_the_fraction_of_a_pixel() -> None:
    # A line whose value is the place: inside a piece, the sampled value is the sampled place.
    places = torch.arange(20) + 0.5
    found = (sampling(torch.tensor([7.3, 1.0], dtype=torch.float64), 6.4, 20) @ places.double())[0]
    expected = 7.3 - 3.2 + (torch.arange(20) + 0.5) * 6.4 / 20
    inside = (expected > 4.1 + 0.5) & (expected < 10.5 - 0.5)
    torch.testing.assert_close(found[inside], expected[inside].double())
    assert inside.sum() >= 16 and found.min() >= 4.1 and found.max() <= 10.5


def test_weights_of_a_sample_add_up_to_one() -> None:
    for length, side in ((6.4, 20), (0.5, 9), (1.0, 1), (20.0, 20)):
        weights = sampling(torch.tensor([0.0, side / 3, side], dtype=torch.float64), length, side)
        torch.testing.assert_close(weights.sum(2), torch.ones(3, side, dtype=torch.float64))
        assert weights.min() >= 0


def test_a_cut_out_of_everything_is_the_picture_itself() -> None:
    vlm = Patches()
    x = inputs(vlm, 2)
    found = Crop((2, 3), size=1.0)(vlm, x)
    torch.testing.assert_close(found, vlm.encode_images(x)[:, None, None].expand(2, 2, 3, 6))


def test_what_is_outside_a_cut_out_does_not_matter() -> None:
    vlm = Patches()
    x = inputs(vlm, 1)
    prompter = Crop((3, 4), size=0.3)
    changed = x.clone()
    changed[..., 16:, :] += 1.0  # the first row's pieces end at row 7.6 (4 + 3.6)
    one, other = prompter(vlm, x), prompter(vlm, changed)
    torch.testing.assert_close(one[:, 0], other[:, 0])
    assert (one[:, 2] - other[:, 2]).abs().max() > 1e-3
