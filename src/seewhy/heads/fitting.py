"""What makers of heads share: examples held out, a solution as a head, and a warning where nothing is proven."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from seewhy.errors import InputError, message
from seewhy.heads.choose import split
from seewhy.heads.inputs import Examples, check_examples
from seewhy.heads.linear import Head
from seewhy.heads.solver import Solution


def held_out(
    data: Examples, validation: tuple[Any, Any] | None, share: float, seed: int
) -> tuple[Examples, Examples, dict[str, Any]]:
    """Examples to learn from, examples to choose by, and what to record of it.

    Without `validation` a share of each class is set aside; then constants are looked for again in what is left.
    """
    if validation is not None:
        held = check_examples(*validation, data.n_classes, training=False)
        if held.z.shape[1] != data.z.shape[1]:
            raise InputError(
                message(
                    f"Validation features are {tuple(held.z.shape)}.",
                    f"The training features have {data.z.shape[1]} concepts.",
                    "Pass both from the same concepts.",
                )
            )
        return (
            data,
            Examples(held.z.to(data.z), held.y.to(data.y.device), held.n_classes, held.varies),
            {"from": "validation"},
        )
    learn, out = split(data.y, data.n_classes, share, seed)
    if not len(out):
        raise InputError(
            message(
                f"No class has {math.ceil(1 / share)} of the {len(data.y)} examples.",
                f"To choose lam, {share:.0%} of each class are held out.",
                "Pass lam, validation=(z, y), or more examples.",
            )
        )
    train = check_examples(data.z[learn], data.y[learn], data.n_classes)
    held = check_examples(data.z[out], data.y[out], data.n_classes, training=False)
    return train, held, {"from": "training examples", "share": share, "seed": seed}


def on_all_columns(weight: Tensor, data: Examples) -> Tensor:
    """Weights of the columns that vary, among zeros for the others."""
    if weight.shape[1] == data.z.shape[1]:
        return weight
    return weight.new_zeros(len(weight), data.z.shape[1]).index_copy(1, data.varies, weight)


def as_head(found: Solution, data: Examples, record: Mapping[str, Any], *, lam: float, alpha: float) -> Head:
    """A solution as a head over all columns; warns where it is not proven to its tolerance."""
    proof = found.certificate
    if not proof.converged:
        warnings.warn(
            message(
                f"The head's gap is {proof.relative_gap:.1e} of its objective.",
                f"It counts as converged from {proof.tol:.1e} on.",
                "Standardise the concepts, or raise tol; the head's certificate says what is proven.",
            ),
            RuntimeWarning,
            stacklevel=4,
        )
    weight = on_all_columns(found.weight, data)
    return Head(weight, found.bias, proof, lam, alpha, data.constant, dict(record))


def check_between(name: str, value: float, low: float, high: float) -> None:
    """Raise InputError unless low < value <= high."""
    if not low < value <= high:
        raise InputError(
            message(
                f"{name} is {value:g}.",
                f"It must be more than {low:g}" + (f" and at most {high:g}." if math.isfinite(high) else "."),
                f"Pass another {name}.",
            )
        )
