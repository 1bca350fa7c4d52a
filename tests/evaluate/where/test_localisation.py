"""Energy, peak and rank metrics on hand-made maps, and what every metric of the family must hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from seewhy.errors import InputError
from seewhy.evaluate.where import localisation as where
from seewhy.evaluate.where.localisation import AUROC, EPG, CorrectedEPG, LocalisationMetric, PointingGame

ALL: list[LocalisationMetric] = [
    where.NRA(),
    where.NRA(kind="value"),
    where.CeFamNRA(),
    where.HitRate(),
    where.VEA(),
    EPG(),
    EPG(sign="absolute"),
    CorrectedEPG(),
    where.CeFamEPG(),
    PointingGame(),
    PointingGame(tolerance=3, weighted=True),
    AUROC(),
    where.AveragePrecision(),
    where.RelevanceRank(),
    where.TopK(k=20),
]
EACH = pytest.mark.parametrize("metric", ALL, ids=[f"{i}-{one.label}" for i, one in enumerate(ALL)])


def drawn(
    n: int, shape: tuple[int, int] = (12, 17), grid: tuple[int, int] = (5, 4)
) -> tuple[np.ndarray, ...]:
    generator = np.random.default_rng(0)
    masks = generator.random((n, *shape)) < generator.uniform(0.1, 0.6, (n, 1, 1))
    return generator.normal(size=(n, *grid)), masks


@EACH
def test_an_item_has_one_value_alone_in_any_batch_and_in_any_order(metric: LocalisationMetric) -> None:
    maps, masks = drawn(7)
    maps[3] = 0.5
    together = metric(maps, masks).per_item
    for i in range(7):
        assert metric(maps[i], masks[i]).per_item == pytest.approx(together[i : i + 1], abs=1e-12)
    assert metric(maps[::-1], masks[::-1]).per_item == pytest.approx(together[::-1], abs=1e-12)


@EACH
def test_batches_beyond_the_chunk_are_scored_whole(metric: LocalisationMetric) -> None:
    maps, masks = drawn(5, shape=(300, 310))
    together = metric(maps, masks).per_item
    assert together[4] == pytest.approx(metric(maps[4], masks[4]).per_item[0], abs=1e-12)
    assert not np.isnan(together).any()


@EACH
def test_the_scale_of_a_map_does_not_count(metric: LocalisationMetric) -> None:
    maps, masks = drawn(4)
    expected = metric(maps, masks).per_item
    for scale in (1e-300, 1e-9, 3.0, 1e300):
        np.testing.assert_allclose(metric(maps * scale, masks).per_item, expected, atol=1e-9)


@EACH
def test_what_cannot_be_judged_is_nan_and_counted_and_harms_no_neighbour(metric: LocalisationMetric) -> None:
    maps, masks = drawn(5)
    expected = metric(maps[4], masks[4]).per_item[0]
    maps[0, 0, 0], maps[1, 2, 3], maps[2] = np.nan, np.inf, -np.inf
    masks[3] = False
    values = metric(maps, masks)
    assert np.isnan(values.per_item).tolist() == [True] * 4 + [False] and values.n_undefined == 4
    assert values.per_item[4] == expected and values.mean == expected


@EACH
def test_values_stay_in_the_stated_range(metric: LocalisationMetric) -> None:
    maps, masks = drawn(40, shape=(10, 10), grid=(10, 10))
    maps[:10], maps[10:20] = masks[:10], -1.0 * masks[10:20]
    values = metric(maps, masks)
    low, high = values.range
    defined = values.per_item[values.defined]
    assert (defined >= low).all() and (defined <= high).all() and values.metric == metric.label


@EACH
def test_the_mask_as_a_map_beats_a_random_one_and_its_inverse(metric: LocalisationMetric) -> None:
    generator, masks = np.random.default_rng(1), np.zeros((30, 20, 20), bool)
    masks[:, 4:12, 5:10] = True
    oracle = metric(masks * 1.0, masks).per_item
    random = metric(generator.random(masks.shape), masks).mean
    inverse = metric(1.0 - masks, masks).mean
    assert (oracle >= oracle[0] - 1e-12).all() and oracle[0] > random + 0.3 and random >= inverse


@pytest.mark.parametrize("value", [0.1, 1.0])
def test_a_constant_map_has_the_random_value(value: float) -> None:
    mask = np.zeros((10, 10), bool)
    mask[2:5, 3:8] = True
    expected = {"nra": 0, "hit_rate": 0, "epg": 0.15, "epg_corrected": 0, "epg_cefam": 0.15, "auroc": 0.5}
    expected |= {"pointing_game": 0.15, "average_precision": 0.15, "relevance_rank": 0.15, "top_k": 0.15}
    for metric in (*ALL[:2], *ALL[3:4], *ALL[5:10], *ALL[11:]):
        found = metric(np.full((3, 3), value), mask).per_item[0]
        assert found == pytest.approx(expected[metric.name], abs=1e-12), metric.label


def test_epg_is_the_share_of_the_positive_mass() -> None:
    r = np.array([[3.0, 1.0, -2.0], [0.0, 4.0, -8.0]])
    g = np.array([[1, 0, 1], [0, 1, 0]])
    assert EPG()(r, g).per_item[0] == 7 / 8
    assert EPG(sign="absolute")(r, g).per_item[0] == 9 / 18
    assert CorrectedEPG()(r, g).per_item[0] == pytest.approx((7 / 8 - 1 / 2) / (1 / 2))
    assert where.CeFamEPG()(r, g).per_item[0] == (11 + 6 + 12) / (11 + 9 + 6 + 8 + 12)


@EACH
def test_a_mask_that_covers_everything_is_undefined(metric: LocalisationMetric) -> None:
    maps, masks = drawn(3)
    masks[1] = True
    assert np.isnan(metric(maps, masks).per_item).tolist() == [False, True, False]


@EACH
def test_a_map_larger_than_the_mask_is_averaged(metric: LocalisationMetric) -> None:
    maps, masks = drawn(3)
    larger = maps.repeat(36, 1).repeat(51, 2)  # each cell 15 x 12 times too fine
    blocks = larger.reshape(3, 12, 15, 17, 12).mean((2, 4))
    np.testing.assert_allclose(metric(larger, masks).per_item, metric(blocks, masks).per_item, atol=1e-9)


def test_a_map_without_mass_is_not_worse_than_chance_by_default_or_by_choice() -> None:
    r, g = np.stack([np.zeros((3, 4)), -np.ones((3, 4))]), np.stack([np.eye(3, 4, dtype=bool)] * 2)
    assert np.isnan(CorrectedEPG()(r, g).per_item).all()
    assert CorrectedEPG(undefined="zero")(r, g).per_item.tolist() == [0, 0]
    assert CorrectedEPG(undefined="zero")(1.0 - g, g).per_item[0] < -0.3


def test_a_map_without_positive_mass_is_undefined_or_zero_as_asked() -> None:
    r = np.stack([np.zeros((3, 4)), -np.ones((3, 4)), 1e-12 - np.eye(3, 4), np.eye(3, 4) * 1e-12])
    g = np.stack([np.eye(3, 4, dtype=bool)] * 4)
    assert np.isnan(EPG()(r, g).per_item).tolist() == [True] * 3 + [False]
    assert EPG(undefined="zero")(r, g).per_item.tolist() == [0, 0, 0, 1]


def test_the_sign_is_taken_on_the_mask_pixels_after_resizing() -> None:
    r, g = np.array([[-1.0, 1.0]]), np.array([[False, False, True, False]])
    assert EPG()(r, g).per_item[0] == pytest.approx(0.5 / 1.5)  # -1, -0.5, 0.5, 1 after resizing


def test_the_pointing_game_shares_out_tied_peaks() -> None:
    r = np.array([[2.0, 0, 2], [0, 2, 1]])
    g = np.array([[True, True, False], [True, True, True]])
    assert PointingGame()(r, g).per_item[0] == pytest.approx(2 / 3)
    assert PointingGame(weighted=True)(r, g).per_item[0] == pytest.approx(2 / 3 / 6)
    # Nothing speaks for the class: no pixel is the peak, or all are.
    assert PointingGame()(-r, g).per_item[0] == pytest.approx(5 / 6)
    assert PointingGame(sign="signed")(r - 9, g).per_item[0] == pytest.approx(2 / 3)


@pytest.mark.parametrize("tolerance", [0, 1, 1.5, 4, 5, 5.001, 8])
def test_a_peak_closer_than_the_tolerance_hits(tolerance: float) -> None:
    g = np.zeros((9, 13), bool)
    g[2, 3] = g[8, 12] = True
    y, x = np.mgrid[:9, :13]
    nearest = np.minimum(np.hypot(y - 2, x - 3), np.hypot(y - 8, x - 12))
    expected = (nearest < tolerance) | g
    peaks = np.eye(9 * 13).reshape(-1, 9, 13)
    found = PointingGame(tolerance=tolerance)(peaks, np.stack([g] * len(peaks))).per_item
    assert found.tolist() == expected.ravel().tolist()


def test_rank_metrics_agree_with_sorting_and_scikit_learn() -> None:
    r, g = drawn(5, shape=(8, 8), grid=(8, 8))
    for i in range(5):
        order, mask, row = np.argsort(-r[i], axis=None), g[i].ravel(), r[i].ravel()
        assert where.RelevanceRank()(r, g).per_item[i] == pytest.approx(mask[order[: mask.sum()]].mean())
        assert where.TopK(k=9)(r, g).per_item[i] == pytest.approx(mask[order[:9]].mean())
        assert where.TopK()(r, g).per_item[i] == pytest.approx(mask.mean())
        assert AUROC()(r, g).per_item[i] == pytest.approx(roc_auc_score(mask, row))
        expected = average_precision_score(mask, row)
        assert where.AveragePrecision()(r, g).per_item[i] == pytest.approx(expected)


def test_random_maps_reach_the_stated_chance() -> None:
    masks = np.zeros((200, 20, 20), bool)
    masks[:, 4:12, 5:15] = True  # p = 0.2
    maps = np.random.default_rng(3).random(masks.shape)
    for metric, chance in ((EPG(), 0.2), (CorrectedEPG(), 0), (where.CeFamEPG(), 0.2), (AUROC(), 0.5)):
        found = metric(maps, masks).per_item
        assert abs(found.mean() - chance) < 4 * found.std() / np.sqrt(200)
    for metric in (where.RelevanceRank(), PointingGame(), where.TopK(k=30)):
        found = metric(maps, masks).per_item
        assert abs(found.mean() - 0.2) < 4 * found.std() / np.sqrt(200)


def test_a_part_is_shown_if_the_mass_on_the_object_lies_on_it() -> None:
    objects = np.zeros((4, 4, 6), bool)
    objects[:, 1:3, 1:5] = True
    parts = objects.copy()
    parts[:, :, 3:] = False
    r = np.stack([parts[0] * 1.0, np.ones((4, 6)), objects[0] & ~parts[0], ~objects[0]])
    found = where.PartSpecificity()(r, parts, objects).per_item
    np.testing.assert_allclose(found, [1, 0.5, 0, np.nan])
    everything = np.ones((4, 4, 6), bool)
    np.testing.assert_allclose(
        where.PartSpecificity()(r, parts, everything).per_item, [1, 1 / 6, 0, 0], atol=1e-12
    )
    assert np.isnan(where.PartSpecificity()(-r - 1, parts, objects).per_item).all()
    with pytest.raises(InputError, match=r"a part leaves its object.\n.*\n  Pass parts & objects"):
        where.PartSpecificity()(r, objects, parts)
    with pytest.raises(InputError, match=r"objects \(3, 4, 6\)"):
        where.PartSpecificity()(r, parts, objects[:3])


def test_tensors_integers_single_maps_and_single_pixels_are_read() -> None:
    maps, masks = drawn(3)
    expected = AUROC()(maps, masks).per_item
    tensor = torch.from_numpy(maps).requires_grad_()
    assert np.array_equal(AUROC()(tensor, torch.from_numpy(masks).to(torch.uint8)).per_item, expected)
    half = AUROC()(torch.from_numpy(maps).bfloat16(), masks.astype(float)).per_item
    np.testing.assert_allclose(half, expected, atol=0.05)
    assert EPG()(np.array([[7]]), np.array([[1, 0]])).per_item.tolist() == [0.5]
    assert len(EPG()(np.zeros((0, 2, 2)), np.zeros((0, 3, 3), bool))) == 0


@pytest.mark.parametrize(
    ("maps", "masks", "said"),
    [
        (
            np.ones((2, 3, 3)),
            np.ones((3, 3, 3), bool),
            r"maps has shape \(2, 3, 3\), masks \(3, 3, 3\).\n.*one mask",
        ),
        (np.ones((2, 1, 3, 3)), np.ones((2, 3, 3), bool), r"maps has shape \(2, 1, 3, 3\)"),
        (np.ones((3, 3)), np.ones((1, 3, 3), bool), r"maps has shape \(3, 3\)"),
        (np.ones((1, 0, 3)), np.ones((1, 3, 3), bool), r"maps has shape \(1, 0, 3\)"),
        (
            np.ones((1, 3, 3)),
            np.full((1, 3, 3), 255),
            r"values other than 0 and 1 \(int64\).\n.*\n  Pass masks > 0",
        ),
        (np.ones((1, 3, 3)), np.full((1, 3, 3), np.nan), "values other than 0 and 1"),
        (np.ones((1, 3, 3)) * 1j, np.ones((1, 3, 3), bool), "maps holds complex128"),
    ],
)
def test_what_does_not_fit_is_refused(maps: np.ndarray, masks: np.ndarray, said: str) -> None:
    with pytest.raises(InputError, match=said):
        EPG()(maps, masks)


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match=r"sign is 'positiv'.\n.*positive, signed, absolute.\n.*'positive'"):
        AUROC(sign="positiv")
    with pytest.raises(InputError, match=r"sign is 'signed'.\n.*cancel.*\n  Use sign='positive'"):
        CorrectedEPG(sign="signed")
    with pytest.raises(InputError, match="undefined is 'one'"):
        EPG(undefined="one")
    for tolerance in (-1, float("inf"), float("nan")):
        with pytest.raises(InputError, match=f"tolerance is {tolerance}"):
            PointingGame(tolerance=tolerance)
    with pytest.raises(InputError, match="k is 0"):
        where.TopK(k=0)


def test_the_options_stand_beside_the_values() -> None:
    maps, masks = drawn(1)
    values = PointingGame(tolerance=15)(maps, masks)
    assert values.options == {"sign": "positive", "tolerance": 15, "weighted": False}
    assert (values.metric, values.truth, values.direction) == ("pointing_game@1", "scene", 1)
