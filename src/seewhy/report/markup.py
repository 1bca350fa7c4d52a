"""Small pieces of markup. Every name comes from others: it passes through `text` or `name`, nowhere else.

There are no style or event attributes, so that the page's security policy can forbid them.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from seewhy.report.data import dumps
from seewhy.visualise.wording import clean


def text(words: object, width: int | None = None) -> str:
    """Text of others, escaped for an element or a quoted attribute."""
    return escape(clean(words, width), quote=True)


def name(words: object, width: int = 300) -> str:
    """A name of others that cannot turn its neighbours around by its writing direction."""
    return f"<bdi>{text(words, width)}</bdi>"


def minus(number: str) -> str:
    """A number with a true minus sign."""
    return number.replace("-", "−")


def script_json(data: Any) -> str:
    """JSON that may stand inside a script element: no letter in it can end the element or open a comment."""
    return dumps(data).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def definitions(facts: Iterable[tuple[str, str]]) -> str:
    """Facts as a list of terms and definitions; hashes in even letters."""
    rows = (f"<dt>{text(key)}</dt><dd{_hash_class(key)}>{text(value)}</dd>" for key, value in facts)
    return f"<dl>{''.join(rows)}</dl>"


def _hash_class(key: str) -> str:
    return ' class="hash"' if "sha256" in key.lower().replace("-", "") else ""


def bar(share: float, *, low: float = -1.0) -> str:
    """A bar from 0 to `share` on an axis from `low` (-1 or 0) to 1; the number itself stands beside it."""
    side = "" if low == 0 else ' class="for"' if share > 0 else ' class="against"'
    return (
        f'<svg class="bar-box" viewBox="{100 * low:g} 0 {100 * (1 - low):g} 10" preserveAspectRatio="none" '
        f'aria-hidden="true"><rect{side} x="{100 * min(share, 0.0):.2f}" y="0" '
        f'width="{100 * abs(share):.2f}" height="10"/><line class="axis" x1="0" x2="0" y1="0" y2="10"/></svg>'
    )
