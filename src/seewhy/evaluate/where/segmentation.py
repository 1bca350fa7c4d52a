"""The ImageNet-Segmentation protocol: a map as a segmentation of the one labelled object of a picture.

r is the map stretched to 0 to 1 on the mask's pixels; what lies above its mean is called foreground. Pixel accuracy
and mIoU are of counts summed over the data set, AP and F1 are means over pictures:

mIoU = 1/2 sum over {background, foreground} of intersection / union
AP of one picture: scores (1 - r, r) against labels (1 - g, g), 2N of each

so that AP judges r itself and a random map has 0.5. Chefer et al., CVPR 2021 (arXiv 2012.09838) and their public
evaluation code; the protocol's class is the predicted one, and pictures are stretched to 224 x 224. Keeping counts
per picture, from which the data set's numbers can be resampled, is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from seewhy.errors import InputError, message
from seewhy.evaluate.base import Metric, Values
from seewhy.evaluate.where.map_metric import checked, laid, stretched
from seewhy.evaluate.where.ranking import average_precision

_AT_ONCE = 2**17


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What one data set, or one batch of it, scored.

    Attributes
    ----------
    counts
        (n, 4) pixels of each picture: background called background, background called foreground, foreground called
        background, foreground called foreground. Zeros where the picture is undefined.
    ap, f1
        Per picture; NaN where undefined.
    """

    counts: Int[np.ndarray, "n 4"]
    ap: Values
    f1: Values

    @property
    def pixel_accuracy(self) -> float:
        """Right pixels over all pixels of all pictures."""
        return _of(self.counts)[0]

    @property
    def mean_iou(self) -> float:
        """Mean of background's and foreground's IoU, each of the counts of all pictures."""
        return _of(self.counts)[1]

    @property
    def mean_ap(self) -> float:
        """Mean over the defined pictures."""
        return self.ap.mean

    @property
    def mean_f1(self) -> float:
        """Mean over the defined pictures."""
        return self.f1.mean

    @property
    def n_undefined(self) -> int:
        """Pictures left out."""
        return self.ap.n_undefined

    def __len__(self) -> int:
        return len(self.counts)


@dataclass(frozen=True)
class ImageNetSegmentation(Metric):
    """The protocol as a metric; called as metric(maps, masks) it returns a `Segmentation`, not `Values`.

    The map is taken as it is, with its sign: the stretch puts its lowest value at 0.

    Parameters
    ----------
    strict_compat
        Treat a constant or non-finite map as the authors' code does: everything background, scores all alike (AP
        0.5). By default such a map, or an empty mask, makes the picture undefined and leaves it out.
    """

    strict_compat: bool = False

    name = "imagenet_segmentation"
    paper = "Chefer et al., CVPR 2021 (arXiv 2012.09838) and their public evaluation code."
    truth = "scene"
    direction = 1
    range = (0.0, 1.0)
    needs = ("maps", "masks")
    gives = "Segmentation"
    chance = "AP 0.5; pixel accuracy 0.5"

    def __call__(self, maps: Any, masks: Any) -> Segmentation:
        """Score (n, h, w) maps, resized where need be, on (n, H, W) masks of the object."""
        maps, masks = checked(maps, masks)
        blank = ~np.isfinite(maps).all((1, 2))
        blank |= maps.max((1, 2), initial=-np.inf) == maps.min((1, 2), initial=np.inf)
        used = ~blank & masks.any((1, 2)) if not self.strict_compat else np.ones(len(maps), bool)
        maps = np.where(blank[:, None, None], 0.0, maps)
        counts, ap, f1 = (
            np.zeros((len(maps), 4), np.int64),
            np.full(len(maps), np.nan),
            np.full(len(maps), np.nan),
        )
        rows, n_at_once = np.flatnonzero(used), max(1, _AT_ONCE // masks[0].size) if len(masks) else 1
        for i in range(0, len(rows), n_at_once):
            part = rows[i : i + n_at_once]
            scores = stretched(laid(maps[part], masks.shape[1:], "signed").reshape(len(part), -1))[0]
            counts[part], ap[part], f1[part] = _scored(
                scores, masks[part].reshape(len(part), -1), blank[part]
            )
        return Segmentation(counts, self.values(ap, of="ap"), self.values(f1, of="f1"))


def join(parts: Sequence[Segmentation]) -> Segmentation:
    """The result of a data set from those of its batches, in their order."""
    if len({(part.ap.metric, str(part.ap.options)) for part in parts}) != 1:
        raise InputError(
            message(
                f"{len(parts)} results were given" + (", scored with different options." if parts else "."),
                "A data set has at least one batch, and one set of options.",
                "Score all batches with the same metric.",
            )
        )

    def put(values: Sequence[Values]) -> Values:
        return replace(values[0], per_item=np.concatenate([one.per_item for one in values]))

    return Segmentation(
        np.concatenate([part.counts for part in parts]),
        put([part.ap for part in parts]),
        put([part.f1 for part in parts]),
    )


def _scored(
    scores: Float[np.ndarray, "n N"], inside: Bool[np.ndarray, "n N"], blank: Bool[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, "n 4"], Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    called = scores > scores.mean(1, keepdims=True)
    counts = np.stack(
        [(mask & call).sum(1) for mask in (~inside, inside) for call in (~called, called)], axis=1
    )
    # Not a number less not a number is no order: both halves of a blank map's scores are alike.
    against = np.where(blank[:, None], scores, 1 - scores)
    ap = average_precision(
        np.concatenate([against, scores], axis=1), np.concatenate([~inside, inside], axis=1)
    )
    hits, wrong = counts[:, 3], counts[:, 1] + counts[:, 2]
    f1 = np.divide(2.0 * hits, 2 * hits + wrong, out=np.zeros(len(hits)), where=hits > 0)
    return counts, ap, f1


def _of(counts: Int[np.ndarray, "n 4"]) -> tuple[float, float]:
    """Pixel accuracy and mIoU of summed counts; NaN without pixels."""
    both, called, missed, hit = (float(one) for one in counts.sum(0))
    n_pixels = both + called + missed + hit
    if n_pixels == 0:
        return float("nan"), float("nan")
    ious = [right / union if (union := right + called + missed) else 1.0 for right in (both, hit)]
    return (both + hit) / n_pixels, sum(ious) / 2
