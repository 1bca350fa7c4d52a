"""Numbers to colours: one scale for unsigned values, one centred at zero for signed ones.

A colour scale is a few anchors, equally spaced and joined by straight lines in sRGB. The page's script reads
the same anchors out of the page, so that both draw the same colours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from seewhy.errors import InputError, message

SEQUENTIAL = (
    *("#440154", "#48186a", "#472d7b", "#424086", "#3b528b", "#33638d", "#2c728e", "#26828e", "#21918c"),
    *("#1fa088", "#28ae80", "#3fbc73", "#5ec962", "#84d44b", "#addc30", "#d8e219", "#fde725"),
)
"""17 points of viridis (S. van der Walt and N. Smith, 2015, public domain): 0 to the limit."""

DIVERGING = (
    *("#0a2f6b", "#1f5fae", "#5c9bdc", "#b5d3f0", "#ffffff"),
    *("#f6c1ae", "#e4745c", "#c03027", "#7a0c1a"),
)
"""Blue, white, red: minus the limit, 0, plus the limit. Ours; lightness falls evenly to both sides."""

SMALLEST = 1e-30
"""Below it every value of a map counts as zero: nothing a network computes means so little."""


@dataclass(frozen=True)
class Scale:
    """What a colour means: `limit` is the value of the full colour, zero never moves.

    Signed scales go from -limit to +limit, unsigned ones from 0 to limit. Values beyond are drawn as the limit.
    `unit` and `note` are said beside every colour bar.
    """

    limit: float
    signed: bool
    unit: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if not (np.isfinite(self.limit) and self.limit > 0):
            raise InputError(
                message(
                    f"The limit of a colour scale is {self.limit}.",
                    "It is the value of the full colour, a finite number above zero.",
                    "Leave limit out to use the largest value of the map.",
                )
            )

    @property
    def low(self) -> float:
        """The value at the lower end of the colour bar."""
        return -self.limit if self.signed else 0.0

    @property
    def words(self) -> str:
        """Unit and note, as they stand at the colour bar."""
        return "; ".join(part for part in (self.unit, self.note) if part)

    @property
    def anchors(self) -> tuple[str, ...]:
        """Hex colours, equally spaced from `low` to `limit`."""
        return DIVERGING if self.signed else SEQUENTIAL

    def strength(self, values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """How far each value is from zero as a share of the limit, 0 to 1; NaN stays NaN.

        On an unsigned scale a negative value has strength 0.
        """
        size = np.abs(values) if self.signed else np.maximum(values, 0)
        strength: np.ndarray = np.minimum(size.astype(np.float64) / self.limit, 1.0)
        return strength

    def colours(self, values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape 3"]:
        """RGB of each value, 0 to 255, not rounded; NaN becomes the colour of zero."""
        known = np.nan_to_num(values.astype(np.float64), nan=0.0)
        share = np.clip((known - self.low) / (self.limit - self.low), 0.0, 1.0)
        table = rgb_of(self.anchors)
        position = share * (len(table) - 1)
        return np.stack([np.interp(position, np.arange(len(table)), table[:, c]) for c in range(3)], -1)


def shared_scale(
    maps: Iterable[Float[np.ndarray, "h w"]], *, signed: bool, unit: str = "", floor: float = 0.0
) -> Scale:
    """One scale for all `maps`: the limit is the largest absolute value in any of them.

    Parameters
    ----------
    floor
        The least limit, in the unit of the maps. A map whose values are all far below it looks like nothing,
        which is what it says; without a floor the noise of an empty map would fill the scale.
    """
    peak = max((float(np.abs(values).max()) for values in maps), default=0.0)
    limit = max(peak, floor)
    return Scale(limit if limit > SMALLEST else 1.0, signed, unit)


def rgb_of(anchors: Iterable[str]) -> Float[np.ndarray, "n 3"]:
    """Hex colours such as '#1f5fae' as rows of RGB, 0 to 255."""
    return np.array([[int(code[i : i + 2], 16) for i in (1, 3, 5)] for code in anchors], np.float64)
