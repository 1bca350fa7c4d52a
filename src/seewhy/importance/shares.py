"""Shares of the logit by channel and by cell, which add up: gradient x input on an affine tail, else
integrated gradients with the steps raised until the sum holds.

    share = (A - A') * integral_0^1 d tail / d A (A' + t (A - A')) dt                                  (1)
    tail(A) = tail(A') + sum of shares                                                                 (2)

A are the features and everything else that reaches the tail (class tokens, skips), moved together along one
straight line from a baseline A'. On an affine tail the gradient is constant, the baseline is zero and one
step is exact; tail(0) is then the head's bias. Otherwise the baseline is what a blank picture gives.

Sundararajan et al., ICML 2017 (arXiv 1703.01365), eq. 1 and proposition 1, applied from the split on; the
joint path over what bypasses the features, the affine test and the stopping rule are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.backbones.split import Cut, Split, Way
from seewhy.explanation.explanation import TOLERANCE

FIRST_STEPS, MAX_STEPS = 8, 512


@dataclass(frozen=True, eq=False)
class Shares:
    """The parts of one logit.

    `by_place` sums over cells to a channel's share and over channels to a cell's share. `gap` is what (2)
    lacks; `adds_up` says whether that is within the tolerance of an explanation's accounts. `passes` counts
    the points of the path at which the tail ran forward and backward, over all doublings.
    """

    by_place: Float[np.ndarray, "c h w"]
    elsewhere: tuple[tuple[str, float], ...]
    bias: float
    logit: float
    steps: int
    passes: int
    gap: float
    adds_up: bool


def is_affine(split: Split, cut: Cut) -> bool:
    """Whether the tail is affine in all that reaches it, tested at midpoints and away from the data.

    An affine function maps a midpoint to the midpoint of its values; this is asked of zero and the features,
    of the features of two pictures, and of the features shifted by noise as large as they are.
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
        return value + noise * value.std()

    ends = [
        [torch.zeros_like(value) for value in values],
        [value.flip(0) for value in values],
        [shifted(value) for value in values],
    ]
    with torch.no_grad():
        here = tail(values)
        for end in ends:
            there = tail(end)
            middle = tail([(a + b) / 2 for a, b in zip(values, end, strict=True)])
            scale = max(1.0, float(here.abs().max()), float(there.abs().max()))
            if float((middle - (here + there) / 2).abs().max()) > 1e-5 * scale:
                return False
    return True


def shares_of(split: Split, cut: Cut, row: int, baseline: Cut | None, *, batch_size: int = 32) -> Shares:
    """The shares of one picture's logit `row`.

    Parameters
    ----------
    split, cut
        Where the network is split, and the features and rest of exactly one picture.
    row
        Index of the class.
    baseline
        The cut of one blank picture; None means zeros, for an affine tail.
    batch_size
        Points of the path in one pass of the tail.

    Notes
    -----
    One forward and one backward pass of the tail per step; steps are doubled from 8 up to 512.
    """
    assert cut.rest.n == 1, "shares are made for one picture at a time"
    ways = split.ways_around(cut)
    ends = [cut.features, *(way.value for way in ways)]
    if baseline is None:
        starts = [torch.zeros_like(end) for end in ends]
    else:
        starts = [baseline.features, *(way.value for way in split.ways_around(baseline))]
    logit = _logits(split, cut, ways, ends, row)
    bias = _logits(split, cut, ways, starts, row)
    steps = 1 if baseline is None else FIRST_STEPS
    passes = 0
    while True:
        passes += steps
        integrated = _integrate(split, cut, ways, starts, ends, row, steps, batch_size)
        by_place = integrated[0][0].cpu().numpy()
        elsewhere = tuple(
            (way.name, float(value.sum())) for way, value in zip(ways, integrated[1:], strict=True)
        )
        by_channel = by_place.sum((1, 2))
        parts = float(by_channel.sum()) + sum(value for _, value in elsewhere)
        mass = abs(bias) + float(np.abs(by_channel).sum()) + sum(abs(value) for _, value in elsewhere)
        gap = logit - bias - parts
        # Half of what an explanation allows, so that rounding on the way there cannot break it.
        adds_up = abs(gap) <= 0.5 * TOLERANCE * mass
        if adds_up or baseline is None or steps >= MAX_STEPS:
            return Shares(by_place, elsewhere, bias, logit, steps, passes, gap, adds_up)
        steps *= 2


def remainder_of(split: Split, cut: Cut, reconstruction: Float[Tensor, "b c h w"], row: int) -> float:
    """Tail on the features minus tail on their reconstruction: what the concepts do not say about `row`."""
    with torch.no_grad():
        whole = split.tail(cut.features, cut.rest)[0, row].double()
        named = split.tail(reconstruction.to(cut.features), cut.rest)[0, row].double()
    return float(whole - named)


def _logits(split: Split, cut: Cut, ways: list[Way], values: list[Tensor], row: int) -> float:
    rest = cut.rest
    for way, value in zip(ways, values[1:], strict=True):
        rest = rest.put(way, value)
    with torch.no_grad():
        return float(split.tail(values[0], rest)[0, row].double())


def _integrate(
    split: Split,
    cut: Cut,
    ways: list[Way],
    starts: list[Tensor],
    ends: list[Tensor],
    row: int,
    steps: int,
    batch_size: int,
) -> list[Float[Tensor, "1 ..."]]:
    """(1) by Gauss-Legendre quadrature, in double precision, for the features and each way around them."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    times, step_sizes = torch.from_numpy((nodes + 1) / 2), torch.from_numpy(weights / 2)
    totals = [torch.zeros_like(end, dtype=torch.float64) for end in ends]
    for first in range(0, steps, batch_size):
        t, w = times[first : first + batch_size], step_sizes[first : first + batch_size]
        many = cut.take(torch.zeros(len(t), dtype=torch.long))
        points = [_between(a, b, t).requires_grad_() for a, b in zip(starts, ends, strict=True)]
        rest = many.rest
        for way, point in zip(ways, points[1:], strict=True):
            rest = rest.put(way, point)
        with torch.enable_grad():
            score = split.tail(points[0], rest)[:, row].sum()
            gradients = torch.autograd.grad(score, points, allow_unused=True)
        for total, gradient in zip(totals, gradients, strict=True):
            if gradient is not None:
                groups = gradient.double().reshape(len(t), *total.shape)
                total += torch.tensordot(w.to(groups), groups, dims=1)
    return [
        total * (end.double() - start.double())
        for total, start, end in zip(totals, starts, ends, strict=True)
    ]


def _between(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """Points start + t (end - start), the pictures of all t stacked on the first axis."""
    shape = (len(t),) + (1,) * start.ndim
    path = start.unsqueeze(0) + t.reshape(shape).to(start) * (end - start).unsqueeze(0)
    return path.flatten(0, 1).detach()
