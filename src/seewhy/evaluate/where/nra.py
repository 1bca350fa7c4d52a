"""Areas under the IoU as less and less of a map is kept: VEA, NRA and the authors' own NRA.

Of a map the k highest pixels are kept (N in all, P of them in the mask, p = P / N):

IoU_k = TP_k / (k + P - TP_k)              AUC = 1/N sum_k IoU_k                                              (1)
NRA = (AUC - AUC_low) / (AUC_high - AUC_low)                                                                  (2)

AUC_high is that of a map which ranks all mask pixels first, AUC_low that of the random map TP_k = k p, both as sums
over the same k, so that (2) is exactly 1 and exactly 0 there. For large N, AUC_high = p (1/2 - ln p) and
AUC_low = p/(1-p) (1 + p/(1-p) ln p).

NRA: CE-FAM (arXiv 2509.23849), which leaves the axis open; (1) over all ranks with ties shared out is ours. What the
authors' public code does is the separate metric `CeFamNRA`; numbers of the two do not compare. VEA is the area over
value thresholds that CE-FAM starts from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from seewhy.errors import InputError, message
from seewhy.evaluate.base import chosen
from seewhy.evaluate.where.map_metric import LocalisationMetric, Sign, stretched
from seewhy.evaluate.where.ranking import rank_curve

_STEPS = 100
"""Value thresholds of `NRA(kind="value")`, and the coarse steps of the authors' NRA."""


@dataclass(frozen=True, kw_only=True)
class VEA(LocalisationMetric):
    """Mean IoU of {r >= t/T} with the mask, t = 1 to T = `steps`, r the map stretched to 0 to 1.

    Means over masks of different size do not compare: the random value grows with the mask. A constant map has the
    random map's value.
    """

    steps: int = _STEPS

    name = "vea"
    paper = (
        "As cited by CE-FAM (arXiv 2509.23849); the grid of thresholds and the constant map's value are ours."
    )
    chance = "1/T sum_t q p / (q + p - q p), q = 1 - t/T; 0.116 at p = 0.149"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps < 1:
            came = f"steps is {self.steps}."
            raise InputError(message(came, "There is at least one threshold.", "Leave it at 100."))

    def score(
        self, maps: Float[np.ndarray, "n H W"], masks: Bool[np.ndarray, "n H W"]
    ) -> Float[np.ndarray, " n"]:
        return _value_area(*_rows(maps, masks), self.steps)


@dataclass(frozen=True, kw_only=True)
class NRA(LocalisationMetric):
    """Normalised region accuracy, (2): 1 for the ideal map, 0 for a random or constant one, not clipped below.

    It depends on the mask's size even so (a good map that is a little off loses more on small masks): report it by
    size, too. Undefined for masks that are empty or cover everything.

    Parameters
    ----------
    kind
        "quantile": (1) over all ranks, unchanged by any strictly increasing transform of the map; of the signed map
        by default. "value": the area of `VEA`, with 1 as the ideal; of the positive part by default, as there.
    """

    kind: Literal["quantile", "value"] = "quantile"

    name = "nra"
    paper = "CE-FAM (arXiv 2509.23849), eq. of NRA; the exact sum over all ranks and the treatment of ties are ours."
    range = (-1.0, 1.0)
    chance = "0"

    def __post_init__(self) -> None:
        super().__post_init__()
        chosen("kind", self.kind, ("quantile", "value"))

    def _default_sign(self) -> Sign:
        return "positive" if self.kind == "value" else "signed"

    @property
    def label(self) -> str:
        """With the kind, since values of two kinds do not compare: "nra/quantile@1"."""
        return f"nra/{self.kind}@{self.version}"

    def score(
        self, maps: Float[np.ndarray, "n H W"], masks: Bool[np.ndarray, "n H W"]
    ) -> Float[np.ndarray, " n"]:
        values, inside = _rows(maps, masks)
        p = inside.mean(1)
        if self.kind == "value":
            return _between(
                _value_area(values, inside, _STEPS), _random_curve(p, _STEPS).mean(1), np.ones(len(p))
            )
        n_inside, k = inside.sum(1)[:, None], np.arange(1, inside.shape[1] + 1)
        # All three by the same steps in the same order: the ends of the scale are then met to the bit.
        area = _iou(rank_curve(values, inside), k, n_inside).mean(1)
        low = _iou(k * p[:, None], k, n_inside).mean(1)
        high = _iou(np.minimum(k, n_inside), k, n_inside).mean(1)
        return _between(area, low, high)


