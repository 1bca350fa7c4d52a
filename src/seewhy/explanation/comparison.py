"""What changed between two answers: of two pictures, models, classes or methods. Data and maths only.

`first` and `second` stand side by side; every change is second minus first. What cannot be compared says why
instead of giving a number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from seewhy.errors import InputError, message
from seewhy.explanation.agreement import Agreement, agreement_of, common_grid, no_agreement, regrid
from seewhy.explanation.answer import Answer
from seewhy.explanation.attribution_map import AttributionMap
from seewhy.explanation.evidence import Meta, Prediction
from seewhy.explanation.explanation import Explanation
from seewhy.explanation.pairs import ConceptPairs, TotalPair, concepts_of, totals_of
from seewhy.explanation.side_by_side import (
    Fact,
    PredictionPair,
    facts_of,
    predictions_of,
    why_not_subtract,
)
from seewhy.images.geometry import Geometry
from seewhy.registry import VIEWS


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two answers side by side; made by `compare`.

    Parameters
    ----------
    facts
        Picture, model, layer, method, target and so on: which are the same.
    predictions
        Classes that either answer lists, highest score first.
    agreement
        How far the two maps agree where both models looked.
    difference
        Second map minus first on their common grid, as a map of the picture; None, and `why_no_difference`,
        unless it is one picture and both numbers mean the same.
    concepts
        Contributions matched by name within one concept space.
    totals
        Rows of both accounts of the logit, the changes of which add up too. Empty unless both are shares.
    notes
        What to keep in mind when reading the rest.
    """

    first: Answer
    second: Answer
    facts: tuple[Fact, ...]
    predictions: tuple[PredictionPair, ...]
    agreement: Agreement
    difference: AttributionMap | None
    why_no_difference: str | None
    concepts: ConceptPairs
    totals: tuple[TotalPair, ...]
    notes: tuple[str, ...]

    schema: ClassVar[str] = "seewhy.comparison/1"

    @property
    def differs(self) -> tuple[str, ...]:
        """Names of the facts that differ."""
        return tuple(fact.name for fact in self.facts if fact.same is False)

    def fact(self, name: str) -> Fact:
        """The fact called `name`, such as "model"."""
        return next(fact for fact in self.facts if fact.name == name)

    def figure(self, **options: Any) -> Any:
        """A matplotlib `Figure`: both maps, and their difference where there is one."""
        return VIEWS["comparison_figure"](self, **options)

    def save(self, output: Any, **options: Any) -> Any:
        """Write to `output`; its suffix says what: .html page, .json data, .png or .svg figure."""
        return VIEWS["comparison_save"](self, output, **options)

    def to_text(self) -> str:
        """The comparison as tables for a terminal."""
        return str(VIEWS["comparison_text"](self))

    def to_dict(self, *, top_k: int | None = None) -> dict[str, Any]:
        """JSON-safe data of schema `seewhy.comparison/1`; `top_k` keeps that many rows of concepts.

        Of the two answers all is kept but their concepts, which their own `to_dict` gives.
        """
        rows = self.concepts.rows[:top_k]
        return {
            "schema": self.schema,
            "first": _without_concepts(self.first),
            "second": _without_concepts(self.second),
            "facts": [asdict(fact) for fact in self.facts],
            "predictions": [asdict(row) for row in self.predictions],
            "agreement": {**asdict(self.agreement), "grid": _listed(self.agreement.grid)},
            "difference": None if self.difference is None else self.difference.to_dict(),
            "why_no_difference": self.why_no_difference,
            "concepts": {
                "rows": [
                    {**asdict(row), "activations": [*row.activations], "change": row.change} for row in rows
                ],
                "others": {
                    "n": len(self.concepts.rows) - len(rows),
                    "change": float(sum(row.change for row in self.concepts.rows[len(rows) :])),
                },
                "only_first": [*self.concepts.only_first],
                "only_second": [*self.concepts.only_second],
                "why_not": self.concepts.why_not,
            },
            "totals": [{**asdict(row), "change": row.change} for row in self.totals],
            "notes": [*self.notes],
        }

    def _repr_html_(self) -> str:
        return str(VIEWS["comparison_notebook"](self))

    def __repr__(self) -> str:
        differs = ", ".join(self.differs) or "nothing"
        rank = self.agreement.spearman.value
        alike = "" if rank is None else f", maps' rank correlation {rank:.2f}"
        return f"Comparison({self.first.target.name!r} and {self.second.target.name!r}, differs: {differs}{alike})"


