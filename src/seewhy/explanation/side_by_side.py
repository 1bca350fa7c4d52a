"""Two answers side by side: what is the same about them, and what each predicts. Words and look-ups only."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from seewhy.explanation.answer import Answer
from seewhy.explanation.evidence import Prediction


@dataclass(frozen=True)
class Fact:
    """One thing about both answers; `same` is None where an answer does not tell."""

    name: str
    first: str
    second: str
    same: bool | None


@dataclass(frozen=True)
class PredictionPair:
    """One class in both predictions; None where it is not among those that the answer lists."""

    name: str
    first: Prediction | None
    second: Prediction | None


def measure_of(answer: Answer) -> str:
    """What the answer's numbers are, in words that are equal only if they may be subtracted."""
    kind, method = getattr(answer, "kind", None), answer.meta.method
    score = method.get("score", "logit")
    if kind == "share":
        return f"shares of the {score}"
    unit = method.get("unit") or f"in the unit of {method.get('name', 'an unknown method')}"
    words = {"effect": "effects, ", "variance": "importance, "}.get(str(kind), "")
    return f"{words}{unit}" + ("" if score == "logit" else f" of the {score}")


def why_not_subtract(first: Answer, second: Answer) -> str | None:
    """Why the values of two answers may not be subtracted or drawn on one scale, or None."""
    one, other = measure_of(first), measure_of(second)
    return None if one == other else f"their numbers differ in meaning: {one}, and {other}"


def facts_of(first: Answer, second: Answer) -> tuple[Fact, ...]:
    """What is the same about two answers, and what differs, in words."""
    one_model = known_same(model_of(first), model_of(second))
    models = [str(a.meta.model.get("id") or "unknown") for a in (first, second)]
    if one_model is False and models[0] == models[1]:
        models = [
            f"{m} ({str(a.meta.model.get('sha256'))[:8]})"
            for m, a in zip(models, (first, second), strict=True)
        ]
    same_target = first.target.name == second.target.name
    if one_model:
        same_target = same_target and first.target.index == second.target.index
    facts = [
        Fact("picture", _picture(first), _picture(second), _same_picture(first, second)),
        Fact("model", models[0], models[1], one_model),
        _told("layer", layer_of(first), layer_of(second)),
        Fact("method", *_methods(first, second), first.meta.method == second.meta.method),
        Fact("target", first.target.name, second.target.name, same_target),
        _told("numbers", measure_of(first), measure_of(second)),
        _told("grid", *(f"{a.grid[0]} x {a.grid[1]} cells" for a in (first, second))),
        _told("input", *(a.meta.choices.get("preprocess") for a in (first, second))),
        _told("seed", *(None if a.meta.seed is None else str(a.meta.seed) for a in (first, second))),
        _told("versions", *(_pairs(a.meta.versions.items()) or None for a in (first, second))),
    ]
    # Rows of which neither answer says anything say nothing.
    return tuple(fact for fact in facts if (fact.first, fact.second) != ("-", "-"))


def _told(name: str, first: str | None, second: str | None) -> Fact:
    """A fact that is the same if its words are; '-' where an answer has none."""
    return Fact(name, first or "-", second or "-", first == second)


def known_same(first: object, second: object) -> bool | None:
    """Whether both are equal; None if one of them is not known."""
    return None if first is None or second is None else first == second


def model_of(answer: Answer) -> str | None:
    """What identifies the network: the hash of its weights, else its name."""
    model = answer.meta.model
    return model.get("sha256") or model.get("id")


def _picture(answer: Answer) -> str:
    height, width = answer.image.size
    return f"{answer.image.name}, {width} x {height} px"


def _same_picture(first: Answer, second: Answer) -> bool | None:
    if any("grey stands in" in note for a in (first, second) for note in a.image.notes):
        return False if first.image.size != second.image.size else None
    return first.image.sha256 == second.image.sha256


def layer_of(answer: Answer) -> str | None:
    """'layer4 (512x7x7)' without the reason for its choice."""
    words = answer.meta.choices.get("layer") or answer.meta.model.get("layer")
    found = re.match(r"[^(,]*(\([^)]*\))?", str(words)) if words else None
    return found.group().strip() if found else None


def _methods(first: Answer, second: Answer) -> tuple[str, str]:
    """Names of the methods, with the parameters in which two of one name differ."""
    one, other = first.meta.method, second.meta.method
    names = [str(method.get("name", "unknown")) for method in (one, other)]
    if names[0] != names[1]:
        return names[0], names[1]
    keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
    if not keys:
        return names[0], names[1]
    words = [_pairs((key, method.get(key)) for key in keys) for method in (one, other)]
    return f"{names[0]} ({words[0]})", f"{names[1]} ({words[1]})"


def _pairs(items: Iterable[tuple[str, Any]]) -> str:
    return ", ".join(f"{key} {value}" for key, value in items)


def predictions_of(first: Answer, second: Answer, *, by_index: bool) -> tuple[PredictionPair, ...]:
    """Classes of both, matched by index within one model and by name between two."""
    listed = [_listed_classes(answer) for answer in (first, second)]
    repeated = {name for rows in listed for name, n in Counter(row.name for row in rows).items() if n > 1}

    def key(row: Prediction) -> object:
        # Two classes of one name, as ImageNet has them, are told apart by their place.
        return row.index if by_index else (row.name, row.index if row.name in repeated else None)

    sides = [{key(row): row for row in rows} for rows in listed]
    pairs = [
        PredictionPair(row.name, sides[0].get(which), sides[1].get(which))
        for which, row in {**sides[0], **sides[1], **sides[0]}.items()
    ]
    return tuple(sorted(pairs, key=lambda pair: -max(p.score for p in (pair.first, pair.second) if p)))


def _listed_classes(answer: Answer) -> list[Prediction]:
    known = {row.index for row in answer.prediction}
    return [*answer.prediction, *([] if answer.target.index in known else [answer.target])]
