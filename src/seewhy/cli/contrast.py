"""`seewhy contrast`: why this class and not that one?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from seewhy.cli.asked import Asked, Network, Photo, as_class, asked_model, explained
from seewhy.cli.console import data_json, table, talk, verb
from seewhy.cli.options import Debug, Json


@verb
def contrast(
    photo: Photo,
    model: Asked,
    why: Annotated[str, typer.Option("--why", help="The class that is asked for.")] = "predicted",
    against: Annotated[
        str | None,
        typer.Option("--against", help="The other class; default the runner-up.", show_default=False),
    ] = None,
    top_k: Annotated[int, typer.Option("--top-k", min=1, help="Concepts to show.")] = 10,
    network: Network = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """What speaks for one class against another: concepts, largest difference first."""
    asked = asked_model(model, network)
    answer = explained(photo, asked, why)
    classes = [one.name for one in answer.prediction]
    other = as_class(against, classes) if against is not None else next(
        one.index for one in answer.prediction if one.index != answer.target.index
    )  # fmt: skip
    found = answer.contrast(answer.target.index, other)
    if as_json:
        data_json(
            {
                "image": answer.image.name,
                "why": asdict(found.why),
                "against": asdict(found.against),
                "kind": found.kind,
                "constant": found.constant,
                "rows": [{**asdict(row), "difference": row.difference} for row in found.rows],
            }
        )
        return
    shown = found.rows[:top_k]
    head = ("concept", found.why.name, found.against.name, "difference")
    table(
        head,
        [(row.name, f"{row.why:+.3f}", f"{row.against:+.3f}", f"{row.difference:+.3f}") for row in shown],
        right=head[1:],
    )
    rest = sum(row.difference for row in found.rows[top_k:])
    talk(
        f"{found.why.name} leads by {found.logit_difference:+.3f}: shown {sum(r.difference for r in shown):+.3f}, "
        f"{len(found.rows) - len(shown)} other concepts {rest:+.3f}"
        + ("" if found.constant is None else f", the rest {found.constant:+.3f}")
    )
