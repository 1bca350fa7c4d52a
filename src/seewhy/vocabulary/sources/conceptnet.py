"""Words from a dump of ConceptNet: what classes have, are made of, are like, are kinds of, and where they are.

A dump (`conceptnet-assertions-*.csv`, as it is or as .gz) has five columns between tabs: the assertion, the relation
(/r/HasA), start and end (/c/en/dog, perhaps with a sense behind it: /c/en/dog/n/wn/animal), and JSON with a weight.
It is read once from beginning to end, a line at a time, in little memory; the whole of it has 34 million lines.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from seewhy.errors import BadArtefact, InputError, UnknownName, did_you_mean, message
from seewhy.vocabulary.dropped import Drop, Dropped
from seewhy.vocabulary.vocabulary import Concept, Vocabulary
from seewhy.vocabulary.words import key, tidy

OUTWARD = ("HasA", "IsA", "HasProperty", "MadeOf", "AtLocation")
"""The class is the start, the concept the end."""
INWARD = ("PartOf",)
"""The concept is the start, the class the end."""
RELATIONS = ("HasA", "IsA", "PartOf", "HasProperty", "MadeOf")
"""As Post-hoc CBM follows them; "AtLocation" brings the surroundings too."""

_LANGUAGE = b"/c/en/"


def from_conceptnet(
    classes: Sequence[str],
    dump: str | Path,
    *,
    relations: Sequence[str] = RELATIONS,
    n_words: int = 2,
) -> Vocabulary:
    """Collect what a ConceptNet dump says of classes.

    Parameters
    ----------
    classes
        Names of the classes, English.
    dump
        The file, .csv or .csv.gz.
    relations
        Of "HasA", "IsA" (only of weight above 1), "PartOf", "HasProperty", "MadeOf", "AtLocation".
    n_words
        Concepts of more words are dropped.

    Returns
    -------
    words
        In the order of the dump, the relation as group. Of a singular and a plural the singular stays. Classes of
        which nothing was found, and what was dropped, stand in `dropped`.

    Raises
    ------
    InputError
        If the file cannot be read or is no such dump, or nothing was found.
    BadArtefact
        If it breaks off or is damaged.

    Notes
    -----
    Relations, weight and two words are Post-hoc CBM's (arXiv 2205.15480), which asks a web service instead and
    can go on from what it has found; here one step is made, and plurals are found by rule.
    """
    for relation in relations:
        if relation not in OUTWARD + INWARD:
            raise UnknownName(
                message(
                    f"There is no relation {relation!r}.",
                    did_you_mean(relation, OUTWARD + INWARD),
                    f"Pass some of {', '.join(OUTWARD + INWARD)}.",
                )
            )
    if isinstance(classes, str) or not classes:
        raise InputError(message(f"The classes are {classes!r:.60}.", "They are a list of names."))
    names = {term: class_ for class_ in reversed(classes) for term in (tidy(class_).casefold(), key(class_))}
    found: dict[str, Concept] = {}
    drops: list[Drop] = []
    seen = set()
    for class_, relation, term in _edges(Path(dump).expanduser(), names, frozenset(relations)):
        seen.add(class_)
        if len(term.split()) > n_words:
            drops.append(
                Drop(term, "conceptnet", f"has {len(term.split())} words", len(term.split()), n_words)
            )
        elif key(term) not in {key(name) for name in names}:
            new = Concept(term, group=relation, classes=(class_,), source="conceptnet")
            old = found.get(key(term))
            if old is None:
                found[key(term)] = new
            else:
                singular = next(
                    (concept.name for concept in (old, new) if concept.name == key(term)), old.name
                )
                classes_ = tuple(dict.fromkeys(old.classes + new.classes))
                found[key(term)] = Concept(singular, group=old.group, classes=classes_, source="conceptnet")
    drops += [
        Drop(class_, "conceptnet", "is a class of which the dump says nothing")
        for class_ in classes
        if class_ not in seen
    ]
    if not found:
        raise InputError(
            message(
                f"{dump} says nothing of {', '.join(map(repr, list(classes)[:6]))} that could be kept.",
                f"Followed were {', '.join(relations)}.",
                "Check the spelling of the classes, or take words from elsewhere.",
            )
        )
    unique = tuple({drop.concept: drop for drop in drops}.values())
    return Vocabulary(tuple(found.values()), Dropped(unique))


def _edges(path: Path, names: dict[str, str], relations: frozenset[str]) -> Iterator[tuple[str, str, str]]:
    """(class, relation, concept) of every assertion about a class."""
    wanted = {f"/r/{relation}".encode(): relation for relation in relations}
    terms = {name.replace(" ", "_").encode(): class_ for name, class_ in names.items()}
    assertions = 0
    for line in _lines(path):
        columns = line.split(b"\t", 4)
        if len(columns) != 5 or not columns[1].startswith(b"/r/"):
            continue
        assertions += 1
        relation = wanted.get(columns[1])
        start, end = columns[2], columns[3]
        if relation is None or not (start.startswith(_LANGUAGE) and end.startswith(_LANGUAGE)):
            continue
        own, other = (end, start) if relation in INWARD else (start, end)
        class_ = terms.get(own.split(b"/")[3])
        if class_ is None or (relation == "IsA" and _weight(columns[4]) <= 1):
            continue
        term = tidy(other.split(b"/")[3].decode("utf-8", "replace").replace("_", " "))
        if term:
            yield class_, relation, term
    if not assertions:
        raise InputError(
            message(
                f"{path} holds no assertion of ConceptNet.",
                "A dump has five columns between tabs: assertion, relation, start, end, and JSON.",
                "Download conceptnet-assertions-5.7.0.csv.gz, and pass it as it is.",
            )
        )


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            yield from stream
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadArtefact(
            message(f"{path} is damaged ({error}).", "It must be there whole.", "Download the dump again.")
        ) from error
    except OSError as error:
        raise InputError(
            message(
                f"The dump {str(path)!r} cannot be read ({error.strerror or error}).",
                "It is a .csv or .csv.gz file on this machine; nothing is downloaded.",
                "Check the path.",
            )
        ) from error


def _weight(column: bytes) -> float:
    try:
        return float(json.loads(column)["weight"])
    except (ValueError, KeyError, TypeError):
        return 0.0
