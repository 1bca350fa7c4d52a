"""What every answer has: the picture, the prediction, the class that is explained, and how it came about.

Drawing, saving and tables live on higher floors and register themselves as views; `answer.figure()` asks the
registry, so that nothing here imports upward.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import numpy as np
from jaxtyping import Float

from seewhy.errors import NotSupported, message
from seewhy.explanation.evidence import Meta, Prediction
from seewhy.explanation.query import where_in_words
from seewhy.explanation.receipt import Receipt
from seewhy.explanation.replay import Replay
from seewhy.images.geometry import Geometry
from seewhy.images.picture import Picture
from seewhy.images.regions import cell_weights
from seewhy.registry import VIEWS
from seewhy.types import Box, Point, Size

A = TypeVar("A", bound="Answer")


@dataclass(frozen=True, eq=False, kw_only=True)
class Answer(ABC):
    """Base of `Explanation` and `AttributionMap`: one picture, one target, one grid.

    `receipt` is what `seewhy.check` found, None until then; `replay` is what it asks the network with, handed
    over by whoever made the answer and not saved.
    """

    image: Picture
    geometry: Geometry
    prediction: tuple[Prediction, ...]
    target: Prediction
    meta: Meta = field(default_factory=Meta)
    receipt: Receipt | None = None
    replay: Replay | None = field(default=None, repr=False)

    schema: ClassVar[str]

    @property
    @abstractmethod
    def where(self) -> Float[np.ndarray, "h w"]:
        """The map of the target on the feature grid, raw and signed."""

    @property
    def grid(self) -> Size:
        """(rows, columns) of the feature grid."""
        height, width = self.where.shape
        return height, width

    def place(self, size: Size | None = None) -> Float[np.ndarray, "H W"]:
        """`where` laid on the original picture (or on it drawn at `size`); NaN where the model saw nothing."""
        return self.geometry.place(self.where, size)

    def region_weights(
        self, *, point: Point | None = None, box: Box | None = None, mask: Any = None
    ) -> Float[np.ndarray, "h w"]:
        """Share of each grid cell in a region of the original picture; see `images.regions.cell_weights`."""
        return cell_weights(self.geometry, self.grid, point=point, box=box, mask=mask)

    def figure(self, **options: Any) -> Any:
        """A matplotlib `Figure`: the picture, the map over it, and a scale (options: `visualise.figure`)."""
        return VIEWS["figure"](self, **options)

    def save(self, output: Any, **options: Any) -> Any:
        """Write to `output`; its suffix says what: .html page, .json data, .png or .svg figure."""
        return VIEWS["save"](self, output, **options)

    def to_text(self) -> str:
        """The answer as a table for a terminal."""
        return str(VIEWS["text"](self))

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """JSON-safe data of the answer's `schema`."""

    def _repr_html_(self) -> str:
        return str(VIEWS["notebook"](self))

    def describe_where(self) -> str:
        """Where the map is strongest, in words: 'upper left, 7 % of the image'."""
        return where_in_words(self.where, self.geometry)

    def can(self, operation: str) -> str | None:
        """None if this answer supports `operation`, else the reason why not (see `capabilities`)."""
        from seewhy.explanation.capabilities import why_not

        return why_not(self, operation)

    def _require(self, operation: str) -> None:
        reason = self.can(operation)
        if reason:
            raise NotSupported(
                message(
                    f"This {type(self).__name__} does not support {operation!r}.",
                    reason[0].upper() + reason[1:],
                )
            )
