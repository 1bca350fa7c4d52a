"""One call for every kind of model: a name of any library, a folder, a user's file, a module, or a `Backbone`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import torch
from torch import nn

from seewhy.backbones import user_file
from seewhy.backbones.base import Backbone
from seewhy.backbones.loaded import Info, Loaded, Progress, Request, config_kind
from seewhy.backbones.outputs import OutputAdapter
from seewhy.errors import InputError, NotSupported, UnknownName, message
from seewhy.hub.class_names import read_classes
from seewhy.hub.locate import weights_in
from seewhy.hub.resolve import LIBRARIES, ModelName, resolve
from seewhy.hub.store import MANIFEST, read_manifest
from seewhy.images.preprocess import Preprocess

_MODULES = {
    "seewhy": "seewhy.backbones.bundled",
    "timm": "seewhy.backbones.timm",
    "torchvision": "seewhy.backbones.torchvision",
    "open_clip": "seewhy.backbones.open_clip",
    "hf": "seewhy.backbones.huggingface",
}


def load_backbone(
    model: Any,
    *,
    weights: str | Path | None = "default",
    classes: Sequence[str] | str | Path | None = None,
    preprocess: Preprocess | None = None,
    layer: str | None = None,
    output: OutputAdapter | None = None,
    device: str | torch.device | None = None,
    local_files_only: bool = False,
    prefer: str | None = None,
    progress: Progress | None = None,
) -> Backbone:
    """A network with its preprocessing and class names, found where the model keeps them.

    Parameters
    ----------
    model
        A name ("seewhy/resnet-t4", "timm/resnet50.a1_in1k", "torchvision/resnet50@IMAGENET1K_V2",
        "open_clip/ViT-B-32/openai", "hf/google/vit-base-patch16-224"), a folder ("local:dir"), "file.py:factory",
        a `torch.nn.Module`, or a `Backbone` (whose settings are kept where nothing else is said).
    weights
        "default": those that the name means. None: random ones, the same at every call; results are marked
        untrained. A file or folder: these. Names and folders only.
    classes
        Class names in the order of the logits, or a file with them (one a line, or JSON). For open_clip and
        seewhy/clip the words that pictures are compared with.
    preprocess, layer, output
        As in `Backbone`; they win over what the model says.
    device
        None leaves the network where it is (the CPU for names); "auto" takes cuda, mps or cpu, in this order.
    local_files_only
        Never ask the network, as SEEWHY_OFFLINE=1.
    prefer
        The library meant by a bare name that several have; see `hub.resolve.resolve`.
    progress
        Told (bytes there, bytes in all) while weights are fetched.

    Raises
    ------
    UnknownName
        If there is no such model; the nearest names are given.
    Offline
        If its weights are neither on this machine nor to be had.
    BadArtefact
        If weights are damaged or do not fit.
    MissingExtra
        If the library is not installed.
    InputError
        If an argument does not fit the model.
    """
    names = read_classes(classes) if isinstance(classes, str | Path) else classes
    if isinstance(model, str | Path):
        parsed = resolve(str(model), catalogue, prefer=prefer)
        if parsed.library == "file":
            _no_weights(weights, str(parsed))
            made, options = user_file.load(Path(parsed.id).expanduser(), str(parsed.tag))
            backbone = _from_object(made, {"name": str(parsed), **options})
        else:
            request = Request(chosen_weights(weights), names, local_files_only, progress)
            backbone = _from_loaded(_load(parsed, request), untrained=request.weights is None)
    else:
        _no_weights(weights, type(model).__name__)
        backbone = _from_object(model, {})
    backbone = _changed(backbone, names, preprocess, layer, output)
    if device is not None:
        backbone.module.to(chosen_device(device))
    return backbone


def catalogue() -> dict[str, list[str]]:
    """The names of every library that can list them (the hub cannot); imports them all, a few seconds."""
    return {library: _module(library).names() for library in LIBRARIES if library != "hf"}


def info(name: str, *, prefer: str | None = None) -> Info:
    """What is known about a model's name without loading or fetching it.

    Raises
    ------
    UnknownName
        If there is no such model.
    NotSupported
        For folders and files, which only show what they are when loaded.
    """
    parsed = resolve(name, catalogue, prefer=prefer)
    if parsed.library not in _MODULES:
        raise NotSupported(
            message(
                f"{name!r} is a {'file' if parsed.library == 'file' else 'folder'}.",
                "Only names of libraries can be looked up without loading.",
                f"seewhy layers {name} loads it and shows its layers.",
            )
        )
    found: Info = _module(parsed.library).info(parsed)
    return found


def _load(name: ModelName, request: Request) -> Loaded:
    if name.library == "local":
        return _load_folder(Path(name.id).expanduser(), request)
    found: Loaded = _module(name.library).load(name, request)
    return found


def _load_folder(folder: Path, request: Request) -> Loaded:
    if not folder.is_dir():
        raise UnknownName(
            message(
                f"There is no folder {str(folder)!r}.",
                "A local model is a folder with config.json and weights.",
                f"The working folder is {Path.cwd()}.",
            )
        )
    if (folder / MANIFEST).is_file():
        parsed = resolve(read_manifest(folder).id)
        if request.weights == "default" and parsed.library != "hf":
            file = weights_in(folder)
            if file is None:
                raise _no_model_in(folder)
            request = Request(file, request.classes, request.local_files_only)
        if parsed.library != "hf":
            return _load(parsed, request)
    kind = config_kind(folder)
    if kind == "timm":
        from seewhy.backbones import timm as timm_loader

        _no_weights("default" if request.weights is None else request.weights, f"local:{folder}")
        return timm_loader.load_folder(folder, random=request.weights is None)
    if kind == "hf":
        from seewhy.backbones import huggingface

        return huggingface.load_folder(folder, request.weights)
    raise _no_model_in(folder)


def _no_model_in(folder: Path) -> InputError:
    names = sorted(entry.name for entry in folder.iterdir())
    holds = f"holds {', '.join(names[:4])}{', ...' if len(names) > 4 else ''}" if names else "is empty"
    return InputError(
        message(
            f"The folder {str(folder)!r} {holds}.",
            "A local model has a config.json of timm or transformers, or was written by seewhy models fetch.",
            "For weights alone name the network: --model timm/NAME --weights FILE.",
        )
    )


def _from_loaded(loaded: Loaded, *, untrained: bool) -> Backbone:
    return Backbone(
        loaded.module.eval(),
        name=loaded.name,
        preprocess=loaded.preprocess,
        classes=loaded.classes,
        untrained=untrained,
        prefix_hint=loaded.prefix_hint,
    )


def _from_object(model: Any, options: dict[str, Any]) -> Backbone:
    if isinstance(model, Backbone):
        return model
    known = _what_it_knows(model)
    if known is not None:
        options = {
            "preprocess": known.preprocess,
            "classes": known.classes,
            "prefix_hint": known.prefix_hint,
        } | {key: value for key, value in options.items() if value is not None}
    return Backbone(model, **options)


def _what_it_knows(model: Any) -> Loaded | None:
    """A module of timm carries its configuration, one of transformers its labels."""
    if "timm" in sys.modules and isinstance(getattr(model, "pretrained_cfg", None), dict):
        from seewhy.backbones import timm as timm_loader

        return timm_loader.describe(
            model,
            type(model).__name__,
            "timm data config of the architecture; check that it fits the weights",
        )
    labels = getattr(getattr(model, "config", None), "id2label", None)
    if isinstance(model, nn.Module) and isinstance(labels, dict) and labels:
        return Loaded(model, type(model).__name__, classes=[str(labels[i]) for i in sorted(labels)])
    return None


def _changed(
    backbone: Backbone,
    classes: Sequence[str] | None,
    preprocess: Preprocess | None,
    layer: str | None,
    output: OutputAdapter | None,
) -> Backbone:
    """The backbone with what the user said in place of what the model said; itself if nothing was said."""
    if classes is None and preprocess is None and layer is None and output is None:
        return backbone
    known = backbone.classes
    if classes is not None and known is not None and len(classes) != len(known):
        raise InputError(
            message(
                f"classes has {len(classes)} names.",
                f"{backbone.name} has {len(known)} classes.",
                "Give one name for each, in the order of the network's outputs.",
            )
        )
    return Backbone(
        backbone.module,
        name=backbone.name,
        preprocess=preprocess or backbone.preprocess,
        classes=backbone.classes if classes is None else classes,
        layer=layer or backbone.given_layer,
        output=output or backbone._output,
        untrained=backbone.untrained,
        prefix_hint=backbone._prefix_hint,
    )


def chosen_weights(weights: str | Path | None) -> Literal["default"] | None | Path:
    """What `weights` means: the name's own, random ones, or the file at a path.

    Raises
    ------
    InputError
        If there is no such file, or no weights file in such a folder.
    """
    if weights is None or weights == "default":
        return None if weights is None else "default"
    path = Path(str(weights).removeprefix("local:")).expanduser()
    if path.is_dir():
        file = weights_in(path)
        if file is not None:
            return file
    if not path.is_file():
        raise InputError(
            message(
                f"weights is {str(weights)!r}, which is no weights file or folder with one.",
                "It is 'default', None for random weights, or a path.",
                "A set of weights is part of the name: timm/resnet50.a1_in1k, torchvision/resnet50@IMAGENET1K_V2.",
            )
        )
    return path


def _no_weights(weights: Any, what: str) -> None:
    if weights != "default":
        raise InputError(
            message(
                f"weights={weights!r} was given with {what}.",
                "A network that is already built brings its own weights.",
                "Leave weights out, or name the network of a library.",
            )
        )


def chosen_device(device: str | torch.device) -> torch.device:
    """The device meant by a name; "auto" takes cuda, mps or cpu, in this order.

    Raises
    ------
    InputError
        If it cannot be used.
    """
    if device == "auto":
        mps = torch.backends.mps.is_available()
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if mps else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    # What torch raises for a device that it knows but cannot use depends on how it was built.
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first = str(error).strip().splitlines()[0][:200]
        raise InputError(
            message(
                f"The device {str(device)!r} cannot be used: {first}",
                "It is cpu, cuda, cuda:1, mps or auto.",
                "seewhy doctor lists the devices of this machine.",
            )
        ) from error
    return chosen


def _module(library: str) -> ModuleType:
    return importlib.import_module(_MODULES[library])
