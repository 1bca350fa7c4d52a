"""Every error that Seewhy raises, and the one way to write its message.

A message has three parts, one sentence each: what came, what was needed, what to do. Each class is also
the built-in error that a caller would already catch. Nothing here imports anything of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SeewhyError(Exception):
    """Base of all errors raised on purpose; `str(error)` is meant for the user."""

    exit_code = 1

    def __str__(self) -> str:
        # KeyError would print the repr of its argument; a message is prose.
        return str(self.args[0]) if self.args else ""


class InputError(SeewhyError, ValueError):
    """What the user passed cannot be used as it is."""


class LayerNotFound(SeewhyError, LookupError):
    """No module of that name, or none that fits."""


class UnknownName(SeewhyError, KeyError):
    """A method, class, model or other registered name does not exist."""


class UnknownConcept(UnknownName):
    """No concept of that name in the explanation."""


class NotFitted(SeewhyError, ValueError, AttributeError):
    """Something must be fitted first."""


class NotSupported(SeewhyError, TypeError):
    """The object cannot do this; the message says what can."""


class MissingExtra(SeewhyError, ImportError):
    """An optional dependency is not installed."""


class Offline(SeewhyError, ConnectionError):
    """Weights or data are not on this machine and may not or cannot be fetched."""

    exit_code = 3


class BadArtefact(SeewhyError, ValueError):
    """A saved file is damaged, of another format, or does not fit."""


class AccountingError(SeewhyError, ArithmeticError):
    """Contributions that claim to add up to the logit do not."""


def message(came: str, needed: str = "", do: str = "") -> str:
    """Join the three parts; the second and third stand on indented lines.

    >>> print(message("alpha is 7.", "It must lie in 0 to 1.", "Pass alpha=0.7."))
    alpha is 7.
      It must lie in 0 to 1.
      Pass alpha=0.7.
    """
    return "\n  ".join(part for part in (came, needed, do) if part)


def nearest(name: str, valid: Iterable[str], n: int = 3) -> list[str]:
    """The up to `n` valid names most like `name`, best first (empty if nothing is alike).

    >>> nearest("beek", ["beak", "cheek", "wing"])
    ['beak', 'cheek']
    """
    by_lower: dict[str, str] = {}
    for candidate in valid:
        by_lower.setdefault(candidate.lower(), candidate)
    found = difflib.get_close_matches(name.lower(), by_lower, n=n, cutoff=0.5)
    return [by_lower[match] for match in found]


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """'Did you mean 'a', 'b'?' for the nearest names, or the list itself when it is short, or nothing."""
    names = list(valid)
    close = nearest(name, names)
    if close:
        return "Did you mean " + ", ".join(repr(match) for match in close) + "?"
    if 0 < len(names) <= 12:
        return "There are: " + ", ".join(names) + "."
    return ""
