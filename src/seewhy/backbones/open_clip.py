"""Image-text networks of open_clip as classifiers: the logits are similarities to the words for the classes.

    logit_k = scale * <image, text_k> / (|image| |text_k|) + shift                                       (1)

`text_k` is the embedding of "a photo of a <class k>" (Radford et al., ICML 2021, arXiv 2103.00020). One template
instead of their 80: the choice is ours and is told with the model's name.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.backbones.loaded import Info, Loaded, Request
from seewhy.errors import BadArtefact, InputError, MissingExtra, UnknownName, did_you_mean, message
from seewhy.hub.locate import HubFile, Origin, UrlFile, locate, locate_folder
from seewhy.hub.offline import torch_cache
from seewhy.hub.random_weights import private_randomness
from seewhy.hub.resolve import ModelName
from seewhy.hub.weights import check_weights
from seewhy.images.preprocess import Fit, Preprocess

TEMPLATE = "a photo of a {}"
_FITS: dict[str, Fit] = {"shortest": "crop", "longest": "pad", "squash": "stretch"}
_TEXTS_AT_ONCE = 64


class ZeroShot(nn.Module):
    """The image tower of a network and one direction per class; returns the logits of (1).

    Parameters
    ----------
    visual
        From pictures to embeddings (or a tuple that starts with them).
    words
        Unit embeddings of the classes' texts, (K, d).
    scale, shift
        As the network learned them; the scale is not its logarithm.
    """

    words: Tensor

    def __init__(
        self, visual: nn.Module, words: Float[Tensor, "k d"], scale: float, shift: float = 0.0
    ) -> None:
        super().__init__()
        self.visual = visual
        self.register_buffer("words", words)
        self.scale, self.shift = scale, shift

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        found = self.visual(images)
        embedding = found[0] if isinstance(found, tuple) else found
        return self.scale * nn.functional.normalize(embedding, dim=-1) @ self.words.T + self.shift


def names() -> list[str]:
    """Every architecture, without weights."""
    import open_clip

    return list(open_clip.list_models())


def load(name: ModelName, request: Request) -> Loaded:
    """A network of open_clip with a zero-shot head for `request.classes`.

    Random weights without class names get two classes of no meaning, so that layers can be listed.

    Raises
    ------
    InputError
        If class names are missing, or a name has several sets of weights and none is named.
    UnknownName, Offline, BadArtefact, MissingExtra
        If there is no such architecture or tag; if its files are not to be had or damaged; if its text side
        needs transformers.
    """
    with _root_logger_left_alone():
        return _load(name, request)


def _load(name: ModelName, request: Request) -> Loaded:
    import open_clip

    tag = _tag(name, needed=request.weights == "default")
    model_id = str(ModelName("open_clip", name.id, tag))
    classes = classes_for(request, model_id, ("class 0", "class 1"), 'classes=["cat", "dog"]')
    cfg = dict(open_clip.get_pretrained_cfg(name.id, tag)) if tag else {}
    path: Path | None = None
    if request.weights == "default":
        path = locate(
            model_id, _origins(cfg), local_files_only=request.local_files_only, progress=request.progress
        )
    elif isinstance(request.weights, Path):
        path = request.weights
    text = open_clip.get_model_config(name.id)["text_cfg"]
    tokenizer = _tokenizer(name.id, text, model_id, request.local_files_only)
    model = _build(name.id, path, cfg, model_id)
    return Loaded(
        zero_shot(model, tokenizer, [TEMPLATE.format(name) for name in classes]),
        model_id,
        preprocess_of(model.visual.preprocess_cfg, "open_clip preprocess config"),
        classes,
    )


def classes_for(request: Request, model_id: str, without_meaning: Sequence[str], example: str) -> list[str]:
    """The words to compare with; random weights without any get words of no meaning, so that layers can be listed.

    Raises
    ------
    InputError
        If there are none; the message shows how they are passed by an `example`.
    """
    classes = request.classes
    if classes is None and request.weights is None:
        classes = without_meaning
    if not classes:
        raise InputError(
            message(
                f"{model_id!r} compares pictures with words, and no class names were given.",
                "Its classes are whatever words you name.",
                f"Pass {example} (--classes FILE with one name a line).",
            )
        )
    return list(classes)


def info(name: ModelName) -> Info:
    """What open_clip knows about a name."""
    import open_clip

    tag = _tag(name, needed=False)
    cfg = dict(open_clip.get_pretrained_cfg(name.id, tag)) if tag else {}
    size = open_clip.get_model_config(name.id)["vision_cfg"].get("image_size", 224)
    return Info(
        id=str(ModelName("open_clip", name.id, tag)),
        weights=tuple(f"open_clip/{name.id}/{other}" for other in _tags(name.id)),
        preprocess=preprocess_of({"size": size, **cfg}, "").describe() if cfg else "",
        origins=tuple(_origins(cfg)),
    )


def preprocess_of(cfg: dict[str, Any], source: str) -> Preprocess:
    """open_clip's preprocess configuration as a `Preprocess`, as `open_clip.image_transform_v2` does it."""
    size = cfg["size"]
    height, width = (size, size) if isinstance(size, int) else (size[-2], size[-1])
    fit = _FITS[cfg.get("resize_mode") or "shortest"]
    # "random" is for training. open_clip 3.3 does not pass the filter on for short sides that are not square.
    bilinear = cfg.get("interpolation") == "bilinear" and (fit != "crop" or height == width)
    return Preprocess(
        size=(height, width),
        fit=fit,
        interpolation="bilinear" if bilinear else "bicubic",
        mean=cfg["mean"],
        std=cfg["std"],
        fill=(cfg.get("fill_color") or 0) / 255,
        source=source,
    )


