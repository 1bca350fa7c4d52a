"""Functions on the cube whose importance is known in closed form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

Function = Callable[[Tensor], Tensor]
ISHIGAMI = np.array([0.5576, 0.4424, 0.2437])


def affine(coefficients: np.ndarray, base: np.ndarray) -> Function:
    c, b = torch.from_numpy(coefficients), torch.from_numpy(base)
    return lambda m: m.double() @ c.T + b


def positive(k: int, b: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients that differ by at least a tenth, in random order, and bases."""
    generator = np.random.default_rng(seed)
    steps = 0.3 + 0.1 * np.arange(k)
    return np.stack([generator.permutation(steps) for _ in range(b)]), generator.normal(size=b)


def ishigami(k: int, seed: int) -> tuple[Function, np.ndarray]:
    """a = 7, b = 0.1, of three of k variables mapped from [0, 1] to [-pi, pi]; and its total indices."""
    at = np.random.default_rng(seed).permutation(k)[:3]
    truth = np.zeros(k)
    truth[at] = ISHIGAMI

    def function(m: Tensor) -> Tensor:
        x, y, z = ((2 * m[:, i] - 1) * torch.pi for i in at.tolist())
        return (x.sin() + 7 * y.sin() ** 2 + 0.1 * z**4 * x.sin())[:, None]

    return function, truth


def g_function(a: np.ndarray) -> tuple[Function, np.ndarray]:
    """prod_k (|4 m_k - 2| + a_k) / (1 + a_k), and its total indices."""
    v = 1 / (3 * (1 + a) ** 2)
    truth = v * np.prod(1 + v) / (1 + v) / (np.prod(1 + v) - 1)
    shift = torch.from_numpy(a)
    return lambda m: (((4 * m - 2).abs() + shift) / (1 + shift)).prod(1, keepdim=True), truth


def random_g(k: int, seed: int) -> tuple[Function, np.ndarray]:
    """The usual a = 0, 1, 4.5, 9, 99, ... in random order."""
    a = np.full(k, 99.0)
    a[:4] = 0, 1, 4.5, 9
    return g_function(np.random.default_rng(seed).permutation(a))


def network(k: int, b: int, seed: int = 0) -> Function:
    """A smooth, non-additive function of b pictures."""
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(k, 8, generator=generator, dtype=torch.float64)
    second = torch.randn(8, b, generator=generator, dtype=torch.float64)
    return lambda m: torch.tanh(m.double() @ first) @ second + 1
