"""HSIC: how much the logit depends on a concept's presence, in any way (arXiv 2206.06219).

HSIC_k = tr(K_k H L H) / n^2,   H = I - 1 1^T / n                                                      (1)

over n masks of zeros and ones, with K_k the kernel 1/2 - (m_k - m_k')^2 on the mask and L a kernel on the logit.
On such masks the input kernel is s_k s_k' / 2 with s = 2 m - 1, so that with V = H L H

HSIC_k = s_k^T V s_k / (2 n^2)                                                                         (2)
HSIC_kl = (s_k s_l)^T V (s_k s_l) / (4 n^2)                                                            (3)

for all concepts, and all pairs, in one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import gamma

from seewhy.errors import InputError, message
from seewhy.importance.affine import hsic_gaussian, hsic_linear
from seewhy.importance.base import IMPORTANCES, Asked, Found, ImportanceMethod, check_choice
from seewhy.importance.designs import Sampler, corners
from seewhy.types import Kind

Output = Literal["gaussian", "linear"]

AT_ONCE = 2**24
"""Numbers of the pictures' kernel matrices held at once."""


@IMPORTANCES.register("hsic")
@dataclass(frozen=True)
class HSIC(ImportanceMethod):
    """Dependence between each concept's presence and the logit; unsigned, one evaluation a mask.

    Parameters
    ----------
    n_masks
        A power of two serves the Sobol' masks best.
    sampler
        "sobol", a thresholded scrambled Sobol' sequence, or "bernoulli".
    output
        "gaussian", whose width is the median distance of two logits, or "linear", twice the squared covariance.
    interactions
        Whether to measure (3) for all pairs.

    Notes
    -----
    Values are biased upwards by about `null`'s mean. `null` is what 95 % of concepts without influence stay
    below: a gamma law with the exact mean over permutations of the masks and the variance of the matching
    weighted sum of squares, so nothing is permuted; Sobol' masks stay lower still. The interval is the influence
    function's. Dividing by n^2, and the width from distances rather than from logits, as in the paper's theory.
    """

    n_masks: int = 512
    sampler: Sampler = "sobol"
    output: Output = "gaussian"
    interactions: bool = False

    name: ClassVar[str] = "hsic"
    paper: ClassVar[str] = "Novello et al., NeurIPS 2022 (arXiv 2206.06219); concepts: arXiv 2306.07304"
    kind: ClassVar[Kind] = "variance"
    signed: ClassVar[bool] = False
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.n_masks < 4:
            came = f"HSIC got n_masks={self.n_masks}."
            raise InputError(message(came, "It needs at least 4 masks.", "Try n_masks=512."))
        check_choice("HSIC", "sampler", self.sampler, ("sobol", "bernoulli"))
        check_choice("HSIC", "output", self.output, ("gaussian", "linear"))

    def closed_form(self, ask: Asked, seed: int) -> Found | None:
        if self.interactions:
            return None
        c = ask.coefficients()
        if self.output == "linear":
            return Found(hsic_linear(c))
        widths = np.array([bandwidth(y) for y in (self._masks(ask, seed) @ c.T).T])
        return Found(hsic_gaussian(c, widths), told=_told(widths))

    def find(self, ask: Asked, seed: int) -> Found:
        masks = self._masks(ask, seed)
        logits = ask(torch.from_numpy(masks)).T
        widths = np.array([bandwidth(y) for y in logits])
        signs = 2 * masks - 1
        first, second = np.triu_indices(ask.n_concepts, 1)
        pairs = signs[:, first] * signs[:, second] if self.interactions else None
        b, k = len(logits), ask.n_concepts
        values, half, null = np.zeros((b, k)), np.zeros((b, k)), np.zeros((b, k))
        joint = np.zeros((b, k, k)) if self.interactions else None
        step = max(1, AT_ONCE // self.n_masks**2)
        for start in range(0, b, step):
            some = slice(start, start + step)
            centred = centred_kernel(logits[some], widths[some], self.output)
            values[some], half[some] = dependence(centred, signs, 0.5)
            null[some] = null_level(centred, signs)
            if joint is not None and pairs is not None:
                joint[some, first, second] = joint[some, second, first] = dependence(centred, pairs, 0.25)[0]
        flat = np.flatnonzero(widths == 0)
        notes = tuple(f"picture {i}: no mask changes the logit, all values are 0" for i in flat)
        low = np.maximum(values - half, 0)
        told = _told(widths) if self.output == "gaussian" else {}
        return Found(values, low, values + half, joint, null, told=told, notes=notes)

    def _masks(self, ask: Asked, seed: int) -> Float[np.ndarray, "n k"]:
        return corners(self.n_masks, ask.n_concepts, 0.5, self.sampler, seed)


def bandwidth(logits: Float[np.ndarray, " n"]) -> float:
    """The median distance of two logits; where half of all pairs agree, their root mean square distance."""
    first, second = np.triu_indices(len(logits), 1)
    spread = float(np.sqrt(2) * logits.std())
    if spread <= 1e-6 * float(np.abs(logits).max()):
        return 0.0
    median = float(np.median(np.abs(logits[first] - logits[second])))
    return median if median > 1e-3 * spread else spread


def centred_kernel(
    logits: Float[np.ndarray, "b n"], widths: Float[np.ndarray, " b"], output: Output
) -> Float[np.ndarray, "b n n"]:
    """V = H L H of each picture; 0 for a picture whose logits are all the same."""
    y = logits - logits.mean(1, keepdims=True)
    if output == "linear":
        kernel = y[:, :, None] * y[:, None, :]
    else:
        width = np.where(widths > 0, widths, 1.0)[:, None, None]
        kernel = np.exp(-0.5 * ((y[:, :, None] - y[:, None, :]) / width) ** 2)
    kernel = np.where(widths[:, None, None] > 0, kernel, 0.0)
    rows = kernel.mean(2, keepdims=True)
    return cast(np.ndarray, kernel - rows - rows.transpose(0, 2, 1) + rows.mean(1, keepdims=True))


def dependence(
    centred: Float[np.ndarray, "b n n"], signs: Float[np.ndarray, "n k"], factor: float
) -> tuple[Float[np.ndarray, "b k"], Float[np.ndarray, "b k"]]:
    """(2) or (3) and half the 95 % interval: the statistic is a mean over masks of their influence."""
    n = len(signs)
    influence = factor * signs * (centred @ signs) / n
    return influence.mean(1), 1.96 * 2 * influence.std(1) / np.sqrt(n)


def null_level(
    centred: Float[np.ndarray, "b n n"], signs: Float[np.ndarray, "n k"]
) -> Float[np.ndarray, "b k"]:
    """The 95 % point of (2) for masks that have nothing to do with the logit."""
    n = len(signs)
    size = ((signs - signs.mean(0)) ** 2).sum(0) / (n - 1) / (2 * n**2)
    trace = np.trace(centred, axis1=1, axis2=2)
    square = (centred**2).sum((1, 2))
    safe = np.maximum(square, 1e-300)
    shape = np.where(square > 0, trace**2 / (2 * safe), 1.0)
    level = gamma.ppf(0.95, shape) * np.where(square > 0, 2 * square / np.maximum(trace, 1e-300), 0.0)
    return cast(np.ndarray, level[:, None] * size)


def _told(widths: Float[np.ndarray, " b"]) -> dict[str, Any]:
    return {"bandwidths": widths.tolist()}
