"""`seewhy query`: what does the model see here?"""

from __future__ import annotations

from typing import Annotated

import typer

from seewhy.cli.asked import Asked, BoxAt, Network, Photo, PointAt, Target, asked_model, explained, region
from seewhy.cli.console import data_json, table, verb
from seewhy.cli.options import Debug, Json
from seewhy.errors import InputError, message


@verb
def query(
    photo: Photo,
    model: Asked,
    point: PointAt = None,
    box: BoxAt = None,
    target: Target = "predicted",
    top_k: Annotated[int, typer.Option("--top-k", min=1, help="Concepts to show.")] = 10,
    network: Network = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """The concepts in a region, strongest first: how strong inside and outside, and what they add from there."""
    where = region(point, box)
    if len(where) != 1:
        raise InputError(
            message(
                f"{'Both --point and --box are' if where else 'No region is'} given.",
                "A query asks about one region.",
                "Pass --point 40,60 or --box 10,20,80,90.",
            )
        )
    answer = explained(photo, asked_model(model, network), target)
    rows = answer.query(**where, top_k=top_k)
    if as_json:
        data_json(
            {
                "image": answer.image.name,
                "target": answer.target.name,
                "region": where,
                "concepts": [vars(row) for row in rows],
            }
        )
        return
    adds = f"adds to {answer.target.name} from here"
    table(
        ("concept", "inside", "outside", adds),
        [
            (
                row.name,
                f"{row.activation:+.2f}",
                f"{row.outside:+.2f}",
                "" if row.contribution is None else f"{row.contribution:+.3f}",
            )
            for row in rows
        ],
        right=("inside", "outside", adds),
    )
