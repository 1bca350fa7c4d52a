"""Agreement of two maps: the peers' correlations, closed forms for overlap and grids, and reasons instead of NaN."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from seewhy.explanation.agreement import agreement_of, cell_area, common_grid, no_agreement, regrid
from seewhy.images.geometry import Geometry


@pytest.mark.parametrize("shape", [(1, 3), (3, 1), (5, 7), (14, 9)])
def test_correlations_are_scipys_with_ties_and_without(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(sum(shape))
    smooth = rng.normal(size=shape), rng.normal(size=shape)
    tied = rng.integers(0, 3, shape) * 1.0 + np.arange(shape[1]), rng.integers(0, 3, shape) * 1.0
    tied[1].flat[0] = 5.0
    for a, b in (smooth, tied):
        found = agreement_of(a, b)
        assert found.spearman.value == pytest.approx(stats.spearmanr(a.ravel(), b.ravel()).statistic)
        assert found.pearson.value == pytest.approx(stats.pearsonr(a.ravel(), b.ravel()).statistic)
        assert found.grid == shape


@pytest.mark.parametrize("size", [1e-20, 1.0, 1e30])
def test_units_do_not_matter_and_monotone_changes_keep_the_ranks(size: float) -> None:
    a = np.random.default_rng(0).normal(size=(4, 5))
    found = agreement_of(a, a * size)
    assert found.spearman.value == pytest.approx(1) and found.pearson.value == pytest.approx(1)
    assert found.overlap.value == pytest.approx(1)
    cubed = agreement_of(a, a**3)
    assert cubed.spearman.value == pytest.approx(1) and cubed.pearson.value != pytest.approx(1)
    assert agreement_of(a, -a).spearman.value == pytest.approx(-1)


def test_overlap_is_the_shared_part_of_the_positive_evidence() -> None:
    first = np.array([[2.0, 2.0, -9.0, 0.0]])
    second = np.array([[0.0, 3.0, 1.0, -7.0]])
    # Half and half against three quarters and one quarter: they share the half in the second cell.
    assert agreement_of(first, second).overlap.value == pytest.approx(0.5)
    assert agreement_of(first, np.array([[-1.0, -1.0, 4.0, 1.0]])).overlap.value == 0


def test_what_is_not_defined_has_a_reason_and_no_number() -> None:
    rng = np.random.default_rng(0)
    flat, free = np.full((3, 4), -2.5, np.float32), rng.normal(size=(3, 4))
    found = agreement_of(flat, free)
    assert found.spearman.value is None and found.pearson.value is None
    assert found.pearson.why_not == "the first map is the same everywhere"
    assert found.overlap.why_not == "the first map has no positive evidence"
    both = agreement_of(flat, np.zeros((3, 4)))
    assert both.spearman.why_not == "the first and the second map are the same everywhere"
    assert both.overlap.why_not == "the first and the second map have no positive evidence"
    one = agreement_of(np.ones((1, 1)), np.ones((1, 1)))
    assert one.spearman.why_not == "the maps share 1 cell; a correlation needs three"
    assert one.overlap.value == 1
    assert no_agreement("so").overlap.why_not == "so"


def test_a_map_that_varies_by_rounding_alone_is_constant() -> None:
    noise = 5 + 1e-8 * np.random.default_rng(0).normal(size=(4, 4))
    assert agreement_of(noise, np.arange(16.0).reshape(4, 4)).pearson.value is None


@pytest.mark.parametrize("flip", [1, -1])
@pytest.mark.parametrize(("original", "grid"), [((30, 50), (3, 5)), ((31, 17), (7, 2)), ((5, 5), (1, 1))])
def test_a_map_on_its_own_grid_comes_back_as_it_is(
    original: tuple[int, int], grid: tuple[int, int], flip: int
) -> None:
    plain = Geometry.stretch(original, (64, 96))
    geometry = Geometry(original, (64, 96), plain.sx * flip, plain.sy, 0.0 if flip > 0 else 96.0, 0.0)
    values = np.random.default_rng(0).normal(size=grid).astype(np.float32)
    common = common_grid((geometry, grid), (geometry, grid))
    assert common is not None and common.model == grid
    for add in (True, False):
        np.testing.assert_array_equal(regrid(values, geometry, common, add=add), values[:, ::flip])


def test_sums_are_kept_and_means_of_a_constant_are_the_constant() -> None:
    coarse, fine = Geometry.stretch((40, 60), (32, 32)), Geometry.stretch((40, 60), (224, 224))
    common = common_grid((coarse, (5, 3)), (fine, (14, 14)))
    assert common is not None and common.model == (5, 3)
    values = np.random.default_rng(1).normal(size=(14, 14))
    assert regrid(values, fine, common, add=True).sum() == pytest.approx(values.sum())
    np.testing.assert_allclose(regrid(np.full((14, 14), 2.5), fine, common, add=False), 2.5)


def test_parts_are_told_by_area_as_a_loop_over_pixels_does() -> None:
    whole, crop = Geometry.stretch((48, 48), (48, 48)), Geometry((48, 48), (24, 24), 1.0, 1.0, -12.0, -12.0)
    common = common_grid((whole, (6, 6)), (crop, (4, 4)))
    # Both saw the middle 24x24 pixels, in which the whole's cells of 8 pixels fit three times.
    assert common is not None and common.seen_box == (12, 12, 36, 36) and common.model == (3, 3)
    values = np.random.default_rng(2).normal(size=(6, 6))
    pixels = np.kron(values, np.ones((8, 8)))[12:36, 12:36]
    blocks = pixels.reshape(3, 8, 3, 8)
    np.testing.assert_allclose(regrid(values, whole, common, add=False), blocks.mean((1, 3)))
    np.testing.assert_allclose(regrid(values, whole, common, add=True), blocks.sum((1, 3)) / 64)


def test_two_crops_that_do_not_meet_have_no_common_grid() -> None:
    left = Geometry((20, 40), (20, 20), 1.0, 1.0, 0.0, 0.0)
    right = Geometry((20, 40), (20, 20), 1.0, 1.0, -20.0, 0.0)
    assert common_grid((left, (2, 2)), (right, (2, 2))) is None


def test_a_cells_area_is_in_pixels_of_the_picture() -> None:
    assert cell_area(Geometry.stretch((40, 60), (224, 224)), (4, 3)) == pytest.approx(200)
    assert cell_area(Geometry((40, 60), (20, 20), -0.5, 0.5, 20.0, 0.0), (2, 2)) == pytest.approx(400)


def test_equal_values_keep_equal_ranks_through_another_grid() -> None:
    # A map with large even parts on a grid that does not divide it: rounding must not order them.
    coarse, fine = Geometry.stretch((70, 70), (7, 7)), Geometry.stretch((70, 70), (224, 224))
    common = common_grid((coarse, (7, 7)), (fine, (21, 21)))
    assert common is not None
    values = np.zeros((21, 21), np.float32)
    values[3:6, 3:6] = 0.1
    pooled = regrid(values, fine, common, add=True)
    assert set(np.round(pooled.ravel(), 6)) == {0.0, 0.9}
    target = np.zeros((7, 7))
    target[1, 1] = 3.0
    assert agreement_of(pooled, target).spearman.value == pytest.approx(1)
