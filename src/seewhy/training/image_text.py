"""Training the bundled image-text model.

The loss is contrastive (Radford et al., ICML 2021, arXiv 2103.00020), with the exact truth in place of "own pair or
not": a text may be true of several pictures, and pairs that say neither are left out. For each true pair p

    L_p = log(1 + sum over false pairs f of exp(s_f - s_p)),      s = scale <picture, text>                (1)

once with the false texts of p's picture and once with the false pictures of p's text. It is taken over the texts that
describe; over the concepts alone, false texts within the group of p's concept; and, for the model with circles, over
the cells of the grid, the projected tokens in the pictures' place:

    L = L_texts + 4 L_concepts + 4 L_cells,     L_concepts = weighted mean of L_group over groups             (2)

A group is weighed by what it is (`_FACTOR`), not by how many words it has.

A sigmoid of each similarity (SigLIP, arXiv 2303.15343) alone made the texts of a group parallel within minutes: while
pictures say little, the cheapest way to be right on average is to say the same of all. (1) does not reward that. The
scale and shift that turn a similarity into a probability are fitted beside it and move nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int8
from torch import Tensor, nn

from seewhy.bundled.image_text import PATCH, build
from seewhy.bundled.words import PAD, WordTokenizer
from seewhy.hub.random_weights import private_randomness
from seewhy.training.loop import cosine, fast_arithmetic
from seewhy.training.pairs import Batch, Pairs
from seewhy.training.recipes import ImageTextRecipe, identity
from seewhy.training.said import CONCEPTS
from seewhy.training.scenes import Scenes

_FIRST_SCALE = 2.302585
_FACTOR = {"part": 1.5, "pair": 1.5, "background": 1.5, "nothing": 0.3, "kind": 0.5}
"""How much more or less than others a group of concepts weighs in (2)."""
_GROUPS_COUNT_AS = 4.0
"""The 4 of (2)."""
_FALSE = -1e4
_SHORT = 12


class _WithScales(nn.Module):
    """The model, and the logarithms of the scales of the three losses, which are not shipped."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.texts, self.alone, self.cells = (nn.Parameter(torch.tensor(_FIRST_SCALE)) for _ in range(3))


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
        self.module = _WithScales(model)
        self.module.to(device).to(memory_format=torch.channels_last)
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
        self.steps = recipe.steps
        self.identity: dict[str, Any] = identity(recipe)

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
        similar, truth = pictures @ texts.T, self._to(batch.truth)
        loss = contrastive(self.module.texts.exp() * similar, truth)
        loss = loss + self._by_group(
            self.module.alone.exp() * pictures @ alone.T, batch.truth_alone, batch.groups
        )
        if self.recipe.cells:
            loss = loss + self._cell_loss(tokens, alone, batch)
        calibrated = self.model.logit_scale.exp() * similar.detach() + self.model.logit_bias
        return loss + sigmoid_loss(calibrated, truth)

    def _cell_loss(self, tokens: Tensor, alone: Tensor, batch: Batch) -> Tensor:
        n = len(CONCEPTS)
        dense = tokens[torch.from_numpy(batch.dense).to(self.device)].float() @ self.model.visual.proj.float()
        similar = nn.functional.normalize(dense, dim=-1).flatten(0, 1) @ alone[:n].T
        return self._by_group(
            self.module.cells.exp() * similar, batch.truth_cells.reshape(-1, n), batch.groups[:n]
        )

    def _by_group(self, scores: Tensor, truth: Any, groups: list[str]) -> Tensor:
        """The weighted mean of (1) over groups of texts, which stand side by side."""
        whole = self._to(truth)
        total, weights, start = scores.new_zeros(()), 0.0, 0
        for group, length in ((name, groups.count(name)) for name in dict.fromkeys(groups)):
            here = slice(start, start + length)
            factor = _FACTOR.get(group, 1.0)
            total = total + factor * contrastive(scores[:, here], whole[:, here])
            start, weights = start + length, weights + factor
        return total * (_GROUPS_COUNT_AS / weights)

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


def contrastive(scores: Float[Tensor, "b c"], truth: Int8[Tensor, "b c"]) -> Tensor:
    """The mean of (1) over true pairs, false texts and false pictures by halves; 0 without a true pair."""
    true = truth == 1
    false = torch.where(truth == 0, scores, _FALSE)
    losses = [nn.functional.softplus(false.logsumexp(axis, keepdim=True) - scores) for axis in (0, 1)]
    return 0.5 * (torch.where(true, losses[0] + losses[1], 0.0)).sum() / true.sum().clamp(min=1)


def sigmoid_loss(logits: Float[Tensor, "b c"], truth: Int8[Tensor, "b c"]) -> Tensor:
    """The mean of softplus(-z logit), z = 1 for true and -1 for false pairs."""
    sign = truth.to(logits.dtype) * 2 - 1
    known = truth >= 0
    return (nn.functional.softplus(-sign * logits) * known).sum() / known.sum().clamp(min=1)


def _groups(module: nn.Module, recipe: ImageTextRecipe) -> list[dict[str, Any]]:
    scales, decayed, plain = [], [], []
    for name, parameter in module.named_parameters():
        if "logit_" in name or name in ("texts", "alone", "cells"):
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
