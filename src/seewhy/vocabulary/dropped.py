"""What was dropped on the way to a vocabulary, and why: one row a concept, to print and to keep."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Drop:
    """One concept that was dropped.

    Attributes
    ----------
    concept
        Its name.
    filter
        What dropped it: "length", "class name", "duplicate", "presence", ...
    reason
        The same in words, with the other concept or class where there is one.
    value, threshold
        The number that decided and what it was held against; None where no number did, or where it was none.
    """

    concept: str
    filter: str
    reason: str
    value: float | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        for name in ("value", "threshold"):
            number = getattr(self, name)
            finite = number is not None and math.isfinite(number)
            object.__setattr__(self, name, float(number) if finite else None)


@dataclass(frozen=True)
class Dropped:
    """A table of what was dropped, in the order in which it happened; empty if nothing was.

    >>> print(Dropped((Drop("a very long name indeed", "length", "has 23 characters", 23, 20),)))
    concept                  filter  value  threshold  reason
    a very long name indeed  length     23         20  has 23 characters
    """

    entries: tuple[Drop, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What was dropped."""
        return tuple(entry.concept for entry in self.entries)

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """(concept, filter, value, threshold, reason), numbers as text of four digits."""
        return [
            (entry.concept, entry.filter, _shown(entry.value), _shown(entry.threshold), entry.reason)
            for entry in self.entries
        ]

    def counts(self) -> dict[str, int]:
        """How many each filter dropped."""
        return dict(Counter(entry.filter for entry in self.entries))

    def to_json(self) -> list[dict[str, Any]]:
        """Plain values, one dictionary a row."""
        return [asdict(entry) for entry in self.entries]

    @classmethod
    def from_json(cls, rows: list[dict[str, Any]]) -> Dropped:
        """What `to_json` gave."""
        return cls(tuple(Drop(**row) for row in rows))

    def __add__(self, other: Dropped) -> Dropped:
        return Dropped(self.entries + other.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Drop]:
        return iter(self.entries)

    def __str__(self) -> str:
        if not self.entries:
            return "Nothing was dropped."
        rows = [("concept", "filter", "value", "threshold", "reason"), *self.rows()]
        width = [max(len(row[column]) for row in rows) for column in range(4)]
        return "\n".join(
            f"{a:{width[0]}}  {b:{width[1]}}  {c:>{width[2]}}  {d:>{width[3]}}  {e}".rstrip()
            for a, b, c, d, e in rows
        )


def _shown(number: float | None) -> str:
    return "" if number is None else f"{number:.4g}"
