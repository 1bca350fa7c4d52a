"""What the loaders of the libraries are asked, and what they hand back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from seewhy.hub.locate import Origin
from seewhy.images.preprocess import Preprocess

Progress = Callable[[int, int], None]
"""Told (bytes there, bytes in all) while weights are fetched."""


@dataclass(frozen=True)
class Request:
    """Which weights: "default" (those of the name), None (random), or a file; and what else the user said."""

    weights: Literal["default"] | None | Path = "default"
    classes: Sequence[str] | None = None
    local_files_only: bool = False
    progress: Progress | None = None


@dataclass(frozen=True)
class Loaded:
    """A network and what its library knows about it; the fields are those of `Backbone`."""

    module: nn.Module
    name: str
    preprocess: Preprocess | None = None
    classes: Sequence[str] | None = None
    prefix_hint: int | None = None


@dataclass(frozen=True)
class Info:
    """What is known about a name without loading it.

    `origins` say where its weights come from; `here` is where they are, of a model that comes with Seewhy, and
    `words` all that its texts may hold, where they are few.
    """

    id: str
    weights: tuple[str, ...] = ()
    preprocess: str = ""
    n_classes: int | None = None
    licence: str = ""
    paper: str = ""
    megabytes: float | None = None
    origins: tuple[Origin, ...] = ()
    here: Path | None = None
    title: str = ""
    task: str = ""
    words: tuple[str, ...] = ()


def config_kind(folder: Path) -> Literal["timm", "hf"] | None:
    """Whose config.json a folder has: timm's names an architecture, transformers' a model type."""
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(config, dict):
        return None
    return "hf" if "model_type" in config else "timm" if "architecture" in config else None
