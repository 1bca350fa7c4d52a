"""`seewhy audit`: which shortcuts a model uses on a folder of pictures."""

from __future__ import annotations

import shlex
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from seewhy.cli.console import data, data_json, progress, talk, verb
from seewhy.cli.found import (
    BatchSize,
    DictionaryName,
    Folder,
    Layer,
    ModelOption,
    NConcepts,
    Seed,
    Weights,
    backbone_of,
    checked_output,
    say_failed,
    warnings_as_talk,
)
from seewhy.cli.options import Classes, Debug, Json
from seewhy.errors import InputError, did_you_mean, message

if TYPE_CHECKING:
    from seewhy.images.picture import Picture


@verb
def audit(
    images: Folder,
    model: ModelOption,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="audit.html or audit.json.", show_default=False)
    ] = None,
    top_k: Annotated[int, typer.Option("--top-k", min=1, help="Suspects to show and save.")] = 10,
    n_concepts: NConcepts = 10,
    dictionary: DictionaryName = "nmf",
    masks: Annotated[
        Path | None,
        typer.Option(
            "--masks",
            help="Folder of masks of the objects, named as the pictures up to their suffix; white on the object.",
            show_default=False,
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            "--store",
            help="Folder to keep features in, for many pictures; a run that was killed goes on there.",
            show_default=False,
        ),
    ] = None,
    layer: Layer = None,
    classes: Classes = None,
    weights: Weights = "default",
    seed: Seed = 0,
    batch_size: BatchSize = None,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Rank concepts that look like shortcuts. Exits with 0 whatever is found; -o audit.html writes the page."""
    from seewhy.audit.audit import audit as run

    checked_output(output)
    given = None if masks is None else _read_masks(masks, images)
    backbone = backbone_of(model, classes, layer, weights)
    with warnings_as_talk(), progress("looking at the pictures") as tell:
        found = run(
            backbone,
            images,
            masks=given,
            n_concepts=n_concepts,
            dictionary=dictionary,
            at=layer,
            seed=seed,
            folder=store,
            batch_size=batch_size,
            progress=tell,
        )
    if output is not None:
        words = ["seewhy", "audit", images, "-m", model]
        for name, value, default in (
            ("--classes", classes, None),
            ("--n-concepts", n_concepts, 10),
            ("--dictionary", dictionary, "nmf"),
            ("--masks", masks, None),
            ("--store", store, None),
            ("--layer", layer, None),
            ("--weights", weights, "default"),
            ("--seed", seed, 0),
            ("--top-k", top_k, 10),
        ):
            if value != default:
                words += [name, str(value)]
        page = output.suffix.lower() == ".html"
        options = {"command": shlex.join([*words, "-o", str(output)])} if page else {}
        talk(f"wrote {found.save(output, top_k=top_k, **options)}")
    if as_json:
        data_json(found.to_dict(top_k))
    else:
        data(found.to_text(top_k))
    say_failed(found.craft.survey.failed)
    return 0


def _read_masks(folder: Path, images: str) -> dict[str, object]:
    """Masks by the names of their pictures: the same name, or else the same up to the suffix."""
    from seewhy.images.files import find_pictures
    from seewhy.images.read import iter_images

    names = [name for _, name, _ in find_pictures(images)]
    by_stem: dict[str, list[str]] = {}
    for name in names:
        by_stem.setdefault(_stem(name), []).append(name)
    exact, alike = {}, {}
    for picture in iter_images(str(folder)):
        mask = _mask(picture, folder)
        if picture.name in names:
            exact[picture.name] = mask
        elif not (fitting := by_stem.get(_stem(picture.name))):
            raise InputError(
                message(
                    f"The mask {picture.name} in {folder} is for none of the pictures.",
                    f"Masks are named as the pictures, such as {_stem(names[0])}.png.",
                    did_you_mean(_stem(picture.name), by_stem),
                )
            )
        else:
            alike.update(dict.fromkeys(fitting, mask))
    return alike | exact


def _mask(picture: Picture, folder: Path) -> object:
    shown = picture.pixels.max(2)
    if 0 < shown.max() <= 127:
        raise InputError(
            message(
                f"The mask {picture.name} in {folder} is dark all over: its largest value is {shown.max()}.",
                "It is white (255) on the object and black elsewhere.",
                "Multiply a mask of 0 and 1 by 255.",
            )
        )
    return shown > 127


def _stem(name: str) -> str:
    """The name without its suffix, in its folder."""
    return PurePosixPath(name).with_suffix("").as_posix()
