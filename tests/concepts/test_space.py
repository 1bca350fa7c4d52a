"""A concept space standardises maps and pooled values alike, and knows what a strong value is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from seewhy.concepts import space as space_module
from seewhy.concepts.space import LEVELS, ConceptSpace
from seewhy.errors import InputError, UnknownConcept

NAMES = ("beak", "wing", "sky")


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


FEATURES = draw(60, 5, 3, 4) + 2
WEIGHT = draw(3, 5, seed=1) - 0.5


@pytest.fixture
def space() -> ConceptSpace:
    return ConceptSpace.calibrate(NAMES, WEIGHT, FEATURES, quality=torch.tensor([0.9, 0.5, 0.1]), batch=7)


@pytest.mark.parametrize("grid", [(3, 4), (1, 1), (7, 2)])
def test_the_mean_of_a_map_is_the_pooled_value(space: ConceptSpace, grid: tuple[int, int]) -> None:
    features = draw(9, 5, *grid, seed=3) + 2
    assert space.maps(features).shape == (9, 3, *grid)
    double = features.double()
    torch.testing.assert_close(space.maps(double).mean((2, 3)), space.pooled(double), rtol=0, atol=1e-12)
    torch.testing.assert_close(
        space.maps(features).mean((2, 3)), space.pooled(features), rtol=1e-6, atol=1e-5
    )
    torch.testing.assert_close(space.pooled(features.mean((2, 3))), space.pooled(features))


def test_pooled_training_values_have_mean_zero_and_deviation_one(space: ConceptSpace) -> None:
    pooled = space.pooled(FEATURES.double())
    torch.testing.assert_close(pooled.mean(0), torch.zeros(3).double(), rtol=0, atol=1e-5)
    torch.testing.assert_close(pooled.std(0, correction=0), torch.ones(3).double(), rtol=1e-5, atol=0)


def test_maps_are_those_of_loops(space: ConceptSpace) -> None:
    q = np.einsum("mc,nchw->nmhw", WEIGHT.double(), FEATURES.double())
    pooled = q.mean((2, 3))
    z = (q - pooled.mean(0)[:, None, None]) / pooled.std(0)[:, None, None]
    np.testing.assert_allclose(space.maps(FEATURES), z, atol=1e-4)
    np.testing.assert_allclose(space.quantiles.T, np.quantile(z, LEVELS, axis=(0, 2, 3)), atol=1e-4)
    np.testing.assert_allclose(
        space.pooled_quantiles.T, np.quantile(z.mean((2, 3)), LEVELS, axis=0), atol=1e-4
    )
    assert space.percentile(1, float(space.pooled_quantiles[1, 3]), pooled=True) == pytest.approx(90)
    np.testing.assert_allclose(space.mean, pooled.mean(0), rtol=1e-5)
    np.testing.assert_allclose(space.std, pooled.std(0), rtol=1e-4)


def test_batches_change_nothing(space: ConceptSpace) -> None:
    whole = ConceptSpace.calibrate(NAMES, WEIGHT, FEATURES, batch=1000)
    for name in ("mean", "std", "quantiles", "pooled_quantiles"):
        torch.testing.assert_close(getattr(space, name), getattr(whole, name), rtol=1e-5, atol=1e-5)


def test_far_from_zero_the_deviation_is_still_right() -> None:
    features = draw(60, 5, 1, 1).double() + 1e6
    found = ConceptSpace.calibrate(NAMES, WEIGHT, features, batch=7)
    expected = (features[:, :, 0, 0] @ WEIGHT.double().T).std(0, correction=0)
    torch.testing.assert_close(found.std.double(), expected, rtol=1e-4, atol=0)


def test_quantiles_of_many_pictures_are_those_of_a_seeded_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space_module, "CALIBRATION_VALUES", 3 * 12 * 20)
    one, two, other = (ConceptSpace.calibrate(NAMES, WEIGHT, FEATURES, seed=s).quantiles for s in (0, 0, 1))
    assert torch.equal(one, two) and not torch.equal(one, other)
    drawn = torch.randperm(60, generator=torch.Generator().manual_seed(0))[:20]
    z = ConceptSpace.calibrate(NAMES, WEIGHT, FEATURES).maps(FEATURES[drawn])
    torch.testing.assert_close(
        one.T, torch.quantile(z.transpose(0, 1).flatten(1), torch.tensor(LEVELS), dim=1)
    )


def test_dead_concepts_keep_their_place_and_have_zero_maps() -> None:
    weight = torch.stack([WEIGHT[0], torch.zeros(5), torch.tensor([0, 0, 1.0, 0, 0])])
    features = FEATURES.clone()
    features[:, 2] = 0.7 + 1e-7 * draw(60, 3, 4, seed=5)  # rounding, as a resampled constant has it
    found = ConceptSpace.calibrate(NAMES, weight, features)
    assert found.dead == ("wing", "sky") and found.std[1:].tolist() == [1, 1]
    new = draw(4, 5, 3, 4, seed=9)  # where channel 2 does change
    assert not found.maps(new)[:, 1:].any() and not found.pooled(new)[:, 1:].any()
    assert found.maps(new)[:, 0].any()


def test_percentiles_run_linearly_between_quantiles(space: ConceptSpace) -> None:
    knots = space.quantiles[1]
    torch.testing.assert_close(space.percentile("wing", knots), 100 * torch.tensor(LEVELS))
    between = space.percentile(1, (knots[2] + knots[3]) / 2)
    assert between.item() == pytest.approx(70, abs=1e-3)
    ends = space.percentile("wing", torch.tensor([[-99.0, 99.0]]))
    assert ends.tolist() == [[1, 99]]
    assert torch.isnan(space.percentile("wing", float("nan")))


def test_a_strong_value_is_rare_on_the_training_pictures(space: ConceptSpace) -> None:
    values = space.maps(FEATURES)[:, 0]
    share = (space.percentile("beak", values) >= 90).float().mean()
    assert share.item() == pytest.approx(0.1, abs=0.002)


def test_a_value_that_quantiles_share_gets_the_middle(space: ConceptSpace) -> None:
    sparse = replace(space, quantiles=torch.tensor([[0.0, 0, 0, 1, 2]]).expand(3, 5))
    assert sparse.percentile("beak", torch.tensor([-1.0, 0.0, 0.5])).tolist() == pytest.approx([1, 25.5, 70])
    flat = replace(space, quantiles=torch.zeros(3, 5))
    assert flat.percentile("beak", 0.0).item() == 50


def test_a_selection_is_the_same_concepts_in_the_order_asked_for(space: ConceptSpace) -> None:
    some = space.select(["sky", 0])
    assert some.names == ("sky", "beak") and some.quality is not None
    torch.testing.assert_close(some.maps(FEATURES), space.maps(FEATURES)[:, [2, 0]])
    assert some.quality.tolist() == pytest.approx([0.1, 0.9])
    assert torch.equal(some.percentile("sky", 0.3), space.percentile("sky", 0.3))


def test_concepts_that_are_not_there_are_named(space: ConceptSpace) -> None:
    with pytest.raises(UnknownConcept, match="no concept 'beek'.*\n.*Did you mean 'beak'"):
        space.select(["beek"])
    with pytest.raises(UnknownConcept, match="no concept 3"):
        space.percentile(3, 0.0)
    with pytest.raises(InputError, match="named 'sky'"):
        space.select(["sky", "sky"])
    with pytest.raises(InputError, match="No concept was selected"):
        space.select([])


def test_gradients_reach_the_features(space: ConceptSpace) -> None:
    features = FEATURES[:2].clone().requires_grad_()
    space.maps(features)[:, 1].sum().backward()
    assert features.grad is not None
    expected = (WEIGHT[1] / space.std[1])[:, None, None].expand(5, 3, 4)
    torch.testing.assert_close(features.grad[0], expected)


def test_half_precision_features_give_single_precision_maps(space: ConceptSpace) -> None:
    half = FEATURES.half()
    assert space.maps(half).dtype == torch.float32
    torch.testing.assert_close(space.maps(half), space.maps(half.float()))


def test_bad_features_are_refused(space: ConceptSpace) -> None:
    with pytest.raises(InputError, match=r"\(2, 4, 3, 4\).*\n.*\(pictures, 5, height, width\)"):
        space.maps(draw(2, 4, 3, 4))
    with pytest.raises(InputError, match="There are 1 pictures"):
        ConceptSpace.calibrate(NAMES, WEIGHT, FEATURES[:1])
    bad = FEATURES.clone()
    bad[31, 0, 0, 0] = float("nan")
    with pytest.raises(InputError, match="first is picture 31"):
        ConceptSpace.calibrate(NAMES, WEIGHT, bad, batch=7)


def test_a_space_that_does_not_fit_together_is_refused(space: ConceptSpace) -> None:
    for change, words in (
        ({"names": ("beak", "wing", "beak")}, "Two concepts are named 'beak'"),
        ({"names": ("beak", " ", "sky")}, "A name is ' '"),
        ({"mean": torch.zeros(2)}, r"mean is \(2,\)"),
        ({"std": torch.tensor([1.0, 0, 1])}, "std goes down to 0"),
        ({"weight": WEIGHT * float("nan")}, "with NaN"),
    ):
        with pytest.raises(InputError, match=words):
            replace(space, **change)
