"""What a linear head minimises: cross-entropy and an elastic net, as pure functions.

    P(W, b) = (1/n) sum_i CE(softmax(W z_i + b), y_i) + lam alpha |W| + lam (1 - alpha) / 2 |W|_2^2           (1)
    A = softmax(W Z^T + b) - onehot(y),   G = A Z / n                                                         (2)
    lam_max = size of the largest entry of (onehot(y) - mean) Z / (n alpha)                                   (3)

|W| is the sum of absolute weights or, for a group penalty, of the lengths of W's columns: a concept then serves
all classes or none. A is the slope of the first term in the logits, G its slope in W. From lam_max on, the optimum
is W = 0 with the logarithms of the class frequencies as bias. The bias is free.

Logits and A are (classes, rows), so that a class is one run of memory. Everything works in the precision and on the
device of what it is given. In scikit-learn's terms C = 1 / (n lam) and l1_ratio = alpha.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Penalty:
    """The second and third term of (1): `lam` > 0, `alpha` 0 (ridge) to 1 (lasso), by weight or by column."""

    lam: float
    alpha: float
    group: bool = False

    @property
    def l1(self) -> float:
        """What the first power costs, lam alpha."""
        return self.lam * self.alpha

    @property
    def l2(self) -> float:
        """What the square costs, lam (1 - alpha)."""
        return self.lam * (1 - self.alpha)

    def sizes(self, weight: Float[Tensor, "k m"]) -> Float[Tensor, "_ m"]:
        """What the first power is taken of: each |w|, or the length of each column, (1, m)."""
        return weight.norm(dim=0, keepdim=True) if self.group else weight.abs()

    def value(self, weight: Float[Tensor, "k m"]) -> float:
        """The penalty of a weight."""
        return float(self.l1 * self.sizes(weight).sum() + self.l2 / 2 * weight.square().sum())

    def change(self, old: Float[Tensor, "k m"], new: Float[Tensor, "k m"]) -> float:
        """Penalty of `new` less that of `old`, term by term, so that small changes survive the rounding."""
        first = (self.sizes(new) - self.sizes(old)).sum(dtype=torch.float64)
        second = ((new - old) * (new + old)).sum(dtype=torch.float64)
        return float(self.l1 * first + self.l2 / 2 * second)

    def proximal(self, weight: Float[Tensor, "k m"], step: float) -> Float[Tensor, "k m"]:
        """argmin over V of |V - weight|^2 / (2 step) + penalty(V): shrink towards zero, then by the ridge."""
        sizes = self.sizes(weight)
        kept = (sizes - step * self.l1).clamp_min(0) / sizes.clamp_min(torch.finfo(weight.dtype).tiny)
        return weight * kept / (1 + step * self.l2)

    def slope(self, weight: Float[Tensor, "k m"]) -> Float[Tensor, "k m"]:
        """Gradient of the penalty where weights are not zero."""
        return self.l1 * self._direction(weight) + self.l2 * weight

    def curve(self, weight: Float[Tensor, "k m"], step: Float[Tensor, "k m"]) -> Float[Tensor, "k m"]:
        """Hessian of the penalty times `step`, where weights are not zero."""
        bent = self.l2 * step
        if self.group and self.l1:
            lengths = self.sizes(weight)
            unit = self._direction(weight)
            across = step - unit * (unit * step).sum(0, keepdim=True)
            bent = bent + torch.where(lengths > 0, self.l1 * across / lengths, 0.0)
        return bent

    def curvature(self, weight: Float[Tensor, "k m"]) -> Float[Tensor, "_ m"] | float:
        """A scale of that Hessian's diagonal."""
        if not (self.group and self.l1):
            return self.l2
        lengths = self.sizes(weight)
        return self.l2 + torch.where(lengths > 0, self.l1 / lengths, 0.0)

    def along(self, weight: Float[Tensor, "k m"], new: Float[Tensor, "k m"]) -> Float[Tensor, "_ m"]:
        """The inner product of each weight (or column) with its new value."""
        product = weight * new
        return product.sum(0, keepdim=True) if self.group else product

    def turned(self, weight: Float[Tensor, "k m"], new: Float[Tensor, "k m"]) -> Bool[Tensor, "k m"]:
        """Which weights (or columns) that were not zero have reached or passed it: slope and curve end there."""
        if not self.l1:
            return torch.zeros_like(weight, dtype=torch.bool)
        turned = (self.sizes(weight) > 0) & (self.along(weight, new) <= 0)
        return turned.expand_as(weight)

    def excess(self, slope: Float[Tensor, "k m"]) -> Float[Tensor, "_ m"]:
        """By how much each size of a slope passes lam alpha."""
        return (self.sizes(slope) - self.l1).clamp_min(0)

    def residual(self, weight: Float[Tensor, "k m"], slope: Float[Tensor, "k m"]) -> Float[Tensor, "_ m"]:
        """How far each weight (or column) is from the conditions of the optimum, given G of (2).

        |G + l2 w + l1 w / |w|| where there is weight, and the excess of |G| over l1 where there is none.
        """
        moved = self.sizes(slope + self.slope(weight))
        return torch.where(self.sizes(weight) > 0, moved, self.excess(slope))

    def _direction(self, weight: Tensor) -> Float[Tensor, "k m"]:
        """w / |w|, and 0 at 0."""
        if not self.group:
            return weight.sign()
        lengths = self.sizes(weight)
        return torch.where(lengths > 0, weight / lengths, 0.0)


