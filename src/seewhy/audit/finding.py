"""Does a map point at a region? One statistic, one interval, one stated threshold, for any region of any map.

For map m, median-centred, the weights w of the region's cells and v of all cells that show the picture,

    share(w) = sum_u w_u (m_u - median m) / sum_u |m_u - median m|                         (1)
    excess   = share(w) - share(v - w) * sum(w) / sum(v - w)                               (2)

averaged over pictures. The second term is what a region of the same area holds elsewhere on average: the mean over
all places where it could be, without drawing any, so it works for a region of any form and place. Negative evidence
counts against positive, so a mark that is seen but cancels out is no finding.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from seewhy.errors import InputError, message

THRESHOLD = 0.07
"""Least excess that counts. Measured with `plant` on a CIFAR ResNet-20, a tag in one of
the corners for each of the ten classes, a seed each: HiResCAM and Grad-CAM have lower ends of 0.069 to 0.32 on the
planted models (found in 9 of 10) and at most 0.04 on the controls (accused in none). LayerCAM, which keeps positive
evidence only, has 0.055 to 0.29 and at most 0.15: it accuses 2 of 10 controls, 3 of 10 scattered ones."""

_RESAMPLES = 2000


@dataclass(frozen=True)
class Finding:
    """Whether maps point at a region, and the numbers behind it.

    Attributes
    ----------
    points
        `low` lies above `threshold`: not only the mean, also the interval.
    excess
        Mean of (2), -1 to 1 up to the area ratio.
    low, high
        95 % percentile bootstrap interval of `excess` over pictures.
    energy, energy_by_chance
        Share of the positive (median-centred) evidence inside, and the region's share of the area.
    hits, hits_by_chance
        Share of pictures whose largest value lies in the region (ties count by their share), and the region's
        share of the area. Both None where a finder gives scores and no maps.
    """

    points: bool
    excess: float
    low: float
    high: float
    energy: float | None
    energy_by_chance: float | None
    hits: float | None
    hits_by_chance: float | None
    n_pictures: int
    threshold: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return asdict(self)


def judge_region(
    maps: Float[np.ndarray, "n h w"],
    region: Float[np.ndarray, "n h w"],
    seen: Float[np.ndarray, "n h w"],
    *,
    threshold: float = THRESHOLD,
    seed: int = 0,
) -> Finding:
    """Decide whether maps point at a region of their pictures.

    Parameters
    ----------
    maps
        One signed map per picture, any unit; each counts the same.
    region
        Share of each cell that lies in the region, 0 to 1.
    seen
        Share of each cell that lies in the picture at all (less than 1 where the input was padded).
    threshold
        Least excess that counts.
    seed
        Of the bootstrap's private generator.

    Raises
    ------
    InputError
        If shapes differ, there is no map, a value is not finite, or a region is empty or everything.

    Examples
    --------
    >>> maps, region = np.zeros((4, 8, 8)), np.zeros((4, 8, 8))
    >>> maps[:, 0, 0], region[:, :2, :2] = 1.0, 1.0
    >>> judge_region(maps, region, np.ones((4, 8, 8))).points
    True
    """
    maps, region, seen = _checked(*(np.asarray(a, np.float64) for a in (maps, region, seen)))
    excess = excess_of(maps, region, seen)
    chance = float((region.sum((1, 2)) / seen.sum((1, 2))).mean())
    centred = maps - np.median(maps, axis=(1, 2), keepdims=True)
    positive = np.maximum(centred, 0.0) * (seen > 0)
    top = positive.max(axis=(1, 2), keepdims=True)
    peak = (positive == top) & (seen > 0)
    return _finding(
        excess,
        threshold,
        seed,
        energy=float(np.mean(_ratio((positive * region).sum((1, 2)), positive.sum((1, 2))))),
        hits=float(np.mean((peak * region).sum((1, 2)) / peak.sum((1, 2)))),
        chance=chance,
    )


def judge_scores(scores: Float[np.ndarray, " n"], *, threshold: float = THRESHOLD, seed: int = 0) -> Finding:
    """The same decision from one score a picture (or one for all), on the scale of (2): 0 nothing, 1 the mark only.

    Raises
    ------
    InputError
        If there is no score or one is not finite.
    """
    scores = np.asarray(scores, np.float64).reshape(-1)
    if not len(scores) or not np.isfinite(scores).all():
        raise InputError(
            message(
                f"The finder's scores are {scores.tolist()!r:.80}.",
                "There is at least one and all are finite numbers.",
                "Return one score a picture, or one map a picture.",
            )
        )
    return _finding(scores, threshold, seed, energy=None, hits=None, chance=None)


def excess_of(
    maps: Float[np.ndarray, "n h w"], region: Float[np.ndarray, "n h w"], seen: Float[np.ndarray, "n h w"]
) -> Float[np.ndarray, " n"]:
    """Equation (2) for each map; a constant map has no evidence, so its excess is 0."""
    centred = maps - np.median(maps, axis=(1, 2), keepdims=True)
    total = np.abs(centred).sum((1, 2))
    rest = seen - region
    inside, outside = (centred * region).sum((1, 2)), (centred * rest).sum((1, 2))
    return _ratio(inside - outside * region.sum((1, 2)) / rest.sum((1, 2)), total)


def interval_of_mean(values: Float[np.ndarray, " n"], seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean over pictures, from a private generator."""
    generator = np.random.default_rng(seed)
    means = values[generator.integers(0, len(values), (_RESAMPLES, len(values)))].mean(axis=1)
    low, high = (float(value) for value in np.quantile(means, (0.025, 0.975)))
    return low, high


def _finding(
    excess: np.ndarray,
    threshold: float,
    seed: int,
    *,
    energy: float | None,
    hits: float | None,
    chance: float | None,
) -> Finding:
    low, high = interval_of_mean(excess, seed)
    return Finding(
        points=low > threshold,
        excess=float(excess.mean()),
        low=low,
        high=high,
        energy=energy,
        energy_by_chance=chance,
        hits=hits,
        hits_by_chance=chance,
        n_pictures=len(excess),
        threshold=threshold,
    )


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    quotient: np.ndarray = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return quotient


def _checked(
    maps: np.ndarray, region: np.ndarray, seen: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if maps.ndim != 3 or len(maps) == 0 or not maps.shape == region.shape == seen.shape:
        raise InputError(
            message(
                f"The maps have shape {maps.shape}, the region {region.shape} and what is seen {seen.shape}.",
                "All are (pictures, h, w), with at least one picture.",
                "Make the weights on the maps' grid, with cell_weights(geometry, grid, mask=...).",
            )
        )
    if not np.isfinite(maps).all():
        raise InputError(
            message(
                "A map holds NaN or infinite values.",
                "All cells must be finite numbers.",
                "Check the network's weights.",
            )
        )
    inside = region.sum((1, 2))
    if (
        not (region >= 0).all()
        or not (region <= seen + 1e-9).all()
        or not ((inside > 0) & (inside < seen.sum((1, 2)))).all()
    ):
        raise InputError(
            message(
                "The region is empty, all of the picture, or larger than what is seen of a cell.",
                "It is a part of the picture: there must be an elsewhere to compare with.",
                "Use a smaller mark, or a layer with a finer grid.",
            )
        )
    return maps, region, seen
