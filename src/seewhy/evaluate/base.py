"""What every measurement shares: what it is, in which direction better lies, and values of single items.

A metric returns one number per item and never an average: which items are left out, how sure a mean is and which
differences count is decided by `statistics`, on the items. An item whose value is not defined (an empty mask, a
map that is not a number) is NaN and counted; it is never a zero and never a hit.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Float

from seewhy.registry import Registry

Truth = Literal["scene", "model", "self"]
"""Whose truth a metric compares with: masks of the scene (judges model and explainer together), what the model
does (judges the explainer alone), or the explanation itself. Numbers of two kinds never share a table."""


class Metric(ABC):
    """What a metric is; subclasses are frozen dataclasses whose fields are the metric's options.

    Attributes
    ----------
    name
        Registered name; with `version` it stands beside every published number, as in "nra/quantile@1".
    paper
        Where the definition comes from, and what in it is ours.
    truth
        See `Truth`.
    direction
        +1 if more is better, -1 if less is.
    range
        Lowest and highest value possible, infinite where there is no bound.
    needs
        What is asked for: of "map", "mask", "model", "target", "contributions", "truth", "scores", "presence",
        "head".
    chance
        What a random explainer reaches, in words or as a formula, e.g. "p, the mask's share of the picture".
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    paper: ClassVar[str]
    truth: ClassVar[Truth]
    direction: ClassVar[Literal[1, -1]]
    range: ClassVar[tuple[float, float]]
    needs: ClassVar[tuple[str, ...]]
    chance: ClassVar[str]

    @property
    def label(self) -> str:
        """Name and version, as published: "epg@1"."""
        return f"{self.name}@{self.version}"

    @property
    def options(self) -> dict[str, Any]:
        """The chosen options, JSON-safe."""
        return {one.name: getattr(self, one.name) for one in fields(self)} if is_dataclass(self) else {}

    def values(
        self, per_item: Float[np.ndarray, " n"], *, forwards: int = 0, curve: Curve | None = None, **more: Any
    ) -> Values:
        """A result of this metric; `more` is recorded beside the options."""
        return Values(
            metric=self.label,
            per_item=np.asarray(per_item, np.float64),
            truth=self.truth,
            direction=self.direction,
            range=self.range,
            parameters={**self.options, **more},
            forwards=forwards,
            curve=curve,
        )


@dataclass(frozen=True, eq=False)
class Curve:
    """What lies behind an area: `x` (t,) shared by all items, `y` (n, t) one row per item."""

    x: Float[np.ndarray, " t"]
    y: Float[np.ndarray, "n t"]


@dataclass(frozen=True, eq=False)
class Values:
    """One number per item. NaN where the metric is not defined; `statistics` turns it into a mean and interval.

    Attributes
    ----------
    per_item
        (n,) float64, in the order in which the items came.
    forwards
        Pictures sent through the network.
    """

    metric: str
    per_item: Float[np.ndarray, " n"]
    truth: Truth
    direction: Literal[1, -1]
    range: tuple[float, float]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    forwards: int = 0
    curve: Curve | None = None

    @property
    def defined(self) -> np.ndarray:
        """(n,) bool: which items have a value."""
        kept: np.ndarray = ~np.isnan(self.per_item)
        return kept

    @property
    def n_undefined(self) -> int:
        """How many items have none."""
        return int((~self.defined).sum())

    @property
    def mean(self) -> float:
        """Mean of the defined items; NaN without any."""
        chosen = self.per_item[self.defined]
        return float(chosen.mean()) if chosen.size else float("nan")

    def __len__(self) -> int:
        return len(self.per_item)


METRICS: Registry[type[Metric]] = Registry("metric")
"""Every metric by name, filled lazily in `evaluate.metrics`."""
