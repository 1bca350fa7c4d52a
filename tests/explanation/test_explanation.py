from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seewhy.errors import AccountingError, InputError, NotSupported, UnknownConcept
from seewhy.explanation import ConceptEvidence, contrast_of
from seewhy.explanation.query import centre_and_coverage, where_in_words
from seewhy.images.geometry import Geometry
from tests.explanation.make import attribution, explanation, picture


def test_totals_add_up_to_the_logit() -> None:
    totals = explanation().totals
    assert totals.bias + totals.concepts + totals.elsewhere + totals.remainder == pytest.approx(totals.logit)
    assert totals.gap == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("factor", [1.01, -1.0, float("nan")])
def test_a_corrupted_contribution_raises(factor: float) -> None:
    good = explanation()
    worst = max(good.concepts, key=lambda c: abs(c.contribution))
    bad = replace(worst, contribution=worst.contribution * factor, shares=None)
    concepts = tuple(bad if c is worst else c for c in good.concepts)
    with pytest.raises(AccountingError, match="The rows miss the logit"):
        replace(good, concepts=concepts)


def test_a_corrupted_remainder_raises() -> None:
    with pytest.raises(AccountingError, match="miss the logit"):
        replace(explanation(), remainder=0.5)


def test_shares_without_bias_or_remainder_are_refused() -> None:
    with pytest.raises(AccountingError, match="both are numbers"):
        replace(explanation(), remainder=None)


def test_cells_that_do_not_sum_to_the_contribution_raise() -> None:
    good = explanation()
    concept = good.concepts[0]
    bad = replace(concept, shares=concept.shares + 0.1)
    with pytest.raises(AccountingError, match="The cells of concept"):
        replace(good, concepts=(bad, *good.concepts[1:]))


def test_an_error_within_tolerance_passes() -> None:
    good = explanation()
    mass = abs(0.5) + sum(abs(c.contribution) for c in good.concepts) + 0.25
    target = replace(good.target, logit=good.target.logit + 0.9e-4 * mass)
    assert replace(good, target=target).totals.gap == pytest.approx(0.9e-4 * mass, rel=1e-3)


@pytest.mark.parametrize("kind", ["effect", "variance"])
def test_only_shares_have_totals(kind: str) -> None:
    answer = replace(explanation(), kind=kind)
    with pytest.raises(NotSupported, match="do not add up to the logit"):
        _ = answer.totals


def test_where_is_the_sum_of_the_shares() -> None:
    answer = explanation()
    slow = np.zeros(answer.grid)
    for concept in answer.concepts:
        for i in range(3):
            for j in range(5):
                slow[i, j] += concept.shares[i, j]
    np.testing.assert_allclose(answer.where, slow, atol=1e-6)


def test_where_needs_shares_by_place() -> None:
    answer = explanation()
    answer = replace(answer, concepts=tuple(replace(c, shares=None) for c in answer.concepts))
    with pytest.raises(NotSupported, match="No concept tells its contribution by place"):
        _ = answer.where


def test_inside_and_outside_of_a_region_make_the_contribution() -> None:
    answer = explanation()
    mask = np.zeros((30, 50))
    mask[7:23, 11:38] = 1
    inside = {row.name: row for row in answer.query(mask=mask, top_k=None)}
    outside = {row.name: row for row in answer.query(mask=1 - mask, top_k=None)}
    for concept in answer.concepts:
        both = inside[concept.name].contribution + outside[concept.name].contribution
        assert both == pytest.approx(concept.contribution)


def test_query_ranks_by_mean_activation_inside_the_box() -> None:
    answer = explanation()
    # The box is exactly the cells of rows 0-1, columns 1-2: each cell is 10x10 pixels of the picture.
    rows = answer.query(box=(10, 0, 30, 20), top_k=None)
    slow = {c.name: float(np.mean(c.map[0:2, 1:3])) for c in answer.concepts}
    assert [row.name for row in rows] == sorted(slow, key=lambda name: -slow[name])
    for row in rows:
        assert row.activation == pytest.approx(slow[row.name], rel=1e-5)


def test_the_whole_picture_as_a_region_has_no_outside() -> None:
    row = explanation().query(box=(0, 0, 50, 30), top_k=1)[0]
    assert row.outside == 0.0


def test_top_ranks_by_absolute_contribution() -> None:
    top = explanation().top(2)
    everything = sorted((abs(c.contribution) for c in explanation().concepts), reverse=True)
    assert [abs(c.contribution) for c in top] == everything[:2]
    assert len(explanation().top(None)) == 4


