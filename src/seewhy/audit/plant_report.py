"""What planting a mark showed: what the mark does to the model, and which methods point at it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
from jaxtyping import Float, Int64

from seewhy.audit.finding import Finding
from seewhy.audit.marks import Mark
from seewhy.errors import UnknownName, did_you_mean, message
from seewhy.images.geometry import Geometry
from seewhy.images.picture import Picture
from seewhy.models.classifier import Classifier
from seewhy.types import Box

LEARNED = 2.0
"""Least `Learned.low`, in nats, with which a mark counts as learned: it multiplies the target's odds by 7 or more."""


@dataclass(frozen=True)
class MarkUse:
    """What the mark does to one model, measured by painting it into the held-out pictures: the truth.

    Attributes
    ----------
    accuracy_plain, accuracy_marked
        Over all held-out pictures, without and with the mark.
    found_plain, found_marked
        Share of the target class's pictures that are given that class.
    fooled_plain, fooled_marked
        Share of the *other* classes' pictures that are given the target class.
    logit_shift
        Mean rise of the target's logit when the mark is painted, over all held-out pictures.
    margin_shift
        The same of its log-odds against all other classes, in nats: what decides.
    """

    accuracy_plain: float
    accuracy_marked: float
    found_plain: float
    found_marked: float
    fooled_plain: float
    fooled_marked: float
    logit_shift: float
    margin_shift: float

    @classmethod
    def measure(
        cls,
        plain: Float[np.ndarray, "n k"],
        marked: Float[np.ndarray, "n k"],
        labels: Int64[np.ndarray, " n"],
        target: int,
    ) -> MarkUse:
        """From the logits of the same pictures without and with the mark."""
        own = labels == target
        said_plain, said_marked = plain.argmax(1), marked.argmax(1)
        return cls(
            accuracy_plain=float((said_plain == labels).mean()),
            accuracy_marked=float((said_marked == labels).mean()),
            found_plain=float((said_plain == target)[own].mean()),
            found_marked=float((said_marked == target)[own].mean()),
            fooled_plain=float((said_plain == target)[~own].mean()),
            fooled_marked=float((said_marked == target)[~own].mean()),
            logit_shift=float((marked - plain)[:, target].mean()),
            margin_shift=float((margin_of(marked, target) - margin_of(plain, target)).mean()),
        )


@dataclass(frozen=True)
class Learned:
    """Whether the planted model came to use the mark.

    `shift` is how much more painting the mark raises the target's log-odds in the planted model than in the control,
    in nats, mean over all held-out pictures; `low` and `high` are its 95 % bootstrap interval over pictures. How many
    pictures the mark turns into the target says less: it also depends on how sure the model is of their classes.
    """

    yes: bool
    shift: float
    low: float
    high: float


@dataclass(frozen=True)
class FinderRow:
    """One method: what it says of the planted model and of the control, on the same marked pictures."""

    name: str
    planted: Finding
    control: Finding
    seconds: float

    @property
    def found(self) -> bool:
        """It points at the mark in the planted model and not in the control."""
        return self.planted.points and not self.control.points

    @property
    def verdict(self) -> str:
        """'found', 'missed', or 'points at it in the control too'."""
        if self.control.points:
            return "points at it in the control too" if self.planted.points else "accuses the control only"
        return "found" if self.planted.points else "missed"


