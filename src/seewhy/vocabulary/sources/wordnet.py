"""Words from a WordNet that is installed on this machine: parts, substances, members and kinds of the classes.

Reads the database's own files (format wndb(5WN)), index.noun and data.noun, which Debian's package wordnet-base and
NLTK's corpus "wordnet" both hold; nothing is downloaded and no library is needed.

    index.noun   lemma pos synset_cnt p_cnt [symbol...] sense_cnt tagsense_cnt offset [offset...]
    data.noun    offset lex_filenum ss_type w_cnt word lex_id [word lex_id...] p_cnt [symbol offset pos st...] | gloss

An offset is the place of the synset's line in data.noun in bytes; w_cnt is hexadecimal, p_cnt decimal; the lines of
the licence at the beginning start with two spaces. Senses are listed with the most frequent first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from seewhy.errors import BadArtefact, InputError, MissingExtra, UnknownName, did_you_mean, message
from seewhy.vocabulary.dropped import Drop, Dropped
from seewhy.vocabulary.vocabulary import Concept, Vocabulary
from seewhy.vocabulary.words import key, tidy

SYMBOLS = {"part": "%p", "substance": "%s", "member": "%m", "hypernym": "@"}
"""The relations that are followed, and their pointer symbols."""

_TOO_GENERAL = frozenset(
    (
        "abstraction", "artifact", "attribute", "being", "body part", "causal agent", "entity", "group",
        "instrumentality", "living thing", "matter", "object", "organism", "part", "physical entity", "relation",
        "substance", "thing", "unit", "whole",
    )
)  # fmt: skip
_MARKER = re.compile(r"\((?:a|p|ip)\)$")
_FILES = ("index.noun", "data.noun")


@dataclass(frozen=True)
class Synset:
    """One meaning: its words, the usual one first, and (symbol, offset) of the noun synsets that it points to."""

    words: tuple[str, ...]
    pointers: tuple[tuple[str, int], ...]

    def to(self, relation: str) -> list[int]:
        """The offsets that a relation of `SYMBOLS` points to."""
        return [offset for symbol, offset in self.pointers if symbol == SYMBOLS[relation]]


class WordNet:
    """The nouns of an installed WordNet.

    Parameters
    ----------
    folder
        With index.noun and data.noun; default the first of WNSEARCHDIR, WNHOME/dict, /usr/share/wordnet and NLTK's
        folders that has them.

    Raises
    ------
    InputError
        If the folder lacks the files.
    MissingExtra
        If none was given and none is installed.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = _find(folder)

    def senses(self, noun: str) -> list[int]:
        """Offsets of a noun's meanings, most frequent first; empty if WordNet does not have it.

        Case does not matter, spaces may be underscores, and a plural is looked up as its singular too.
        """
        for spelling in dict.fromkeys((tidy(noun).casefold(), key(noun))):
            found = self._index.get(spelling.replace(" ", "_"))
            if found:
                return list(found)
        return []

    def synset(self, offset: int) -> Synset:
        """The synset at a byte of data.noun.

        Raises
        ------
        BadArtefact
            If no synset's line starts there.
        """
        data = self._data
        end = data.find(b"\n", offset)
        line = data[offset : end if end >= 0 else len(data)].decode("utf-8", "replace")
        if not line.startswith(f"{offset:08d} "):
            raise self._damaged(f"has no synset at byte {offset}")
        try:
            return _parsed(line.partition(" | ")[0].split())
        except (ValueError, IndexError) as error:
            raise self._damaged(f"has a broken line at byte {offset}") from error

    @cached_property
    def _data(self) -> bytes:
        return self._read("data.noun")

    @cached_property
    def _index(self) -> dict[str, tuple[int, ...]]:
        found = {}
        try:
            for line in self._read("index.noun").decode("utf-8", "replace").splitlines():
                if line and not line.startswith(" "):
                    fields = line.split()
                    found[fields[0]] = tuple(map(int, fields[-int(fields[2]) :]))
        except (ValueError, IndexError) as error:
            raise self._damaged("or its index has a broken line") from error
        return found

    def _read(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise InputError(
                message(
                    f"{self.folder / name} cannot be read ({error.strerror or error}).",
                    "",
                    "Check its rights.",
                )
            ) from error

    def _damaged(self, what: str) -> BadArtefact:
        return BadArtefact(
            message(
                f"{self.folder / 'data.noun'} {what}.",
                "index.noun and data.noun belong to one release of WordNet, byte for byte.",
                "Install it again; an editor that changes line ends breaks it.",
            )
        )


def from_wordnet(
    classes: Sequence[str],
    folder: str | Path | None = None,
    *,
    relations: Sequence[str] = ("part", "substance", "member", "hypernym"),
    depth: int = 3,
    senses: int = 1,
) -> Vocabulary:
    """Collect what WordNet knows of classes: their parts, substances, members, and their kinds.

    Parameters
    ----------
    classes
        Names of the classes.
    folder
        See `WordNet`.
    relations
        Of "part", "substance", "member" and "hypernym".
    depth
        How many steps up the kinds go. Parts are taken of the class and of its kinds up to there, because WordNet
        notes that a bird has a beak once, at bird.
    senses
        How many meanings of each name, the most frequent first. A second one of "crane" brings machines to birds.

    Returns
    -------
    words
        The usual word of each synset, lower case, with the relation as group. Kinds that are too general to see
        ("entity", "artifact", ...) are left out; classes that WordNet lacks stand in `dropped`.

    Raises
    ------
    InputError
        If nothing was found, or an argument is out of range.
    UnknownName
        If there is no such relation.
    MissingExtra, BadArtefact
        See `WordNet`.
    """
    for relation in relations:
        if relation not in SYMBOLS:
            raise UnknownName(
                message(
                    f"There is no relation {relation!r}.",
                    did_you_mean(relation, SYMBOLS),
                    "Pass some of these.",
                )
            )
    if isinstance(classes, str) or depth < 0 or senses < 1:
        raise InputError(
            message(
                f"classes={classes!r:.60}, depth={depth}, senses={senses}.",
                "Classes are a list of names, depth is 0 or more, senses 1 or more.",
            )
        )
    net = WordNet(folder)
    missing, found = [], []
    for class_ in classes:
        offsets = net.senses(class_)[:senses]
        if not offsets:
            missing.append(Drop(class_, "wordnet", "is a class that WordNet does not have as a noun"))
        for offset in offsets:
            found += [
                Concept(name, group=group, classes=(class_,), source="wordnet")
                for name, group in _around(net, offset, relations, depth)
                if key(name) != key(class_)
            ]
    if not found:
        raise InputError(
            message(
                f"WordNet has nothing of {', '.join(map(repr, list(classes)[:6]))}.",
                "Classes are looked up as English nouns.",
                "Check the spelling of the classes, or take words from elsewhere.",
            )
        )
    words = Vocabulary.from_list(found, duplicates="drop")
    # The same part of two classes is no loss, so only the classes are told.
    return Vocabulary(words.concepts, Dropped(tuple(missing)))


def _around(net: WordNet, offset: int, relations: Sequence[str], depth: int) -> Iterator[tuple[str, str]]:
    """(name, relation) of what is around a synset, nearest kinds first."""
    seen = {offset}
    level = [offset]
    for step in range(depth + 1):
        above = []
        for at in level:
            synset = net.synset(at)
            name = _name(synset)
            if step and "hypernym" in relations and name not in _TOO_GENERAL:
                yield name, "hypernym"
            for relation in relations:
                if relation != "hypernym" and name not in _TOO_GENERAL:
                    yield from ((_name(net.synset(part)), relation) for part in synset.to(relation))
            above += [up for up in synset.to("hypernym") if up not in seen]
        seen.update(above)
        level = list(dict.fromkeys(above))


def _name(synset: Synset) -> str:
    return _MARKER.sub("", synset.words[0]).replace("_", " ").lower()


def _parsed(fields: list[str]) -> Synset:
    n_words = int(fields[3], 16)
    rest = 4 + 2 * n_words
    n_pointers = int(fields[rest])
    pointers = [fields[rest + 1 + 4 * at : rest + 5 + 4 * at] for at in range(n_pointers)]
    if any(len(pointer) != 4 for pointer in pointers) or n_words < 1:
        raise ValueError("fewer fields than announced")
    return Synset(
        tuple(fields[4:rest:2]),
        tuple((symbol, int(offset)) for symbol, offset, pos, _ in pointers if pos == "n"),
    )


def _find(folder: str | Path | None) -> Path:
    if folder is not None:
        given = Path(folder).expanduser()
        lacking = [name for name in _FILES if not (given / name).is_file()]
        if lacking:
            raise InputError(
                message(
                    f"{given} has no {' and no '.join(lacking)}.",
                    "A folder of WordNet holds index.noun and data.noun.",
                    "On Debian that is /usr/share/wordnet, of the package wordnet-base.",
                )
            )
        return given
    for place in _places():
        if all((place / name).is_file() for name in _FILES):
            return place
    raise MissingExtra(
        message(
            "WordNet is not installed on this machine.",
            f"Looked in: {', '.join(map(str, _places()))}.",
            "On Debian install wordnet-base, or pass the folder with index.noun and data.noun.",
        )
    )


def _places() -> list[Path]:
    places = []
    if given := os.environ.get("WNSEARCHDIR"):
        places.append(Path(given).expanduser())
    if given := os.environ.get("WNHOME"):
        places.append(Path(given).expanduser() / "dict")
    places.append(Path("/usr/share/wordnet"))
    corpora = [Path(given) for given in os.environ.get("NLTK_DATA", "").split(os.pathsep) if given]
    corpora += [Path.home() / "nltk_data", Path("/usr/share/nltk_data")]
    return [*places, *(corpus / "corpora" / "wordnet" for corpus in corpora)]
