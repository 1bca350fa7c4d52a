"""When a map may be called shares: its cells and what was there before must add up to the score."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from seewhy.types import Kind

TOLERANCE = 1e-4
"""Of |bias| + sum|shares|, as for the totals row of an explanation."""


def completeness(
    maps: Float[Tensor, "b h w"], scores: Float[Tensor, " b"], bias: Float[Tensor, " b"]
) -> tuple[list[float | None], list[Kind | None]]:
    """Gap and kind of each map that means to satisfy  score = bias + sum(map).

    gap = |sum(map) - (score - bias)| / max(|score - bias|, 1e-6)                                      (1)

    A map is "share" if |sum(map) + bias - score| <= 1e-4 (|bias| + sum|map|), else "effect": an estimate of
    what the cells do that does not add up.
    """
    maps, scores, bias = maps.double().cpu(), scores.double().cpu(), bias.double().cpu()
    missed = (maps.sum((1, 2)) + bias - scores).abs()
    gaps = missed / (scores - bias).abs().clamp(min=1e-6)
    allowed = TOLERANCE * (bias.abs() + maps.abs().sum((1, 2)))
    kinds: list[Kind | None] = ["share" if holds else "effect" for holds in (missed <= allowed).tolist()]
    return [float(gap) for gap in gaps], kinds
