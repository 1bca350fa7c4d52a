"""The bundled classifiers are the networks that their page describes, and come back from their files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from seewhy.bundled import load
from seewhy.bundled.networks import NETWORKS, build
from seewhy.errors import BadArtefact, UnknownName
from tests.bundled import made


def n_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_resnet_has_the_parameters_of_its_description() -> None:
    def convolution(inputs: int, outputs: int, side: int) -> int:
        return inputs * outputs * side**2 + 2 * outputs  # with its batch norm

    expected = convolution(3, 16, 3) + 64 * 5 + 5
    for before, width in ((16, 16), (16, 32), (32, 64)):
        expected += convolution(before, width, 3) + 5 * convolution(width, width, 3)
        expected += convolution(before, width, 1) if before != width else 0
    assert n_parameters(build("resnet-w16", 5)) == expected


def test_the_vit_has_the_parameters_of_its_description() -> None:
    width, tokens = 128, 12 * 12 + 1
    block = 12 * width**2 + 13 * width  # qkv, projection, two layers of four times the width, two norms
    expected = 3 * 64 * width + width + (tokens + 1) * width + 6 * block + 2 * width + 5 * width + 5
    assert n_parameters(build("vit-ti-8", 5)) == expected


@pytest.mark.parametrize("name", NETWORKS)
def test_a_picture_of_96_pixels_becomes_logits(name: str) -> None:
    network = build(name, 5).eval()
    assert network(torch.zeros(2, 3, 96, 96)).shape == (2, 5)


def test_the_vit_answers_from_the_mean_of_the_cells_alone() -> None:
    network = build("vit-ti-8", 3).eval()
    tokens = torch.randn(1, 145, 128, generator=torch.Generator().manual_seed(0))
    other = tokens.clone()
    other[:, 0] = 7.0  # the class token
    mixed = torch.cat([tokens[:, :1], tokens[:, 1:].flip(1)], 1)
    logits = network.forward_head(tokens)
    assert torch.equal(logits, network.forward_head(other))
    torch.testing.assert_close(logits, network.forward_head(mixed))


def test_an_unknown_architecture_is_told() -> None:
    with pytest.raises(UnknownName, match="no bundled architecture 'resnet-w61'") as caught:
        build("resnet-w61", 3)
    assert "Did you mean 'resnet-w16'" in str(caught.value)


@pytest.mark.parametrize("kind", ["resnet", "vit", "clip"])
def test_random_weights_are_the_same_ones_and_leave_no_trace(kind: str) -> None:
    before = torch.get_rng_state()
    first = load.untrained(made.card(kind)).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    second = load.untrained(made.card(kind)).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("kind", ["resnet", "vit", "clip"])
def test_a_model_comes_back_from_half_precision(kind: str, tmp_path: Path) -> None:
    card = made.write(tmp_path, made.card(kind))
    network, written = load.load(card, tmp_path), made.state(card)
    assert not any(module.training for module in network.modules())
    for name, tensor in network.state_dict().items():
        assert tensor.dtype in (torch.float32, torch.int64)
        assert torch.equal(tensor.to(written[name].dtype), written[name])


def test_weights_of_another_architecture_do_not_fit(tmp_path: Path) -> None:
    card = made.write(tmp_path, made.card("resnet"))
    with pytest.raises(BadArtefact, match="resnet-made.safetensors do not fit VisionTransformer"):
        load.load(made.card("vit", name=card.name, sha256=card.sha256), tmp_path)
