"""What stands in for the part of a picture that is hidden, and where a path of integration starts."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.attribution.question import Question
from seewhy.errors import InputError, did_you_mean, message

FillName = Literal["black", "white", "mean", "blur"]
Fill = FillName | float
"""A name of `filled`, or a number in the units of the model's input."""

_NAMES = ("black", "white", "mean", "blur")

BLUR = 0.05
"""Standard deviation of "blur" as a part of the picture's longer side (11 px of 224)."""


def filled(question: Question, fill: Fill) -> Float[Tensor, "b c H W"]:
    """The pictures with nothing left in them, in the model's own units; what was chosen is told.

    Parameters
    ----------
    fill
        A number: this value everywhere (0 is the mean colour of the training set where inputs are normalised
        by it). "black" and "white": no and full light, which need the model's normalisation to be known.
        "mean": each picture's own mean colour. "blur": the picture blurred until only its large patches of
        colour remain.

    Raises
    ------
    InputError
        For another name or a number that is not finite, or if black and white are not known for this model.
    """
    x = question.x
    if isinstance(fill, str):
        if fill in ("black", "white"):
            return _level(question, fill).expand_as(x)
        if fill == "mean":
            return x.mean((2, 3), keepdim=True).expand_as(x)
        if fill == "blur":
            return blurred(x, BLUR * max(question.size))
        raise InputError(message(f"The fill is {fill!r}.", did_you_mean(fill, _NAMES), "Or pass a number."))
    if not math.isfinite(fill):
        raise InputError(
            message(f"The fill is {fill}.", "It is a finite number in the units of the input.", "0 is usual.")
        )
    return x.new_tensor(float(fill)).expand_as(x)


def describe_fill(fill: Fill) -> str:
    """In words, for the result's choices."""
    if isinstance(fill, str):
        return {"mean": "the picture's mean colour", "blur": "the blurred picture"}.get(fill, fill)
    return f"{fill:g} in the model's units"


def blurred(x: Float[Tensor, "b c H W"], sigma: float) -> Float[Tensor, "b c H W"]:
    """Gaussian blur with `sigma` in pixels; weights that fall outside the picture are left out."""
    rows, columns = (_smoother(extent, sigma, x) for extent in x.shape[2:])
    return rows @ x @ columns.T


def _smoother(extent: int, sigma: float, like: Tensor) -> Float[Tensor, "n n"]:
    at = torch.arange(extent, dtype=torch.float64)
    weights = torch.exp(-((at[:, None] - at[None]) ** 2) / (2 * max(sigma, 1e-6) ** 2))
    return (weights / weights.sum(1, keepdim=True)).to(like.device, like.dtype)


def _level(question: Question, name: str) -> Float[Tensor, "c 1 1"]:
    """Normalised value of no or full light, per channel."""
    x, recipe = question.x, question.backbone.preprocess
    if recipe is None or len(recipe.mean) != x.shape[1]:
        raise InputError(
            message(
                f"The fill is {name!r}, but how {question.backbone.name} normalises its input is not known.",
                "Black and white are known only with the model's mean and std.",
                "Pass a number in the units of the input, or give the backbone its preprocess=.",
            )
        )
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (recipe.mean, recipe.std))
    level = ((1.0 if name == "white" else 0.0) - mean) / std
    return level[:, None, None].to(x.device, x.dtype)
