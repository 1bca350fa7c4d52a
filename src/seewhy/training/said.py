"""Words as bits, so that whether a text is true of a picture is one comparison of whole numbers.

Each word that a thing can be told by is one of 60 bits. A thing is the bits that are true of it, a mention the bits
that it asks for, a text the list of its mentions:

    text is true of a picture  <=>  every mention is contained in some thing of the picture               (1)

The background is a thing with one bit. (1) is exact as long as no two mentions of a text can mean one thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, UInt64

from seewhy.world.grammar import BACKGROUNDS, COLOURS, PARTS, SHAPES, SIZES, SLOTS, TEXTURES
from seewhy.world.language.words import PLACES, with_article
from seewhy.world.scene import Item, Thing

_PARTS = tuple(f"{variant} {slot}" for slot in SLOTS for variant in PARTS[slot])

GROUPS: dict[str, tuple[str, ...]] = {
    "kind": ("object", "creature"),
    "shape": SHAPES,
    "colour": tuple(COLOURS),
    "texture": TEXTURES,
    "size": tuple(SIZES),
    "slot": SLOTS,
    "part": _PARTS,
    "background": BACKGROUNDS,
    "nothing": ("nothing",),
}
"""The concepts by group; "nothing" is true of a place where there is no thing."""

CONCEPTS: tuple[str, ...] = tuple(name for names in GROUPS.values() for name in names)
BIT: dict[str, int] = {name: 1 << at for at, name in enumerate(CONCEPTS)}
GROUP: dict[str, str] = {name: group for group, names in GROUPS.items() for name in names}


@dataclass(frozen=True)
class Said:
    """A text and what it says: for each mention the bits that one thing must have.

    `beyond` marks a text that says more than its mentions (a count, a relation, what is missing): that its mentions
    are true of a picture does not make it true.
    """

    text: str
    mentions: tuple[int, ...]
    beyond: bool = False


def bits_of(item: Item) -> int:
    """All that is true of an object or a creature."""
    if isinstance(item, Thing):
        words: tuple[str, ...] = ("object", item.shape, item.colour, item.texture, item.size)
    else:
        parts = tuple(f"{part.variant} {part.slot}" for part in item.parts)
        words = ("creature", *parts, *(part.slot for part in item.parts))
    return sum(BIT[word] for word in words)


def words_of(bits: int) -> tuple[str, ...]:
    """The concepts of a set of bits, in the order of `CONCEPTS`."""
    return tuple(name for name in CONCEPTS if bits & BIT[name])


def said_by(facts: Sequence[Sequence[str | int]], text: str) -> Said:
    """A caption of the world, with its facts, as a `Said`."""
    mentions: dict[str | int, int] = {}
    background, beyond = 0, False
    for fact in facts:
        predicate = str(fact[0])
        if predicate == "background":
            background = BIT[str(fact[1])]
        elif predicate in ("object", "creature"):
            mentions[fact[1]] = BIT[predicate]
        elif predicate in SLOTS:
            beyond = beyond or fact[2] == "none"
            if fact[2] != "none":
                mentions[fact[1]] |= BIT[f"{fact[2]} {predicate}"] | BIT[predicate]
        elif predicate in GROUPS:
            mentions[fact[1]] |= BIT[str(fact[2])]
        else:
            beyond = True
    asked = [*mentions.values(), *([background] if background else [])]
    # Two mentions that one thing could answer say that there are two.
    crowded = any(_could_be_one(one, other) for one, other in combinations(mentions.values(), 2))
    return Said(text, tuple(asked), beyond or crowded)


def _could_be_one(one: int, other: int) -> bool:
    """Whether a thing could have all that two mentions ask for: it is one kind, has one shape, one beak and so on."""
    words = words_of(one | other)
    asked = [
        word.split()[-1] if GROUP[word] == "part" else GROUP[word] for word in words if word not in SLOTS
    ]
    return len(asked) == len(set(asked))


def phrases(concept: str) -> tuple[str, ...]:
    """Ways to say one concept alone: as a word, and with an article or a noun."""
    group = GROUP[concept]
    if group in ("kind", "shape"):
        return concept, with_article(concept)
    if group in ("colour", "texture", "size"):
        return concept, with_article(f"{concept} object"), f"{concept} object"
    if group == "slot":
        return concept, with_article(concept), f"a creature with {with_article(concept)}"
    if group == "part":
        return concept, with_article(concept), f"a creature with {with_article(concept)}"
    if group == "background":
        place = PLACES[concept]
        return concept, place, f"a scene {place}", place.removeprefix("on ").removeprefix("a ")
    return ("nothing",)


def phrase(concept: str, which: int = 0) -> Said:
    """One of `phrases`, counted round."""
    choice = phrases(concept)
    asked = BIT[concept]
    if GROUP[concept] == "part":
        asked |= BIT[concept.split()[-1]]
    return Said(choice[which % len(choice)], (asked,))


def described(bits: int, rng: np.random.Generator) -> Said:
    """A thing in words, with some of what is true of it: "a striped red star", "a creature with a hooked beak"."""
    words = words_of(bits)
    if "object" in words:
        keep = rng.random(4) < (0.35, 0.55, 0.75, 0.85)
        found = {GROUP[word]: word for word in words}
        said = [
            found[group]
            for group, kept in zip(("size", "texture", "colour", "shape"), keep, strict=True)
            if kept and group in found
        ]
        asked = sum(BIT[word] for word in said) | BIT["object"]
        noun = [] if said and GROUP[said[-1]] == "shape" else ["object"]
        text = " ".join([*said, *noun])
    elif "creature" in words:
        parts = [word for word in words if GROUP[word] == "part"]
        n = int(rng.integers(0, 3))
        chosen = [parts[at] for at in rng.permutation(len(parts))[:n]]
        asked = sum(BIT[part] | BIT[part.split()[-1]] for part in chosen) | BIT["creature"]
        told = " and ".join(with_article(part) for part in chosen)
        text = f"creature with {told}" if chosen else "creature"
    else:
        return phrase(words[0], int(rng.integers(0, 3)))
    article = with_article(text)
    lead = ("{}", "{}", "a picture of {}", "there is {}", "you can see {}", "here is {}")[
        int(rng.integers(0, 6))
    ]
    return Said(lead.format(article), (asked,))


def contained(
    mentions: UInt64[np.ndarray, "c m"], things: UInt64[np.ndarray, "b i"]
) -> Bool[np.ndarray, "b c"]:
    """Equation (1) for every picture and text; a mention or a thing that is not there is 0."""
    asked = mentions[None, :, :, None]
    met = (asked & things[:, None, None, :]) == asked
    found: np.ndarray = met.any(-1).all(-1)
    return found
