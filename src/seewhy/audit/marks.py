"""A mark to paint into a picture: a tag, a corner patch, a coloured border, or a picture of one's own.

A mark is placed inside what the model sees of the picture, so that no centre crop cuts it away, and is sized by
that part: the same mark looks the same to the model on every picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from seewhy.errors import InputError, UnknownName, did_you_mean, message
from seewhy.images.picture import Picture
from seewhy.images.read import read_images
from seewhy.types import Box, Size

Shape = Literal["tag", "patch", "border", "picture"]
Place = Literal["top_left", "top_right", "bottom_left", "bottom_right", "centre"]
WholeBox = tuple[int, int, int, int]

DEFAULT_SIZES: dict[str, float] = {"tag": 0.2, "patch": 0.2, "border": 0.08, "picture": 0.25}
"""A tag of 0.2 was about the smallest that a linear layer on frozen features of a CIFAR ResNet-20 learned."""

REACH = 0.5
"""A cell of a feature map sees beyond its own pixels, so a map may show the mark this much around it, in units of
the mark's own size."""


@dataclass(frozen=True, eq=False)
class Mark:
    """What to paint, how large and where.

    Parameters
    ----------
    shape
        "tag": a plain square, a quarter of its side away from the edges, like a sticker; "patch": the
        same right in the corner; "border": a plain frame around what the model sees; "picture": your own.
    size
        Side of the square (longer side of a picture, width of a border), as a share of the shorter side of what
        the model sees, below 0.5 (of a border 0.25). Default 0.2, of a border 0.08, of a picture 0.25.
    place
        Which corner, or "centre". A border is all around.
    colour
        (red, green, blue), 0 to 255.
    picture
        Your own mark: a path, a PIL image or a uint8 array (height, width, 3 or 4); what is transparent there
        is not painted. Sets `shape` to "picture".
    """

    shape: Shape = "tag"
    size: float | None = None
    place: Place = "bottom_right"
    colour: tuple[int, int, int] = (255, 0, 255)
    picture: Any = None

    def __post_init__(self) -> None:
        if self.picture is not None:
            object.__setattr__(self, "shape", "picture")
            object.__setattr__(self, "picture", _read_mark(self.picture))
        for name, value, valid in (
            ("mark", self.shape, get_args(Shape)),
            ("place", self.place, get_args(Place)),
        ):
            if value not in valid:
                raise UnknownName(
                    message(
                        f"{name} is {value!r}.",
                        f"It is one of {', '.join(valid)}. {did_you_mean(str(value), valid)}",
                        "Pass one of these, or a picture of your own as Mark(picture=...).",
                    )
                )
        if self.shape == "picture" and self.picture is None:
            raise InputError(
                message(
                    "The mark is a picture, but none was given.",
                    "A mark of that shape is your own picture.",
                    "Pass Mark(picture='sticker.png').",
                )
            )
        size = DEFAULT_SIZES[self.shape] if self.size is None else self.size
        limit = 0.25 if self.shape == "border" else 0.5
        if isinstance(size, bool) or not isinstance(size, int | float) or not 0 < size < limit:
            raise InputError(
                message(
                    f"The mark has size {size!r}{', larger than the picture' * _exceeds(size)}.",
                    f"The size of a {self.shape} is a share of the shorter side, above 0 and below {limit:g}: most "
                    "of the picture must be left to compare with.",
                    f"Pass size={DEFAULT_SIZES[self.shape]}.",
                )
            )
        object.__setattr__(self, "size", float(size))
        colour = tuple(self.colour)
        if len(colour) != 3 or not all(isinstance(c, int) and 0 <= c <= 255 for c in colour):
            raise InputError(
                message(
                    f"colour is {self.colour!r}.",
                    "It is (red, green, blue), whole numbers from 0 to 255.",
                    "Pass colour=(255, 0, 255).",
                )
            )

    def paint(self, picture: Picture, seen: Box) -> tuple[Picture, Box]:
        """A copy of the picture with the mark, and the box that encloses it.

        Parameters
        ----------
        seen
            The part of the picture that the model sees (`Geometry.seen_box`).

        Raises
        ------
        InputError
            If the mark would be smaller than a pixel.
        """
        x0, y0, x1, y1 = box = self._box(seen)
        pixels = picture.pixels.copy()
        if self.shape == "border":
            side = self._side(seen)
            inner = pixels[y0 + side : y1 - side, x0 + side : x1 - side].copy()
            pixels[y0:y1, x0:x1] = self.colour
            pixels[y0 + side : y1 - side, x0 + side : x1 - side] = inner
        else:
            _blend(pixels, self._stamp(y1 - y0, x1 - x0), box)
        note = f"a mark ({self.shape}) was painted at x {x0} to {x1}, y {y0} to {y1}"
        # A new picture: no path and no kept hash, for these pixels are in no file.
        painted = Picture(
            pixels, f"{picture.name} with mark", notes=(*picture.notes, note), label=picture.label
        )
        return painted, (float(x0), float(y0), float(x1), float(y1))

    def region(self, size: Size, seen: Box) -> Float[np.ndarray, "H W"]:
        """Where a map may show the mark, 1 or 0 per pixel: the mark and `REACH` around it, of what the model sees."""
        left, top, right, bottom = _whole(seen)
        x0, y0, x1, y1 = self._box(seen)
        region = np.zeros(size)
        if self.shape == "border":
            grown = ceil(self._side(seen) * (1 + REACH))
            region[y0:y1, x0:x1] = 1.0
            region[y0 + grown : y1 - grown, x0 + grown : x1 - grown] = 0.0
        else:
            rim = round(REACH * max(y1 - y0, x1 - x0))
            region[max(y0 - rim, top) : min(y1 + rim, bottom), max(x0 - rim, left) : min(x1 + rim, right)] = (
                1.0
            )
        return region

    def describe(self) -> str:
        """'a tag of 0.2 of the shorter side, bottom right'."""
        where = "all around" if self.shape == "border" else self.place.replace("_", " ")
        return f"a {self.shape} of {self.size:g} of the shorter side, {where}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe; of an own picture only its size in pixels."""
        own = None if self.picture is None else [int(n) for n in self.picture.shape[:2]]
        return {
            "shape": self.shape,
            "size": self.size,
            "place": self.place,
            "colour": list(self.colour),
            "picture": own,
        }

    def _side(self, seen: Box) -> int:
        """Size in pixels."""
        x0, y0, x1, y1 = _whole(seen)
        assert self.size is not None
        side = round(self.size * min(x1 - x0, y1 - y0))
        if side < 1:
            raise InputError(
                message(
                    f"A mark of size {self.size:g} is less than a pixel of {x1 - x0} x {y1 - y0}, all that the model "
                    "sees of one picture.",
                    "It is at least one pixel.",
                    "Make the mark larger, or leave out pictures as small as that.",
                )
            )
        return side

    def _box(self, seen: Box) -> WholeBox:
        """What it covers, in whole pixels."""
        x0, y0, x1, y1 = _whole(seen)
        if self.shape == "border":
            return x0, y0, x1, y1
        height = width = side = self._side(seen)
        if self.picture is not None:
            rows, columns = self.picture.shape[:2]
            scale = side / max(rows, columns)
            height, width = max(1, round(rows * scale)), max(1, round(columns * scale))
        if self.place == "centre":
            left, top = (x0 + x1 - width) // 2, (y0 + y1 - height) // 2
        else:
            gap = 0 if self.shape == "patch" else round(side / 4)
            left = x0 + gap if self.place.endswith("left") else x1 - gap - width
            top = y0 + gap if self.place.startswith("top") else y1 - gap - height
        return left, top, left + width, top + height

    def _stamp(self, height: int, width: int) -> UInt8[np.ndarray, "s t 4"]:
        """The mark itself, as pixels with opacity."""
        if self.picture is not None:
            own = Image.fromarray(self.picture)
            return np.asarray(own.resize((width, height), Image.Resampling.BOX))
        stamp = np.full((height, width, 4), 255, np.uint8)
        stamp[..., :3] = self.colour
        return stamp


