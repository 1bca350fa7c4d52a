"""Quantus as oracle where it is right, and its known faults pinned so that a mended release is noticed.

Each test of a fault shows the right value here first and the peer's expected difference after it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from seewhy.evaluate.where import localisation as where
from seewhy.evaluate.where.localisation import EPG, CorrectedEPG, PointingGame

pytestmark = pytest.mark.oracle

Peer = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def quantus() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("quantus", minversion="0.6.0")


@pytest.fixture
def peer(quantus: Any) -> Iterator[Peer]:
    """`peer(name, maps, masks, **options)`: its per-item values, its warnings silenced."""

    def ask(name: str, maps: np.ndarray, masks: np.ndarray, **options: Any) -> np.ndarray:
        settings = {"abs": False, "normalise": False, "disable_warnings": True, "return_aggregate": False}
        metric = getattr(quantus, name)(**(settings | options))
        pictures = np.zeros((len(maps), 1, *maps.shape[1:]))
        labels = np.zeros(len(maps), int)
        found = metric(
            None, pictures, labels, a_batch=maps[:, None], s_batch=masks[:, None], channel_first=True
        )
        return np.asarray(found)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield ask


def drawn(n: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Maps that are nowhere negative and have no ties, masks that are neither empty nor full."""
    generator = np.random.default_rng(0)
    maps, masks = generator.random((n, 9, 11)), generator.random((n, 9, 11)) < 0.3
    masks[:, 0, 0], masks[:, 0, 1] = True, False
    return maps, masks


PARITY = {
    "EPG as mass": (EPG(), "RelevanceMassAccuracy", {}),
    "EPG as localisation": (
        EPG(),
        "AttributionLocalisation",
        {"positive_attributions": True, "max_size": 1.0},
    ),
    "relevance rank": (where.RelevanceRank(), "RelevanceRankAccuracy", {}),
    "top k": (where.TopK(k=13), "TopKIntersection", {"k": 13}),
    "AUROC": (where.AUROC(), "AUC", {}),
    "pointing game": (PointingGame(), "PointingGame", {}),
}


@pytest.mark.parametrize("case", PARITY)
def test_values_are_the_peers(case: str, peer: Peer) -> None:
    metric, name, options = PARITY[case]
    maps, masks = drawn(16)
    np.testing.assert_allclose(metric(maps, masks).per_item, peer(name, maps, masks, **options), atol=1e-6)


def test_fault_2_an_empty_mask_is_no_hit(peer: Peer) -> None:
    maps, masks = drawn(2)
    masks[0] = False
    assert np.isnan(PointingGame()(maps, masks).per_item).tolist() == [True, False]
    assert bool(peer("PointingGame", maps, masks)[0]) is True, "mended upstream: NaN no longer becomes a hit"


def test_fault_3_weighted_hits_count_less_on_large_masks(peer: Peer) -> None:
    maps, masks = drawn(12)
    hit = np.array([g.flat[r.argmax()] for r, g in zip(maps, masks, strict=True)])
    assert hit.any() and not hit.all()
    expected = hit * (1 - masks.mean((1, 2)))
    np.testing.assert_allclose(PointingGame(weighted=True)(maps, masks).per_item, expected)
    with pytest.raises((TypeError, ValueError)):
        peer("PointingGame", maps, masks, weighted=True)


def test_fault_4_correcting_for_size_does_not_look_at_the_batch(peer: Peer) -> None:
    maps, masks = drawn(4)
    for metric in (EPG(), CorrectedEPG()):
        found = [metric(maps[:n], masks[:n]).per_item[0] for n in (4, 3, 2, 1)]
        assert found == pytest.approx([found[0]] * 4, abs=1e-6)
    weighted = [
        peer("AttributionLocalisation", maps[:n], masks[:n], weighted=True, max_size=np.inf)[0]
        for n in (4, 3, 2)
    ]
    assert weighted[1] == pytest.approx(2 * weighted[0]) and np.isinf(weighted[2]), "mended upstream"


def test_fault_5_a_share_of_mass_stays_a_share_on_signed_maps(peer: Peer) -> None:
    maps, masks = (
        np.array([[[3.0, -1.0], [-1.0, 1.0]], [[-1.0, 3.0], [2.0, -2.0]]]),
        np.zeros((2, 2, 2), bool),
    )
    masks[:, 0, 0] = True
    assert EPG()(maps, masks).per_item.tolist() == [0.75, 0.0]
    theirs = peer("RelevanceMassAccuracy", maps, masks, normalise=True)
    assert theirs == pytest.approx([1.5, -0.5]), "mended upstream: signed maps are clamped or refused"


def test_fault_13_a_constant_map_is_scored_as_random_and_stops_nothing(peer: Peer) -> None:
    maps, masks = np.full((1, 4, 5), 0.5), np.zeros((1, 4, 5), bool)
    masks[0, :2, :2] = True
    for metric, chance in ((where.RelevanceRank(), 0.2), (PointingGame(), 0.2), (where.AUROC(), 0.5)):
        assert metric(maps, masks).per_item.tolist() == pytest.approx([chance])
    for name in ("RelevanceRankAccuracy", "PointingGame", "AUC"):
        with pytest.raises(AssertionError, match="uniformly distributed"):
            peer(name, maps, masks)


def test_fault_13_in_company_a_constant_map_is_scored_by_luck(peer: Peer) -> None:
    """Our finding beside the listed one: the peer asserts on whole batches only; with others the sort decides."""
    maps = np.stack([np.full((4, 5), 0.5), np.arange(20.0).reshape(4, 5)])
    masks = np.zeros((2, 4, 5), bool)
    masks[:, 0] = True
    for flipped in (masks, masks[:, ::-1]):
        assert where.RelevanceRank()(maps, flipped).per_item[0] == pytest.approx(0.25)
        assert PointingGame()(maps, flipped).per_item[0] == 0.25
        assert bool(peer("PointingGame", maps, flipped)[0]) is True, "mended upstream: a tie is no sure hit"
    by_luck = [peer("RelevanceRankAccuracy", maps, one)[0] for one in (masks, masks[:, ::-1])]
    assert by_luck[0] != by_luck[1], "mended upstream: ties are shared out"
