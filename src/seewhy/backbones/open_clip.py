"""Image-text networks of open_clip as classifiers: the logits are similarities to the words for the classes.

    logit_k = scale * <image, text_k> / (|image| |text_k|) + shift                                       (1)

`text_k` is the embedding of "a photo of a <class k>" (Radford et al., ICML 2021, arXiv 2103.00020). One template
instead of their 80: the choice is ours and is told with the model's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.backbones import open_clip_parts as parts
from seewhy.backbones.loaded import Info, Loaded, Request
from seewhy.errors import InputError, message
from seewhy.hub.resolve import ModelName
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
    return parts.names()


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
    model_id = parts.identify(name, request)[0]
    # Told before anything is read.
    classes = classes_for(request, model_id, ("class 0", "class 1"), 'classes=["cat", "dog"]')
    found = parts.build(name, request)
    return Loaded(
        zero_shot(found.model, found.tokenizer, [TEMPLATE.format(name) for name in classes]),
        found.model_id,
        preprocess_of(found.model.visual.preprocess_cfg, "open_clip preprocess config"),
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

    tag = parts.tag_of(name, needed=False)
    cfg = dict(open_clip.get_pretrained_cfg(name.id, tag)) if tag else {}
    size = open_clip.get_model_config(name.id)["vision_cfg"].get("image_size", 224)
    return Info(
        id=str(ModelName("open_clip", name.id, tag)),
        weights=tuple(f"open_clip/{name.id}/{other}" for other in parts.tags_of(name.id)),
        preprocess=preprocess_of({"size": size, **cfg}, "").describe() if cfg else "",
        origins=tuple(parts.origins_of(cfg)),
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
