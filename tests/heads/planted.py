"""Problems whose heads are known: concepts mixed from a few factors, labels from a sparse head with noise."""

from __future__ import annotations

import torch
from torch import Tensor

from seewhy.heads.objective import lam_max


def planted(
    n: int = 300,
    m: int = 20,
    k: int = 4,
    *,
    n_factors: int = 6,
    sparse: int = 3,
    seed: int = 0,
    noise: float = 1.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Features (n, m) in standard deviations, float32, classes that all occur, and the planted weights (k, m)."""
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(n, n_factors, generator=generator) @ torch.randn(n_factors, m, generator=generator)
    z = mixed / n_factors**0.5 + torch.randn(n, m, generator=generator)
    z = (z - z.mean(0)) / z.std(0, unbiased=False)
    weight = torch.zeros(k, m)
    for row in weight:
        chosen = torch.randperm(m, generator=generator)[:sparse]
        row[chosen] = 2 * torch.randn(sparse, generator=generator).sign()
    gumbel = -torch.log(-torch.log(torch.rand(n, k, generator=generator)))
    y = (z @ weight.T + noise * gumbel).argmax(1)
    y[:k] = torch.arange(k)
    return z, y, weight


def strength(z: Tensor, y: Tensor, share: float, alpha: float = 0.99, *, group: bool = False) -> float:
    """A lam as a share of the least one that leaves no weight."""
    return share * lam_max(z, y, int(y.max()) + 1, alpha, group=group)
