"""Small random models of pictures and words, of every kind that Seewhy has a view of; no weight is left at zero."""

from __future__ import annotations

import contextlib
import json
import string
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seewhy.bundled.words import WordTokenizer
from seewhy.images.preprocess import Preprocess
from seewhy.vlms.huggingface import HuggingFaceVLM
from seewhy.vlms.open_clip import OpenClipVLM
from seewhy.vlms.viewed import ViewedVLM

WORDS = ("a", "red", "blue", "star", "disk", "photo", "of")
CONTEXT = 9
DIM = 12


_SHARP = ("in_proj", "q_proj", "k_proj", "qkv", ".kv.", "c_fc", "fc1")


def awake(module: nn.Module, seed: int = 0) -> nn.Module:
    """Random numbers in every parameter, so large that attention is not uniform and activations bend; eval mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name in ("logit_scale", "logit_bias"):
                continue
            sharp = 4.0 if any(part in name for part in _SHARP) else 1.0
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                noise = noise / parameter[0].numel() ** 0.5
            else:
                noise = 0.3 * noise
            parameter.copy_(sharp * noise + (1.0 if _is_gain(name, parameter) else 0.0))
    return module.eval()


def open_clip_model(
    quick_gelu: bool = False, vocab: int = len(WORDS) + 3, dim: int = DIM, **vision: Any
) -> Any:
    """An `open_clip.CLIP` on 32 x 48 pixels with 4 x 6 patches, or with other parts named in `vision`."""
    import open_clip

    vision_cfg = {
        "image_size": (32, 48),
        "patch_size": 8,
        "width": 32,
        "layers": 3,
        "head_width": 8,
        "mlp_ratio": 2.0,
        **vision,
    }
    text_cfg = {"context_length": CONTEXT, "width": 16, "heads": 2, "layers": 2, "vocab_size": vocab}
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind = open_clip.CustomTextCLIP if "timm_model_name" in vision else open_clip.CLIP
        model = kind(embed_dim=dim, vision_cfg=vision_cfg, text_cfg=text_cfg, quick_gelu=quick_gelu)
    return awake(model)


def recipe(model: Any) -> Preprocess:
    size = model.visual.image_size
    return Preprocess(size=size, mean=0.5, std=0.25)


def open_clip_vlm(**vision: Any) -> OpenClipVLM:
    model = open_clip_model(**vision)
    return OpenClipVLM(model, WordTokenizer(WORDS, CONTEXT), name="small", preprocess=recipe(model))


def class_token() -> OpenClipVLM:
    return open_clip_vlm(ls_init_value=0.5)


def late_norm() -> OpenClipVLM:
    return open_clip_vlm(final_ln_after_pool=True, no_ln_pre=True)


def mean_of_patches() -> OpenClipVLM:
    return open_clip_vlm(pool_type="avg")


def mean_then_norm() -> OpenClipVLM:
    return open_clip_vlm(pool_type="avg", final_ln_after_pool=True)


def resnet() -> OpenClipVLM:
    vlm = open_clip_vlm(layers=[1, 1, 1, 1], width=8, image_size=96, patch_size=None, head_width=8)
    assert vlm.model.visual.attnpool is not None
    return vlm


def timm_pool() -> OpenClipVLM:
    """SigLIP as open_clip builds it: a transformer of timm whose patches are pooled by attention."""
    return open_clip_vlm(
        timm_model_name="test_vit", timm_pool="map", timm_proj="none", image_size=160, dim=64
    )


def timm_class_token() -> OpenClipVLM:
    return open_clip_vlm(timm_model_name="test_vit", timm_pool="token", timm_proj="linear", image_size=160)


class StandIn:
    """In the place of SigLIP's tokenizer, whose package is not there: one token a letter, letters of either case."""

    letters = string.ascii_letters + " "

    def __call__(
        self, texts: str | list[str], padding: Any = False, max_length: int = 0, return_tensors: str = ""
    ) -> dict[str, Any]:
        if isinstance(texts, str):
            return {"input_ids": self._numbers(texts)}
        rows = [self._numbers(text) for text in texts]
        length = max_length if padding == "max_length" else max(map(len, rows))
        padded = torch.tensor([row + [1] * (length - len(row)) for row in rows])
        return {"input_ids": padded, "attention_mask": (padded != 1).long()}

    def _numbers(self, text: str) -> list[int]:
        return [self.letters.index(letter) + 2 if letter in self.letters else 0 for letter in text] + [1]


def hugging_face_config(kind: str) -> Any:
    import transformers

    sides = {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    vision = {**sides, "image_size": 32, "patch_size": 8}
    if kind == "clip":
        text = {
            **sides,
            "vocab_size": 600,
            "max_position_embeddings": CONTEXT,
            "eos_token_id": 1,
            "bos_token_id": 0,
        }
        return transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=DIM)
    text = {
        **sides,
        "vocab_size": 64,
        "max_position_embeddings": 16,
        "projection_size": 16,
        "bos_token_id": 2,
        "eos_token_id": 1,
        "pad_token_id": 1,
    }
    return transformers.SiglipConfig(text_config=text, vision_config=vision)


def hugging_face_model(kind: str) -> Any:
    import transformers

    made = transformers.CLIPModel if kind == "clip" else transformers.SiglipModel
    with torch.random.fork_rng(devices=[]):
        model: Any = awake(made(hugging_face_config(kind)))
    if kind == "siglip":
        with torch.no_grad():
            model.logit_scale.fill_(2.0)
            model.logit_bias.fill_(-3.0)
    return model


def hugging_face_vlm(kind: str) -> HuggingFaceVLM:
    return HuggingFaceVLM(
        hugging_face_model(kind), StandIn(), name=kind, preprocess=Preprocess(size=32, mean=0.5, std=0.5)
    )


def clip() -> HuggingFaceVLM:
    return hugging_face_vlm("clip")


def siglip() -> HuggingFaceVLM:
    return hugging_face_vlm("siglip")


def bundled() -> ViewedVLM:
    from seewhy.vlms.load import load_vlm

    vlm = load_vlm("seewhy/clip")
    assert isinstance(vlm, ViewedVLM)
    return vlm


TOKENS = (class_token, late_norm, clip, timm_class_token, bundled)
"""Those whose embedding is a class token's."""
POOLS = (resnet, timm_pool, siglip)
MEANS = (mean_of_patches, mean_then_norm)


def pictures(vlm: Any, n: int = 2, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, *vlm.preprocess.size, generator=generator)


def write_clip_tokenizer(folder: Path) -> None:
    """A tokenizer of CLIP's kind in the folder: bytes, the merges of two words, and the two ends."""
    merges = ["r e", "re d</w>", "s t", "a r</w>", "st ar</w>"]
    letters = [chr(code) for code in range(33, 127)]
    pieces = [*letters, *(letter + "</w>" for letter in letters), *(pair.replace(" ", "") for pair in merges)]
    vocab = {"<|startoftext|>": 0, "<|endoftext|>": 1}
    for piece in pieces:
        vocab.setdefault(piece, len(vocab))
    (folder / "vocab.json").write_text(json.dumps(vocab))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": CONTEXT}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _is_gain(name: str, parameter: Tensor) -> bool:
    return parameter.ndim == 1 and name.endswith(("weight", "gamma"))
