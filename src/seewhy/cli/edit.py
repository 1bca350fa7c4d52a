"""`seewhy edit`: what would the model say if a concept were different, everywhere or here?"""

from __future__ import annotations

from typing import Annotated

import typer

from seewhy.cli.asked import Asked, BoxAt, Network, Photo, PointAt, Target, asked_model, explained, region
from seewhy.cli.console import data_json, table, talk, verb
from seewhy.cli.explain import Destination
from seewhy.cli.options import Debug, Json
from seewhy.errors import InputError, message


@verb
def edit(
    photo: Photo,
    model: Asked,
    concepts: Annotated[
        list[str],
        typer.Option(
            "--concept",
            "-c",
            metavar="NAME=AMOUNT",
            help="Which concept, and by how much: grass=-2. Give it again for another.",
            show_default=False,
        ),
    ],
    op: Annotated[
        str, typer.Option("--op", help="'add' the amount, 'scale' by it, or 'set' the concept to it.")
    ] = "add",
    point: PointAt = None,
    box: BoxAt = None,
    target: Target = "predicted",
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="The answer after the edit: .html, .json, .png or .svg."),
    ] = None,
    network: Network = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Change concepts and see the decision change: the predicted classes before and after."""
    edits = [_parsed(text) for text in concepts]
    destination, where = None if output is None else Destination(output), region(point, box)
    before = after = explained(photo, asked_model(model, network), target)
    for name, amount in edits:
        after = after.edit(name, amount, op=op, **where)
    if destination is not None:
        for path in destination.save(after, top_k=None, command=""):
            talk(f"wrote {path}")
    # The classes of either side, each with its logit on both.
    shown = dict.fromkeys(one.index for one in (*before.prediction[:3], *after.prediction[:3], before.target))
    rows = []
    assert before.readout is not None
    for index in shown:
        old, new = before._for(index).target, after._for(index).target
        rows.append((old.name, old.logit, new.logit, old.score, new.score))
    if as_json:
        keys = ("class", "logit_before", "logit_after", "score_before", "score_after")
        data_json(
            {
                "image": before.image.name,
                "edits": [str(one) for one in after.edits],
                "predicted_before": before.prediction[0].name,
                "predicted_after": after.prediction[0].name,
                "classes": [dict(zip(keys, row, strict=True)) for row in rows],
            }
        )
        return
    head = ("class", "before", "after", "logit", "")
    table(
        head,
        [
            (name, f"{p:.1%}", f"{q:.1%}", f"{a:+.2f} -> {b:+.2f}", f"{b - a:+.3f}")
            for name, a, b, p, q in rows
        ],
        right=("before", "after"),
    )
    first, then = before.prediction[0].name, after.prediction[0].name
    said = f"still {first}" if first == then else f"{first} becomes {then}"
    talk(f"{', '.join(str(one) for one in after.edits)}: {said}")


def _parsed(text: str) -> tuple[str, float]:
    name, sign, amount = text.rpartition("=")
    try:
        value = float(amount)
    except ValueError:
        sign = ""
    if not (sign and name.strip()):
        raise InputError(
            message(
                f"--concept is {text!r}.",
                "It is a concept's name, = and a number.",
                "Pass --concept 'hooked beak=-2'.",
            )
        )
    return name.strip(), value
