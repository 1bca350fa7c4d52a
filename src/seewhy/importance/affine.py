"""What every importance method gives on an affine tail, F(m) = b + sum_k m_k c_k, without asking the tail.

| method | value |
|---|---|
| gradient x input, integrated gradients, occlusion, Shapley | c_k |
| RISE | c_k; the paper's form: b + p sum_j c_j + (1 - p) c_k |
| Sobol, total and first order | c_k^2 / sum_j c_j^2 |
| HSIC, linear output kernel | c_k^2 / 8 |
| HSIC, Gaussian output kernel, width s | E[ sin^2(w c_k / 2) prod_{j != k} cos^2(w c_j / 2) ] / 2, w ~ N(0, 1/s^2) |

The last line follows from the Gaussian's own transform: with d_j the difference of two independent fair masks,
E exp(i w c d) is cos^2(w c / 2), and sin^2(w c / 2) where each pair is weighted by whether it agrees.
The first lines: Fel et al., NeurIPS 2023 (arXiv 2306.07304); the HSIC lines are ours.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from jaxtyping import Float

Values = Float[np.ndarray, "b k"]


def affine_importance(
    coefficients: Values,
    base: Float[np.ndarray, " b"],
    *,
    p: float = 0.5,
    bandwidths: Float[np.ndarray, " b"] | None = None,
) -> dict[str, Values]:
    """The value of every registered method, by name, and of variants as "name/variant".

    Parameters
    ----------
    coefficients
        c, in logits.
    base
        b, the logit without any concept.
    p
        Probability that RISE keeps a concept.
    bandwidths
        Width s of HSIC's output kernel for each picture; without it "hsic" has the linear kernel's value, whose
        order is the same.

    Examples
    --------
    >>> affine_importance(np.array([[3.0, -4.0]]), np.array([1.0]))["sobol"].tolist()
    [[0.36, 0.64]]
    """
    c = np.asarray(coefficients, np.float64)
    linear = hsic_linear(c)
    return {
        **{name: c for name in ("gradient_x_input", "integrated_gradients", "occlusion", "shapley")},
        "rise": rise_covariance(c),
        "rise/paper": rise_paper(c, base, p),
        "sobol": sobol_total(c),
        "hsic": linear if bandwidths is None else hsic_gaussian(c, bandwidths),
        "hsic/linear": linear,
    }


def sobol_total(c: Values) -> Values:
    """c^2 over its sum; 0 where nothing counts."""
    square = (c / np.maximum(np.abs(c).max(1, initial=0, keepdims=True), 1e-300)) ** 2
    return cast(Values, square / np.maximum(square.sum(1, keepdims=True), 1e-300))


def rise_covariance(c: Values) -> Values:
    """The slope on each concept's presence."""
    return c.copy()


def rise_paper(c: Values, base: Float[np.ndarray, " b"], p: float) -> Values:
    """The mean logit where a concept is kept, the others with probability p."""
    return cast(Values, base[:, None] + p * c.sum(1, keepdims=True) + (1 - p) * c)


def hsic_linear(c: Values) -> Values:
    """Twice the squared covariance of logit and fair mask, which is c / 4."""
    return cast(Values, c**2 / 8)


def hsic_gaussian(c: Values, bandwidths: Float[np.ndarray, " b"]) -> Values:
    """With a Gaussian output kernel exp(-(y - y')^2 / 2 s^2); 0 where s is 0."""
    values = np.zeros_like(c)
    for row, coefficients, width in zip(values, c, bandwidths, strict=True):
        if width > 0:
            row[:] = _gaussian_row(coefficients / width)
    return values


def _gaussian_row(c: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """E over w ~ N(0, 1) by the trapezoid rule, whose error on a Gaussian times a bounded spectrum falls below
    1e-15 once its step resolves the highest frequency, sum |c|."""
    n = int(np.ceil(18 * (np.abs(c).sum() + 9) / (2 * np.pi))) + 1
    w = np.linspace(-9, 9, n)
    density = np.exp(-(w**2) / 2) / np.sqrt(2 * np.pi) * (w[1] - w[0])
    cos = np.cos(w[:, None] * c / 2) ** 2
    # The product over the others, without dividing by a cosine that may be 0.
    before = np.cumprod(np.concatenate([np.ones((n, 1)), cos[:, :-1]], 1), 1)
    after = np.cumprod(np.concatenate([np.ones((n, 1)), cos[:, :0:-1]], 1), 1)[:, ::-1]
    return np.asarray(0.5 * density @ ((1 - cos) * before * after))
