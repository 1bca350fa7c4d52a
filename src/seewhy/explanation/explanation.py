"""The answer in concepts: what the model saw, where, and how much each thing counted. Data and maths only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from seewhy.errors import AccountingError, UnknownConcept, UnknownName, did_you_mean, message
from seewhy.explanation.answer import Answer
from seewhy.explanation.contrast import Contrast, contrast_of
from seewhy.explanation.edit import Edit, Readout, checked, edited, flip
from seewhy.explanation.evidence import ConceptEvidence, Elsewhere, checked_map
from seewhy.explanation.query import RegionScore, region_means
from seewhy.types import Box, Kind, Point, Size

TOLERANCE = 1e-4


@dataclass(frozen=True)
class ConceptInRegion:
    """One row of a region query: a concept's mean activation inside and outside, and its share inside."""

    name: str
    index: int
    activation: float
    outside: float
    contribution: float | None


@dataclass(frozen=True)
class Totals:
    """logit = bias + concepts + elsewhere + remainder; only shares have it."""

    bias: float
    concepts: float
    elsewhere: float
    remainder: float
    logit: float

    @property
    def gap(self) -> float:
        """What the rows lack to make the logit; within tolerance by construction."""
        return self.logit - (self.bias + self.concepts + self.elsewhere + self.remainder)