@dataclass(frozen=True, eq=False)
class MarkedPictures(Sequence[Picture]):
    """The held-out pictures of the target class with the mark, which every finder is asked about.

    `plain[i]` is the same picture without it; `boxes[i]` encloses the mark and `regions[i]` weighs the pixels where
    a map may show it, both in pixels of the original picture; `target` is the class in question.
    """

    pictures: tuple[Picture, ...]
    plain: tuple[Picture, ...]
    boxes: tuple[Box, ...]
    regions: tuple[Float[np.ndarray, "H W"], ...] = field(repr=False)
    geometries: tuple[Geometry, ...] = field(repr=False)
    target: str = ""

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Picture]: ...
    def __getitem__(self, index: int | slice) -> Picture | Sequence[Picture]:
        return self.pictures[index]

    def __len__(self) -> int:
        return len(self.pictures)

    def __iter__(self) -> Iterator[Picture]:
        return iter(self.pictures)

    def weights(self, grid: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Shares of each cell of (h, w) that lie in the mark's region and in the picture, both (n, h, w)."""
        pairs = list(zip(self.geometries, self.regions, strict=True))
        region = np.stack([geometry.cell_weights(mask, grid) for geometry, mask in pairs])
        seen = np.stack([geometry.cell_weights(np.ones_like(mask), grid) for geometry, mask in pairs])
        return region, seen


@dataclass(frozen=True, eq=False, kw_only=True)
class PlantReport:
    """A truth of your own: the mark, what it does, and which methods point at it.

    Attributes
    ----------
    truth, control_truth
        What the mark does to the planted model and to the control.
    learned
        Whether the planted model came to use the mark. If not, `rows` is empty: no method can be judged.
    rows
        One per method, in the order in which they were asked.
    planted, control
        The two models, to go on with.
    marked
        The held-out marked pictures that the methods were asked about.
    trained_on, carriers
        The pictures that the planted model was trained on (labels in `.label`), and the indices of those with the
        mark. `held_out` are all others, without the mark.
    unread
        (name, reason) of pictures that could not be read.
    """

    mark: Mark
    target: str
    classes: tuple[str, ...]
    share: float
    retrained: str
    truth: MarkUse
    control_truth: MarkUse
    learned: Learned
    rows: tuple[FinderRow, ...]
    planted: Classifier
    control: Classifier
    marked: MarkedPictures = field(repr=False)
    trained_on: tuple[Picture, ...] = field(repr=False)
    carriers: tuple[int, ...] = field(repr=False)
    held_out: tuple[Picture, ...] = field(repr=False)
    unread: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    threshold: float
    seed: int

    @property
    def found_by(self) -> tuple[str, ...]:
        """Methods that point at the mark in the planted model only."""
        return tuple(row.name for row in self.rows if row.found)

    def __getitem__(self, name: str) -> FinderRow:
        """The row of a method."""
        for row in self.rows:
            if row.name == name:
                return row
        names = [row.name for row in self.rows]
        raise UnknownName(
            message(f"No method {name!r} was asked.", did_you_mean(name, names), "Name it in methods=.")
        )

    def sentence(self) -> str:
        """The outcome in words."""
        mark, learned, others = self.mark.describe(), self.learned, self.control_truth
        if not learned.yes:
            return (
                f"The mark was not learned: {mark}, in {self.share:.0%} of the training pictures of "
                f"{self.target!r}, raises its log-odds by {learned.shift:.2f} more than in the control (95% interval "
                f"{learned.low:.2f} to {learned.high:.2f}, {LEARNED:g} needed), so no method can be judged by it."
            )
        also = [row.name for row in self.rows if row.control.points]
        ending = f"; {_listed(also)} in the control too" if also else "; none points at it in the control"
        who = _listed(self.found_by) if self.found_by else "none"
        return (
            f"The mark ({mark}) speaks for {self.target!r}: it raises its log-odds by "
            f"{self.truth.margin_shift:.1f} (control {others.margin_shift:.1f}). {len(self.found_by)} of "
            f"{len(self.rows)} methods found it: {who}{ending}."
        )

    def to_text(self) -> str:
        """The report as aligned plain text."""
        lines = [
            self.sentence(),
            "",
            *_truth_table(self),
            "",
            f"  {self.retrained}; {len(self.trained_on)} pictures "
            f"to train on, {len(self.carriers)} with the mark, {len(self.held_out)} held out",
        ]
        if self.rows:
            lines += ["", *_method_table(self)]
        lines += [f"  note: {note}" for note in self.notes]
        lines += [f"  left out: {name}: {reason}" for name, reason in self.unread]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.to_text()

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe: everything but pictures and models."""
        return {
            "schema": "seewhy.plant/1",
            "mark": self.mark.to_dict(),
            "target": self.target,
            "classes": list(self.classes),
            "share": self.share,
            "retrained": self.retrained,
            "truth": vars(self.truth),
            "control_truth": vars(self.control_truth),
            "learned": vars(self.learned),
            "rows": [
                {
                    "name": row.name,
                    "found": row.found,
                    "verdict": row.verdict,
                    "planted": row.planted.to_dict(),
                    "control": row.control.to_dict(),
                    "seconds": row.seconds,
                }
                for row in self.rows
            ],
            "n_trained_on": len(self.trained_on),
            "n_carriers": len(self.carriers),
            "n_held_out": len(self.held_out),
            "unread": [list(each) for each in self.unread],
            "notes": list(self.notes),
            "threshold": self.threshold,
            "seed": self.seed,
            "sentence": self.sentence(),
        }


def _truth_table(report: PlantReport) -> list[str]:
    rows: list[tuple[str, ...]] = [
        ("", "planted", "", "control", ""),
        ("held-out pictures", "plain", "marked", "plain", "marked"),
    ]
    for title, name in (
        ("right", "accuracy"),
        (f"{report.target} found", "found"),
        (f"others called {report.target}", "fooled"),
    ):
        cells = [
            f"{getattr(truth, f'{name}_{state}'):.0%}"
            for truth in (report.truth, report.control_truth)
            for state in ("plain", "marked")
        ]
        rows.append((title, *cells))
    both = report.truth, report.control_truth
    rows.append(("rise of its logit", *(x for t in both for x in ("", f"{t.logit_shift:+.2f}"))))
    rows.append(("rise of its log-odds", *(x for t in both for x in ("", f"{t.margin_shift:+.2f}"))))
    return _aligned(rows)


def _method_table(report: PlantReport) -> list[str]:
    rows = [("method", "excess", "95% interval", "control", "95% interval", "energy", "hits", "seconds", "")]
    for row in report.rows:
        p, c = row.planted, row.control
        rows.append(
            (
                row.name,
                f"{p.excess:.2f}",
                f"{p.low:.2f} to {p.high:.2f}",
                f"{c.excess:.2f}",
                f"{c.low:.2f} to {c.high:.2f}",
                "" if p.energy is None else f"{p.energy:.0%}",
                "" if p.hits is None else f"{p.hits:.0%}",
                f"{row.seconds:.1f}",
                row.verdict,
            )
        )
    chance = next((row.planted.hits_by_chance for row in report.rows if row.planted.hits is not None), None)
    if chance is not None:
        rows.append(("by chance", "0.00", "", "0.00", "", f"{chance:.0%}", f"{chance:.0%}", "", ""))
    rule = (
        f"  {len(report.marked)} marked pictures; an interval above {report.threshold:g} points at the mark"
    )
    return [*_aligned(rows), rule]


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Columns of numbers to the right, the first and a column of words to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    words = [not any(cell[:1].isdigit() for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            ["", *(c.ljust(w) if text else c.rjust(w) for c, w, text in zip(row, widths, words, strict=True))]
        ).rstrip()
        for row in rows
    ]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def margin_of(logits: np.ndarray, target: int) -> np.ndarray:
    """Log-odds of a class against all others together, from logits (n, k)."""
    others = np.delete(logits, target, axis=1)
    top = others.max(1)
    margin: np.ndarray = logits[:, target] - top - np.log(np.exp(others - top[:, None]).sum(1))
    return margin
