"""The parts an answer is made of: predictions, and what one concept says about one picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from seewhy.errors import InputError, message


@dataclass(frozen=True)
class Prediction:
    """One class as the model sees it: `logit` before softmax, `score` its probability in 0 to 1."""

    index: int
    name: str
    logit: float
    score: float


@dataclass(frozen=True, eq=False)
class ConceptEvidence:
    """What one concept says about one picture: its name, where it is, how much it counts.

    Parameters
    ----------
    name, index
        In words, and its row in the concept space.
    map
        Activation per grid cell, signed, in the unit of the feature layer and on one scale with its siblings.
    contribution
        Number for the target logit; the explanation's `kind` says what it means.
    shares
        Contribution per cell; sums to `contribution`. None where it cannot be told by place.
    source
        Where the concept comes from: "channel" (a feature channel, unnamed), "vocabulary", "found", "label".
    percentile
        Rank of the activation in a calibration set, 0 to 100; None when uncalibrated.
    """

    name: str
    index: int
    map: Float[np.ndarray, "h w"]
    contribution: float
    shares: Float[np.ndarray, "h w"] | None = None
    source: str = "channel"
    percentile: float | None = None

    @property
    def activation(self) -> float:
        """Mean of the map."""
        return float(np.mean(self.map, dtype=np.float64))


@dataclass(frozen=True)
class Elsewhere:
    """A part of the logit that does not pass through the features, such as "already in the class token"."""

    name: str
    contribution: float


@dataclass(frozen=True)
class Meta:
    """How an answer came about: enough to repeat it and to distrust it.

    `model` identifies the network, `choices` are the decisions Seewhy made for the user, `cost` counts
    forward and backward passes of one picture each.
    """

    model: dict[str, Any] = field(default_factory=dict)
    method: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, str] = field(default_factory=dict)
    seed: int | None = None
    cost: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def checked_map(map_hw: Any, what: str) -> np.ndarray:
    """A finite, non-empty (h, w) float32 array, read-only, or an InputError that names `what`."""
    array = np.array(map_hw, np.float32)
    if array.ndim != 2 or array.size == 0:
        raise InputError(
            message(f"{what} has shape {array.shape}.", "A map is (h, w), at least 1x1.", "Pass one map.")
        )
    if not np.isfinite(array).all():
        raise InputError(
            message(
                f"{what} holds NaN or infinity in {int((~np.isfinite(array)).sum())} of {array.size} cells.",
                "Maps are finite.",
                "Check the model's weights and its input for NaN.",
            )
        )
    array.setflags(write=False)
    return array
