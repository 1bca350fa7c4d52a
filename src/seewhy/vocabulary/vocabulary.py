"""Concepts, and the ordered list of them that a model speaks: what the floors above pass around.

A vocabulary is known by its content: SHA-256 over the names, prompts and polarities in their order, whatever the
file that they came from was called. Embeddings, stores and saved models carry that hash.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jaxtyping import Float

from seewhy.errors import InputError, UnknownConcept, did_you_mean, message
from seewhy.vocabulary.dropped import Drop, Dropped
from seewhy.vocabulary.words import tidy

if TYPE_CHECKING:
    from torch import Tensor

    from seewhy.vlms.base import VLM

Duplicates = Literal["error", "drop"]
Filter = Callable[["Vocabulary"], tuple["Vocabulary", Dropped]]
"""Whatever keeps some concepts of a vocabulary and says why not the others; see `filters`."""


@dataclass(frozen=True)
class Concept:
    """A word or phrase for what a picture can show.

    White space is made single and Unicode composed (NFC); case is kept, but does not tell concepts apart.

    Attributes
    ----------
    name
        What people read.
    prompts
        What a text encoder reads, phrases like the name (templates are put around each); empty: the name.
    group
        Such as "colour" or "bird part".
    parents
        More general concepts, nearest first.
    classes
        The classes for which it was suggested.
    polarity
        1; or -1 for a negative: a word such as "empty wall" that absorbs what no concept explains, to be measured
        against and left out of heads.
    source
        Where it came from: "given", "shipped:colours", "wordnet", "llm:MODEL", ...
    """

    name: str
    prompts: tuple[str, ...] = ()
    group: str | None = None
    parents: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    polarity: int = 1
    source: str = "given"

    def __post_init__(self) -> None:
        name = _clean(self.name, "A concept's name")
        prompts = _cleaned(self.prompts, f"prompts of {name!r}")
        set_ = object.__setattr__
        set_(self, "name", name)
        # One spelling of one meaning, so that equal concepts have equal hashes.
        set_(self, "prompts", () if prompts == (name,) else prompts)
        set_(self, "group", _clean(self.group, f"The group of {name!r}") if self.group else None)
        set_(self, "source", _clean(self.source, f"The source of {name!r}"))
        set_(self, "parents", _cleaned(self.parents, f"parents of {name!r}"))
        set_(self, "classes", _cleaned(self.classes, f"classes of {name!r}"))
        if self.polarity not in (1, -1):
            raise InputError(
                message(
                    f"The polarity of {name!r} is {self.polarity!r}.",
                    "It is 1, or -1 for a negative that concepts are measured against.",
                    "Leave it out for an ordinary concept.",
                )
            )
        set_(self, "polarity", int(self.polarity))

    @property
    def key(self) -> str:
        """What must be unique in a vocabulary: the name without its case."""
        return self.name.casefold()

    @property
    def phrases(self) -> tuple[str, ...]:
        """What stands for it before a text encoder: its prompts, or its name."""
        return self.prompts or (self.name,)


@dataclass(frozen=True)
class Vocabulary:
    """An ordered list of concepts with different names; at least one.

    >>> words = Vocabulary.from_list(["hooked beak", "red", "grass"])
    >>> len(words), words.sha256[:8]
    (3, '47751513')

    Attributes
    ----------
    concepts
        In the order of everything that is made from them.
    dropped
        What was dropped on the way here; no part of the identity.
    """

    concepts: tuple[Concept, ...]
    dropped: Dropped = field(default=Dropped(), compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "concepts", tuple(self.concepts))
        if not self.concepts:
            raise InputError(
                message(
                    "The vocabulary holds no concept.",
                    "At least one is needed.",
                    "Pass names of what pictures may show, such as Vocabulary.from_list(['red', 'hooked beak']).",
                )
            )
        repeated = _repeated(self.concepts)
        if repeated:
            raise InputError(
                message(
                    f"{len(repeated)} names occur more than once: {_some(repeated)}.",
                    "Names must differ in more than case and white space.",
                    "Remove the repetitions, or pass duplicates='drop' to keep the first of each.",
                )
            )

    @classmethod
    def from_list(
        cls,
        names: Iterable[str | Concept],
        *,
        group: str | None = None,
        source: str = "given",
        duplicates: Duplicates = "error",
    ) -> Vocabulary:
        """Make a vocabulary of names or concepts, in their order.

        Parameters
        ----------
        names
            Names in any script (whether a model knows the words shows when they are embedded), or concepts.
        group, source
            Of those that are given as names.
        duplicates
            "error"; or "drop": the first of equal names stays and takes over the classes and parents of the
            others, which are listed in `dropped`.

        Raises
        ------
        InputError
            If a name is empty or no text, a name is repeated, or there is none.
        """
        if isinstance(names, str):
            raise InputError(
                message(
                    f"The names are one text, {names[:60]!r}.",
                    "They are a list of names.",
                    "Put it into brackets, or use Vocabulary.load for a file.",
                )
            )
        concepts = [
            name if isinstance(name, Concept) else Concept(name, group=group, source=source) for name in names
        ]
        if duplicates == "error":
            return cls(tuple(concepts))
        return cls._joined(concepts)

    @classmethod
    def load(cls, path: str | Path) -> Vocabulary:
        """Read a vocabulary from a .txt, .json or .csv file; see `seewhy.vocabulary.files` for the formats.

        Raises
        ------
        InputError
            If the file cannot be read or is none of these.
        BadArtefact
            If a saved .json was changed or damaged.
        """
        from seewhy.vocabulary.files import read

        return read(Path(path))

    def save(self, path: str | Path) -> Path:
        """Write a .json (everything, with hashes), .txt (names and groups) or .csv (names, groups, prompts).

        Raises
        ------
        InputError
            If the file cannot be written, or the format cannot hold what identifies these concepts.
        """
        from seewhy.vocabulary.files import write

        return write(self, Path(path))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the concepts, in order."""
        return tuple(concept.name for concept in self.concepts)

    @cached_property
    def sha256(self) -> str:
        """The identity: 64 hex digits over ordered names, prompts and polarities, and nothing else."""
        content = [[concept.name, list(concept.prompts), concept.polarity] for concept in self.concepts]
        text = json.dumps(["seewhy.vocabulary/1", content], ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def _places(self) -> dict[str, int]:
        return {concept.key: place for place, concept in enumerate(self.concepts)}

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Names by group, groups in the order of their first concept; "" holds those without a group."""
        found: dict[str, list[str]] = {}
        for concept in self.concepts:
            found.setdefault(concept.group or "", []).append(concept.name)
        return {group: tuple(names) for group, names in found.items()}

    def index(self, name: str) -> int:
        """The place of a concept; case does not matter.

        Raises
        ------
        UnknownConcept
            If there is none of that name.
        """
        place = self._places.get(tidy(name).casefold())
        if place is None:
            raise UnknownConcept(
                message(
                    f"There is no concept {name!r} among these {len(self)}.",
                    did_you_mean(name, self.names),
                    "Choose one of the vocabulary's names.",
                )
            )
        return place

    def indices(self, names: Iterable[str]) -> list[int]:
        """The places of several concepts: the rows to take of an array over all of them."""
        return [self.index(name) for name in names]

    def select(self, names: Iterable[str]) -> Vocabulary:
        """The concepts of these names, in the order given.

        Raises
        ------
        UnknownConcept
            If there is none of a name.
        InputError
            If a name is given twice, or none is given.
        """
        if isinstance(names, str):
            names = [names]
        return Vocabulary(tuple(self.concepts[place] for place in self.indices(names)), self.dropped)

    def merge(self, *others: Vocabulary) -> Vocabulary:
        """These concepts and then those of the others that are new; equal names share classes and parents."""
        merged = self._joined([concept for words in (self, *others) for concept in words.concepts])
        earlier = sum((words.dropped for words in (self, *others)), Dropped())
        return Vocabulary(merged.concepts, earlier + merged.dropped)

    def filter(self, *filters: Filter) -> tuple[Vocabulary, Dropped]:
        """Apply filters one after the other, each to what the one before has kept.

        A filter that needs arrays computes them, or picks their rows, for the vocabulary that it is given:

        >>> from seewhy.vocabulary.filters.text import length, spellings
        >>> words = Vocabulary.from_list(["beak", "beaks", "the colour of an evening sky over the sea"])
        >>> kept, dropped = words.filter(length, spellings)
        >>> kept.names, dropped.names
        (('beak',), ('the colour of an evening sky over the sea', 'beaks'))

        Returns
        -------
        kept, dropped
            `kept.dropped` holds, besides, what had been dropped before.

        Raises
        ------
        InputError
            If nothing is left.
        """
        kept, dropped = self, Dropped()
        for filter_ in filters:
            kept, more = filter_(kept)
            dropped += more
        return Vocabulary(kept.concepts, self.dropped + dropped), dropped

    def embed(self, vlm: VLM, templates: str | Sequence[str] = ("{}",)) -> Float[Tensor, "m d"]:
        """Embed every concept: the mean of its prompts' unit embeddings over the templates, of unit length.

        Parameters
        ----------
        vlm
            The model whose text encoder reads the prompts.
        templates
            Texts with {} where the prompt goes, or the name of a set; see `seewhy.vlms.templates`.

        Raises
        ------
        InputError
            If the model does not know the words, as one trained on a closed vocabulary.
        """
        from seewhy.vlms.templates import embed_phrases

        counts = [len(concept.phrases) for concept in self.concepts]
        phrases = [phrase for concept in self.concepts for phrase in concept.phrases]
        rows = embed_phrases(vlm, phrases, templates)
        if max(counts) == 1:
            return rows
        # The sum of a concept's unit rows points where their mean does.
        sums = rows.new_zeros(len(counts), rows.shape[1])
        owner = [place for place, count in enumerate(counts) for _ in range(count)]
        sums.index_add_(0, rows.new_tensor(owner).long(), rows)
        units: Tensor = sums / sums.norm(dim=1, keepdim=True)
        return units

    def __len__(self) -> int:
        return len(self.concepts)

    def __iter__(self) -> Iterator[Concept]:
        return iter(self.concepts)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and tidy(name).casefold() in self._places

    def __getitem__(self, name: str | int) -> Concept:
        return self.concepts[self.index(name) if isinstance(name, str) else name]

    @classmethod
    def _joined(cls, concepts: Iterable[Concept]) -> Vocabulary:
        first: dict[str, Concept] = {}
        drops = []
        for concept in concepts:
            kept = first.get(concept.key)
            if kept is None:
                first[concept.key] = concept
            else:
                first[concept.key] = heir(kept, concept)
                drops.append(Drop(concept.name, "repetition", f"is there already as {kept.name!r}"))
        return cls(tuple(first.values()), Dropped(tuple(drops)))


def heir(kept: Concept, *others: Concept) -> Concept:
    """The concept that stays, with the classes and parents of those that it stands for from now on."""
    everyone = (kept, *others)
    classes = tuple(dict.fromkeys(name for concept in everyone for name in concept.classes))
    parents = dict.fromkeys(name for concept in everyone for name in concept.parents)
    return replace(
        kept, classes=classes, parents=tuple(name for name in parents if name.casefold() != kept.key)
    )


def _clean(text: object, what: str) -> str:
    if not isinstance(text, str):
        raise InputError(message(f"{what} is {text!r:.60}.", "It is a text.", "Pass names as strings."))
    clean = tidy(text)
    if not clean:
        raise InputError(
            message(
                f"{what} is empty ({text!r:.60}).", "It is a word or phrase.", "Remove it, or write the word."
            )
        )
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in clean):
        raise InputError(
            message(
                f"{what} holds characters that cannot be printed: {clean!r:.80}.",
                "It is a word or phrase as people write it.",
                "Check the encoding of the file that it came from.",
            )
        )
    return clean


def _cleaned(texts: Iterable[str], what: str) -> tuple[str, ...]:
    if isinstance(texts, str):
        raise InputError(message(f"The {what} are one text, {texts!r:.60}.", "They are a list of texts."))
    return tuple(_clean(text, f"One of the {what}") for text in texts)


def _repeated(concepts: Iterable[Concept]) -> list[str]:
    seen: dict[str, int] = {}
    for concept in concepts:
        seen[concept.key] = seen.get(concept.key, 0) + 1
    return [name for name, count in seen.items() if count > 1]


def _some(names: Sequence[str], n: int = 8) -> str:
    shown = ", ".join(repr(name) for name in names[:n])
    return f"{shown} and {len(names) - n} more" if len(names) > n else shown
