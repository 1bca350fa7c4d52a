"""A linear head over concepts, how many concepts it needs, and the same head with fewer.

NEC = number of non-zero weights / number of classes (VLG-CBM, arXiv 2408.01432). `truncate` prunes as that paper
does: the smallest weights of the whole matrix go until the number is exact, the bias and the other weights stay.
`refit` is ours: the weights that stay are trained anew, so that a head is not judged by weights that were tuned to
partners it has lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize
from scipy.special import log_softmax

from seewhy.errors import InputError, message

GRADIENT = 1e-5
"""A refit has converged if no part of its gradient is above this; the loss is a mean over pictures, in nats."""


@dataclass(frozen=True, eq=False)
class LinearHead:
    """Logits = weights @ (codes - mean) / scale + bias, for k classes and m concepts.

    Magnitudes of weights compare only if their concepts share a unit, so `mean` and `scale` are those of the training
    codes wherever we fit, and `from_raw` brings a head of other units there.
    """

    weights: Float[np.ndarray, "k m"]
    bias: Float[np.ndarray, " k"]
    mean: Float[np.ndarray, " m"]
    scale: Float[np.ndarray, " m"]

    @staticmethod
    def from_raw(
        weights: Float[np.ndarray, "k m"], bias: Float[np.ndarray, " k"], codes: Float[np.ndarray, "n m"]
    ) -> LinearHead:
        """The head that acts on the codes as they are, with its weights per standard deviation of `codes`.

        The logits stay the same, except that a concept that is constant in `codes` has no unit: its part goes to
        the bias, and its weight becomes 0.
        """
        weights, bias = np.asarray(weights, np.float64), np.asarray(bias, np.float64)
        codes = finite_codes(codes)
        if weights.ndim != 2 or weights.shape[1] != codes.shape[1] or bias.shape != weights.shape[:1]:
            came = f"The weights have shape {weights.shape}, the bias {bias.shape}, the codes {codes.shape}."
            needed = "They are (classes, concepts), (classes,) and (pictures, concepts)."
            raise InputError(message(came, needed, "Pass the head and the codes it was trained on."))
        mean, scale, varies = units(codes)
        return LinearHead(weights * np.where(varies, scale, 0), bias + weights @ mean, mean, scale)

    def logits(self, codes: Float[np.ndarray, "n m"]) -> Float[np.ndarray, "n k"]:
        """(n, k) logits of codes in their own units."""
        answer: np.ndarray = (codes - self.mean) / self.scale @ self.weights.T + self.bias
        return answer

    def truncated(self, level: float) -> LinearHead:
        """With only its largest weights; see `truncate`."""
        return LinearHead(truncate(self.weights, level), self.bias, self.mean, self.scale)

    @property
    def nec(self) -> float:
        """See `nec`."""
        return nec(self.weights)


@dataclass(frozen=True, eq=False)
class Refit:
    """A refitted head; `gradient` is the largest part of the gradient left, `steps` those of the solver."""

    head: LinearHead
    gradient: float
    steps: int

    @property
    def converged(self) -> bool:
        """Whether the solver came to the optimum."""
        return self.gradient <= GRADIENT


def nec(weights: Float[np.ndarray, "k m"], *, zero: float = 0.0) -> float:
    """Number of effective concepts: weights per class whose magnitude is above `zero` (VLG-CBM's code: 1e-5)."""
    array = _matrix(weights)
    return int((np.abs(array) > zero).sum()) / len(array)


def truncate(weights: Float[np.ndarray, "k m"], level: float) -> Float[np.ndarray, "k m"]:
    """The weights with all but the `level` * k of largest magnitude set to 0, over all classes together.

    Ties: those of the lower class, then of the lower concept, stay. Weights that have fewer non-zeros come back
    as they are. `level` * k must be whole, and `level` at most the number of concepts.
    """
    array = _matrix(weights)
    k, m = array.shape
    count = round(level * k)
    if not 0 <= level <= m or abs(count - level * k) > 1e-9:
        came = f"The NEC asked for is {level:g}, of {k} classes and {m} concepts."
        needed = f"It lies in 0 to {m}, and times {k} is a whole number of weights."
        raise InputError(message(came, needed, f"Pass {min(max(int(level * k), 0), k * m) / k:g}."))
    kept = np.argsort(-np.abs(array), axis=None, kind="stable")[:count]
    cut = np.zeros(array.size)
    cut[kept] = array.ravel()[kept]
    return cut.reshape(k, m)


def refit(
    head: LinearHead,
    codes: Float[np.ndarray, "n m"],
    labels: Int[np.ndarray, " n"],
    *,
    ridge: float = 1e-3,
    steps: int = 1000,
) -> Refit:
    """Train the bias and the non-zero weights of a head anew; its zeros stay.

    Minimises mean cross-entropy of the softmax + ridge / 2 * sum of squared weights over all classes at once, by
    L-BFGS, from the head's own weights. The problem is strictly convex in the weights: where it started does not
    matter, and `gradient` says how near the optimum it came. (scikit-learn's multinomial regression has no support
    per class; at full support it finds the same head.)

    Parameters
    ----------
    ridge
        Keeps weights finite where classes are separable; scikit-learn's C is 1 / (n ridge).
    steps
        Iterations at most.
    """
    codes, labels = fit_for_training(codes, labels, len(head.weights))
    if codes.shape[1] != head.weights.shape[1]:
        came = f"The codes have {codes.shape[1]} concepts, the head {head.weights.shape[1]}."
        raise InputError(message(came, "They have the same.", "Pass the codes that the head takes."))
    if ridge <= 0:
        raise InputError(message(f"ridge is {ridge:g}.", "It is above 0.", "Pass 1e-3."))
    z = (codes - head.mean) / head.scale
    rows, columns = np.nonzero(head.weights)
    k, used = len(head.weights), len(rows)
    truth = one_hot(labels, k)

    def unpacked(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weights = np.zeros_like(head.weights)
        weights[rows, columns] = x[:used]
        return weights, x[used:]

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = unpacked(x)
        logs = log_softmax(z @ weights.T + bias, axis=1)
        excess = (np.exp(logs) - truth) / len(z)
        slope = (excess.T @ z)[rows, columns] + ridge * x[:used]
        value = -(logs * truth).sum() / len(z) + ridge / 2 * (x[:used] ** 2).sum()
        return float(value), np.concatenate([slope, excess.sum(0)])

    start = np.concatenate([head.weights[rows, columns], head.bias])
    options = {"maxiter": steps, "maxfun": 2 * steps, "gtol": GRADIENT / 10, "ftol": 0.0}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    weights, bias = unpacked(found.x)
    gradient = float(np.abs(loss(found.x)[1]).max())
    return Refit(LinearHead(weights, bias, head.mean, head.scale), gradient, int(found.nit))


def units(codes: Float[np.ndarray, "n m"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and standard deviation of each concept (1 where it is constant up to rounding), and which vary."""
    mean, scale = codes.mean(0), codes.std(0)
    varies = scale > 1e-12 * np.abs(codes).max(0)
    return mean, np.where(varies, scale, 1.0), varies


def one_hot(labels: Int[np.ndarray, " n"], k: int) -> Float[np.ndarray, "n k"]:
    """1 at each picture's class."""
    truth: np.ndarray = np.eye(k)[labels]
    return truth


def finite_codes(codes: Any) -> Float[np.ndarray, "n m"]:
    """As float64 (pictures, concepts), all finite, or an error that says what came."""
    array = np.asarray(codes, np.float64)
    if array.ndim != 2 or not array.size or not np.isfinite(array).all():
        what = " and holds NaN or infinity" if array.ndim == 2 and array.size else ""
        came = f"The training codes have shape {array.shape}{what}."
        raise InputError(message(came, "They are (pictures, concepts), finite.", "Leave such pictures out."))
    return array


def fit_for_training(codes: Any, labels: Any, k: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Finite codes and whole labels 0 to k - 1, each class with a picture (k: one more than the largest label)."""
    array = finite_codes(codes)
    classes = class_indices(labels, len(array))
    k = int(classes.max()) + 1 if k is None else k
    if classes.max() >= k:
        came = f"A label is {classes.max()}, and the head has {k} classes."
        raise InputError(message(came, f"Labels are 0 to {k - 1}.", "Pass the labels of the head's classes."))
    absent = np.setdiff1d(np.arange(max(k, 2)), classes)
    if absent.size:
        came = f"Class {absent[0]} has no training picture ({len(absent)} of {max(k, 2)} classes have none)."
        raise InputError(message(came, "A head learns from each class.", "Number the classes without gaps."))
    return array, classes


def class_indices(labels: Any, n: int) -> Int[np.ndarray, " n"]:
    """Whole numbers from 0, one per picture."""
    array = np.asarray(labels)
    if array.shape != (n,) or not np.issubdtype(array.dtype, np.integer) or (n and array.min() < 0):
        came = f"The labels have shape {array.shape} and type {array.dtype}."
        needed = f"They are whole numbers from 0, one per picture ({n},)."
        raise InputError(message(came, needed, "Pass the index of each picture's class."))
    return array.astype(np.int64)


def _matrix(weights: Any) -> Float[np.ndarray, "k m"]:
    array = np.asarray(weights, np.float64)
    if array.ndim != 2 or not len(array) or not np.isfinite(array).all():
        what = " and hold NaN or infinity" if array.ndim == 2 and len(array) else ""
        came = f"The weights have shape {array.shape}{what}."
        raise InputError(
            message(came, "They are (classes, concepts), finite.", "Pass the head's weight matrix.")
        )
    return array
