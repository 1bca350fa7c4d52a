"""Where the object is in a picture, as the user says it, and how much of a concept's map lies off it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from seewhy.errors import InputError, message
from seewhy.models.survey import Seen, Survey

Masks = Mapping[str, Any]
"""Name of a picture -> (H, W) mask of its object, true or 1 on it."""


def checked_masks(masks: Masks | None, data: Survey) -> dict[str, np.ndarray]:
    """The masks of the survey's pictures.

    Raises
    ------
    InputError
        If a mask is for no picture, has another size than its picture, or values outside 0 to 1.
    """
    if masks is not None and not isinstance(masks, Mapping):
        raise InputError(
            message(
                f"masks is a {type(masks).__name__}.",
                "It says for each picture's name where its object is.",
                f"Pass masks={{{data.seen[0].name!r}: mask, ...}}.",
            )
        )
    given = dict(masks or {})
    seen = {one.name: one for one in data.seen}
    # A picture that could not be read stands in `failed`; its mask is no mistake.
    unknown = set(given) - set(seen) - set(data.failed)
    if unknown:
        raise InputError(
            message(
                f"There are masks for {listed(sorted(map(str, unknown)))}, which are not among the pictures.",
                f"Masks go by the pictures' names, such as {data.seen[0].name!r}.",
                "Rename them.",
            )
        )
    return {name: _checked(mask, seen[name]) for name, mask in given.items() if name in seen}


def off_object(
    maps: Float[np.ndarray, "n k h w"], pictures: Int64[np.ndarray, " n"], data: Survey, masks: Masks
) -> Float[np.ndarray, "n k"]:
    """The part of each map that lies off the object, 0 to 1.

    NaN for a picture without a mask, and for one whose mask marks nothing that the network sees.
    """
    found = np.full(maps.shape[:2], np.nan)
    for i, picture in enumerate(pictures):
        seen = data.seen[int(picture)]
        if seen.name in masks:
            mask = np.asarray(masks[seen.name], np.float64)
            weights = seen.geometry.cell_weights(mask, (maps.shape[2], maps.shape[3]))
            mass = np.maximum(maps[i], 0.0)
            if weights.any():
                found[i] = 1 - (mass * weights).sum((1, 2)) / np.maximum(mass.sum((1, 2)), 1e-12)
    return found


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first names and how many more there are.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _checked(mask: Any, seen: Seen) -> np.ndarray:
    array = np.asarray(mask)
    if array.shape != seen.geometry.original or array.dtype.kind not in "bfiu":
        raise InputError(
            message(
                f"The mask of {seen.name!r} has shape {array.shape} and dtype {array.dtype}.",
                f"It has the shape of the picture, {seen.geometry.original} (height, width), bool or 0 to 1.",
                "Draw it on the picture as it is in its file, upright.",
            )
        )
    if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
        raise InputError(
            message(
                f"The mask of {seen.name!r} has values from {array.min():.4g} to {array.max():.4g}.",
                "Its values are 0 off the object and 1 on it.",
                "Pass mask > 0, or divide by 255.",
            )
        )
    return array
