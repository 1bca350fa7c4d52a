"""The preprocessing that is found gives the tensors of the library's own transform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from seewhy.backbones import huggingface, open_clip, timm, torchvision
from seewhy.images.picture import Picture
from seewhy.images.preprocess import Preprocess

SIZES = [(301, 401), (401, 300), (57, 91), (224, 224), (1, 1), (500, 226)]


def noise(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (*size, 3), np.uint8)


def largest_difference(recipe: Preprocess, theirs: Callable[[Image.Image], Any]) -> float:
    worst = 0.0
    for size in SIZES:
        pixels = noise(size)
        ours, _ = recipe(Picture(pixels))
        other = torch.as_tensor(theirs(Image.fromarray(pixels)))
        assert ours.shape == other.shape, size
        worst = max(worst, float((ours - other).abs().max()))
    return worst


@pytest.mark.parametrize(
    "name",
    [
        "resnet50",  # centre crop, bicubic
        "vit_tiny_patch16_224",  # mean 0.5
        "swin_tiny_patch4_window7_224",
        "mobilenetv2_100",
        "inception_v3",  # 299, bicubic
        "efficientnet_b3",  # share 0.904
        "regnety_160.swag_ft_in1k",  # 384, squash or whole
        "vit_base_patch16_siglip_224",  # squash
        "davit_giant",  # border if its configuration says so
    ],
)
def test_timm(name: str) -> None:
    import timm as library

    cfg = library.get_pretrained_cfg(name)
    data = library.data.resolve_data_config(pretrained_cfg=cfg.to_dict())
    recipe = timm.preprocess_of(data, "test")
    assert recipe is not None
    # Normalisation is one subtraction and one division in float32.
    assert largest_difference(recipe, library.data.create_transform(**data, is_training=False)) < 1e-5


@pytest.mark.parametrize("crop_mode", ["center", "squash", "border"])
@pytest.mark.parametrize("size", [(160, 224), (96, 96)])
def test_timm_crop_modes_on_sizes_that_are_not_square(crop_mode: str, size: tuple[int, int]) -> None:
    import timm as library

    data = {
        "input_size": (3, *size),
        "interpolation": "bilinear",
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
        "crop_pct": 0.9,
        "crop_mode": crop_mode,
    }
    recipe = timm.preprocess_of(data, "test")
    assert recipe is not None
    assert largest_difference(recipe, library.data.create_transform(**data, is_training=False)) < 1e-5


def test_timm_inputs_that_are_no_pictures_have_no_recipe() -> None:
    assert timm.preprocess_of({"input_size": (12, 64, 64)}, "test") is None


@pytest.mark.parametrize(
    "weights",
    [
        "ResNet50_Weights.IMAGENET1K_V1",
        "ResNet50_Weights.IMAGENET1K_V2",
        "ViT_H_14_Weights.IMAGENET1K_SWAG_E2E_V1",
        "Inception_V3_Weights.IMAGENET1K_V1",
        "Swin_V2_T_Weights.IMAGENET1K_V1",
        "EfficientNet_B7_Weights.IMAGENET1K_V1",
    ],
)
def test_torchvision(weights: str) -> None:
    from torchvision import models

    preset = models.get_weight(weights).transforms()
    assert largest_difference(torchvision.preprocess_of(preset, "test"), preset) < 1e-5


@pytest.mark.parametrize("resize_mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [224, (160, 200)])
def test_open_clip(resize_mode: str, interpolation: str, size: int | tuple[int, int]) -> None:
    from open_clip.transform import PreprocessCfg, image_transform_v2

    cfg = {
        "size": size,
        "mean": (0.48, 0.46, 0.41),
        "std": (0.27, 0.26, 0.28),
        "interpolation": interpolation,
        "resize_mode": resize_mode,
        "fill_color": 100,
    }
    theirs = image_transform_v2(PreprocessCfg(**cfg), is_train=False)
    assert largest_difference(open_clip.preprocess_of(cfg, "test"), theirs) < 1e-5


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("processor", "settings"),
    [
        ("ViTImageProcessorPil", {}),
        ("CLIPImageProcessorPil", {}),
        ("DeiTImageProcessorPil", {}),
        ("ConvNextImageProcessorPil", {"size": {"shortest_edge": 224}}),
        ("ConvNextImageProcessorPil", {"size": {"shortest_edge": 384}}),
        ("MobileNetV2ImageProcessorPil", {}),
        ("MobileViTImageProcessorPil", {}),
        ("LevitImageProcessorPil", {}),
        ("EfficientNetImageProcessorPil", {}),
        ("EfficientNetImageProcessorPil", {"rescale_offset": True, "include_top": False}),
        ("ViTImageProcessorPil", {"size": {"height": 160, "width": 224}, "do_normalize": False}),
    ],
)
def test_hugging_face(processor: str, settings: dict[str, Any]) -> None:
    import transformers

    theirs = getattr(transformers, processor)(**settings)
    recipe = huggingface.preprocess_of(huggingface._settings(theirs), "test")
    assert recipe is not None

    def run(image: Image.Image) -> Any:
        done = theirs(np.asarray(image), input_data_format="channels_last")
        return np.ascontiguousarray(done["pixel_values"][0])

    # EfficientNet subtracts after scaling by 2, which costs the last bits of float32.
    assert largest_difference(recipe, run) < 2e-5


@pytest.mark.oracle
def test_hugging_face_starts_an_odd_crop_one_pixel_earlier_than_torchvision() -> None:
    import transformers

    recipe = huggingface.preprocess_of(huggingface._settings(transformers.CLIPImageProcessorPil()), "test")
    assert recipe is not None
    picture = Picture(noise((500, 226)))  # 495 rows after resizing: a margin of 135.5
    rounding = Preprocess(**recipe.to_dict() | {"odd_margin": "round"})
    assert (recipe(picture)[1].ty, rounding(picture)[1].ty) == (-135, -136)


@pytest.mark.parametrize(
    "settings",
    [
        {"do_resize": False},
        {"size": {"shortest_edge": 224}},  # the input would have the picture's aspect
        {"size": {"longest_edge": 224}},
        {"size": {"height": 224, "width": 224}, "do_center_crop": True, "crop_size": {"shortest_edge": 3}},
    ],
)
def test_what_a_recipe_cannot_say_gets_none(settings: dict[str, Any]) -> None:
    assert huggingface.preprocess_of(settings, "test") is None
