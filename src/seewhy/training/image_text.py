"""Training the bundled image-text model.

The loss is SigLIP's (Zhai et al., ICCV 2023, arXiv 2303.15343, eq. 1) with the exact truth in place of "own pair or
not": several texts may be true of a picture, and pairs that say neither are left out.

    L = sum over pairs of softplus(-z (scale <x, t> + shift)) / pictures,     z = +1 true, -1 false       (1)

It is taken over the texts that describe, over the concepts alone (each group of concepts weighing the same: left to
themselves, texts of backgrounds become parallel), and, for the model with circles, over the cells of the grid with
the projected tokens in the pictures' place. Ours: the exact truth, the balance and the loss over cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import torch
from jaxtyping import Float, Int8
from torch import Tensor, nn

from seewhy.bundled.image_text import PATCH, build
from seewhy.bundled.words import PAD, WordTokenizer
from seewhy.hub.random_weights import private_randomness
from seewhy.training.loop import cosine, fast_arithmetic
from seewhy.training.pairs import Batch, Pairs
from seewhy.training.recipes import ImageTextRecipe
from seewhy.training.said import CONCEPTS
from seewhy.training.scenes import Scenes
from seewhy.world.grammar import WORLD_VERSION

_GROUP_WEIGHT = 12.0
_SHORT = 12


class _WithScales(nn.Module):
    """The model, and the scales of the two losses that are not shipped."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.alone = nn.Parameter(torch.tensor([2.302585, -4.0]))
        self.cells = nn.Parameter(torch.tensor([2.302585, -4.0]))


class ImageTextLearner:
    """Equation (1) on batches of `Pairs`.

    Parameters
    ----------
    recipe
        What to train and how.
    scenes
        The recipe's scenes.
    tokenizer
        Words to numbers.
    device
        Where to train.
    """

    def __init__(
        self, recipe: ImageTextRecipe, scenes: Scenes, tokenizer: WordTokenizer, device: torch.device
    ) -> None:
        self.recipe, self.tokenizer, self.device = recipe, tokenizer, device
        with private_randomness(recipe.seed):
            model: Any = build(tokenizer)
        self.model = model
        self.model.visual.output_tokens = True
        self.module: nn.Module = _WithScales(self.model).to(device).to(memory_format=torch.channels_last)
        self._alone, self._cells = self.module.alone, self.module.cells
        self.pairs = Pairs(
            scenes,
            recipe.mix,
            batch=recipe.batch,
            size=recipe.size,
            grid=recipe.size // PATCH,
            seed=recipe.seed,
        )
        self.optimiser = torch.optim.AdamW(
            _groups(self.module, recipe), lr=recipe.peak_rate, betas=(0.9, 0.98)
        )
        self.steps = recipe.pairs // recipe.batch
        self.identity: dict[str, Any] = {"world": WORLD_VERSION, **asdict(recipe)}

    def rate(self, step: int) -> float:
        """Cosine with a warm-up of a fortieth."""
        return cosine(step, self.steps, max(1, self.steps // 40))

    def loss(self, step: int) -> Tensor:
        """Equation (1), summed over texts, concepts and, with circles, cells."""
        batch = self.pairs(step)
        x = batch.images.mul(2).sub_(1).to(self.device, memory_format=torch.channels_last)
        with fast_arithmetic(self.device), explicit_attention(self.device):
            pooled, tokens = self.model.visual(x)
            texts, alone = self._embedded(batch.texts), self._embedded(batch.alone)
        pictures = nn.functional.normalize(pooled.float(), dim=-1)
        scale, shift = self.model.logit_scale.exp(), self.model.logit_bias
        loss = _sigmoid_loss(scale * pictures @ texts.T + shift, self._to(batch.truth)) / len(pictures)
        weights = self._weights(batch)
        alone_scale, alone_shift = self._alone.unbind()
        logits = alone_scale.exp() * pictures @ alone.T + alone_shift
        loss = loss + _sigmoid_loss(logits, self._to(batch.truth_alone), weights) / len(pictures)
        return loss + self._cell_loss(tokens, alone, batch, weights) if self.recipe.cells else loss

    def _cell_loss(self, tokens: Tensor, alone: Tensor, batch: Batch, weights: Tensor) -> Tensor:
        n = len(CONCEPTS)
        dense = tokens[torch.from_numpy(batch.dense).to(self.device)].float() @ self.model.visual.proj.float()
        cell_scale, cell_shift = self._cells.unbind()
        similar = nn.functional.normalize(dense, dim=-1) @ alone[:n].T
        logits = cell_scale.exp() * similar + cell_shift
        return _sigmoid_loss(logits, self._to(batch.truth_cells), weights[:n]) / (logits[..., 0].numel())

    def _embedded(self, texts: list[str]) -> Tensor:
        """Unit embeddings; short texts apart from long ones, each with the padding cut off that none needs."""
        numbers = self.tokenizer(texts).to(self.device)
        lengths = (numbers != PAD).sum(1)
        order = lengths.argsort(stable=True)
        few = int((lengths <= _SHORT).sum())
        parts = [
            short_texts(self.model, numbers[rows, : int(lengths[rows].max())])
            for rows in (order[:few], order[few:])
            if len(rows)
        ]
        found = torch.cat(parts)[order.argsort()]
        return nn.functional.normalize(found.float(), dim=-1)

    def _weights(self, batch: Batch) -> Tensor:
        """Each group of concepts weighs the same; parts a little more, because there are many."""
        counts = {group: batch.groups.count(group) for group in set(batch.groups)}
        factor = {"part": 1.5, "pair": 1.5, "nothing": 0.3, "kind": 0.5}
        weights = [_GROUP_WEIGHT * factor.get(group, 1.0) / counts[group] for group in batch.groups]
        return torch.tensor(weights, device=self.device)

    def _to(self, truth: Any) -> Tensor:
        return torch.from_numpy(truth).to(self.device)


def short_texts(model: Any, numbers: Tensor) -> Tensor:
    """What the model's `encode_text` says of rows that may be shorter than its context; most are, by far."""
    length = numbers.shape[1]
    x = model.token_embedding(numbers) + model.positional_embedding[:length]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:length, :length]))
    ends: Tensor = x[torch.arange(len(x), device=x.device), numbers.argmax(1)]
    found: Tensor = ends @ model.text_projection
    return found


@contextmanager
def explicit_attention(device: torch.device) -> Iterator[None]:
    """Attention by plain matrix products on a CPU: the fused form is slower for grids this small."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    if device.type != "cpu":
        yield
        return
    with sdpa_kernel(SDPBackend.MATH):
        yield


def _sigmoid_loss(
    logits: Float[Tensor, "*b c"], truth: Int8[Tensor, "*b c"], weights: Float[Tensor, " c"] | None = None
) -> Tensor:
    """The sum of (1) over all pairs whose truth is not -1."""
    sign = truth.to(logits.dtype) * 2 - 1
    loss = nn.functional.softplus(-sign * logits) * (truth >= 0)
    return (loss if weights is None else loss * weights).sum()


def _groups(module: nn.Module, recipe: ImageTextRecipe) -> list[dict[str, Any]]:
    scales, decayed, plain = [], [], []
    for name, parameter in module.named_parameters():
        if "logit_" in name or name in ("alone", "cells"):
            scales.append(parameter)
        elif parameter.ndim > 1 and "embedding" not in name:
            decayed.append(parameter)
        else:
            plain.append(parameter)
    return [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": plain, "weight_decay": 0.0},
        {"params": scales, "weight_decay": 0.0, "lr": 10 * recipe.peak_rate},
    ]
