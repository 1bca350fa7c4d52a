"""What the verbs that ask about one picture share: the model (a bottleneck's folder or any other), and the region."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seewhy.cli.console import progress
from seewhy.errors import InputError, message

if TYPE_CHECKING:
    from seewhy.explanation import Explanation

Photo = Annotated[
    str,
    typer.Argument(metavar="PHOTO", help="A file, an http(s) address, or - for stdin.", show_default=False),
]
Asked = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="A folder that seewhy train wrote, or a model as in seewhy explain.",
        show_default=False,
    ),
]
Network = Annotated[
    str | None,
    typer.Option(
        "--network", help="The bottleneck's network, where its name cannot be loaded.", show_default=False
    ),
]
PointAt = Annotated[
    str | None, typer.Option("--point", metavar="X,Y", help="A place of the picture, in pixels.")
]
BoxAt = Annotated[
    str | None, typer.Option("--box", metavar="X0,Y0,X1,Y1", help="A part of the picture, in pixels.")
]
Target = Annotated[str, typer.Option("--target", "-t", help="Class name or index, or 'predicted'.")]


def asked_model(name: str, network: str | None = None) -> Any:
    """A bottleneck where `name` is a folder of one, else a classifier; both explain."""
    from seewhy.scale.artefact import NAME, SCHEMA

    folder = Path(name.removeprefix("local:")).expanduser()
    if (folder / NAME).is_file() and SCHEMA.encode() in (folder / NAME).read_bytes()[:200]:
        from seewhy.models.bottleneck import ConceptBottleneck

        return ConceptBottleneck.from_pretrained(folder, network)
    from seewhy.backbones.load import load_backbone
    from seewhy.models.classifier import Classifier

    with progress("fetching weights") as tell:
        return Classifier(load_backbone(name, progress=tell))


def explained(photo: str, model: Any, target: str) -> Explanation:
    """The model's explanation of one picture."""
    from seewhy.cli.explain import read_photos
    from seewhy.explanation import Explanation

    pictures, _ = read_photos([photo])
    if len(pictures) != 1:
        raise InputError(
            message(
                f"{photo!r} stands for {len(pictures)} pictures.",
                "This verb asks about one.",
                "Name one file.",
            )
        )
    answer = model.explain(pictures[0], as_class(target, getattr(model, "classes", None)))
    assert isinstance(answer, Explanation)
    return answer


def as_class(target: str, classes: Any) -> int | str:
    """A class called '7' is meant before class number 7."""
    if re.fullmatch(r"-?\d+", target) and target not in (classes or ()):
        return int(target)
    return target


def region(point: str | None, box: str | None) -> dict[str, Any]:
    """The region's argument; empty where none is given."""
    found: dict[str, Any] = {}
    for name, text, n in (("point", point, 2), ("box", box, 4)):
        if text is None:
            continue
        try:
            numbers = tuple(float(part) for part in text.split(","))
        except ValueError:
            numbers = ()
        if len(numbers) != n:
            example = "--point 40,60" if n == 2 else "--box 10,20,80,90"
            raise InputError(
                message(
                    f"--{name} is {text!r}.", f"It is {n} numbers with commas between.", f"Pass {example}."
                )
            )
        found[name] = numbers
    return found
