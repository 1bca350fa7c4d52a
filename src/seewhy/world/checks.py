"""Checks of a scene's fields: what came, what was needed, what to do."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from seewhy.errors import InputError, did_you_mean, message


def check_name(what: str, name: Any, valid: Iterable[str]) -> None:
    """Refuse a name that is not one of `valid`."""
    names = list(valid)
    if name not in names:
        hint = did_you_mean(name, names) if isinstance(name, str) else "Pass its name."
        raise InputError(message(f"The {what} is {name!r}.", f"It is one of {', '.join(names)}.", hint))


def check_number(what: str, value: Any, low: float, high: float) -> None:
    """Refuse what is not a finite number from `low` to `high`."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not low <= value <= high:
        raise InputError(
            message(f"The {what} is {value!r}.", f"It is a number from {low} to {high}.", "Change it to fit.")
        )


def check_whole(what: str, value: Any, low: int, high: int) -> None:
    """Refuse what is not a whole number from `low` to `high`."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise InputError(
            message(
                f"The {what} is {value!r}.",
                f"It is a whole number from {low} to {high}.",
                "Change it to fit.",
            )
        )


def as_whole(value: Any) -> Any:
    """A whole number of NumPy's as Python's own; anything else as it is, for a check to refuse."""
    return int(value) if isinstance(value, np.integer) else value


def check_colour(what: str, colour: Any) -> None:
    """Refuse what is not three whole numbers from 0 to 255."""
    whole = isinstance(colour, tuple) and len(colour) == 3
    if not whole or not all(type(value) is int and 0 <= value <= 255 for value in colour):
        raise InputError(
            message(
                f"The {what} colour is {colour!r}.",
                "A colour is three whole numbers from 0 to 255: red, green, blue.",
                "Change it to fit.",
            )
        )


def check_counts(what: str, counts: Any, low: int, high: int, example: str) -> None:
    """Refuse what is not a non-empty tuple of whole numbers from `low` to `high`."""
    fine = (
        isinstance(counts, tuple) and counts and all(isinstance(n, int) and low <= n <= high for n in counts)
    )
    if not fine:
        raise InputError(
            message(
                f"The grammar's {what} are {counts!r}.",
                f"They are one or more whole numbers from {low} to {high}.",
                f"Pass for example {example}.",
            )
        )


def check_pair(what: str, pair: Any, low: float, high: float) -> None:
    """Refuse what is not two numbers from `low` to `high`, the smaller first."""
    if not isinstance(pair, tuple) or len(pair) != 2:
        came = f"The {what} is {pair!r}."
        raise InputError(message(came, "It is two numbers, least and largest.", f"Pass ({low}, {high})."))
    for value in pair:
        check_number(what, value, low, high)
    if pair[0] > pair[1]:
        came = f"The {what} is {pair!r}."
        raise InputError(message(came, "The least comes first.", f"Pass ({pair[1]}, {pair[0]})."))
