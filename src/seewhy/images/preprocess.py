"""A model's own preprocessing as data: resize, crop or pad, scale, normalise - and the geometry that it implies."""

from __future__ import annotations

import math
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
OddMargin = Literal["round", "floor"]

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}


@dataclass(frozen=True, init=False)
class Preprocess:
    """From an upright RGB picture to the tensor that a model was trained on.

    Parameters
    ----------
    size
        (height, width) of the model's input in pixels; one number means a square.
    fit
        "crop": keep the aspect and cover `resize`, then cut the centre (what most classifiers do);
        "stretch": resize to `resize`, aspect ignored, then cut the centre; "pad": keep the aspect and fit
        into `resize`, then pad with `fill` around the centre.
    resize
        What the picture is resized to first: one number is the short side for "crop" and a square otherwise;
        (height, width) is a frame to cover, to fill or to fit into. Default: `size`.
    interpolation
        "bilinear", "bicubic", "nearest", "lanczos", "box" or "hamming", as Pillow does them (antialiased).
    mean, std
        Per channel, of pixels scaled to 0..1; one number counts for all.
    channels
        3, or 1 for a model of grey pictures (luma).
    bgr
        The model wants blue first.
    fill
        Level of padding, 0 to 1, one grey or one number a channel.
    odd_margin
        Where a cut starts when the margin is an odd number of pixels: "round" to the even side, as torchvision
        and timm do, or "floor", as Hugging Face processors do.
    source
        Where this recipe was found, in words; it is told with every result.
    """

    size: Size
    fit: Fit
    resize: int | Size | None
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: int
    bgr: bool
    fill: float | tuple[float, ...]
    odd_margin: OddMargin
    source: str

    def __init__(  # written out because it takes more forms than the fields keep
        self,
        size: int | Sequence[int],
        fit: Fit = "crop",
        resize: int | Sequence[int] | None = None,
        interpolation: str = "bilinear",
        mean: float | Sequence[float] = (0.485, 0.456, 0.406),
        std: float | Sequence[float] = (0.229, 0.224, 0.225),
        channels: int = 3,
        bgr: bool = False,
        fill: float | Sequence[float] = 0.0,
        odd_margin: OddMargin = "round",
        source: str = "given by the user",
    ) -> None:
        size, resize, mean, std, fill = (_as_tuple(value) for value in (size, resize, mean, std, fill))
        values = {
            "size": (size, size) if isinstance(size, int) else size,
            "fit": fit,
            "resize": resize,
            "interpolation": interpolation,
            "mean": _per_channel(mean, channels),
            "std": _per_channel(std, channels),
            "channels": channels,
            "bgr": bgr,
            "fill": fill,
            "odd_margin": odd_margin,
            "source": source,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if wrong := self._wrong():
            raise InputError(
                message(f"Preprocess got {wrong[0]}.", wrong[1], "Take it from the training code.")
            )

    def _wrong(self) -> tuple[str, str] | None:
        """What is not as it must be, and how it must be."""
        n = self.channels
        fill = self.fill if isinstance(self.fill, tuple) else (self.fill,)
        if not (isinstance(self.size, tuple) and len(self.size) == 2 and _all_whole(self.size)):
            return f"size={self.size!r}", "Size is (height, width), at least 1 pixel each."
        if self.fit not in ("crop", "stretch", "pad"):
            return f"fit={self.fit!r}", "Fit is 'crop', 'stretch' or 'pad'."
        resize = self.resize if isinstance(self.resize, tuple) else (self.resize, self.resize)
        if self.resize is not None and not (len(resize) == 2 and _all_whole(resize)):
            return f"resize={self.resize!r}", "It is a number of pixels from 1, or (height, width)."
        if self.interpolation not in _FILTERS:
            return f"interpolation={self.interpolation!r}", f"It is one of {', '.join(_FILTERS)}."
        if self.odd_margin not in ("round", "floor"):
            return f"odd_margin={self.odd_margin!r}", "It is 'round' or 'floor'."
        if n not in (1, 3):
            return f"channels={n!r}", "Pictures have 1 or 3 channels."
        if not (_all_finite(self.mean, n) and _all_finite(self.std, n)) or 0 in self.std:
            return f"mean={self.mean}, std={self.std}", f"Each holds {n} number{'s' * (n > 1)}, std not 0."
        if not (_all_finite(fill, 1) or _all_finite(fill, 3)) or not 0 <= min(fill) <= max(fill) <= 1:
            return f"fill={self.fill!r}", "It is a level from 0 to 1, or three of them."
        return None

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
        frame_height, frame_width = self._frame
        how = {
            "crop": f"cover {frame_width}x{frame_height}",
            "stretch": f"stretch to {frame_width}x{frame_height}",
            "pad": f"fit into {frame_width}x{frame_height}",
        }[self.fit]
        if self.fit == "crop" and frame_height == frame_width:
            how = f"resize short side to {frame_height}"
        how += f" ({self.interpolation})"
        if self.fit != "stretch" or self._frame != self.size:
            how += f", {'pad to' if self.fit == 'pad' else 'crop'} {width}x{height}"
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

    @property
    def _frame(self) -> Size:
        """(height, width) that the resized picture covers, fills or fits into."""
        resize = self.resize or self.size
        return (resize, resize) if isinstance(resize, int) else resize

    def _fit_to_size(self, image: Image.Image) -> tuple[Image.Image, Geometry]:
        original = image.height, image.width
        inner = self._resized_size(original)
        if (image.height, image.width) != inner:
            image = image.resize((inner[1], inner[0]), _FILTERS[self.interpolation])
        top, left = (
            _offset(have, want, self.odd_margin) for have, want in zip(inner, self.size, strict=True)
        )
        fill = self.fill if isinstance(self.fill, tuple) else (self.fill,) * 3
        # Pillow takes the rounded level that the picture itself would have.
        canvas = Image.new("RGB", (self.size[1], self.size[0]), tuple(round(level * 255) for level in fill))
        canvas.paste(image, (-left, -top))
        sy, sx = inner[0] / original[0], inner[1] / original[1]
        return canvas, Geometry(original, self.size, sx, sy, -float(left), -float(top))

    def _resized_size(self, original: Size) -> Size:
        height, width = original
        frame = self._frame
        if self.fit == "stretch":
            return frame
        if self.fit == "crop" and frame[0] == frame[1]:
            # The long side is cut to whole pixels, as torchvision's Resize does.
            short = frame[0]
            if height <= width:
                return short, max(1, int(short * width / height))
            return max(1, int(short * height / width)), short
        # Both sides are rounded, as timm's ResizeKeepRatio does.
        ratios = height / frame[0], width / frame[1]
        ratio = min(ratios) if self.fit == "crop" else max(ratios)
        return max(1, round(height / ratio)), max(1, round(width / ratio))


def _offset(have: int, want: int, odd_margin: OddMargin) -> int:
    """Where the middle `want` of `have` pixels start; negative if padded (torchvision's CenterCrop rounding)."""
    if have < want:
        return -((want - have) // 2)
    return (have - want) // 2 if odd_margin == "floor" else round((have - want) / 2.0)


def _as_tuple(value: Any) -> Any:
    value = value.tolist() if hasattr(value, "tolist") else value  # arrays, tensors and their numbers
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _per_channel(values: Any, channels: int) -> Any:
    """One number stands for all channels. What is not numbers stays as it is, to be shown in the error."""
    values = values if isinstance(values, tuple) else (values,)
    if all(isinstance(v, int | float) for v in values):
        values = tuple(float(v) for v in values)
    return values * 3 if len(values) == 1 and channels == 3 else values


def _all_whole(values: tuple[Any, ...]) -> bool:
    return all(isinstance(v, int) and not isinstance(v, bool) and v >= 1 for v in values)


def _all_finite(values: tuple[Any, ...], n: int) -> bool:
    numbers = [v for v in values if isinstance(v, int | float) and math.isfinite(v)]
    return len(values) == len(numbers) == n
