"""What a metric that runs a network is given, brought to one form: any network, pictures, maps and targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.attribution.base import as_backbone, plain_logits
from seewhy.attribution.engine import Engine
from seewhy.attribution.question import Question
from seewhy.backbones.base import Backbone
from seewhy.errors import InputError, message

Network = Any
"""A function from (b, c, H, W) to (b, k) logits, a module, a `Backbone`, or what `seewhy.load` returns."""


class _Function(nn.Module):
    """A plain function in the clothes of a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.function(x)
        return logits


def asked(model: Network) -> Backbone:
    """The network as a `Backbone`, plain functions too."""
    plain = (
        callable(model) and not isinstance(model, (Backbone, nn.Module)) and not hasattr(model, "backbone")
    )
    return Backbone(_Function(model), name=getattr(model, "__name__", None)) if plain else as_backbone(model)


def ask(backbone: Backbone, x: Tensor, targets: list[int | str], engine: Engine) -> Question:
    """A question about these pictures, with the logits of each as it is already counted."""
    x = x.to(device_of(backbone, x))
    if any(parameter.is_floating_point() for parameter in backbone.module.parameters()):
        x = x.to(backbone.dtype)
    logits = plain_logits(backbone, x, engine)
    rows = torch.tensor(backbone.targets(targets, logits), device=logits.device)
    question = Question(backbone, x, rows, logits, engine)
    question.cost.forwards = len(x)
    return question


def device_of(backbone: Backbone, x: Tensor) -> torch.device:
    """A function without parameters runs where the pictures are."""
    return x.device if isinstance(backbone.module, _Function) else backbone.device


def checked(pictures: Tensor, maps: Any) -> tuple[Tensor, np.ndarray]:
    """Pictures and maps that belong together.

    Raises
    ------
    InputError
        If the pictures are no batch of floating numbers, or there is not one map per picture.
    """
    if not isinstance(pictures, Tensor) or pictures.ndim != 4 or not pictures.is_floating_point():
        came = tuple(pictures.shape) if isinstance(pictures, Tensor) else type(pictures).__name__
        raise InputError(
            message(
                f"pictures is {came}.",
                "It is a floating tensor (n, c, H, W), normalised as the network wants it.",
                "Pass backbone.tensor(pictures).x, or a batch of ready tensors.",
            )
        )
    values = maps.detach().cpu().numpy() if isinstance(maps, Tensor) else np.asarray(maps)
    if (
        values.ndim != 3
        or len(values) != len(pictures)
        or 0 in values.shape[1:]
        or values.dtype.kind not in "biuf"
    ):
        raise InputError(
            message(
                f"maps has shape {values.shape} for {len(pictures)} pictures.",
                "It is one map (h, w) of numbers per picture.",
                "Stack the maps of single pictures; of maps per channel take a sum over channels.",
            )
        )
    return pictures.detach(), values.astype(np.float64)


def per_picture(targets: Any, n: int) -> list[int | str]:
    """A target for each picture; refused if their number is another."""
    if isinstance(targets, str) or np.ndim(targets) == 0:
        return [targets] * n
    each = list(targets)
    if len(each) != n:
        raise InputError(
            message(
                f"There are {len(each)} targets for {n} pictures.",
                "One target for all, or one per picture.",
                "Pass a single class to use it for every picture.",
            )
        )
    return each


def given_blank(blank: Any, pictures: Tensor) -> Tensor:
    """A filling of the caller's, for each picture; refused if it does not fit."""
    try:
        fits: Tensor = blank.to(pictures.dtype).expand_as(pictures)
    except (RuntimeError, AttributeError) as error:
        raise InputError(
            message(
                f"blank is {tuple(getattr(blank, 'shape', ())) or type(blank).__name__}.",
                f"It is a tensor that broadcasts to the pictures, {tuple(pictures.shape)}.",
                "For one colour pass (c, 1, 1), or a number as fill=.",
            )
        ) from error
    return fits


def blurred_as_published(x: Float[Tensor, "b c H W"]) -> Float[Tensor, "b c H W"]:
    """The paper's blur, 11 pixels wide with standard deviation 5; weights outside the picture are left out."""
    near = torch.arange(-5, 6, device=x.device, dtype=x.dtype)
    weights = torch.exp(-(near**2) / 50)
    kernel = (weights[:, None] * weights).expand(x.shape[1], 1, 11, 11)
    inside = torch.ones_like(x[:1, :1])
    total = nn.functional.conv2d(inside, kernel[:1], padding=5)
    return nn.functional.conv2d(x, kernel, padding=5, groups=x.shape[1]) / total
