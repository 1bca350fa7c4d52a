"""What the verbs that find concepts share: their options, the model, warnings as talk."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seewhy.cli.console import progress, talk
from seewhy.errors import InputError, message

if TYPE_CHECKING:
    from seewhy.backbones.base import Backbone

Folder = Annotated[
    str,
    typer.Argument(
        metavar="PICTURES",
        help="A folder (subfolders named after classes give labels) or a pattern such as 'photos/*.jpg'.",
        show_default=False,
    ),
]
ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="seewhy/NAME, timm/NAME, torchvision/NAME, open_clip/ARCH/TAG, hf/ORG/NAME, local:DIR or "
        "FILE.py:FACTORY.",
        show_default=False,
    ),
]
NConcepts = Annotated[int, typer.Option("--n-concepts", min=1, help="Concepts of each class.")]
DictionaryName = Annotated[
    str, typer.Option("--dictionary", help="nmf, semi_nmf (for signed features), kmeans, pca or ica.")
]
Layer = Annotated[
    str | None, typer.Option("--layer", help="Where concepts are found; see seewhy layers MODEL.")
]
Weights = Annotated[str, typer.Option("--weights", help="'default', 'none' for random weights, or a file.")]
Seed = Annotated[int, typer.Option("--seed", help="Of everything drawn at random.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", min=1, help="Pictures at once.")]

SUFFIXES = (".html", ".json")


def checked_output(output: Path | None) -> None:
    """Refuse a place that cannot be written before anything is computed."""
    if output is None:
        return
    if output.suffix.lower() not in SUFFIXES:
        came = f"ends in {output.suffix!r}" if output.suffix else "has no suffix"
        raise InputError(
            message(
                f"output {str(output)!r} {came}.",
                f"The suffix says what is written: {', '.join(SUFFIXES)}.",
                f"Pass for example -o {output.with_suffix('.html').name if output.stem else 'audit.html'}.",
            )
        )
    if output.is_dir():
        raise InputError(
            message(
                f"output {str(output)!r} is a folder.", "A file is written there.", "Choose another name."
            )
        )
    if not output.absolute().parent.is_dir():
        raise InputError(
            message(
                f"The folder of {str(output)!r} does not exist.",
                "The file is written there.",
                "Make the folder first, or choose another place.",
            )
        )


def checked_folder(output: Path | None) -> None:
    """Refuse a place that cannot be a folder before anything is computed."""
    if output is None:
        return
    for place in (output, *output.absolute().parents):
        if place.exists() and not place.is_dir():
            raise InputError(
                message(
                    f"output {str(output)!r} cannot be a folder: {str(place)!r} is a file.",
                    "The concepts are written into a folder.",
                    "Choose another name.",
                )
            )


def say_failed(failed: Mapping[str, str], most: int = 5) -> None:
    """Which pictures could not be read, and why."""
    for name, why in list(failed.items())[:most]:
        talk(f"left out {name}: {why.splitlines()[0]}")
    if len(failed) > most:
        talk(f"left out {len(failed) - most} more")


def backbone_of(model: str, classes: str | None, layer: str | None, weights: str) -> Backbone:
    """The model that the options name."""
    from seewhy.backbones.load import load_backbone

    with progress("fetching weights") as tell:
        return load_backbone(
            model,
            weights=None if weights.lower() == "none" else weights,
            classes=classes,
            layer=layer,
            progress=tell,
        )


@contextmanager
def warnings_as_talk() -> Iterator[None]:
    """Say warnings on stderr, each once, without the line of code that gave them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for said in dict.fromkeys(str(one.message) for one in caught):
        talk(f"note: {said}")