def as_mark(mark: Any) -> Mark:
    """A `Mark` from itself, from the name of a shape, or from a picture."""
    if isinstance(mark, Mark):
        return mark
    if isinstance(mark, str) and (mark in get_args(Shape) or "." not in mark):
        return Mark(mark)  # type: ignore[arg-type]  # a wrong name is refused there
    return Mark(picture=mark)


def _read_mark(picture: Any) -> UInt8[np.ndarray, "H W 4"]:
    """Pixels with opacity; everything but an array or PIL image is read as pictures are."""
    if isinstance(picture, np.ndarray):
        if (
            picture.ndim != 3
            or picture.shape[2] not in (3, 4)
            or picture.dtype != np.uint8
            or 0 in picture.shape
        ):
            raise InputError(
                message(
                    f"The mark's picture has shape {picture.shape} and dtype {picture.dtype}.",
                    "It is uint8 (height, width, 3 or 4), the fourth being opacity.",
                    "Convert it, or pass a path.",
                )
            )
        opaque = np.full((*picture.shape[:2], 1), 255, np.uint8)
        return picture.copy() if picture.shape[2] == 4 else np.concatenate([picture, opaque], axis=2)
    if isinstance(picture, Image.Image):
        return np.array(picture.convert("RGBA"))
    upright = read_images(picture)[0]  # says what is wrong with the file, if anything is
    if upright.path is not None:
        with Image.open(upright.path) as opened:
            return np.array(opened.convert("RGBA"))
    return _read_mark(upright.pixels)


def _exceeds(size: Any) -> bool:
    return isinstance(size, int | float) and size >= 1


def _whole(seen: Box) -> WholeBox:
    """The whole pixels of what the model sees."""
    return ceil(seen[0]), ceil(seen[1]), floor(seen[2]), floor(seen[3])


def _blend(pixels: UInt8[np.ndarray, "H W 3"], stamp: UInt8[np.ndarray, "s t 4"], box: WholeBox) -> None:
    x0, y0, x1, y1 = box
    opacity = stamp[..., 3:].astype(np.float64) / 255
    under = pixels[y0:y1, x0:x1].astype(np.float64)
    pixels[y0:y1, x0:x1] = np.rint(stamp[..., :3] * opacity + under * (1 - opacity)).astype(np.uint8)


__all__ = ["Mark", "as_mark"]
