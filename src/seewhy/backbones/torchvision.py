"""Classifiers of torchvision by name, with the preprocessing and class names of their weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import Tensor

from seewhy.backbones.loaded import Info, Loaded, Request
from seewhy.errors import UnknownName, did_you_mean, message
from seewhy.hub.locate import UrlFile, locate
from seewhy.hub.offline import torch_cache
from seewhy.hub.random_weights import private_randomness
from seewhy.hub.resolve import ModelName
from seewhy.hub.weights import fit, read_weights
from seewhy.images.preprocess import Preprocess

_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
# Checkpoints of 2017 have dots inside module names ("norm.1"); torchvision renames them as it loads.
_OLD_DENSENET = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)")


def names() -> list[str]:
    """Every classifier, without weights."""
    from torchvision import models

    return list(models.list_models(module=models))


def load(name: ModelName, request: Request) -> Loaded:
    """A classifier of torchvision.

    Raises
    ------
    UnknownName, Offline, BadArtefact, InputError
        If there is no such network or weights; if they are not to be had, damaged or do not fit.
    """
    from torchvision import models

    entry = _entry(name)
    model_id = f"torchvision/{name.id}@{entry.name}"
    path: Path | None = None
    if request.weights == "default":
        path = locate(
            model_id,
            [_origin(entry)],
            local_files_only=request.local_files_only,
            megabytes=entry.meta.get("_file_size"),
            progress=request.progress,
        )
    elif isinstance(request.weights, Path):
        path = request.weights
    with private_randomness():
        module = models.get_model(name.id, weights=None, **_arguments(name.id, entry))
    if path is not None:
        fit(module, _renamed(name.id, read_weights(path)), str(path))
    categories = list(entry.meta["categories"])
    source = f"torchvision preset of {entry.name}"
    return Loaded(module, model_id, preprocess_of(entry.transforms(), source), categories)


def info(name: ModelName) -> Info:
    """What torchvision knows about a name."""
    from torchvision import models

    entry = _entry(name)
    return Info(
        id=f"torchvision/{name.id}@{entry.name}",
        weights=tuple(f"torchvision/{name.id}@{other.name}" for other in models.get_model_weights(name.id)),
        preprocess=preprocess_of(entry.transforms(), "").describe(),
        n_classes=len(entry.meta["categories"]),
        paper=entry.meta.get("recipe", ""),
        megabytes=entry.meta.get("_file_size"),
        origins=(_origin(entry),),
    )


def preprocess_of(preset: Any, source: str) -> Preprocess:
    """The classification preset `weights.transforms()` as a `Preprocess`."""
    resize, crop = list(preset.resize_size), list(preset.crop_size)
    return Preprocess(
        size=(crop[0], crop[-1]),
        # One number is the short side; two would stretch.
        fit="crop" if len(resize) == 1 else "stretch",
        resize=resize[0] if len(resize) == 1 else (resize[0], resize[1]),
        interpolation=preset.interpolation.value,
        mean=tuple(preset.mean),
        std=tuple(preset.std),
        source=source,
    )


def _entry(name: ModelName) -> Any:
    """The member of the network's weights enumeration that the name means; without a tag its default."""
    from torchvision import models

    if name.id not in (known := names()):
        raise UnknownName(
            message(
                f"torchvision has no classifier {name.id!r}.",
                did_you_mean(name.id, known),
                "seewhy models list 'torchvision/*' shows every name.",
            )
        )
    entries = models.get_model_weights(name.id)
    if name.tag is None or name.tag == "DEFAULT":
        return entries.DEFAULT
    tags = [entry.name for entry in entries]
    if name.tag not in tags:
        raise UnknownName(
            message(
                f"torchvision has no weights {name.tag!r} for {name.id!r}.",
                did_you_mean(name.tag, tags),
                f"They are: {', '.join(tags)}.",
            )
        )
    return entries[name.tag]


def _origin(entry: Any) -> UrlFile:
    # File names end in the first digits of their hash.
    digits = re.search(r"-([0-9a-f]{8,})\.", entry.url)
    return UrlFile(entry.url, torch_cache(), digits[1] if digits else "")


def _arguments(name: str, entry: Any) -> dict[str, Any]:
    """What torchvision's own builders set when they are given these weights."""
    arguments: dict[str, Any] = {"num_classes": len(entry.meta["categories"])}
    if name.startswith("vit_"):
        arguments["image_size"] = entry.meta["min_size"][0]
    elif name == "maxvit_t":
        arguments["input_size"] = entry.meta["min_size"]
    elif name in ("googlenet", "inception_v3"):
        arguments |= {"transform_input": True, "aux_logits": False, "init_weights": False}
    return arguments


def _renamed(name: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    if name in ("googlenet", "inception_v3"):
        return {key: value for key, value in state.items() if not key.startswith(_AUXILIARY)}
    if name.startswith("densenet"):
        return {_OLD_DENSENET.sub(r"\1\2", key): value for key, value in state.items()}
    return state
