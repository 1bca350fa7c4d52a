"""The elastic-net path: against a slow general solver, in closed form, and honest about where it stopped."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax

from seewhy.errors import InputError
from seewhy.evaluate.what.elastic_net import elastic_net_path, lam_max, residual


def planted(k: int = 3, n: int = 200, m: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two own concepts per class; the rest are noise. Codes, labels and the true support."""
    generator = np.random.default_rng(k)
    z = generator.normal(size=(n, m))
    weights = np.kron(np.eye(k), [[1.5, 1.5]])
    weights = np.pad(weights, ((0, 0), (0, m - 2 * k)))
    labels = np.argmax(z @ weights.T + generator.gumbel(size=(n, k)), axis=1)
    return z * np.geomspace(0.01, 100, m) + 5, labels, weights != 0


def standardised(codes: np.ndarray) -> np.ndarray:
    return (codes - codes.mean(0)) / codes.std(0)


def objective(z: np.ndarray, labels: np.ndarray, w: np.ndarray, b: np.ndarray, lam: float, a: float) -> float:
    fit = -log_softmax(z @ w.T + b, axis=1)[np.arange(len(z)), labels].mean()
    return float(fit + lam * a * np.abs(w).sum() + lam * (1 - a) / 2 * (w**2).sum())


def slow(z: np.ndarray, labels: np.ndarray, k: int, lam: float, a: float) -> float:
    """The least objective, by splitting W into positive parts, with numerical gradients nowhere near our code."""
    m = z.shape[1]
    truth = np.eye(k)[labels]

    def split(x: np.ndarray) -> tuple[float, np.ndarray]:
        up, down = x[: k * m].reshape(k, m), x[k * m : 2 * k * m].reshape(k, m)
        w, b = up - down, x[2 * k * m :]
        logs = log_softmax(z @ w.T + b, axis=1)
        error = (np.exp(logs) - truth) / len(z)
        slope = error.T @ z + lam * (1 - a) * w
        value = (
            -(logs * truth).sum() / len(z) + lam * a * x[: 2 * k * m].sum() + lam * (1 - a) / 2 * (w**2).sum()
        )
        return value, np.concatenate([(slope + lam * a).ravel(), (-slope + lam * a).ravel(), error.sum(0)])

    bounds = [(0, None)] * (2 * k * m) + [(None, None)] * k
    options = {"maxiter": 3000, "maxfun": 9000, "ftol": 1e-14, "gtol": 1e-9}
    x = np.zeros(2 * k * m + k)
    return float(minimize(split, x, jac=True, method="L-BFGS-B", bounds=bounds, options=options).fun)


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("alpha", [0.99, 0.5])
def test_each_head_has_the_least_objective(k: int, alpha: float) -> None:
    codes, labels, _ = planted(k)
    z = standardised(codes)
    path = elastic_net_path(codes, labels, until=6, alpha=alpha, per_halving=1)
    assert len(path) >= 3 and all(one.converged for one in path)
    for one in path:
        reached = objective(z, labels, one.head.weights, one.head.bias, one.lam, alpha)
        least = slow(z, labels, k, one.lam, alpha)
        assert abs(reached / least - 1) < 1e-5


def test_the_true_support_comes_first_and_density_grows_to_what_was_asked() -> None:
    codes, labels, support = planted(3, n=600)
    path = elastic_net_path(codes, labels, until=4)
    level = next(one.head for one in path if one.head.nec >= 2)
    assert (level.weights[support] > 0).all() and level.nec == 2
    assert path[-1].head.nec >= 4 > path[-2].head.nec
    np.testing.assert_allclose(path[0].lam / path[1].lam, 2**0.25)


def test_lam_max_is_where_the_first_weight_appears() -> None:
    codes, labels, _ = planted(3)
    z = standardised(codes)
    top, log_frequency = lam_max(z, labels, 0.99), np.log(np.bincount(labels) / len(labels))
    empty = np.zeros((3, 12))
    assert residual(z, labels, empty, log_frequency, lam=top * 1.0001, alpha=0.99) < 1e-12
    assert residual(z, labels, empty, log_frequency, lam=top * 0.99, alpha=0.99) == pytest.approx(
        1 / 0.99 - 1
    )


