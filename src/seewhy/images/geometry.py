"""Where a point of the original picture lies in the model's input, and the way back.

Every resize, crop and pad of a classifier's preprocessing is one axis-aligned affine map, so it is kept as a
matrix and a region map can be laid on the original, uncropped picture. Coordinates are continuous: pixel i
covers [i, i + 1) and its centre is i + 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from seewhy.errors import InputError, message
from seewhy.types import Box, Size


@dataclass(frozen=True)
class Geometry:
    """The map from a picture of size `original` to a model input of size `model`, both (height, width).

    A point (x, y) of the picture lies at (sx * x + tx, sy * y + ty) of the input. Scales may not be zero;
    negative ones are flips.
    """

    original: Size
    model: Size
    sx: float
    sy: float
    tx: float
    ty: float

    def __post_init__(self) -> None:
        if self.sx == 0 or self.sy == 0 or min(*self.original, *self.model) < 1:
            raise InputError(
                message(
                    f"The geometry {self} has a zero scale or an empty size.",
                    "Scales are not zero and sizes are at least 1x1.",
                    "Check the size and resize of the preprocessing.",
                )
            )

    @classmethod
    def stretch(cls, original: Size, model: Size) -> Geometry:
        """The whole picture stretched to the input, aspect ignored."""
        return cls(original, model, model[1] / original[1], model[0] / original[0], 0.0, 0.0)

    @property
    def matrix(self) -> list[list[float]]:
        """[[sx, 0, tx], [0, sy, ty]]."""
        return [[self.sx, 0.0, self.tx], [0.0, self.sy, self.ty]]

    @classmethod
    def from_matrix(cls, original: Size, model: Size, matrix: list[list[float]]) -> Geometry:
        """Inverse of `matrix`."""
        (sx, _, tx), (_, sy, ty) = matrix
        return cls(original, model, sx, sy, tx, ty)

    def box_to_model(self, box: Box) -> Box:
        """A box of the picture, in input coordinates (ordered)."""
        x = sorted((self.sx * box[0] + self.tx, self.sx * box[2] + self.tx))
        y = sorted((self.sy * box[1] + self.ty, self.sy * box[3] + self.ty))
        return x[0], y[0], x[1], y[1]

    def box_to_original(self, box: Box) -> Box:
        """A box of the input, in picture coordinates (ordered, not clipped)."""
        x = sorted(((box[0] - self.tx) / self.sx, (box[2] - self.tx) / self.sx))
        y = sorted(((box[1] - self.ty) / self.sy, (box[3] - self.ty) / self.sy))
        return x[0], y[0], x[1], y[1]

    @property
    def seen_box(self) -> Box:
        """The part of the picture that the model sees, in picture pixels."""
        x0, y0, x1, y1 = self.box_to_original((0, 0, self.model[1], self.model[0]))
        height, width = self.original
        return max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))

    def seen(self, size: Size | None = None) -> Bool[np.ndarray, "H W"]:
        """Which pixels of the picture (drawn at `size`, default its own) have their centre in the input."""
        inside = [
            (at >= 0) & (at <= extent) for at, extent in zip(self._centres(size), self.model, strict=True)
        ]
        return inside[0][:, None] & inside[1][None, :]

    def place(self, map_hw: Float[np.ndarray, "h w"], size: Size | None = None) -> Float[np.ndarray, "H W"]:
        """Lay a map of the feature grid on the picture, bilinearly; NaN where the model saw nothing.

        A map cell (i, j) of an (h, w) grid covers the input rows [i, i + 1) * H / h. Values between cell
        centres are interpolated, values beyond the outermost centres repeat the edge (the convention of
        `align_corners=False`). `size` draws a picture of another resolution, such as a thumbnail.
        """
        rows, columns = (
            _bilinear(at / extent * n, n)
            for at, extent, n in zip(self._centres(size), self.model, map_hw.shape, strict=True)
        )
        placed: np.ndarray = (rows @ map_hw.astype(np.float64) @ columns.T).astype(np.float32)
        placed[~self.seen(size)] = np.nan
        return placed

    def cell_weights(self, mask: Float[np.ndarray, "H W"], grid: Size) -> Float[np.ndarray, "h w"]:
        """Share of each cell's area covered by `mask` (weights 0 to 1 on the picture's pixels)."""
        rows, columns = (
            _overlap(scale, shift, n_pixels, extent, n_cells)
            for scale, shift, n_pixels, extent, n_cells in (
                (self.sy, self.ty, self.original[0], self.model[0], grid[0]),
                (self.sx, self.tx, self.original[1], self.model[1], grid[1]),
            )
        )
        shares: np.ndarray = np.clip(rows @ mask.astype(np.float64) @ columns.T, 0.0, 1.0)
        return shares

    def _centres(self, size: Size | None) -> tuple[np.ndarray, np.ndarray]:
        """Input (y, x) coordinates of the pixel centres of the picture drawn at `size`."""
        height, width = size or self.original
        y = (np.arange(height) + 0.5) * (self.original[0] / height)
        x = (np.arange(width) + 0.5) * (self.original[1] / width)
        return self.sy * y + self.ty, self.sx * x + self.tx


def _bilinear(at: np.ndarray, n: int) -> np.ndarray:
    """Interpolation matrix (points, n) for positions `at` measured in cells from the grid's edge."""
    position = np.clip(at - 0.5, 0.0, n - 1.0)
    low = np.minimum(position.astype(int), max(n - 2, 0))
    fraction = position - low
    matrix = np.zeros((len(at), n))
    index = np.arange(len(at))
    matrix[index, low] += 1 - fraction
    matrix[index, np.minimum(low + 1, n - 1)] += fraction
    return matrix


def _overlap(scale: float, shift: float, n_pixels: int, extent: int, n_cells: int) -> np.ndarray:
    """Share of each cell (rows) covered by each picture pixel (columns), along one axis."""
    edges = (np.arange(n_pixels + 1) * scale + shift) * (n_cells / extent)
    low, high = np.minimum(edges[:-1], edges[1:]), np.maximum(edges[:-1], edges[1:])
    cells = np.arange(n_cells)[:, None]
    overlap: np.ndarray = np.maximum(np.minimum(high, cells + 1) - np.maximum(low, cells), 0.0)
    return overlap
