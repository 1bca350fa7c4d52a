"""VLMs whose embeddings are known functions of pixels, and pictures for them."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seewhy.errors import InputError
from seewhy.images.preprocess import Preprocess
from seewhy.types import Size
from seewhy.vlms.base import VLM, Operation

SIZE = (24, 32)
PATCH = 8
MEAN, STD = (0.4, 0.5, 0.6), (0.25, 0.3, 0.35)


class Patches(VLM):
    """A weighted mean over patches of a random linear function of each; counts the pictures that it is shown."""

    def __init__(self, size: Size = SIZE, dim: int = 6, seed: int = 0, **preprocess: Any) -> None:
        settings: dict[str, Any] = {"size": size, "mean": MEAN, "std": STD, **preprocess}
        super().__init__(name="patches", preprocess=Preprocess(**settings), dim=dim)
        generator = torch.Generator().manual_seed(seed)
        channels, n = self.preprocess.channels, (size[0] // PATCH) * (size[1] // PATCH)
        self.weight = torch.randn(channels * PATCH**2, dim, generator=generator)
        self.prior = torch.randn(n, generator=generator)
        self.module = nn.Linear(1, 1)
        self.module.weight.data.fill_(float(self.weight.sum()))  # what the fingerprint looks at
        self.module.bias.data.zero_()
        self.n_shown = 0

    def tokens(self, x: Tensor) -> Tensor:
        """(b, t, d), any norm."""
        return nn.functional.unfold(x, PATCH, stride=PATCH).transpose(1, 2) @ self.weight

    def _images(self, x: Tensor) -> Tensor:
        self.n_shown += len(x)
        return torch.einsum("t,btd->bd", self.prior.softmax(0), self.tokens(x))

    def _texts(self, texts: list[str]) -> Tensor:
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) for text in texts]
        return torch.stack([torch.randn(self.dim, generator=torch.Generator().manual_seed(s)) for s in seeds])

    def _dense(self, x: Tensor, mode: str) -> Tensor:
        self.n_shown += len(x)
        return self.tokens(x).transpose(1, 2).unflatten(2, self._grid())

    def _reattend(self, x: Tensor, bias: Tensor) -> Tensor:
        self.n_shown += len(x)
        return torch.einsum("gt,btd->bgd", (self.prior + bias).softmax(1), self.tokens(x))

    def _why_not(self, operation: Operation, mode: str | None) -> str | None:
        return None

    def _grid(self) -> Size:
        return self.preprocess.size[0] // PATCH, self.preprocess.size[1] // PATCH

    def _modules(self) -> list[nn.Module]:
        return [self.module]


class Circled(VLM):
    """Knows three colours, and says how much of each is within a pure red ring, or in the picture without one."""

    def __init__(self, size: Size = (56, 56)) -> None:
        super().__init__(name="circled", preprocess=Preprocess(size=size, mean=0.0, std=1.0), dim=3)

    def _images(self, x: Tensor) -> Tensor:
        return torch.stack([self._one(one) for one in x]) + 1e-3

    def _one(self, picture: Tensor) -> Tensor:
        rows, columns = torch.meshgrid(*(torch.arange(n) + 0.5 for n in picture.shape[1:]), indexing="ij")
        ring = (picture == torch.tensor([1.0, 0.0, 0.0])[:, None, None]).all(0)
        if not ring.any():
            return picture.mean((1, 2))
        y, x = rows[ring], columns[ring]
        # A circle through points: y^2 + x^2 = 2 y0 y + 2 x0 x + c.
        found = torch.linalg.lstsq(torch.stack([2 * y, 2 * x, torch.ones_like(x)], 1), y**2 + x**2).solution
        y0, x0, c = found.tolist()
        inside = (rows - y0).square() + (columns - x0).square() < ((c + y0**2 + x0**2) ** 0.5 - 2) ** 2
        return picture[:, inside].mean(1)

    def _texts(self, texts: list[str]) -> Tensor:
        known = {"red": 0, "green": 1, "blue": 2}
        if unknown := [text for text in texts if text not in known]:
            raise InputError(f"It knows three colours, not {unknown}.")
        return torch.eye(3)[[known[text] for text in texts]]


class Sick(Patches):
    """Gives NaN for pictures whose first pixel is white."""

    def _images(self, x: Tensor) -> Tensor:
        white = ((1 - torch.tensor(MEAN)) / torch.tensor(STD)).expand(len(x), 3)
        bad = (x[:, :, 0, 0] - white).abs().amax(1) < 1e-3
        return torch.where(bad[:, None], torch.nan, super()._images(x))


def noise(n: int, size: Size = (30, 29), seed: int = 0) -> np.ndarray:
    """Random uint8 pictures (n, h, w, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (n, *size, 3), np.uint8)


def inputs(vlm: VLM, n: int, seed: int = 0) -> Tensor:
    """Random pictures as the VLM wants them."""
    shape = (n, vlm.preprocess.channels, *vlm.preprocess.size)
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1
