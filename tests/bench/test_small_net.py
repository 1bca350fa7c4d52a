"""The small network: an answer that is a sum over cells, and training that can be repeated."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seewhy.bench.small_net import TinyNet, logits, to_input, train

CLASSES = ("one", "two", "three")


def _fresh(seed: int = 0) -> TinyNet:
    return TinyNet(CLASSES, torch.Generator().manual_seed(seed)).eval()


def _pictures(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 64, 64, 3), np.uint8)


def _trained(n: int, **options: object) -> TinyNet:
    return train(_pictures(n), np.arange(n) % 3, CLASSES, **options)


def test_network_is_tiny_and_has_an_8x8_grid() -> None:
    network = _fresh()
    assert 20_000 < sum(p.numel() for p in network.parameters()) < 60_000
    assert network.features(to_input(_pictures(6))).shape == (6, 64, 8, 8)
    assert logits(network, _pictures(6)).shape == (6, 3)


@pytest.mark.parametrize("target", [0, 2])
def test_a_logit_is_its_bias_and_the_shares_of_the_cells(target: int) -> None:
    """Equation (1), cell by cell."""
    network, pictures = _fresh(), _pictures(4)
    torch.nn.init.constant_(network.head.bias, 0.3)
    with torch.no_grad():
        features = network.features(to_input(pictures)).numpy()
        weight = network.head.weight[target].numpy()
    cells = [sum(weight @ grid[:, i, j] for i in range(8) for j in range(8)) / 64 for grid in features]
    np.testing.assert_allclose(np.array(cells) + 0.3, logits(network, pictures)[:, target], atol=1e-5)


def test_training_is_repeatable_and_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    one, same, other = (_trained(66, seed=seed).state_dict() for seed in (2, 2, 3))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, same[name]) for name, value in one.items())
    assert not torch.equal(one["head.weight"], other["head.weight"])


def test_trained_network_is_ready_to_use() -> None:
    network = _trained(33)
    assert not network.training and network.classes == CLASSES
    assert all(p.grad is None and p.requires_grad and p.is_contiguous() for p in network.parameters())
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())


def test_training_works_where_gradients_are_switched_off() -> None:
    with torch.no_grad():
        network = _trained(33, seed=2)
    assert torch.equal(network.head.weight, _trained(33, seed=2).head.weight)
