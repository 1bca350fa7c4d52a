"""Which colour scale an answer is drawn on, and what its numbers mean in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from seewhy.explanation.answer import Answer
from seewhy.explanation.evidence import ConceptEvidence
from seewhy.visualise.colours import Scale, shared_scale
from seewhy.visualise.wording import clean

CONTRIBUTION = {"share": "adds", "effect": "effect", "variance": "importance", None: "value"}
"""Heading of a column of contributions, by kind."""

MEANING = {
    "share": "Parts of the logit: together with the bias they add up to it.",
    "effect": "Effects: how much the prediction changes when a part is hidden or edited. They do not add up.",
    "variance": "Importance without a sign: how much of the output's variation a part causes. It does not add up "
    "to the logit.",
    None: "In the unit that stands at the scale. The cells do not add up to the logit.",
}

UNITS = {
    "share": "logit per cell",
    "effect": "change of the logit, per cell",
    "variance": "importance, per cell",
    None: "in the method's own unit",
}
ACTIVATION = "activation, per cell"

FINE, FINE_QUANTILE = 32 * 32, 0.995
"""Maps of more cells than this are drawn up to this quantile."""


def kind_of(answer: Answer) -> Any:
    """The answer's kind of evidence: "share", "effect", "variance" or None."""
    return getattr(answer, "kind", None)


def whole_scale(answer: Answer) -> Scale:
    """Scale of the map of the target: centred at zero unless the answer has no negative values by nature.

    A map of shares is drawn on at least a thousandth of an even spread of the logit over the cells, so that a
    map of rounding errors looks empty. A map of more than 32x32 cells is drawn up to the 99.5th percentile of
    its absolute values, but not below a fiftieth of the largest, because single pixels would else take the
    whole scale; the note says so then. A method may name its own unit in `meta.method["unit"]`.
    """
    kind = kind_of(answer)
    signed = bool(getattr(answer, "signed", kind != "variance"))
    values = answer.where
    floor = 1e-3 * max(1.0, abs(answer.target.logit)) / values.size if kind == "share" else 0.0
    unit = clean(answer.meta.method.get("unit") or UNITS[kind], 60)
    # Signed in name is not enough: a map that came out negative must never look empty.
    scale = shared_scale([values], signed=signed or bool(values.min() < 0), unit=unit, floor=floor)
    if values.size <= FINE:
        return scale
    limit = max(float(np.quantile(np.abs(values), FINE_QUANTILE)), scale.limit / 50, floor)
    beyond = 100 * float((np.abs(values) > limit).mean())
    return replace(scale, limit=limit, note=f"{beyond:.1f} % of the cells lie beyond") if beyond else scale


def concept_scale(concepts: Iterable[ConceptEvidence]) -> Scale:
    """One scale for the activations of all `concepts`, centred at zero if any of them is negative."""
    maps = [concept.map for concept in concepts]
    return shared_scale(maps, signed=any(float(values.min()) < 0 for values in maps), unit=ACTIVATION)
