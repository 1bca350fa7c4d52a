"""How strong a penalty should be, by examples that were not learned from.

A strength of the path is chosen by accuracy: the largest lam whose accuracy is within one standard error of the
best, sqrt(a (1 - a) / n), so that concepts are spent only where they show. A ridge spends none, and is chosen by
the least cross-entropy, which tells strengths apart that accuracy does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from seewhy.heads.inputs import Examples
from seewhy.heads.objective import Penalty, cross_entropy, logits_of
from seewhy.heads.path import QUICK, walk
from seewhy.heads.solver import Solution, solve

RIDGES = tuple(10.0 ** (-i / 2) for i in range(1, 12))
"""Strengths of a ridge, for concepts in standard deviations."""

PATIENCE = 6
"""The search ends after so many strengths in a row that were no better than the best before."""

LEAST = 1e-3
"""It goes down to this part of lam_max."""


def split(
    y: Int[Tensor, " n"], n_classes: int, share: float, seed: int
) -> tuple[Int[Tensor, " t"], Int[Tensor, " h"]]:
    """Rows to learn from and rows held out: of each class the same share, rounded down, drawn with `seed`."""
    generator = torch.Generator().manual_seed(seed)
    held = []
    for k in range(n_classes):
        rows = (y.cpu() == k).nonzero()[:, 0]
        held.append(rows[torch.randperm(len(rows), generator=generator)[: int(share * len(rows))]])
    out = torch.cat(held).sort().values
    kept = torch.ones(len(y), dtype=torch.bool)
    kept[out] = False
    return kept.nonzero()[:, 0].to(y.device), out.to(y.device)


def choose_sparse(
    train: Examples, held: Examples, alpha: float, group: bool
) -> tuple[Solution, dict[str, Any]]:
    """The head of the path of `train` within one standard error of the best accuracy on `held`, and the record."""
    tried: list[tuple[float, Solution]] = []
    best, since = -1.0, 0
    for found in walk(train, alpha, group=group, lowest=LEAST):
        score = accuracy(found, train, held)
        tried.append((score, found))
        best, since = (score, 0) if score > best else (best, since + 1)
        if since >= PATIENCE:
            break
    error = math.sqrt(best * (1 - best) / len(held.y))
    score, found = next(one for one in tried if one[0] >= best - error)
    return found, {
        "rule": "largest lam within one standard error of the best accuracy",
        "accuracy": score,
        "best_accuracy": best,
        "standard_error": error,
        "held_out": len(held.y),
        "strengths": len(tried),
    }


def choose_ridge(train: Examples, held: Examples) -> tuple[Solution, dict[str, Any]]:
    """The ridge of `train` with the least cross-entropy on `held`, and the record."""
    tried = []
    best, since = math.inf, 0
    for found in _ridges(train):
        loss = cross_entropy(_logits(found, train, held), held.y)
        tried.append((loss, found))
        best, since = (loss, 0) if loss < best else (best, since + 1)
        if since >= 2:
            break
    loss, found = min(tried, key=lambda one: one[0])
    return found, {
        "rule": "least cross-entropy",
        "cross_entropy": loss,
        "accuracy": accuracy(found, train, held),
        "held_out": len(held.y),
        "strengths": len(tried),
    }


def accuracy(found: Solution, train: Examples, held: Examples) -> float:
    """Share of `held` whose class has the largest logit."""
    return float((_logits(found, train, held).argmax(0) == held.y).double().mean())


def _logits(found: Solution, train: Examples, held: Examples) -> Tensor:
    z = held.z[:, train.varies].to(found.weight)
    return logits_of(found.weight, found.bias, z)


def _ridges(train: Examples) -> Iterator[Solution]:
    start = None
    for lam in RIDGES:
        found = solve(train.used, train.y, train.n_classes, Penalty(lam, 0.0), tol=QUICK, start=start)
        yield found
        start = (found.weight, found.bias)
