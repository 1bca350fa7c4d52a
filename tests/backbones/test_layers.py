from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from seewhy.backbones.base import Backbone
from seewhy.backbones.layers import Candidate, spatial_layout
from seewhy.backbones.layout import FeatureLayer
from seewhy.errors import InputError, LayerNotFound, NotSupported
from tests.backbones.networks import Family, TwoRoads, families, ready

SIZE = (64, 96)
GRID = (8, 12)


def by_id(name: str) -> Family:
    return next(family for family in families() if family.id == name)


def find(module: nn.Module, size: tuple[int, int] = SIZE) -> dict[str, Candidate]:
    return {c.layer.name: c for c in Backbone(module.eval()).layers(size=size)}


class Tokens(nn.Module):
    """Patch tokens that pass through `between` before they are averaged; `arrange` changes their order."""

    def __init__(self, arrange: Callable[[Tensor], Tensor] = lambda tokens: tokens, width: int = 16) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Conv2d(3, width, 8, stride=8)
        self.between = nn.Sequential(nn.LayerNorm(width), nn.Tanh())
        self.head = nn.Linear(width, 3)
        self.arrange = arrange

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.between(self.arrange(self.embed(x).flatten(2).transpose(1, 2)))
        return self.head(torch.tanh(tokens).mean(1))


def with_class_token(first: bool) -> Callable[[Tensor], Tensor]:
    def arrange(tokens: Tensor) -> Tensor:
        token = 0.3 + torch.zeros_like(tokens[:, :1])
        return torch.cat([token, tokens] if first else [tokens, token], 1)

    return arrange


