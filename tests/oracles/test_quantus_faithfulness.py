"""Quantus as oracle of the deletion curve; and where it is wrong, the right value beside what it does.

What it does wrong is asserted too, so that a mended version is noticed here and becomes an oracle.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seewhy.attribution.shares import completeness
from seewhy.evaluate.how_much.faithfulness import Deletion
from tests.attribution.small_networks import SmallCNN, draw

pytestmark = pytest.mark.oracle

SIZE = (8, 12)
TARGETS = np.array([0, 1, 2])


class Grey(nn.Module):
    """The small network on pictures of one channel."""

    def __init__(self) -> None:
        super().__init__()
        self.network = SmallCNN()

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x.expand(-1, 3, -1, -1))


@pytest.fixture(scope="module")
def quantus() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("quantus")


def asked(metric: Any, network: nn.Module, x: Tensor, maps: np.ndarray, targets: np.ndarray = TARGETS) -> Any:
    """What the peer answers, told in the way it wants to be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return metric(network.eval(), x.numpy(), targets, maps[:, None], device="cpu", softmax=True)


def flipping(quantus: Any, **options: Any) -> Any:
    plain = {"perturb_baseline": 0.0, "abs": False, "normalise": False, "disable_warnings": True}
    return quantus.PixelFlipping(**plain, **options)


def irof(quantus: Any) -> Any:
    return quantus.IROF(
        segmentation_method="felzenszwalb",
        perturb_baseline=0.0,
        abs=False,
        normalise=False,
        disable_warnings=True,
        return_aggregate=False,
    )


def maps_of(size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, *size))


def test_the_deletion_curve_from_its_second_point_on(quantus: Any) -> None:
    x, maps = draw(3, 1, *SIZE, seed=1), maps_of()
    theirs = np.array(asked(flipping(quantus, features_in_step=8), Grey(), x, maps))
    ours = Deletion(order="pixel", per_step=8)(Grey(), x, maps, list(TARGETS)).curve
    assert ours is not None
    np.testing.assert_allclose(ours.y[:, 1:], theirs, atol=1e-5)


def test_fault_1_the_area_of_the_curve_needs_a_function_that_numpy_took_away(quantus: Any) -> None:
    x, maps = draw(3, 1, *SIZE, seed=1), maps_of()
    ours = Deletion(order="pixel", per_step=8)(Grey(), x, maps, list(TARGETS))
    assert ours.curve is not None
    np.testing.assert_allclose(ours.per_item, np.trapezoid(ours.curve.y, ours.curve.x, axis=1), atol=1e-12)
    if hasattr(np, "trapz"):
        pytest.skip("this NumPy still has trapz")
    for metric in (flipping(quantus, features_in_step=8, return_auc_per_sample=True), irof(quantus)):
        with pytest.raises(AttributeError, match="trapz"):
            asked(metric, Grey(), draw(3, 1, 32, 32), maps_of((32, 32)))


def test_fault_10_an_exact_account_adds_up_to_rounding_and_not_to_the_bit(quantus: Any) -> None:
    """The gradient times the input of a linear network, whose sum is its logit."""
    x = draw(40, 1, *SIZE, seed=3)
    weight = draw(SIZE[0] * SIZE[1], 3, seed=4)
    network = nn.Sequential(nn.Flatten(), nn.Linear(len(weight), 3, bias=False))
    with torch.no_grad():
        network[1].weight.copy_(weight.T)
    targets = np.arange(40) % 3
    maps = x[:, 0] * weight.T[targets].reshape(-1, *SIZE)
    logits = network(x).detach()[range(40), targets]
    gaps, kinds = completeness(maps, logits, torch.zeros(40))
    assert set(kinds) == {"share"} and max(gap for gap in gaps if gap is not None) < 1e-3
    metric = quantus.Completeness(abs=False, normalise=False, disable_warnings=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = metric(
            network.eval(), x.numpy(), targets, maps.numpy()[:, None], device="cpu", softmax=False
        )
    assert 0 < len(theirs) == 40 and np.mean(theirs) < 0.5


def test_fault_12_the_curve_lacks_the_picture_as_it_is(quantus: Any) -> None:
    x, maps = draw(3, 1, *SIZE, seed=1), maps_of()
    ours = Deletion(order="pixel", per_step=8)(Grey(), x, maps, list(TARGETS)).curve
    assert ours is not None and ours.y.shape == (3, 13)
    whole = Grey()(x).softmax(1)[range(3), TARGETS].detach().numpy()
    np.testing.assert_allclose(ours.y[:, 0], whole, atol=1e-6)
    theirs = np.array(asked(flipping(quantus, features_in_step=8), Grey(), x, maps))
    assert theirs.shape == (3, 12) and np.abs(theirs - whole[:, None]).min() > 1e-6


def test_fault_12_each_colour_of_a_pixel_is_hidden_on_its_own(quantus: Any) -> None:
    x, maps = draw(3, 3, *SIZE, seed=1), maps_of()
    seen: list[Tensor] = []

    class Watched(SmallCNN):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.detach().clone())
            return super().forward(x)

    def colours_hidden() -> set[int]:
        return {int(k) for x in seen for k in (x == 0).sum(1).unique()}

    Deletion(order="pixel", per_step=8)(Watched(), x, maps, list(TARGETS))
    assert colours_hidden() == {0, 3}
    seen.clear()
    asked(flipping(quantus, features_in_step=8), Watched(), x, maps)
    assert colours_hidden() == {0, 1, 2, 3}


