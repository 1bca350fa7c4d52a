"""Counting, cutting and refitting a linear head: hand-made matrices, and scikit-learn at full support."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from seewhy.errors import InputError
from seewhy.evaluate.what.heads import LinearHead, nec, refit, truncate


def data(n: int = 90, m: int = 6, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(n + m + k)
    codes = generator.normal(size=(n, m)) * np.geomspace(0.1, 10, m) + 3
    logits = (codes - 3) / np.geomspace(0.1, 10, m) @ generator.normal(size=(m, k))
    return codes, np.argmax(logits + generator.gumbel(size=(n, k)), axis=1)


def head(k: int = 3, m: int = 6, seed: int = 0) -> LinearHead:
    generator = np.random.default_rng(seed)
    return LinearHead(generator.normal(size=(k, m)), generator.normal(size=k), np.zeros(m), np.ones(m))


def test_nec_counts_weights_per_class_whichever_class_has_them() -> None:
    weights = np.array([[1.0, 0, -2, 1e-6], [0, 0, 0, 0]])
    assert nec(weights) == 1.5 and nec(weights, zero=1e-5) == 1 and nec(0 * weights) == 0


@pytest.mark.parametrize("level", [0, 1 / 3, 1, 2, 5, 6])
def test_truncation_is_exact_and_leaves_the_largest_untouched(level: float) -> None:
    weights = head().weights
    cut = truncate(weights, level)
    assert nec(cut) == level
    kept = cut != 0
    assert (cut[kept] == weights[kept]).all()
    if 0 < level < 6:
        assert np.abs(weights[kept]).min() > np.abs(weights[~kept]).max()


def test_truncation_is_over_all_classes_together() -> None:
    weights = np.array([[9.0, -8, 7], [1, -2, 3], [0.5, 0.4, 0.3]])
    assert truncate(weights, 1).tolist() == [[9, -8, 7], [0, 0, 0], [0, 0, 0]]
    assert truncate(weights, 5 / 3).tolist() == [[9, -8, 7], [0, -2, 3], [0, 0, 0]]


def test_ties_stay_exact_in_number_and_go_from_the_end() -> None:
    assert truncate(np.array([[1.0, -1], [1, 1]]), 1.5).tolist() == [[1, -1], [1, 0]]
    sparse = np.array([[0.0, 2], [0, 0]])
    assert (truncate(sparse, 2) == sparse).all()


def test_a_truncated_head_keeps_bias_and_units() -> None:
    one = LinearHead(head().weights, np.arange(3.0), np.arange(6.0), np.full(6, 2.0))
    cut = one.truncated(2)
    assert cut.nec == 2 and cut.bias is one.bias and cut.mean is one.mean and cut.scale is one.scale
    assert (one.truncated(0).logits(np.ones((4, 6))) == np.arange(3.0)).all()


def test_a_raw_head_gets_units_and_keeps_its_logits() -> None:
    codes, _ = data()
    weights, bias = head().weights, np.arange(3.0)
    same = LinearHead.from_raw(weights, bias, codes)
    np.testing.assert_allclose(same.logits(codes[:7]), codes[:7] @ weights.T + bias)
    np.testing.assert_allclose(same.weights, weights * codes.std(0))
    codes[:, 2] = 0.1
    constant = LinearHead.from_raw(weights, bias, codes)
    assert (constant.weights[:, 2] == 0).all()
    np.testing.assert_allclose(constant.logits(codes), codes @ weights.T + bias)


def test_units_change_which_weights_are_cut() -> None:
    """A large weight on a concept that hardly varies counts for less than a small one on a lively concept."""
    codes = np.array([[0.0, 0], [0.01, 10]])
    one = LinearHead.from_raw(np.array([[5.0, 1], [-5, -1]]), np.zeros(2), codes)
    assert (one.truncated(1).weights[:, 0] == 0).all()


@pytest.mark.parametrize("ridge", [1e-3, 0.3, 30.0])
def test_refit_at_full_support_is_scikit_learns_multinomial_regression(ridge: float) -> None:
    codes, labels = data()
    found = refit(head(), codes - 3, labels, ridge=ridge)
    peer = LogisticRegression(C=1 / (90 * ridge), tol=1e-10, max_iter=5000).fit(codes - 3, labels)
    assert found.converged
    np.testing.assert_allclose(found.head.weights, peer.coef_, atol=2e-3 if ridge < 0.1 else 1e-4)
    np.testing.assert_allclose(found.head.bias - found.head.bias.mean(), peer.intercept_, atol=2e-3)


def test_refit_keeps_the_support_and_is_the_least_loss_near_it() -> None:
    codes, labels = data()
    start = LinearHead.from_raw(head().weights, np.zeros(3), codes).truncated(2)
    found = refit(start, codes, labels)
    assert found.converged and ((found.head.weights != 0) == (start.weights != 0)).all()

    def loss(one: LinearHead) -> float:
        logits = one.logits(codes)
        logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        return float(-logs[np.arange(90), labels].mean() + 0.0005 * (one.weights**2).sum())

    least, step = loss(found.head), 0.01
    for i, sign in product(np.flatnonzero(start.weights), (-1, 1)):
        moved = found.head.weights.copy()
        moved.ravel()[i] += sign * step
        assert loss(LinearHead(moved, found.head.bias, start.mean, start.scale)) > least


def test_refit_does_not_depend_on_where_it_starts() -> None:
    codes, labels = data()
    support = head().truncated(2).weights != 0
    starts = [LinearHead(support * scale, np.zeros(3), codes.mean(0), codes.std(0)) for scale in (0.01, -3.0)]
    first, second = (refit(start, codes, labels).head.weights for start in starts)
    np.testing.assert_allclose(first, second, atol=1e-3)


def test_refit_of_an_empty_head_gives_the_frequencies_of_the_classes() -> None:
    codes, labels = data()
    bias = refit(head().truncated(0), codes, labels).head.bias
    np.testing.assert_allclose(np.exp(bias) / np.exp(bias).sum(), np.bincount(labels) / 90, atol=1e-4)


def test_refit_that_runs_out_of_steps_says_so() -> None:
    codes, labels = data()
    found = refit(head(), codes - 3, labels, steps=1)
    assert not found.converged and found.gradient > 1e-3 and found.steps == 1


def test_what_does_not_fit_is_refused() -> None:
    codes, labels = data()
    with pytest.raises(
        InputError, match="asked for is 0.5, of 3 classes and 6 concepts.\n.*whole.*\n.*0.333"
    ):
        truncate(head().weights, 0.5)
    with pytest.raises(InputError, match="asked for is 7.*\n.*0 to 6.*\n.*Pass 6"):
        truncate(head().weights, 7)
    with pytest.raises(InputError, match=r"shape \(6,\).\n.*\(classes, concepts\)"):
        nec(np.ones(6))
    with pytest.raises(InputError, match="hold NaN"):
        nec(np.full((1, 2), np.nan))
    with pytest.raises(
        InputError, match=r"weights have shape \(3, 6\), the bias \(3,\), the codes \(90, 5\)"
    ):
        LinearHead.from_raw(head().weights, np.zeros(3), codes[:, :5])
    with pytest.raises(InputError, match="codes have 5 concepts, the head 6"):
        refit(head(), codes[:, :5], labels)
    with pytest.raises(InputError, match="Class 1 has no training picture"):
        refit(head(), codes, np.where(labels == 1, 0, labels))
    with pytest.raises(InputError, match="A label is 3, and the head has 3 classes"):
        refit(head(), codes, labels + 1)
    with pytest.raises(InputError, match="labels have shape .* type float64.\n.*whole numbers"):
        refit(head(), codes, labels.astype(float))
    with pytest.raises(InputError, match=r"codes have shape \(90, 6\) and holds NaN"):
        refit(head(), np.full_like(codes, np.nan), labels)
    with pytest.raises(InputError, match="ridge is 0"):
        refit(head(), codes, labels, ridge=0)
