"""`seewhy demo`: a planted shortcut, found; a network without it, not accused."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seewhy.cli.console import data, data_json, progress, verb
from seewhy.cli.options import Debug, Json


@verb
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the pages and pictures.")] = Path(
        "demo"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Which scenes are looked at.")] = 0,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Audit a bundled network that learned a shortcut, and its control; ask another for words (one minute)."""
    from seewhy.demo.run import main

    with progress("demo") as tell:

        def stage(what: str, done: int, total: int) -> None:
            if tell is not None:
                tell(done, total, what)

        result = main(output, seed=seed, stage=stage)
    if as_json:
        data_json(result.to_dict())
    else:
        data(result.to_text())
    return 0 if result.as_expected else 1
