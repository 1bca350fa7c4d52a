"""Several tables in one go: which networks, how many scenes, and who is told how far it is."""

from __future__ import annotations

from collections.abc import Callable

from seewhy.bench.how_much import how_much
from seewhy.bench.subjects import FEWEST, SUBJECTS, subjects_of
from seewhy.bench.table import Table
from seewhy.bench.where import where
from seewhy.errors import UnknownName, did_you_mean, message

Progress = Callable[[int, int, str], None]
"""Called with (steps done, steps in all, what is done next); the total is an estimate."""

ASKED: dict[str, Callable[..., Table]] = {"where": where, "how-much": how_much}

_STEPS = {"where": 34, "how-much": 34}
"""Explainers asked for each network, about."""


def run(
    asked: str, network: str = "all", *, n: int = 400, seed: int = 0, progress: Progress | None = None
) -> list[Table]:
    """One table for each network.

    Parameters
    ----------
    asked
        "where" or "how-much".
    network
        A name of `subjects.SUBJECTS`, or "all".
    n
        Scenes for each network; slow ones get a share of it (`subjects.Choice.share`), 12 at least.
    seed
        Of networks, scenes, random explainers and tests.

    Raises
    ------
    UnknownName
        For another table or network.
    """
    if asked not in ASKED:
        raise UnknownName(message(f"There is no table {asked!r}.", did_you_mean(asked, ASKED)))
    names = subjects_of(network)
    scenes = {name: max(FEWEST, round(n * SUBJECTS[name].share)) for name in names}
    steps = len(names) * _STEPS[asked] + (sum(scenes.values()) if asked == "how-much" else 0)
    done = 0

    def tell(what: str) -> None:
        nonlocal done
        if progress is not None:
            progress(min(done, steps), steps, what)
        done += 1

    tables = []
    for name in names:
        tell(f"building {name}")
        subject = SUBJECTS[name].make(asked, scenes[name], seed)
        tables.append(
            ASKED[asked](subject, seed=seed, progress=lambda what, name=name: tell(f"{name}: {what}"))
        )
    return tables
