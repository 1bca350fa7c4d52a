"""Training a bundled classifier on one task of the world."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from seewhy.bundled.networks import build
from seewhy.hub.random_weights import private_randomness
from seewhy.training.loop import cosine, fast_arithmetic
from seewhy.training.pictures import Pictures
from seewhy.training.recipes import ClassifierRecipe, identity
from seewhy.world.tasks.tasks import find_task


class ClassifierLearner:
    """Cross-entropy on drawn pictures, each seen once an epoch in an order that seed and epoch decide.

    Parameters
    ----------
    recipe
        What to train and how.
    pictures
        The recipe's pictures.
    device
        Where to train.
    """

    def __init__(self, recipe: ClassifierRecipe, pictures: Pictures, device: torch.device) -> None:
        self.recipe, self.pictures, self.device = recipe, pictures, device
        with private_randomness(recipe.seed):
            network = build(recipe.network, len(find_task(recipe.task).classes))
        for part in network.modules():
            # The fused form of attention is slower for pictures as small as these on a CPU.
            if device.type == "cpu" and hasattr(part, "fused_attn"):
                setattr(part, "fused_attn", False)  # noqa: B010
        self.module: nn.Module = network.to(device).to(memory_format=torch.channels_last)
        self.optimiser = _optimiser(recipe, network)
        self.steps = recipe.steps
        self.identity: dict[str, Any] = identity(recipe)
        self._epoch, self._order = -1, torch.empty(0)

    def rate(self, step: int) -> float:
        """Cosine with a warm-up of a twentieth."""
        return cosine(step, self.steps, max(1, self.steps // 20))

    def loss(self, step: int) -> Tensor:
        """Mean cross-entropy of the step's batch."""
        chosen = self._batch(step)
        x = to_input(torch.from_numpy(self.pictures.pixels[chosen]).to(self.device))
        y = torch.from_numpy(self.pictures.labels[chosen]).to(self.device)
        with fast_arithmetic(self.device):
            logits = self.module(x)
        return nn.functional.cross_entropy(logits.float(), y)

    def _batch(self, step: int) -> Any:
        per_epoch = self.recipe.scenes // self.recipe.batch
        epoch, at = divmod(step, per_epoch)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self.recipe.seed * 10_007 + epoch)
            self._epoch, self._order = epoch, torch.randperm(self.recipe.scenes, generator=generator)
        batch = self._order[at * self.recipe.batch : (at + 1) * self.recipe.batch]
        return batch.sort().values.numpy()


def to_input(pixels: Tensor) -> Tensor:
    """Bytes (n, S, S, 3) to -1..1 (n, 3, S, S), channels last in memory."""
    return pixels.permute(0, 3, 1, 2).to(torch.float32).div_(127.5).sub_(1.0)


def _optimiser(recipe: ClassifierRecipe, network: nn.Module) -> torch.optim.Optimizer:
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=recipe.peak_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=recipe.peak_rate, betas=(0.9, 0.98))
