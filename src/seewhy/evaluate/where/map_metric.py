"""What all metrics that lay a map on a mask share: checking, resizing, the sign, and what is undefined."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import numpy as np
from jaxtyping import Bool, Float

from seewhy.errors import InputError, message
from seewhy.evaluate.base import Metric, Values, chosen
from seewhy.evaluate.where.resize import resize
from seewhy.images.arrays import is_tensor

Sign = Literal["positive", "signed", "absolute"]
"""What of a map counts: its positive part, the map as it is, or its magnitude."""

_SIGNS: tuple[Sign, ...] = ("positive", "signed", "absolute")
_AT_ONCE = 2**17
"""Pixels scored in one go; few enough that a sort and its neighbours stay in the processor's cache."""


@dataclass(frozen=True, kw_only=True)
class LocalisationMetric(Metric):
    """Where a map lies, judged by a mask of the scene; called as metric(maps, masks).

    Parameters
    ----------
    sign
        Applied after the map is brought to the mask's pixels and before any normalisation. By default the metric's
        own: the positive part where a map's mass or its values count, the map as it is where only its order does.
    """

    sign: Sign | None = None

    truth = "scene"
    direction = 1
    needs = ("maps", "masks")
    range = (0.0, 1.0)
    chance = "p, the mask's share of the picture"
    own_sign: ClassVar[Sign] = "positive"

    def __post_init__(self) -> None:
        if self.sign is None:
            object.__setattr__(self, "sign", self._default_sign())
        chosen("sign", self.sign, _SIGNS)

    def _default_sign(self) -> Sign:
        return self.own_sign

    def __call__(self, maps: Any, masks: Any) -> Values:
        """One value per map.

        Parameters
        ----------
        maps
            (n, h, w), array or tensor, any finite numbers; resized to the masks if smaller or larger.
        masks
            (n, H, W), bool or 0/1. A single (h, w) map with its (H, W) mask will do.

        Returns
        -------
        Values
            NaN where the map holds NaN or infinity, the mask is empty or covers everything (no map can then be right
            or wrong), or the metric is not defined.

        Raises
        ------
        InputError
            If shapes do not fit or masks hold other values than 0 and 1.
        """
        maps, masks = checked(maps, masks)
        per_item = np.full(len(maps), np.nan)
        usable = np.flatnonzero(self._usable(maps, masks))
        n_at_once = max(1, _AT_ONCE // masks[0].size) if len(masks) else 1
        for i in range(0, len(usable), n_at_once):
            rows = usable[i : i + n_at_once]
            per_item[rows] = self.score(laid(maps[rows], masks.shape[1:], cast(Sign, self.sign)), masks[rows])
        return self.values(per_item)

    @abstractmethod
    def score(
        self, maps: Float[np.ndarray, "n H W"], masks: Bool[np.ndarray, "n H W"]
    ) -> Float[np.ndarray, " n"]:
        """The values of finite maps that lie on their masks, sign applied; no mask is empty or full."""

    def _usable(
        self, maps: Float[np.ndarray, "n h w"], masks: Bool[np.ndarray, "n H W"]
    ) -> Bool[np.ndarray, " n"]:
        usable: Bool[np.ndarray, " n"] = (
            np.isfinite(maps).all((1, 2)) & masks.any((1, 2)) & ~masks.all((1, 2))
        )
        return usable


def laid(maps: Float[np.ndarray, "n h w"], size: Any, sign: Sign) -> Float[np.ndarray, "n H W"]:
    """Finite maps at the masks' size, sign applied, each scaled by a power of two.

    The scale brings the greatest magnitude to 0.5 to 1, exactly: no sum of large or tiny maps overflows or
    vanishes, and no metric of this family depends on a map's scale.
    """
    exponent = np.frexp(np.abs(maps).max((1, 2), keepdims=True))[1]
    maps = resize(np.ldexp(maps, -exponent), size)
    if sign == "positive":
        maps = np.maximum(maps, 0.0)
    taken: Float[np.ndarray, "n H W"] = np.abs(maps) if sign == "absolute" else maps
    return taken


def checked(
    maps: Any, masks: Any, name: str = "masks"
) -> tuple[Float[np.ndarray, "n h w"], Bool[np.ndarray, "n H W"]]:
    """Maps as float64, masks as bool, both with three axes and one mask per map."""
    maps, masks = _array(maps), _array(masks)
    if maps.ndim == masks.ndim == 2:
        maps, masks = maps[None], masks[None]
    if maps.ndim != 3 or masks.ndim != 3 or len(maps) != len(masks) or 0 in maps.shape[1:] + masks.shape[1:]:
        raise InputError(
            message(
                f"maps has shape {maps.shape}, {name} {masks.shape}.",
                "They are (n, h, w) and (n, H, W), one mask for each map.",
                "Repeat a mask that serves several maps; flatten concepts into the first axis.",
            )
        )
    if maps.dtype.kind not in "biuf":
        raise InputError(
            message(f"maps holds {maps.dtype}.", "It holds real numbers.", "Pass floats of shape (n, h, w).")
        )
    if masks.dtype != bool and not np.isin(masks, (0, 1)).all():
        raise InputError(
            message(
                f"{name} holds values other than 0 and 1 ({masks.dtype}).",
                "A mask says of each pixel whether it belongs.",
                f"Pass {name} > 0, or == the label you mean.",
            )
        )
    return maps.astype(np.float64), masks.astype(bool)


def stretched(
    rows: Float[np.ndarray, "n N"],
) -> tuple[Float[np.ndarray, "n N"], Bool[np.ndarray, " n"]]:
    """Each row brought to 0 to 1 (all 0 if it is constant), and which rows are not constant."""
    low = rows.min(1, keepdims=True)
    span = rows.max(1, keepdims=True) - low
    within = np.divide(rows - low, span, out=np.zeros_like(rows), where=span > 0)
    return within, span[:, 0] > 0


def _array(thing: Any) -> np.ndarray:
    if is_tensor(thing):
        thing = thing.detach().cpu()
        thing = (thing.double() if thing.is_floating_point() else thing).numpy()
    return np.asarray(thing)
