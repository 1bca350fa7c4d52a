"""`seewhy layers`: where maps of a network can be read, the chosen one first. Needs no weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from seewhy.cli.console import data_json, table, talk, verb
from seewhy.cli.options import Classes, Debug, Json, Model

if TYPE_CHECKING:
    from seewhy.backbones.base import Backbone
    from seewhy.backbones.layers import Candidate


@verb
def layers(
    model: Model,
    layer: Annotated[
        str | None,
        typer.Option("--layer", help="Ask about this layer; the exit code says if it can be used."),
    ] = None,
    top_k: Annotated[int, typer.Option("--top-k", min=1, help="Rows of the table.")] = 20,
    classes: Classes = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List the layers of a network that keep a place, ranked, and the one that is chosen.

    Networks by name are built with random weights: nothing is fetched. Your own FILE.py:FACTORY is asked as it is.
    """
    from seewhy.backbones.load import catalogue, load_backbone
    from seewhy.hub.resolve import resolve

    # No weights are meant, and libraries agree about layers more than about weights.
    name = resolve(model, catalogue, prefer="timm")
    if name.note:
        talk(name.note)
    weights = "default" if name.library == "file" else None
    backbone = load_backbone(str(name), weights=weights, classes=classes)
    chosen = backbone.layer(layer)
    ranked = _ranked(backbone, chosen)
    if as_json:
        data_json(
            {
                "model": backbone.name,
                "input": list(backbone.input_size),
                "layers": [_row(candidate, candidate is ranked[0]) for candidate in ranked],
            }
        )
        return
    height, width = backbone.input_size
    talk(f"{backbone.name}, input {width}x{height}")
    table(
        ["", "layer", "features", "grid", "stride", "prefix", "why"],
        [_cells(candidate, candidate is ranked[0]) for candidate in ranked[:top_k]],
        right=("features", "grid", "stride", "prefix"),
    )
    if len(ranked) > top_k:
        talk(f"{len(ranked) - top_k} more; --top-k {len(ranked)} shows them all")


def _ranked(backbone: Backbone, chosen: Candidate) -> list[Candidate]:
    """The chosen layer, then the usable ones from the last to the first, then the others."""
    others = [c for c in backbone.layers() if c.layer != chosen.layer]
    usable = [c for c in reversed(others) if c.alive]
    return [chosen, *usable, *(c for c in reversed(others) if not c.alive)]


def _row(candidate: Candidate, is_chosen: bool) -> dict[str, Any]:
    layer = candidate.layer
    return {
        "layer": layer.name,
        "chosen": is_chosen,
        "usable": candidate.alive,
        "sealed": candidate.sealed,
        "features": layer.channels,
        "grid": list(layer.grid),
        "stride": list(layer.stride),
        "prefix_tokens": layer.prefix,
        "layout": layer.layout,
        "reason": candidate.reason,
    }


def _cells(candidate: Candidate, is_chosen: bool) -> list[str]:
    layer = candidate.layer
    down, across = layer.stride
    return [
        "*" if is_chosen else "" if candidate.alive else "-",
        layer.name,
        str(layer.channels),
        f"{layer.grid[0]}x{layer.grid[1]}",
        f"{down:.4g}" if down == across else f"{down:.4g}, {across:.4g}",
        str(layer.prefix or ""),
        f"chosen: {candidate.reason}" if is_chosen else candidate.reason,
    ]
