"""Correlations of many slices at once, with constant slices told apart."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

CONSTANT = 1e-6
"""A slice whose values lie within this of each other is constant: cosines in single precision err by 1e-7."""


def correlations(
    a: Float[np.ndarray, "*slices n"], b: Float[np.ndarray, "*slices n"]
) -> Float[np.ndarray, "*slices"]:
    """Pearson's correlation along the last axis in double precision; NaN where one of the two is constant."""
    return _pearson(a, b, _constant(a) | _constant(b))


def rank_correlations(
    a: Float[np.ndarray, "*slices n"], b: Float[np.ndarray, "*slices n"]
) -> Float[np.ndarray, "*slices"]:
    """Spearman's correlation along the last axis, equal values sharing their rank; NaN as `correlations`."""
    from scipy.stats import rankdata

    return _pearson(rankdata(a, axis=-1), rankdata(b, axis=-1), _constant(a) | _constant(b))


def _constant(values: Float[np.ndarray, "*slices n"]) -> Bool[np.ndarray, "*slices"]:
    return np.asarray(np.ptp(values, axis=-1) <= CONSTANT)


def _pearson(a: np.ndarray, b: np.ndarray, constant: np.ndarray) -> np.ndarray:
    a, b = (
        values - values.mean(-1, keepdims=True) for values in (a.astype(np.float64), b.astype(np.float64))
    )
    scale = np.sqrt(np.square(a).sum(-1) * np.square(b).sum(-1))
    found: np.ndarray = (a * b).sum(-1) / np.where(constant, 1.0, scale)
    return np.where(constant, np.nan, np.clip(found, -1.0, 1.0))
