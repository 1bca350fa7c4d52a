"""Occlusion: what the logit loses without a concept.

phi_k = F(1) - F(1 without k)                                                                          (1)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from seewhy.importance.base import IMPORTANCES, Asked, Found, ImportanceMethod
from seewhy.types import Kind


@IMPORTANCES.register("occlusion")
@dataclass(frozen=True)
class Occlusion(ImportanceMethod):
    """One concept removed at a time, the others as they are: k evaluations, nothing estimated.

    Notes
    -----
    Concepts that can stand in for each other both get little; see `gap` for what single removals do not explain.
    """

    name: ClassVar[str] = "occlusion"
    paper: ClassVar[str] = "Zeiler & Fergus, ECCV 2014 (arXiv 1311.2901); concepts: arXiv 2306.07304"
    kind: ClassVar[Kind] = "effect"
    adds_up: ClassVar[bool] = True

    def find(self, ask: Asked, seed: int) -> Found:
        without = ask(1 - torch.eye(ask.n_concepts, dtype=torch.float64))
        return Found(ask.full[:, None] - without.T, exact=True)
