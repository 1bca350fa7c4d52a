"""The bundled classifiers' architectures, built from timm's own parts: they take the paths of any timm network.

    "resnet-w16"   3x3 stem of stride 2; three stages of three basic blocks, 16, 32 and 64 wide; mean, linear
    "vit-ti-8"     patches of 8 pixels; six blocks of width 128, four heads; mean of the tokens, linear

A 96-pixel picture becomes a 12x12 grid in both, one cell for 8x8 pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seewhy.errors import UnknownName, did_you_mean, message

if TYPE_CHECKING:
    from torch import nn

PICTURE_SIZE = 96
NETWORKS = ("resnet-w16", "vit-ti-8")


def build(name: str, classes: int) -> nn.Module:
    """A network of that architecture with its first, random weights, drawn from torch's global generator.

    Raises
    ------
    UnknownName
        If there is no such architecture.
    """
    if name == "resnet-w16":
        return _resnet_w16(classes)
    if name == "vit-ti-8":
        return _vit_ti_8(classes)
    raise UnknownName(
        message(
            f"There is no bundled architecture {name!r}.",
            did_you_mean(name, NETWORKS),
            f"Known: {', '.join(NETWORKS)}.",
        )
    )


def _resnet_w16(classes: int) -> nn.Module:
    from timm.models.byobnet import ByoBlockCfg, ByobNet, ByoModelCfg

    stages = tuple(
        ByoBlockCfg("basic", d=3, c=width, s=stride) for width, stride in ((16, 1), (32, 2), (64, 2))
    )
    shape = ByoModelCfg(blocks=stages, stem_type="3x3", stem_chs=16, stem_pool="")
    network: nn.Module = ByobNet(shape, num_classes=classes, img_size=PICTURE_SIZE)
    return network


def _vit_ti_8(classes: int) -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer

    network: nn.Module = VisionTransformer(
        img_size=PICTURE_SIZE,
        patch_size=8,
        embed_dim=128,
        depth=6,
        num_heads=4,
        num_classes=classes,
        global_pool="avg",
    )
    return network
