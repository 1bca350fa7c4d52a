"""Filters that read names alone: too long, another spelling of one that is there, or the class itself.

Each gives (kept, dropped) and raises an InputError if nothing would stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from seewhy.errors import InputError, message
from seewhy.vocabulary.dropped import Drop
from seewhy.vocabulary.filters.result import Compat, Result, check_choice, check_classes, without
from seewhy.vocabulary.vocabulary import Concept, Vocabulary
from seewhy.vocabulary.words import key, tokens


def length(words: Vocabulary, *, characters: int | None = 30, n_words: int | None = 4) -> Result:
    """Drop names of more characters or words than given; None is no limit.

    Source: LF-CBM (arXiv 2304.06129) for 30 characters; the number of words is ours.
    """
    _check_limits(characters=characters, n_words=n_words)
    drops = []
    for concept in words:
        long, many = len(concept.name), len(concept.name.split())
        if characters is not None and long > characters:
            drops.append(Drop(concept.name, "length", f"has {long} characters", long, characters))
        elif n_words is not None and many > n_words:
            drops.append(Drop(concept.name, "length", f"has {many} words", many, n_words))
    return without(words, drops)


def spellings(words: Vocabulary) -> Result:
    """Drop names that differ from an earlier one only in plural, article, hyphen or case ("beaks", "a beak").

    Of equals the one that is spelt as the comparing key is ("beak") stays, else the first, in its own place; it
    takes over the classes and parents of the others.
    """
    equal: dict[str, list[Concept]] = {}
    for concept in words:
        equal.setdefault(key(concept.name), []).append(concept)
    stays = {
        same: next((concept for concept in concepts if concept.key == same), concepts[0])
        for same, concepts in equal.items()
    }
    drops, others = [], dict[str, list[Concept]]()
    for concept in words:
        kept = stays[key(concept.name)]
        if concept is not kept:
            reason = f"is another spelling of {kept.name!r}"
            drops.append(Drop(concept.name, "spelling", reason))
            others.setdefault(kept.key, []).append(concept)
    return without(words, drops, others)


def names_of(
    words: Vocabulary,
    classes: Sequence[str],
    *,
    match: Literal["contains", "equals"] = "contains",
    compat: Compat | None = None,
) -> Result:
    """Drop names that give a class away: those that contain a class's name, or equal it.

    Words are compared one by one, without plural and article: "cats' ears" contains the class "cat", "caterpillar"
    does not. Of class names such as "kite (bird of prey)" and "tench, Tinca tinca" the part before the bracket or
    comma counts as a name too.

    Parameters
    ----------
    words
        The vocabulary.
    classes
        The names of the classes.
    match
        "contains", or "equals" for classes that are everyday words ("orange", "rose"), whose loss would cost more
        than the leak.
    compat
        "lfcbm": LF-CBM's exact rule instead, string equality with seven prefixes and two capitalisations.

    Raises
    ------
    InputError
        If there is no class, or nothing stays.
    """
    check_classes(classes)
    check_choice("match", match, ("contains", "equals"))
    if compat is not None:
        check_choice("compat", compat, ("lfcbm",))
        written = {spelt: class_ for class_ in reversed(classes) for spelt in _lfcbm_spellings(class_)}
        return without(
            words,
            [
                Drop(concept.name, "class name", f"is the class {written[concept.name]!r}")
                for concept in words
                if concept.name in written
            ],
        )
    named: dict[tuple[str, ...], str] = {}
    for class_ in classes:
        for variant in (class_, class_.partition("(")[0], class_.partition(",")[0]):
            if tokens(variant):
                named.setdefault(tokens(variant), class_)
    sizes = sorted({len(name) for name in named})
    drops = []
    for concept in words:
        own = tokens(concept.name)
        if match == "equals":
            found = named.get(own)
        else:
            runs = (own[at : at + size] for size in sizes for at in range(len(own) - size + 1))
            found = next((named[run] for run in runs if run in named), None)
        if found is not None:
            verb = "is" if own in named else "contains"
            drops.append(Drop(concept.name, "class name", f"{verb} the name of the class {found!r}"))
    return without(words, drops)


def _lfcbm_spellings(name: str) -> tuple[str, ...]:
    prefixes = ("", "a ", "A ", "an ", "An ", "the ", "The ")
    return (*(prefix + name for prefix in prefixes), name.upper(), name[:1].upper() + name[1:])


def _check_limits(**limits: int | None) -> None:
    for name, limit in limits.items():
        if limit is not None and limit < 1:
            raise InputError(
                message(f"{name} is {limit}.", "A limit is 1 or more.", "Pass None for no limit.")
            )
