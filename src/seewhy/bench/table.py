"""A table of measurements: rows are explainers, columns metrics, cells the values of the same pictures.

Each column is read against its floor: does a row differ from the random explainer on the same pictures, by a paired
sign-flip test, corrected by Holm over the column? And the table is read against itself: the oracle must reach the
end of each metric's range, and the random explainer must lie at the value that chance predicts, else the column
says more about the pictures than about the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from seewhy.evaluate.anchors import NEEDED_P
from seewhy.evaluate.base import Values
from seewhy.evaluate.statistics import TERCILES, Interval, by_tercile, interval
from seewhy.evaluate.statistics.paired import holm, paired, sign_flip

RowKind = Literal["ceiling", "method", "concepts", "control"]

ORACLE, RANDOM = "oracle", "random"
LEVEL = 0.95
SEEN_AS_CEILING = 1e-6


@dataclass(frozen=True, eq=False)
class Row:
    """One explainer: its values by column, and what it cost in network passes a picture (None where not counted)."""

    name: str
    kind: RowKind
    values: Mapping[str, Values]
    passes: float | None = None


@dataclass(frozen=True, eq=False)
class Table:
    """What was asked, of whom, and what came out.

    Attributes
    ----------
    asked
        "where" or "how-much".
    subject
        The network, in words.
    truth
        What the rows are compared with, in words.
    chance
        Per column the value that a random explainer has on each picture (n,), where there is a closed form.
    left_out
        Rows and columns that are not in the table, with the reason.
    groups
        (n,) label of what is drawn again as a whole: items of one picture share it.
    sizes
        (n,) share of the picture that the evidence covers, where rows are also told apart by its thirds.
    remarks
        What else a reader of the columns must know.
    """

    asked: str
    subject: str
    truth: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    seed: int
    chance: Mapping[str, Float[np.ndarray, " n"]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    groups: np.ndarray | None = None
    sizes: Float[np.ndarray, " n"] | None = None
    remarks: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def row(self, name: str) -> Row:
        """The row of that name."""
        return next(row for row in self.rows if row.name == name)

    def interval(self, row: str, column: str) -> Interval:
        """Mean and 95 % interval of a cell: Wilson's for hits, else BCa, items of one picture drawn together."""
        return interval(self.row(row).values[column], level=LEVEL, seed=self.seed, groups=self.groups)

    def against_random(self, column: str) -> dict[str, tuple[float, float]]:
        """By row: mean difference to the random explainer in the direction of better, and p after Holm.

        p is 1 where undefined items decide: where the test comes out otherwise with them at the worst value.
        """
        floor = self.row(RANDOM).values[column]
        others = [row for row in self.rows if row.name != RANDOM]
        tests = [paired(row.values[column], floor, seed=self.seed, groups=self.groups) for row in others]
        corrected = holm([test.p for test in tests])
        return {
            row.name: (floor.direction * test.difference, float(p) if test.agrees else 1.0)
            for row, test, p in zip(others, tests, corrected, strict=True)
        }

    def leaders(self, column: str) -> tuple[str, ...]:
        """The method with the best mean and those that cannot be told from it (paired, Holm over all methods).

        The means are those with undefined items at the worst value: to be silent where it is hard is no merit.
        """
        chosen = [row for row in self.rows if row.kind in ("method", "concepts")]
        if not chosen:
            return ()
        way = chosen[0].values[column].direction
        items = way * np.stack([row.values[column].per_item for row in chosen])
        if np.isnan(items).all():
            return ()
        best = chosen[int(np.where(np.isnan(items), np.nanmin(items), items).mean(1).argmax())]
        rivals = [row for row in chosen if row is not best]
        tests = [
            paired(best.values[column], row.values[column], seed=self.seed, groups=self.groups)
            for row in rivals
        ]
        p = holm([test.p for test in tests]) if tests else np.array([])
        tied = {
            row.name
            for row, test, value in zip(rivals, tests, p, strict=True)
            if not (value < 1 - LEVEL and test.agrees)
        }
        return tuple(row.name for row in chosen if row is best or row.name in tied)

    def problems(self) -> tuple[str, ...]:
        """Where the table fails its own test: an oracle below the ceiling, a random row off its floor."""
        wrong = []
        for column in self.columns:
            top = self.row(ORACLE).values[column]
            end = top.range[1] if top.direction > 0 else top.range[0]
            gap = np.nanmax(np.abs(top.per_item - end)) if top.defined.any() else np.nan
            if not gap <= SEEN_AS_CEILING:
                wrong.append(f"{column}: the oracle reaches {top.mean:.3g}, not {end:g}")
        tested = [column for column in self.columns if column in self.chance]
        off = [self.row(RANDOM).values[column].per_item - self.chance[column] for column in tested]
        p = holm([self._off_chance(column) for column in tested])
        for column, difference, value in zip(tested, off, p, strict=True):
            if value < NEEDED_P:
                wrong.append(
                    f"{column}: random is off chance by {np.nanmean(difference):.3g} (p = {value:.2g})"
                )
        return tuple(wrong)

    def _off_chance(self, column: str) -> float:
        """Two-sided p that the random row differs from chance in the mean."""
        found, expected = self.row(RANDOM).values[column].per_item, self.chance[column]
        known = ~np.isnan(found)
        if np.isin(found[known], (0.0, 1.0)).all():
            return hits_p(int(found[known].sum()), expected[known])
        return sign_flip(found - expected, seed=self.seed, groups=self.groups)

    def by_size(self, column: str) -> dict[str, dict[str, Interval]]:
        """Each row's mean and interval for small, medium and large evidence; empty without sizes."""
        if self.sizes is None:
            return {}
        return {
            row.name: by_tercile(row.values[column], self.sizes, seed=self.seed, groups=self.groups)
            for row in self.rows
        }

    def cells(self) -> list[list[str]]:
        """Rows as text: name, means with intervals (* if Holm's p against random is below 0.05), passes a picture."""
        marks = {column: self.against_random(column) for column in self.columns}
        lines = []
        for row in self.rows:
            line = [row.name]
            for column in self.columns:
                found = self.interval(row.name, column)
                told = marks[column].get(row.name, (0.0, 1.0))
                line.append(_cell(found, told[1] < 1 - LEVEL))
            lines.append([*line, "" if row.passes is None else f"{row.passes:.0f}"])
        return lines

    def title(self) -> str:
        """One line: what was asked of whom."""
        facts = self.facts
        right = f", right on {100 * facts['accuracy']:.0f} % of fresh scenes" if facts.get("accuracy") else ""
        return f"{self.asked}: {self.subject}{right}; {facts.get('items')} pictures of {facts.get('size')} px"

    def notes(self) -> list[str]:
        """What a reader must know: truth, marks, leaders, what is missing, and whether the table passes its test."""
        lines = [
            f"Truth: {self.truth}.",
            "Mean [95 % interval]; * differs from random (paired, Holm, p < 0.05).",
        ]
        for column in self.columns:
            best = self.leaders(column)
            if best:
                lines.append(f"Best in {column}, not told apart from each other: {', '.join(best)}.")
        lines += [f"{one}." for one in self.remarks]
        lines += [f"Left out: {name}: {why}" for name, why in self.left_out.items()]
        lines += [f"The table fails its own test: {problem}." for problem in self.problems()]
        return lines

    def to_markdown(self) -> str:
        """The table with its notes, for a page."""
        rows = [list(head(self)), ["---"] * (len(self.columns) + 2), *self.cells()]
        lines = [f"**{self.title()}**", "", *(f"| {' | '.join(row)} |" for row in rows), ""]
        if self.sizes is not None and self.columns:
            thirds = self.by_size(self.columns[0])
            lines += [
                f"{self.columns[0]} by the size of the evidence:",
                "",
                f"| explainer | {' | '.join(TERCILES)} |",
                "| --- | --- | --- | --- |",
                *(
                    f"| {name} | {' | '.join(_cell(row[third], False) for third in TERCILES)} |"
                    for name, row in thirds.items()
                ),
                "",
            ]
        return "\n".join([*lines, *(f"- {note}" for note in self.notes())])

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe: every cell with n, undefined, interval and p, and the table's own test."""
        marks = {column: self.against_random(column) for column in self.columns}
        rows = []
        for row in self.rows:
            cells = {}
            for column in self.columns:
                found = self.interval(row.name, column)
                difference, p = marks[column].get(row.name, (None, None))
                cells[column] = {
                    "mean": _number(found.mean),
                    "low": _number(found.low),
                    "high": _number(found.high),
                    "n": found.n,
                    "undefined": found.n_undefined,
                    "above_random": _number(difference),
                    "p_holm": _number(p),
                }
            rows.append({"name": row.name, "kind": row.kind, "passes": row.passes, "cells": cells})
        return {
            "asked": self.asked,
            "subject": self.subject,
            "truth": self.truth,
            "seed": self.seed,
            "metrics": {
                column: {
                    "metric": values.metric,
                    "direction": values.direction,
                    "options": dict(values.options),
                }
                for column in self.columns
                for values in [self.rows[0].values[column]]
            },
            "rows": rows,
            "leaders": {column: list(self.leaders(column)) for column in self.columns},
            "problems": list(self.problems()),
            "by_size": {
                name: {
                    third: [_number(found.mean), _number(found.low), _number(found.high)]
                    for third, found in row.items()
                }
                for name, row in (self.by_size(self.columns[0]) if self.columns else {}).items()
            },
            "left_out": dict(self.left_out),
            "remarks": list(self.remarks),
            "facts": dict(self.facts),
        }


