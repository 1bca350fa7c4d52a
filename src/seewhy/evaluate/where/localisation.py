"""Does a map lie where the thing is? Energy, peak and rank metrics against masks of the scene.

r is the map on the mask's pixels, g the mask, r+ = max(r, 0), P the mask's pixels, N all, p = P / N:

EPG = sum r+ g / sum r+      corrected (EPG - p) / (1 - p)      RRA = |the P highest pixels in g| / P          (1)

NRA, VEA and the hit rate are in `nra` and can be had from here. Masks are never resized. The chance levels are for
maps that know nothing of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import distance_transform_edt

from seewhy.errors import InputError, message
from seewhy.evaluate.base import Metric, Values, chosen
from seewhy.evaluate.where import ranking
from seewhy.evaluate.where.map_metric import LocalisationMetric, checked, laid
from seewhy.evaluate.where.nra import NRA, VEA, CeFamNRA, HitRate

__all__ = [
    "AUROC",
    "EPG",
    "NRA",
    "VEA",
    "AveragePrecision",
    "CeFamEPG",
    "CeFamNRA",
    "CorrectedEPG",
    "HitRate",
    "LocalisationMetric",
    "PartSpecificity",
    "PointingGame",
    "RelevanceRank",
    "TopK",
]

_NO_MASS = 1e-7
"""Positive mass below this, in units of the map's largest magnitude, is rounding and no mass."""


