"""A network whose outputs are concepts, so that whatever explains classes explains concepts too.

    s_k(x) = sum_u U_k(A(x), u)                                                                        (1)

A(x) are the features at a layer and U their codes. For NMF the codes solve a least-squares problem; its
derivative is exact (`concepts.nnls`), which is the implicit differentiation of Fel et al., CVPR 2023
(arXiv 2211.10154), section 3.4.
"""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from seewhy.backbones.layout import FeatureLayer
from seewhy.backbones.taps import tapped
from seewhy.concepts.base import Dictionary


class ConceptNet(nn.Module):
    """(1) as a module: pictures in, one number a concept out. The network inside is the user's own, unchanged."""

    def __init__(self, module: nn.Module, layer: FeatureLayer, dictionary: Dictionary) -> None:
        super().__init__()
        self.module, self.layer, self.dictionary = module, layer, dictionary

    def forward(self, images: Float[Tensor, "b c H W"]) -> Float[Tensor, "b k"]:
        """How much of each concept there is in each picture, summed over places."""
        found: list[Tensor] = []

        def keep(_: str, call: int, __: Any, output: Any) -> None:
            if call == self.layer.call:
                found.append(self.layer.read(output)[0])

        with tapped({self.layer.name: self.module.get_submodule(self.layer.name)}, keep):
            self.module(images)
        codes: Tensor = self.dictionary.maps(found[0])
        return codes.sum((2, 3))
