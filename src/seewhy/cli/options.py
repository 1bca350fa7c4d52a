"""Options that several verbs share, so that they mean and say the same everywhere."""

from __future__ import annotations

from typing import Annotated

import typer

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="seewhy/NAME, timm/NAME, torchvision/NAME, open_clip/ARCH/TAG, hf/ORG/NAME, local:DIR or "
        "FILE.py:FACTORY.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Classes = Annotated[
    str | None,
    typer.Option(
        "--classes",
        metavar="FILE",
        help="Class names, one a line or JSON; for open_clip and seewhy/clip the words to compare with.",
        show_default=False,
    ),
]