@dataclass(frozen=True, kw_only=True)
class CeFamNRA(LocalisationMetric):
    """NRA as the authors' public code computes it, for comparison with the paper's numbers only.

    It differs from (2) in three points: every pixel counts up to 1 % of the picture and one in each 1 % after that;
    the ideal curve lags by one pixel; AUC_low is p/2, below what a random map reaches, and the result is cut off at
    0. So a random map scores 0.13 to 0.17. Ties are shared out here, where the authors' order is the sort's.
    The paper's NRA is the best of four layers as judged by the mask; its averages are over matched concepts.
    """

    own_sign = "signed"

    name = "nra_cefam"
    paper = "CE-FAM (arXiv 2509.23849) as in the authors' public evaluation code; only ties are treated differently."
    range = (0.0, float("inf"))
    chance = "0.130, 0.151, 0.162, 0.172 at p = 0.05, 0.15, 0.3, 0.6 and 224 x 224 pixels"

    @property
    def label(self) -> str:
        """ "nra/cefam@1", beside "nra/quantile@1"."""
        return f"nra/cefam@{self.version}"

    def score(
        self, maps: Float[np.ndarray, "n H W"], masks: Bool[np.ndarray, "n H W"]
    ) -> Float[np.ndarray, " n"]:
        values, inside = _rows(maps, masks)
        n_pixels = inside.shape[1]
        step = n_pixels // _STEPS
        if step == 0:
            raise InputError(
                message(
                    f"The masks have {n_pixels} pixels.",
                    "The authors' NRA goes through them in 100 steps.",
                    "Use NRA() for small pictures, or larger masks.",
                )
            )
        passed = np.concatenate([np.arange(step), np.arange(step, n_pixels, step)])
        weight = np.where(passed < step, 1 / n_pixels, 1 / _STEPS)
        n_inside, p = inside.sum(1)[:, None], inside.mean(1)
        found = rank_curve(values, inside)[:, passed]
        area = (_iou(found, passed + 1, n_inside) * weight).sum(1)
        ideal = np.where(passed < n_inside, passed / n_inside, n_inside / np.maximum(passed, 1))
        high = (ideal * weight).sum(1)
        cut: Float[np.ndarray, " n"] = np.maximum(_between(area, p / 2, high), 0.0)
        return cut


@dataclass(frozen=True, kw_only=True)
class HitRate(LocalisationMetric):
    """1 where NRA is above `threshold`, else 0; where NRA is not defined, neither. Its sign is that of the kind."""

    kind: Literal["quantile", "value", "cefam"] = "quantile"
    threshold: float = 0.5

    name = "hit_rate"
    paper = "CE-FAM (arXiv 2509.23849): share of samples with NRA > 0.5."
    chance = "near 0"
    proportion = True

    def __post_init__(self) -> None:
        super().__post_init__()
        chosen("kind", self.kind, ("quantile", "value", "cefam"))

    def _default_sign(self) -> Sign:
        return "positive" if self.kind == "value" else "signed"

    @property
    def label(self) -> str:
        """With the kind of NRA behind it: "hit_rate/quantile@1"."""
        return f"hit_rate/{self.kind}@{self.version}"

    def score(
        self, maps: Float[np.ndarray, "n H W"], masks: Bool[np.ndarray, "n H W"]
    ) -> Float[np.ndarray, " n"]:
        behind = CeFamNRA() if self.kind == "cefam" else NRA(kind=self.kind)
        return (behind.score(maps, masks) > self.threshold).astype(np.float64)


def _rows(
    maps: Float[np.ndarray, "n H W"], masks: Bool[np.ndarray, "n H W"]
) -> tuple[Float[np.ndarray, "n N"], Bool[np.ndarray, "n N"]]:
    return maps.reshape(len(maps), -1), masks.reshape(len(masks), -1)


def _iou(
    found: Float[np.ndarray, "n t"], kept: np.ndarray, n_inside: Float[np.ndarray, "n 1"]
) -> Float[np.ndarray, "n t"]:
    """Of `kept` pixels, `found` of which are inside, with the mask."""
    iou: Float[np.ndarray, "n t"] = found / (kept + n_inside - found)
    return iou


def _between(
    area: Float[np.ndarray, " n"], low: Float[np.ndarray, " n"], high: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """(2)."""
    placed: Float[np.ndarray, " n"] = (area - low) / (high - low)
    return placed


def _random_curve(p: Float[np.ndarray, " n"], steps: int) -> Float[np.ndarray, "n t"]:
    """IoU of uniform noise at the thresholds t/T, which keep 1 - t/T of the picture."""
    kept, p = 1 - np.arange(1, steps + 1) / steps, p[:, None]
    curve: Float[np.ndarray, "n t"] = kept * p / (kept + p - kept * p)
    return curve


def _value_area(
    values: Float[np.ndarray, "n N"], inside: Bool[np.ndarray, "n N"], steps: int
) -> Float[np.ndarray, " n"]:
    within, varied = stretched(values)
    # How many thresholds t/T lie at or below each value: the floor, mended where t/T is not r * T to the bit.
    passed = np.floor(within * steps)
    passed += within >= (passed + 1) / steps
    passed -= within < passed / steps
    bins = passed.astype(np.intp) + np.arange(len(values))[:, None] * (steps + 1)
    kept, found = (_at_least(one, len(values), steps) for one in (bins.reshape(-1), bins[inside]))
    curve = _iou(found, kept, inside.sum(1)[:, None])
    curve = np.where(varied[:, None], curve, _random_curve(inside.mean(1), steps))
    area: Float[np.ndarray, " n"] = curve.mean(1)
    return area


def _at_least(bins: np.ndarray, n: int, steps: int) -> Float[np.ndarray, "n t"]:
    """How many pixels of each row pass threshold t, t = 1 to T."""
    counts = np.bincount(bins, minlength=n * (steps + 1)).reshape(n, steps + 1)
    passing: Float[np.ndarray, "n t"] = counts[:, ::-1].cumsum(1)[:, ::-1][:, 1:].astype(np.float64)
    return passing
