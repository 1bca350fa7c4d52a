"""Edits of features: what a factor of 0, 1 and between makes of them, and the tail run on the result."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import seewhy as sw
from seewhy.attribution.replays import input_again
from seewhy.errors import InputError
from seewhy.models.replays import replay_of, scaled_channels, scaled_codes

GENERATOR = torch.Generator().manual_seed(0)
PHOTO = np.random.default_rng(0).integers(0, 256, (9, 14, 3), dtype=np.uint8)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=GENERATOR)


def test_channels_move_between_their_start_and_themselves() -> None:
    features, start = normal(1, 3, 2, 5), normal(1, 3, 2, 5)
    factors = torch.tensor([[1.0, 0.0, 0.5], [0.0, 1.0, 1.5]])
    edited = scaled_channels(features, start)(factors)
    for n in range(2):
        for m in range(3):
            s = float(factors[n, m])
            torch.testing.assert_close(edited[n, m], s * features[0, m] + (1 - s) * start[0, m])
    assert torch.equal(scaled_channels(features)(torch.zeros(1, 3)), torch.zeros_like(features))


def test_a_code_taken_out_takes_what_it_decodes_to_and_nothing_else() -> None:
    features, codes, atoms = normal(1, 4, 2, 3), normal(2, 2, 3), normal(2, 4)
    keep, without = scaled_codes(features, codes, atoms)(torch.tensor([[1.0, 1.0], [1.0, 0.0]]))
    torch.testing.assert_close(keep, features[0])
    for y in range(2):
        for x in range(3):
            torch.testing.assert_close(without[:, y, x], features[0, :, y, x] - codes[1, y, x] * atoms[1])


def model() -> sw.Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
        )
    return sw.load(module.eval(), preprocess=sw.Preprocess((8, 11)))


@pytest.mark.parametrize("batch_size", [None, 1, 3])
def test_a_replay_of_codes_runs_the_tail_on_the_edit(batch_size: int | None) -> None:
    backbone = model().backbone
    batch = backbone.tensor(sw.read_images(PHOTO))
    split, atoms = backbone.split(), normal(3, 4)
    codes = normal(3, *split.cut(batch.x).features.shape[2:])
    again = input_again(backbone, batch, 0, True)
    replay = replay_of(
        backbone, split, again, (8, 11), 1, lambda cut: scaled_codes(cut.features, codes, atoms), batch_size
    )
    factors = np.random.default_rng(1).uniform(0, 1.5, (5, 3))
    assert replay.concepts is not None
    found = replay.concepts(factors)
    cut = split.cut(batch.x)
    for row, logit in zip(factors, found, strict=True):
        change = torch.einsum("m,mhw,mc->chw", torch.from_numpy(row).float() - 1, codes, atoms)
        expected = split.tail(cut.features + change, cut.rest)[0, 1].detach()
        assert logit == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize("preprocess", [True, False])
def test_hidden_pixels_show_the_filling_and_kept_ones_the_picture(preprocess: bool) -> None:
    backbone = model().backbone
    batch = backbone.tensor(sw.read_images(PHOTO))
    again = input_again(backbone, batch, 0, preprocess)
    assert torch.equal(again(), batch.x)
    keep = np.random.default_rng(2).random((3, 8, 11)) < 0.5
    answer = model().attribute(PHOTO, "gradcam", 1)
    assert isinstance(answer, sw.AttributionMap) and answer.replay is not None
    found = answer.replay.pixels(keep, "mean", "logit")
    for mask, logit in zip(torch.from_numpy(keep), found, strict=True):
        x = torch.where(mask, batch.x, batch.x.mean((2, 3), keepdim=True))
        assert logit == pytest.approx(float(backbone.module(x)[0, 1].detach()), abs=1e-5)


def test_a_ready_tensor_changed_afterwards_does_not_change_the_replay() -> None:
    backbone = model().backbone
    batch = backbone.tensor(sw.read_images(PHOTO))
    again, before = input_again(backbone, batch, 0, False), batch.x.clone()
    batch.x.zero_()
    assert torch.equal(again(), before)


def test_masks_of_another_size_and_unknown_fillings_are_refused() -> None:
    answer = model().attribute(PHOTO, "gradcam")
    assert isinstance(answer, sw.AttributionMap) and answer.replay is not None
    assert answer.replay.size == (8, 11)
    with pytest.raises(InputError, match=r"(?s)shape \(1, 3, 3\).*has 8 x 11 pixels.*replay.size"):
        answer.replay.pixels(np.ones((1, 3, 3), bool), "mean", "logit")
    with pytest.raises(InputError, match="The fill is 'meen'"):
        answer.replay.pixels(np.ones((1, 8, 11), bool), "meen", "logit")
