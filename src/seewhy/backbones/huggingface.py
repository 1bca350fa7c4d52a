"""Image classifiers of Hugging Face's transformers, with the preprocessing of their image processor."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seewhy.backbones.loaded import Info, Loaded, Request, config_kind
from seewhy.errors import BadArtefact, InputError, MissingExtra, message
from seewhy.hub.locate import HubFile, locate_folder
from seewhy.hub.random_weights import private_randomness
from seewhy.hub.resolve import ModelName
from seewhy.hub.weights import check_weights, fit, read_weights
from seewhy.images.picture import Picture
from seewhy.images.preprocess import Fit, Preprocess
from seewhy.types import Size

_FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
_TEXTS = ["*.json"]
# Safe weights first; the others only where there are none.
_SETS = [["*.json", "*.safetensors"], ["*.json", "*.bin"]]
_WEIGHTS = "*.safetensors|*.bin"


def load(name: ModelName, request: Request) -> Loaded:
    """A classifier of the hub, `hf/org/name[@revision]`.

    Raises
    ------
    MissingExtra
        If transformers is not installed.
    Offline, InputError, BadArtefact
        If its files are not to be had, are no image classifier's, or are damaged.
    """
    transformers_module()
    folder = folder_of(name, request, ())
    if config_kind(folder) == "timm":
        from seewhy.backbones import timm as timm_loader

        return timm_loader.load_folder(folder, random=not _own_weights(request), name=str(name))
    return load_folder(folder, request.weights, str(name))


def folder_of(name: ModelName, request: Request, texts: Sequence[str]) -> Path:
    """The folder of a hub repository, with weights where its own are asked for.

    Parameters
    ----------
    name, request
        What is asked for.
    texts
        Patterns of further files that the model needs beside JSON, such as "merges.txt".

    Raises
    ------
    Offline, InputError
        If files are not to be had.
    """
    own = _own_weights(request)
    wanted = [[*files, *texts] for files in (_SETS if own else [_TEXTS])]
    return locate_folder(
        str(name),
        name.id,
        ["config.json", _WEIGHTS] if own else ["config.json"],
        wanted,
        revision=name.tag,
        local_files_only=request.local_files_only,
    )


def load_folder(folder: Path, weights: Any = "default", name: str | None = None) -> Loaded:
    """A classifier from a folder with config.json, weights and perhaps preprocessor_config.json.

    Raises
    ------
    MissingExtra, InputError, BadArtefact
        As `load`.
    """
    transformers = transformers_module()
    name = name or f"local:{folder}"
    config = config_in(folder, name)
    auto = transformers.AutoModelForImageClassification
    if type(config) not in auto._model_mapping:
        raise InputError(
            message(
                f"{name!r} is a {config.model_type!r} model.",
                "Seewhy explains image classifiers.",
                "Choose a model for image classification.",
            )
        )
    module = module_of(
        auto,
        config,
        folder,
        weights,
        name,
        "A classifier needs its trained classification head.",
        "Choose a model that was trained for image classification.",
    )
    labels = getattr(config, "id2label", None) or {}
    classes = [str(labels[i]) for i in sorted(labels)] if len(labels) == config.num_labels else None
    return Loaded(module, name, processor_in(folder, module.main_input_name), classes)


def info(name: ModelName) -> Info:
    """What can be said without the hub: the name and where its weights come from."""
    origin = HubFile(name.id, ("model.safetensors", "pytorch_model.bin"), name.tag)
    return Info(id=str(name), origins=(origin,))


def preprocess_of(settings: dict[str, Any], source: str) -> Preprocess | None:
    """The settings of an image processor as a `Preprocess`; None if they say something it cannot.

    Known: resizing to a size or a short side, ConvNeXt's, PoolFormer's and LeViT's ways with it, centre crop,
    rescaling, normalisation (EfficientNet's twofold one too), blue first.
    """
    frame = _frame(settings)
    if frame is None:
        return None
    size, fit_, resize = frame
    scale = 255 * float(settings.get("rescale_factor") or 1 / 255) if settings.get("do_rescale") else 255.0
    normalised = bool(settings.get("do_normalize"))
    mean = _three(settings.get("image_mean") if normalised else 0.0)
    std = _three(settings.get("image_std") if normalised else 1.0)
    if settings.get("include_top") and normalised:
        std = tuple(s * s for s in std)
    shift = 1.0 if settings.get("rescale_offset") else 0.0
    return Preprocess(
        size=size,
        fit=fit_,
        resize=resize,
        interpolation=_FILTERS[int(settings.get("resample", 2))],
        # (scale * p - shift - m) / s  =  (p - (m + shift) / scale) / (s / scale)  for pixels p of 0 to 1.
        mean=tuple((m + shift) / scale for m in mean),
        std=tuple(s / scale for s in std),
        bgr=bool(settings.get("do_flip_channel_order")),
        odd_margin="floor",
        source=source,
    )


def _frame(settings: dict[str, Any]) -> tuple[Size, Fit, int | Size] | None:
    """Input size, how the picture is brought to it, and what it is resized to first."""
    size, crop = settings.get("size") or {}, settings.get("crop_size") or {}
    share, cropped = settings.get("crop_pct"), bool(settings.get("do_center_crop"))
    if not settings.get("do_resize", True) or (cropped and set(crop) != {"height", "width"}):
        return None
    final = (int(crop["height"]), int(crop["width"])) if cropped else None
    if set(size) == {"height", "width"}:
        full = (int(size["height"]), int(size["width"]))
        if share and full[0] == full[1]:  # PoolFormer
            return final or full, "crop", int(full[0] / share)
        return final or full, "stretch", full
    if set(size) != {"shortest_edge"}:
        return None
    short = int(size["shortest_edge"])
    if final is not None:
        if str(settings.get("image_processor_type")).startswith("Levit"):
            return final, "crop", int(256 / 224 * short)
        return final, "crop", int(short / share) if share else short
    if not share:
        return None  # the input would have the picture's own aspect
    # ConvNeXt: small sizes are cut, from 384 on the picture is stretched.
    return ((short, short), "crop", int(short / share)) if short < 384 else ((short, short), "stretch", short)


def processor_in(folder: Path, input_name: str) -> Preprocess | None:
    """The folder's image processor as a `Preprocess`, if it does the same to a made picture; else None.

    Processors are code and may do anything, so settings that look familiar are not enough.
    """
    transformers = transformers_module()
    if not any((folder / name).is_file() for name in ("preprocessor_config.json", "processor_config.json")):
        return None
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(
            folder, local_files_only=True, backend="pil"
        )
    except Exception as error:
        raise does_not_load(f"local:{folder}", folder, error) from error
    recipe = preprocess_of(_settings(processor), f"{type(processor).__name__} of the model")
    if recipe is None:
        return None
    rng = np.random.default_rng(0)
    picture = Picture(rng.integers(0, 256, (301, 401, 3), np.uint8))
    ours = recipe(picture)[0]
    try:
        theirs = torch.as_tensor(np.ascontiguousarray(processor(picture.pixels)[input_name][0]))
    except Exception:
        return None  # it wants more than a picture
    if theirs.shape != ours.shape:
        return None
    std = torch.tensor(recipe.std)[:, None, None]
    # Two of 255 levels: filters of other libraries round differently, another recipe is far off on noise.
    off = ((ours - theirs).abs() * std).quantile(0.99)
    return recipe if float(off) <= 2 / 255 else None


def _settings(processor: Any) -> dict[str, Any]:
    settings = dict(processor.to_dict())
    for name in ("size", "crop_size"):
        given = settings.get(name)
        if given is not None:
            items = given.items() if isinstance(given, dict) else vars(given).items()
            settings[name] = {key: value for key, value in items if value is not None}
    return settings


def config_in(folder: Path, name: str) -> Any:
    """The configuration in a folder, as transformers reads it.

    Raises
    ------
    BadArtefact
        If it cannot be read; the model is called `name`.
    """
    try:
        return transformers_module().AutoConfig.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise does_not_load(name, folder, error) from error


def module_of(auto: Any, config: Any, folder: Path, weights: Any, name: str, needed: str, do: str) -> Any:
    """A network of transformers with the weights of its folder ("default"), random ones (None), or a file's.

    Parameters
    ----------
    auto
        A class of transformers with `from_pretrained` and `from_config`.
    config, folder
        Its configuration, and where it is.
    weights
        "default", None or a path.
    name
        What to call it in errors.
    needed, do
        What the error says, and advises, where tensors are missing in the folder's weights.

    Raises
    ------
    BadArtefact, InputError
        If weights are damaged, incomplete or not finite.
    """
    if weights == "default":
        return _pretrained(auto, folder, name, needed, do)
    with private_randomness():
        module = auto.from_config(config)
    if isinstance(weights, Path):
        fit(module, read_weights(weights), str(weights))
    return module


def _own_weights(request: Request) -> bool:
    return request.weights == "default"


def _pretrained(auto: Any, folder: Path, name: str, needed: str, do: str) -> Any:
    try:
        module, loading = auto.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    except Exception as error:
        raise does_not_load(name, folder, error) from error
    missing = sorted(loading["missing_keys"])
    if missing or loading.get("mismatched_keys"):
        raise BadArtefact(
            message(
                f"The weights of {name!r} lack {len(missing)} tensors: {', '.join(missing[:3])}.",
                needed,
                do,
            )
        )
    check_weights(module.state_dict(), name)
    return module


def transformers_module() -> Any:
    """transformers itself; a MissingExtra where it is not installed."""
    try:
        import transformers
    except ImportError as error:
        raise MissingExtra(
            message(
                "Models of Hugging Face need transformers, which is not installed.",
                "It is an extra of Seewhy.",
                "Install it: pip install 'seewhy[hf]'.",
            )
        ) from error
    return transformers


def does_not_load(name: str, folder: Path, error: Exception) -> Exception:
    """The error for a folder that transformers cannot load, with the first line of what it said."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    try:
        holds = ", ".join(json.loads((folder / "config.json").read_text()).get("architectures") or [])
    except (OSError, ValueError, AttributeError):
        holds = ""
    return BadArtefact(
        message(
            f"{name!r} does not load from {folder}: {first[:300]}.",
            f"It says it is {holds}." if holds else "Its config.json and weights must be whole.",
            "Fetch it again, or choose another model.",
        )
    )


def _three(values: Any) -> tuple[float, ...]:
    if isinstance(values, int | float):
        return (float(values),) * 3
    return tuple(float(v) for v in values)
