"""Gradient x input: what each concept's presence is worth at the present slope.

phi_k = u_k dF/du_k = dF/dm_k at m = 1                                                                 (1)

On an affine tail phi_k = c_k, and with F(0) they add up to the logit; elsewhere it is a first-order estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from seewhy.importance.base import IMPORTANCES, Asked, Found, ImportanceMethod
from seewhy.types import Kind


@IMPORTANCES.register("gradient_x_input")
@dataclass(frozen=True)
class GradientXInput(ImportanceMethod):
    """The slope of the logit along each concept's own code: one backward pass.

    Notes
    -----
    The values are shares where the function says it is affine and they add up, else effects. A concept whose
    influence has saturated gets 0.
    """

    name: ClassVar[str] = "gradient_x_input"
    paper: ClassVar[str] = "Fel et al., NeurIPS 2023 (arXiv 2306.07304), section 3"
    kind: ClassVar[Kind] = "effect"
    needs_gradient: ClassVar[bool] = True
    adds_up: ClassVar[bool] = True

    def find(self, ask: Asked, seed: int) -> Found:
        values = ask.gradient(torch.ones(1, ask.n_concepts))[0]
        shares = ask.affine and ask.adds_up(values)
        return Found(values, kind="share" if shares else "effect", exact=True)
