"""Preprocess: the same numbers as the libraries that models were trained with, and a geometry that is true."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_transform
from torchvision import transforms
from torchvision.transforms import InterpolationMode

from seewhy.errors import InputError
from seewhy.images.picture import Picture
from seewhy.images.preprocess import Preprocess
from tests.images.made_pictures import noise

# (height, width): usual, odd, upright, long, tiny, one pixel
SIZES = [(60, 80), (37, 53), (91, 40), (17, 200), (5, 3), (1, 1)]
MEAN, STD = (0.48, 0.45, 0.4), (0.2, 0.22, 0.24)


def same_numbers(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert ours.dtype == torch.float32 and ours.shape == theirs.shape
    # Pixels are equal; only the order of two float32 operations may differ.
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.oracle
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("resize", "crop"), [(32, 28), (33, 33), (24, 31), (10, 13), (30, (20, 41))])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
def test_crop_is_torchvision_resize_and_centre_crop(
    size: tuple[int, int], resize: int, crop: Any, interpolation: str
) -> None:
    pixels = noise(*size)
    theirs = transforms.Compose(
        [
            transforms.Resize(resize, InterpolationMode(interpolation)),
            transforms.CenterCrop(crop),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )(Image.fromarray(pixels))
    ours, _ = Preprocess(crop, resize=resize, interpolation=interpolation, mean=MEAN, std=STD)(
        Picture(pixels)
    )
    same_numbers(ours, theirs)


@pytest.mark.oracle
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("mode", "fit"), [("center", "crop"), ("squash", "stretch"), ("border", "pad")])
@pytest.mark.parametrize("crop_pct", [0.875, 1.0])
@pytest.mark.parametrize("target", [(32, 32), (31, 31), (24, 40)])
def test_every_crop_mode_of_timm(
    size: tuple[int, int], mode: str, fit: Any, crop_pct: float, target: tuple[int, int]
) -> None:
    pixels = noise(*size)
    theirs = create_transform(
        (3, *target), crop_pct=crop_pct, crop_mode=mode, interpolation="bicubic", mean=MEAN, std=STD
    )(Image.fromarray(pixels))
    frame = (int(target[0] / crop_pct), int(target[1] / crop_pct))
    ours, _ = Preprocess(
        target, fit=fit, resize=frame, interpolation="bicubic", mean=MEAN, std=STD, fill=MEAN
    )(Picture(pixels))
    same_numbers(ours, theirs)


@pytest.mark.oracle
def test_grey_is_torchvision_grayscale_and_bgr_is_the_channels_reversed() -> None:
    picture = Picture(noise(40, 50))
    theirs = transforms.Compose(
        [transforms.Resize(20), transforms.CenterCrop(16), transforms.Grayscale(), transforms.ToTensor()]
    )(Image.fromarray(picture.pixels))
    ours, _ = Preprocess(16, resize=20, channels=1, mean=(0.0,), std=(1.0,))(picture)
    same_numbers(ours, theirs)
    rgb, _ = Preprocess(16, mean=0.5, std=0.25)(picture)
    bgr, _ = Preprocess(16, mean=0.5, std=0.25, bgr=True)(picture)
    assert torch.equal(bgr, rgb.flip(0))


@pytest.mark.parametrize("fit", ["crop", "stretch", "pad"])
@pytest.mark.parametrize("resize", [None, 56, (70, 90)])
def test_a_patch_of_the_picture_is_found_where_the_geometry_says(fit: Any, resize: Any) -> None:
    rng = np.random.default_rng(7)
    for _ in range(6):
        height, width = (int(n) for n in rng.integers(60, 160, 2))
        y, x = (int(rng.integers(0.4 * side, 0.6 * side - 6)) for side in (height, width))
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[y : y + 6, x : x + 6] = 255
        made, geometry = Preprocess((48, 56), fit=fit, resize=resize, mean=0, std=1)(Picture(pixels))
        light = made.mean(0).numpy()
        rows, columns = np.indices(light.shape) + 0.5
        centre = (light * columns).sum() / light.sum(), (light * rows).sum() / light.sum()
        back = geometry.box_to_original((*centre, *centre))
        # 8-bit rounding of a blurred patch moves its centre by a small part of a pixel.
        assert back[:2] == pytest.approx((x + 3, y + 3), abs=0.3)
        cell = np.zeros((12, 14), np.float32)
        cell[int(centre[1] / 4), int(centre[0] / 4)] = 1
        placed = np.nan_to_num(geometry.place(cell))
        peak = np.argwhere(placed == placed.max()).mean(0)
        reach = 2 / geometry.sy + 1, 2 / geometry.sx + 1  # half a cell, and the pixel grid
        assert abs(peak[0] - y - 2.5) <= reach[0] and abs(peak[1] - x - 2.5) <= reach[1]


def test_padding_has_the_fill_level_and_the_whole_picture_is_seen() -> None:
    made, geometry = Preprocess(20, fit="pad", fill=0.5, mean=0, std=1)(Picture(noise(10, 20)))
    assert torch.allclose(made[:, :5], torch.tensor(128 / 255)) and torch.allclose(
        made[:, 15:], made[0, 0, 0]
    )
    assert geometry.seen().all() and geometry.seen_box == (0, 0, 20, 10)


def test_blank_is_zero_and_has_the_shape_of_an_input() -> None:
    recipe = Preprocess((7, 9), channels=1, mean=(0.3,), std=(0.2,))
    made, _ = recipe(Picture(noise(3, 4)))
    assert recipe.blank().shape == made.shape and not recipe.blank().any()


@pytest.mark.parametrize(
    "recipe",
    [
        Preprocess(8),
        Preprocess((8, 9), "pad", resize=(7, 7), fill=(0.1, 0.2, 0.3), source="me"),
        Preprocess(8, mean=0),
    ],
)
def test_a_recipe_survives_json(recipe: Preprocess) -> None:
    assert Preprocess(**json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_arrays_and_tensors_are_good_numbers() -> None:
    recipe = Preprocess(np.int64(8), mean=torch.tensor([0.5, 0.5, 0.5]), std=np.full(3, 0.25))  # type: ignore[arg-type]
    assert recipe == Preprocess((8, 8), mean=0.5, std=0.25)
    json.dumps(recipe.to_dict())


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (
            Preprocess(224, resize=256),
            "resize short side to 256 (bilinear), crop 224x224, mean 0.485, 0.456, 0.406,",
        ),
        (Preprocess((20, 30), "stretch"), "stretch to 30x20 (bilinear), mean"),
        (Preprocess(20, "stretch", resize=24), "stretch to 24x24 (bilinear), crop 20x20, mean"),
        (Preprocess((20, 30), "pad"), "fit into 30x20 (bilinear), pad to 30x20, mean"),
        (Preprocess((20, 30)), "cover 30x20 (bilinear), crop 30x20, mean"),
        (Preprocess(8, channels=1, mean=(0.5,), std=(0.5,), bgr=True), "std 0.5, grey, blue first"),
    ],
)
def test_a_recipe_is_told_in_one_line(recipe: Preprocess, words: str) -> None:
    assert words in recipe.describe() and "\n" not in recipe.describe()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"size": 0}, r"size=\(0, 0\)\..*\(height, width\), at least 1 pixel.*training code"),
        ({"size": (3, 4, 5)}, r"size=\(3, 4, 5\)"),
        ({"size": None}, "size=None"),
        ({"size": 8, "fit": "squash"}, "fit='squash'.*'crop', 'stretch' or 'pad'"),
        ({"size": 8, "resize": 0}, "resize=0.*number of pixels from 1"),
        ({"size": 8, "resize": (4, -1)}, r"resize=\(4, -1\)"),
        ({"size": 8, "interpolation": "cubic"}, "interpolation='cubic'.*nearest, bilinear, bicubic"),
        ({"size": 8, "channels": 4}, "channels=4.*1 or 3"),
        ({"size": 8, "mean": (0.1, 0.2)}, r"mean=\(0.1, 0.2\).*holds 3 numbers"),
        ({"size": 8, "mean": ()}, r"mean=\(\).*holds 3 numbers"),
        ({"size": 8, "mean": "grey"}, "mean=.*holds 3 numbers"),
        ({"size": 8, "std": (1, 0, 1)}, r"mean=.*std=\(1.0, 0.0, 1.0\).*std not 0"),
        ({"size": 8, "std": float("nan")}, "mean=.*std=.*holds 3 numbers"),
        ({"size": 8, "channels": 1}, r"mean=\(0.485, .*holds 1 number,"),
        ({"size": 8, "fill": 255}, "fill=255.*level from 0 to 1"),
    ],
)
def test_wrong_recipes_are_refused_in_words(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match="(?s)Preprocess got " + words):
        Preprocess(**arguments)
