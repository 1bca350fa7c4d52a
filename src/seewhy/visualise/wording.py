"""Names and numbers as they may be shown: names are others' text, numbers keep one form per column."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence

from seewhy.explanation.answer import Answer

# Explicit embeddings, overrides and isolates turn the text after them around; joiners and marks do no harm.
_TURNERS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(name: object, width: int | None = None) -> str:
    """A name on one printable line: control characters, lone surrogates and direction overrides become U+FFFD.

    Class, concept and file names come from others: an escape sequence must not reach the terminal, and a name
    must not break a table or turn its text around. Names longer than `width` end in an ellipsis.
    """
    text = "".join(
        "\ufffd" if c in _TURNERS or unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c
        for c in str(name)
    )
    return text if width is None or len(text) <= width else text[: width - 1].rstrip() + "…"


def signed_column(values: Sequence[float], *, sign: bool = True) -> list[str]:
    """Numbers with one count of decimals, at least two and at least three digits for the largest.

    Very large and very small columns are written with powers of ten.

    >>> signed_column([2.414, -0.42, -0.0004])
    ['+2.41', '-0.42', '+0.00']
    """
    peak = max((abs(value) for value in values), default=0.0)
    exponent = math.floor(math.log10(peak)) if 0 < peak < math.inf else 0
    plus = "+" if sign else ""
    if exponent < -4 or exponent > 6:
        return [f"{value:{plus}.2e}" for value in values]
    decimals = max(2, 2 - exponent) if exponent < 4 else 0
    # A value that rounds to nothing is no negative nothing.
    return [f"{0.0 if abs(v) < 0.5 * 10**-decimals else v:{plus}.{decimals}f}" for v in values]


def number(value: float, *, sign: bool = False) -> str:
    """One number, as a column of one."""
    return signed_column([value], sign=sign)[0]


def score_text(score: float) -> str:
    """A probability: 0.94, and 0.9996 rather than 1.00."""
    if 0.995 <= score < 1:
        return f"{min(score, 0.9999):.4f}"
    return f"{score:.2f}" if score >= 0.01 or score == 0 else f"{score:.1g}"


def sentence(answer: Answer) -> str:
    """Where the evidence for the target is, as a sentence."""
    name = clean(answer.target.name, 80)
    if not getattr(answer, "concepts", True):
        return f"There are no concepts for {name}, and so no map."
    if answer.can("where"):
        return f"The evidence for {name} cannot be told by place; look at the concepts' own maps."
    where = answer.describe_where()
    if where == "nowhere" and float(answer.where.max()) <= 0:
        return f"Nothing in the picture speaks for {name}."
    if where == "nowhere":
        return f"The evidence for {name} lies in the padding around the picture."
    return f"The evidence for {name} is strongest {place_words(where)}."


def place_words(where: str) -> str:
    """'upper left, 7 % of the image' -> 'in the upper left (7 % of the image)'."""
    words, _, coverage = where.partition(", ")
    alone = {"everywhere": "nearly everywhere", "upper": "at the top", "lower": "at the bottom"}
    sides = {"left": "on the left", "right": "on the right"}
    place = {**alone, **sides}.get(words, f"in the {words}")
    return f"{place} ({coverage})"


def listing(pairs: Iterable[tuple[str, object]]) -> list[tuple[str, str]]:
    """Facts as pairs of clean strings; numbers in a short form, empty ones left out."""
    return [
        (clean(key).replace("_", " "), _fact(value))
        for key, value in pairs
        if value not in (None, "", [], {}, ())
    ]


def _fact(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_fact(part) for part in value)
    if isinstance(value, dict):
        return ", ".join(f"{clean(key)}: {_fact(part)}" for key, part in value.items())
    return clean(value)
