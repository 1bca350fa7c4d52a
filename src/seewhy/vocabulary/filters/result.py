"""What every filter gives: the vocabulary that stays, and the table of what does not; never an empty one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from seewhy.errors import InputError, UnknownName, did_you_mean, message
from seewhy.vocabulary.dropped import Drop, Dropped
from seewhy.vocabulary.vocabulary import Concept, Vocabulary, heir
from seewhy.vocabulary.words import tidy

Result = tuple[Vocabulary, Dropped]
Compat = Literal["lfcbm"]


def without(
    words: Vocabulary, drops: Sequence[Drop], others: dict[str, list[Concept]] | None = None
) -> Result:
    """The vocabulary without what was dropped; `others` says whose classes and parents the kept ones take over."""
    dropped = Dropped(tuple(drops))
    gone = set(dropped.names)
    kept = tuple(
        heir(concept, *(others or {}).get(concept.key, ())) for concept in words if concept.name not in gone
    )
    if not kept:
        first = dropped.entries[0]
        raise InputError(
            message(
                f"All {len(words)} concepts would be dropped by the filter {first.filter!r}, such as"
                f" {first.concept!r}: {first.reason}.",
                "At least one concept must stay.",
                "Loosen the threshold, or check that the numbers belong to this vocabulary and model.",
            )
        )
    return Vocabulary(kept, words.dropped + dropped), dropped


def check_classes(classes: Sequence[str]) -> None:
    if isinstance(classes, str) or not len(classes) or any(not tidy(name) for name in classes):
        raise InputError(
            message(
                f"The classes are {classes!r:.80}.",
                "They are a list of names, none of them empty.",
                "Pass the names of the classes that the model tells apart.",
            )
        )


def check_choice(name: str, given: str, choices: tuple[str, ...]) -> None:
    if given not in choices:
        raise UnknownName(message(f"{name} is {given!r}.", did_you_mean(given, choices)))
