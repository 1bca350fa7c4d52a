"""`seewhy compare`: what changed between two models, classes or methods on a picture, or between two pictures."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seewhy.cli.console import data, data_json, progress, talk, verb
from seewhy.cli.explain import Destination, read_photos
from seewhy.cli.options import Classes, Debug, Json
from seewhy.errors import InputError, message

if TYPE_CHECKING:
    from seewhy.backbones.base import Backbone
    from seewhy.explanation.answer import Answer
    from seewhy.explanation.comparison import Comparison
    from seewhy.images.picture import Picture

Side = tuple[str, str, str]
"""Model, target and method of one side."""


@verb
def compare(
    photos: Annotated[
        list[str],
        typer.Argument(
            metavar="PHOTO",
            help="Files, folders, patterns, http(s) addresses, or - for stdin.",
            show_default=False,
        ),
    ],
    models: Annotated[
        list[str],
        typer.Option(
            "--model",
            "-m",
            help="As in seewhy explain. Give it twice to compare two models on each picture.",
            show_default=False,
        ),
    ],
    targets: Annotated[
        list[str] | None,
        typer.Option(
            "--target", "-t", help="Class name or index; twice to compare two. [default: predicted]"
        ),
    ] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option("--method", help="As in seewhy explain; twice to compare two. [default: default]"),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="compare.html, .json, .png or .svg; for several pictures a folder or 'DIR/', a page each.",
        ),
    ] = None,
    as_json: Json = False,
    top_k: Annotated[int | None, typer.Option("--top-k", min=1, help="Concepts to show and save.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="For methods that draw at random.")] = 0,
    weights: Annotated[
        str, typer.Option("--weights", help="'default', 'none' for random weights, or a file.")
    ] = "default",
    classes: Classes = None,
    device: Annotated[str | None, typer.Option("--device", help="cpu, cuda, mps or auto.")] = None,
    debug: Debug = False,
) -> int:
    """Compare two models, targets or methods on each picture, or two pictures with one model."""
    sides = _sides(models, targets, methods)
    destination = None if output is None else Destination(output)
    pictures, failed = read_photos(photos)
    pairs = _pairs(pictures, sides)
    if destination is not None and len(pairs) > 1 and not destination.is_folder:
        raise InputError(
            message(
                f"output {output!r} is one file, for {len(pairs)} comparisons.",
                "Each comparison is a page of its own.",
                "Pass a folder, such as -o out/.",
            )
        )
    from seewhy.backbones.load import load_backbone
    from seewhy.explanation.comparison import compare as compare_answers

    with progress("fetching weights") as tell:
        backbones = {
            name: load_backbone(
                name,
                weights=None if weights.lower() == "none" else weights,
                classes=classes,
                device=device,
                progress=tell,
            )
            for name in dict.fromkeys(models)
        }
    comparisons = []
    with progress("explaining") as tell:
        for i, pair in enumerate(pairs):
            first, second = (_answer(backbones[side[0]], picture, side, seed) for picture, side in pair)
            comparisons.append(compare_answers(first, second))
            if tell is not None:
                tell(i + 1, len(pairs))
    if destination is not None:
        command = _command(photos, sides, seed, weights, classes, output)
        for path in _save(destination, comparisons, top_k, command):
            talk(f"wrote {path}")
    _show(comparisons, top_k, as_json)
    for error in failed:
        talk(f"{type(error).__name__}: {error}")
    return 1 if failed else 0


def _sides(
    models: Sequence[str], targets: Sequence[str] | None, methods: Sequence[str] | None
) -> tuple[Side, Side]:
    """The two sides; what is given once holds for both."""
    twice = []
    for name, values, default in (
        ("--model", models, ""),
        ("--target", targets, "predicted"),
        ("--method", methods, "default"),
    ):
        values = list(values or [default])
        if len(values) > 2:
            raise typer.BadParameter(
                f"{name} was given {len(values)} times; two are compared at a time.", param_hint=name
            )
        twice.append((values[0], values[-1]))
    (m, n), (t, u), (k, j) = twice
    return (m, t, k), (n, u, j)


def _pairs(
    pictures: Sequence[Picture], sides: tuple[Side, Side]
) -> list[tuple[tuple[Picture, Side], tuple[Picture, Side]]]:
    """What is compared with what: each picture with itself if the sides differ, else the two pictures."""
    if sides[0] != sides[1]:
        return [((picture, sides[0]), (picture, sides[1])) for picture in pictures]
    if len(pictures) != 2:
        what = "1 picture" if len(pictures) == 1 else f"{len(pictures)} pictures"
        raise typer.BadParameter(
            f"{what} and one model leave nothing to compare. Give --model (or --target, or --method) twice, "
            "or exactly two pictures.",
            param_hint="PHOTO",
        )
    return [((pictures[0], sides[0]), (pictures[1], sides[1]))]


def _answer(backbone: Backbone, picture: Picture, side: Side, seed: int) -> Answer:
    from seewhy.explanation.answer import Answer
    from seewhy.models.classifier import Classifier

    _, words, method = side
    target: int | str = words
    # A class called '7' is meant before class number 7.
    if re.fullmatch(r"-?\d+", words) and words not in (backbone.classes or ()):
        target = int(words)
    classifier = Classifier(backbone)
    if method == "default":
        answer: Any = classifier.explain(picture, target)
    else:
        answer = classifier.attribute(picture, method, target, seed=seed)
    assert isinstance(answer, Answer)
    return answer


def _save(
    destination: Destination, comparisons: Sequence[Comparison], top_k: int | None, command: str
) -> list[Path]:
    options: dict[str, Any] = {} if top_k is None else {"top_k": top_k}
    if not destination.is_folder:
        suffix = destination.path.suffix.lower()
        if suffix == ".html":
            options["command"] = command
        elif suffix != ".json":
            options = {}
        return [comparisons[0].save(destination.path, **options)]
    names: list[Path] = []
    for comparison in comparisons:
        names.append(_free_page(destination.path, comparison.first.image.name, names))
        comparison.save(names[-1], command=command, **options)
    return names


def _free_page(folder: Path, picture: str, taken: Sequence[Path]) -> Path:
    """A page named after the picture; names of pictures may hold folders, and two may become one."""
    stem = re.sub(r"[^\w.-]+", "_", Path(picture).with_suffix("").as_posix()).strip("._") or "picture"
    path, again = folder / f"{stem}.html", 1
    while path in taken:
        again += 1
        path = folder / f"{stem}-{again}.html"
    return path


def _show(comparisons: Sequence[Comparison], top_k: int | None, as_json: bool) -> None:
    from seewhy.report.comparison_tables import comparison_text

    if as_json:
        found = [comparison.to_dict(top_k=top_k) for comparison in comparisons]
        single = len(found) == 1
        data_json(found[0] if single else {"schema": "seewhy.comparisons/1", "comparisons": found})
    else:
        options = {} if top_k is None else {"top_k": top_k}
        data("\n\n\n".join(comparison_text(comparison, **options) for comparison in comparisons))


def _command(
    photos: Sequence[str],
    sides: tuple[Side, Side],
    seed: int,
    weights: str,
    classes: str | None,
    output: str | None,
) -> str:
    """The command line that makes the page again."""
    words = ["seewhy", "compare", *photos]
    for name, first, second, default in zip(
        ("-m", "--target", "--method"), *sides, ("", "predicted", "default"), strict=True
    ):
        if first != second:
            words += [name, first, name, second]
        elif first != default:
            words += [name, first]
    for name, value, usual in (
        ("--seed", str(seed), "0"),
        ("--weights", weights, "default"),
        ("--classes", classes, None),
        ("-o", output, None),
    ):
        if value is not None and value != usual:
            words += [name, value]
    return shlex.join(words)
