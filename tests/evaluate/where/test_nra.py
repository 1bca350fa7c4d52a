"""NRA, VEA and the hit rate: closed forms, loops, and the two ends of the scale to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.evaluate.where.nra import NRA, VEA, CeFamNRA, HitRate


def disc(size: int, p: float) -> np.ndarray:
    """The p * size^2 pixels next to a point off the middle."""
    y, x = np.mgrid[:size, :size]
    distance = ((y - 0.52 * size) ** 2 + (x - 0.47 * size) ** 2).ravel()
    mask = np.zeros(size * size, bool)
    mask[np.argsort(distance, kind="stable")[: round(p * size * size)]] = True
    return mask.reshape(size, size)


def low(p: float) -> float:
    return p / (1 - p) * (1 + p / (1 - p) * np.log(p))


def high(p: float) -> float:
    return p * (0.5 - np.log(p))


def noise(n: int, size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, size, size))


def test_nra_equals_loops_over_all_cuts() -> None:
    generator = np.random.default_rng(0)
    r, g = generator.normal(size=(6, 7)), generator.random((6, 7)) < 0.3
    n, inside, hit = r.size, int(g.sum()), 0
    area = random = ideal = 0.0
    for k, pixel in enumerate(np.argsort(-r, axis=None), 1):
        hit += int(g.flat[pixel])
        area += hit / (k + inside - hit) / n
        ideal += min(k, inside) / max(k, inside) / n
        random += (k * inside / n) / (k + inside - k * inside / n) / n
    assert NRA()(r, g).per_item[0] == pytest.approx((area - random) / (ideal - random), abs=1e-12)


@pytest.mark.parametrize("kind", ["quantile", "value"])
@pytest.mark.parametrize(("shape", "p"), [((5, 7), 0.1), ((64, 64), 0.149), ((31, 40), 0.6), ((2, 1), 0.5)])
def test_a_constant_map_has_exactly_0_and_the_mask_itself_exactly_1(
    kind, shape: tuple[int, int], p: float
) -> None:
    g = np.zeros(shape, bool)
    g.flat[: max(1, round(p * g.size))] = True
    for constant in (np.full(shape, 0.1), np.zeros((1, 1)), np.full((3, 2), -7e5)):
        assert NRA(kind=kind)(constant, g).per_item[0] == 0.0
    assert NRA(kind=kind)(g.astype(float), g).per_item[0] == 1.0


def test_any_map_that_ranks_the_mask_first_has_exactly_1() -> None:
    g = disc(30, 0.2)
    assert (NRA()(g + 0.9 * noise(5, 30), np.stack([g] * 5)).per_item == 1.0).all()


@pytest.mark.parametrize(("p", "value"), [(0.027, -0.29), (0.149, -0.44), (0.598, -0.67)])
def test_an_inverted_mask_has_the_lowest_value_there_is(p: float, value: float) -> None:
    g = disc(224, p)
    found = NRA()(-g.astype(float), g).per_item[0]
    assert found == pytest.approx((p**2 / 2 - low(p)) / (high(p) - low(p)), abs=2e-4)
    assert found == pytest.approx(value, abs=0.01)


@pytest.mark.parametrize("p", [0.027, 0.149, 0.598])
def test_half_the_mask_first_has_its_closed_form(p: float) -> None:
    """IoU is x/p to q = p/2, then q/(x + q), then x - 1 + p: this needs both ends of the scale right."""
    g, size = disc(224, p), 224
    half = np.cumsum(g).reshape(size, size) <= g.sum() / 2
    r = np.where(g & half, 2.0, np.where(g, 0.0, 1.0))
    q = p / 2
    area = q**2 / 2 / p - q * np.log(p) + 1.5 * q**2
    assert NRA()(r, g).per_item[0] == pytest.approx((area - low(p)) / (high(p) - low(p)), abs=5e-4)


@pytest.mark.parametrize("kind", ["quantile", "value"])
@pytest.mark.parametrize("p", [0.05, 0.3, 0.6])
def test_random_maps_have_0_on_average(kind, p: float) -> None:
    found = NRA(kind=kind)(noise(300, 48), np.stack([disc(48, p)] * 300)).per_item
    # The value axis is stretched by the noise's own extremes, which costs it about 1/N.
    assert abs(found.mean()) < 3 * found.std() / np.sqrt(300) + 3 / 48**2


@pytest.mark.parametrize(("p", "value"), [(0.027, 0.026), (0.149, 0.116), (0.598, 0.345)])
def test_vea_of_random_maps_is_the_measured_one(p: float, value: float) -> None:
    g = np.stack([disc(64, p)] * 60)
    assert VEA()(noise(60, 64), g).mean == pytest.approx(value, abs=2e-3)
    assert VEA()(np.ones((60, 64, 64)), g).mean == pytest.approx(value, abs=2e-3)


def test_vea_equals_loops_over_thresholds_even_for_values_on_them() -> None:
    generator = np.random.default_rng(0)
    g = generator.random((9, 11)) < 0.4
    on = generator.integers(0, 101, (9, 11)) / 100
    for r in (on, np.nextafter(on, 0), generator.random((9, 11))):
        r.flat[:2] = 0, 1
        ious = []
        for t in range(1, 101):
            kept = r >= t / 100
            ious.append((kept & g).sum() / (kept | g).sum())
        assert VEA()(r, g).per_item[0] == pytest.approx(np.mean(ious), abs=1e-12)


def test_the_quantile_kind_sees_the_order_only_and_the_value_kind_the_values() -> None:
    g, r = np.stack([disc(20, 0.2)] * 3), np.random.default_rng(1).normal(size=(3, 20, 20))
    assert np.array_equal(NRA()(np.exp(r), g).per_item, NRA()(r, g).per_item)
    by_value = NRA(kind="value")
    signed = NRA(kind="value", sign="signed")
    np.testing.assert_allclose(signed(3 * r - 5, g).per_item, signed(r, g).per_item, atol=1e-12)
    assert (by_value(np.exp(r), g).per_item != by_value(r, g).per_item).all()


def test_the_value_kind_takes_the_positive_part_as_vea_does() -> None:
    g, r = disc(20, 0.2), np.random.default_rng(1).normal(size=(20, 20))
    for kind, sign in (("value", "positive"), ("quantile", "signed")):
        for metric in (NRA(kind=kind), HitRate(kind=kind)):
            assert metric.options["sign"] == sign
    assert NRA(kind="value")(r, g).per_item == NRA(kind="value", sign="signed")(np.maximum(r, 0), g).per_item
    assert VEA().sign == "positive" and CeFamNRA().sign == "signed" == HitRate(kind="cefam").sign


def test_masks_without_an_inside_or_an_outside_are_undefined() -> None:
    g = np.stack([np.zeros((12, 12), bool), np.ones((12, 12), bool), disc(12, 0.3)])
    for metric in (NRA(), NRA(kind="value"), CeFamNRA(), HitRate()):
        values = metric(noise(3, 12), g)
        assert np.isnan(values.per_item).tolist() == [True, True, False] and values.n_undefined == 2


@pytest.mark.parametrize(("size", "p"), [(10, 0.05), (23, 0.3), (40, 0.6)])
def test_the_authors_nra_equals_a_walk_through_the_pixels(size: int, p: float) -> None:
    r, g = noise(1, size)[0] ** 2 + 0.2 * disc(size, p), disc(size, p)
    step, inside, hit = size**2 // 100, int(g.sum()), 0
    area = ideal = 0.0
    for passed, pixel in enumerate(np.argsort(-r, axis=None)):
        hit += int(g.flat[pixel])
        weight = 1 / size**2 if passed < step else (0.01 if passed % step == 0 else 0)
        area += weight * hit / (passed + 1 - hit + inside)
        ideal += weight * (passed / inside if passed < inside else inside / passed)
    expected = max(area - g.mean() / 2, 0) / (ideal - g.mean() / 2)
    assert CeFamNRA()(r, g).per_item[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("p", "sampled", "within"),
    [(0.05, 0.123, 0.008), (0.15, 0.151, 2e-3), (0.3, 0.163, 2e-3), (0.6, 0.171, 2e-3)],
)
def test_the_authors_nra_lifts_a_random_map_above_0(p: float, sampled: float, within: float) -> None:
    """The spec's figures were sampled; at p = 0.05 one random map's spread is 0.006, and 0.130 is exact."""
    expected = CeFamNRA()(np.ones((1, 1)), disc(224, p)).per_item[0]
    assert expected == pytest.approx(sampled, abs=within)
    limit = (low(p) - p / 2) / (high(p) - p / 2)  # of many pixels, up to its 101 steps of 1/100
    assert expected == pytest.approx(limit, rel=0.05)
    found = CeFamNRA()(noise(20, 224), np.stack([disc(224, p)] * 20)).per_item
    assert abs(found.mean() - expected) < 4 * found.std() / np.sqrt(20)


def test_the_authors_nra_is_cut_off_at_0_and_needs_100_pixels() -> None:
    g = disc(20, 0.3)
    assert CeFamNRA()(-g.astype(float), g).per_item[0] == 0.0
    with pytest.raises(InputError, match=r"have 99 pixels.\n.*100 steps.\n.*NRA\(\)"):
        CeFamNRA()(np.ones((9, 11)), np.eye(9, 11, dtype=bool))


@pytest.mark.parametrize("kind", ["quantile", "value", "cefam"])
def test_hits_are_maps_above_the_threshold(kind) -> None:
    g = np.stack([disc(20, 0.2)] * 3)
    r = np.stack([g[0] * 1.0, np.ones((20, 20)), g[0] * -1.0])
    assert HitRate(kind=kind)(r, g).per_item.tolist() == [1, 0, 0]
    assert HitRate(kind=kind, threshold=-2)(r, g).per_item.tolist() == [1, 1, 1]


def test_the_kind_is_part_of_the_published_name() -> None:
    names = [one.label for one in (NRA(), NRA(kind="value"), CeFamNRA(), HitRate(kind="cefam"), VEA())]
    assert names == ["nra/quantile@1", "nra/value@1", "nra/cefam@1", "hit_rate/cefam@1", "vea@1"]
    with pytest.raises(InputError, match=r"kind is 'quantil'.\n.*quantile, value.\n.*mean 'quantile'"):
        NRA(kind="quantil")
    with pytest.raises(InputError, match="steps is 0"):
        VEA(steps=0)
