"""What an answer can do, in one table: the code asks it before doing, and the documentation is made from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seewhy.errors import UnknownName, did_you_mean, message

Reason = Callable[[Any], str | None]
NO_MODEL = "it does not hold the model (it was loaded from a file); explain the picture again."


def _needs_shares(answer: Any) -> str | None:
    if answer.kind != "share":
        return f"its contributions are of kind {answer.kind!r}, which do not add up to the logit."
    return None


def _needs_account(answer: Any) -> str | None:
    return None if hasattr(answer, "concepts") else "an attribution map has no rows; use model.explain."


def _needs_concepts(answer: Any) -> str | None:
    if not hasattr(answer, "concepts"):
        return "an attribution map has no concepts; use model.explain."
    return None if answer.concepts else "it has no concepts."


def _needs_cells(answer: Any) -> str | None:
    if not hasattr(answer, "concepts"):
        return None
    if not any(concept.shares is not None for concept in answer.concepts):
        return "no concept tells its contribution by place; look at the concepts' own maps."
    return None


def _needs_rerun(answer: Any) -> str | None:
    return NO_MODEL if getattr(answer, "rerun", None) is None else None


def _needs_readout(answer: Any) -> str | None:
    if not hasattr(answer, "concepts"):
        return "an attribution map has no concepts; use the explain method of a concept model."
    if answer.readout is None:
        if answer.rerun is None:
            return NO_MODEL
        return "its logits are not linear in concepts; use a concept bottleneck (seewhy train)."
    return None


def _needs_replay(answer: Any) -> str | None:
    if getattr(answer, "edits", ()):
        return "it was edited, and no picture looks so; check the explanation before the edit."
    return NO_MODEL if answer.replay is None else None


def _needs_a_claim(answer: Any) -> str | None:
    if not hasattr(answer, "concepts"):
        return None
    predicts = answer.kind != "variance" and answer.concepts and answer.replay.concepts is not None
    if predicts or _needs_cells(answer) is None:
        return None
    return "nothing of it can be tested: it predicts no change of the logit, and does not tell it by place."


CAPABILITIES: dict[str, tuple[str, tuple[Reason, ...]]] = {
    "where": ("the map of the target, on the grid and on the picture", (_needs_cells,)),
    "totals": ("rows that add up to the logit", (_needs_account, _needs_shares)),
    "query": ("what is in a point, box or mask", ()),
    "contrast": ("why A and not B", (_needs_concepts, _needs_rerun)),
    "edit": ("what if a concept were different, everywhere or in a region", (_needs_readout,)),
    "check": (
        "receipts: the network asked again with concepts edited and pixels hidden",
        (_needs_replay, _needs_a_claim),
    ),
    "masks": ("concepts as masks on the picture", (_needs_concepts,)),
    "to_dict": ("versioned JSON", ()),
    "figure": ("a matplotlib figure", ()),
    "save": (".html, .json, .png, .svg", ()),
}
"""Operation -> (what it gives, the conditions that it needs)."""


def why_not(answer: Any, operation: str) -> str | None:
    """The first condition of `operation` that `answer` misses, or None."""
    if operation not in CAPABILITIES:
        raise UnknownName(
            message(f"There is no operation {operation!r}.", did_you_mean(operation, CAPABILITIES))
        )
    conditions = CAPABILITIES[operation][1]
    if operation == "query" and hasattr(answer, "concepts"):
        conditions = (*conditions, _needs_concepts)
    return next((reason for condition in conditions if (reason := condition(answer))), None)
