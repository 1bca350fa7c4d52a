"""Do a network's region maps accuse the corner? One statistic, one interval, one stated threshold.

For map m, median-centred, and the weights w of the corner's cells,

    share(w) = sum_u w_u (m_u - median m) / sum_u |m_u - median m|               (1)
    excess   = share(corner) - mean of share over the corner's three mirror images   (2)

averaged over pictures. The mirror images say what a corner usually gets. Negative evidence counts against
positive, so a tag that the network sees but that cancels out is no accusation; the median takes away an
arbitrary zero (RISE) and leaves maps that are mostly zero alone. The statistic and the threshold are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from seewhy.errors import InputError, message

THRESHOLD = 0.07
"""Least excess that accuses. Measured over five seeds and six methods (this network's own shares, their
positive part, gradient x input, saliency, occlusion, RISE), in groups of eight marked pictures of the marked
class, 90 verdicts on each kind of network. Planted: excess 0.13 to 0.29, lower ends of the intervals at least
0.10. Controls: excess -0.11 to 0.10, lower ends at most 0.03. The threshold lies midway between those ends, and
no verdict was wrong. Saliency, which has no sign, came nearest to accusing a control."""

_RESAMPLES = 2000


@dataclass(frozen=True)
class Verdict:
    """Whether maps accuse the corner, and the numbers behind it.

    Attributes
    ----------
    accuses
        `low` lies above `threshold`: not only the mean, also the interval.
    excess
        Mean of (2), -2 to 2.
    low, high
        95 % percentile bootstrap interval of `excess` over pictures.
    corner, elsewhere
        The two terms of (2), averaged.
    """

    accuses: bool
    excess: float
    low: float
    high: float
    corner: float
    elsewhere: float
    n_pictures: int
    threshold: float
    seed: int

    def sentence(self) -> str:
        """The verdict in words."""
        verb = "accuse" if self.accuses else "do not accuse"
        return (
            f"The maps {verb} the corner: it holds {self.corner:.0%} of the evidence, the other corners "
            f"{self.elsewhere:.0%} (excess {self.excess:.2f}, 95% interval {self.low:.2f} to {self.high:.2f}, "
            f"{self.n_pictures} pictures, threshold {self.threshold:.2f})."
        )


def judge_corner(
    maps: Float[np.ndarray, "n h w"],
    corner: Float[np.ndarray, "h w"],
    *,
    threshold: float = THRESHOLD,
    seed: int = 0,
) -> Verdict:
    """Decide whether maps of one class accuse a corner.

    Parameters
    ----------
    maps
        One signed map per picture, for the class under suspicion, any unit; each counts the same.
    corner
        Share of each cell that lies in the corner, 0 to 1 (`images.regions.cell_weights`). It may not reach
        its own mirror images, so it stays within a quarter of the grid.
    threshold
        Least excess that accuses.
    seed
        Of the bootstrap's private generator.

    Raises
    ------
    InputError
        If shapes differ, there is no map, a value is not finite, or the corner is empty or too large.

    Examples
    --------
    >>> maps = np.zeros((4, 8, 8))
    >>> maps[:, 0, 0] = 1.0
    >>> corner = np.zeros((8, 8))
    >>> corner[:2, :2] = 1.0
    >>> judge_corner(maps, corner).accuses
    True
    """
    maps, corner = _checked(np.asarray(maps, np.float64), np.asarray(corner, np.float64))
    own = evidence_shares(maps, corner)
    mirrored = [evidence_shares(maps, mirror) for mirror in _mirrors(corner)]
    others = np.mean(mirrored, axis=0)
    excess = own - others
    generator = np.random.default_rng(seed)
    means = excess[generator.integers(0, len(excess), (_RESAMPLES, len(excess)))].mean(axis=1)
    low, high = (float(value) for value in np.quantile(means, (0.025, 0.975)))
    return Verdict(
        accuses=low > threshold,
        excess=float(excess.mean()),
        low=low,
        high=high,
        corner=float(own.mean()),
        elsewhere=float(others.mean()),
        n_pictures=len(maps),
        threshold=threshold,
        seed=seed,
    )


def evidence_shares(
    maps: Float[np.ndarray, "n h w"], weights: Float[np.ndarray, "h w"]
) -> Float[np.ndarray, " n"]:
    """Equation (1) for each map, -1 to 1; a constant map has no evidence, so its share is 0."""
    centred = maps - np.median(maps, axis=(1, 2), keepdims=True)
    total = np.abs(centred).sum(axis=(1, 2))
    inside = (centred * weights).sum(axis=(1, 2))
    shares: np.ndarray = np.divide(inside, total, out=np.zeros_like(inside), where=total > 0)
    return shares


def _mirrors(corner: Float[np.ndarray, "h w"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return corner[:, ::-1], corner[::-1], corner[::-1, ::-1]


def _checked(maps: np.ndarray, corner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if maps.ndim != 3 or len(maps) == 0 or maps.shape[1:] != corner.shape:
        raise InputError(
            message(
                f"The maps have shape {maps.shape} and the corner's weights {corner.shape}.",
                "They are (pictures, h, w) and (h, w), with at least one picture.",
                "Make the weights on the maps' grid, with cell_weights(geometry, grid, box=...).",
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
    inside = bool(np.isfinite(corner).all()) and corner.min() >= 0 and 0 < corner.max() <= 1
    if not inside or any((np.minimum(corner, mirror) > 0).any() for mirror in _mirrors(corner)):
        raise InputError(
            message(
                "The corner's weights are empty, outside 0 to 1, or reach over the middle of the grid.",
                "A corner has some area and lies within one quarter of the grid.",
                "Pass a smaller box in one corner.",
            )
        )
    return maps, corner
