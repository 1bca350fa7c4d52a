"""The answer of an attribution method: where, without saying what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from seewhy.explanation.answer import Answer
from seewhy.explanation.evidence import checked_map
from seewhy.explanation.query import RegionScore, region_score
from seewhy.types import Box, Kind, Point


@dataclass(frozen=True, eq=False, kw_only=True)
class AttributionMap(Answer):
    """A raw, signed map for one target on the method's own grid.

    Parameters
    ----------
    map
        (h, w); its unit is the method's. Nothing was rescaled or cut off unless the method's definition does.
    kind
        "share" if the cells add up to the logit up to a constant, "effect" if a cell says what changes when it
        is hidden, "variance" for unsigned importance, None for a sensitivity that is none of these.
    signed
        Whether a negative value can occur.
    gap
        What completeness lacks, relative: |sum - expected| / max(|expected|, 1e-6). None where not defined.
    """

    map: Float[np.ndarray, "h w"]
    kind: Kind | None = None
    signed: bool = True
    gap: float | None = None

    schema: ClassVar[str] = "seewhy.attribution/1"

    def __post_init__(self) -> None:
        object.__setattr__(self, "map", checked_map(self.map, "The attribution map"))

    @property
    def where(self) -> Float[np.ndarray, "h w"]:
        return self.map

    @property
    def method(self) -> str:
        """Registered name of the method."""
        return str(self.meta.method.get("name", "unknown"))

    def query(self, *, point: Point | None = None, box: Box | None = None, mask: Any = None) -> RegionScore:
        """Mean of the map in a region of the picture, its sum there, and its share of the positive mass."""
        return region_score(self.map, self.region_weights(point=point, box=box, mask=mask))

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe data of schema `seewhy.attribution/1`."""
        from seewhy.explanation.schema import attribution_to_dict

        return attribution_to_dict(self)

    def __repr__(self) -> str:
        h, w = self.map.shape
        return (
            f"AttributionMap({self.method}, {h}x{w}, {self.image.name!r} -> {self.target.name!r}, "
            f"{float(self.map.min()):.3g} to {float(self.map.max()):.3g})"
        )
