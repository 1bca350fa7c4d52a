"""What a head is fitted on, checked once: features (n, m) and classes (n), each error naming what to change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.errors import InputError, message


@dataclass(frozen=True, eq=False)
class Examples:
    """Finite features and their classes, on one device.

    `varies` are the columns that are not constant; a constant one can add nothing that the bias does not.
    """

    z: Float[Tensor, "n m"]
    y: Int[Tensor, " n"]
    n_classes: int
    varies: Int[Tensor, " v"]

    @property
    def constant(self) -> tuple[int, ...]:
        """Columns that have one value."""
        return tuple(sorted(set(range(self.z.shape[1])) - set(self.varies.tolist())))

    @property
    def used(self) -> Float[Tensor, "n v"]:
        """The columns that vary."""
        return self.z if len(self.varies) == self.z.shape[1] else self.z[:, self.varies]


def check_examples(z: Any, y: Any, n_classes: int | None = None, *, training: bool = True) -> Examples:
    """Tensors or arrays as examples: float64 stays, other numbers become float32.

    Without `n_classes` the largest label counts them. Only examples to learn from (`training`) must show each
    class, for the best bias of a class that never occurs is minus infinity, and must have a column that varies.

    Raises
    ------
    InputError
        For wrong shapes, NaN or infinite features, labels that are no classes, one class only, missing classes,
        and no column that varies.
    """
    z, y = torch.as_tensor(z).detach(), torch.as_tensor(y).detach()
    if z.ndim != 2 or y.ndim != 1 or len(z) != len(y) or not z.numel():
        raise InputError(
            message(
                f"Features are {tuple(z.shape)} and labels {tuple(y.shape)}.",
                "Features are (examples, concepts), at least one of each, with one label an example.",
                "Pool maps over their places first, and pass as many labels as rows.",
            )
        )
    z = (z if z.dtype == torch.float64 else z.to(torch.float32)).contiguous()
    _check_finite(z)
    y, n_classes = _check_labels(y, n_classes)
    if training:
        check_classes(y, n_classes)
    varies = (z.amax(0) > z.amin(0)).nonzero()[:, 0]
    if training and not len(varies):
        raise InputError(
            message(
                f"Each of the {z.shape[1]} concepts has one value for all {len(z)} examples.",
                "A head needs a concept that varies.",
                "Look at the concepts, or at what standardised them.",
            )
        )
    return Examples(z, y.to(z.device), n_classes, varies)


def _check_finite(z: Tensor) -> None:
    bad = ~torch.isfinite(z)
    if bool(bad.any()):
        raise InputError(
            message(
                f"Features hold {int(bad.sum()):,} NaN or infinite values, the first in concept "
                f"{int(bad.any(0).nonzero()[0])}.",
                "A head is fitted to finite values.",
                "Drop that concept, or look for a standard deviation of zero in what standardised it.",
            )
        )


def _check_labels(y: Tensor, n_classes: int | None) -> tuple[Tensor, int]:
    whole = y.dtype not in (torch.bool, torch.complex64, torch.complex128)
    if not whole or bool((y != y.long()).any()):
        raise InputError(
            message(
                f"Labels are {str(y.dtype).removeprefix('torch.')} such as {y[0].item()}.",
                "Labels are whole numbers, one class an example.",
                "Pass the index of each example's class.",
            )
        )
    y = y.long()
    least, most = int(y.min()), int(y.max())
    found = most + 1 if n_classes is None else n_classes
    if least < 0 or most >= found:
        raise InputError(
            message(
                f"Labels go from {least} to {most}.",
                f"With {found} classes they go from 0 to {found - 1}.",
                "Check n_classes and how labels are numbered.",
            )
        )
    if found < 2:
        raise InputError(
            message(
                "There is one class.",
                "A head tells two or more classes apart.",
                "Add examples of another class.",
            )
        )
    return y, found


def check_classes(y: Int[Tensor, " n"], n_classes: int) -> None:
    """Raise InputError unless each of the classes occurs."""
    missing = (torch.bincount(y, minlength=n_classes) == 0).nonzero()[:, 0].tolist()
    if missing:
        shown = ", ".join(str(k) for k in missing[:10]) + (", ..." if len(missing) > 10 else "")
        raise InputError(
            message(
                f"Of {n_classes} classes {len(missing)} have no example among {len(y)}: {shown}.",
                "A class that never occurs has no finite bias.",
                "Add examples of it, or number the classes that do occur from 0 and fit those.",
            )
        )
