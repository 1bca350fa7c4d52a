"""From a recipe to a card and a weights file: draw, train, round to half precision, measure what will be shipped."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seewhy.bundled.cards import Card, Measured
from seewhy.bundled.image_text import CONTEXT_LENGTH
from seewhy.bundled.load import load
from seewhy.bundled.words import WordTokenizer
from seewhy.scale.disk import make_folder, write_whole
from seewhy.training.classifier import ClassifierLearner
from seewhy.training.image_text import ImageTextLearner
from seewhy.training.loop import CHECKPOINT, Tell, train
from seewhy.training.pictures import pictures
from seewhy.training.recipes import ClassifierRecipe, ImageTextRecipe, Recipe, identity, mixture, order
from seewhy.training.scenes import scenes
from seewhy.world.grammar import WORLD_VERSION
from seewhy.world.language.words import VOCABULARY
from seewhy.world.tasks.tasks import find_task

ORIGIN = "origin.json"

Learner = ClassifierLearner | ImageTextLearner


def train_named(
    recipe: Recipe,
    folder: Path,
    *,
    device: str = "cpu",
    threads: int | None = None,
    measure: Callable[[nn.Module, Card], tuple[Measured, ...]] | None = None,
    tell: Tell | None = None,
) -> Card:
    """Train a recipe's model in `folder`, or go on where a killed training was; write its weights and card there.

    Parameters
    ----------
    recipe
        What to train.
    folder
        Gets `pictures/` (shared by trainings with the same scenes), `NAME/` (checkpoint, log), `NAME.safetensors` and
        `NAME.json`.
    device
        "cpu", "cuda" and so on.
    threads
        Processor threads; None leaves torch's setting.
    measure
        Gives the card's numbers from the shipped weights; none are measured without it.
    tell
        Told (done, in all, what).

    Raises
    ------
    InputError
        If the folder cannot be written, or someone else trains there.
    BadArtefact
        If the folder's checkpoint is damaged or of another recipe.
    """
    place = torch.device(device)
    before = torch.get_num_threads()
    work = folder / recipe.name
    make_folder(folder)
    make_folder(work)
    origin = _origin(work, place, threads or before)
    try:
        torch.set_num_threads(threads or before)
        learner = prepared(recipe, folder / "pictures", place, tell)
        minutes = train(learner, work, tell=tell)
    finally:
        torch.set_num_threads(before)
    state = shipped(learner)
    data = safetensors_of(state)
    card = _card(recipe, origin, round(minutes, 1), hashlib.sha256(data).hexdigest())
    write_whole(folder / f"{recipe.name}.safetensors", data)
    write_whole(folder / f"{recipe.name}.json", card.to_json().encode())
    if measure is not None:
        card = measured(card, folder, measure)
    return card


def measured(card: Card, folder: Path, measure: Callable[[nn.Module, Card], tuple[Measured, ...]]) -> Card:
    """The card with its numbers measured (again) on the weights of `folder`; its file is written anew."""
    network = load(card, folder)
    card = replace(card, measured=measure(network, card))
    write_whole(folder / f"{card.name}.json", card.to_json().encode())
    return card


def steps_kept(recipe: Recipe, folder: Path) -> int:
    """After how many steps the checkpoint of `train_named` in that folder was written.

    0 without one, and with one that `train_named` will refuse.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / recipe.name / CHECKPOINT, "pt") as file:
            about = json.loads(file.metadata()["about"])
        ours = about["identity"] == identity(recipe)
        return int(about["step"]) if ours else 0
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return 0


def prepared(
    recipe: Recipe, pictures_folder: Path, device: torch.device, tell: Tell | None = None
) -> Learner:
    """The recipe's learner with its pictures, drawn if they are not there."""
    if isinstance(recipe, ImageTextRecipe):
        drawn = scenes(mixture(recipe), pictures_folder, tell)
        return ImageTextLearner(recipe, drawn, tokenizer(), device)
    return ClassifierLearner(recipe, pictures(order(recipe), pictures_folder, tell), device)


def tokenizer() -> WordTokenizer:
    """Of the world's words."""
    return WordTokenizer(VOCABULARY, CONTEXT_LENGTH)


def shipped(learner: Learner) -> dict[str, Tensor]:
    """The trained network's tensors in half precision; counters stay whole numbers."""
    network = learner.model if isinstance(learner, ImageTextLearner) else learner.module
    return {
        name: (tensor.half() if tensor.is_floating_point() else tensor).detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
    }


def safetensors_of(state: dict[str, Tensor]) -> bytes:
    """The bytes of a safetensors file."""
    from safetensors.torch import save

    data: bytes = save(state)
    return data


def _card(recipe: Recipe, origin: dict[str, Any], minutes: float, sha256: str) -> Card:
    made = {
        "name": recipe.name,
        "size": recipe.size,
        "world": WORLD_VERSION,
        "seed": recipe.seed,
        "seen": recipe.seen,
        "minutes": minutes,
        "sha256": sha256,
        "recipe": asdict(recipe),
        **origin,
    }
    if isinstance(recipe, ClassifierRecipe):
        task = find_task(recipe.task)
        return Card(
            title=task.title,
            kind="classifier",
            network=recipe.network,
            task=task.name,
            bias=recipe.bias if recipe.bias is not None else task.biases and task.biases[0],
            classes=task.classes,
            **made,
        )
    circles = recipe.mix.circled > 0
    return Card(
        title="Does this picture show what the words say?"
        + ("" if circles else " (trained without red circles)"),
        kind="image-text",
        network="clip-w128",
        words=VOCABULARY,
        **made,
    )


def _origin(work: Path, device: torch.device, threads: int) -> dict[str, Any]:
    """Where a training comes from, as it was when it began; a training that goes on keeps what it began with."""
    path = work / ORIGIN
    # Without a checkpoint this is a new training, whatever an older one left behind.
    if not (path.is_file() and (work / CHECKPOINT).is_file()):
        import open_clip
        import timm

        versions = {"torch": torch.__version__, "timm": timm.__version__, "open_clip": open_clip.__version__}
        found = {"commit": _commit(), "hardware": _hardware(device, threads), "versions": versions}
        write_whole(path, json.dumps(found).encode())
    read: dict[str, Any] = json.loads(path.read_text())
    return read


def _commit() -> str:
    """The commit of the code that runs, with "+" if it was changed since; "unknown" outside a checkout."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)  # or the checkout around us is not ours
        changed = git("status", "--porcelain", "--", str(here.parent))
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _hardware(device: torch.device, threads: int) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    told = torch.cpu.get_capabilities()
    kind = told.get("cpu_name") or platform.processor() or platform.machine()
    fast = ", bfloat16 by AMX" if told.get("amx_bf16") else ""
    return f"{threads} thread{'s' * (threads > 1)} of {os.cpu_count()} cores, {kind}{fast}"
