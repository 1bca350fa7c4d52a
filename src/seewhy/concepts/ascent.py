"""Climbing many similarities at once: each row of weights is a problem of its own.

Every driver says where to look next (`ask`) and is told the value and gradient there (`tell`), one row per concept.
"""

from __future__ import annotations

from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor


class Driver(Protocol):
    """What `projection` needs of an optimiser."""

    def ask(self) -> Float[Tensor, "m c"]:
        """Where value and gradient are wanted next."""

    def tell(self, value: Float[Tensor, " m"], gradient: Float[Tensor, "m c"]) -> None:
        """What they are there; larger is better."""

    @property
    def here(self) -> Float[Tensor, "m c"]:
        """The rows as they are now, which is not where a line search looks."""

    @property
    def finished(self) -> bool:
        """Whether no row can be improved."""


class Adam:
    """Adam (Kingma & Ba, ICLR 2015), upwards; written out because importing torch's takes seconds."""

    BETAS = (0.9, 0.999)
    EPSILON = 1e-8

    def __init__(self, start: Float[Tensor, "m c"], lr: float) -> None:
        self._weight, self._lr, self._steps = start.clone(), lr, 0
        self._mean, self._square = torch.zeros_like(start), torch.zeros_like(start)

    @property
    def here(self) -> Float[Tensor, "m c"]:
        """The rows as they are now."""
        return self._weight

    @property
    def finished(self) -> bool:
        """Never by itself."""
        return False

    def ask(self) -> Float[Tensor, "m c"]:
        """Where value and gradient are wanted next."""
        return self._weight

    def tell(self, value: Float[Tensor, " m"], gradient: Float[Tensor, "m c"]) -> None:
        """One step."""
        (slow, slower), gradient = self.BETAS, gradient.to(self._weight)
        self._steps += 1
        self._mean.lerp_(gradient, 1 - slow)
        self._square.lerp_(gradient.square(), 1 - slower)
        size = (self._square / (1 - slower**self._steps)).sqrt_().add_(self.EPSILON)
        self._weight.addcdiv_(self._mean, size, value=self._lr / (1 - slow**self._steps))


class RowLBFGS:
    """L-BFGS (Liu & Nocedal 1989) with a halving line search, for all rows in the same passes.

    Rows do not wait for each other: a row whose step was good goes on while another still halves its own. That they
    share passes, and that a step is at most half the row's length (what is climbed does not see lengths), is ours.
    """

    SUFFICIENT = 1e-4
    FLAT = 1e-7
    TINY = 1e-12

    def __init__(self, start: Float[Tensor, "m c"], history: int = 8) -> None:
        self._x = start.double()
        m, c = self._x.shape
        self._s, self._y = self._x.new_zeros(2, history, m, c)
        self._rho = self._x.new_zeros(history, m)
        self._f = self._x.new_full((m,), float("inf"))
        self._g = torch.zeros_like(self._x)
        self._d = torch.zeros_like(self._x)
        self._t = self._x.new_ones(m)
        self._done = torch.zeros(m, dtype=torch.bool, device=start.device)

    @property
    def here(self) -> Float[Tensor, "m c"]:
        """The rows as they are now."""
        return self._x

    @property
    def finished(self) -> bool:
        """Whether no row can be improved."""
        return bool(self._done.all())

    def ask(self) -> Float[Tensor, "m c"]:
        """Where value and gradient are wanted next."""
        return self._x + self._t[:, None] * self._d

    def tell(self, value: Float[Tensor, " m"], gradient: Float[Tensor, "m c"]) -> None:
        """Accept or halve each row's step, and choose the next directions."""
        f, g = -value.double(), -gradient.double()
        x = self.ask()
        first = torch.isinf(self._f)
        slope = self._t * (self._g * self._d).sum(1)
        good = (first | (f <= self._f + self.SUFFICIENT * slope)) & ~self._done
        self._remember(x, g, good & ~first)
        self._x = torch.where(good[:, None], x, self._x)
        self._g = torch.where(good[:, None], g, self._g)
        self._f = torch.where(good, f, self._f)
        self._d = torch.where(good[:, None], self._direction(), self._d)
        self._t = torch.where(good, 1.0, self._t / 2)
        length = self._x.norm(dim=1)
        limit = torch.where(first, 0.1, 0.5) * length
        move = self._d.norm(dim=1)
        self._t = torch.where(good & (move > limit), limit / move.clamp(min=1e-300), self._t)
        stuck = ~good & (self._t * move < self.TINY * length)
        self._done |= stuck | (self._g.norm(dim=1) * length < self.FLAT) | (length == 0)
        self._d[self._done] = 0

    def _remember(self, x: Tensor, g: Tensor, rows: Tensor) -> None:
        s, y = x - self._x, g - self._g
        curvature = (s * y).sum(1)
        rows = rows & (curvature > 1e-10 * s.norm(dim=1) * y.norm(dim=1))
        at = torch.nonzero(rows)[:, 0]
        for kept, new in ((self._s, s), (self._y, y)):
            kept[:-1, at] = kept[1:, at].clone()
            kept[-1, at] = new[at]
        self._rho[:-1, at] = self._rho[1:, at].clone()
        self._rho[-1, at] = 1 / curvature[at]

    def _direction(self) -> Tensor:
        """-H g by the two loops; pairs that are not there yet have rho 0 and do nothing."""
        q = -self._g
        alphas = []
        for i in reversed(range(len(self._rho))):
            alpha = self._rho[i] * (self._s[i] * q).sum(1)
            q = q - alpha[:, None] * self._y[i]
            alphas.append(alpha)
        y2 = self._y[-1].square().sum(1)
        gamma = torch.where(self._rho[-1] > 0, 1 / (self._rho[-1] * y2).clamp(min=1e-300), 1)
        q = q * gamma[:, None]
        for i, alpha in enumerate(reversed(alphas)):
            beta = self._rho[i] * (self._y[i] * q).sum(1)
            q = q + self._s[i] * (alpha - beta)[:, None]
        uphill = (q * self._g).sum(1) >= 0
        return torch.where(uphill[:, None], -self._g, q)
