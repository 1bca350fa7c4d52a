"""`seewhy audit`: which shortcuts a model uses on a folder of pictures."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

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
    warnings_as_talk,
)
from seewhy.cli.options import Classes, Debug, Json
from seewhy.errors import InputError, message


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
            help="Folder of masks of the objects, named as the pictures (PNG, white on the object).",
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
    backbone = backbone_of(model, classes, layer, weights)
    given = None if masks is None else _read_masks(masks)
    with warnings_as_talk(), progress("looking at the pictures") as tell:
        found = run(
            backbone,
            images,
            masks=given,
            n_concepts=n_concepts,
            dictionary=dictionary,
            at=layer,
            seed=seed,
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
            ("--layer", layer, None),
            ("--weights", weights, "default"),
            ("--seed", seed, 0),
        ):
            if value != default:
                words += [name, str(value)]
        options = {"command": shlex.join([*words, "-o", str(output)])} if output.suffix == ".html" else {}
        talk(f"wrote {found.save(output, top_k=top_k, **options)}")
    if as_json:
        data_json(found.to_dict(top_k))
    else:
        data(found.to_text(top_k))
    for name, why in list(found.craft.survey.failed.items())[:5]:
        talk(f"left out {name}: {why.splitlines()[0]}")
    return 0


def _read_masks(folder: Path) -> dict[str, object]:
    """Masks by the names that their pictures have; a PNG mask serves a picture of any kind."""
    from seewhy.images.read import iter_images

    found: dict[str, object] = {}
    for picture in iter_images(folder):
        found[picture.name] = picture.pixels[..., 0] > 127
    if not found:
        raise InputError(message(f"{folder} holds no mask.", "A mask is a picture.", "Leave --masks out."))
    return found
