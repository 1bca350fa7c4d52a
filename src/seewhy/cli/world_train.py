"""`seewhy world train`: train a bundled model again, on this machine, from the world's scenes alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seewhy.cli.console import data_json, progress, table, talk, verb
from seewhy.cli.options import Debug, Json
from seewhy.errors import InputError, did_you_mean, message

if TYPE_CHECKING:
    from seewhy.bundled.cards import Card, Measured
    from seewhy.training.recipes import Recipe

FOLDER = Path("world-training")
DEVICES = ("auto", "cpu", "cuda")

ModelName = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]", help="resnet-t4, clip and so on; without it all are listed.", show_default=False
    ),
]
Preset = Annotated[
    str,
    typer.Option("--preset", help="cpu (as the shipped ones), gpu (more pictures) or smoke (minutes)."),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Folder for pictures, checkpoints, weights and card; world-training/PRESET by itself.",
        show_default=False,
    ),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, help="Processor threads.", show_default=False)
]


@verb
def train(
    name: ModelName = None,
    preset: Preset = "cpu",
    output: Output = None,
    device: Device = "auto",
    threads: Threads = None,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Train a bundled model and measure it; without NAME list what can be trained. Killed, it goes on next time.

    It writes NAME.safetensors and NAME.json (the card); pictures and checkpoints stay in the folder too.
    """
    from seewhy.training.measure import measure, measure_smoke
    from seewhy.training.recipes import RECIPES, SMOKE, find_recipe
    from seewhy.training.run import train_named

    if name is None:
        _list(
            [find_recipe(known, preset) for known in (SMOKE if preset == "smoke" else RECIPES)],
            preset,
            as_json,
        )
        return 0
    recipe = find_recipe(name.removeprefix("seewhy/"), preset)
    place, output = _place(device), output or FOLDER / preset
    _announce(recipe, output, place)
    with progress(recipe.name) as tell:
        card = train_named(
            recipe,
            output,
            device=place,
            threads=threads,
            measure=measure_smoke if preset == "smoke" else measure,
            tell=tell and (lambda done, total, doing: tell(done, total, f"{recipe.name}: {doing}")),
        )
    files = [str(output / f"{recipe.name}.{ending}") for ending in ("safetensors", "json")]
    talk(f"wrote {files[0]} and {files[1]}: {card.seen} pictures seen in {card.minutes:g} minutes")
    if as_json:
        data_json({**json.loads(card.to_json()), "preset": preset, "folder": str(output), "files": files})
    else:
        _tell(card)
    # A smoke test is there to say whether training works; of a full training the card tells how good it is.
    return int(preset == "smoke" and any(one.met is False for one in card.measured))


def _list(recipes: list[Recipe], preset: str, as_json: bool) -> None:
    rows = [_row(recipe) for recipe in recipes]
    if as_json:
        data_json([{**row, "preset": preset} for row in rows])
        return
    table([*rows[0], "preset"], [[*map(str, row.values()), preset] for row in rows], right=("seen",))


def _row(recipe: Recipe) -> dict[str, Any]:
    from seewhy.training.recipes import ClassifierRecipe, mixture

    if isinstance(recipe, ClassifierRecipe):
        network, task = recipe.network, recipe.task
    else:
        network, task = "clip-w128", " and ".join(dict.fromkeys(mixture(recipe).tasks))
    return {"name": recipe.name, "network": network, "task": task, "seen": recipe.seen}


def _place(device: str) -> str:
    """The device as torch calls it."""
    import torch

    if device not in DEVICES:
        raise InputError(
            message(
                f"The device is {device!r}.",
                f"A training runs on one of {', '.join(DEVICES)}.",
                did_you_mean(device, DEVICES) or "Leave --device out.",
            )
        )
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise InputError(
            message(
                "The device is 'cuda', and torch finds none here.",
                "It needs a GPU, its driver and a torch built for it (seewhy doctor shows what is there).",
                "Leave --device out to train on the processor.",
            )
        )
    return "cuda" if there and device == "auto" else device.replace("auto", "cpu")


def _announce(recipe: Recipe, folder: Path, device: str) -> None:
    from seewhy.training.run import steps_kept

    kept = steps_kept(recipe, folder)
    if kept == recipe.steps:
        talk(f"{recipe.name} is trained already (all {kept} steps); it is only measured again")
    elif kept:
        talk(f"{recipe.name} goes on from step {kept} of {recipe.steps}, on {device}")
    else:
        talk(
            f"{recipe.name}: {recipe.seen} pictures in {recipe.steps} steps, on {device}; "
            "killed, it goes on next time"
        )


def _tell(card: Card) -> None:
    head = ("measure", "on", "n", "value", "95 %", "bar", "")
    table(head, [_cells(one) for one in card.measured], right=("n", "value"))
    bars = [one for one in card.measured if one.bar is not None]
    if bars:
        talk(f"{sum(one.met is True for one in bars)} of {len(bars)} bars are met")


def _cells(one: Measured) -> list[str]:
    interval = "" if one.low is None or one.high is None else f"{one.low:.3f} to {one.high:.3f}"
    bar = "" if one.bar is None else f"at {'most' if one.at_most else 'least'} {one.bar:g}"
    met = "" if one.met is None else "met" if one.met else "missed"
    return [one.what, one.on, str(one.n), f"{one.value:.3f}", interval, bar, met]
