"""Networks for the tests of the layer finder, random and small, and what is known of them from their papers.

Nothing here uses the finder: sizes and names come from the networks' own definitions.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn

N_CLASSES = 10


@dataclass(frozen=True)
class Family:
    """One network: how to build it, the input it takes, and what must be found.

    `grid` is (rows, columns) of the last stage, `name` the module where that is beyond doubt, `prefix` the
    number of class and register tokens at the feature layer. `blur` is how many cells a map may lie beside
    the patch that causes it: padding shifts the cells of strided convolutions by half a cell and more, but
    tokens after class tokens stay where they are, and reading them one off must show.
    """

    id: str
    build: Callable[[], nn.Module]
    size: tuple[int, int]
    grid: tuple[int, int]
    name: str | None = None
    prefix: int = 0
    sealed: bool = True
    blur: float = 1.5

    def __post_init__(self) -> None:
        if (
            self.prefix and self.id != "coat"
        ):  # CoaT's tokens went through convolutions of 7 x 7 on 3 x 3 cells
            object.__setattr__(self, "blur", 0.75)


def ready(family: Family, seed: int = 0) -> nn.Module:
    """The network with seeded weights through which something flows, in eval mode; torch's random state is kept."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        module = family.build().eval()
        awaken(module)
        calibrate(module, torch.randn(4, 3, *family.size))
    return module


def awaken(module: nn.Module) -> None:
    """Leave nothing at or near zero: heads and gates that start there let nothing through."""
    with torch.no_grad():
        for parameter in module.parameters():
            if float(parameter.abs().max()) < 1e-3:
                parameter.copy_(0.02 * torch.randn(parameter.shape))


