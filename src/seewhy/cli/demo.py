"""`seewhy demo`: a planted shortcut, found; a network without it, not accused."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seewhy.cli.console import data, data_json, progress, talk, verb
from seewhy.cli.options import Debug, Json


@verb
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the pages and pictures.")] = Path(
        "demo"
    ),
    seed: Annotated[int, typer.Option(help="The first, of the pictures and the networks.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="How many; each trains two networks.")] = 5,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Train tiny networks with a planted shortcut and controls without it, and audit them (two minutes)."""
    from seewhy.demo.run import main

    talk(f"Training {2 * seeds} small networks on generated pictures, some ten seconds each.")
    with progress("demo") as tell:

        def stage(what: str, done: int, total: int) -> None:
            if tell is not None:
                tell(done, total, what)

        result = main(output, seed=seed, n_seeds=seeds, stage=stage)
    if as_json:
        data_json(result.to_dict())
    else:
        data(result.to_text())
    return 0 if result.as_expected else 1