@dataclass(frozen=True, kw_only=True)
class EPG(LocalisationMetric):
    """Energy pointing game (1): the share of the map's positive mass that lies in the mask.

    Parameters
    ----------
    undefined
        What a map without positive mass gets: "nan" (counted as undefined), or "zero" as in some papers. The mass is
        judged against the map's own magnitude, so that scale never decides.
    """

    undefined: Literal["nan", "zero"] = "nan"

    name = "epg"
    paper = (
        "Score-CAM (arXiv 1910.01279), boxes; as relevance mass accuracy CLEVR-XAI (arXiv 2003.07258), masks."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        chosen("undefined", self.undefined, ("nan", "zero"))
        if self.sign == "signed":
            raise InputError(
                message(
                    "sign is 'signed'.",
                    "Shares of a mass need a map without negative values: "
                    "positive and negative parts would cancel and shares leave 0 to 1.",
                    "Use sign='positive' or sign='absolute'.",
                )
            )

    def score(
        self, maps: Float[np.ndarray, "n H W"], masks: Bool[np.ndarray, "n H W"]
    ) -> Float[np.ndarray, " n"]:
        share = _share(maps, masks, _NO_MASS)
        return np.nan_to_num(share, nan=0.0) if self.undefined == "zero" else share


@dataclass(frozen=True, kw_only=True)
class CorrectedEPG(EPG):
    """(EPG - p) / (1 - p): 0 for a random map, 1 for all mass inside, negative for a map that avoids the mask.

    With undefined="zero" a map without positive mass has 0 here, too, the value of a map that knows nothing: the
    correction of an EPG of 0 would be that of a map which avoids the mask.
    """

    name = "epg_corrected"
    paper = "Correction for the mask's size is ours."
    range = (float("-inf"), 1.0)
    chance = "0"

    def score(
        self, maps: Float[np.ndarray, "n H W"], masks: Bool[np.ndarray, "n H W"]
    ) -> Float[np.ndarray, " n"]:
        p = masks.mean((1, 2))
        corrected: Float[np.ndarray, " n"] = (_share(maps, masks, _NO_MASS) - p) / (1 - p)
        return np.nan_to_num(corrected, nan=0.0) if self.undefined == "zero" else corrected


@dataclass(frozen=True, kw_only=True)
class CeFamEPG(LocalisationMetric):
    """EPG of the map shifted so that its minimum is 0, as in CE-FAM's code; a constant map gets p.

    The shift turns a flat background below zero into mass: use `EPG` unless the paper's numbers are compared.
    """

    own_sign = "signed"

    name = "epg_cefam"
    paper = "CE-FAM (arXiv 2509.23849) as in the authors' public evaluation code; the constant map's value is ours."

    def score(
        self, maps: Float[np.ndarray, "n H W"], masks: Bool[np.ndarray, "n H W"]
    ) -> Float[np.ndarray, " n"]:
        share = _share(maps - maps.min((1, 2), keepdims=True), masks, 0.0)
        return np.where(np.isnan(share), masks.mean((1, 2)), share)


@dataclass(frozen=True, kw_only=True)
class PointingGame(LocalisationMetric):
    """Does the highest pixel hit the mask? With several highest pixels, the share of them that do.

    A map without positive values has its highest pixels everywhere, unless sign="signed".

    Average it per class first, then over classes, to compare with published numbers.

    Parameters
    ----------
    tolerance
        In mask pixels: a peak closer than this to a mask pixel hits, too. 0 for exact masks, 15 for the boxes and
        outlines of VOC and COCO.
    weighted
        Hits count 1 - p: a hit on a mask that fills the picture says nothing.
    """

    tolerance: float = 0.0
    weighted: bool = False

    name = "pointing_game"
    paper = "Zhang et al., IJCV 2018; tolerance as in TorchRay. Sharing out tied peaks is ours."
    chance = "share of the picture within the tolerance of the mask (times 1 - p if weighted)"
    proportion = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.tolerance < float("inf"):
            came = f"tolerance is {self.tolerance}."
            raise InputError(message(came, "It is a distance in pixels, 0 or more.", "Pass 0 or 15."))

    def score(
        self, maps: Float[np.ndarray, "n H W"], masks: Bool[np.ndarray, "n H W"]
    ) -> Float[np.ndarray, " n"]:
        peaks = maps == maps.max((1, 2), keepdims=True)
        hits: Float[np.ndarray, " n"] = (peaks & self._accepts(masks)).sum((1, 2)) / peaks.sum((1, 2))
        if self.weighted:
            hits *= 1 - masks.mean((1, 2))
        return hits

    def values(self, per_item: Float[np.ndarray, " n"], **more: Any) -> Values:
        """Weighted hits are no proportion."""
        return replace(super().values(per_item, **more), proportion=not self.weighted)

    def _accepts(self, masks: Bool[np.ndarray, "n H W"]) -> Bool[np.ndarray, "n H W"]:
        if self.tolerance <= 1:  # the next pixel is at distance 1, which is not closer than 1
            return masks
        return np.stack([distance_transform_edt(~mask) < self.tolerance for mask in masks])


@dataclass(frozen=True, kw_only=True)
class RelevanceRank(LocalisationMetric):
    """Relevance rank accuracy (1): of the P highest pixels, the share that lies in the mask of P pixels."""

    own_sign = "signed"

    name = "relevance_rank"
    paper = "CLEVR-XAI (arXiv 2003.07258); expected value under ties is ours."

    def score(
        self, maps: Float[np.ndarray, "n H W"], masks: Bool[np.ndarray, "n H W"]
    ) -> Float[np.ndarray, " n"]:
        return ranking.top(_flat(maps), _flat(masks), masks.sum((1, 2)))


@dataclass(frozen=True, kw_only=True)
class TopK(LocalisationMetric):
    """Of the k highest pixels (all, if there are fewer), the share that lies in the mask."""

    k: int = 1000

    own_sign = "signed"
    name = "top_k"
    paper = "Top-k intersection, Theiner et al., WACV 2022; expected value under ties is ours."

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k < 1:
            raise InputError(message(f"k is {self.k}.", "At least one pixel is asked.", "Pass k=1000."))

    def score(
        self, maps: Float[np.ndarray, "n H W"], masks: Bool[np.ndarray, "n H W"]
    ) -> Float[np.ndarray, " n"]:
        k = np.full(len(maps), min(self.k, masks[0].size))
        return ranking.top(_flat(maps), _flat(masks), k)


@dataclass(frozen=True, kw_only=True)
class AUROC(LocalisationMetric):
    """Probability that a pixel of the mask has a higher value than one outside, ties half."""

    own_sign = "signed"

    name = "auroc"
    paper = "Area under the ROC curve over pixels."
    chance = "0.5"

    def score(
        self, maps: Float[np.ndarray, "n H W"], masks: Bool[np.ndarray, "n H W"]
    ) -> Float[np.ndarray, " n"]:
        return ranking.auroc(_flat(maps), _flat(masks))


@dataclass(frozen=True, kw_only=True)
class AveragePrecision(LocalisationMetric):
    """Average precision of the map as a detector of the mask's pixels; equal values are one threshold."""

    own_sign = "signed"

    name = "average_precision"
    paper = "Average precision over pixels, without interpolation."
    chance = "about p, the mask's share of the picture; exactly p for a constant map"

    def score(
        self, maps: Float[np.ndarray, "n H W"], masks: Bool[np.ndarray, "n H W"]
    ) -> Float[np.ndarray, " n"]:
        return ranking.average_precision(_flat(maps), _flat(masks))


@dataclass(frozen=True)
class PartSpecificity(Metric):
    """EPG in the part over EPG in the object it belongs to: does the map show the part, or only the object?

    1 if all mass on the object lies on the part; the part's share of the object's pixels for a map that is flat on
    the object. The mass is the map's positive part. NaN where the map has none on the object, or is not finite, and
    where the part is empty.
    """

    name = "part_specificity"
    paper = "Ours."
    truth = "scene"
    direction = 1
    range = (0.0, 1.0)
    needs = ("maps", "parts", "objects")
    chance = "the part's share of the object's pixels"

    def __call__(self, maps: Any, parts: Any, objects: Any) -> Values:
        """(n, h, w) maps, (n, H, W) masks of the parts and of their objects, each part within its object."""
        objects = checked(maps, objects, "objects")[1]
        maps, parts = checked(maps, parts, "parts")
        if parts.shape != objects.shape or (parts & ~objects).any():
            raise InputError(
                message(
                    f"parts has shape {parts.shape}, objects {objects.shape}"
                    + ("." if parts.shape != objects.shape else ", and a part leaves its object."),
                    "Both are (n, H, W), and each part lies within its object.",
                    "Pass parts & objects.",
                )
            )
        found = np.full(len(maps), np.nan)
        for i in np.flatnonzero(np.isfinite(maps).all((1, 2)) & parts.any((1, 2))):
            mass = laid(maps[i : i + 1], objects.shape[1:], "positive")
            if mass.sum() > _NO_MASS and (on_object := (mass * objects[i]).sum()) > 0:
                found[i] = (mass * parts[i]).sum() / on_object
        return self.values(found)


def _flat(arrays: np.ndarray) -> np.ndarray:
    return arrays.reshape(len(arrays), -1)


def _share(
    maps: Float[np.ndarray, "n H W"], masks: Bool[np.ndarray, "n H W"], least: float
) -> Float[np.ndarray, " n"]:
    """Part of the mass of maps that are nowhere negative in the mask; NaN unless the mass is above `least`."""
    total, within = maps.sum((1, 2)), (maps * masks).sum((1, 2))
    share: Float[np.ndarray, " n"] = np.divide(
        within, total, out=np.full(len(maps), np.nan), where=total > least
    )
    return share
