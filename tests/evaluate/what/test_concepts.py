"""Presence metrics of concepts against scikit-learn, slow loops and closed forms."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from seewhy.errors import InputError
from seewhy.evaluate.what.concepts import (
    ConceptAP,
    ConceptAUROC,
    ConceptECE,
    ConceptPrecision,
    ConceptRecall,
    auroc_matrix,
)


def drawn(n: int = 37, m: int = 5, *, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(n + m)
    scores = generator.normal(size=(n, m))
    present = generator.random((n, m)) < [0.1 + 0.8 * i / m for i in range(m)]
    present[0], present[1] = True, False
    return (scores.round() if ties else scores), present


@pytest.mark.parametrize("ties", [False, True])
def test_auroc_and_ap_equal_scikit_learn(ties: bool) -> None:
    scores, present = drawn(ties=ties)
    for metric, peer in ((ConceptAUROC(), roc_auc_score), (ConceptAP(), average_precision_score)):
        expected = [peer(present[:, i], scores[:, i]) for i in range(present.shape[1])]
        np.testing.assert_allclose(metric(scores, present).per_item, expected, atol=1e-14)


def test_every_score_for_every_concept_equals_scikit_learn() -> None:
    scores, present = drawn(23, 4, ties=True)[0][:, :3], drawn(23, 4)[1]
    expected = [[roc_auc_score(present[:, j], scores[:, i]) for j in range(4)] for i in range(3)]
    np.testing.assert_allclose(auroc_matrix(scores, present), expected, atol=1e-14)


def test_a_constant_score_is_chance_and_the_truth_itself_perfect() -> None:
    _, present = drawn()
    assert (ConceptAUROC()(np.full(present.shape, 0.3), present).per_item == 0.5).all()
    np.testing.assert_allclose(ConceptAP()(np.zeros(present.shape), present).per_item, present.mean(0))
    for metric in (ConceptAUROC(), ConceptAP()):
        assert (metric(present, present).per_item == 1).all()
        assert (metric(2.0 * present - 7, present.astype(int)).per_item == 1).all()


def test_a_concept_always_or_never_present_is_counted_and_not_scored() -> None:
    scores, present = drawn(9, 4)
    present[:, 0], present[:, 2] = True, False
    for metric in (ConceptAUROC(), ConceptAP()):
        found = metric(scores, present)
        assert np.isnan(found.per_item).tolist() == [True, False, True, False] and found.n_undefined == 2
        assert found.mean == pytest.approx(np.nanmean(found.per_item))
    assert np.isnan(auroc_matrix(scores, present)).all(0).tolist() == [True, False, True, False]


def test_a_score_that_is_not_finite_undefines_its_concept_alone() -> None:
    scores, present = drawn(9, 4)
    scores[3, 1], scores[5, 2] = np.nan, np.inf
    for metric in (ConceptAUROC(), ConceptAP()):
        whole = metric(scores, present).per_item
        assert np.isnan(whole).tolist() == [False, True, True, False]
        assert whole[3] == pytest.approx(metric(scores[:, 3:], present[:, 3:]).per_item[0], abs=1e-12)


def test_calibration_error_equals_a_loop_over_bins() -> None:
    generator = np.random.default_rng(0)
    chance, present = generator.random((200, 3)).round(2), generator.random((200, 3)) < 0.4
    chance[:2] = [[0, 1, 0.2], [1, 0, 0.4]]
    edges = np.linspace(0, 1, 16)
    expected = np.zeros(3)
    for j in range(3):
        for low, high in zip(edges[:-1], edges[1:], strict=True):
            inside = (chance[:, j] > low) & (chance[:, j] <= high)
            if low == 0:
                inside |= chance[:, j] == 0
            if inside.any():
                gap = abs(present[inside, j].mean() - chance[inside, j].mean())
                expected[j] += inside.mean() * gap
    np.testing.assert_allclose(ConceptECE()(chance, present).per_item, expected, atol=1e-14)


def test_calibration_error_of_the_truth_its_opposite_and_a_constant() -> None:
    _, present = drawn()
    assert (ConceptECE()(present, present).per_item == 0).all()
    assert (ConceptECE()(~present, present).per_item == 1).all()
    constant = np.broadcast_to(present.mean(0), present.shape)
    np.testing.assert_allclose(ConceptECE()(constant, present).per_item, 0, atol=1e-15)
    always = np.ones((4, 1), bool)
    assert ConceptECE()(np.full((4, 1), 0.75), always).per_item == pytest.approx([0.25])


def test_calibration_refuses_what_is_no_probability() -> None:
    with pytest.raises(InputError, match=r"the first is -0.5.*\n.*probabilities.\n.*sigmoid"):
        ConceptECE()(np.array([[0.2], [-0.5]]), np.array([[True], [False]]))
    assert np.isnan(ConceptECE()(np.array([[0.2], [np.nan]]), np.array([[True], [False]])).per_item).all()


@pytest.mark.parametrize("k", [1, 2, 4])
def test_precision_and_recall_are_means_over_all_orders_of_ties(k: int) -> None:
    generator = np.random.default_rng(k)
    scores = generator.integers(0, 3, size=(20, 4)).astype(float)
    present = generator.random((20, 4)) < 0.5
    present[0] = False
    precision, recall = (one(k)(scores, present) for one in (ConceptPrecision, ConceptRecall))
    assert np.isnan(precision.per_item[0]) and np.isnan(recall.per_item[0])
    for row, here, p, r in zip(scores, present, precision.per_item, recall.per_item, strict=True):
        if here.any():
            orders = [order for order in permutations(range(4)) if (np.diff(row[list(order)]) <= 0).all()]
            hits = np.mean([here[list(order[:k])].sum() for order in orders])
            assert p == pytest.approx(hits / k) and r == pytest.approx(hits / here.sum())


def test_precision_comes_with_its_chance_and_its_ceiling() -> None:
    present = np.array([[1, 0, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0]])
    precision, recall = ConceptPrecision(2)(present, present), ConceptRecall(2)(present, present)
    assert precision.mean == precision.extras["ceiling"] == 0.75
    assert precision.extras["chance"] == 0.5 == ConceptPrecision(2)(0 * present, present).mean
    assert recall.mean == recall.extras["ceiling"] == pytest.approx((1 + 2 / 3) / 2)
    assert recall.extras["chance"] == 0.5 == ConceptRecall(2)(0 * present, present).mean


@pytest.mark.parametrize("metric", [ConceptPrecision(3), ConceptRecall(3), ConceptAUROC(), ConceptAP()])
def test_truth_is_above_noise_by_its_level_and_noise_above_the_inverse(metric) -> None:
    generator = np.random.default_rng(0)
    present, noise = generator.random((300, 8)) < 0.4, generator.normal(size=(300, 8))
    made = [present + level * noise for level in (0, 0.5, 1, 2, 4)] + [noise, -1.0 * present]
    means = [metric(scores, present).mean for scores in made]
    assert all(better > worse for better, worse in zip(means, means[1:], strict=False))


def test_a_picture_scores_the_same_alone_as_among_others() -> None:
    scores, present = drawn(11, 5, ties=True)
    for metric in (ConceptPrecision(3), ConceptRecall(3)):
        alone = [metric(scores[i : i + 1], present[i : i + 1]).per_item[0] for i in range(11)]
        np.testing.assert_array_equal(metric(scores, present).per_item, alone)


def test_a_picture_with_a_score_that_is_not_finite_is_undefined() -> None:
    scores, present = drawn(6, 3)
    scores[4, 1], present[:, 0] = np.nan, True
    assert np.isnan(ConceptPrecision(2)(scores, present).per_item).tolist() == [False] * 4 + [True, False]


def test_no_pictures_and_one_picture_have_shapes() -> None:
    for n in (0, 1):
        scores, present = np.zeros((n, 3)), np.ones((n, 3), bool)
        assert np.isnan(ConceptAUROC()(scores, present).per_item).all()
        assert np.isnan(ConceptAP()(scores, present).per_item).all()
        assert len(ConceptECE()(scores, present)) == 3 and len(ConceptPrecision(2)(scores, present)) == n


def test_what_does_not_fit_is_refused() -> None:
    scores, present = drawn(6, 3)
    with pytest.raises(InputError, match=r"\(6, 3\), the presence \(6, 2\).\n.*\(pictures, concepts\)"):
        ConceptAUROC()(scores, present[:, :2])
    with pytest.raises(InputError, match=r"other than 0 and 1.\n.*bool, or 0 and 1.\n.*truth > 0.5"):
        ConceptAP()(scores, np.full((6, 3), 0.5))
    with pytest.raises(InputError, match=r"k is 4, and there are 3 concepts.\n.*\n.*k=3"):
        ConceptPrecision(4)(scores, present)
    with pytest.raises(InputError, match="bins is 0"):
        ConceptECE(0)
    with pytest.raises(InputError, match="k is 0"):
        ConceptRecall(0)
