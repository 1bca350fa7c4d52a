"""Models as they come with Seewhy, made of random numbers: a card and a weights file in a folder of the test's."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from seewhy.bundled.cards import Card, Measured
from seewhy.bundled.load import untrained

WORDS = ("a", "red", "blue", "star", "disk", "grass", "on")


def card(kind: str = "resnet", **changes: Any) -> Card:
    """A card without weights; `kind` is "resnet", "vit" or "clip"."""
    common: dict[str, Any] = {
        "name": f"{kind}-made",
        "title": f"Is it a star? ({kind})",
        "world": "w9",
        "seed": 3,
        "seen": 640,
        "commit": "0123456789ab",
        "hardware": "1 thread",
        "minutes": 0.5,
        "sha256": "",
        "recipe": {"batch": 64, "rate": 0.1},
        "versions": {"torch": "2"},
        "measured": (
            Measured("accuracy", "T2 test", 50, 0.9, 0.8, 0.95, 0.97),
            Measured("loss", "T2", 5, 0.1),
        ),
        "notes": ("Random numbers.",),
    }
    if kind == "clip":
        special: dict[str, Any] = {"kind": "image-text", "network": "clip-w128", "size": 64, "words": WORDS}
    else:
        network = {"resnet": "resnet-w16", "vit": "vit-ti-8"}[kind]
        special = {"kind": "classifier", "network": network, "size": 96, "task": "T2", "bias": 0.8}
        special["classes"] = ("no star", "star", "two stars")
    return Card(**{**common, **special, **changes})


def state(card: Card) -> dict[str, Tensor]:
    """Tensors for a card's network in half precision, other than its first random ones."""
    generator = torch.Generator().manual_seed(card.seed)
    found = {}
    for name, tensor in untrained(card).state_dict().items():
        noise = torch.rand(tensor.shape, generator=generator)
        if name.endswith("running_var"):
            tensor = tensor * (0.5 + noise)
        elif tensor.is_floating_point():
            tensor = tensor + 0.06 * (noise - 0.5)
        found[name] = tensor.half().contiguous() if tensor.is_floating_point() else tensor
    return found


def write(folder: Path, card: Card) -> Card:
    """Write a card and weights for it; gives the card with their hash."""
    data = safetensors.torch.save(state(card))
    card = dataclasses.replace(card, sha256=hashlib.sha256(data).hexdigest())
    (folder / f"{card.name}.safetensors").write_bytes(data)
    (folder / f"{card.name}.json").write_text(card.to_json())
    return card
