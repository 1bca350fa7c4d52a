"""Why A and not B: the difference of two explanations of one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from seewhy.errors import InputError, message
from seewhy.explanation.evidence import Prediction
from seewhy.types import Kind

if TYPE_CHECKING:
    from seewhy.explanation.explanation import Explanation


@dataclass(frozen=True)
class ContrastRow:
    """A concept's contribution to A, to B, and for A against B."""

    name: str
    index: int
    why: float
    against: float

    @property
    def difference(self) -> float:
        """Positive: speaks for A."""
        return self.why - self.against


@dataclass(frozen=True, eq=False)
class Contrast:
    """Why class `why` and not `against`; rows largest difference first.

    For shares the rows, the biases, the ways around the features and the remainders add up to the difference
    of the two logits, because both explanations do.
    """

    why: Prediction
    against: Prediction
    kind: Kind
    rows: tuple[ContrastRow, ...]
    constant: float | None
    where: Float[np.ndarray, "h w"] | None

    @property
    def logit_difference(self) -> float:
        """Logit of A minus logit of B."""
        return self.why.logit - self.against.logit


def contrast_of(why: Explanation, against: Explanation) -> Contrast:
    """Subtract two explanations of the same picture and concepts.

    Raises
    ------
    InputError
        If pictures, kinds or concepts differ.
    """
    same = (
        why.image.sha256 == against.image.sha256
        and why.kind == against.kind
        and [c.name for c in why.concepts] == [c.name for c in against.concepts]
    )
    if not same:
        raise InputError(
            message(
                f"{why!r} and {against!r} do not describe the same picture in the same concepts.",
                "A contrast subtracts concept by concept.",
                "Explain one picture with one model for both classes.",
            )
        )
    rows = [
        ContrastRow(a.name, a.index, a.contribution, b.contribution)
        for a, b in zip(why.concepts, against.concepts, strict=True)
    ]
    constant = None
    if why.kind == "share":
        a, b = why.totals, against.totals
        constant = (a.bias + a.elsewhere + a.remainder) - (b.bias + b.elsewhere + b.remainder)
    where = None if why.can("where") or against.can("where") else why.where - against.where
    return Contrast(
        why.target,
        against.target,
        why.kind,
        tuple(sorted(rows, key=lambda row: -abs(row.difference))),
        constant,
        where,
    )
