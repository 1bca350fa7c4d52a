"""Grad-CAM: channels weighted by the mean gradient of the score (arXiv 1610.02391).

M = ReLU( sum_d w_d A_d ),  w_d = mean_ij G_dij                                                        (1)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from seewhy.attribution.base import METHODS, Method, Need, Question, Raw


@METHODS.register("gradcam", aliases=("grad_cam",))
@dataclass(frozen=True)
class GradCAM(Method):
    """Where features that raise the score on average are active.

    Parameters
    ----------
    relu
        Cut negative values off, as the paper does; False keeps the signed map.

    Notes
    -----
    One forward pass and one backward pass of the tail. At the input of global pooling and a linear head,
    grid size times the signed map sums to the logit without its bias.
    """

    relu: bool = True

    name: ClassVar[str] = "gradcam"
    paper: ClassVar[str] = "Selvaraju et al., ICCV 2017 (arXiv 1610.02391), eq. 1-2"
    needs: ClassVar[frozenset[Need]] = frozenset({"gradient", "features"})

    def attribute(self, question: Question) -> Raw:
        a, g = question.features_and_gradients()
        weights = g.mean((2, 3), keepdim=True)
        maps = (weights * a).sum(1)
        return Raw(maps.relu() if self.relu else maps, signed=not self.relu)
