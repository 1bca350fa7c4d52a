"""Two explanations concept by concept, as far as their concepts are the same, and their accounts row by row."""

from __future__ import annotations

from dataclasses import dataclass

from seewhy.explanation.answer import Answer
from seewhy.explanation.explanation import Explanation
from seewhy.explanation.side_by_side import known_same, layer_of, model_of, why_not_subtract


@dataclass(frozen=True)
class ConceptPair:
    """One concept in both explanations: what it contributes to each target, and its mean activation."""

    name: str
    index: int
    first: float
    second: float
    activations: tuple[float, float]

    @property
    def change(self) -> float:
        """Second minus first."""
        return self.second - self.first


@dataclass(frozen=True)
class ConceptPairs:
    """Concepts that both explanations have, largest change first, or the reason why they cannot be matched."""

    rows: tuple[ConceptPair, ...] = ()
    only_first: tuple[str, ...] = ()
    only_second: tuple[str, ...] = ()
    why_not: str | None = None


@dataclass(frozen=True)
class TotalPair:
    """One row of both accounts; see `explanation.Totals`."""

    name: str
    first: float
    second: float

    @property
    def change(self) -> float:
        """Second minus first."""
        return self.second - self.first


def concepts_of(first: Answer, second: Answer) -> ConceptPairs:
    """Concepts of equal name and index within one space of concepts, largest change first."""
    if not (isinstance(first, Explanation) and isinstance(second, Explanation)):
        return ConceptPairs(why_not="an attribution map has no concepts")
    if reason := why_not_subtract(first, second) or _why_other_space(first, second):
        return ConceptPairs(why_not=reason)
    sides = [{(c.name, c.index): c for c in answer.concepts} for answer in (first, second)]
    rows = [
        ConceptPair(*key, c.contribution, d.contribution, (c.activation, d.activation))
        for key, c in sides[0].items()
        if (d := sides[1].get(key))
    ]
    only = [tuple(name for name, _ in mine.keys() - other.keys()) for mine, other in (sides, sides[::-1])]
    why_not = None if rows else "no concept is in both" if any(sides) else "there are no concepts"
    return ConceptPairs(
        tuple(sorted(rows, key=lambda row: (-abs(row.change), row.index))),
        tuple(sorted(only[0])),
        tuple(sorted(only[1])),
        why_not,
    )


def _why_other_space(first: Explanation, second: Explanation) -> str | None:
    """Why equal names do not mean equal concepts, or None: they are of one dictionary, or one model and layer."""
    dictionaries = [_dictionary(answer) for answer in (first, second)]
    if any(dictionaries):
        if dictionaries[0] == dictionaries[1]:
            return None
        return "their concepts come from different dictionaries, so equal names are not equal concepts"
    if any(concept.source == "found" for a in (first, second) for concept in a.concepts):
        return "their concepts were found, and the answers do not say in which dictionary"
    one_model = known_same(model_of(first), model_of(second))
    if one_model is None:
        return "an answer does not say which model it is of, so equal names may not be equal concepts"
    if not one_model:
        return "their concepts belong to different models, so equal names are not equal concepts"
    if layer_of(first) != layer_of(second):
        return f"their concepts belong to different layers: {layer_of(first)}, and {layer_of(second)}"
    return None


def _dictionary(answer: Answer) -> str | None:
    """Hash of the dictionary that the concepts were found in, if the answer says one.

    The name of a dictionary's method is no identity: two of one name hold different concepts.
    """
    found = answer.meta.method.get("dictionary_sha256")
    return str(found) if found else None


def totals_of(first: Answer, second: Answer) -> tuple[TotalPair, ...]:
    """The rows of both accounts, the logit last; empty unless both are shares of one score."""
    for answer in (first, second):
        if answer.can("totals"):
            return ()
    assert isinstance(first, Explanation) and isinstance(second, Explanation)
    if why_not_subtract(first, second):
        return ()
    a, b = first.totals, second.totals
    ways = [{row.name: row.contribution for row in answer.elsewhere} for answer in (first, second)]
    return (
        TotalPair("concepts", a.concepts, b.concepts),
        TotalPair("bias", a.bias, b.bias),
        *(TotalPair(name, ways[0].get(name, 0.0), ways[1].get(name, 0.0)) for name in {**ways[0], **ways[1]}),
        TotalPair("unexplained remainder", a.remainder, b.remainder),
        TotalPair("= logit", a.logit, b.logit),
    )
