"""The shortcut audit: can a task be solved by something cheaper than what it asks for?

Cheap predictors must stay near chance (`audit_predictors`), everything that the label does not speak of must say
nothing about it (`audit_nuisance`), and concepts must occur as often, and as independently, as the grammar means
them to (`audit_presence`). A version of the world is sound only if all rows pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seewhy.errors import InputError, message
from seewhy.world.checks import check_whole
from seewhy.world.grammar import WORLD_VERSION
from seewhy.world.shortcuts.base import Question, Row
from seewhy.world.shortcuts.nuisance import information_rows
from seewhy.world.shortcuts.predictors import accuracy_rows
from seewhy.world.shortcuts.presence import presence_rows
from seewhy.world.tasks.tasks import find_task

Progress = Callable[[int, int], None]
"""Called with (scenes done, scenes in all)."""

PREDICTED = ("T1", "T2", "T4")
INFORMED = ("T1", "T2", "T4", "T9")
COUNTED = "T8"


@dataclass(frozen=True)
class Sizes:
    """How many scenes of each task: `train`, `val`, `test` are drawn, `scenes` are only read as data."""

    train: int = 8000
    val: int = 2000
    test: int = 5000
    scenes: int = 200_000

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            check_whole(f"number of {name} scenes", value, 10, 10**9)


FULL = Sizes()
QUICK = Sizes(1000, 300, 1000, 4000)


@dataclass(frozen=True)
class Audit:
    """What was measured, against which bars, on how many scenes."""

    rows: tuple[Row, ...]
    sizes: Sizes
    world_version: str = WORLD_VERSION

    @property
    def problems(self) -> tuple[str, ...]:
        """The rows that missed their bar, in words; empty if the world is sound as far as these scenes can tell."""
        return tuple(str(row) for row in self.rows if not row.passed)

    @property
    def unsure(self) -> tuple[str, ...]:
        """The rows that passed though their bar lies within chance, in words: more scenes would decide."""
        return tuple(str(row) for row in self.rows if not (row.sure or row.is_expected))

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe; `Audit.from_dict` restores it."""
        return {
            "world_version": self.world_version,
            "sizes": asdict(self.sizes),
            "rows": [row.to_dict() for row in self.rows],
            "problems": list(self.problems),
            "unsure": list(self.unsure),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Audit:
        """Inverse of `to_dict`.

        Raises
        ------
        InputError
            If the record is not what `to_dict` makes.
        """
        try:
            rows = tuple(
                Row(**{name: value for name, value in row.items() if name not in ("passed", "sure")})
                for row in record["rows"]
            )
            return cls(rows, Sizes(**record["sizes"]), record["world_version"])
        except (KeyError, TypeError, AttributeError) as error:
            came = f"The record of an audit cannot be read: {type(error).__name__}: {error}."
            needed = "It has world_version, sizes and rows."
            raise InputError(message(came, needed, "Pass what to_dict() returned.")) from None

    def to_markdown(self) -> str:
        """One table."""
        lines = [f"| {' | '.join(HEAD)} |", "|" + "---|" * len(HEAD)]
        lines += [f"| {' | '.join(cells(row))} |" for row in self.rows]
        return "\n".join(lines)


HEAD = ("task", "what is measured", "unit", "measured", "95 % interval", "allowed", "passed")


def cells(row: Row) -> tuple[str, ...]:
    """A row of the table, as text under `HEAD`."""
    verdict = "yes" if row.sure or row.is_expected else "within chance"
    return (
        row.task,
        row.predictor,
        row.unit,
        f"{row.measured:.3f}",
        f"{row.low:.3f} to {row.high:.3f}",
        row.allowed_text,
        ("-" if row.bar is None else verdict) if row.passed else "**no**",
    )


def audit(
    sizes: Sizes = FULL,
    *,
    predicted: Sequence[Question] | None = None,
    informed: Sequence[Question] | None = None,
    counted: Sequence[Question] | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Measure everything.

    Parameters
    ----------
    sizes
        How many scenes; `FULL` takes about ten CPU minutes, `QUICK` one.
    predicted, informed, counted
        Tasks for the cheap predictors (T1, T2, T4), for information in nuisances (these and T9) and for prevalence
        (T8). Any object with a task's name, classes, label and scene will do.
    progress
        Called now and then.

    Notes
    -----
    Nothing is random: the same version and sizes give the same rows.
    """
    drawn = [find_task(name) for name in PREDICTED] if predicted is None else list(predicted)
    read = [find_task(name) for name in INFORMED] if informed is None else list(informed)
    seen = [find_task(COUNTED)] if counted is None else list(counted)
    total = len(drawn) * (sizes.train + sizes.val + sizes.test) + (len(read) + len(seen)) * sizes.scenes
    done = 0

    def tick(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None and (done % 100 == 0 or done == total):
            progress(done, total)

    rows: list[Row] = []
    for task in drawn:
        rows += accuracy_rows(task, sizes.train, sizes.val, sizes.test, tick)
    for task in read:
        rows += information_rows(task, sizes.scenes, tick)
    for task in seen:
        rows += presence_rows(task, sizes.scenes, tick)
    return Audit(tuple(rows), sizes)