@dataclass(frozen=True, eq=False, kw_only=True)
class Explanation(Answer):
    """One picture, one class, in concepts.

    Parameters
    ----------
    concepts
        In any order; `top` ranks them.
    kind
        What contributions mean. "share": they add up,

            logit = bias + sum(contributions) + sum(elsewhere) + remainder                            (1)

        within 1e-4 * (|bias| + sum |contributions|), which is checked here. "effect" and "variance" do not
        add up and have no totals.
    bias
        The logit of the baseline (for a linear head its bias). Shares only.
    elsewhere
        What reaches the logit around the features, such as what is already in the class token.
    remainder
        What the concepts do not say: the tail on the features minus the tail on their reconstruction. It is
        computed on its own by whoever makes the explanation, never as a difference in (1).
    rerun
        Explains the same picture for another target; handed over by the model, not saved.
    readout
        The linear layer from the concepts' maps to all logits, where the model has one; not saved.
    edits, edited_from
        What was changed by `edit`, and the explanation before the last change: its undoing.

    Raises
    ------
    AccountingError
        If (1) does not hold.

    Notes
    -----
    The independent remainder is ours: were it defined by (1), no mistake in a contribution could be seen.
    """

    concepts: tuple[ConceptEvidence, ...]
    kind: Kind
    bias: float | None = None
    elsewhere: tuple[Elsewhere, ...] = ()
    remainder: float | None = None
    rerun: Callable[[int | str], Explanation] | None = field(default=None, repr=False)
    readout: Readout | None = field(default=None, repr=False)
    edits: tuple[Edit, ...] = ()
    edited_from: Explanation | None = field(default=None, repr=False)

    schema: ClassVar[str] = "seewhy.explanation/1"

    def __post_init__(self) -> None:
        for concept in self.concepts:
            checked = checked_map(concept.map, f"The map of concept {concept.name!r}")
            object.__setattr__(concept, "map", checked)
        if self.kind == "share":
            self._check_accounts()

    def _check_accounts(self) -> None:
        if self.bias is None or self.remainder is None:
            raise AccountingError(
                message(
                    f"Shares came with bias={self.bias} and remainder={self.remainder}.",
                    "Shares add up to the logit, so both are numbers.",
                    "Compute the remainder from the reconstruction, or use kind='effect'.",
                )
            )
        parts = [c.contribution for c in self.concepts] + [e.contribution for e in self.elsewhere]
        allowed = TOLERANCE * (abs(self.bias) + sum(abs(part) for part in parts))
        gap = self.target.logit - (self.bias + sum(parts) + self.remainder)
        # A comparison with NaN is false, so this form also refuses NaN.
        if not abs(gap) <= allowed:
            raise AccountingError(
                message(
                    f"The rows miss the logit {self.target.logit:.6g} by {gap:.3g}.",
                    f"Shares add up to it within {allowed:.3g}.",
                    "One of the contributions is wrong, or they are effects and not shares.",
                )
            )
        for concept in self.concepts:
            if concept.shares is not None:
                by_place = float(np.sum(concept.shares, dtype=np.float64))
                if not abs(by_place - concept.contribution) <= allowed + 1e-6:
                    raise AccountingError(
                        message(
                            f"The cells of concept {concept.name!r} sum to {by_place:.6g}.",
                            f"They sum to its contribution {concept.contribution:.6g}.",
                            "Its map of shares is wrong.",
                        )
                    )

    @property
    def totals(self) -> Totals:
        """The rows of (1). NotSupported unless kind is "share"."""
        self._require("totals")
        assert self.bias is not None and self.remainder is not None
        return Totals(
            bias=self.bias,
            concepts=sum(c.contribution for c in self.concepts),
            elsewhere=sum(e.contribution for e in self.elsewhere),
            remainder=self.remainder,
            logit=self.target.logit,
        )

    @property
    def where(self) -> Float[np.ndarray, "h w"]:
        """Contribution of each cell: the concepts' shares summed. NotSupported if no concept has them."""
        return self._where

    @cached_property
    def _where(self) -> np.ndarray:
        self._require("where")
        total = np.zeros(self.grid)
        for concept in self.concepts:
            if concept.shares is not None:
                total += concept.shares
        return checked_map(total, "The map of contributions")

    @property
    def grid(self) -> Size:
        height, width = self.concepts[0].map.shape if self.concepts else (1, 1)
        return height, width

    def top(self, k: int | None = 10, *, by: str = "contribution") -> tuple[ConceptEvidence, ...]:
        """The `k` concepts with the largest |contribution| (or "activation"); None means all."""
        key = (lambda c: -abs(c.contribution)) if by == "contribution" else (lambda c: -c.activation)
        return tuple(sorted(self.concepts, key=key)[:k])

    def concept(self, name: str | int) -> ConceptEvidence:
        """A concept by name or index."""
        for concept in self.concepts:
            if name in (concept.name, concept.index) and not isinstance(name, bool):
                return concept
        names = [concept.name for concept in self.concepts]
        raise UnknownConcept(
            message(f"{name!r} is not among {len(names)} concepts.", did_you_mean(str(name), names))
        )

    def query(
        self,
        *,
        point: Point | None = None,
        box: Box | None = None,
        mask: Any = None,
        top_k: int | None = 10,
    ) -> tuple[ConceptInRegion, ...]:
        """What the model sees in a region of the original picture, strongest mean activation first.

        Contributions inside and outside a region add up to the concept's contribution.
        """
        self._require("query")
        weights = self.region_weights(point=point, box=box, mask=mask)
        maps = np.stack([concept.map for concept in self.concepts])
        inside = region_means(maps, weights)
        rest = 1.0 - weights
        outside = region_means(maps, rest) if rest.sum() > 1e-9 else np.zeros(len(inside))
        rows = [
            ConceptInRegion(
                concept.name,
                concept.index,
                float(inside[i]),
                float(outside[i]),
                None if concept.shares is None else float((concept.shares * weights).sum()),
            )
            for i, concept in enumerate(self.concepts)
        ]
        return tuple(sorted(rows, key=lambda row: -row.activation)[:top_k])

    def region(self, *, point: Point | None = None, box: Box | None = None, mask: Any = None) -> RegionScore:
        """How much of the logit lies in a region: the map of contributions summed there."""
        from seewhy.explanation.query import region_score

        return region_score(self.where, self.region_weights(point=point, box=box, mask=mask))

    def contrast(self, why: int | str, against: int | str) -> Contrast:
        """Why class `why` and not `against`: the difference of the two rows of contributions."""
        self._require("contrast")
        assert self.rerun is not None
        return contrast_of(self._for(why), self._for(against))

    def edit(
        self,
        concept: str | int,
        amount: float,
        *,
        op: str = "add",
        point: Point | None = None,
        box: Box | None = None,
        mask: Any = None,
    ) -> Explanation:
        """What the model would say if a concept were different: everywhere, or in a region of the original picture.

        The network is not asked: its logits are linear in the concepts' maps, so that the effect is known
        (`explanation.edit`). `edited_from` is the explanation before; NotSupported for other models.

        Parameters
        ----------
        concept
            Its name or index.
        amount
            In the unit of the maps (one standard deviation of the concept in training, for concept bottlenecks).
        op
            "add" shifts the concept by the amount, "scale" multiplies it, "set" fixes it.
        point, box, mask
            At most one, as for `query`.
        """
        self._require("edit")
        operation, amount = checked(op, amount)
        found = self.concept(concept)
        region = self._region_or_all(point, box, mask)
        return edited(self, Edit(found.name, found.index, operation, amount, region))

    def flip(
        self,
        concept: str | int,
        to: int | str,
        *,
        point: Point | None = None,
        box: Box | None = None,
        mask: Any = None,
    ) -> float | None:
        """The smallest amount that, added to a concept (in a region), makes class `to` win; None if none does."""
        self._require("edit")
        assert self.readout is not None
        names = self.readout.classes
        if to not in names and not (isinstance(to, int) and 0 <= to < len(names)):
            raise UnknownName(
                message(f"There is no class {to!r}.", did_you_mean(str(to), names), "Pass its name or index.")
            )
        winner = names.index(to) if isinstance(to, str) else to
        return flip(self, self.concept(concept).index, winner, self._region_or_all(point, box, mask))

    def _region_or_all(self, point: Point | None, box: Box | None, mask: Any) -> np.ndarray:
        if point is None and box is None and mask is None:
            return np.ones(self.grid)
        return self.region_weights(point=point, box=box, mask=mask)

    def _for(self, target: int | str) -> Explanation:
        if target in (self.target.index, self.target.name):
            return self
        assert self.rerun is not None
        return self.rerun(target)

    def masks(
        self, names: Sequence[str | int], *, threshold: float = 0.5, size: Size | None = None
    ) -> dict[str, np.ndarray]:
        """Boolean masks on the original picture: where each concept exceeds `threshold` of its maximum."""
        self._require("masks")
        found = [self.concept(name) for name in names]
        result = {}
        for concept in found:
            placed = self.geometry.place(concept.map, size)
            peak = float(concept.map.max())
            with np.errstate(invalid="ignore"):
                result[concept.name] = (placed >= threshold * peak) & (peak > 0)
        return result

    def to_dict(self, *, top_k: int | None = None, maps: bool = True) -> dict[str, Any]:
        """JSON-safe data of schema `seewhy.explanation/1`; `top_k` keeps that many concepts and their maps."""
        from seewhy.explanation.schema import explanation_to_dict

        return explanation_to_dict(self, top_k=top_k, maps=maps)

    def __repr__(self) -> str:
        best = ", ".join(f"{c.name} {c.contribution:+.3g}" for c in self.top(3))
        return (
            f"Explanation({self.image.name!r} -> {self.target.name!r} {self.target.score:.3f}, "
            f"{len(self.concepts)} concepts ({self.kind}): {best})"
        )