def window_by_window(tokens: Tensor) -> Tensor:
    windows = tokens.reshape(-1, GRID[0] // 4, 4, GRID[1] // 4, 4, tokens.shape[2])
    return windows.permute(0, 1, 3, 2, 4, 5).flatten(1, 4)


def turned_over(tokens: Tensor) -> Tensor:
    return tokens.unflatten(1, GRID).transpose(1, 2).flatten(1, 2)


@pytest.mark.parametrize(
    ("shape", "size", "wanted"),
    [
        ((2, 512, 7, 7), (224, 224), ("bchw", (7, 7), 512, 0)),
        ((2, 7, 7, 512), (224, 224), ("bhwc", (7, 7), 512, 0)),
        ((2, 7, 7, 7), (224, 224), ("bchw", (7, 7), 7, 0)),
        ((2, 64, 3, 5), (96, 160), ("bchw", (3, 5), 64, 0)),
        ((2, 64, 5, 3), (96, 160), None),
        ((2, 64, 4, 6), (97, 161), ("bchw", (4, 6), 64, 0)),
        ((2, 8, 1, 4), (16, 64), ("bchw", (1, 4), 8, 0)),
        ((2, 196, 192), (224, 224), ("tokens", (14, 14), 192, 0)),
        ((2, 197, 192), (224, 224), ("tokens", (14, 14), 192, 1)),
        ((2, 201, 192), (224, 224), ("tokens", (14, 14), 192, 5)),
        ((2, 10, 192), (112, 112), ("tokens", (3, 3), 192, 1)),
        ((2, 61, 192), (96, 160), ("tokens", (6, 10), 192, 1)),
        ((2, 61, 192), (160, 96), ("tokens", (10, 6), 192, 1)),
        ((2, 16, 192), (97, 161), ("tokens", (3, 5), 192, 1)),
        ((2, 3, 224, 224), (224, 224), ("bchw", (224, 224), 3, 0)),
        ((2, 3, 197, 197), (224, 224), None),
        ((2, 512, 1, 1), (224, 224), None),
        ((2, 512), (224, 224), None),
        ((8, 49, 96), (224, 224), None),
        ((), (224, 224), None),
    ],
)
def test_shapes_are_read_as_the_picture_demands(
    shape: tuple[int, ...], size: tuple[int, int], wanted: tuple[object, ...] | None
) -> None:
    assert spatial_layout(shape, 2, size) == wanted


def test_a_stated_number_of_prefix_tokens_decides_between_readings() -> None:
    assert spatial_layout((2, 10, 8), 2, (112, 112)) == ("tokens", (3, 3), 8, 1)
    assert spatial_layout((2, 10, 8), 2, (112, 112), prefix_hint=6) == ("tokens", (2, 2), 8, 6)


@pytest.mark.parametrize("layout", ["bchw", "bhwc", "tokens"])
def test_reading_and_writing_are_each_others_inverse(layout: str) -> None:
    generator = torch.Generator().manual_seed(0)
    n_prefix = 2 if layout == "tokens" else 0
    shape = {"bchw": (2, 5, 3, 4), "bhwc": (2, 3, 4, 5), "tokens": (2, 2 + 12, 5)}[layout]
    layer = FeatureLayer("it", layout, (3, 4), 5, n_prefix, path=(1,), model_size=(24, 32))  # type: ignore[arg-type]
    output = ("first", torch.randn(shape, generator=generator))
    features, prefix = layer.read(output)
    assert features.shape == (2, 5, 3, 4) and (prefix is None) == (n_prefix == 0)
    written = layer.write(output, features, prefix)
    assert written[0] == "first" and torch.equal(written[1], output[1])
    # Row by row: the token after the first row is the first of the second.
    if layout == "tokens":
        assert torch.equal(features[:, :, 1, 0], output[1][:, 2 + 4])
    assert layer.stride == (8, 8)


def test_tokens_in_the_order_of_the_picture_are_offered_and_others_are_not() -> None:
    assert find(Tokens())["between"].usable
    for arrange in (window_by_window, turned_over, lambda tokens: tokens.flip(1)):
        found = find(Tokens(arrange))["between"]
        assert found.alive and not found.in_order
        assert "do not follow the picture" in found.reason


def test_a_class_token_is_cut_off_only_where_it_stands() -> None:
    before, after = (find(Tokens(with_class_token(first)))["between"] for first in (True, False))
    assert before.usable and before.layer.prefix == 1 and before.layer.grid == GRID
    assert not after.in_order, "97 tokens look the same, but each cell would be read one to the left"


def test_the_default_skips_what_is_out_of_order() -> None:
    chosen = Backbone(Tokens(window_by_window).eval()).layer(size=SIZE)
    assert chosen.layer.name == "embed" and chosen.sealed


def test_naming_a_layer_out_of_order_is_refused_with_another_to_use() -> None:
    with pytest.raises(NotSupported) as error:
        Backbone(Tokens(window_by_window).eval()).layer("between", size=SIZE)
    assert "The cells of 'between' do not follow the picture" in str(error.value)
    assert "Use layer='embed'" in str(error.value)


def test_blocks_of_hiera_before_its_tokens_are_in_raster_order_are_not_offered() -> None:
    family = by_id("hiera")
    backbone = Backbone(ready(family))
    found = {c.layer.name: c for c in backbone.layers(size=family.size)}
    assert [found[f"blocks.{i}"].usable for i in range(5)] == [False] * 4 + [True]


def test_the_last_block_of_a_class_token_network_is_refused_with_the_reason() -> None:
    family = by_id("vit")
    backbone = Backbone(ready(family))
    with pytest.raises(NotSupported) as error:
        backbone.layer("blocks.11", size=family.size)
    assert "their gradient is zero" in str(error.value)
    assert "the class token is read out after this block" in str(error.value)
    assert "Use layer='blocks.11.norm1'" in str(error.value)
    assert backbone.layer("blocks.11.norm1", size=family.size).layer.prefix == 1


def test_an_unknown_layer_gets_the_nearest_names_and_their_sizes() -> None:
    family = by_id("resnet")
    with pytest.raises(LayerNotFound) as error:
        Backbone(ready(family)).layer("layer5", size=family.size)
    assert "No module 'layer5' in ResNet. Did you mean" in str(error.value)
    assert "layer4 (512x3x5)" in str(error.value)
    assert "seewhy.layers(model) lists every usable layer" in str(error.value)


def test_a_layer_without_places_is_refused_and_the_last_with_places_are_named() -> None:
    family = by_id("resnet")
    with pytest.raises(LayerNotFound) as error:
        Backbone(ready(family)).layer("fc", size=family.size)
    assert "Module 'fc' of ResNet returns nothing that keeps a place" in str(error.value)
    assert "layer4 (512x3x5)" in str(error.value)


def test_modules_that_return_the_same_tensor_are_one_layer_under_all_their_names() -> None:
    family = by_id("resnet")
    backbone = Backbone(ready(family))
    names = [c.layer.name for c in backbone.layers(size=family.size)]
    assert "layer4" in names and "layer4.1" not in names
    for name in ("layer4", "layer4.1", "layer4.1.act2"):
        assert backbone.layer(name, size=family.size).layer.name == "layer4"


def test_an_output_that_only_gives_the_gradient_another_way_is_not_alive() -> None:
    class Bundle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 8, stride=8)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            x = self.conv(x)
            return {"map": x, "pooled": x.mean((2, 3))}

    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone, self.head = Bundle(), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.backbone(x)["pooled"])

    # The map comes out of `backbone`, but the head reads what was pooled from it inside.
    chosen = Backbone(Reads().eval()).layer(size=SIZE)
    assert chosen.layer.name == "backbone.conv" and "backbone" in chosen.also


