"""CLIP and SigLIP of Hugging Face's transformers, an extra of Seewhy.

SigLIP (Zhai et al., ICCV 2023, arXiv 2303.15343) was trained on texts in lower case, padded to their full length and
without a mask; its text embedding is that of the last token, so other padding gives other embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.backbones import huggingface as shared
from seewhy.backbones.loaded import Request
from seewhy.errors import BadArtefact, InputError, MissingExtra, message
from seewhy.hub.resolve import ModelName
from seewhy.images.preprocess import Preprocess
from seewhy.vlms.tokens import tokenizer_digest, too_long
from seewhy.vlms.tower import Tower
from seewhy.vlms.viewed import ViewedVLM
from seewhy.vlms.views import hugging_face_view

_KINDS = ("clip", "siglip")
_TOKENIZER_FILES = ("merges.txt", "*.model")


class HuggingFaceVLM(ViewedVLM):
    """A `CLIPModel` or `SiglipModel` with its tokenizer.

    Parameters
    ----------
    model
        Of transformers.
    tokenizer
        Called as those of transformers are.
    name, preprocess, untrained, notes
        As in `VLM`.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        name: str,
        preprocess: Preprocess,
        untrained: bool = False,
        notes: Sequence[str] = (),
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.kind: str = self.model.config.model_type
        if self.kind not in _KINDS:
            raise _other_kind(name, self.kind)
        vision = self.model.config.vision_config
        shift = getattr(model, "logit_bias", None)
        super().__init__(
            name=name,
            preprocess=preprocess,
            dim=int(self.model.config.projection_dim if self.kind == "clip" else vision.hidden_size),
            scale=float(self.model.logit_scale.detach().exp()),
            shift=0.0 if shift is None else float(shift.detach()),
            untrained=untrained,
            notes=notes,
        )
        self._digest: str | None = None

    def _images(self, x: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b d"]:
        return _embedding(self.model.get_image_features(pixel_values=x))

    def _texts(self, texts: list[str]) -> Float[Tensor, "n d"]:
        return _embedding(self.model.get_text_features(**self._tokens(texts)))

    def _look(self) -> Tower | str:
        return hugging_face_view(self.model)

    def _modules(self) -> Sequence[nn.Module]:
        return (self.model,)

    def _identity(self) -> dict[str, Any]:
        if self._digest is None:
            self._digest = tokenizer_digest(lambda texts: self._tokens(texts)["input_ids"])
        config = self.model.config
        return {
            "activation": sorted({config.vision_config.hidden_act, config.text_config.hidden_act}),
            "tokenizer": self._digest,
        }

    def _tokens(self, texts: list[str]) -> dict[str, Tensor]:
        most = int(self.model.config.text_config.max_position_embeddings)
        if self.kind == "siglip":
            texts = [text.lower() for text in texts]
        for text in texts:
            if (used := len(self.tokenizer(text)["input_ids"])) > most:
                raise too_long(text, used, most)
        rows = self.tokenizer(texts, padding="max_length", max_length=most, return_tensors="pt")
        wanted = ("input_ids",) if self.kind == "siglip" else ("input_ids", "attention_mask")
        return {name: rows[name].to(self.device) for name in wanted}


def load(name: ModelName, request: Request) -> HuggingFaceVLM:
    """A CLIP or SigLIP of the hub, `hf/org/name[@revision]`.

    Raises
    ------
    MissingExtra
        If transformers is not installed, or something that its tokenizer needs.
    Offline, InputError, BadArtefact
        If its files are not to be had, are of another kind of model, or are damaged.
    """
    shared.transformers_module()
    folder = shared.folder_of(name, request, _TOKENIZER_FILES)
    return load_folder(folder, request.weights, str(name))


def load_folder(folder: Path, weights: Any = "default", name: str | None = None) -> HuggingFaceVLM:
    """A CLIP or SigLIP from a folder with config.json, weights, tokenizer and preprocessor_config.json.

    Raises
    ------
    MissingExtra, InputError, BadArtefact
        As `load`.
    """
    transformers = shared.transformers_module()
    name = name or f"local:{folder}"
    config = shared.config_in(folder, name)
    if config.model_type not in _KINDS:
        raise _other_kind(name, config.model_type)
    tokenizer = _tokenizer(transformers, folder, name)
    recipe = shared.processor_in(folder, "pixel_values")
    if recipe is None:
        raise InputError(
            message(
                f"{name!r} has no preprocessing that Seewhy can follow.",
                "Pictures must be resized and normalised as in its training (preprocessor_config.json).",
                "Build it yourself: seewhy.vlms.huggingface.HuggingFaceVLM(model, tokenizer, name=..., "
                "preprocess=...).",
            )
        )
    model = shared.module_of(
        transformers.AutoModel,
        config,
        folder,
        weights,
        name,
        "A model of pictures and words needs both sides and their projections.",
        "Choose a model that was trained on pictures with texts.",
    )
    return HuggingFaceVLM(
        model.float().eval(), tokenizer, name=name, preprocess=recipe, untrained=weights is None
    )


def _tokenizer(transformers: Any, folder: Path, name: str) -> Any:
    try:
        return transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except ImportError as error:
        raise MissingExtra(
            message(
                f"The tokenizer of {name!r} needs a package that is not installed.",
                f"transformers says: {(str(error).strip().splitlines() or [''])[0][:200]}",
                "Most often: pip install sentencepiece protobuf.",
            )
        ) from error
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise BadArtefact(
            message(
                f"The tokenizer of {name!r} does not load from {folder}: {first[:300]}.",
                "Words are read with the model's own tokenizer (tokenizer.json, or vocab.json and merges.txt).",
                "Fetch the model again with all its files.",
            )
        ) from error


def _embedding(output: Any) -> Tensor:
    """transformers 4 returns the tensor, transformers 5 an output that holds it."""
    embedding: Tensor = output if isinstance(output, torch.Tensor) else output.pooler_output
    return embedding


def _other_kind(name: str, kind: str) -> InputError:
    return InputError(
        message(
            f"{name!r} is a {kind!r} model.",
            f"Of Hugging Face's models of pictures and words Seewhy knows {' and '.join(_KINDS)}.",
            "Take one of these, or wrap yours: seewhy.vlms.function.FunctionVLM.",
        )
    )
