"""`seewhy world audit`: can the world's tasks be solved by something cheaper than what they ask for?"""

from __future__ import annotations

from typing import Annotated

import typer

from seewhy.cli.console import data, data_json, progress, table, talk, verb
from seewhy.cli.options import Debug, Json

Quick = Annotated[
    bool,
    typer.Option("--quick", help="A minute instead of ten: fewer scenes, so wider intervals."),
]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")]


@verb
def audit(
    quick: Quick = False,
    as_json: Json = False,
    markdown: Markdown = False,
    debug: Debug = False,
) -> int:
    """Measure shortcuts in the world's tasks: cheap predictors, nuisances, prevalence. Exit code 1 if one is found.

    A bar is missed only if the whole 95 % interval lies beyond it; "within chance" says that more scenes must decide.
    """
    from seewhy.world.shortcuts.audit import FULL, HEAD, QUICK, cells
    from seewhy.world.shortcuts.audit import audit as measure

    with progress("measuring shortcuts") as tell:
        found = measure(QUICK if quick else FULL, progress=tell)
    if as_json:
        data_json(found.to_dict())
    elif markdown:
        data(found.to_markdown())
    else:
        table(list(HEAD), [cells(row) for row in found.rows], right=("measured",))
    for problem in found.problems:
        talk(f"missed: {problem}")
    if found.unsure:
        talk(f"{len(found.unsure)} of {len(found.rows)} bars lie within chance: these scenes do not decide")
    return 1 if found.problems else 0
