"""From the bytes of one file, or an open Pillow picture, to upright RGB pixels.

Files are stripped by `containers` first; whatever a decoder throws on damaged data becomes an InputError that
names the file.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from seewhy.errors import InputError, message
from seewhy.images.arrays import check_size, over_white, to_bytes
from seewhy.images.containers import Container, Unreadable, open_container, orientation
from seewhy.images.picture import Picture

MAX_FILE_BYTES = 128_000_000
"""Larger files are not read at all; a dense 50 Mpx photograph takes less."""

# The classes are called directly: Image.open would warn about large pictures and look into MPO directories.
_DECODERS: dict[str, Callable[[io.BytesIO], Image.Image]] = {
    "PNG": PngImageFile,
    "JPEG": JpegImageFile,
    "WEBP": WebPImageFile,
}
# Decoding WEBP takes twice the time and memory of the others (its library keeps two RGBA canvases).
_COST = {"PNG": 1, "JPEG": 1, "WEBP": 2}
# Every scan of a progressive JPEG visits all pixels; real ones have about ten.
_MAX_SCANS = 20
# What JPEG can say at most; decoders take long over many tiny rows.
_MAX_SIDE = 65_535
_TILE_PIXELS = 1 << 18

_GREY_16 = ("I;16", "I;16L", "I;16B", "I;16N")
_CHANGED = {
    "1": "black and white to RGB",
    "L": "grey to RGB",
    "LA": "grey to RGB",
    "La": "grey to RGB",
    "P": "palette to RGB",
    "PA": "palette to RGB",
    "CMYK": "CMYK to RGB without a colour profile",
}

_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


def decode(
    data: bytes, *, name: str, where: str, max_pixels: int, path: Path | None = None, label: str | None = None
) -> Picture:
    """Decode a PNG, JPEG or WEBP file.

    Parameters
    ----------
    data
        The whole file.
    name, path, label
        Of the Picture.
    where
        What error messages call it.
    max_pixels
        Refuse larger pictures, before decoding. A WEBP counts twice, see `_COST`.

    Raises
    ------
    InputError
        If it is not one of the three formats, damaged, cut short or too large.

    Notes
    -----
    Time and memory grow with pixels and file size only: metadata and later frames are dropped first, and a
    JPEG may not visit its pixels more than 20 times as often as `max_pixels` would allow once.
    """
    if len(data) > MAX_FILE_BYTES:
        raise too_many_bytes(where, len(data))
    try:
        found = open_container(data)
    except Unreadable as error:
        raise _unusable(where, str(error)) from None
    _check_cost(found, where, max_pixels)
    image = _guarded(where, lambda: _decoded(found))
    pixels, notes = _guarded(where, lambda: _to_rgb(image, where))
    if found.n_frames > 1:
        notes.append(f"first of {found.n_frames} frames")
    return _turned(pixels, found.exif, name, path, [*found.notes, *notes], label)


def from_pil(image: Image.Image, *, name: str, where: str, max_pixels: int) -> Picture:
    """Take an open Pillow picture of any mode; of an animation the frame it stands at."""
    check_size((image.height, image.width), where, max_pixels)
    _guarded(where, image.load)
    pixels, notes = _guarded(where, lambda: _to_rgb(image, where))
    if getattr(image, "is_animated", False):
        notes.append(f"frame {image.tell()} of several")
    exif = image.info.get("exif")
    return _turned(pixels, exif if isinstance(exif, bytes) else b"", name, None, notes, None)


def too_many_bytes(where: str, n_bytes: int) -> InputError:
    """The error for a file that is too large to be read."""
    return InputError(
        message(
            f"{where} has {n_bytes / 1e6:.0f} MB.",
            f"Picture files may have up to {MAX_FILE_BYTES / 1e6:.0f} MB.",
            "Store it smaller, or open it with Pillow and pass the picture.",
        )
    )


def _check_cost(found: Container, where: str, max_pixels: int) -> None:
    check_size(found.size, where, max_pixels, cost=_COST[found.format])
    height, width = found.size
    if max(height, width) > _MAX_SIDE:
        raise _unusable(where, f"has {width}x{height} pixels, more than {_MAX_SIDE} along one side")
    if found.n_scans * height * width > _MAX_SCANS * max_pixels:
        raise _unusable(where, f"is suspect: it draws its {width}x{height} pixels {found.n_scans} times")


def _decoded(found: Container) -> Image.Image:
    image = _DECODERS[found.format](io.BytesIO(b"".join(found.body)))
    if (image.height, image.width) != found.size:
        raise ValueError("its parts declare different sizes")
    image.load()
    return image


def _guarded(where: str, step: Callable[[], Any]) -> Any:
    try:
        return step()
    except InputError:
        raise
    # Decoders of hostile bytes raise OSError, SyntaxError, ValueError, struct.error, EOFError, IndexError,
    # KeyError, TypeError, OverflowError, MemoryError and DecompressionBombError, depending on the version.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _unusable(where, f"cannot be decoded ({reason})") from error


def _unusable(where: str, why: str) -> InputError:
    return InputError(
        message(
            f"{where} {why}.",
            "Seewhy reads complete PNG, JPEG and WEBP files.",
            "Get the file again or convert it; a picture that Pillow can open may be passed as PIL.Image.",
        )
    )


def _to_rgb(image: Image.Image, where: str) -> tuple[UInt8[np.ndarray, "H W 3"], list[str]]:
    """RGB pixels and what was changed. Works tile by tile: 50 Mpx never stand in memory three times."""
    mode = image.mode
    transparent = image.info.get("transparency") if mode in ("1", "L", "P", "RGB", *_GREY_16) else None
    if mode in ("I", "F"):
        numbers = np.asarray(image)
        if mode == "I":
            numbers = _as_uint16(numbers, where)
        grey, notes = to_bytes(numbers, where)
        return np.repeat(grey[:, :, None], 3, axis=2), [*notes, "grey to RGB"]
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    lowest_alpha = 255
    for x0, y0, x1, y1 in _tiles(image.width, image.height):
        tile, target = image.crop((x0, y0, x1, y1)), pixels[y0:y1, x0:x1]
        if mode in _GREY_16:
            numbers = np.asarray(tile)
            target[:] = (numbers >> 8).astype(np.uint8)[:, :, None]
            if isinstance(transparent, int):
                target[numbers == transparent] = 255
                lowest_alpha = min(lowest_alpha, 0 if (numbers == transparent).any() else 255)
        elif mode in ("RGBA", "LA", "PA", "RGBa", "La") or transparent is not None:
            target[:], alpha = over_white(np.asarray(_as_rgba(tile)))
            lowest_alpha = min(lowest_alpha, alpha)
        else:
            target[:] = np.asarray(tile.convert("RGB"))
    return pixels, _notes_on(mode, lowest_alpha)


def _as_rgba(tile: Image.Image) -> Image.Image:
    if tile.mode == "La":  # Pillow has no direct way
        tile = tile.convert("LA")
    return tile if tile.mode == "RGBA" else tile.convert("RGBA")


def _notes_on(mode: str, lowest_alpha: int) -> list[str]:
    notes = ["alpha over white"] if lowest_alpha < 255 else []
    if mode in _GREY_16:
        return [*notes, "16-bit grey cut to 8 bits", "grey to RGB"]
    if mode in ("RGB", "RGBA", "RGBX", "RGBa"):
        return notes
    return [*notes, _CHANGED.get(mode, f"{mode} to RGB")]


def _as_uint16(numbers: np.ndarray, where: str) -> np.ndarray:
    low, high = int(numbers.min()), int(numbers.max())
    # Up to 255 it may as well be an 8-bit picture in a wide mode, which 16 bits would turn black.
    if low < 0 or high > 65535 or 0 < high <= 255:
        raise InputError(
            message(
                f"{where} is a Pillow picture of mode I with values from {low} to {high}.",
                "Whole-number grey pictures are read as 16 bits, with values from 256 to 65535 in them.",
                "Convert it to mode 'L' or 'I;16' first, or pass an array of floats 0..1.",
            )
        )
    return numbers.astype(np.uint16)


def _tiles(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    across = min(width, _TILE_PIXELS)
    down = max(1, _TILE_PIXELS // across)
    for y in range(0, height, down):
        for x in range(0, width, across):
            yield x, y, min(x + across, width), min(y + down, height)


def _turned(
    pixels: np.ndarray, exif: bytes, name: str, path: Path | None, notes: list[str], label: str | None
) -> Picture:
    turn = orientation(exif)
    if turn in _TURNS:
        pixels = np.ascontiguousarray(_TURNS[turn](pixels))
        notes = [f"turned upright by its EXIF tag ({turn})", *notes]
    return Picture(pixels, name=name, path=path, notes=tuple(dict.fromkeys(notes)), label=label)
