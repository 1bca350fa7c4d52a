"""HiResCAM: features times gradient, cell by cell (arXiv 2011.08891).

M_ij = sum_d  G_dij A_dij                                                                              (1)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from seewhy.attribution.base import METHODS, Method, Need, Question, Raw
from seewhy.attribution.question import Expansion
from seewhy.attribution.shares import completeness
from seewhy.errors import NotSupported, message

CANCELLED = 1e-4
"""Relative size of a sum below which rounding is all that is left of it; 1e-6 was seen, bfloat16 keeps 4e-3."""


@METHODS.register("hirescam", aliases=("hires_cam",))
@dataclass(frozen=True)
class HiResCAM(Method):
    """What the features of each cell add to the logit; exact where the rest of the network is affine.

    Parameters
    ----------
    relu
        Cut negative values off, as the paper's figures do. Default: the signed map, which adds up.

    Notes
    -----
    One forward pass, and of the tail one backward pass and one more forward pass on features set to zero,
    whose logit is the bias of  logit = bias + sum(M).  `gap` says what this misses; the kind is "share" where
    it holds (global pooling and a linear head: always), else "effect". With relu=True neither is given.
    """

    relu: bool = False

    name: ClassVar[str] = "hirescam"
    paper: ClassVar[str] = "Draelos and Carin, 2020 (arXiv 2011.08891), eq. 6"
    needs: ClassVar[frozenset[Need]] = frozenset({"gradient", "features"})

    def attribute(self, question: Question) -> Raw:
        expansion = question.expand(bias=not self.relu)
        maps = self._products(question, expansion).sum(1)
        if self.relu:
            return Raw(maps.relu(), signed=False)
        gaps, kinds = completeness(maps, expansion.scores, expansion.bias)
        return Raw(maps, gaps, kinds)

    def _products(self, question: Question, expansion: Expansion) -> Float[Tensor, "b d h w"]:
        """G A, refused where its sum over the features is nothing but rounding."""
        products = expansion.gradients * expansion.features
        magnitude = products.abs().sum(1).max()
        # Features that are all zero add up to zero too, and are right to.
        if magnitude > 0 and products.sum(1).abs().max() <= CANCELLED * magnitude:
            layer = question.choices["layer"].split(" ")[0]
            raise NotSupported(
                message(
                    f"Gradient times features adds up to zero in every cell of {layer!r}: a layer norm behind it "
                    "divides their scale out.",
                    "HiResCAM needs a layer whose scale counts.",
                    "Pass at= the norm's own output (in most transformers the last block's norm1), or take "
                    "layercam or legrad.",
                )
            )
        return products
