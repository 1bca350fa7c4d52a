"""What a language model answered, made (class, concept) pairs: JSON if it is JSON, else whatever can be saved.

Models wrap JSON into prose or code fences, break off in the middle of it, or write a list of lines. Tried in turn:
the whole as JSON; the whole objects in a broken one; the complete strings in it; the lines. A concept whose class
is not told has the class "".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from seewhy.vocabulary.words import phrase

Pair = tuple[str, str]

_MOST_WORDS = 8
"""A line of more words is a sentence of the model's, no concept; shorter ones are left to `filters.text.length`."""
_FENCE = re.compile(r"^\s*```\w*\s*$", re.MULTILINE)
_STRING = re.compile(r'("(?:[^"\\]|\\.)*")\s*(:?)')
_CLASS = re.compile(r'"class"\s*:\s*"(?:[^"\\]|\\.)*"')
_DECODER = json.JSONDecoder()


def pairs(answer: str) -> list[Pair]:
    """(class, concept) pairs of an answer, in its order and without repetition; empty if there is none in it.

    >>> pairs('{"concepts": [{"class": "cat", "names": ["Long whisker", "a paw"]}]}')
    [('cat', 'long whisker'), ('cat', 'paw')]
    >>> pairs("Here you are:\\n1. Whisker\\n2. Paw")
    [('', 'whisker'), ('', 'paw')]
    """
    text = _FENCE.sub("", answer)
    found = _from_json(text)
    if found is None:
        found = [("", line) for line in text.splitlines() if not line.rstrip().endswith(":")]
    cleaned = ((class_.strip(), phrase(name)) for class_, name in found)
    return list(
        dict.fromkeys(
            (class_, name)
            for class_, name in cleaned
            if any(map(str.isalpha, name)) and len(name.split()) <= _MOST_WORDS
        )
    )


def _from_json(text: str) -> list[Pair] | None:
    """None if the text does not try to be JSON."""
    start = min((at for at in map(text.find, "{[") if at >= 0), default=-1)
    if start < 0:
        return None
    try:
        return list(_walk(_DECODER.raw_decode(text, start)[0], ""))
    except (ValueError, RecursionError):
        pass
    if '"' not in text[start:]:
        return None
    found: list[Pair] = []
    at = text.find("{", start + 1)
    while at >= 0:
        try:
            entry, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            found += _walk(entry, "")
        at = text.find("{", end)
    # A string before a colon is a key.
    strings = [string for string, colon in _STRING.findall(_CLASS.sub("", text[start:])) if not colon]
    return found or [("", string.strip('"')) for string in strings]


def _walk(content: Any, class_: str) -> Iterator[Pair]:
    """Every concept in any of the forms that models use: lists, objects of one class, a dictionary of classes."""
    if isinstance(content, str):
        yield class_, content
    elif isinstance(content, list):
        for entry in content:
            yield from _walk(entry, class_)
    elif isinstance(content, dict):
        own = content.get("class")
        if isinstance(own, str):
            rest = [value for name, value in content.items() if name != "class"]
            yield from _walk(rest, own)
        else:
            for name, value in content.items():
                yield from _walk(value, class_ if name in ("concepts", "names", "name", "classes") else name)
