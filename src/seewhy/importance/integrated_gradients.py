"""Integrated gradients: what each concept adds while all of them grow together from nothing.

phi_k = integral_0^1 dF/dm_k (t, ..., t) dt                                                            (1)
F(1) = F(0) + sum_k phi_k                                                                              (2)

By Gauss-Legendre quadrature on pieces of [0, 1]; pieces on which (2) fails for some picture are halved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float

from seewhy.errors import InputError, message
from seewhy.explanation.explanation import TOLERANCE
from seewhy.importance.base import IMPORTANCES, Asked, Found, ImportanceMethod
from seewhy.types import Kind

NODES = 8
"""Points on a piece: exact for polynomials up to degree 15."""


@IMPORTANCES.register("integrated_gradients", aliases=("ig",))
@dataclass(frozen=True)
class IntegratedGradients(ImportanceMethod):
    """Shares of the logit that add up on any tail.

    Parameters
    ----------
    steps
        Gradients on the way at first, a multiple of 8.
    max_steps
        No more gradients than this.

    Notes
    -----
    The values of all pictures are "share" if all add up within 1e-4 (|base| + sum|values|), else "effect": shares
    and estimates of them must not stand in one table. `parameters["points"]` says how many gradients were taken.
    Which pieces are halved depends on all pictures asked; the values of a picture may then differ in company,
    within the tolerance.
    Sundararajan et al., ICML 2017, in concept space as Fel et al., NeurIPS 2023; the adaptive pieces are ours.
    """

    steps: int = 32
    max_steps: int = 1024

    name: ClassVar[str] = "integrated_gradients"
    paper: ClassVar[str] = "Sundararajan et al., ICML 2017 (arXiv 1703.01365), eq. 1 and proposition 1"
    kind: ClassVar[Kind] = "share"
    needs_gradient: ClassVar[bool] = True
    adds_up: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.steps < NODES or self.steps % NODES or self.max_steps < self.steps:
            came = f"IntegratedGradients got steps={self.steps}, max_steps={self.max_steps}."
            needed = f"steps is a multiple of {NODES}, and at most max_steps."
            raise InputError(message(came, needed, "Try steps=32, max_steps=1024."))

    def closed_form(self, ask: Asked, seed: int) -> Found | None:
        values = ask.coefficients()
        return Found(values, told={"points": 1}) if ask.adds_up(values) else None

    def find(self, ask: Asked, seed: int) -> Found:
        ends = np.linspace(0, 1, self.steps // NODES + 1)
        pieces = integrate(ask, np.stack([ends[:-1], ends[1:]], 1))
        points = self.steps
        while True:
            values = np.sum([piece.part for piece in pieces], 0)
            # Half of what is allowed, so that rounding on the way to an account cannot break it.
            allowed = 0.5 * TOLERANCE * (np.abs(ask.base) + np.abs(values).sum(1))
            bad = [piece for piece in pieces if (np.abs(piece.gap) > allowed / (2 * len(pieces))).any()]
            if ask.adds_up(values, 0.5) or not bad or points + 2 * NODES * len(bad) > self.max_steps:
                break
            pieces = [piece for piece in pieces if piece not in bad]
            pieces += integrate(ask, np.concatenate([piece.halves() for piece in bad]))
            points += 2 * NODES * len(bad)
        shares = ask.adds_up(values)
        notes = () if shares else (f"does not add up after {points} steps: an estimate of shares",)
        return Found(values, kind="share" if shares else "effect", told={"points": points}, notes=notes)


@dataclass(frozen=True, eq=False)
class Piece:
    """(1) over [low, high], and what it lacks of F's rise there."""

    low: float
    high: float
    part: Float[np.ndarray, "b k"]
    gap: Float[np.ndarray, " b"]

    def halves(self) -> Float[np.ndarray, "2 2"]:
        middle = (self.low + self.high) / 2
        return np.array([[self.low, middle], [middle, self.high]])


def integrate(ask: Asked, spans: Float[np.ndarray, "p 2"]) -> list[Piece]:
    """(1) over each span; one gradient per node and one logit per end."""
    x, w = np.polynomial.legendre.leggauss(NODES)
    length = spans[:, 1] - spans[:, 0]
    times = spans[:, :1] + length[:, None] * (x + 1) / 2
    gradients = ask.gradient(_diagonal(times, ask.n_concepts))
    gradients = gradients.reshape(len(spans), NODES, *gradients.shape[1:])
    parts = np.einsum("pnbk,n,p->pbk", gradients, w / 2, length)
    logits = ask(_diagonal(np.unique(spans), ask.n_concepts))
    at = np.searchsorted(np.unique(spans), spans)
    gaps = logits[at[:, 1]] - logits[at[:, 0]] - parts.sum(2)
    return [
        Piece(float(low), float(high), part, gap)
        for (low, high), part, gap in zip(spans, parts, gaps, strict=True)
    ]


def _diagonal(times: np.ndarray, k: int) -> torch.Tensor:
    return torch.from_numpy(np.repeat(times.reshape(-1, 1), k, 1))
