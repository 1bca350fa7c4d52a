"""The little English that comparing words needs: one spelling per word, and phrases without their trimmings.

No dictionary and no parser: rules for regular plurals, a table of the irregular ones, and the articles. What is
made here is a key to compare by, never shown to the user as a word.
"""

from __future__ import annotations

import re
import unicodedata

ARTICLES = ("a", "an", "the")

_INVISIBLE = dict.fromkeys(
    [0x00AD, 0x200B, 0x2060, 0xFEFF, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)
"""Soft hyphen, zero-width space, word joiner, byte order mark and marks of direction never carry meaning."""

_IRREGULAR = {
    "antennae": "antenna",
    "axes": "axe",
    "buses": "bus",
    "cacti": "cactus",
    "calves": "calf",
    "children": "child",
    "feet": "foot",
    "fungi": "fungus",
    "geese": "goose",
    "halves": "half",
    "hooves": "hoof",
    "knives": "knife",
    "larvae": "larva",
    "leaves": "leaf",
    "lenses": "lens",
    "lice": "louse",
    "lives": "life",
    "loaves": "loaf",
    "men": "man",
    "mice": "mouse",
    "octopuses": "octopus",
    "oxen": "ox",
    "people": "person",
    "potatoes": "potato",
    "scarves": "scarf",
    "sheaves": "sheaf",
    "shelves": "shelf",
    "teeth": "tooth",
    "tomatoes": "tomato",
    "vertices": "vertex",
    "wives": "wife",
    "wolves": "wolf",
    "women": "woman",
}
# fmt: off
_NOT_PLURAL = frozenset((
    "always", "atlas", "biceps", "binoculars", "canvas", "christmas", "cosmos", "gas", "glasses", "goggles",
    "headquarters", "jeans", "lens", "news", "overalls", "pants", "pliers", "pyjamas", "scissors", "series",
    "shears", "shorts", "species", "this", "tongs", "triceps", "trousers",
))
# fmt: on
_BETWEEN = re.compile(r"[\s_/\\,.;:!?()\[\]{}\"“”«»|+*&–—-]+")
"""What parts words. Not "everything but letters": the vowel signs of many scripts are no letters to Python."""
_POSSESSIVE = re.compile(r"['’]s\b")


def tidy(text: str) -> str:
    """The text in Unicode's composed form (NFC), without invisible characters, its white space single."""
    return " ".join(unicodedata.normalize("NFC", text.translate(_INVISIBLE)).split())


def singular(word: str) -> str:
    """The singular of a lower-case English word, by rule and a short table; other words come back as they are.

    >>> [singular(word) for word in ("wings", "berries", "brushes", "teeth", "grass", "lens")]
    ['wing', 'berry', 'brush', 'tooth', 'grass', 'lens']
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _NOT_PLURAL or word.endswith("glasses") or len(word) < 4:
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zzes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def tokens(text: str) -> tuple[str, ...]:
    """The words of a phrase as a key to compare by: singular, lower case, without articles and possessives.

    >>> tokens("The zebra's black-and-white stripes")
    ('zebra', 'black', 'and', 'white', 'stripe')
    """
    parts = _BETWEEN.split(_POSSESSIVE.sub("", tidy(text).casefold()))
    found = [word for part in parts if (word := part.strip("'’‘`"))]
    kept = [word for word in found if word not in ARTICLES] or found
    return tuple(map(singular, kept))


def key(text: str) -> str:
    """Phrases with the same key are the same concept in another spelling; never empty for a phrase."""
    return " ".join(tokens(text)) or tidy(text).casefold()


_BULLET = re.compile(r"^\s*(?:[-*•–—·+>]+|\(?\d{1,3}[.):]|\(?[a-z][.)])\s+")
_AROUND = " \t\"'`“”‘’«»*_,;:.!?"


def phrase(text: str) -> str:
    """A phrase as people and language models write it, made a concept's name: bare, lower case, no article.

    Bullets, numbers, quotes and punctuation around it go; an empty text is what is left of one without words.

    >>> phrase('3. "A hooked beak",')
    'hooked beak'
    """
    bare = tidy(_BULLET.sub("", text)).strip(_AROUND).lower()
    first, _, rest = bare.partition(" ")
    return rest.strip(_AROUND) if first in ARTICLES and rest else bare
