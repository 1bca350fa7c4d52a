"""Streamed over batches, the similarity and its gradient are those of all pictures at once."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from seewhy.concepts.similarity import cubic_similarity
from seewhy.concepts.sources import Pairs, TensorSource
from seewhy.concepts.streamed import Streamed
from seewhy.errors import InputError

AXES = ("images", "images+locations", "locations")
GRIDS = ((3, 4), (5, 7), (2, 2), (6, 1))
NUMBERS = torch.tensor([3, 1, 4, 15, 9, 2, 6, 5, 8, 7, 0])


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def made(grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    features, teacher = 3 + draw(17, 5, 3, 4), 0.2 + 0.01 * draw(17, 3, *grid, seed=1)
    teacher[:, 1, 0, 0] = 0.3  # one slice without variance
    return features, teacher


def streamed(features: Tensor, teacher: Tensor, axes: str, batch: int = 4, ridge: bool = False) -> Streamed:
    pairs = Pairs(TensorSource(features), TensorSource(teacher))
    return Streamed(pairs, NUMBERS, axes=axes, batch=batch, ridge=ridge)


@pytest.mark.parametrize(("axes", "grid"), list(product(AXES, GRIDS)))
def test_streamed_gradients_are_automatic_ones_of_the_whole(axes: str, grid: tuple[int, int]) -> None:
    features, teacher = made(grid)
    weight = draw(3, 5, seed=2).requires_grad_()
    maps = torch.einsum("mc,nchw->nmhw", weight, features[NUMBERS])
    if grid != (3, 4):
        maps = functional.interpolate(maps, grid, mode="bilinear", align_corners=False)
    expected = cubic_similarity(maps, teacher[NUMBERS], axes=axes)
    expected.value.sum().backward()
    full = streamed(features, teacher, axes)
    value, gradient = full.gradient(weight.detach())
    torch.testing.assert_close(value, expected.value.detach(), rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient, weight.grad, rtol=0, atol=1e-12)
    torch.testing.assert_close(full.similarity(weight.detach()), value)
    assert full.skipped == expected.skipped and torch.equal(full.compared, expected.compared)


@pytest.mark.parametrize("axes", AXES)
def test_the_batch_size_changes_rounding_only(axes: str) -> None:
    features, teacher = made((3, 4))
    weight = draw(3, 5, seed=2)
    whole = streamed(features, teacher, axes, batch=100).gradient(weight)
    for batch in (1, 3):
        found = streamed(features, teacher, axes, batch=batch).gradient(weight)
        torch.testing.assert_close(found, whole, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("axes", AXES)
def test_single_precision_streams_close_to_double(axes: str) -> None:
    features, teacher = made((3, 4))
    weight = draw(3, 5, seed=2)
    exact = streamed(features, teacher, axes).gradient(weight)
    found = streamed(features.float(), teacher.float(), axes).gradient(1e-6 * weight)
    torch.testing.assert_close(found[0], exact[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(1e-6 * found[1], exact[1], rtol=0, atol=1e-4)


@pytest.mark.parametrize("axes", AXES)
def test_weights_that_give_constant_maps_have_no_similarity_and_no_gradient(axes: str) -> None:
    features, teacher = made((3, 4))
    features[:, 2] = 0.7
    weight = torch.zeros(3, 5).double()
    weight[0, 2] = 4
    value, gradient = streamed(features.float(), teacher.float(), axes).gradient(weight)
    assert not value.any() and not gradient.any()


def test_a_place_where_features_never_vary_counts_as_no_similarity() -> None:
    features, teacher = made((3, 4))
    features[:, :, 2, 1] = torch.tensor([0.1, 0.3, 0.7, 1.1, 2.3]).double()
    weight = draw(3, 5, seed=2)
    maps = torch.einsum("mc,nchw->nmhw", weight, features[NUMBERS])
    maps[:, :, 2, 1] = 5.0
    expected = cubic_similarity(maps, teacher[NUMBERS]).value
    value, gradient = streamed(features.float(), teacher.float(), "images").gradient(weight)
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-4)
    assert gradient.abs().max() < 10


def test_a_constant_channel_resampled_is_no_channel() -> None:
    features, teacher = made((4, 3))
    features = functional.interpolate(features.float(), (7, 5), mode="bilinear", align_corners=False)
    features[:, 2], teacher = 1.7, teacher.float()  # which resampling makes 1.7 and 1.7000001
    full = streamed(features, teacher, "images+locations", ridge=True)
    assert full.ridge is not None
    assert not full.ridge.solve(1e-6)[:, 2].any() and full.channel_std[2] == 0


def test_the_ridge_start_reaches_the_multiple_correlation_and_nothing_near_is_better() -> None:
    features, teacher = draw(400, 6, 1, 1), draw(400, 1, 1, 1, seed=1)
    teacher += 0.7 * features[:, :1] - 0.4 * features[:, 3:4]
    pairs = Pairs(TensorSource(features), TensorSource(teacher))
    full = Streamed(pairs, torch.arange(400), axes="images", batch=64, ridge=True)
    assert full.ridge is not None
    x, y = features[:, :, 0, 0].numpy(), teacher[:, 0, 0, 0].numpy()
    x, y = x - x.mean(0), y - y.mean()
    fitted = x @ np.linalg.lstsq(x, y, rcond=None)[0]
    multiple = float(np.sqrt((fitted @ fitted) / (y @ y)))

    def cosine(w: np.ndarray) -> float:
        q = x @ w
        return float((q @ y) / np.sqrt((q @ q) * (y @ y)))

    reached = full.ridge.solve(1e-9)[0].numpy()
    assert abs(cosine(reached) - multiple) < 1e-7
    rng = np.random.default_rng(0)
    assert all(cosine(reached + 0.1 * rng.normal(size=6)) < multiple for _ in range(200))


def test_the_ridge_start_centres_each_slice() -> None:
    features, teacher = made((3, 4))
    teacher = teacher[:, :1]
    for axes, dims in (("images", (0,)), ("images+locations", (0, 2, 3)), ("locations", (2, 3))):
        full = streamed(features, teacher, axes, ridge=True)
        assert full.ridge is not None
        f, p = features[NUMBERS], teacher[NUMBERS]
        f, p = f - f.mean(dims, keepdim=True), p - p.mean(dims, keepdim=True)
        p = p / p.square().mean(dims, keepdim=True).sqrt()
        rows, target = f.permute(0, 2, 3, 1).reshape(-1, 5).numpy(), p.permute(0, 2, 3, 1).reshape(-1).numpy()
        expected = np.linalg.lstsq(rows, target, rcond=None)[0]
        np.testing.assert_allclose(full.ridge.solve(1e-10)[0], expected, atol=1e-7)


@pytest.mark.parametrize("axes", AXES)
def test_the_deviation_of_maps_is_that_about_slice_means(axes: str) -> None:
    features, teacher = made((5, 7))
    weight = draw(3, 5, seed=2)
    maps = functional.interpolate(
        torch.einsum("mc,nchw->nmhw", weight, features[NUMBERS]), (5, 7), mode="bilinear"
    )
    dims = {"images": (0,), "images+locations": (0, 2, 3), "locations": (2, 3)}[axes]
    expected = (maps - maps.mean(dims, keepdim=True)).square().mean((0, 2, 3)).sqrt()
    torch.testing.assert_close(streamed(features, teacher, axes).deviation(weight), expected)


def test_values_that_are_not_finite_are_named_with_their_picture() -> None:
    features, teacher = made((3, 4))
    features[4, 0, 0, 0] = float("nan")
    with pytest.raises(InputError, match=r"features of 1 pictures have NaN.*picture 4"):
        streamed(features, teacher, "images")
    features, teacher = made((3, 4))
    teacher[15, 2, 1, 1] = float("inf")
    with pytest.raises(InputError, match=r"teacher of 1 pictures.*picture 15"):
        streamed(features, teacher, "images")


def test_features_that_never_vary_are_refused() -> None:
    _, teacher = made((3, 4))
    full = streamed(torch.ones(17, 5, 3, 4).double(), teacher, "images", ridge=True)
    assert full.ridge is not None
    with pytest.raises(InputError, match="do not vary"):
        full.ridge.solve(1e-3)
