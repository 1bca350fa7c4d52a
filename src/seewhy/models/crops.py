"""Square pieces of pictures: what concepts are fitted on in the paper, and what a concept is shown by.

Fel et al., CVPR 2023 (arXiv 2211.10154), section 3.1: crops on a regular grid, a stride of 0.8 sides, enlarged
bilinearly to the input; what the grid leaves over at the right and the bottom is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from seewhy.attribution.engine import Engine
from seewhy.backbones.base import Backbone, FeatureLayer
from seewhy.errors import InputError, NotSupported, message
from seewhy.models.concept_net import features_of
from seewhy.models.survey import Seen, Survey
from seewhy.types import Box, Size

CROP = 2 / 7
"""Side of a crop as a share of the input's shorter side: 64 pixels of 224."""


@dataclass(frozen=True, eq=False)
class Crop:
    """A piece of a picture in which a concept is strong.

    Attributes
    ----------
    picture
        Index in the survey.
    name
        Of the picture.
    box
        (x0, y0, x1, y1) in pixels of the original picture, inside it.
    strength
        The concept's code at its strongest cell there.
    pixels
        The piece, from the picture's thumbnail.
    """

    picture: int
    name: str
    box: Box
    strength: float
    pixels: UInt8[np.ndarray, "H W 3"]


def crop_features(
    data: Survey, members: Int64[np.ndarray, " n"], side: int | None, overlap: float, *, native: bool
) -> Float[Tensor, "n c"]:
    """Mean features of the crops of some pictures, a row each, picture by picture.

    Raises
    ------
    InputError
        If a crop is larger than the input.
    NotSupported
        If crops of their own size were asked for and the network does not take them.
    """
    backbone, size = data.backbone, data.backbone.input_size
    side = side_of(size, side)
    seen = (side, side) if native else size
    if native:
        _try_native(backbone, data.split.layer, seen)
    engine = Engine.for_device(backbone.device, size=seen)
    rows: list[Tensor] = []
    for start in range(0, len(members), 16):
        pictures = [data.seen[int(i)].picture() for i in members[start : start + 16]]
        crops = crops_of(backbone.tensor(pictures).x, side, overlap)

        def work(first: int, last: int, crops: Tensor = crops) -> None:
            x = crops[first:last]
            if native:
                features = features_of(backbone.module, data.split.layer, x)
            else:
                x = nn.functional.interpolate(x, size=seen, mode="bilinear", align_corners=False)
                features = data.split.cut(x).features
            rows.append(features.float().mean((2, 3)).cpu())

        with backbone.undisturbed(), torch.no_grad():
            engine.run(len(crops), work)
    return torch.cat(rows)


def _try_native(backbone: Backbone, layer: FeatureLayer, seen: Size) -> None:
    try:
        with backbone.undisturbed(), torch.no_grad():
            features_of(backbone.module, layer, backbone.probe(seen).inputs)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # the network's own, whatever it is
        said = (str(error).strip().splitlines() or [""])[0]
        raise NotSupported(
            message(
                f"{backbone.name} does not take crops of {seen[0]} x {seen[1]} pixels "
                f"({type(error).__name__}: {said:.120}).",
                "Crops of their own size need a network that takes any size.",
                "Pass native=False to enlarge them, or fit_on='locations'.",
            )
        ) from error


def side_of(size: Size, side: int | None) -> int:
    """The side of the crops of an input of `size`. InputError if they do not fit into it."""
    side = max(1, round(CROP * min(size))) if side is None else side
    if side > min(size):
        raise InputError(
            message(
                f"The crop's side is {side} pixels and the input {size[0]} x {size[1]}.",
                "A crop lies inside the input.",
                "Pass a smaller crop.",
            )
        )
    return side


def crops_of(x: Float[Tensor, "b c H W"], side: int, overlap: float) -> Float[Tensor, "n c s s"]:
    """All crops of a regular grid, row by row, picture by picture; neighbours share `overlap` of a side."""
    stride = max(1, int(side * (1 - overlap) + 1e-9))  # 20 * (1 - 0.9) is a little under 2
    windows = x.unfold(2, side, stride).unfold(3, side, stride)
    b, c, rows, columns = windows.shape[:4]
    return windows.permute(0, 2, 3, 1, 4, 5).reshape(b * rows * columns, c, side, side)


def best_crops(
    data: Survey,
    maps: Float[np.ndarray, "n h w"],
    pictures: Int64[np.ndarray, " n"],
    *,
    n: int = 10,
    side: float = CROP,
) -> tuple[Crop, ...]:
    """The pieces around the strongest cells of a concept, one a picture, strongest first.

    Parameters
    ----------
    maps
        The concept's codes in `pictures`, which are indices in the survey.
    n
        At most so many; pictures where the concept is nowhere positive give none.
    side
        Of a piece, as a share of the input's shorter side.
    """
    peaks = maps.reshape(len(maps), -1).max(1)
    order = [int(i) for i in np.argsort(-peaks, kind="stable")[:n] if peaks[i] > 0]
    grid = maps.shape[1], maps.shape[2]
    found = []
    for i in order:
        seen = data.seen[int(pictures[i])]
        row, column = np.unravel_index(int(maps[i].argmax()), grid)
        box = box_around(seen, (int(row), int(column)), grid, side)
        found.append(Crop(int(pictures[i]), seen.name, box, float(peaks[i]), cut_out(seen, box)))
    return tuple(found)


def box_around(seen: Seen, cell: tuple[int, int], grid: Size, side: float) -> Box:
    """A square of `side` around a cell's centre in pixels of the picture, moved into what the network saw of it.

    It is cut where the picture is narrower than the square in the input, as between wide margins.
    """
    height, width = seen.geometry.model
    rows, columns = seen.geometry.original
    length = max(side * min(height, width), height / grid[0], width / grid[1])
    length = min(length, height, width)
    left, top, right, bottom = seen.geometry.box_to_model((0.0, 0.0, float(columns), float(rows)))
    x0, x1 = _inside((cell[1] + 0.5) * width / grid[1], length, max(left, 0.0), min(right, float(width)))
    y0, y1 = _inside((cell[0] + 0.5) * height / grid[0], length, max(top, 0.0), min(bottom, float(height)))
    x0, y0, x1, y1 = seen.geometry.box_to_original((x0, y0, x1, y1))
    return max(x0, 0.0), max(y0, 0.0), min(x1, float(columns)), min(y1, float(rows))


def _inside(centre: float, length: float, low: float, high: float) -> tuple[float, float]:
    """A span of `length` around `centre`, moved into [low, high], no longer than that."""
    length = min(length, high - low)
    start = min(max(centre - length / 2, low), high - length)
    return start, start + length


def cut_out(seen: Seen, box: Box) -> UInt8[np.ndarray, "H W 3"]:
    """A box of the picture, from its thumbnail; at least one pixel."""
    (rows, columns), (height, width) = seen.geometry.original, seen.thumbnail.shape[:2]
    x0, x1 = (int(round(v * width / columns)) for v in (box[0], box[2]))
    y0, y1 = (int(round(v * height / rows)) for v in (box[1], box[3]))
    x0, y0 = min(max(x0, 0), width - 1), min(max(y0, 0), height - 1)
    return seen.thumbnail[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
