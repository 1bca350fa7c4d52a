"""Eigen-CAM against a full singular value decomposition."""

from __future__ import annotations

import pytest
import torch

from seewhy.attribution.eigencam import EigenCAM, first_component
from tests.attribution.small_networks import SmallCNN, draw, maps_of


@pytest.mark.parametrize("shape", [(2, 30, 3, 4), (2, 3, 5, 7), (1, 4, 1, 1), (1, 1, 2, 3)])
@pytest.mark.parametrize("centre", [False, True])
def test_the_map_is_the_projection_on_the_first_right_singular_vector(
    shape: tuple[int, int, int, int], centre: bool
) -> None:
    a = draw(*shape) + 0.5
    maps = first_component(a, centre=centre)
    for one, features in zip(maps, a.double(), strict=True):
        cells = features.flatten(1).T
        cells = cells - cells.mean(0) if centre else cells
        _, _, right = torch.linalg.svd(cells)
        wanted = (cells @ right[0]).view(shape[2:]).float()
        agrees = (wanted * features.float().mean(0)).sum() >= 0
        torch.testing.assert_close(one, wanted if agrees else -wanted, rtol=1e-4, atol=1e-5)


def test_the_map_agrees_with_the_mean_channel_whatever_the_sign_of_the_features() -> None:
    a = draw(1, 6, 4, 5).abs()
    assert float(first_component(a).min()) > 0
    torch.testing.assert_close(first_component(-a), -first_component(a))


def test_a_rank_one_pattern_is_found_and_zero_features_give_zero() -> None:
    pattern = draw(4, 6).abs()
    strength = torch.tensor([1.0, 2.0, 2.0])
    a = strength[None, :, None, None] * pattern
    torch.testing.assert_close(first_component(a)[0], 3.0 * pattern, rtol=1e-4, atol=1e-5)
    assert not first_component(torch.zeros(1, 3, 4, 6)).any()


def test_it_looks_at_no_class_and_a_batch_equals_its_parts() -> None:
    network, x = SmallCNN(), draw(3, 3, 13, 18)
    maps = maps_of(EigenCAM(), network, x, 0)
    assert torch.equal(maps, maps_of(EigenCAM(), network, x, 3))
    torch.testing.assert_close(maps[1:2], maps_of(EigenCAM(), network, x[1:2], batch_size=1))
    assert maps.shape == (3, 4, 5)
