"""The two sides of an open_clip network and its tokenizer, from a name: found, built, filled, and checked.

OpenAI's weights, and some others, were trained with a quick form of GELU, x * sigmoid(1.702 x). In a network built
with the plain one they load without complaint and answer worse. So the activation is decided here, once, and told:
by the tag's record or the architecture's where either says quick, and by the weights file where it carries the
entries of OpenAI's own archives.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from seewhy.backbones.loaded import Request
from seewhy.errors import BadArtefact, InputError, MissingExtra, UnknownName, did_you_mean, message
from seewhy.hub.locate import HubFile, Origin, UrlFile, locate, locate_folder
from seewhy.hub.offline import torch_cache
from seewhy.hub.random_weights import private_randomness
from seewhy.hub.resolve import ModelName
from seewhy.hub.weights import SUFFIXES, check_weights, fit, read_weights

_OPENAI = ("input_resolution", "context_length", "vocab_size")
"""Entries of OpenAI's archives beside the weights; no other checkpoint of CLIP has them."""


@dataclass(frozen=True)
class Parts:
    """An `open_clip` model in eval mode, its tokenizer, its full name, and how its activation was decided."""

    model: Any
    tokenizer: Any
    model_id: str
    note: str


def names() -> list[str]:
    """Every architecture, without weights."""
    import open_clip

    return list(open_clip.list_models())


def identify(name: ModelName, request: Request) -> tuple[str, str | None]:
    """The full name and the tag of what is asked for.

    Raises
    ------
    UnknownName, InputError
        If there is no such architecture or tag; if several sets of weights are there and none is named.
    """
    tag = tag_of(name, needed=request.weights == "default")
    return str(ModelName("open_clip", name.id, tag)), tag


def build(name: ModelName, request: Request) -> Parts:
    """Model and tokenizer of an architecture with the requested weights.

    Raises
    ------
    UnknownName, InputError, Offline, BadArtefact, MissingExtra
        If there is no such architecture or tag; if none is named; if files are not to be had or damaged; if its
        text side needs transformers.
    """
    import open_clip

    with _root_logger_left_alone():
        model_id, tag = identify(name, request)
        cfg = dict(open_clip.get_pretrained_cfg(name.id, tag)) if tag else {}
        path: Path | None = None
        if request.weights == "default":
            path = locate(
                model_id,
                origins_of(cfg),
                local_files_only=request.local_files_only,
                progress=request.progress,
            )
        elif isinstance(request.weights, Path):
            path = request.weights
        config = open_clip.get_model_config(name.id)
        tokenizer = _tokenizer(name.id, config["text_cfg"], model_id, request.local_files_only)
        # Only a file that the user names can be of another form than its tag says.
        archive = _openai_archive(request.weights) if isinstance(request.weights, Path) else None
        quick, note = _activation(bool(config.get("quick_gelu")), cfg, tag, path, archive)
        model = _build(name.id, path, cfg, model_id, quick, archive)
    return Parts(model.eval(), tokenizer, model_id, note)


def _activation(
    arch: bool, cfg: dict[str, Any], tag: str | None, path: Path | None, archive: Any
) -> tuple[bool, str]:
    """Whether it is the quick GELU, and a sentence that says why."""
    if archive is not None:
        mended = "" if arch or cfg.get("quick_gelu") else "; the architecture alone says GELU"
        return True, f"QuickGELU, because the weights are in OpenAI's archive{mended}."
    if cfg.get("quick_gelu"):
        mended = "" if arch else "; the architecture alone says GELU"
        return True, f"QuickGELU, as the weights {tag!r} were trained{mended}."
    said = "QuickGELU" if arch else "GELU"
    if tag is None and path is not None:
        return arch, f"{said}, as the architecture says; the weights file says nothing of its activation."
    return arch, f"{said}, as the architecture says."


def _openai_archive(path: Path) -> dict[str, Tensor] | None:
    """The weights of a file in OpenAI's form without the entries that mark it; None for another form."""
    if path.suffix not in SUFFIXES:
        return None  # open_clip reads NumPy files itself
    state = read_weights(path)
    if not all(name in state for name in _OPENAI):
        return None
    return {name: tensor for name, tensor in state.items() if name not in _OPENAI}