def hits_p(hits: int, chances: Float[np.ndarray, " n"]) -> float:
    """Two-sided p of a number of hits, each with its own chance (Poisson binomial, exact).

    A sign-flip test asks whether differences are symmetric, which rare hits are not.

    >>> round(hits_p(0, np.full(10, 0.5)), 6)
    0.001953
    """
    likely = np.ones(1)
    for chance in chances:
        likely = np.convolve(likely, [1 - chance, chance])
    return float(likely[likely <= likely[hits] * (1 + 1e-9)].sum())


def head(table: Table) -> Sequence[str]:
    """Names of the columns, an arrow down where less is better."""
    first = table.rows[0].values
    return ["explainer", *(c if first[c].direction > 0 else f"{c} ↓" for c in table.columns), "passes"]


def _cell(found: Interval, told: bool) -> str:
    if np.isnan(found.mean):
        return "-"
    star = "*" if told else ""
    missing = f" ({found.n_undefined} undefined)" if found.n_undefined else ""
    if np.isnan(found.low):
        return f"{_short(found.mean)}{star}{missing}"
    return f"{_short(found.mean)}{star} [{_short(found.low)}, {_short(found.high)}]{missing}"


def _short(value: float) -> str:
    text = f"{value:.2f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 and not text.startswith(("1", "-1")) else text


def _number(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 6)
