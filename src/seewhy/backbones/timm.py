"""Networks of timm by name, with their own preprocessing and class names."""

from __future__ import annotations

import collections
import math
from pathlib import Path
from typing import Any

from torch import nn

from seewhy.backbones.loaded import Info, Loaded, Request
from seewhy.errors import BadArtefact, InputError, UnknownName, did_you_mean, message
from seewhy.hub.locate import HubFile, Origin, UrlFile, locate
from seewhy.hub.offline import torch_cache
from seewhy.hub.random_weights import private_randomness
from seewhy.hub.resolve import ModelName
from seewhy.hub.weights import check_weights, fit, read_weights
from seewhy.images.preprocess import Fit, Preprocess

_FITS: dict[str, Fit] = {"center": "crop", "squash": "stretch", "border": "pad"}
# timm's own names for weights on the hub, the safe format first.
_SAFE = {
    "pytorch_model.bin": "model.safetensors",
    "open_clip_pytorch_model.bin": "open_clip_model.safetensors",
}


def names() -> list[str]:
    """Every network, without weights."""
    import timm

    return list(timm.list_models())


def load(name: ModelName, request: Request) -> Loaded:
    """A network of timm.

    Raises
    ------
    UnknownName, Offline, BadArtefact, InputError
        If there is no such network or tag; if its weights are not to be had, damaged or do not fit.
    """
    import timm

    full, cfg = _config(name)
    model_id = f"timm/{full}"
    if request.weights == "default":
        origins = _origins(cfg)
        if not origins:
            raise _none_to_load(full)
        path = locate(model_id, origins, local_files_only=request.local_files_only, progress=request.progress)
        try:
            module = timm.create_model(full, pretrained=True, pretrained_cfg_overlay={"file": str(path)})
        # timm reads the file and fits it; what it raises on a damaged one depends on the bytes.
        except Exception as error:
            raise _does_not_load(model_id, path, error) from error
        check_weights(module.state_dict(), str(path))
    else:
        with private_randomness():
            module = timm.create_model(full, pretrained=False)
        if isinstance(request.weights, Path):
            fit(module, read_weights(request.weights), str(request.weights))
    return describe(module, model_id)


def load_folder(folder: Path, *, random: bool, name: str | None = None) -> Loaded:
    """A network from a folder in timm's form: config.json with "architecture", and weights.

    Raises
    ------
    BadArtefact
        If the configuration or the weights are damaged or do not fit.
    """
    import timm

    name = name or f"local:{folder}"
    try:
        with private_randomness():
            module = timm.create_model(f"local-dir:{folder.resolve()}", pretrained=not random)
    except Exception as error:
        raise _does_not_load(name, folder, error) from error
    check_weights(module.state_dict(), str(folder))
    return describe(module, name)


def info(name: ModelName) -> Info:
    """What timm knows about a name."""
    import timm

    full, cfg = _config(name)
    data = timm.data.resolve_data_config(pretrained_cfg=cfg.to_dict())
    recipe = preprocess_of(data, "timm data config")
    return Info(
        id=f"timm/{full}",
        weights=tuple(f"timm/{other}" for other in timm.list_pretrained(f"{name.id}.*")),
        preprocess=recipe.describe() if recipe else "",
        n_classes=cfg.num_classes,
        licence=cfg.license or "",
        paper=str(cfg.paper_ids or ""),
        origins=tuple(_origins(cfg)),
    )


def describe(module: nn.Module, name: str, source: str = "timm data config") -> Loaded:
    """What a network made by timm knows about itself; `source` tells where the preprocessing is from."""
    import timm

    prefix = getattr(module, "num_prefix_tokens", None)
    return Loaded(
        module,
        name,
        preprocess_of(timm.data.resolve_model_data_config(module), source),
        class_names(module),
        int(prefix) if isinstance(prefix, int) else None,
    )


