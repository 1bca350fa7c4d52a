"""Prompters by what they say of themselves, so that a saved model can point as it did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seewhy.errors import BadArtefact, did_you_mean, message
from seewhy.grounding.base import Prompter
from seewhy.grounding.blur import BlurOutside
from seewhy.grounding.crop import Crop
from seewhy.grounding.dense import Dense
from seewhy.grounding.reattend import Reattend
from seewhy.grounding.red_circle import RedCircle
from seewhy.grounding.whole import Whole

PROMPTERS: Mapping[str, type[Any]] = {
    "red-circle": RedCircle,
    "crop": Crop,
    "blur-outside": BlurOutside,
    "reattend": Reattend,
    "dense": Dense,
    "whole": Whole,
}
"""By the names that the command line knows."""


def described(told: Mapping[str, Any]) -> Prompter:
    """The prompter whose `describe` this is.

    Raises
    ------
    BadArtefact
        If no prompter of this version says so.
    """
    for made in PROMPTERS.values():
        options = {name: tuple(v) if isinstance(v, list) else v for name, v in told.items() if name != "kind"}
        if made.kind != told.get("kind"):
            continue
        try:
            found: Prompter = made(**options)
        except TypeError:
            break
        return found
    kinds = [made.kind for made in PROMPTERS.values()]
    raise BadArtefact(
        message(
            f"There is no prompter {told.get('kind')!r} with {', '.join(sorted(set(told) - {'kind'})) or 'nothing'}.",
            f"This version knows {', '.join(kinds)}.",
            ("" if told.get("kind") in kinds else did_you_mean(str(told.get("kind")), kinds))
            or "Install the version that saved it.",
        )
    )
