"""`seewhy explain`: why these pictures were classified as they were."""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seewhy.cli.console import data, data_json, progress, talk, verb
from seewhy.cli.options import Classes, Debug, Json
from seewhy.errors import InputError, SeewhyError, message

if TYPE_CHECKING:
    from seewhy.backbones.base import Backbone
    from seewhy.explanation import Answer, Answers
    from seewhy.images.picture import Picture


@verb
def explain(
    photos: Annotated[
        list[str],
        typer.Argument(
            metavar="PHOTO",
            help="Files, folders, patterns, http(s) addresses, or - for stdin.",
            show_default=False,
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            help="seewhy/NAME, timm/NAME, torchvision/NAME, open_clip/ARCH/TAG, hf/ORG/NAME, local:DIR or "
            "FILE.py:FACTORY.",
            show_default=False,
        ),
    ],
    target: Annotated[
        str, typer.Option("--target", "-t", help="Class name or index, or 'predicted'.")
    ] = "predicted",
    method: Annotated[
        str,
        typer.Option(
            "--method", help="'default': shares of the logit; or a name of seewhy models --methods."
        ),
    ] = "default",
    layer: Annotated[
        str | None, typer.Option("--layer", help="Where maps are read; seewhy layers MODEL lists them.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="why.html, .json, .png or .svg; an existing folder or 'DIR/' for one page each.",
        ),
    ] = None,
    as_json: Json = False,
    top_k: Annotated[int | None, typer.Option("--top-k", min=1, help="Concepts to show and save.")] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Ask the network whether the answer is true; some 600 passes a picture."
        ),
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="For methods that draw at random, and --check.")] = 0,
    weights: Annotated[
        str, typer.Option("--weights", help="'default', 'none' for random weights, or a file.")
    ] = "default",
    classes: Classes = None,
    device: Annotated[str | None, typer.Option("--device", help="cpu, cuda, mps or auto.")] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, help="Pictures or perturbations at once.")
    ] = None,
    debug: Debug = False,
) -> int:
    """Explain predictions: what counted, where, and how much. Writes a page with -o why.html."""
    destination = None if output is None else Destination(output)
    pictures, failed = read_photos(photos)
    from seewhy.backbones.load import load_backbone

    with progress("fetching weights") as tell:
        backbone = load_backbone(
            model,
            weights=None if weights.lower() == "none" else weights,
            classes=classes,
            layer=layer,
            device=device,
            progress=tell,
        )
    single = len(photos) == 1 and _is_single(photos[0])
    with progress("explaining") as tell:
        answer = _ask(
            backbone,
            pictures[0] if single else pictures,
            _target(target, backbone),
            method,
            seed=seed,
            batch_size=batch_size,
            progress=tell,
        )
    if check:
        from seewhy.evaluate.check import check as put_to_the_test

        with progress("checking") as tell:
            answer = put_to_the_test(answer, seed=seed, progress=tell)
    if destination is not None:
        command = _command(photos, model, target, method, layer, check, seed, weights, classes, output)
        for path in destination.save(answer, top_k=top_k, command=command):
            talk(f"wrote {path}")
    _show(answer, top_k, as_json)
    return _report(failed)


