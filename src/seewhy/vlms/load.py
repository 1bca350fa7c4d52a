"""One call for every model of pictures and words: a name of any library, a folder, or a `VLM`."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from seewhy.backbones.load import chosen_device, chosen_weights
from seewhy.backbones.loaded import Progress, Request, config_kind
from seewhy.errors import InputError, UnknownName, message
from seewhy.hub.locate import weights_in
from seewhy.hub.resolve import ModelName, resolve
from seewhy.hub.store import MANIFEST, read_manifest
from seewhy.vlms.base import VLM

_MODULES = {
    "seewhy": "seewhy.vlms.bundled",
    "open_clip": "seewhy.vlms.open_clip",
    "hf": "seewhy.vlms.huggingface",
}
_FORMS = "seewhy/clip, open_clip/ARCH[/TAG], hf/ORG/NAME, local:FOLDER"


def load_vlm(
    model: Any,
    *,
    weights: str | Path | None = "default",
    device: str | torch.device | None = None,
    local_files_only: bool = False,
    progress: Progress | None = None,
) -> VLM:
    """A model of pictures and words, with its preprocessing and tokenizer.

    Parameters
    ----------
    model
        A name ("seewhy/clip", "open_clip/ViT-B-16/openai", "hf/google/siglip-base-patch16-224"), a folder
        ("local:dir", of transformers or written by seewhy models fetch), or a `VLM` of one's own.
    weights
        "default": those that the name means. None: random ones, the same at every call. A file or folder: these.
        Names and folders only.
    device
        None leaves it where it is (the CPU for names); "auto" takes cuda, mps or cpu, in this order.
    local_files_only
        Never ask the network, as SEEWHY_OFFLINE=1.
    progress
        Told (bytes there, bytes in all) while weights are fetched.

    Raises
    ------
    UnknownName
        If there is no such model; the nearest names are given.
    InputError
        If it is no model of pictures and words, or a `VLM` of one's own does not keep its promises.
    Offline, BadArtefact, MissingExtra
        If weights are not to be had; are damaged or do not fit; if its library is not installed.
    """
    if isinstance(model, VLM):
        _no_weights(weights, model.name)
        vlm = model
    elif isinstance(model, str | Path):
        request = Request(chosen_weights(weights), None, local_files_only, progress)
        vlm = _load(resolve(str(model), _catalogue), request)
    else:
        raise _no_vlm(model)
    if device is not None:
        vlm.to(chosen_device(device))
    if isinstance(model, VLM):
        _keeps_promises(model)
    return vlm


def _catalogue() -> dict[str, list[str]]:
    return {library: _module(library).names() for library in ("seewhy", "open_clip")}


def _load(name: ModelName, request: Request) -> VLM:
    if name.library == "local":
        return _load_folder(Path(name.id).expanduser(), request)
    if name.library not in _MODULES:
        what = "file" if name.library == "file" else f"model of {name.library}"
        raise InputError(
            message(
                f"{str(name)!r} is a {what}, and has no words.",
                f"Models of pictures and words have the names {_FORMS}.",
                "Wrap your own as seewhy.vlms.function.FunctionVLM and pass the object.",
            )
        )
    found: VLM = _module(name.library).load(name, request)
    return found


def _load_folder(folder: Path, request: Request) -> VLM:
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
        if parsed.library != "hf":
            file = weights_in(folder) if request.weights == "default" else request.weights
            return _load(parsed, Request(file, None, request.local_files_only))
    if config_kind(folder) == "hf":
        from seewhy.vlms import huggingface

        return huggingface.load_folder(folder, request.weights)
    holds = ", ".join(sorted(entry.name for entry in folder.iterdir())[:4]) or "nothing"
    raise InputError(
        message(
            f"The folder {str(folder)!r} holds {holds}.",
            "A model of pictures and words has a config.json of transformers, or was written by seewhy models fetch.",
            "For weights alone name the network: load_vlm('open_clip/ARCH', weights=FILE).",
        )
    )


def _keeps_promises(vlm: VLM) -> None:
    """A `VLM` that replaces `encode_images` or `encode_texts` is tried once: nobody else checks what it returns."""
    if type(vlm).encode_images is not VLM.encode_images:
        grey = torch.full((1, vlm.preprocess.channels, *vlm.preprocess.size), 0.5, device=vlm.device)
        _check_unit("encode_images", vlm, vlm.encode_images(grey))
    if type(vlm).encode_texts is not VLM.encode_texts:
        _check_unit("encode_texts", vlm, vlm.encode_texts(["a photo"]))


def _check_unit(name: str, vlm: VLM, rows: Any) -> None:
    got = type(rows).__name__
    if isinstance(rows, torch.Tensor):
        length = float(rows.detach().float().norm())
        if rows.dtype == torch.float32 and tuple(rows.shape) == (1, vlm.dim) and abs(length - 1) < 1e-3:
            return
        got = f"{str(rows.dtype)[6:]} {tuple(rows.shape)} of length {length:.4g}"
    raise InputError(
        message(
            f"{name} of {vlm.name} returns {got}.",
            f"It must return unit rows in single precision, here (1, {vlm.dim}).",
            "Implement _images and _texts instead: the base class checks and normalises what they return.",
        )
    )


def _no_vlm(model: Any) -> InputError:
    return InputError(
        message(
            f"The model is a {type(model).__name__}.",
            f"It is a VLM or a name: {_FORMS}.",
            "Wrap a module of open_clip as seewhy.vlms.open_clip.OpenClipVLM, anything else as two functions, "
            "seewhy.vlms.function.FunctionVLM.",
        )
    )


def _no_weights(weights: Any, what: str) -> None:
    if weights != "default":
        raise InputError(
            message(
                f"weights={weights!r} was given with {what}.",
                "A model that is already built brings its own weights.",
                "Leave weights out, or pass a name.",
            )
        )


def _module(library: str) -> ModuleType:
    return importlib.import_module(_MODULES[library])