def calibrate(module: nn.Module, x: Tensor) -> None:
    """Give batch norms the statistics of `x`, as training does; without them signals fade or grow with depth."""
    norms = [child for child in module.modules() if isinstance(child, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    if norms:
        with torch.no_grad():
            module(x)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval()
        norm.momentum = momentum


def from_timm(name: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, pretrained=False, num_classes=N_CLASSES, **options)


def from_torchvision(name: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: torchvision.models.get_model(name, weights=None, num_classes=N_CLASSES, **options)


def levit() -> nn.Module:
    """LeViT whose attention prefers near tokens, as after training: with biases of zero it is blind to place."""
    module = timm.create_model("levit_128s", pretrained=False, num_classes=N_CLASSES)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith("attention_biases"):
                parameter.copy_(-torch.arange(parameter.shape[1]).float().expand_as(parameter))
    return module


def volo() -> nn.Module:
    from timm.models.volo import VOLO

    return VOLO(
        layers=(1, 1, 2, 1), img_size=96, num_classes=N_CLASSES, embed_dims=(48, 96, 96, 96), num_heads=(2, 3, 3, 3)
    )  # fmt: skip


def nest() -> nn.Module:
    from timm.models.nest import Nest

    return Nest(
        img_size=112, num_levels=3, embed_dims=(24, 48, 96), num_heads=(1, 2, 4), depths=(1, 1, 2),
        num_classes=N_CLASSES,
    )  # fmt: skip


def open_clip_vit() -> nn.Module:
    from open_clip.transformer import VisionTransformer

    return VisionTransformer(
        image_size=(64, 96), patch_size=16, width=48, layers=4, heads=3, mlp_ratio=2.0, output_dim=N_CLASSES
    )


def open_clip_resnet() -> nn.Module:
    from open_clip.modified_resnet import ModifiedResNet

    return ModifiedResNet(layers=(1, 1, 1, 1), output_dim=N_CLASSES, heads=4, image_size=128, width=16)


def hf_vit() -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    return ViTForImageClassification(
        ViTConfig(
            hidden_size=48, num_hidden_layers=4, num_attention_heads=3, intermediate_size=96, image_size=(96, 64),
            patch_size=16, num_labels=N_CLASSES,
        )
    )  # fmt: skip


def hf_swin() -> nn.Module:
    from transformers import SwinConfig, SwinForImageClassification

    return SwinForImageClassification(
        SwinConfig(
            image_size=64, patch_size=4, embed_dim=24, depths=[1, 1, 1], num_heads=[2, 2, 4], window_size=4,
            num_labels=N_CLASSES,
        )
    )  # fmt: skip


def hf_convnext() -> nn.Module:
    from transformers import ConvNextConfig, ConvNextForImageClassification

    return ConvNextForImageClassification(
        ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1], num_labels=N_CLASSES)
    )


def hf_resnet() -> nn.Module:
    from transformers import ResNetConfig, ResNetForImageClassification

    return ResNetForImageClassification(
        ResNetConfig(
            embedding_size=16, hidden_sizes=[16, 24, 32, 48], depths=[1, 1, 2, 1], layer_type="basic",
            num_labels=N_CLASSES,
        )
    )  # fmt: skip


class Functional(nn.Module):
    """A user's own network: functional code, in-place operations, one activation module used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 12, 5, stride=2, padding=2)
        self.second = nn.Conv2d(12, 16, 3, stride=2, padding=1)
        self.third = nn.Conv2d(16, 16, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(16, N_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.first(x))
        x = torch.relu_(self.second(x))
        x = x + self.act(self.third(x))
        x *= 0.5
        return self.head(x.mean((2, 3)))


class TwoRoads(nn.Module):
    """A network with no layer that everything passes through: the picture's mean colour has a road of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.see = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, stride=4), nn.ReLU())
        self.head = nn.Linear(8 + 3, N_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.cat([self.see(x).mean((2, 3)), x.mean((2, 3))], 1))


def plain_logits(module: nn.Module, x: Tensor) -> Tensor:
    """The network's own answer, read as its documentation says."""
    with torch.no_grad():
        output = module(x.clone())
    return getattr(output, "logits", output)


def pictures(size: tuple[int, int], n: int = 2, seed: int = 5) -> Tensor:
    """Random pictures with coarse structure."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(n, 3, 5, 5, generator=generator)
    smooth = nn.functional.interpolate(coarse, size=size, mode="bilinear", align_corners=False)
    return smooth + 0.2 * torch.randn(n, 3, *size, generator=generator)


PLACES = ((0.25, 0.2), (0.2, 0.7), (0.7, 0.4), (0.8, 0.85))
"""(down, right) as shares of the picture: no two in line, and transposed they are others."""


N_PATCHES = 3


def with_patches(size: tuple[int, int]) -> Tensor:
    """A quiet picture, then the same with N_PATCHES different strong patches centred at each of PLACES."""
    generator = torch.Generator().manual_seed(11)
    height, width = size
    tall, wide = height // 7, width // 7
    quiet = 0.3 * torch.randn(1, 3, height, width, generator=generator)
    x = quiet.repeat(1 + len(PLACES) * N_PATCHES, 1, 1, 1)
    for i, patched in enumerate(x[1:]):
        down, right = PLACES[i // N_PATCHES]
        top, left = round(down * height - tall / 2), round(right * width - wide / 2)
        grain, colour = (torch.randn(3, *shape, generator=generator) for shape in ((tall, wide), (1, 1)))
        patched[:, top : top + tall, left : left + wide] = 2 * grain + 2 * colour
    return x


def centres(features: Tensor) -> Tensor:
    """Where the maps of `with_patches` respond: (places, 2) as rows and columns from the top left corner.

    What a patch changes wherever it lies is not its place: of each map's response, scaled to one in total,
    only what goes beyond the mean over the places counts.
    """
    h, w = features.shape[2:]
    change = (
        (features[1:] - features[:1]).norm(dim=1).view(len(PLACES), N_PATCHES, h, w).square().mean(1).sqrt()
    )
    change = change / change.sum((1, 2), keepdim=True)
    weight = (change - change.mean(0)).clamp_min(0) ** 2
    weight = weight / weight.sum((1, 2), keepdim=True)
    rows = (weight.sum(2) * (torch.arange(h) + 0.5)).sum(1)
    columns = (weight.sum(1) * (torch.arange(w) + 0.5)).sum(1)
    return torch.stack([rows, columns], 1)


def families() -> list[Family]:
    """Networks that were at hand while the finder was written."""
    wide = (96, 160)
    return [
        Family("resnet", from_timm("resnet18"), wide, (3, 5), "layer4"),
        Family("vgg", from_timm("vgg11_bn", mlp_ratio=0.02), (128, 192), (4, 6)),
        Family(
            "densenet", from_timm("densenet121", growth_rate=8, block_config=(2, 2, 2, 2)), (97, 161), (3, 5)
        ),
        Family("mobilenetv2", from_timm("mobilenetv2_035"), (128, 192), (4, 6)),
        Family("mobilenetv3", from_timm("mobilenetv3_large_075"), (160, 224), (5, 7)),
        Family("efficientnet", from_timm("efficientnet_b0"), (160, 224), (5, 7)),
        Family("regnet", from_timm("regnetx_002"), wide, (3, 5)),
        Family("convnext", from_timm("convnext_atto"), wide, (3, 5)),
        Family("inception", from_timm("inception_v3"), (171, 235), (4, 6)),
        Family("hrnet", from_timm("hrnet_w18_small"), wide, (3, 5)),
        Family("repvgg", from_timm("repvgg_a0"), wide, (3, 5)),
        Family("ghostnet", from_timm("ghostnet_050"), wide, (3, 5)),
        Family("dla", from_timm("dla46_c"), wide, (3, 5)),
        Family("nfnet", from_timm("nf_regnet_b0"), wide, (3, 5)),
        Family(
            "vit", from_timm("vit_tiny_patch16_224", img_size=(96, 128)), (96, 128), (6, 8), "blocks.10", 1
        ),
        Family(
            "vit registers",
            from_timm(
                "vit_small_patch14_reg4_dinov2", img_size=(84, 112), embed_dim=96, num_heads=3, depth=4
            ),
            (84, 112),
            (6, 8),
            "blocks.2",
            5,
        ),
        Family(
            "vit average",
            from_timm("vit_tiny_patch16_224", img_size=(96, 128), global_pool="avg", class_token=False),
            (96, 128),
            (6, 8),
        ),
        Family(
            "siglip",
            from_timm("vit_base_patch16_siglip_224", img_size=(96, 128), embed_dim=96, num_heads=3, depth=3),
            (96, 128),
            (6, 8),
        ),
        Family(
            "deit distilled",
            from_timm("deit_tiny_distilled_patch16_224", img_size=(128, 96)),
            (128, 96),
            (8, 6),
            "blocks.10",
            2,
        ),
        Family(
            "beit",
            from_timm("beit_base_patch16_224", img_size=96, embed_dim=96, num_heads=3, depth=3),
            (96, 96),
            (6, 6),
            None,
            1,
        ),
        Family("eva", from_timm("eva02_tiny_patch14_224", img_size=(84, 112)), (84, 112), (6, 8), None, 1),
        Family("cait", from_timm("cait_xxs24_224", img_size=96, depth=3), (96, 96), (6, 6)),
        Family("xcit", from_timm("xcit_nano_12_p16_224"), (96, 160), (6, 10), None, 1),
        Family("volo", volo, (96, 96), (6, 6), None, 1),
        Family("mixer", from_timm("mixer_s32_224", img_size=(160, 160)), (160, 160), (5, 5)),
        Family(
            "swin",
            from_timm(
                "swin_tiny_patch4_window7_224",
                img_size=(112, 168),
                embed_dim=24,
                depths=(1, 1, 2, 1),
                window_size=4,
            ),
            (112, 168),
            (4, 6),
        ),
        Family(
            "swin v2",
            from_timm(
                "swinv2_tiny_window8_256",
                img_size=(128, 192),
                embed_dim=24,
                depths=(1, 1, 2, 1),
                window_size=4,
            ),
            (128, 192),
            (4, 6),
        ),
        Family("pvt", from_timm("pvt_v2_b0"), (96, 160), (3, 5)),
        Family(
            "twins",
            from_timm("twins_svt_small", embed_dims=(16, 32, 64, 128), depths=(1, 1, 1, 1)),
            (224, 224),
            (7, 7),
        ),
        Family("nest", nest, (112, 112), (7, 7)),
        Family("levit", levit, (224, 224), (4, 4)),
        Family("maxvit", from_timm("maxvit_rmlp_pico_rw_256", img_size=(128, 192)), (128, 192), (4, 6)),
        Family("coatnet", from_timm("coatnet_nano_rw_224", img_size=(96, 160)), (96, 160), (3, 5)),
        Family("poolformer", from_timm("poolformer_s12"), (96, 160), (3, 5)),
        Family(
            "hiera",
            from_timm("hiera_tiny_224", img_size=(128, 192), embed_dim=24, stages=(1, 1, 2, 1)),
            (128, 192),
            (4, 6),
        ),
        Family("mvit", from_timm("mvitv2_tiny", img_size=(128, 128)), (128, 128), (4, 4)),
        Family(
            "davit",
            from_timm("davit_tiny", depths=(1, 1, 1, 1), embed_dims=(24, 48, 96, 192)),
            (112, 168),
            (4, 6),
        ),
        Family("coat", from_timm("coat_tiny", img_size=96), (96, 96), (3, 3), None, 1),
        Family("crossvit", from_timm("crossvit_9_240", img_size=(120, 120)), (120, 120), (7, 7), None, 1),
        Family("tnt", from_timm("tnt_s_legacy_patch16_224", img_size=96, depth=3), (96, 96), (6, 6), None, 1),
        Family("fastvit", from_timm("fastvit_t8"), (128, 192), (4, 6)),
        Family("mambaout", from_timm("mambaout_femto"), (128, 192), (4, 6)),
        Family(
            "torchvision vit",
            from_torchvision("vit_b_16", image_size=64),
            (64, 64),
            (4, 4),
            "encoder.layers.encoder_layer_10",
            1,
        ),
        Family("torchvision swin", from_torchvision("swin_t"), (96, 160), (3, 5)),
        Family("torchvision googlenet", from_torchvision("googlenet", init_weights=False), (97, 161), (3, 5)),
        Family("torchvision squeezenet", from_torchvision("squeezenet1_1"), (97, 161), (6, 10)),
        Family("torchvision shufflenet", from_torchvision("shufflenet_v2_x0_5"), (97, 161), (4, 6)),
        Family("torchvision mnasnet", from_torchvision("mnasnet0_5"), (193, 289), (7, 10)),
        Family("torchvision alexnet", from_torchvision("alexnet"), (127, 191), (3, 5), "features"),
        Family("open_clip vit", open_clip_vit, (64, 96), (4, 6), "transformer.resblocks.2", 1),
        Family("open_clip resnet", open_clip_resnet, (128, 128), (4, 4), "layer4"),
        Family("hf vit", hf_vit, (96, 64), (6, 4), None, 1),
        Family("hf swin", hf_swin, (64, 64), (4, 4)),
        Family("hf convnext", hf_convnext, (96, 160), (3, 5)),
        Family("hf resnet", hf_resnet, (96, 160), (3, 5)),
        Family("own two roads", TwoRoads, (40, 72), (10, 18), "see", sealed=False),
        Family("own functional", Functional, (45, 61), (12, 16)),
    ]