def preprocess_of(data: dict[str, Any], source: str) -> Preprocess | None:
    """timm's data config as a `Preprocess`, as `timm.data.create_transform(**data, is_training=False)` does it.

    None for inputs with other than 1 or 3 channels, which are no pictures.
    """
    channels, height, width = data["input_size"]
    if channels not in (1, 3):
        return None
    crop = data.get("crop_pct") or 0.875
    frame = (math.floor(height / crop), math.floor(width / crop))
    fit_ = _FITS[data.get("crop_mode") or "center"]
    fill = tuple(round(255 * v) / 255 for v in data["mean"]) if fit_ == "pad" else 0.0
    return Preprocess(
        size=(height, width),
        fit=fit_,
        resize=frame,
        interpolation=data["interpolation"],
        mean=data["mean"],
        std=data["std"],
        channels=channels,
        fill=fill,
        source=source,
    )


def class_names(module: nn.Module) -> list[str] | None:
    """Names from the network's own configuration, else ImageNet's if the number of classes is one of its."""
    import timm

    cfg = getattr(module, "pretrained_cfg", None) or {}
    labels = cfg.get("label_names")
    if labels and len(labels) == getattr(module, "num_classes", None):
        given = cfg.get("label_descriptions") or {}
        return [str(given.get(label, label)) if isinstance(given, dict) else str(label) for label in labels]
    subset = timm.data.infer_imagenet_subset(module)
    if subset is None:
        return None
    imagenet = timm.data.ImageNetInfo(subset)
    synsets = imagenet.label_names()
    first = [imagenet.label_name_to_description(synset).split(",")[0].strip() for synset in synsets]
    # ImageNet has two cranes; the synset tells them apart.
    count = collections.Counter(first)
    return [
        word if count[word] == 1 else f"{word} ({synset})"
        for word, synset in zip(first, synsets, strict=True)
    ]


def _config(name: ModelName) -> tuple[str, Any]:
    """The full name with its tag, and timm's configuration for it."""
    import timm

    if not timm.is_model(name.id):
        raise UnknownName(
            message(
                f"timm has no model {name.id!r}.",
                did_you_mean(name.id, names()),
                "seewhy models list 'timm/*' shows every name.",
            )
        )
    tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{name.id}.*")]
    if name.tag and name.tag not in tags:
        raise UnknownName(
            message(
                f"timm has no weights {name.tag!r} for {name.id!r}.",
                did_you_mean(name.tag, tags) or ("" if tags else "It has none at all."),
                f"They are: {', '.join(tags)}." if tags else "Use weights=None (--weights none).",
            )
        )
    cfg = timm.get_pretrained_cfg(f"{name.id}.{name.tag}" if name.tag else name.id)
    if cfg is None:
        cfg = timm.models.PretrainedCfg()
    return f"{name.id}.{cfg.tag}" if cfg.tag else name.id, cfg


def _origins(cfg: Any) -> list[Origin]:
    origins: list[Origin] = []
    if cfg.hf_hub_id:
        repo, _, revision = cfg.hf_hub_id.partition("@")
        own = cfg.hf_hub_filename or "pytorch_model.bin"
        safe = _SAFE.get(own, f"{own.rpartition('.')[0]}.safetensors")
        origins.append(HubFile(repo, (safe, own), revision or None))
    if cfg.url:
        origins.append(UrlFile(cfg.url, torch_cache()))
    return origins


def _none_to_load(full: str) -> InputError:
    return InputError(
        message(
            f"timm has no pretrained weights for {full!r}.",
            "Without weights there is nothing to explain.",
            "Pass a weights file (--weights FILE), or weights=None (--weights none) for random ones.",
        )
    )


def _does_not_load(model_id: str, path: Path, error: Exception) -> BadArtefact:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return BadArtefact(
        message(
            f"The weights of {model_id!r} in {path} do not load: {first[:300]}.",
            "They must be whole and fit the network.",
            "Remove the file so that it is fetched again, or pass another with weights=.",
        )
    )