def tags_of(arch: str) -> list[str]:
    """The sets of weights of an architecture."""
    import open_clip

    return list(open_clip.list_pretrained_tags_by_model(arch))


def tag_of(name: ModelName, *, needed: bool) -> str | None:
    """The tag of a name; the only one where one is `needed` and none is named.

    Raises
    ------
    UnknownName, InputError
        If there is no such architecture or tag; if one is needed and there are several.
    """
    if name.id not in (known := names()):
        raise UnknownName(
            message(
                f"open_clip has no architecture {name.id!r}.",
                did_you_mean(name.id, known),
                "seewhy models list 'open_clip/*' shows every name.",
            )
        )
    tags = tags_of(name.id)
    if name.tag is not None and name.tag not in tags:
        raise UnknownName(
            message(
                f"open_clip has no weights {name.tag!r} for {name.id!r}.",
                did_you_mean(name.tag, tags),
                f"They are: {', '.join(tags)}." if tags else "It has none; use weights=None.",
            )
        )
    if name.tag is None and needed:
        if len(tags) == 1:
            return tags[0]
        raise InputError(
            message(
                f"'open_clip/{name.id}' has {len(tags)} sets of weights.",
                f"They are: {', '.join(tags)}." if tags else "",
                f"Write for example 'open_clip/{name.id}/{tags[0]}'." if tags else "Use weights=None.",
            )
        )
    return name.tag


def origins_of(cfg: dict[str, Any]) -> list[Origin]:
    """Where the weights of a tag come from, by its record."""
    origins: list[Origin] = []
    if hub := cfg.get("hf_hub"):
        repo, _, file = hub.rpartition("/")
        own = file or "open_clip_pytorch_model.bin"
        origins.append(HubFile(repo, (f"{own.rpartition('.')[0]}.safetensors".replace(
            "open_clip_pytorch_model", "open_clip_model"), own)))  # fmt: skip
    if cfg.get("url"):
        origins.append(UrlFile(cfg["url"], torch_cache()))
    return origins


def _build(
    arch: str,
    path: Path | None,
    cfg: dict[str, Any],
    model_id: str,
    quick: bool,
    archive: dict[str, Tensor] | None,
) -> Any:
    import open_clip

    overrides = {key: cfg[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in cfg}
    try:
        with private_randomness():
            model = open_clip.create_model(
                arch,
                pretrained=None if path is None or archive is not None else str(path),
                force_quick_gelu=quick,
                force_preprocess_cfg=overrides,
                pretrained_text=False,
            )
    # open_clip reads the file and fits it; what it raises on a damaged one depends on the bytes.
    except Exception as error:
        if path is None:
            raise
        first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise BadArtefact(
            message(
                f"The weights of {model_id!r} in {path} do not load: {first[:300]}.",
                "They must be whole and fit the network.",
                "Remove the file so that it is fetched again, or pass another with weights=.",
            )
        ) from error
    if archive is not None:
        fit(model, archive, str(path))
    check_weights(model.state_dict(), str(path))
    return model


def _tokenizer(arch: str, text: dict[str, Any], model_id: str, local_files_only: bool) -> Any:
    import open_clip

    # Some text sides are networks of Hugging Face; their configuration is a file on the hub.
    if network := text.get("hf_model_name"):
        locate_folder(
            model_id, network, ["config.json"], [["config.json"]], local_files_only=local_files_only
        )
    repo = text.get("hf_tokenizer_name")
    if not repo:
        return open_clip.get_tokenizer(arch)
    try:
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingExtra(
            message(
                f"The words of {model_id!r} are read by a tokenizer of transformers, which is not installed.",
                "It is an extra of Seewhy.",
                "Install it: pip install 'seewhy[hf]'.",
            )
        ) from error
    folder = locate_folder(
        model_id,
        repo,
        ["tokenizer.json|spiece.model|vocab.txt|*.model|vocab.json"],
        [["*.json", "*.txt", "*.model"]],
        local_files_only=local_files_only,
    )
    return open_clip.tokenizer.HFTokenizer(
        str(folder),
        context_length=text.get("context_length", 77),
        tokenizer_mode=text.get("tokenizer_mode"),
        **text.get("tokenizer_kwargs", {}),
    )


@contextmanager
def _root_logger_left_alone() -> Iterator[None]:
    """open_clip logs through the root logger, which would install a handler of its own for good."""
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
