"""What a check found: changes of the logit as predicted and as measured, and a map against random orders.

A receipt holds what was measured; whether that speaks for the answer follows from it here, in one place, so
that a page, a table and a program read the same verdict.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

Verdict = Literal["holds", "partly", "fails"]
VERDICT: dict[Verdict, str] = {"holds": "holds", "partly": "holds in part", "fails": "fails"}
"""As it is written on a badge."""

R2_HOLDS = 0.9
"""Contributions hold if they predict nine tenths of how the logit varies over the edits. An exact account of an
affine tail predicts all of it; what is left leaves room for tails that bend between here and the edits."""

R2_FAILS = 0.5
"""Below it more is missed than predicted: a reader would be wrong to act on the numbers."""

WORST_HOLDS = 0.1
"""Where all edits change the logit alike, R2 is not defined; then no edit may be missed by more than a tenth."""

BEYOND_RANDOM = 1.0
"""Standard deviations of the random orders by which a map must beat their mean, on both curves. Beating the mean
alone is no test: a map without information does so on one curve in half of all pictures, and so far in 16 %."""


class Alone(NamedTuple):
    """One concept taken out alone: the change of the logit that was predicted, and the one measured."""

    name: str
    predicted: float
    measured: float


class Random(NamedTuple):
    """Areas under the curves of `n` random orders."""

    mean: float
    sd: float
    n: int


@dataclass(frozen=True)
class Receipt:
    """What happened when an answer was put to the test; made by `seewhy.check`.

    Parameters
    ----------
    predicted, measured
        Change of the target's logit for each edit of the concepts, as the contributions say and as the
        network did. Empty where there is nothing to edit.
    alone
        The edits that took out one concept, strongest first.
    noise
        A change of the logit below it is rounding.
    deletion_curve, insertion_curve
        The target's score while pixels are hidden (or shown) in the order of the map, at equal steps from
        none to all of them, both ends included. Empty where the map was not tested.
    random_curve
        Mean score while pixels are hidden in `n_random` random orders of the map's cells. A random order read
        backwards is a random order too, so the same curve from its end is that of showing.
    random_sd, n_random
        Standard deviation of the areas under the random curves, and their number.
    fill, score
        What hidden pixels show, in words, and "probability" or "logit".
    forwards
        Versions of the picture that were run through the network, and through its tail.
    notes
        What was not tested, and why.

    Notes
    -----
    Curves: Petsiuk et al., BMVC 2018 (arXiv 1806.07421). One filling for both curves, orders by cell with
    pixels at random inside, random orders as the measure, and edits of concepts as a test are ours.
    """

    predicted: tuple[float, ...] = ()
    measured: tuple[float, ...] = ()
    alone: tuple[Alone, ...] = ()
    noise: float = 0.0
    deletion_curve: tuple[float, ...] = ()
    insertion_curve: tuple[float, ...] = ()
    random_curve: tuple[float, ...] = ()
    random_sd: float = 0.0
    n_random: int = 0
    fill: str = ""
    score: str = "probability"
    seed: int = 0
    forwards: int = 0
    tail_forwards: int = 0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        curves = {len(self.deletion_curve), len(self.insertion_curve), len(self.random_curve)}
        if len(self.predicted) != len(self.measured) or len(curves) != 1 or curves & {1}:
            raise ValueError("predictions and measurements, and the three curves, are equally long")

    # ------------------------------------------------------------------ the numbers

    @property
    def n_edits(self) -> int:
        """Number of edits of the concepts."""
        return len(self.predicted)

    @property
    def r2(self) -> float | None:
        """1 - sum (measured - predicted)^2 / sum (measured - mean)^2; None if the changes do not vary.

        1 is a perfect prediction, 0 is no better than the mean change, and there is no lower end.
        """
        measured, predicted = np.array(self.measured), np.array(self.predicted)
        if not len(measured) or float(np.abs(measured - measured.mean()).max()) <= self.noise:
            return None
        missed = float(((measured - predicted) ** 2).sum())
        return 1 - missed / float(((measured - measured.mean()) ** 2).sum())

    @property
    def worst(self) -> float | None:
        """Largest |measured - predicted| over the edits, in logits."""
        pairs = zip(self.measured, self.predicted, strict=True)
        return max((abs(m - p) for m, p in pairs), default=None)

    @property
    def worst_relative(self) -> float | None:
        """`worst` by the largest measured change; None if nothing changed."""
        largest = max(map(abs, self.measured), default=0.0)
        return None if self.worst is None or largest <= self.noise else self.worst / largest

    @property
    def deletion(self) -> float | None:
        """Mean score while pixels are hidden, strongest first; low is good."""
        return area(self.deletion_curve) if self.deletion_curve else None

    @property
    def insertion(self) -> float | None:
        """Mean score while pixels are shown, strongest first; high is good."""
        return area(self.insertion_curve) if self.insertion_curve else None

    @property
    def deletion_random(self) -> Random | None:
        """Of random orders, hidden."""
        return self._random(self.random_curve)

    @property
    def insertion_random(self) -> Random | None:
        """Of random orders, shown."""
        return self._random(self.random_curve[::-1])

    def _random(self, curve: Sequence[float]) -> Random | None:
        return Random(area(curve), self.random_sd, self.n_random) if curve else None

    # ------------------------------------------------------------------ the verdict

    @property
    def how_much(self) -> Verdict | None:
        """Whether the contributions predict what edits do; None if that was not tested or nothing changed."""
        if self.worst is None:
            return None
        if self.r2 is not None:
            return "holds" if self.r2 >= R2_HOLDS else "fails" if self.r2 < R2_FAILS else "partly"
        largest = max(map(abs, self.measured))
        if max(largest, self.worst) <= self.noise:
            return None
        return "holds" if self.worst <= WORST_HOLDS * largest else "fails"

    @property
    def deletion_holds(self) -> bool:
        """Whether hiding by the map lowers the score faster than random orders do."""
        by_chance = self.deletion_random
        if by_chance is None or self.deletion is None:
            return False
        return self.deletion < by_chance.mean - BEYOND_RANDOM * by_chance.sd

    @property
    def insertion_holds(self) -> bool:
        """Whether showing by the map raises the score faster than random orders do."""
        by_chance = self.insertion_random
        if by_chance is None or self.insertion is None:
            return False
        return self.insertion > by_chance.mean + BEYOND_RANDOM * by_chance.sd

    @property
    def where(self) -> Verdict | None:
        """Whether the map finds what the score needs: both curves, one or none; None if not tested."""
        if not self.random_curve:
            return None
        right = self.deletion_holds + self.insertion_holds
        return "holds" if right == 2 else "partly" if right else "fails"

    @property
    def state(self) -> Verdict:
        """The verdict on the badge.

        "holds" if everything that was tested does; "fails" if the contributions fail, because they are what
        the answer claims, or if nothing else speaks for it; "partly" between.
        """
        parts = [part for part in (self.how_much, self.where) if part is not None]
        if not parts or self.how_much == "fails" or set(parts) == {"fails"}:
            return "fails"
        return "holds" if set(parts) == {"holds"} else "partly"

    @property
    def passed(self) -> bool:
        """Whether everything that was tested holds."""
        return self.state == "holds"

    # ------------------------------------------------------------------ words and data

    def sentence(self) -> str:
        """The verdict and its reasons in words."""
        parts = [part for part in (self.sentence_of_edits(), self.sentence_of_map()) if part]
        parts += [f"Not tested: {note}" for note in self.notes]
        title = VERDICT[self.state].capitalize()
        return " ".join([f"{title}.", *(parts or ["Nothing was tested."])])

    def sentence_of_edits(self) -> str:
        """What the edits showed, or nothing if there were none."""
        if self.worst is None:
            return ""
        n = "1 edit" if self.n_edits == 1 else f"{self.n_edits} edits"
        if self.how_much is None:
            return f"None of {n} of its concepts changed the logit, as the contributions say."
        does = {"holds": "predict", "partly": "predict in part", "fails": "do not predict"}[self.how_much]
        miss = f"the worst misses by {self.worst:.2g}"
        if self.worst_relative is not None:
            miss += f", {percent(self.worst_relative)} of the largest change"
        alike = "no R2, as all change the logit alike" if self.r2 is None else f"R2 {r2_text(self.r2)}"
        return f"The contributions {does} what {n} of its concepts change in the logit ({alike}; {miss})."

    def sentence_of_map(self) -> str:
        """What the curves showed, or nothing if there are none."""
        hidden, shown = self.deletion_random, self.insertion_random
        if hidden is None or shown is None or self.deletion is None or self.insertion is None:
            return ""
        (deletion, by_hiding, sd), (insertion, by_showing, _) = (
            amounts(self.deletion, hidden),
            amounts(self.insertion, shown),
        )
        lowers = "lowers" if self.deletion_holds else "does not lower"
        raises = "raises" if self.insertion_holds else "does not raise"
        return (
            f"Hiding the picture in the order of the map {lowers} the score faster than random orders do "
            f"({deletion}, random {by_hiding} ± {sd}), and showing it {raises} it faster "
            f"({insertion}, random {by_showing})."
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe data; what follows from the measurements is written too, for readers of the file."""
        return {
            "state": self.state,
            "passed": self.passed,
            "sentence": self.sentence(),
            "r2": self.r2,
            "worst": self.worst,
            "worst_relative": self.worst_relative,
            "n_edits": self.n_edits,
            "predicted": list(self.predicted),
            "measured": list(self.measured),
            "alone": [row._asdict() for row in self.alone],
            "noise": self.noise,
            "deletion": self.deletion,
            "deletion_random": self.deletion_random and self.deletion_random._asdict(),
            "insertion": self.insertion,
            "insertion_random": self.insertion_random and self.insertion_random._asdict(),
            "deletion_curve": list(self.deletion_curve),
            "insertion_curve": list(self.insertion_curve),
            "random_curve": list(self.random_curve),
            "random_sd": self.random_sd,
            "n_random": self.n_random,
            "fill": self.fill,
            "score": self.score,
            "seed": self.seed,
            "forwards": self.forwards,
            "tail_forwards": self.tail_forwards,
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Receipt:
        """Read the measurements back; the verdict is made from them again, whatever the file says it is.

        Raises
        ------
        KeyError, TypeError, ValueError
            If a field is missing or of the wrong form.
        """
        return cls(
            predicted=_numbers(data["predicted"]),
            measured=_numbers(data["measured"]),
            alone=tuple(
                Alone(str(row["name"]), *_numbers([row["predicted"], row["measured"]]))
                for row in data["alone"]
            ),
            noise=_number(data["noise"]),
            deletion_curve=_numbers(data["deletion_curve"]),
            insertion_curve=_numbers(data["insertion_curve"]),
            random_curve=_numbers(data["random_curve"]),
            random_sd=_number(data["random_sd"]),
            n_random=int(data["n_random"]),
            fill=str(data["fill"]),
            score=str(data["score"]),
            seed=int(data["seed"]),
            forwards=int(data["forwards"]),
            tail_forwards=int(data["tail_forwards"]),
            notes=tuple(str(note) for note in data["notes"]),
        )


def area(curve: Sequence[float]) -> float:
    """Area under a curve of equal steps by the trapezoid rule, over its width.

    It is in the unit of the curve: a flat curve has its own height.
    """
    return float((sum(curve) - (curve[0] + curve[-1]) / 2) / (len(curve) - 1))


def r2_text(r2: float) -> str:
    """Three decimals, cut and not rounded, so that 1.000 is not said of less; 'below -1' for anything worse."""
    return "below -1" if r2 < -1 else f"{math.floor(r2 * 1000 + 1e-9) / 1000:.3f}"


def amounts(value: float, by_chance: Random) -> tuple[str, str, str]:
    """An area, the mean of the random ones and their deviation, with decimals until the first two differ.

    >>> amounts(0.08, Random(0.31, 0.05, 16))
    ('0.08', '0.31', '0.05')
    >>> amounts(0.2734, Random(0.2741, 0.005, 16))
    ('0.2734', '0.2741', '0.0050')
    """
    difference = abs(value - by_chance.mean)
    decimals = min(6, max(2, math.ceil(-math.log10(difference)))) if difference > 0 else 2
    shown = (value, by_chance.mean, by_chance.sd)
    a, b, c = (f"{number:.{decimals}f}" for number in shown)
    return a, b, c


def percent(share: float) -> str:
    """'12 %', and 'under 0.1 %' for less."""
    return (
        "under 0.1 %" if share < 0.001 else f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"
    )


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is not finite")
    return number


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(_number(value) for value in values)
