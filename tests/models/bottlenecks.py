"""Bottlenecks made by hand on tiny networks, and an image-text model that knows how red a picture is."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from seewhy.backbones.base import Backbone
from seewhy.concepts.space import ConceptSpace
from seewhy.errors import InputError
from seewhy.heads.certificate import Certificate
from seewhy.heads.linear import Head
from seewhy.images.preprocess import Preprocess
from seewhy.images.read import read_images
from seewhy.models.bottleneck import ConceptBottleneck, Fitted, Residual
from seewhy.models.labelled_cbm import LabelledCBM
from seewhy.vlms.base import VLM
from tests.models import detectors

SIZE = (16, 24)
PROOF = Certificate(**{"primal": 0.5, "dual": 0.5, "gap": 0.0, "kkt": 0.0, "lam": 0.1, "alpha": 0.99})


def cnn(seed: int = 0) -> Backbone:
    """Random, 5 channels on 7 x 11."""
    generator = torch.Generator().manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(3, 5, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3)
    ).eval()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=generator))
    return Backbone(net, preprocess=Preprocess(SIZE, mean=0.4, std=0.3), layer="1")


def vit(seed: int = 0) -> Backbone:
    """Random, 8 channels on 2 x 3 patches behind a class token."""
    net = VisionTransformer(
        img_size=SIZE, patch_size=8, embed_dim=8, depth=2, num_heads=2, num_classes=3, global_pool="token"
    ).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.3)
    return Backbone(net, preprocess=Preprocess(SIZE, mean=0.4, std=0.3), layer="blocks.1.norm1")


def fitted(channels: int, m: int = 4, k: int = 3, *, residual: bool = False, seed: int = 0) -> Fitted:
    """Random concepts and head, not learned from anything."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    space = ConceptSpace(
        tuple(f"concept {i}" for i in range(m)),
        draw(m, channels),
        draw(m),
        draw(m).abs() + 0.5,
        draw(m, 5).sort(1).values,
        draw(m, 5).sort(1).values,
        torch.linspace(-1, 1, m),
    )
    around = Residual(draw(k, channels), draw(channels)) if residual else None
    head = Head(draw(k, m), draw(k), PROOF, 0.1, 0.99)
    return Fitted(space, head, tuple(f"class {i}" for i in range(k)), {"pictures": 7}, around)


def made(backbone: Backbone | None = None, **options: Any) -> ConceptBottleneck:
    """A bottleneck with `fitted` concepts."""
    model = LabelledCBM(backbone or cnn())
    model._fitted = fitted(model.layer.channels, **options)
    return model


def picture(size: tuple[int, int] = (29, 41), seed: int = 0) -> np.ndarray:
    """Noise, not square, of another aspect than the input."""
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def ready(backbone: Backbone, image: np.ndarray) -> Tensor:
    """What the network is given of a picture."""
    return backbone.tensor(read_images(image)).x


class Colours(VLM):
    """Embeds a picture as its mean red, green and blue; knows their names, and what is in no picture. Counts."""

    WORDS = ("red", "green", "blue", "grey")

    def __init__(self) -> None:
        super().__init__(name="colours", preprocess=Preprocess(SIZE, mean=0.0, std=1.0), dim=4)
        self.n_shown = 0

    def _images(self, x: Tensor) -> Tensor:
        self.n_shown += len(x)
        # A little of the fourth keeps black pictures from having no direction.
        return torch.cat([x.mean((2, 3)), torch.full((len(x), 1), 0.2)], 1)

    def _texts(self, texts: list[str]) -> Tensor:
        if unknown := [text for text in texts if text not in self.WORDS]:
            raise InputError(f"It knows four words, not {unknown}.")
        return torch.eye(4)[[self.WORDS.index(text) for text in texts]]


def truth(pictures: list[np.ndarray]) -> np.ndarray:
    """(n, 3, 4, 6) what the colours' channels see, by hand."""
    return np.stack([detectors.amounts(one) for one in pictures])


def correlations(maps: Tensor, amounts: np.ndarray) -> list[float]:
    """Of learned maps (n, m, h, w) and amounts, concept by concept, over all pictures and places."""
    pairs = zip(maps.transpose(0, 1).flatten(1).numpy(), np.moveaxis(amounts, 1, 0), strict=True)
    return [float(np.corrcoef(one, other.ravel())[0, 1]) for one, other in pairs]