def test_an_unknown_concept_is_answered_with_near_names() -> None:
    with pytest.raises(
        UnknownConcept, match="'concpt 2' is not among 4 concepts\\.\\s+Did you mean 'concept 2'"
    ):
        explanation().masks(["concpt 2"])


def test_masks_follow_the_threshold() -> None:
    answer = explanation()
    concept = answer.concepts[0]
    placed = answer.geometry.place(concept.map)
    expected = placed >= 0.7 * concept.map.max()
    np.testing.assert_array_equal(answer.masks([concept.name], threshold=0.7)[concept.name], expected)


def test_contrast_adds_up_to_the_difference_of_the_logits() -> None:
    a = explanation()
    halved = tuple(replace(c, contribution=c.contribution / 2, shares=c.shares / 2) for c in a.concepts)
    logit = 0.5 + sum(c.contribution for c in halved) - 0.25 + 0.125
    b = replace(a, concepts=halved, target=replace(a.target, index=0, name="dog", logit=logit))
    held = replace(a, rerun=lambda target: b)
    contrast = held.contrast("cat", "dog")
    assert sum(r.difference for r in contrast.rows) + contrast.constant == pytest.approx(
        contrast.logit_difference
    )
    np.testing.assert_allclose(contrast.where, a.where / 2, atol=1e-6)


def test_contrast_without_a_model_is_not_supported() -> None:
    with pytest.raises(NotSupported, match="It does not hold the model"):
        explanation().contrast("cat", "dog")


def test_contrast_of_two_pictures_is_refused() -> None:
    with pytest.raises(InputError, match="do not describe the same picture"):
        contrast_of(explanation(), explanation(image=picture(seed=3)))


def test_no_concepts_and_one_concept_are_fine() -> None:
    one = explanation(n=1, grid=(1, 1))
    assert one.grid == (1, 1) and len(one.top()) == 1
    none = explanation(n=0)
    assert none.totals.concepts == 0 and none.totals.gap == pytest.approx(0)
    with pytest.raises(NotSupported, match="It has no concepts"):
        none.query(point=(1, 1))


def test_a_map_with_nan_is_refused_by_the_concepts_name() -> None:
    bad = ConceptEvidence("nan", 0, np.array([[np.nan]]), 0.0)
    with pytest.raises(InputError, match="The map of concept 'nan' holds NaN"):
        replace(explanation(), concepts=(bad,))


def test_maps_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="read-only"):
        attribution().map[0, 0] = 1


def test_an_attribution_map_answers_region_queries() -> None:
    answer = attribution(map=np.arange(15.0).reshape(3, 5) - 7)
    score = answer.query(box=(0, 0, 10, 10))
    assert score.mean == pytest.approx(-7) and score.total == pytest.approx(-7)
    assert score.positive_share == 0
    assert answer.query(box=(40, 20, 50, 30)).positive_share == pytest.approx(7 / 28)


def test_zero_maps_are_nowhere() -> None:
    assert attribution(map=np.zeros((3, 5))).describe_where() == "nowhere"
    assert attribution(map=-np.ones((3, 5))).describe_where() == "nowhere"


@pytest.mark.parametrize(
    ("cell", "words"),
    [((0, 0), "upper left"), ((1, 2), "centre"), ((2, 4), "lower right"), ((1, 0), "left")],
)
def test_where_in_words_names_the_place(cell: tuple[int, int], words: str) -> None:
    spot = np.zeros((3, 5))
    spot[cell] = 1
    assert attribution(map=spot).describe_where().startswith(words)


def test_coverage_is_the_strong_cells_share_of_the_picture() -> None:
    # A 40x40 input is cut from the middle of a 50x100 picture resized to 40x80: 40x40 of its 40x80.
    geometry = Geometry((50, 100), (40, 40), 0.8, 0.8, -20.0, 0.0)
    spot = np.zeros((4, 4))
    spot[0, 3] = 1
    centre, coverage = centre_and_coverage(spot, geometry)
    assert coverage == pytest.approx(1 / 16 / 2)
    # The cell spans x 30..40 of the input, 62.5..75 of the picture, and y 0..12.5.
    assert centre == pytest.approx((0.6875, 0.125))


def test_pixel_maps_are_averaged_before_words_are_found() -> None:
    rng = np.random.default_rng(0)
    noisy = rng.normal(size=(224, 224)) * 0.1
    noisy[150:200, 20:70] += rng.exponential(size=(50, 50))
    noisy[5, 5] = 100 * 0.2
    geometry = Geometry.stretch((300, 300), (224, 224))
    assert where_in_words(noisy, geometry).startswith("lower left")