def test_fault_13_a_constant_map_stops_everything(quantus: Any) -> None:
    x, maps = draw(3, 1, *SIZE, seed=1), maps_of()
    maps[1] = 1.0
    ours = Deletion(order="pixel", per_step=8)(Grey(), x, maps, list(TARGETS))
    by_chance = [
        Deletion(order="pixel", per_step=8, seed=seed)(Grey(), x[1:2], draw(1, *SIZE, seed=seed), 1).per_item[
            0
        ]
        for seed in range(30)
    ]
    # The mean of 8 draws against that of 30: three standard errors of their difference.
    error = np.std(by_chance, ddof=1) * np.sqrt(1 / 8 + 1 / 30)
    assert abs(ours.per_item[1] - np.mean(by_chance)) < 3 * error
    with pytest.raises(AssertionError, match="all equal"):
        asked(flipping(quantus, features_in_step=8), Grey(), x, np.ones_like(maps))


def test_faults_6_and_7_methods_of_removal_fail_on_pictures_with_colour(quantus: Any) -> None:
    x, maps = draw(3, 3, 32, 32, seed=1), maps_of((32, 32))
    assert Deletion(steps=4)(SmallCNN(), x, maps, list(TARGETS)).n_undefined == 0
    road = quantus.ROAD(percentages=[10], abs=False, normalise=False, disable_warnings=True)
    with pytest.raises(IndexError, match="out of bounds"):
        asked(road, SmallCNN(), x, maps)
    with pytest.raises(AssertionError, match="mask shape"):
        asked(irof(quantus), SmallCNN(), x, maps)


def test_fault_8_a_picture_scores_differently_alone_and_among_others(
    quantus: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, maps = pictures_of_unlike_detail(), maps_of((32, 32))
    together, alone = (
        np.concatenate(
            [
                Deletion(steps=8)(Grey(), x[part], maps[part], TARGETS[part].tolist()).per_item
                for part in parts
            ]
        )
        for parts in ([slice(0, 3)], [slice(i, i + 1) for i in range(3)])
    )
    np.testing.assert_allclose(together, alone, atol=1e-6)
    # Fault 1 hides fault 8 behind an error: lend the peer the function that it misses.
    monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)
    theirs = np.array(asked(irof(quantus), Grey(), x, maps))
    single = [
        asked(irof(quantus), Grey(), x[i : i + 1], maps[i : i + 1], TARGETS[i : i + 1])[0] for i in range(3)
    ]
    assert np.abs(theirs - np.array(single)).max() > 0.1


def pictures_of_unlike_detail() -> Tensor:
    """Three pictures that fall into different numbers of segments."""
    x = draw(3, 1, 32, 32, seed=1)
    coarse = nn.functional.interpolate(x[1:2, :, :4, :4], size=(32, 32), mode="bilinear")
    ramp = torch.linspace(-1, 1, 32)[:, None].expand(1, 1, 32, 32)
    return torch.cat([ramp, coarse, x[2:]])