class Destination:
    """Where answers go, checked before anything is computed.

    Raises
    ------
    InputError
        If the suffix is none of those that are written, or the place cannot be written to.
    """

    def __init__(self, output: str) -> None:
        from seewhy.report.save import WRITERS

        self.path = Path(output).expanduser()
        self.is_folder = output.endswith(("/", "\\")) or self.path.is_dir()
        if not self.is_folder and self.path.suffix.lower() not in WRITERS:
            came = f"ends in {self.path.suffix!r}" if self.path.suffix else "has no suffix"
            raise InputError(
                message(
                    f"output {output!r} {came}.",
                    f"The suffix says what is written: {', '.join(WRITERS)}; a folder gets one page per picture.",
                    "Pass for example -o why.html.",
                )
            )
        folder = self.path if self.is_folder else self.path.parent
        try:
            if self.is_folder:
                folder.mkdir(exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise InputError(
                message(
                    f"output {output!r} cannot be written: {error.strerror or error}.",
                    "Its folder must exist and be writable.",
                    "Make the folder first, or choose another place.",
                )
            ) from error

    def save(self, answer: Answer | Answers[Any], *, top_k: int | None, command: str) -> list[Path]:
        """Write the answer, or one page per picture into a folder; the paths."""
        from seewhy.explanation import Answers, Explanation

        options: dict[str, Any] = {} if top_k is None else {"top_k": top_k}
        if not self.is_folder:
            first = answer[0] if isinstance(answer, Answers) else answer
            if self.path.suffix.lower() == ".html":
                options["command"] = command
            elif not isinstance(first, Explanation):
                options = {}
            return [answer.save(self.path, **options)]
        answers = answer if isinstance(answer, Answers) else [answer]
        paths: list[Path] = []
        for one in answers:
            # Names of pictures may hold folders, and two pictures may have one name.
            stem = re.sub(r"[^\w.-]+", "_", Path(one.image.name).with_suffix("").as_posix()).strip("._")
            path = self.path / f"{stem or 'picture'}.html"
            again = 1
            while path in paths:
                again += 1
                path = self.path / f"{stem or 'picture'}-{again}.html"
            paths.append(one.save(path, command=command, **options))
        return paths


def read_photos(photos: Sequence[str]) -> tuple[list[Picture], list[SeewhyError]]:
    """Every picture that the arguments name, and what is wrong with those that cannot be read.

    Raises
    ------
    SeewhyError
        If nothing can be read: the only error, or a summary of them.
    """
    from seewhy.images.read import read_images

    failed: list[SeewhyError] = []
    pictures: list[Picture] = []
    for photo in photos:
        try:
            for source in _sources(photo):
                try:
                    pictures += read_images(source)
                except SeewhyError as error:
                    failed.append(error)
        except SeewhyError as error:
            failed.append(error)
    if pictures:
        # Together once more, so that names are unique.
        return read_images(pictures), failed
    if len(failed) == 1:
        raise failed[0]
    _tell(failed)
    raise InputError(
        message(f"None of the {len(failed)} pictures can be read.", "", "See the messages above.")
    )


def _sources(photo: str) -> list[Any]:
    """The single pictures that one argument stands for, each to be read on its own."""
    from seewhy.images.fetch import scheme_of
    from seewhy.images.files import find_pictures

    if photo == "-":
        return [_stdin()]
    if scheme_of(photo):
        return [photo]
    return [path for path, _, _ in find_pictures(photo)]


def _stdin() -> Picture:
    from seewhy.images.decode import decode
    from seewhy.images.read import MAX_PIXELS

    stream = sys.stdin
    if stream.isatty():
        raise InputError(
            message(
                "'-' reads a picture from stdin, and stdin is the keyboard.",
                "",
                "Pipe one in: seewhy explain - -m MODEL < cat.jpg",
            )
        )
    return decode(stream.buffer.read(), name="stdin", where="stdin", max_pixels=MAX_PIXELS)


def _is_single(photo: str) -> bool:
    from seewhy.images.read import is_single

    return photo == "-" or is_single(photo)


def _ask(
    backbone: Backbone,
    images: Picture | list[Picture],
    target: int | str,
    method: str,
    *,
    seed: int,
    batch_size: int | None,
    progress: Any,
) -> Answer | Answers[Any]:
    from seewhy.models.classifier import Classifier

    classifier = Classifier(backbone)
    if method == "default":
        return classifier.explain(images, target, batch_size=batch_size, progress=progress)
    return classifier.attribute(images, method, target, seed=seed, batch_size=batch_size, progress=progress)


def _target(target: str, backbone: Backbone) -> int | str:
    """A class called '7' is meant before class number 7."""
    if re.fullmatch(r"-?\d+", target) and target not in (backbone.classes or ()):
        return int(target)
    return target


def _show(answer: Answer | Answers[Any], top_k: int | None, as_json: bool) -> None:
    from seewhy.report.data import to_dict
    from seewhy.report.tables import text

    if as_json:
        data_json(to_dict(answer, top_k=top_k))
    else:
        data(text(answer) if top_k is None else text(answer, top_k=top_k))


def _tell(failed: Sequence[SeewhyError]) -> None:
    for error in failed:
        talk(f"{type(error).__name__}: {error}")


def _report(failed: Sequence[SeewhyError]) -> int:
    _tell(failed)
    if failed:
        talk(f"{len(failed)} picture{'s' * (len(failed) > 1)} could not be read; the others were explained.")
    return 1 if failed else 0


def _command(
    photos: Sequence[str],
    model: str,
    target: str,
    method: str,
    layer: str | None,
    check: bool,
    seed: int,
    weights: str,
    classes: str | None,
    output: str | None,
) -> str:
    """The command line that makes the page again."""
    words = ["seewhy", "explain", *photos, "-m", model, *(["--check"] if check else [])]
    for name, value, default in (
        ("--target", target, "predicted"),
        ("--method", method, "default"),
        ("--layer", layer, None),
        ("--seed", str(seed), "0"),
        ("--weights", weights, "default"),
        ("--classes", classes, None),
        ("-o", output, None),
    ):
        if value is not None and value != default:
            words += [name, value]
    return shlex.join(words)
