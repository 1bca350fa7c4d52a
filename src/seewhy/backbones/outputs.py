"""From whatever a model returns to one table of logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.errors import InputError, NotSupported, message

OutputAdapter = Callable[[Any], Tensor]

_KEYS = ("logits", "out", "output", "outputs", "prediction", "pred")


def as_logits(output: Any, adapter: OutputAdapter | None = None) -> Float[Tensor, "b k"]:
    """The (pictures, classes) logits in a model's output.

    A tensor is taken as it is; of a tuple or list the first tensor; of a mapping or output object the field
    `logits`, `out` or the like. Trailing axes of length one are dropped, and a single number per picture
    becomes one class.

    Raises
    ------
    NotSupported
        If there is no such tensor, or it has more than one number per class; `output=` says how to read it.
    """
    logits = adapter(output) if adapter is not None else _find(output)
    if not isinstance(logits, Tensor):
        raise NotSupported(
            message(
                f"{'output=' if adapter else 'The model'} returned {_describe(logits if adapter else output)}.",
                "Seewhy needs one row of class logits per picture.",
                "Pass output=lambda y: ... which picks them from what the model returns.",
            )
        )
    while logits.ndim > 2 and logits.shape[-1] == 1:
        logits = logits.squeeze(-1)
    if logits.ndim == 1:
        logits = logits.unsqueeze(1)
    if logits.ndim != 2 or not torch.is_floating_point(logits):
        raise NotSupported(
            message(
                f"The model's output has shape {tuple(logits.shape)} and dtype {logits.dtype}.",
                "Seewhy needs (pictures, classes) logits.",
                "For dense outputs pass output=lambda y: y.mean((2, 3)), or pick one box or pixel there.",
            )
        )
    return logits


def check_finite(logits: Float[Tensor, "b k"]) -> None:
    """Refuse logits with NaN or infinity before anything is computed from them."""
    if not torch.isfinite(logits).all():
        raise InputError(
            message(
                f"The model returned NaN or infinity in {int((~torch.isfinite(logits)).sum())} of "
                f"{logits.numel()} logits.",
                "An explanation needs finite logits.",
                "Check the weights for NaN and the preprocessing for its scale.",
            )
        )


def _find(output: Any) -> Any:
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        for key in _KEYS:
            if isinstance(output.get(key), Tensor):
                return output[key]
        tensors = [value for value in output.values() if isinstance(value, Tensor)]
        return tensors[0] if len(tensors) == 1 else None
    for key in _KEYS:
        if isinstance(getattr(output, key, None), Tensor):
            return getattr(output, key)
    if isinstance(output, (tuple, list)):
        return next((value for value in map(_find, output) if isinstance(value, Tensor)), None)
    return None


def _describe(output: Any) -> str:
    if isinstance(output, Mapping):
        return f"a {type(output).__name__} with the keys {', '.join(map(str, output))}"
    if isinstance(output, (tuple, list)):
        return (
            f"a {type(output).__name__} of {', '.join(type(value).__name__ for value in output) or 'nothing'}"
        )
    return f"a {type(output).__name__}"
