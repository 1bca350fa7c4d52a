"""What every measurement shares: what it is, in which direction better lies, and values of single items.

A metric returns one number per item and never an average: which items are left out, how sure a mean is and which
differences count is decided by `statistics`, on the items. An item whose value is not defined (an empty mask, a
map that is not a number) is NaN and counted; it is never a zero and never a hit.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Float, Shaped

from seewhy.errors import InputError, did_you_mean, message
from seewhy.registry import Registry

Truth = Literal["scene", "model", "self"]
"""Whose truth a metric compares with: masks of the scene (judges model and explainer together), what the model
does (judges the explainer alone), or the explanation itself. Numbers of two kinds never share a table."""


NEEDS: Mapping[str, str] = {
    "maps": "(n, h, w), one map per item",
    "masks": "(n, H, W), where the thing is",
    "parts": "(n, H, W), where the part is",
    "objects": "(n, H, W), where the object is that the part belongs to",
    "model": "the network",
    "pictures": "(n, c, H, W), ready for the network",
    "grids": "pictures laid side by side, from `make_grids`",
    "contributions": "(n, m), signed, what the explanation says each factor or concept adds",
    "truth": "(n, m) true effects of factors, or (classes, concepts) what belongs to what",
    "presence": "(n, m), which concepts are in which picture",
    "scores": "(n, m), how much each named concept is in each picture",
    "probabilities": "(n, m), the same in 0 to 1",
    "codes": "(n, d), the same of discovered concepts, or of those that a head takes",
    "names": "names given to discovered concepts",
    "matching": "which discovered concept is which true one, from `match`",
    "true_names": "names of the true concepts",
    "weights": "(classes, concepts), of a linear head",
    "heads": "a linear head, or a path of them",
    "labels": "(n,) class indices",
}
"""What metrics ask for, by the names under which their calls take it."""


class Metric(ABC):
    """What a metric is; subclasses are frozen dataclasses whose fields are the metric's options.

    A metric is called with what it `needs` and returns what it `gives`.

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
        What a call must be given, in order, by the names of `NEEDS`.
    gives
        "Values"; or the class of the result, for a protocol whose numbers are of the data set and not of items.
    chance
        What a random explainer reaches, in words or as a formula, e.g. "p, the mask's share of the picture".
    proportion
        Whether the value of an item is a hit or a miss (or a share of a hit, where several were tied).
    fitted_to_explainer
        Options that bring one explainer's numbers to the metric's unit: they may differ between results that are
        compared, and are recorded with the extras.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    paper: ClassVar[str]
    truth: ClassVar[Truth]
    direction: ClassVar[Literal[1, -1]]
    range: ClassVar[tuple[float, float]]
    needs: ClassVar[tuple[str, ...]]
    gives: ClassVar[str] = "Values"
    chance: ClassVar[str]
    proportion: ClassVar[bool] = False
    fitted_to_explainer: ClassVar[tuple[str, ...]] = ()

    @property
    def label(self) -> str:
        """Name and version, as published: "epg@1"."""
        return f"{self.name}@{self.version}"

    @property
    def options(self) -> dict[str, Any]:
        """The chosen options, JSON-safe."""
        return {one.name: getattr(self, one.name) for one in fields(self)} if is_dataclass(self) else {}

    def values(
        self,
        per_item: Float[np.ndarray, " n"],
        *,
        forwards: int = 0,
        curve: Curve | None = None,
        groups: Shaped[np.ndarray, " n"] | None = None,
        settings: Mapping[str, Any] | None = None,
        **extras: Any,
    ) -> Values:
        """A result of this metric.

        Parameters
        ----------
        settings
            What was given with the call and changes what is measured: recorded among the options.
        extras
            Facts of this one result.
        """
        options = {**self.options, **(settings or {})}
        fitted = {name: options.pop(name) for name in self.fitted_to_explainer}
        return Values(
            metric=self.label,
            per_item=np.asarray(per_item, np.float64),
            truth=self.truth,
            direction=self.direction,
            range=self.range,
            options=options,
            extras={**fitted, **extras},
            forwards=forwards,
            curve=curve,
            groups=groups,
            proportion=self.proportion,
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
    options
        Of the metric. Results compare only if they agree.
    extras
        Facts of this result: what was fitted, chosen or counted on the way.
    forwards
        Pictures sent through the network.
    groups
        (n,) labels of items that belong together, as several of one picture do; None if each stands alone.
        Intervals and tests take them unless told otherwise.
    proportion
        See `Metric`: the mean is a share of hits, whose interval is Wilson's.
    """

    metric: str
    per_item: Float[np.ndarray, " n"]
    truth: Truth
    direction: Literal[1, -1]
    range: tuple[float, float]
    options: Mapping[str, Any] = field(default_factory=dict)
    extras: Mapping[str, Any] = field(default_factory=dict)
    forwards: int = 0
    curve: Curve | None = None
    groups: Shaped[np.ndarray, " n"] | None = None
    proportion: bool = False

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


def chosen(option: str, value: object, valid: Sequence[str]) -> None:
    """Refuse a value that is not among the valid ones."""
    if value not in valid:
        came = f"{option} is {value!r}."
        raise InputError(message(came, f"It is one of {', '.join(valid)}.", did_you_mean(str(value), valid)))


METRICS: Registry[type[Metric]] = Registry("metric")
"""Every metric by name, filled lazily in `evaluate.metrics`."""