def logits_of(
    weight: Float[Tensor, "k m"], bias: Float[Tensor, " k"], z: Float[Tensor, "n m"]
) -> Float[Tensor, "k n"]:
    """W z + b, classes first."""
    return torch.addmm(bias[:, None], weight, z.T)


def cross_entropy(logits: Float[Tensor, "k n"], y: Int[Tensor, " n"]) -> float:
    """Mean over the rows, in nats."""
    true = logits.gather(0, y[None])[0]
    return float((logits.logsumexp(0) - true).mean())


def minus_truth(p: Float[Tensor, "k n"], y: Int[Tensor, " n"]) -> Float[Tensor, "k n"]:
    """A of (2) from the probabilities."""
    return p.scatter_add(0, y[None], p.new_full((1, len(y)), -1.0))


def objective(
    weight: Float[Tensor, "k m"],
    bias: Float[Tensor, " k"],
    z: Float[Tensor, "n m"],
    y: Int[Tensor, " n"],
    penalty: Penalty,
) -> float:
    """(1), in the precision of what is given."""
    return cross_entropy(logits_of(weight, bias, z), y) + penalty.value(weight)


def gradient(
    weight: Float[Tensor, "k m"], bias: Float[Tensor, " k"], z: Float[Tensor, "n m"], y: Int[Tensor, " n"]
) -> tuple[Float[Tensor, "k m"], Float[Tensor, " k"]]:
    """Slopes of the cross-entropy in the weight, G of (2), and in the bias."""
    a = minus_truth(logits_of(weight, bias, z).softmax(0), y)
    return a @ z / len(z), a.mean(1)


def log_frequencies(y: Int[Tensor, " n"], n_classes: int) -> Float[Tensor, " k"]:
    """The bias of a head without weights, float64; -inf for a class that does not occur."""
    return (torch.bincount(y, minlength=n_classes).double() / len(y)).log()


def first_slope(z: Float[Tensor, "n m"], y: Int[Tensor, " n"], n_classes: int) -> Float[Tensor, "k m"]:
    """G at W = 0 and the best bias for it."""
    weight = z.new_zeros(n_classes, z.shape[1])
    return gradient(weight, log_frequencies(y, n_classes).to(z), z, y)[0]


def lam_max(
    z: Float[Tensor, "n m"], y: Int[Tensor, " n"], n_classes: int, alpha: float = 0.99, *, group: bool = False
) -> float:
    """(3): the least strength at which all weights are zero; alpha > 0. All classes must occur."""
    assert alpha > 0, "a ridge never sets all weights to zero"
    return float(Penalty(1.0, alpha, group).sizes(first_slope(z.double(), y, n_classes)).max()) / alpha
