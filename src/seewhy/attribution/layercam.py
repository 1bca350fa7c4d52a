"""LayerCAM: features weighted by their own positive gradient (Jiang et al., TIP 2021).

M_ij = ReLU( sum_d  ReLU(G_dij) A_dij )                                                                (1)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from seewhy.attribution.base import METHODS, Method, Need, Question, Raw


@METHODS.register("layercam", aliases=("layer_cam",))
@dataclass(frozen=True)
class LayerCAM(Method):
    """Where features that raise the score are active; usable at early, fine layers too (`at=`).

    Parameters
    ----------
    relu
        Cut negative values off, as the paper does. They occur only where features are negative.

    Notes
    -----
    One forward pass and one backward pass of the tail.
    """

    relu: bool = True

    name: ClassVar[str] = "layercam"
    paper: ClassVar[str] = "Jiang et al., IEEE TIP 30 (2021), 5875-5888, eq. 5-7"
    needs: ClassVar[frozenset[Need]] = frozenset({"gradient", "features"})

    def attribute(self, question: Question) -> Raw:
        a, g = question.features_and_gradients()
        maps = (g.relu() * a).sum(1)
        return Raw(maps.relu() if self.relu else maps, signed=not self.relu)
