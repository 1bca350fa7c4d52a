"""What the page of the bundled models says of one model, in Markdown, from its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

from seewhy.bundled.cards import Card, Measured
from seewhy.world.tasks.tasks import TASKS

WIDTH = 118

NETWORKS = {
    "resnet-w16": (
        "ResNet-w16",
        "a 3x3 stem of stride 2, three stages of three basic blocks, 16, 32 and 64 wide; timm's ByobNet",
    ),
    "vit-ti-8": (
        "ViT-Ti/8",
        "patches of 8 pixels, six blocks of width 128 with four heads, mean of the tokens; timm's VisionTransformer",
    ),
    "clip-w128": (
        "CLIP-w128",
        "open_clip's CLIP of width 128, four layers for pictures behind a convolutional stem that makes one token of "
        "8x8 pixels, three for texts",
    ),
}
"""By the name in the card: a short name, and what it is."""

_FOLDED = 8
"""More classes than this are folded away."""


def section(one: Card, title: str) -> list[str]:
    """The blocks of a model's section."""
    blocks = [title, prose(f"**{one.title}** {_task(one)}")]
    if len(one.classes) > _FOLDED:
        blocks.append(_folded(f"{len(one.classes)} classes", one.classes))
    if one.words:
        blocks.append(_folded(f"{len(one.words)} words", one.words))
    blocks += [prose(f"*Trained:* {_training(one)}"), _measures(one.measured)]
    if one.notes:
        blocks.append("\n".join(prose(f"- {note}", "  ") for note in one.notes))
    blocks += [
        prose(f"*For:* {_use(one)}"),
        f"{one.licence}; SHA-256 of the weights `{one.sha256}`.",
    ]
    return blocks


def _task(one: Card) -> str:
    if one.task is None:
        return f"Pictures of {one.size} pixels, and texts of its own words, as vectors of one space."
    task = TASKS[one.task]
    parts = [f"Task {one.task} of [the world](world.md#tasks-and-splits): {task.purpose}."]
    if task.biases is not None and one.bias is not None:
        parts.append(f"Bias {one.bias:g} in training, {task.biases[1]:g} in the tests.")
    if len(one.classes) <= _FOLDED:
        parts.append(f"Classes: {', '.join(one.classes)}.")
    return " ".join(parts)


def _training(one: Card) -> str:
    short, built = NETWORKS[one.network]
    recipe = _classifier_recipe if one.kind == "classifier" else _image_text_recipe
    versions = ", ".join(f"{name} {version}" for name, version in one.versions.items())
    return (
        f"{short} ({built}). {recipe(one, one.recipe)} Seed {one.seed}, world {one.world}, commit `{one.commit}`; "
        f"{one.hardware}; {one.minutes:g} minutes; {versions}."
    )


def _classifier_recipe(one: Card, recipe: Mapping[str, Any]) -> str:
    kind = {"sgd": "SGD with Nesterov's momentum 0.9", "adamw": "AdamW"}[recipe["optimiser"]]
    return (
        f"Cross-entropy on the first {recipe['scenes']:,} scenes of the train split of {one.task}, drawn at "
        f"{one.size} pixels, {recipe['epochs']} epochs: {one.seen:,} pictures seen, in batches of "
        f"{recipe['batch']}. {kind}, {_rate(recipe, 'twentieth')}."
    )


def _image_text_recipe(one: Card, recipe: Mapping[str, Any]) -> str:
    mix = recipe["mix"]
    shares = {
        "whole scenes": 1 - mix["circled"] - mix["cut"],
        "scenes with a red circle": mix["circled"],
        "cut-outs": mix["cut"],
    }
    mixed = ", ".join(f"{share:.0%} {what}" for what, share in shares.items() if share > 1e-6)
    cells = ", and of cells of the grid and words" if recipe["cells"] else ""
    return (
        f"A contrastive loss with the exact truth of every pair of picture and text{cells}, on {recipe['scenes']:,} "
        f"scenes of the train splits of T8 and T4 (two to one), shown at {one.size} pixels: {one.seen:,} pictures "
        f"seen ({mixed}), in batches of {recipe['batch']}. AdamW, {_rate(recipe, 'fortieth')}."
    )


def _rate(recipe: Mapping[str, Any], warm_up: str) -> str:
    return (
        f"rate up to {recipe['peak_rate']:g} in the first {warm_up} of the steps and down to 0 along half a cosine, "
        f"weight decay {recipe['weight_decay']:g}"
    )


def _measures(measured: Sequence[Measured]) -> str:
    rows = []
    for told in measured:
        bar = "-" if told.bar is None else f"{'at most' if told.at_most else 'at least'} {told.bar:g}"
        met = {True: "met", False: "**missed**", None: "-"}[told.met]
        interval = _bounds(told, " to ") or "-"
        rows.append([told.what, told.on, f"{told.n:,}", f"{told.value:.4f}", interval, bar, met])
    return table(["measured", "on", "n", "value", "95 % interval", "bar", "met?"], rows)


def _use(one: Card) -> str:
    if one.kind == "image-text":
        use = "comparing words with pictures of the world: whole, with a red circle drawn in, or cut out."
        if not one.recipe["mix"]["circled"]:
            use = "measuring what red circles and cut-outs in training are good for: it saw neither."
        return f"{use} It reads its own words alone, and was trained on sentences as the world's captions have them."
    fair = (TASKS[str(one.task)].biases or (None, None))[1]
    if fair is None or one.bias is None:
        use = "explaining a network that has learned its task: what it should have looked at is known."
    elif one.bias > fair:
        use = (
            "explaining a network that was given a shortcut: an answer that hides it is wrong. Not for any use in "
            "which the class itself must be right."
        )
    else:
        use = "comparing with the network that was given the shortcut; this one was not."
    return f"{use} It gives every picture one of its classes, also those that show none of them."


def short(what: str) -> str:
    """A measure's name without which group happened to be the worst."""
    return what.removesuffix(" (worst group)")


def with_interval(told: Measured) -> str:
    """ "0.970 [0.962, 0.977]"; without bounds the number alone."""
    bounds = _bounds(told, ", ")
    return f"{told.value:.3f}" + (f" [{bounds}]" if bounds else "")


def _bounds(told: Measured, between: str) -> str:
    if told.low is None or told.high is None:
        return ""
    return f"{told.low:.3f}{between}{told.high:.3f}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [[cell.replace("|", "\\|") for cell in row] for row in (heads, *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (lines[0], ["---"] * len(heads), *lines[1:]))


def prose(text: str, indent: str = "") -> str:
    """Lines of the documentation's width."""
    return fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _folded(what: str, listed: Sequence[str]) -> str:
    return f"<details><summary>{what}</summary>\n\n{prose(', '.join(listed))}\n\n</details>"
