"""RISE in concept space: how the logit goes with a concept's presence while others come and go.

phi_k = mean of F(m_i) over masks with m_ik = 1 - mean over masks with m_ik = 0                        (1)

This is the slope of F on m_k. The paper's own form is the first mean alone,

phi_k = mean of F(m_i) over masks with m_ik = 1                                                        (2)

here divided by the number of masks that keep k rather than by its expectation. On an affine tail (1) tends to
c_k and (2) to b + p sum_j c_j + (1 - p) c_k, which ranks alike but says nothing by its sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float

from seewhy.errors import InputError, message
from seewhy.importance.affine import rise_covariance, rise_paper
from seewhy.importance.base import IMPORTANCES, Asked, Found, ImportanceMethod, check_choice
from seewhy.importance.designs import Sampler, corners
from seewhy.types import Kind

Estimator = Literal["covariance", "paper"]


@IMPORTANCES.register("rise")
@dataclass(frozen=True)
class RISE(ImportanceMethod):
    """Each concept's mean effect over random company.

    Parameters
    ----------
    n_masks
        One evaluation each. A power of two of at least 4 masks a concept serves the Sobol' masks best.
    p
        Probability that a concept is kept.
    estimator
        "covariance", equation (1), or "paper", equation (2).
    sampler
        "sobol", balanced masks, or "bernoulli", the paper's.

    Notes
    -----
    The 95 % interval is from the sample variances of the masks with and without the concept; it holds for
    Bernoulli masks, and Sobol' masks are usually closer than it says. A concept that all masks treat alike gets
    0 and an infinite interval in (1), or the mean in (2).
    """

    n_masks: int = 512
    p: float = 0.5
    estimator: Estimator = "covariance"
    sampler: Sampler = "sobol"

    name: ClassVar[str] = "rise"
    paper: ClassVar[str] = "Petsiuk et al., BMVC 2018 (arXiv 1806.07421), eq. 6; concepts: arXiv 2306.07304"
    kind: ClassVar[Kind] = "effect"
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.n_masks < 4 or not 0 < self.p < 1:
            came = f"RISE got n_masks={self.n_masks}, p={self.p}."
            raise InputError(
                message(came, "n_masks is at least 4, p between 0 and 1.", "Try n_masks=512, p=0.5.")
            )
        check_choice("RISE", "estimator", self.estimator, ("covariance", "paper"))
        check_choice("RISE", "sampler", self.sampler, ("sobol", "bernoulli"))

    @property
    def sign_counts(self) -> bool:
        return self.estimator == "covariance"

    def closed_form(self, ask: Asked, seed: int) -> Found:
        c = ask.coefficients()
        return Found(
            rise_covariance(c) if self.estimator == "covariance" else rise_paper(c, ask.base, self.p)
        )

    def find(self, ask: Asked, seed: int) -> Found:
        masks = corners(self.n_masks, ask.n_concepts, self.p, self.sampler, seed)
        logits = ask(torch.from_numpy(masks))
        kept, spread_kept, n_kept = moments(masks, logits)
        removed, spread_removed, n_removed = moments(1 - masks, logits)
        if self.estimator == "paper":
            values, variance = np.where(n_kept > 0, kept, logits.mean(0)[:, None]), spread_kept
            known = n_kept > 1
        else:
            seen = (n_kept > 0) & (n_removed > 0)
            values, variance = np.where(seen, kept - removed, 0.0), spread_kept + spread_removed
            known = (n_kept > 1) & (n_removed > 1)
        half = np.where(known, 1.96 * np.sqrt(variance), np.inf)
        return Found(values, values - half, values + half)


def moments(
    weights: Float[np.ndarray, "n k"], logits: Float[np.ndarray, "n b"]
) -> tuple[Float[np.ndarray, "b k"], Float[np.ndarray, "b k"], Float[np.ndarray, " k"]]:
    """Mean logit over the masks chosen by each column of 0/1 `weights`, its variance, and their number."""
    count = weights.sum(0)
    some = np.maximum(count, 1)
    centre = logits.mean(0)
    mean = (logits - centre).T @ weights / some
    square = ((logits - centre) ** 2).T @ weights / some
    return mean + centre[:, None], np.maximum(square - mean**2, 0) / np.maximum(count - 1, 1), count
