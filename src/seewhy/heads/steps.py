"""The two moves of the solver: a burst of accelerated shrinkage, and a Newton step among the weights in use.

`shrink` is FISTA, the accelerated proximal gradient, with a restart whenever momentum points uphill (O'Donoghue and
Candes 2015, arXiv 1204.3982). The length of its steps follows the curvature along them, by the divergence

    (1/n) sum_i log sum_k p_ik exp(d_ik - <p_i, d_i>)  =  cross-entropy after a change d of the logits
                                                          - before - the linear forecast                      (1)

which is never negative and keeps some digits where the cross-entropy itself, in single precision, no longer moves.

`newton` minimises the quadratic model of the objective over the weights that are not zero, each held to its side of
zero. Conjugate gradients solve the linear system, two products of matrices a step; weights that would pass zero are
set to it and the rest is solved again, until none would. Then the step is tried in earnest, at falling lengths; one
that leads up is replaced by a more careful one, which leads down.

Alternating the two is due to Wen, Yin, Goldfarb and Zhang (2010, FPC_AS); (1) as a measure and the repeated solving
are ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seewhy.heads.objective import Penalty, logits_of, minus_truth

BURST = 10
"""Steps of FISTA at a time."""

HALVINGS = 60
"""Shorter steps tried before FISTA gives up, which takes features whose logits overflow."""

FEWEST, MOST = 10, 320
"""Conjugate gradient steps per linear system at most: the first, doubled after each Newton step that held in full."""

SOLVES = 10
"""Linear systems of one Newton step at most; most need one to three."""

SMALL = 0.05
"""A linear system counts as solved when its residual has fallen to this."""


class Pace(NamedTuple):
    """Conjugate gradient steps per linear system at most, and Newton steps that failed in a row."""

    effort: int = FEWEST
    failures: int = 0


@dataclass(frozen=True, eq=False)
class State:
    """A head, with its logits, which cost a product of matrices."""

    weight: Float[Tensor, "k m"]
    bias: Float[Tensor, " k"]
    logits: Float[Tensor, "k n"]


@dataclass(frozen=True, eq=False)
class Problem:
    """What is minimised, in one precision; weights off the `support` stay zero."""

    z: Float[Tensor, "n m"]
    y: Int[Tensor, " n"]
    penalty: Penalty
    support: Bool[Tensor, "k m"] | None = None

    def enter(self, weight: Float[Tensor, "k m"], bias: Float[Tensor, " k"]) -> State:
        """A head as a state."""
        return State(weight, bias, logits_of(weight, bias, self.z))

    def slopes(self, p: Float[Tensor, "k n"]) -> tuple[Float[Tensor, "k m"], Float[Tensor, " k"]]:
        """Slopes of the cross-entropy in weight and bias at probabilities `p`."""
        a = minus_truth(p, self.y)
        slope = a @ self.z / len(self.y)
        return slope if self.support is None else torch.where(self.support, slope, 0.0), a.mean(1)

    def divergence(
        self, p: Float[Tensor, "k n"], old: Float[Tensor, "k n"], new: Float[Tensor, "k n"]
    ) -> float:
        """(1) for a change of the logits from `old`, whose probabilities are `p`, to `new`."""
        change = new - old
        mean = (p * change).sum(0)
        rows = torch.log1p((p * change.sub_(mean).expm1_()).sum(0))
        found = float(rows.sum(dtype=torch.float64))
        if not math.isfinite(found):  # a change so large that its exponential overflows has digits to lose
            found = float((new.logsumexp(0) - old.logsumexp(0) - mean).sum(dtype=torch.float64))
        return found / len(self.y)

    def change(self, old: State, new: State, p: Float[Tensor, "k n"]) -> float:
        """The objective of `new` less that of `old`, whose probabilities are `p`."""
        linear = (minus_truth(p, self.y) * (new.logits - old.logits)).sum(dtype=torch.float64)
        curved = self.divergence(p, old.logits, new.logits)
        return float(linear) / len(self.y) + curved + self.penalty.change(old.weight, new.weight)

    def fall(self, old: State, new: State) -> float:
        """By which part of the objective `new` lies below `old`."""
        true = old.logits.gather(0, self.y[None])[0]
        value = float((old.logits.logsumexp(0) - true).mean()) + self.penalty.value(old.weight)
        return -self.change(old, new, old.logits.softmax(0)) / value


def shrink(problem: Problem, state: State, step: float) -> tuple[State, float]:
    """`BURST` steps of FISTA from rest with first step size `step`, and the step size it ends with."""
    ahead, momentum = state, 1.0
    for _ in range(BURST):
        p = ahead.logits.softmax(0)
        slope, slope_b = problem.slopes(p)
        for _ in range(HALVINGS):
            weight = problem.penalty.proximal(ahead.weight - step * slope, step)
            new = problem.enter(weight, ahead.bias - step * slope_b)
            moved = _square(new.weight - ahead.weight) + _square(new.bias - ahead.bias)
            if moved == 0:
                return state, step
            # The longest step whose quadratic model would have been an upper bound at the point reached.
            longest = moved / max(2 * problem.divergence(p, ahead.logits, new.logits), 1e-300)
            if step <= longest:
                break
            step = max(step / 4, 0.95 * longest)
        else:
            return state, step
        uphill = _inner(ahead.weight - new.weight, new.weight - state.weight)
        uphill += _inner(ahead.bias - new.bias, new.bias - state.bias)
        if uphill > 0:
            ahead, momentum = new, 1.0
        else:
            following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
            reach = 1 + (momentum - 1) / following
            momentum = following
            ahead = State(
                torch.lerp(state.weight, new.weight, reach),
                torch.lerp(state.bias, new.bias, reach),
                torch.lerp(state.logits, new.logits, reach),
            )
        state = new
        if step < 0.8 * longest:
            step *= 1.05
    return state, step


def newton(problem: Problem, state: State, pace: Pace) -> tuple[State, Pace]:
    """One Newton step at a pace, and the pace that the next one deserves."""
    p = state.logits.softmax(0)
    model = _Model(problem, state, p)
    careful = pace.failures >= 2
    way, way_b, _, _ = model.minimise(pace.effort, bold=not careful)
    for length in (1.0, 0.5, 0.25, 0.06):
        weight = state.weight + length * way
        weight = torch.where(problem.penalty.turned(state.weight, weight), 0.0, weight)
        new = problem.enter(weight, state.bias + length * way_b)
        if problem.change(state, new, p) < 0:
            effort = min(2 * pace.effort, MOST) if length == 1 else max(pace.effort // 2, FEWEST)
            return new, Pace(effort, pace.failures if careful else 0)
    return state, Pace(max(pace.effort // 2, FEWEST), 0 if careful else pace.failures + 1)


class _Step(NamedTuple):
    """A step in weight and bias, and the Hessian times it."""

    way: Float[Tensor, "k m"]
    way_b: Float[Tensor, " k"]
    bent: Float[Tensor, "k m"]
    bent_b: Float[Tensor, " k"]

    @classmethod
    def none(cls, weight: Tensor, bias: Tensor) -> _Step:
        """No step."""
        return cls(
            torch.zeros_like(weight), torch.zeros_like(bias), torch.zeros_like(weight), torch.zeros_like(bias)
        )

    def towards(self, other: _Step, share: float) -> _Step:
        """A share of the way to another step; the Hessian is linear."""
        return _Step(*(torch.lerp(one, two, share) for one, two in zip(self, other, strict=True)))


class _Model:
    """The quadratic model of the objective around a state, among the weights in use."""

    def __init__(self, problem: Problem, state: State, p: Float[Tensor, "k n"]) -> None:
        self.problem, self.weight, self.p = problem, state.weight, p
        penalty = problem.penalty
        slope, self.slope_b = problem.slopes(p)
        if penalty.l1:
            self.used = state.weight != 0
        else:
            self.used = (
                torch.ones_like(p[:, :1], dtype=torch.bool) if problem.support is None else problem.support
            )
        self.slope = torch.where(self.used, slope + penalty.slope(state.weight), 0.0)
        # The diagonal of the Hessian, as far as classes and columns have one scale each, to solve in even units.
        self.scale_b = (p * (1 - p)).mean(1).clamp_min(1e-12)
        scale = self.scale_b[:, None] * problem.z.square().mean(0) + penalty.curvature(state.weight)
        self.scale = scale.clamp_min(1e-12)

    def minimise(self, effort: int, bold: bool) -> _Step:
        """A step to the model's minimum, as far as `effort` goes, with no weight beyond zero.

        Weights that pass zero are set to it, and the rest is solved again. `bold` sets all of them at once, which is
        most often right and may leave the model higher than it was; else no more of them than lowers it.
        """
        turned = self.problem.penalty.turned
        step = _Step.none(self.weight, self.slope_b)
        free, goal = self.used, 0.0
        for _ in range(SOLVES):
            solved, goal = self._solve(step, free, effort, goal)
            passed = free & turned(self.weight, self.weight + solved.way)
            if not bool(passed.any()):
                return solved
            step = self._set(solved, passed) if bold else self._lower(step, solved, free)
            free = free & ~turned(self.weight, self.weight + step.way)
        return step

    def _solve(self, step: _Step, free: Tensor, effort: int, goal: float) -> tuple[_Step, float]:
        """Conjugate gradients from a step on, over the weights that are free; and the residual they aim at."""
        way, way_b, bent, bent_b = step
        right, right_b = torch.where(free, -self.slope - bent, 0.0), -self.slope_b - bent_b
        ahead, ahead_b = right / self.scale, right_b / self.scale_b
        left = _inner(right, ahead) + _inner(right_b, ahead_b)
        goal = goal or SMALL**2 * left
        for _ in range(effort):
            if left <= goal:
                break
            curved, curved_b = self._bend(ahead, ahead_b)
            curvature = _inner(ahead, curved) + _inner(ahead_b, curved_b)
            if not curvature > 0:
                break
            size = left / curvature
            way, way_b = way + size * ahead, way_b + size * ahead_b
            bent, bent_b = bent + size * curved, bent_b + size * curved_b
            right = torch.where(free, right - size * curved, 0.0)
            right_b = right_b - size * curved_b
            before, left = left, _inner(right, right / self.scale) + _inner(right_b, right_b / self.scale_b)
            ahead = right / self.scale + left / before * ahead
            ahead_b = right_b / self.scale_b + left / before * ahead_b
        return _Step(way, way_b, bent, bent_b), goal

    def _set(self, step: _Step, passed: Tensor) -> _Step:
        """A step after which the weights that passed zero are zero."""
        back = torch.where(passed, -self.weight - step.way, 0.0)
        bent, bent_b = self._bend(back, torch.zeros_like(self.slope_b))
        way = torch.where(passed, -self.weight, step.way)  # exactly, or rounding would leave them free
        return _Step(way, step.way_b, step.bent + bent, step.bent_b + bent_b)

    def _lower(self, old: _Step, new: _Step, free: Tensor) -> _Step:
        """From one step towards another to where the model is lower, at worst up to the first weight at zero."""
        penalty, low = self.problem.penalty, self._value(old)
        for length in (1.0, 0.25):
            part = old.towards(new, length)
            part = self._set(part, free & penalty.turned(self.weight, self.weight + part.way))
            if self._value(part) < low:
                return part
        before = penalty.along(self.weight, self.weight + old.way)
        after = penalty.along(self.weight, self.weight + new.way)
        share = torch.where((before > 0) & (after <= 0), before / (before - after), 1.0)
        return old.towards(new, float(share.min()) * (1 + 4 * torch.finfo(share.dtype).eps))

    def _value(self, step: _Step) -> float:
        """The model at a step, less its value at none."""
        linear = _inner(self.slope, step.way) + _inner(self.slope_b, step.way_b)
        return linear + (_inner(step.way, step.bent) + _inner(step.way_b, step.bent_b)) / 2

    def _bend(self, way: Tensor, way_b: Tensor) -> tuple[Float[Tensor, "k m"], Float[Tensor, " k"]]:
        """The Hessian times a step."""
        d = logits_of(way, way_b, self.problem.z)
        d = self.p * (d - (self.p * d).sum(0))
        curved = d @ self.problem.z / len(self.problem.y) + self.problem.penalty.curve(self.weight, way)
        return torch.where(self.used, curved, 0.0), d.mean(1)


def _inner(one: Tensor, other: Tensor) -> float:
    return float((one * other).sum())


def _square(one: Tensor) -> float:
    return float(one.square().sum())