def test_the_residual_sees_a_wrong_weight_a_wrong_zero_and_a_wrong_bias() -> None:
    codes, labels, _ = planted(3)
    z, one = standardised(codes), elastic_net_path(codes, labels, until=2)[-1]
    w, b, lam = one.head.weights, one.head.bias, one.lam
    at = dict(lam=lam, alpha=0.99)
    assert residual(z, labels, w, b, **at) == pytest.approx(one.residual) and one.residual < 1e-3
    dropped = w.copy()
    dropped.ravel()[np.abs(w).argmax()] = 0
    for wrong in (w * 1.1, dropped):
        assert residual(z, labels, wrong, b, **at) > 0.05
    assert residual(z, labels, w, b + [0.1, 0, 0], **at) > 0.05
    assert residual(z, labels, w, b + 7, **at) == pytest.approx(one.residual, rel=1e-6)


def test_a_head_that_ran_out_of_passes_says_so_without_a_warning() -> None:
    codes, labels, _ = planted(3)
    path = elastic_net_path(codes, labels, until=6, passes=2)
    assert not any(one.converged for one in path) and {one.passes for one in path} == {2}
    assert max(one.residual for one in path) > 0.01


def test_a_slow_head_is_given_longer_rounds_until_it_is_at_the_optimum() -> None:
    """Rounds of one length would stall here: each begins without SAGA's memory."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, 200)
    present = np.repeat(np.eye(4, dtype=bool), 2, axis=1)[labels] ^ (generator.random((200, 8)) < 0.2)
    path = elastic_net_path(present.astype(float), labels, until=4)
    assert max(one.passes for one in path) > 100 and all(one.converged for one in path)


def test_a_seed_repeats_to_the_bit_and_another_differs_by_rounding_alone() -> None:
    codes, labels, _ = planted(3)
    first, same, other = (elastic_net_path(codes, labels, until=5, seed=seed) for seed in (1, 1, 2))
    assert all((a.head.weights == b.head.weights).all() for a, b in zip(first, same, strict=True))
    for a, b in zip(first, other, strict=True):
        np.testing.assert_allclose(a.head.weights, b.head.weights, atol=2e-3)
    assert any((a.head.weights != b.head.weights).any() for a, b in zip(first, other, strict=True))


def test_scale_and_offset_of_concepts_do_not_matter() -> None:
    codes, labels, _ = planted(3)
    one = elastic_net_path(codes, labels, until=3)[-1].head
    two = elastic_net_path(codes * np.geomspace(9, 0.1, 12) - 4, labels, until=3)[-1].head
    np.testing.assert_allclose(one.weights, two.weights, atol=1e-9)


def test_constant_concepts_get_no_weight_and_cannot_break_the_path() -> None:
    codes, labels, _ = planted(3)
    codes[:, 11] = 0.1
    path = elastic_net_path(codes, labels, until=12, lowest=0.01)
    assert all((one.head.weights[:, 11] == 0).all() and one.head.scale[11] == 1 for one in path)
    nothing = elastic_net_path(np.full((6, 2), 0.1), np.array([0, 0, 0, 1, 1, 2]))
    assert len(nothing) == 1 and nothing[0].head.nec == 0 and nothing[0].converged
    np.testing.assert_allclose(np.exp(nothing[0].head.bias), [1 / 2, 1 / 3, 1 / 6])


def test_what_cannot_be_fitted_is_refused() -> None:
    codes, labels, _ = planted(3)
    with pytest.raises(InputError, match="Class 1 has no training picture .1 of 3 classes"):
        elastic_net_path(codes, np.where(labels == 1, 0, labels))
    with pytest.raises(InputError, match="Class 1 has no training picture .1 of 2 classes"):
        elastic_net_path(codes, 0 * labels)
    with pytest.raises(InputError, match="alpha is 0, .*\n.*alpha is in"):
        elastic_net_path(codes, labels, alpha=0)
    with pytest.raises(InputError, match="holds NaN or infinity.\n.*finite"):
        elastic_net_path(np.full((4, 2), np.inf), np.array([0, 1, 0, 1]))