def test_an_in_place_activation_is_a_layer_of_its_own() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 8, stride=8), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    ).eval()  # fmt: skip
    x = torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    convolved = module[0](x).detach()
    backbone = Backbone(module)
    assert backbone.layer(size=SIZE).layer.name == "1"
    assert torch.equal(backbone.split("0", size=SIZE).cut(x).features, convolved)
    assert torch.equal(backbone.split("1", size=SIZE).cut(x).features, convolved.relu())


def test_where_nothing_takes_all_the_layer_that_misses_least_is_chosen() -> None:
    class Branches(TwoRoads):
        """A strong branch, then a weak one."""

        def __init__(self) -> None:
            super().__init__()
            self.weak = nn.Conv2d(3, 8, 4, stride=4)

        def forward(self, x: Tensor) -> Tensor:
            strong = self.see(x).mean((2, 3))
            return self.head(torch.cat([strong + 0.01 * self.weak(x).mean((2, 3)), 0.1 * x.mean((2, 3))], 1))

    torch.manual_seed(0)
    chosen = Backbone(Branches().eval()).layer(size=SIZE)
    assert chosen.layer.name == "see" and chosen.sealed is False
    assert chosen.reason == "part of the picture reaches the logits around it"


def test_logits_equal_but_for_rounding_are_told_apart_in_double_precision() -> None:
    class Around(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.body = nn.Conv2d(3, 4, 8, stride=8), nn.Conv2d(4, 4, 1)
            self.head = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            return self.head(1e-8 * (torch.tanh(self.body(x)) + x).mean((2, 3)))

    torch.manual_seed(0)
    backbone = Backbone(Around().eval())
    with torch.no_grad():
        first, second = backbone.logits(backbone.probe(SIZE).inputs)
    assert torch.allclose(first, second, atol=1e-6)
    assert backbone.layer("body", size=SIZE).sealed is False
    assert backbone.layer(size=SIZE).layer.name == "stem" and backbone.layer(size=SIZE).sealed


def test_a_network_whose_head_is_zero_is_refused_with_the_hint() -> None:
    module = Tokens()
    nn.init.zeros_(module.head.weight)
    with pytest.raises(LayerNotFound) as error:
        Backbone(module.eval()).layer(size=SIZE)
    assert "none of which follows the picture and influences the logits" in str(error.value)
    assert "head is not initialised to zero" in str(error.value)


def test_a_network_without_places_is_refused() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 96, 4))
    with pytest.raises(LayerNotFound, match="has no spatial output that influences the logits"):
        Backbone(module.eval()).layer(size=SIZE)


def test_nan_weights_are_refused_before_anything_is_looked_for() -> None:
    module = Tokens()
    nn.init.constant_(module.embed.weight, float("nan"))
    with pytest.raises(InputError, match="returned NaN or infinity in 6 of 6 logits"):
        Backbone(module.eval()).layers(size=SIZE)
