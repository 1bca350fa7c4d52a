"""Shares of the logit by channel and by cell, which add up: gradient x input on an affine tail, else
integrated gradients with points added to the path until the sum holds.

    share = (A - A') * integral_0^1 d tail / d A (A' + t (A - A')) dt                                  (1)
    tail(A) = tail(A') + sum of shares                                                                 (2)

A are the features and everything else that reaches the tail (class tokens, skips), moved together along one
straight line from a baseline A'. On an affine tail the gradient is constant, the baseline is zero and one
step is exact; tail(0) is then the head's bias. Otherwise the baseline is what a blank picture gives.

Sundararajan et al., ICML 2017 (arXiv 1703.01365), eq. 1 and proposition 1, applied from the split on; the
joint path over what bypasses the features, the affine test and the adaptive quadrature are ours. A ReLU makes
the integrand jump, and a fixed rule then converges like one over its points; halving just those pieces of the
path on which (2) fails converges like two to the minus the halvings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.backbones.split import Cut, Split
from seewhy.explanation.explanation import TOLERANCE

NODES = 8
"""Gauss-Legendre points on a piece of the path."""

MAX_POINTS = 1024


@dataclass(frozen=True, eq=False)
class Concepts:
    """One picture's (1, k, h, w) codes, and how features are built from codes."""

    codes: Float[Tensor, "1 k h w"]
    rebuild: Callable[[Float[Tensor, "n k h w"]], Float[Tensor, "n c h w"]]


@dataclass(frozen=True, eq=False)
class Shares:
    """The parts of one logit.

    `by_place` sums over cells to a channel's share and over channels to a cell's share. `gap` is what (2)
    lacks; `adds_up` says whether that is within the tolerance of an explanation's accounts. `points` counts
    where on the path the tail ran forward and backward.
    """

    by_place: Float[np.ndarray, "c h w"]
    elsewhere: tuple[tuple[str, float], ...]
    bias: float
    logit: float
    points: int
    gap: float
    adds_up: bool


def is_affine(split: Split, cut: Cut) -> bool:
    """Whether the tail is affine in all that reaches it, tested at midpoints and away from the data.

    An affine function maps a midpoint to the midpoint of its values; this is asked of zero and the features,
    of the features of two pictures, of the features and them shifted by noise as large as they are, and of two
    such shifts.
    """
    ways = split.ways_around(cut)
    if any(way.key[0] in ("live", "images") for way in ways):
        return False
    generator = torch.Generator().manual_seed(0)
    values = [cut.features, *(way.value for way in ways)]

    def tail(arguments: list[Tensor]) -> Tensor:
        rest = cut.rest
        for way, value in zip(ways, arguments[1:], strict=True):
            rest = rest.put(way, value)
        return split.tail(arguments[0], rest).double()

    def shifted(value: Tensor) -> Tensor:
        noise = torch.randn(value.shape, generator=generator).to(value)
        spread = float(value.std(correction=0))
        return value + noise * (spread if spread > 0 else 1.0)  # features that are all alike prove nothing

    pairs = [
        (values, [torch.zeros_like(value) for value in values]),
        (values, [value.flip(0) for value in values]),
        (values, [shifted(value) for value in values]),
        # From zero a ReLU looks linear, so both ends lie elsewhere too.
        ([shifted(value) for value in values], [shifted(value) for value in values]),
    ]
    with torch.no_grad():
        for one, other in pairs:
            here, there = tail(one), tail(other)
            middle = tail([(a + b) / 2 for a, b in zip(one, other, strict=True)])
            scale = max(1.0, float(here.abs().max()), float(there.abs().max()))
            if float((middle - (here + there) / 2).abs().max()) > 1e-5 * scale:
                return False
    return True


def shares_of(
    split: Split,
    cut: Cut,
    row: int,
    baseline: Cut | None,
    *,
    concepts: Concepts | None = None,
    batch_size: int = 32,
) -> Shares:
    """The shares of one picture's logit `row`.

    Parameters
    ----------
    split, cut
        Where the network is split, and the features and rest of exactly one picture.
    row
        Index of the class.
    baseline
        The cut of one blank picture; None means zeros, for an affine tail.
    concepts
        Codes of a dictionary in place of the feature channels: then the path runs from codes of zero to the
        picture's, `by_place` is by concept and cell, and (2) holds for the tail on the reconstruction.
    batch_size
        Points of the path in one pass of the tail.

    Notes
    -----
    One forward and one backward pass of the tail per point: 1 on an affine tail, else 8 to 1024.
    """
    assert cut.rest.n == 1, "shares are made for one picture at a time"
    path = _Path(split, cut, row, baseline, concepts, batch_size)
    start, end = path.score(0.0), path.score(1.0)
    pieces = path.integrate([(0.0, 1.0)], NODES if baseline is not None else 1)
    points = NODES if baseline is not None else 1
    while True:
        by_place, elsewhere = path.total(pieces)
        parts = [float(value) for value in by_place.sum((1, 2))] + [value for _, value in elsewhere]
        gap = end - start - sum(parts)
        # Half of what an explanation allows, so that rounding on the way there cannot break it.
        allowed = 0.5 * TOLERANCE * (abs(start) + sum(abs(part) for part in parts))
        bad = [piece for piece in pieces if abs(piece.gap) > allowed / (2 * len(pieces))]
        enough = baseline is None or sum(abs(piece.gap) for piece in pieces) <= allowed
        if enough or not bad or points + 2 * NODES * len(bad) > MAX_POINTS:
            return Shares(by_place, elsewhere, start, end, points, gap, abs(gap) <= allowed)
        halves = [half for piece in bad for half in piece.halves()]
        pieces = [piece for piece in pieces if piece not in bad] + path.integrate(halves, NODES)
        points += NODES * len(halves)


