"""From a caption's words back to the facts they state.

Written against the language, not against the writer: it knows what each word means and nothing of templates, so that
writer and reader check each other, and what a user types can be looked for in the world.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from seewhy.errors import InputError, message
from seewhy.world.grammar import BACKGROUNDS, COLOURS, PARTS, SHAPES, SIZES, SLOTS, TEXTURES
from seewhy.world.language.facts import Fact
from seewhy.world.language.words import NUMBERS, tokens

_ARTICLES = ("a", "an", "another")
_ATTRIBUTE = {
    **dict.fromkeys(SIZES, "size"),
    **dict.fromkeys(TEXTURES, "texture"),
    **dict.fromkeys(COLOURS, "colour"),
}
_SHAPES = {
    **{shape: shape for shape in SHAPES},
    **{f"{shape}s": shape for shape in SHAPES},
    "crosses": "cross",
}
_COUNTABLE = {"thing": "things", "object": "objects", "creature": "creatures"}
_HEADS = {*_SHAPES, *_COUNTABLE, *_COUNTABLE.values(), *SLOTS, "scene", "picture"}

# What stands between the names of two objects: the relation, and whether it is that of the second to the first.
_BETWEEN = {
    "is to the left of": ("left of", False),
    "is to the right of": ("left of", True),
    "is above": ("above", False),
    "is below": ("above", True),
    "is touching": ("touching", False),
    "is inside": ("inside", False),
    "is around": ("inside", True),
    "has the same colour as": ("same colour", False),
    "has the same shape as": ("same shape", False),
    "is larger than": ("larger", False),
    "is smaller than": ("larger", True),
}
_NEUTRAL = {"", "and", "of", "with", "has", "there is", "there are", "here is", "here are", "you can see"}
_NEUTRAL |= {"in all there is", "in all there are"}


def parse(text: str) -> tuple[Fact, ...]:
    """The facts that a caption states, as `seewhy.world.language.facts` describes them.

    Parameters
    ----------
    text
        A caption, or anything in its language: "a red star above a blue ring" is not, "a red star is above a blue
        ring on grass" is.

    Returns
    -------
    facts
        Counts, the background, the things in the order named with what is said of each, then relations.

    Raises
    ------
    InputError
        If a word is not in the vocabulary or the words make no sense together.

    Examples
    --------
    >>> parse("a red star on grass")
    (('background', 'grass'), ('object', 0), ('colour', 0, 'red'), ('shape', 0, 'star'))
    """
    reader = _Reader()
    for sentence in text.split("."):
        reader.read(tokens(sentence))
    counts = sorted(reader.counts, key=lambda fact: ("objects", "creatures", "things").index(str(fact[0])))
    return (
        *counts,
        *reader.background,
        *(fact for thing in reader.things for fact in thing),
        *reader.relations,
    )


@dataclass
class _Reader:
    """What has been understood so far."""

    counts: list[Fact] = field(default_factory=list)
    background: list[Fact] = field(default_factory=list)
    things: list[list[Fact]] = field(default_factory=list)
    relations: list[Fact] = field(default_factory=list)

    def read(self, words: list[str]) -> None:
        """One sentence: noun phrases, places, and what stands between them."""
        between: list[str] = []
        at = 0
        while at < len(words):
            word = words[at]
            if word in _ARTICLES or word in NUMBERS:
                end = next((i for i in range(at + 1, len(words)) if words[i] in _HEADS), None)
                if end is None:
                    raise _nonsense(" ".join(words[at:]))
                self._noun_phrase(words[at : end + 1], " ".join(between))
                between, at = [], end + 1
            elif word == "nothing":
                self._check_neutral(between)
                self.counts.append(("things", 0))
                between, at = [], at + 1
            elif word == "on":
                self._check_neutral(between)
                between, at = [], self._place(words, at)
            else:
                between.append(word)
                at += 1
        self._check_neutral(between, at_end=True)

    def _noun_phrase(self, phrase: list[str], between: str) -> None:
        determiner, *adjectives, head = (word for word in phrase if word != "other")
        relation = _BETWEEN.get(between)
        if relation is None:
            self._check_neutral(between.split())
        if head in ("scene", "picture"):
            return
        if head in SLOTS:
            self._part(determiner, adjectives, head)
        elif head in ("creature", "object", "thing", *_COUNTABLE.values()) and determiner in NUMBERS:
            if adjectives:
                raise _nonsense(" ".join(phrase))
            self.counts.append((_COUNTABLE.get(head, head), NUMBERS.index(determiner)))
        elif head == "creature":
            self.things.append([("creature", len(self.things))])
        else:
            for _ in range(NUMBERS.index(determiner) if determiner in NUMBERS else 1):
                self._object(adjectives, head)
        if relation is not None:
            name, turned = relation
            one, other = len(self.things) - 2, len(self.things) - 1
            if one < 0 or any(self.things[ref][0][0] != "object" for ref in (one, other)):
                raise _nonsense(between)
            self.relations.append((name, other, one) if turned else (name, one, other))

    def _object(self, adjectives: list[str], head: str) -> None:
        ref = len(self.things)
        facts: list[Fact] = [("object", ref)]
        for word in adjectives:
            if word not in _ATTRIBUTE:
                raise _nonsense(" ".join([*adjectives, head]))
            facts.append((_ATTRIBUTE[word], ref, word))
        if head in _SHAPES:
            facts.append(("shape", ref, _SHAPES[head]))
        elif head != "object":
            raise _nonsense(" ".join([*adjectives, head]))
        self.things.append(facts)

    def _part(self, determiner: str, adjectives: list[str], slot: str) -> None:
        """A part belongs to the thing named last."""
        owner: list[Fact] = self.things[-1] if self.things else [("nothing", 0)]
        variant = "none" if determiner == "no" and not adjectives else " ".join(adjectives)
        if owner[0][0] != "creature" or variant not in (*PARTS[slot], "none"):
            raise _nonsense(" ".join([determiner, *adjectives, slot]))
        owner.append((slot, owner[0][1], variant))

    def _place(self, words: list[str], at: int) -> int:
        """The background after "on"; where reading goes on."""
        for end in range(at + 1, min(at + 4, len(words))):
            if words[end] in BACKGROUNDS:
                self.background.append(("background", words[end]))
                return end + 1 + (end + 1 < len(words) and words[end + 1] in ("background", "pattern"))
        raise _nonsense(" ".join(words[at:]))

    @staticmethod
    def _check_neutral(between: list[str], at_end: bool = False) -> None:
        if " ".join(between) not in _NEUTRAL or (at_end and between):
            raise _nonsense(" ".join(between))


def _nonsense(words: str) -> InputError:
    return InputError(
        message(
            f"The caption says {words!r}, which makes no sense there.",
            "Captions name things, counts, places and relations as those of seewhy.world.language.captions do.",
            "Write for example 'a large striped red star is above a blue ring on grass'.",
        )
    )
