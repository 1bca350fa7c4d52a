"""The self-check: it accepts metrics that measure, refuses those that do not, and says why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.evaluate.anchors import (
    FEWEST,
    LEVELS,
    SelfCheck,
    made_maps,
    self_check,
    self_check_contributions,
)
from seewhy.evaluate.base import Values
from seewhy.evaluate.how_much.agreement import (
    FalseContribution,
    NormalisedL1,
    Pearson,
    SignAgreement,
    Spearman,
    Top1,
)
from seewhy.evaluate.statistics.paired import sign_flip
from seewhy.evaluate.where.localisation import (
    AUROC,
    EPG,
    AveragePrecision,
    CeFamEPG,
    CorrectedEPG,
    PointingGame,
    RelevanceRank,
    TopK,
)
from seewhy.evaluate.where.nra import NRA, VEA, CeFamNRA, HitRate

LEVELLED = ["oracle", *(f"noise {i}" for i in range(1, 6))]


def discs(n: int = 40, size: tuple[int, int] = (24, 32), seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    y, x = (np.arange(extent) + 0.5 for extent in size)
    cy, cx, radius = (
        generator.uniform(low, high, (n, 1, 1)) for low, high in ((5, size[0] - 5), (5, size[1] - 5), (3, 7))
    )
    return (y[:, None] - cy) ** 2 + (x - cx) ** 2 <= radius**2


def pictures_of(masks: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).integers(0, 30, (*masks.shape, 3))
    return (noise + 150 * masks[..., None]).astype(np.uint8)


def energy(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    positive = np.maximum(maps, 0)
    return (positive * masks).sum((1, 2)) / positive.sum((1, 2))


def tiny(score: Callable[[np.ndarray, np.ndarray], np.ndarray], direction: int = 1) -> Callable[..., Values]:
    return lambda maps, masks: Values(
        "tiny@1", score(maps, masks), truth="scene", direction=direction, range=(0, 1)
    )


def test_a_metric_that_measures_is_accepted() -> None:
    masks = discs()
    check = self_check(tiny(energy), masks, pictures_of(masks))
    assert check.passed and check.why == () and check.kendall == 1 and check.metric == "tiny@1"
    others = ["noise only", "inverted", "random", "random-smooth", "centre", "constant", "edge"]
    assert list(check.values) == LEVELLED + others
    assert check.values["oracle"].mean == 1 and check.values["inverted"].mean == 0
    assert check.values["constant"].mean == pytest.approx(masks.mean())
    assert set(check.p) == {"random", "random-smooth", "centre", "constant", "edge"}
    assert max(check.p.values()) < 0.001


def test_one_of_which_less_is_better_is_accepted_too() -> None:
    assert self_check(tiny(lambda maps, masks: 1 - energy(maps, masks), -1), discs()).passed


def test_one_that_ignores_the_map_is_refused() -> None:
    check = self_check(tiny(lambda _, masks: masks.mean((1, 2))), discs())
    assert not check.passed and check.kendall == 0
    why = "\n".join(check.why)
    assert "noise is not told by its level: Kendall's tau is 0, not 0.9" in why
    assert (
        "random is not better than inverted: " in why
        and "oracle is not better than centre: by 0, p = 1" in why
    )


def test_one_the_wrong_way_round_is_refused() -> None:
    for wrong in (tiny(energy, -1), tiny(lambda maps, masks: energy(maps, ~masks))):
        check = self_check(wrong, discs())
        assert not check.passed and check.kendall == -1
        assert any(one.startswith("noise 5 is not better than noise only: ") for one in check.why)
        assert any(one.startswith("oracle is not better than random: by -0.") for one in check.why)


def test_one_that_confuses_neighbouring_levels_of_noise_is_refused() -> None:
    swapped = {1: 0.6, 2: 0.7}  # the mean over noise 1 below that over noise 2

    def score(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
        spread = maps[~masks].std()
        level = [i for i, by in enumerate(LEVELS, 1) if abs(spread - by) < 0.02]
        return np.full(len(maps), swapped[level[0]]) if level and level[0] < 3 else energy(maps, masks)

    check = self_check(tiny(score), discs())
    assert not check.passed and check.kendall == pytest.approx(13 / 15)
    assert check.why == ("noise is not told by its level: Kendall's tau is 0.867, not 0.9",)


def test_hits_may_tie_where_all_or_none_hit() -> None:
    def contrast(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
        means = [(maps * part).sum((1, 2)) / part.sum((1, 2)) for part in (masks, ~masks)]
        return (means[0] - means[1] > 0.5).astype(float)

    hits = self_check(tiny(contrast), discs())
    assert hits.passed and hits.values["oracle"].mean == hits.values["noise 1"].mean == 1
    assert hits.values["random"].mean == hits.values["inverted"].mean == 0
    assert self_check(tiny(lambda maps, masks: 1 - contrast(maps, masks), -1), discs()).passed
    half = self_check(tiny(lambda maps, masks: 0.2 + 0.5 * contrast(maps, masks)), discs())
    assert "random is not better than inverted: 0.2 against 0.2" in half.why


def test_masks_in_the_middle_make_the_centre_as_good_as_the_oracle() -> None:
    masks = np.zeros((30, 15, 15), bool)
    masks[:, 5:10, 5:10] = True

    def pointing(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
        top = maps == maps.max((1, 2), keepdims=True)
        return (top & masks).sum((1, 2)) / top.sum((1, 2))

    check = self_check(tiny(pointing), masks)
    assert check.why == ("oracle is not better than centre: by 0, p = 1",)
    assert self_check(tiny(pointing), discs()).passed


def test_undefined_items_are_left_out_and_too_few_defined_ones_are_refused() -> None:
    def holed(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
        return np.where(np.arange(len(maps)) % 2, energy(maps, masks), np.nan)

    assert self_check(tiny(holed), discs(40)).passed
    check = self_check(tiny(holed), discs(20))
    assert check.why == ("only 10 of 20 items are defined for all of (1), 12 are needed",)
    assert not check.passed and np.isnan(check.kendall)


def test_a_metric_without_a_value_for_the_constant_map_is_not_blamed() -> None:
    def score(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
        return np.where(np.ptp(maps, (1, 2)) > 0, energy(maps, masks), np.nan)

    check = self_check(tiny(score), discs())
    assert check.passed and np.isnan(check.p["constant"]) and check.p["centre"] < 0.001


def test_same_seed_same_check() -> None:
    def means(seed: int) -> list[float]:
        return [values.mean for values in self_check(tiny(energy), discs(14), seed=seed).values.values()]

    assert means(1) == means(1) != means(2)


def test_made_maps_are_what_their_names_say() -> None:
    masks = discs(8, (20, 33))
    made = dict(made_maps(masks, pictures_of(masks)))
    assert all(maps.shape == masks.shape and np.isfinite(maps).all() for maps in made.values())
    assert (made["oracle"] == masks).all() and (made["inverted"] == ~masks).all()
    field = (made["noise 1"] - masks) / LEVELS[0]
    np.testing.assert_allclose((made["noise 5"] - masks) / LEVELS[4], field)
    np.testing.assert_allclose(made["noise only"], field)
    for maps, of in zip(made["random"], field, strict=True):
        assert (np.argsort(maps.ravel()) == np.argsort(of.ravel())).all(), "random has the ranks of the noise"
    assert made["random"].mean() == pytest.approx(0.5, abs=0.02)
    assert made["random"].min() >= 0 and made["random"].max() <= 1
    assert np.ptp(made["constant"]) == 0
    assert np.unravel_index(made["centre"][0].argmax(), (20, 33)) in [(9, 16), (10, 16)]
    np.testing.assert_allclose(made["centre"], made["centre"][:, ::-1, ::-1])
    smooth, rough = (np.abs(np.diff(made[name], axis=2)).mean() for name in ("random-smooth", "random"))
    assert smooth < 0.2 * rough and made["random-smooth"].min() == 0 and made["random-smooth"].max() == 1
    edge, inner = made["edge"], masks[:, 1:-1, 1:-1] & masks[:, 2:, 1:-1] & masks[:, :-2, 1:-1]
    border = masks[:, 1:-1, 1:-1] & ~inner
    assert edge[:, 1:-1, 1:-1][border].mean() > 2 * edge[:, 1:-1, 1:-1][~masks[:, 1:-1, 1:-1]].mean()


@pytest.mark.parametrize("upright", [True, False])
def test_edges_of_both_directions_are_found(upright: bool) -> None:
    pictures = np.zeros((1, 8, 8, 3), np.uint8)
    pictures[:, :, 4:] = 250
    if not upright:
        pictures = pictures.swapaxes(1, 2)
    edge = dict(made_maps(np.ones((1, 8, 8), bool), pictures))["edge"][0]
    across = edge.sum(0) if upright else edge.sum(1)
    assert np.flatnonzero(across).tolist() == [3, 4]


def effects(n: int = 60, m: int = 6) -> np.ndarray:
    generator = np.random.default_rng(0)
    truth = generator.normal(size=(n, m))
    truth[:, 4] = 0  # a factor without effect
    truth[::3, 0] = np.nan
    return truth


METRICS = (Spearman(), Pearson(), SignAgreement(), Top1(), NormalisedL1(), FalseContribution())


@pytest.mark.parametrize("metric", METRICS, ids=lambda one: one.name)
def test_every_contribution_metric_passes_its_own_check(metric) -> None:
    check = self_check_contributions(metric, effects())
    assert check.passed, check.why
    assert list(check.values) == [*LEVELLED, "random", "inverted", "constant"] and check.kendall == 1


def broken(of: type, change: Callable[[Values], Values]) -> SelfCheck:
    class Broken(of):
        def __call__(self, contributions: np.ndarray, truth: np.ndarray) -> Values:
            return change(super().__call__(contributions, truth))

    return self_check_contributions(Broken(), effects())


def test_contribution_metrics_that_do_not_measure_are_refused() -> None:
    unsigned = broken(Spearman, lambda found: replace(found, per_item=np.abs(found.per_item)))
    assert any(one.startswith("random is not better than inverted") for one in unsigned.why)
    assert not broken(Pearson, lambda found: replace(found, direction=-1)).passed
    constant = broken(Top1, lambda found: replace(found, per_item=np.full(len(found), 0.3)))
    assert not constant.passed and constant.kendall == 0


def test_masks_of_one_picture_are_one_item_of_the_test() -> None:
    masks = discs(16).repeat(3, 0)  # 48 masks, 16 pictures
    pictures = np.repeat(np.arange(16), 3)
    alone, together = self_check(tiny(energy), masks), self_check(tiny(energy), masks, groups=pictures)
    assert together.passed and together.p["centre"] >= 1 / 10_001 and alone.kendall == together.kendall
    expected = together.values["oracle"].per_item - together.values["centre"].per_item
    assert together.p["centre"] == sign_flip(expected, groups=pictures)
    with pytest.raises(InputError, match="There are 11 groups of masks"):
        self_check(tiny(energy), masks[:33], groups=pictures[:33])
    truth = effects(48)
    assert self_check_contributions(Spearman(), truth, groups=pictures).passed
    with pytest.raises(InputError, match=r"truth has shape \(33, 6\), in 11 groups"):
        self_check_contributions(Spearman(), truth[:33], groups=pictures[:33])
    with pytest.raises(InputError, match=r"groups has shape \(16,\) for 48 items"):
        self_check(tiny(energy), masks, groups=np.arange(16))


def test_groups_are_what_must_be_defined() -> None:
    def holed(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
        return np.where(np.arange(len(maps)) < 33, energy(maps, masks), np.nan)

    check = self_check(tiny(holed), discs(48), groups=np.repeat(np.arange(16), 3))
    assert check.why == ("only 11 of 16 groups are defined for all of (1), 12 are needed",)


def test_what_does_not_fit_is_refused() -> None:
    metric, masks = tiny(energy), discs(FEWEST)
    with pytest.raises(InputError, match="There are 11 masks.\n.*12 or more"):
        self_check(metric, masks[1:])
    with pytest.raises(InputError, match=r"masks has shape .* type float64.\n.*boolean"):
        self_check(metric, masks.astype(float))
    with pytest.raises(InputError, match=r"pictures has shape \(12, 3, 24, 32\).*\n.*last axis"):
        self_check(metric, masks, np.zeros((12, 3, 24, 32)))
    with pytest.raises(InputError, match=r"truth has shape \(5, 3\)"):
        self_check_contributions(Spearman(), np.ones((5, 3)))


MAP_METRICS = (
    NRA(),
    NRA(kind="value"),
    CeFamNRA(),
    HitRate(),
    VEA(),
    EPG(),
    CorrectedEPG(),
    CeFamEPG(),
    PointingGame(),
    PointingGame(weighted=True),
    RelevanceRank(),
    TopK(k=40),
    HitRate(kind="value"),
    HitRate(kind="cefam"),
    AUROC(),
    AveragePrecision(),
)


@pytest.mark.parametrize("metric", MAP_METRICS, ids=str)
def test_every_map_metric_passes_the_check(metric) -> None:
    masks = discs(60, (32, 41))
    check = self_check(metric, masks, pictures_of(masks))
    assert check.passed, check.why
    # Weighted, all hit with the oracle and with little noise, but hits are not worth the end of the range: one tie.
    assert check.kendall == (14 / 15 if getattr(metric, "weighted", False) else 1)
    assert all(values.n_undefined == 0 for values in check.values.values())


@pytest.mark.parametrize("metric", [VEA(), NRA(kind="value")], ids=["vea", "nra/value"])
def test_what_depends_on_the_spread_of_values_is_remarked(metric) -> None:
    """A map with a little knowledge scores below one with none, whose values are spread evenly."""
    check = self_check(metric, discs(60, (32, 41)))
    assert len(check.remarks) == 1 and check.remarks[0].startswith("noise 5 is not better than random: ")
    assert self_check(NRA(), discs(60, (32, 41))).remarks == ()


def test_a_pointing_game_with_tolerance_does_not_tell_objects_from_their_edges() -> None:
    masks = discs(60, (32, 41))
    check = self_check(PointingGame(tolerance=2), masks, pictures_of(masks))
    assert len(check.why) == 1 and check.why[0].startswith("oracle is not better than edge: ")