def remainder_of(split: Split, cut: Cut, reconstruction: Float[Tensor, "b c h w"], row: int) -> float:
    """Tail on the features minus tail on their reconstruction: what the concepts do not say about `row`."""
    with torch.no_grad():
        whole = split.tail(cut.features, cut.rest)[0, row].double()
        named = split.tail(reconstruction.to(cut.features), cut.rest)[0, row].double()
    return float(whole - named)


@dataclass(frozen=True, eq=False)
class _Piece:
    """(1) over [low, high] for the features and each way around them, and what it lacks of the rise."""

    low: float
    high: float
    parts: list[Float[Tensor, "1 ..."]]
    gap: float

    def halves(self) -> list[tuple[float, float]]:
        middle = (self.low + self.high) / 2
        return [(self.low, middle), (middle, self.high)]


class _Path:
    """The straight line from the baseline to one picture, in the features and all ways around them."""

    def __init__(
        self,
        split: Split,
        cut: Cut,
        row: int,
        baseline: Cut | None,
        concepts: Concepts | None,
        batch_size: int,
    ) -> None:
        self.split, self.cut, self.row, self.batch_size = split, cut, row, batch_size
        self.ways = split.ways_around(cut)
        self.rebuild = _unchanged if concepts is None else concepts.rebuild
        self.ends = [cut.features if concepts is None else concepts.codes, *(way.value for way in self.ways)]
        self.starts = [torch.zeros_like(end) for end in self.ends]
        if baseline is not None:
            self.starts[1:] = [way.value for way in split.ways_around(baseline)]
            if concepts is None:
                self.starts[0] = baseline.features

    def score(self, t: float) -> float:
        """The logit at one point."""
        with torch.no_grad():
            return float(self._scores(self._points(torch.tensor([t])), 1)[0].double())

    def integrate(self, spans: list[tuple[float, float]], nodes: int) -> list[_Piece]:
        """(1) over each span by Gauss-Legendre quadrature, in double precision."""
        x, w = np.polynomial.legendre.leggauss(nodes)
        times = torch.tensor([low + (high - low) * (at + 1) / 2 for low, high in spans for at in x])
        gradients = [torch.zeros(len(spans), *end.shape, dtype=torch.float64) for end in self.ends]
        for first in range(0, len(times), self.batch_size):
            t = times[first : first + self.batch_size]
            for k, found in enumerate(self._gradients(t)):
                for j, gradient in enumerate(found.double().cpu()):
                    span, node = divmod(first + j, nodes)
                    low, high = spans[span]
                    gradients[k][span] += gradient * (w[node] / 2 * (high - low))
        pieces = []
        for i, (low, high) in enumerate(spans):
            parts = [
                gradient[i] * (end.double() - start.double()).cpu()
                for gradient, start, end in zip(gradients, self.starts, self.ends, strict=True)
            ]
            rise = self.score(high) - self.score(low)
            pieces.append(_Piece(low, high, parts, rise - float(sum(part.sum() for part in parts))))
        return pieces

    def total(self, pieces: list[_Piece]) -> tuple[np.ndarray, tuple[tuple[str, float], ...]]:
        """Shares by channel and cell, and of each way around, over the whole path."""
        sums = [torch.stack([piece.parts[k] for piece in pieces]).sum(0) for k in range(len(self.ends))]
        elsewhere = tuple(
            (way.name, float(value.sum())) for way, value in zip(self.ways, sums[1:], strict=True)
        )
        return sums[0][0].numpy(), elsewhere

    def _gradients(self, t: Float[Tensor, " n"]) -> list[Float[Tensor, "n 1 ..."]]:
        points = [point.requires_grad_() for point in self._points(t)]
        with torch.enable_grad():
            score = self._scores(points, len(t)).sum()
            found = torch.autograd.grad(score, points, allow_unused=True)
        return [
            torch.zeros(len(t), *end.shape) if gradient is None else gradient.reshape(len(t), *end.shape)
            for gradient, end in zip(found, self.ends, strict=True)
        ]

    def _scores(self, points: list[Tensor], n: int) -> Float[Tensor, " n"]:
        rest = self.cut.take(torch.zeros(n, dtype=torch.long)).rest
        for way, point in zip(self.ways, points[1:], strict=True):
            rest = rest.put(way, point)
        # Codes of half-precision features are in single precision, and so is what they decode to.
        features = self.rebuild(points[0]).to(self.cut.features)
        return self.split.tail(features, rest)[:, self.row]

    def _points(self, t: Float[Tensor, " n"]) -> list[Tensor]:
        """start + t (end - start), the pictures of all t stacked on the first axis."""
        return [
            (start + t.reshape(-1, *[1] * start.ndim).to(start) * (end - start)).flatten(0, 1).detach()
            for start, end in zip(self.starts, self.ends, strict=True)
        ]


def _unchanged(features: Tensor) -> Tensor:
    return features
