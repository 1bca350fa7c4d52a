"""`seewhy`: the verbs together. Importing this loads the argument parser and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from seewhy._version import __version__
from seewhy.cli import (
    audit,
    bench,
    compare,
    contrast,
    demo,
    discover,
    doctor,
    edit,
    explain,
    layers,
    models,
    query,
    train,
    world,
)
from seewhy.cli.console import data, guarded

app = typer.Typer(
    name="seewhy",
    help="See why a vision model decided: what it saw, where, and how much each thing counted.",
    epilog="Exit codes: 0 ok, 1 error, 2 wrong usage, 3 model missing or offline. "
    "Results go to stdout, everything else to stderr.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("explain")(explain.explain)
app.command("query")(query.query)
app.command("edit")(edit.edit)
app.command("contrast")(contrast.contrast)
app.add_typer(train.app, name="train")
app.command("audit")(audit.audit)
app.command("discover")(discover.discover)
app.command("compare")(compare.compare)
app.command("layers")(layers.layers)
app.add_typer(models.app, name="models")
app.add_typer(bench.app, name="bench")
app.add_typer(world.app, name="world")
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        data(f"seewhy {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line in this process.

    Parameters
    ----------
    arguments
        Without the program's name; default those of the process.

    Returns
    -------
    code
        The exit code.
    """

    def command() -> int:
        try:
            app(args=None if arguments is None else list(arguments), prog_name="seewhy")
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        return 0

    return guarded(command)


def main() -> None:
    """The console script."""
    sys.exit(run())
