"""A model's own preprocessing as data: resize, crop or pad, scale, normalise - and the geometry that it implies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from seewhy.errors import InputError, message
from seewhy.images.geometry import Geometry
from seewhy.images.picture import Picture
from seewhy.types import Size

if TYPE_CHECKING:
    import torch

Fit = Literal["crop", "stretch", "pad"]

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}


@dataclass(frozen=True)
class Preprocess:
    """From an upright RGB picture to the tensor that a model was trained on.

    Parameters
    ----------
    size
        (height, width) of the model's input in pixels; one number means a square.
    fit
        "crop": resize the short side to `resize`, then cut the centre (what most classifiers do);
        "stretch": resize to `size`, aspect ignored; "pad": resize the long side to fit, pad with `fill`.
    resize
        Short side in pixels before a crop (default: just large enough to fill `size`).
    interpolation
        "bilinear", "bicubic", "nearest", "lanczos", "box" or "hamming", as Pillow does them (antialiased).
    mean, std
        Per channel, of pixels scaled to 0..1.
    channels
        3, or 1 for a model of grey pictures (luma).
    bgr
        The model wants blue first.
    fill
        Grey level 0 to 1 of padding.
    source
        Where this recipe was found, in words; it is told with every result.
    """

    size: Size
    fit: Fit = "crop"
    resize: int | None = None
    interpolation: str = "bilinear"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    channels: int = 3
    bgr: bool = False
    fill: float = 0.0
    source: str = "given by the user"

    def __post_init__(self) -> None:
        size = (self.size, self.size) if isinstance(self.size, int) else tuple(int(s) for s in self.size)
        object.__setattr__(self, "size", size)
        for name in ("mean", "std"):
            values = getattr(self, name)
            values = tuple(values) if isinstance(values, Sequence) else (values,)
            object.__setattr__(self, name, tuple(float(v) for v in values) * (self.channels // len(values)))
        wrong = None
        if len(size) != 2 or min(size) < 1:
            wrong = f"size={self.size!r}", "Size is (height, width), at least 1 pixel each."
        elif self.fit not in ("crop", "stretch", "pad"):
            wrong = f"fit={self.fit!r}", "Fit is 'crop', 'stretch' or 'pad'."
        elif self.interpolation not in _FILTERS:
            wrong = f"interpolation={self.interpolation!r}", f"It is one of {', '.join(_FILTERS)}."
        elif self.channels not in (1, 3):
            wrong = f"channels={self.channels!r}", "Pictures have 1 or 3 channels."
        elif len(self.mean) != self.channels or len(self.std) != self.channels or 0 in self.std:
            wrong = f"mean={self.mean}, std={self.std}", f"Each holds {self.channels} numbers, std not 0."
        if wrong:
            raise InputError(
                message(f"Preprocess got {wrong[0]}.", wrong[1], "Take it from the training code.")
            )

    def __call__(self, picture: Picture) -> tuple[torch.Tensor, Geometry]:
        """The normalised (channels, height, width) float32 tensor, and where each pixel of it came from."""
        import torch

        image, geometry = self._fit_to_size(Image.fromarray(picture.pixels))
        if self.channels == 1:
            pixels = np.asarray(image.convert("L"), np.float32)[None] / 255
        else:
            pixels = np.asarray(image, np.float32).transpose(2, 0, 1) / 255
        if self.bgr:
            pixels = pixels[::-1]
        mean, std = (np.asarray(v, np.float32)[:, None, None] for v in (self.mean, self.std))
        return torch.from_numpy(np.ascontiguousarray((pixels - mean) / std)), geometry

    def describe(self) -> str:
        """One line for people: 'resize short side to 256 (bilinear), crop 224x224, mean ..., std ...'."""
        height, width = self.size
        how = {
            "crop": f"resize short side to {self._short_side()} ({self.interpolation}), crop {width}x{height}",
            "stretch": f"stretch to {width}x{height} ({self.interpolation})",
            "pad": f"fit into {width}x{height} ({self.interpolation}), pad",
        }[self.fit]
        mean, std = (", ".join(f"{v:.4g}" for v in values) for values in (self.mean, self.std))
        extra = (", grey" if self.channels == 1 else "") + (", blue first" if self.bgr else "")
        return f"{how}, mean {mean}, std {std}{extra}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe; `Preprocess(**d)` restores it."""
        return asdict(self)

    def blank(self) -> torch.Tensor:
        """A (channels, height, width) input of the mean colour: zero after normalisation."""
        import torch

        return torch.zeros(self.channels, *self.size)

    def _short_side(self) -> int:
        return self.resize or max(self.size)

    def _fit_to_size(self, image: Image.Image) -> tuple[Image.Image, Geometry]:
        original = image.height, image.width
        if self.fit == "stretch":
            return self._resized(image, self.size), Geometry.stretch(original, self.size)
        if self.fit == "pad":
            scale = min(self.size[0] / original[0], self.size[1] / original[1])
            inner = (max(1, round(original[0] * scale)), max(1, round(original[1] * scale)))
        else:
            inner = _short_side_to(original, self._short_side())
        image = self._resized(image, inner)
        # The same rounding as torchvision's CenterCrop, which also pads when the crop is larger.
        top, left = (int(round((have - want) / 2.0)) for have, want in zip(inner, self.size, strict=True))
        if self.fit == "pad":
            top, left = ((have - want) // 2 for have, want in zip(inner, self.size, strict=True))
        canvas = Image.new(image.mode, (self.size[1], self.size[0]), (round(self.fill * 255),) * 3)
        canvas.paste(image, (-left, -top))
        sy, sx = inner[0] / original[0], inner[1] / original[1]
        return canvas, Geometry(original, self.size, sx, sy, -float(left), -float(top))

    def _resized(self, image: Image.Image, size: Size) -> Image.Image:
        if (image.height, image.width) == size:
            return image
        return image.resize((size[1], size[0]), _FILTERS[self.interpolation])


def _short_side_to(size: Size, short: int) -> Size:
    """The size after resizing the short side to `short`; the long side is cut to whole pixels (torchvision)."""
    height, width = size
    if height <= width:
        return short, max(1, int(short * width / height))
    return max(1, int(short * height / width)), short
