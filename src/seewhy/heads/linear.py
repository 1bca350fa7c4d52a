"""A linear head: from concepts to logits, each logit a sum of contributions, with what is proven of it.

    logit_k = b_k + sum_m W[k, m] z_m                                                                         (1)

z are concepts in standard deviations, so that weights of different concepts compare. `DenseLinear` and
`SparseLinear` make heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seewhy.errors import InputError, message
from seewhy.heads.certificate import Certificate
from seewhy.heads.nec import nec


@dataclass(frozen=True, eq=False)
class Head:
    """Weights and bias of (1).

    Attributes
    ----------
    weight, bias
        (k, m) and (k), signed, in logits per standard deviation of a concept.
    certificate
        How near it is to the best head for its penalty; None where it does not minimise anything, as after an edit.
    lam, alpha
        Of the penalty that chose its weights, where there was one.
    constant
        Concepts that had one value for all examples; their weight is 0.
    record
        How it was chosen, for a model card: JSON values.
    """

    weight: Float[Tensor, "k m"]
    bias: Float[Tensor, " k"]
    certificate: Certificate | None = None
    lam: float | None = None
    alpha: float | None = None
    constant: tuple[int, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.weight.ndim != 2 or self.bias.shape != self.weight.shape[:1]:
            raise InputError(
                message(
                    f"Weights are {tuple(self.weight.shape)} and the bias {tuple(self.bias.shape)}.",
                    "A head has weights (classes, concepts) and a bias (classes).",
                    "Transpose the weights, or flatten the bias.",
                )
            )

    @property
    def n_classes(self) -> int:
        """Classes."""
        return self.weight.shape[0]

    @property
    def n_concepts(self) -> int:
        """Concepts, those without weight included."""
        return self.weight.shape[1]

    @property
    def support(self) -> Bool[Tensor, "k m"]:
        """Which weights are not zero."""
        return self.weight != 0

    @property
    def nec(self) -> float:
        """Number of effective concepts: weights that are not zero, per class."""
        return nec(self.weight)

    @property
    def converged(self) -> bool:
        """Whether a certificate proves that it is the best head for its penalty, to the tolerance asked for."""
        return self.certificate is not None and self.certificate.converged

    def logits(self, z: Float[Tensor, "n m"]) -> Float[Tensor, "n k"]:
        """(1), in the precision of `z`."""
        self._check(z)
        return torch.addmm(self.bias.to(z), z, self.weight.to(z).T)

    def contributions(self, z: Float[Tensor, "n m"], k: int) -> Float[Tensor, "n m"]:
        """The summands of (1) for class `k`: with the bias they add up to its logit."""
        self._check(z)
        if not 0 <= k < self.n_classes:
            raise InputError(
                message(
                    f"The class is {k}.",
                    f"This head has classes 0 to {self.n_classes - 1}.",
                    "Pass the index of a class.",
                )
            )
        return z * self.weight[k].to(z)

    def _check(self, z: Tensor) -> None:
        if z.ndim != 2 or z.shape[1] != self.n_concepts:
            raise InputError(
                message(
                    f"Concepts are {tuple(z.shape)}.",
                    f"This head reads (examples, {self.n_concepts}).",
                    "Pool maps over their places, and pass the concepts it was fitted on.",
                )
            )
