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
from seewhy.types import Size


class ConceptNet(nn.Module):
    """(1) as a module: pictures in, one number a concept out. The network inside is the user's own, unchanged.

    `image_size` (height, width) is that of the network's inputs.
    """

    def __init__(
        self, module: nn.Module, layer: FeatureLayer, dictionary: Dictionary, image_size: Size
    ) -> None:
        super().__init__()
        self.module, self.layer, self.dictionary, self.image_size = module, layer, dictionary, image_size
        self.training = module.training
        # Part of its state, so that nets of two dictionaries have two fingerprints.
        self.register_buffer("atoms", dictionary.atoms)

    def forward(self, images: Float[Tensor, "b c H W"]) -> Float[Tensor, "b k"]:
        """How much of each concept there is in each picture, summed over places."""
        codes: Tensor = self.dictionary.maps(features_of(self.module, self.layer, images))
        return codes.sum((2, 3))


def features_of(
    module: nn.Module, layer: FeatureLayer, images: Float[Tensor, "b c H W"]
) -> Float[Tensor, "b c h w"]:
    """What a layer computes, with gradients, for pictures of any size that the network takes; it runs whole."""
    found: list[Tensor] = []

    def keep(_: str, call: int, __: Any, output: Any) -> None:
        if call == layer.call:
            found.append(layer.read(output)[0])

    with tapped({layer.name: module.get_submodule(layer.name)}, keep):
        module(images)
    return found[0]
