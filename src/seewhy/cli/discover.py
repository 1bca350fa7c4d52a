"""`seewhy discover`: the concepts that a model uses for each class of a folder of pictures."""

from __future__ import annotations

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
    checked_folder,
    say_failed,
    warnings_as_talk,
)
from seewhy.cli.options import Classes, Debug, Json


@verb
def discover(
    images: Folder,
    model: ModelOption,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder to keep the concepts in, for CRAFT.from_pretrained.",
            show_default=False,
        ),
    ] = None,
    method: Annotated[str, typer.Option("--method", help="craft, the only one so far.")] = "craft",
    groups: Annotated[
        str, typer.Option("--groups", help="'class': concepts for each; 'all': for all together.")
    ] = "class",
    fit_on: Annotated[
        str, typer.Option("--fit-on", help="'locations' of whole pictures, or 'crops' as in the paper.")
    ] = "locations",
    n_concepts: NConcepts = 10,
    dictionary: DictionaryName = "nmf",
    layer: Layer = None,
    classes: Classes = None,
    weights: Weights = "default",
    seed: Seed = 0,
    batch_size: BatchSize = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Find the concepts of each predicted class and print how much each counts."""
    from seewhy.front import discover as run
    from seewhy.models.class_report import class_report

    checked_folder(output)
    backbone = backbone_of(model, classes, layer, weights)
    with warnings_as_talk(), progress("looking at the pictures") as tell:
        craft = run(
            backbone,
            images,
            method=method,
            groups=groups,
            fit_on=fit_on,
            n_concepts=n_concepts,
            dictionary=dictionary,
            at=layer,
            seed=seed,
            batch_size=batch_size,
            progress=tell,
        )
    rows = sorted(set(craft.survey.predicted.tolist()))
    known = [row for row in rows if any(row in group.classes for group in craft.groups.values())]
    reports = [class_report(craft, row) for row in known]
    if as_json:
        data_json({"classes": [r.to_dict() for r in reports], "skipped": craft.skipped})
    else:
        data("\n\n".join(report.to_text() for report in reports))
    for name, why in craft.skipped.items():
        talk(f"skipped {name}: {why}")
    say_failed(craft.survey.failed)
    if output is not None:
        talk(f"wrote {craft.save_pretrained(output)}")
