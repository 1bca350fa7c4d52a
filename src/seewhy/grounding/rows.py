"""Unit rows on the disk: in half precision, or as bytes with one scale a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

StoredType = Literal["float16", "int8", "float32"]

SCALES = ".scales"
"""What is added to the name of an array of bytes for that of its scales."""


def encoded(name: str, rows: Float[Tensor, "*n d"], dtype: StoredType) -> dict[str, Tensor]:
    """Arrays that hold unit rows.

    With "int8" a row is q * s, q whole numbers from -127 to 127 and s = max|row| / 127, so that no number is off by
    more than s / 2: a row of d numbers moves by at most s sqrt(d) / 2 and, as roundings are not in league, usually
    by s sqrt(d / 12); no cosine changes by more than that.
    """
    if dtype != "int8":
        return {name: rows.to(getattr(torch, dtype))}
    scales = rows.abs().amax(-1) / 127
    whole = (rows / scales.clamp(min=1e-12)[..., None]).round()
    return {name: whole.to(torch.int8), name + SCALES: scales.float()}


def decoded(name: str, arrays: Mapping[str, Tensor]) -> Float[Tensor, "*n d"]:
    """The rows of `encoded`, float32 and unit again."""
    rows = arrays[name].float()
    if name + SCALES in arrays:
        rows = rows * arrays[name + SCALES][..., None]
    return nn.functional.normalize(rows, dim=-1)


def parts(name: str, dtype: StoredType) -> tuple[str, ...]:
    """Names of the arrays of `encoded`."""
    return (name, name + SCALES) if dtype == "int8" else (name,)


def half(dtype: StoredType) -> StoredType:
    """The type for the few rows that bytes are too coarse for."""
    return "float32" if dtype == "float32" else "float16"
