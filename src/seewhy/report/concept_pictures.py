"""Pictures of the concepts of one class: crops, whole pictures with their box, regions, and the mean map.

A region is drawn on one scale for all pictures of the class, and only where the concept is stronger than in nine
tenths of all their cells: where a concept is absent nothing is painted, so a picture without it looks plain.

    limit = 99.5th percentile of |code| over all cells,   painted where |code| >= 90th percentile          (1)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, UInt8

from seewhy.audit.audit import Audit
from seewhy.images.picture import Picture
from seewhy.models.class_report import ClassReport, ConceptSummary
from seewhy.models.crops import Crop
from seewhy.report.picture_store import Kept, PictureStore, shown
from seewhy.types import Box, Size
from seewhy.visualise.colours import SMALLEST, Scale
from seewhy.visualise.overlay import OPACITY, display_size, overlay, picture_at

CROP_SIDE, WHOLE_SIDE, EXAMPLE_SIDE = 96, 176, 96
LIMIT_QUANTILE, PAINTED_QUANTILE = 0.995, 0.9


Placed = Callable[[np.ndarray, Size], np.ndarray]


@dataclass(frozen=True)
class Detail:
    """How much is shown of each concept: its best crops, and pictures with its region."""

    crops: int
    regions: int


class ConceptPictures:
    """Draws the concepts of one class into a store.

    Parameters
    ----------
    audit, report
        The audit and the class.
    store
        Where the pixels go.
    """

    def __init__(self, audit: Audit, report: ClassReport, store: PictureStore) -> None:
        self.data, self.report, self.store = audit.craft.survey, report, store
        self._scales: dict[int, tuple[Scale, float]] = {}
        self._dictionary = audit.craft.group_of(report.index).dictionary

    @cached_property
    def maps(self) -> Float[np.ndarray, "n k h w"]:
        """Codes of the class's pictures."""
        pictures = self.report.pictures
        found = [
            self._dictionary.maps(self.data.features[torch.from_numpy(pictures[start : start + 256])]).cpu()
            for start in range(0, len(pictures), 256)
        ]
        codes: np.ndarray = torch.cat(found).numpy()
        return codes

    def crops(self, concept: ConceptSummary, most: int) -> str:
        """The best crops, strongest first, each with the name of its picture."""
        items = "".join(f"<li>{self._crop(crop)}</li>" for crop in concept.crops[:most])
        if not items:
            return '<p class="quiet">It is strong in no picture.</p>' if most else ""
        return f'<ul class="crops" aria-label="Crops where it is strongest">{items}</ul>'

    def whole(self, crop: Crop) -> str:
        """The picture of a crop with the crop's box."""
        seen = self.data.seen[crop.picture]
        kept = self.store.keep(seen.thumbnail, WHOLE_SIDE)
        box = _box(crop.box, seen.geometry.original, kept)
        return shown(kept, f"{seen.name}, the crop in its box", kind="whole", over=box)

    def region(self, concept: ConceptSummary, position: int) -> str:
        """The region of a concept in the class's picture number `position`."""
        seen = self.data.seen[int(self.report.pictures[position])]
        codes = self.maps[:, concept.index]
        pixels, there = painted(
            seen.thumbnail, seen.geometry.place, codes[position], *self._scale(concept.index)
        )
        words = f"{seen.name}, region of {concept.name}" if there else f"{seen.name}, no region: it is absent"
        return shown(self.store.keep(pixels, WHOLE_SIDE, quality=72), words, kind="whole")

    def position_of(self, crop: Crop) -> int:
        """Which of the class's pictures a crop is from."""
        return int(np.flatnonzero(self.report.pictures == crop.picture)[0])

    def spread(self, concept: ConceptSummary) -> dict[str, int]:
        """The pictures in which a concept is strongest, middling and weakest by its mean code."""
        order = np.argsort(-self.maps[:, concept.index].mean((1, 2), dtype=np.float64), kind="stable")
        places = {"strongest": 0, "middle": len(order) // 2, "weakest": len(order) - 1}
        found: dict[str, int] = {}
        for words, place in places.items():
            if int(order[place]) not in found.values():
                found[words] = int(order[place])
        return found

    def mean_map(self, concept: ConceptSummary) -> str:
        """The mean code at each cell of the grid, on its own scale."""
        values = np.asarray(concept.mean_map, np.float64)
        peak = float(np.abs(values).max())
        scale = Scale(peak if peak > SMALLEST else 1.0, signed=bool(values.min() < 0))
        kept = self.store.keep(np.floor(scale.colours(values) + 0.5).astype(np.uint8), 512)
        height, width = kept.size
        lines = "".join(f"M0 {i}H{width}" for i in range(1, height))
        lines += "".join(f"M{j} 0V{height}" for j in range(1, width))
        grid = f'<path class="cells" d="{lines}"/>' if lines else ""
        return shown(kept, f"Mean map of {concept.name}", kind="whole grid", over=grid)

    def example(self, picture: int) -> str:
        """A small picture of the survey."""
        seen = self.data.seen[picture]
        return shown(self.store.keep(seen.thumbnail, EXAMPLE_SIDE), seen.name, kind="crop")

    def _scale(self, concept: int) -> tuple[Scale, float]:
        if concept not in self._scales:
            self._scales[concept] = region_scale(self.maps[:, concept])
        return self._scales[concept]

    def _crop(self, crop: Crop) -> str:
        return shown(self.store.keep(crop.pixels, CROP_SIDE), crop.name, kind="crop")


def region_scale(codes: Float[np.ndarray, "n h w"]) -> tuple[Scale, float]:
    """(1) of a concept's codes in all pictures: the colours' scale, and the least |code| that is painted.

    A concept in so few cells that the percentiles are zero is drawn up to its largest code, wherever it is.
    """
    size = np.abs(codes)
    limit, least = (float(value) for value in np.quantile(size, (LIMIT_QUANTILE, PAINTED_QUANTILE)))
    if limit <= SMALLEST:
        limit = max(float(size.max()), 2 * SMALLEST)
    return Scale(limit, signed=bool(codes.min() < 0)), max(least, SMALLEST)


def painted(
    thumbnail: UInt8[np.ndarray, "H W 3"],
    placed: Placed,
    codes: Float[np.ndarray, "h w"],
    scale: Scale,
    least: float,
) -> tuple[UInt8[np.ndarray, "H W 3"], bool]:
    """A picture with the region of a concept on it, and whether anything was painted.

    `placed` lays a map of the grid on the picture drawn at a size, as `Geometry.place`; small pictures are
    enlarged by a whole number so that the region keeps its shape.
    """
    height, width = thumbnail.shape[:2]
    size = display_size((height, width), longest=WHOLE_SIDE, shortest=WHOLE_SIDE // 2)
    values = placed(codes, size)
    # Unseen places are NaN, smaller than nothing, and stay so: they are hatched.
    values = np.where(np.abs(values) < least, 0.0, values).astype(np.float32)
    drawn = overlay(picture_at(Picture(thumbnail), size), values, scale, opacity=OPACITY)
    return drawn, bool((np.nan_to_num(scale.strength(values), nan=0.0) > 0).any())


def _box(box: Box, original: tuple[int, int], kept: Kept) -> str:
    """A box of the original picture, drawn on a kept one: light on dark, seen on any ground."""
    down, across = kept.size[0] / original[0], kept.size[1] / original[1]
    x0, y0, x1, y1 = box[0] * across, box[1] * down, box[2] * across, box[3] * down
    place = f'x="{x0:.2f}" y="{y0:.2f}" width="{x1 - x0:.2f}" height="{y1 - y0:.2f}"'
    return f'<rect class="box under" {place}/><rect class="box" {place}/>'