def compare(first: Answer, second: Answer) -> Comparison:
    """What is the same in two answers and what differs, second minus first.

    Parameters
    ----------
    first, second
        `Explanation` or `AttributionMap`: of one picture by two models, for two classes or by two methods, or
        of two pictures by one model. Whatever else differs is told.

    Returns
    -------
    comparison
        What can be compared; for the rest the reason why not.

    Raises
    ------
    InputError
        If one of them is not a single answer.
    """
    for which, answer in (("first", first), ("second", second)):
        if not isinstance(answer, Answer):
            raise InputError(
                message(
                    f"The {which} is a {type(answer).__name__}.",
                    "compare takes two single answers, each an Explanation or an AttributionMap.",
                    "Take one of several by its place, such as answers[0].",
                )
            )
    facts = facts_of(first, second)
    same = {fact.name: fact.same for fact in facts}
    agreement, difference, why_not = _maps(first, second, same["picture"])
    return Comparison(
        first,
        second,
        facts,
        predictions_of(first, second, by_index=same["model"] is True),
        agreement,
        difference,
        why_not,
        concepts_of(first, second),
        totals_of(first, second),
        tuple(_notes(first, second, same)),
    )


def _maps(
    first: Answer, second: Answer, same_picture: bool | None
) -> tuple[Agreement, AttributionMap | None, str | None]:
    """Agreement of the maps, their difference, and why there is none."""
    for which, answer in (("first", first), ("second", second)):
        if reason := answer.can("where"):
            reason = f"the {which} has no map: {reason.rstrip('.')}"
            return no_agreement(reason), None, reason
    if first.image.size != second.image.size:
        reason = "two pictures of different sizes: a place in one is no place in the other"
        return no_agreement(reason), None, reason
    common = common_grid((first.geometry, first.grid), (second.geometry, second.grid))
    if common is None:
        reason = "no part of the picture was seen by both"
        return no_agreement(reason), None, reason
    add = all(getattr(answer, "kind", None) == "share" for answer in (first, second))
    one, other = (regrid(a.where, a.geometry, common, add=add) for a in (first, second))
    agreement = agreement_of(one, other)
    if same_picture is None:
        return (
            agreement,
            None,
            "it is not known whether the pictures are one: a file does not hold its picture",
        )
    if not same_picture:
        return agreement, None, "two pictures: what is at a place need not be the same thing"
    if reason := why_not_subtract(first, second):
        return agreement, None, reason
    return agreement, _difference(first, second, other - one, common), None


def _difference(first: Answer, second: Answer, values: Any, common: Geometry) -> AttributionMap:
    kind = getattr(first, "kind", None)
    unit = first.meta.method.get("unit")
    if kind == "share":
        unit = f"{first.meta.method.get('score', 'logit')} per cell"
    return AttributionMap(
        image=first.image,
        geometry=common,
        prediction=(),
        target=Prediction(
            second.target.index,
            second.target.name,
            second.target.logit - first.target.logit,
            second.target.score - first.target.score,
        ),
        meta=Meta(method={"name": "difference", **({"unit": unit} if unit else {})}),
        map=values,
        kind=kind,
        signed=True,
    )


def _notes(first: Answer, second: Answer, same: dict[str, bool | None]) -> Iterable[str]:
    if not same["target"] and not same["model"]:
        yield (
            f"The answers explain two classes, {first.target.name} and {second.target.name}. Name one target "
            "to ask both models the same question."
        )
    if same["model"] is False:
        yield (
            "Two networks need not use logits of one size: compare scores and places rather than how much a "
            "logit changed."
        )
    if not same["picture"] and first.image.size == second.image.size:
        yield (
            "The maps of two pictures are compared place by place. That means something only where both show "
            "the same scene."
        )


def _without_concepts(answer: Answer) -> dict[str, Any]:
    return answer.to_dict(top_k=0) if isinstance(answer, Explanation) else answer.to_dict()


def _listed(grid: tuple[int, int] | None) -> list[int] | None:
    return None if grid is None else [*grid]
