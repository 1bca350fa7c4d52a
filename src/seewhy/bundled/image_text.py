"""The bundled image-text model: open_clip's own CLIP, with a convolutional stem where it has one big patch filter.

A transformer on raw 8-pixel patches learns small pictures slowly; a few small convolutions in front mend that (Xiao
et al., NeurIPS 2021, arXiv 2106.14881). The stem takes the place of `visual.conv1` and has its shapes, so everything
else, class token and text tower included, is open_clip's and takes open_clip's paths.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from seewhy.bundled.words import WordTokenizer

PATCH = 8
CONTEXT_LENGTH = 40

CONFIG: dict[str, Any] = {
    "embed_dim": 128,
    "vision_cfg": {
        "image_size": 64,
        "patch_size": PATCH,
        "width": 128,
        "layers": 4,
        "head_width": 32,
        "output_tokens": False,
    },
    "text_cfg": {"context_length": CONTEXT_LENGTH, "width": 128, "heads": 4, "layers": 3},
    "init_logit_bias": -3.0,
    "init_logit_scale": 2.302585,
}
"""As open_clip writes it; the vocabulary's size is added."""


def build(tokenizer: WordTokenizer) -> nn.Module:
    """The model with its first, random weights, drawn from torch's global generator; an `open_clip.CLIP`."""
    from open_clip import CLIP

    config = copy.deepcopy(CONFIG)
    config["text_cfg"]["vocab_size"] = tokenizer.vocab_size
    model: Any = CLIP(**config)
    model.visual.conv1 = stem(model.visual.conv1.out_channels)
    whole: nn.Module = model
    return whole


def stem(width: int) -> nn.Sequential:
    """Three steps of stride 2, with further convolutions between; (b, 3, H, W) to (b, width, H/8, W/8)."""
    from torch import nn

    def step(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
        return [
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        ]

    return nn.Sequential(
        *step(3, 32, 2),
        *step(32, 64, 2),
        *step(64, 64, 1),
        *step(64, width, 2),
        *step(width, width, 1),
        nn.Conv2d(width, width, 1),
    )