def zero_shot(model: Any, tokenizer: Any, texts: Sequence[str]) -> ZeroShot:
    """An `open_clip.CLIP`, put into eval mode, as a classifier with one class for each text."""
    model.eval()
    with torch.no_grad():
        parts = [
            model.encode_text(tokenizer(list(texts[i : i + _TEXTS_AT_ONCE])), normalize=True)
            for i in range(0, len(texts), _TEXTS_AT_ONCE)
        ]
        shift = getattr(model, "logit_bias", None)
        return ZeroShot(
            model.visual,
            torch.cat(parts),
            float(model.logit_scale.exp()),
            0.0 if shift is None else float(shift),
        )


def _build(arch: str, path: Path | None, cfg: dict[str, Any], model_id: str) -> Any:
    import open_clip

    overrides = {key: cfg[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in cfg}
    try:
        with private_randomness():
            model = open_clip.create_model(
                arch,
                pretrained=None if path is None else str(path),
                # Weights trained with the quick form of GELU are wrong with the other one.
                force_quick_gelu=bool(cfg.get("quick_gelu", False)),
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


def _tags(arch: str) -> list[str]:
    import open_clip

    return list(open_clip.list_pretrained_tags_by_model(arch))


def _tag(name: ModelName, *, needed: bool) -> str | None:
    if name.id not in (known := names()):
        raise UnknownName(
            message(
                f"open_clip has no architecture {name.id!r}.",
                did_you_mean(name.id, known),
                "seewhy models list 'open_clip/*' shows every name.",
            )
        )
    tags = _tags(name.id)
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


def _origins(cfg: dict[str, Any]) -> list[Origin]:
    origins: list[Origin] = []
    if hub := cfg.get("hf_hub"):
        repo, _, file = hub.rpartition("/")
        own = file or "open_clip_pytorch_model.bin"
        origins.append(HubFile(repo, (f"{own.rpartition('.')[0]}.safetensors".replace(
            "open_clip_pytorch_model", "open_clip_model"), own)))  # fmt: skip
    if cfg.get("url"):
        origins.append(UrlFile(cfg["url"], torch_cache()))
    return origins


@contextmanager
def _root_logger_left_alone() -> Iterator[None]:
    """open_clip logs through the root logger, which would install a handler of its own for good."""
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
