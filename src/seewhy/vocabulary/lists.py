"""The word lists that come with Seewhy: generic, in our own words, plain text in `lists/`.

Lower case, singular, up to four words, no word in two lists; see `files` for the format.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from seewhy.errors import UnknownName, did_you_mean, message
from seewhy.vocabulary.files import read
from seewhy.vocabulary.vocabulary import Vocabulary

LISTS = ("colours", "textures", "materials", "shapes", "parts", "scenes", "background")
NEGATIVE = ("background",)
"""Lists of words to measure against: their polarity is -1."""
WORLD = "world"
"""What Seewhy's own generated pictures can show, in the words of `seewhy/clip`."""
GENERIC = "generic"
"""All lists but the negatives, about a thousand words."""

_FOLDER = Path(__file__).with_name("lists")


@lru_cache(maxsize=len(LISTS) + 1)
def shipped(name: str = GENERIC) -> Vocabulary:
    """A list that comes with Seewhy.

    Parameters
    ----------
    name
        "colours", "textures", "materials", "shapes", "parts", "scenes"; "generic", all of these; "background", the
        negatives, of polarity -1; or "world", what Seewhy's own pictures can show, in the words of seewhy/clip.

    Raises
    ------
    UnknownName
        If there is no such list.

    Examples
    --------
    >>> shipped("colours").names[:3]
    ('red', 'orange', 'yellow')
    """
    if name == GENERIC:
        first, *others = (shipped(part) for part in LISTS if part not in NEGATIVE)
        return first.merge(*others)
    if name == WORLD:
        return read(_FOLDER / "world.csv", source="shipped:world")
    if name not in LISTS:
        raise UnknownName(
            message(
                f"There is no shipped list {name!r}.",
                did_you_mean(name, (*LISTS, GENERIC, WORLD)),
                "For a list of your own use Vocabulary.load.",
            )
        )
    words = read(_FOLDER / f"{name}.txt", source=f"shipped:{name}")
    if name in NEGATIVE:
        words = Vocabulary(tuple(replace(concept, polarity=-1) for concept in words))
    return words


def single_words() -> tuple[str, ...]:
    """Every word of three letters or more in the generic lists, once: to draw random words from."""
    found = (word for name in shipped().names for word in name.replace("-", " ").split() if len(word) > 2)
    return tuple(dict.fromkeys(found))
