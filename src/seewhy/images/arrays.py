"""From arrays and tensors to upright RGB pixels, without guessing their layout or range."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from jaxtyping import UInt8

from seewhy.errors import InputError, message
from seewhy.images.picture import Picture

_CHANNELS = (1, 3, 4)
# Floats that leave [0, 1] by less than this are rounding errors of a resize, not another scale: it is a
# quarter of a grey level.
_SLACK = 1e-3
_PIXELS = "Pictures are uint8 0..255 or float 0..1, with 1, 3 or 4 channels first or last."


def is_tensor(thing: object) -> bool:
    """Whether it is a torch tensor; asks only if the caller has imported torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(thing, torch.Tensor)


def to_numpy(thing: Any, where: str) -> np.ndarray:
    """The array itself, or a tensor's values on the CPU (floats as float32)."""
    if not is_tensor(thing):
        return np.asarray(thing)
    try:
        tensor = thing.detach().cpu()
        return np.asarray((tensor.float() if tensor.is_floating_point() else tensor).numpy())
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise InputError(
            message(
                f"{where} is a tensor without plain values ({thing.layout}, {thing.device}, {thing.dtype}).",
                "Pictures are dense tensors.",
                "Pass tensor.to_dense(), or a tensor that holds data.",
            )
        ) from error


def from_array(array: np.ndarray, *, name: str, where: str, max_pixels: int) -> Picture:
    """Read one picture: (H, W), or 1, 3 or 4 channels first or last; uint8, uint16 or float 0..1.

    Raises
    ------
    InputError
        If the shape fits no layout or two, or values are not finite, outside their range or too many.
    """
    channels_last = _channels_last(array, where)
    check_size(channels_last.shape[:2], where, max_pixels)
    pixels, notes = to_bytes(channels_last, where)
    n_channels = pixels.shape[2]
    if n_channels == 4:
        pixels, lowest_alpha = over_white(pixels)
        notes += ["alpha over white"] if lowest_alpha < 255 else []
    elif n_channels == 1:
        pixels = np.repeat(pixels, 3, axis=2)
        notes.append("grey to RGB")
    # The caller may go on writing into the array.
    return Picture(np.array(pixels, order="C"), name=name, notes=tuple(notes))


def to_bytes(values: np.ndarray, where: str) -> tuple[np.ndarray, list[str]]:
    """Values as uint8 of the same shape, and what was changed."""
    if values.dtype == np.uint8:
        return values, []
    if values.dtype == np.uint16:
        return (values >> 8).astype(np.uint8), ["16 bits a channel cut to 8"]
    if values.dtype.kind != "f":
        raise InputError(
            message(
                f"{where} has dtype {values.dtype}.",
                _PIXELS,
                "Convert it, for example with .astype('uint8').",
            )
        )
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(
            message(
                f"{where} holds NaN or infinite values.",
                _PIXELS,
                "Find where they come from, or replace them with numpy.nan_to_num.",
            )
        )
    if low < -_SLACK or high > 1 + _SLACK:
        if low >= 0 and 2 < high <= 255:
            looks, scale = "like 8-bit pixels stored as floats", " (divide by 255)"
        else:
            looks, scale = "already normalised", ""
        raise InputError(
            message(
                f"{where} has values from {low:.4g} to {high:.4g}, so it looks {looks}.",
                "Pass preprocess=False to use it as it is, or give pixels: "
                f"uint8 0..255 or float 0..1{scale}.",
            )
        )
    scaled = np.clip(values.astype(np.promote_types(values.dtype, np.float32)), 0, 1) * 255
    return np.rint(scaled).astype(np.uint8), []


def over_white(rgba: UInt8[np.ndarray, "H W 4"]) -> tuple[UInt8[np.ndarray, "H W 3"], int]:
    """Lay a picture on white, 255 - (255 - c) * alpha / 255 rounded, and tell its lowest alpha."""
    alpha = rgba[:, :, 3:]
    lowest = int(alpha.min())
    if lowest == 255:
        return rgba[:, :, :3], lowest
    ink = (~rgba[:, :, :3]).astype(np.uint16)
    ink *= alpha
    # Division by 255 with rounding, exact up to 255 * 255, in the two shifts that fixed-point code uses.
    ink += 128
    ink += ink >> 8
    ink >>= 8
    return ~ink.astype(np.uint8), lowest


def check_size(size: tuple[int, ...], where: str, max_pixels: int, cost: int = 1) -> None:
    """Refuse (height, width) without pixels or with too many; `cost` is how often each pixel counts."""
    height, width = size
    if height < 1 or width < 1:
        raise InputError(
            message(
                f"{where} has {width}x{height} pixels.",
                "A picture has at least one.",
                "Check how it was made.",
            )
        )
    if height * width * cost > max_pixels:
        counted = " (a WEBP pixel counts twice, as it takes twice the memory)" if cost > 1 else ""
        raise InputError(
            message(
                f"{where} has {width}x{height} pixels, {height * width / 1e6:.4g} million.",
                f"The limit is {max_pixels / 1e6:.4g} million{counted}.",
                f"Shrink it, or pass max_pixels={height * width * cost} to read_images.",
            )
        )


def _channels_last(array: np.ndarray, where: str) -> np.ndarray:
    shape = array.shape
    if array.ndim == 2:
        return array[:, :, None]
    if array.ndim != 3:
        raise InputError(
            message(
                f"{where} has shape {shape}.",
                "A picture has 2 axes (grey) or 3 (colour), a batch 4.",
                "Pass one picture, a batch of them, or a list.",
            )
        )
    first, last = shape[0] in _CHANNELS, shape[2] in _CHANNELS
    if first and last:
        raise InputError(
            message(
                f"{where} has shape {shape}, which fits two layouts: {shape[1]}x{shape[0]} pixels with channels "
                f"last, or {shape[2]}x{shape[1]} with channels first.",
                "Only one of the first and the last axis may have 1, 3 or 4 entries.",
                "Pass a PIL.Image, or seewhy.Picture(pixels) with uint8 pixels (height, width, 3).",
            )
        )
    if not (first or last):
        raise InputError(
            message(
                f"{where} has shape {shape}, without an axis of 1, 3 or 4 channels.",
                _PIXELS,
                "For a batch of grey pictures add an axis: array[:, None] or array[..., None].",
            )
        )
    return np.moveaxis(array, 0, 2) if first else array
