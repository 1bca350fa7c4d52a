"""The closed vocabulary of captions, and how a caption is cut into words.

Tokens are words: commas and full stops are for the reader and count as none. What an object's texture is called
("striped", "dotted", "checkered") is never what a background is called ("stripes", "dots", "checker").
"""

from __future__ import annotations

from seewhy.errors import InputError, did_you_mean, message
from seewhy.world.grammar import COLOURS, PARTS, SHAPES, SIZES, SLOTS, TEXTURES

TOKEN_LIMIT = 38
"""Most tokens of a caption, the two that mark its start and end included."""

NUMBERS = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
"""The word of each number."""

PLURALS = {
    "disk": "disks",
    "square": "squares",
    "triangle": "triangles",
    "pentagon": "pentagons",
    "star": "stars",
    "cross": "crosses",
    "ring": "rings",
    "crescent": "crescents",
    "object": "objects",
    "creature": "creatures",
    "thing": "things",
}

PLACES = {
    "plain": "on a plain background",
    "gradient": "on a gradient",
    "stripes": "on stripes",
    "dots": "on dots",
    "checker": "on a checker pattern",
    "grass": "on grass",
    "water": "on water",
    "bricks": "on bricks",
}
"""How each background is said."""

SPOKEN_RELATIONS = {
    "left of": "is to the left of",
    "right of": "is to the right of",
    "above": "is above",
    "below": "is below",
    "touching": "is touching",
    "inside": "is inside",
    "around": "is around",
    "same colour": "has the same colour as",
    "same shape": "has the same shape as",
    "larger": "is larger than",
    "smaller": "is smaller than",
}
"""How each relation is said, the four inverse ones included."""

_GLUE = "a an another other nothing scene picture of with there is are here you can see in all has and"

VOCABULARY: tuple[str, ...] = tuple(
    dict.fromkeys(
        (
            *SHAPES,
            *COLOURS,
            *TEXTURES,
            *SIZES,
            *SLOTS,
            *(variant for slot in SLOTS for variant in PARTS[slot]),
            *NUMBERS,
            *(word for pair in PLURALS.items() for word in pair),
            *(word for phrase in PLACES.values() for word in phrase.split()),
            *(word for phrase in SPOKEN_RELATIONS.values() for word in phrase.split()),
            *_GLUE.split(),
        )
    )
)
"""Every word that a caption can contain, in a fixed order."""

_KNOWN = frozenset(VOCABULARY)


def tokens(text: str) -> list[str]:
    """The words of a caption, without the marks of its start and end.

    Raises
    ------
    InputError
        If a word is not in the vocabulary.

    Examples
    --------
    >>> tokens("a red star, a blue ring.")
    ['a', 'red', 'star', 'a', 'blue', 'ring']
    """
    words = text.lower().replace(",", " ").replace(".", " ").split()
    for word in words:
        if word not in _KNOWN:
            raise InputError(
                message(
                    f"The caption has the word {word!r}.",
                    f"Captions are made of the {len(VOCABULARY)} words of VOCABULARY.",
                    did_you_mean(word, VOCABULARY),
                )
            )
    return words


def with_article(phrase: str) -> str:
    """The phrase after "a" or "an"."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def listed(phrases: list[str]) -> str:
    """The phrases with commas, and "and" before the last."""
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"
