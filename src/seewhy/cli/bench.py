"""`seewhy bench`: methods and concepts against ceilings and floors, on pictures whose truth is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from seewhy.cli.console import data, data_json, progress, table, talk, verb
from seewhy.cli.options import Debug, Json

if TYPE_CHECKING:
    from seewhy.bench.table import Table

app = typer.Typer(
    help="Which method can I trust? Tables on pictures whose truth is known.", no_args_is_help=True
)

Network = Annotated[
    str,
    typer.Option(
        "--network",
        help="glass or parts (written by hand), shape (trained), cheat (trained, looks at a mark), or all.",
    ),
]
Quick = Annotated[bool, typer.Option("--quick", help="60 scenes instead of 400.")]
Scenes = Annotated[
    int | None,
    typer.Option("-n", min=12, help="Scenes for each network, whatever --quick says.", show_default=False),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of networks, scenes, random rows and tests.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print the tables as Markdown.")]

QUICK, FULL = 60, 400


@app.command("where")
@verb
def where(
    network: Network = "all",
    quick: Quick = False,
    n: Scenes = None,
    seed: Seed = 0,
    markdown: Markdown = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Do maps lie on the evidence? Truth of the scene: pixels that decide the label by the task's rule."""
    _bench("where", network, n or (QUICK if quick else FULL), seed, markdown, as_json)


@app.command("how-much")
@verb
def how_much(
    network: Network = "all",
    quick: Quick = False,
    n: Scenes = None,
    seed: Seed = 0,
    markdown: Markdown = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Do contributions agree with the network? Truth of the model: exact Shapley values by drawing again."""
    _bench("how-much", network, n or (QUICK if quick else FULL), seed, markdown, as_json)


def _bench(asked: str, network: str, n: int, seed: int, markdown: bool, as_json: bool) -> None:
    from seewhy.bench.run import run

    with progress("building the networks") as tell:
        tables = run(asked, network, n=n, seed=seed, progress=tell)
    if as_json:
        data_json([found.to_dict() for found in tables])
        return
    for at, found in enumerate(tables):
        if at:
            data("")
        if markdown:
            data(found.to_markdown())
        else:
            _print(found)


def _print(found: Table) -> None:
    from seewhy.bench.table import head

    data(found.title())
    columns = list(head(found))
    table(columns, found.cells(), right=columns[1:])
    for line in found.notes():
        talk(line)
