"""Arrays and tensors: layouts and ranges are read, never guessed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from seewhy.errors import InputError
from seewhy.images.arrays import over_white
from seewhy.images.read import read_images
from tests.images.made_pictures import noise

PIXELS = noise(6, 9)


def same(images: Any, expected: np.ndarray = PIXELS) -> None:
    (picture,) = read_images(images)
    np.testing.assert_array_equal(picture.pixels, expected)


@pytest.mark.parametrize("scale", [1, 255])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_layout_and_type_gives_the_same_picture(scale: int, dtype: Any) -> None:
    values = PIXELS if scale == 1 else (PIXELS / 255).astype(dtype)
    same(values)
    same(np.moveaxis(values, 2, 0))
    same(values[None])
    same(torch.from_numpy(np.ascontiguousarray(values)).permute(2, 0, 1))
    same(torch.from_numpy(np.ascontiguousarray(values)).permute(2, 0, 1)[None])
    same(torch.from_numpy(np.ascontiguousarray(values)))


def test_a_tensor_with_gradient_and_one_of_bfloat16_are_read() -> None:
    halves = torch.zeros(3, 5, 6).index_fill(1, torch.tensor([0, 1]), 0.5)
    for tensor in (halves.requires_grad_(), halves.detach().bfloat16()):
        (picture,) = read_images(tensor)
        assert picture.pixels[:, 0, 0].tolist() == [128, 128, 0, 0, 0]


@pytest.mark.parametrize("shape", [(6, 9), (6, 9, 1), (1, 6, 9)])
def test_grey_is_repeated_and_noted(shape: tuple[int, ...]) -> None:
    (picture,) = read_images(PIXELS[..., 0].reshape(shape))
    np.testing.assert_array_equal(picture.pixels, np.repeat(PIXELS[..., :1], 3, axis=2))
    assert picture.notes == ("grey to RGB",)


def test_alpha_lies_on_white_for_every_value() -> None:
    ink, alpha = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    rgba = np.stack([ink, ink, ink, alpha], -1)
    expected = np.rint(255 - (255.0 - ink) * alpha / 255)
    np.testing.assert_array_equal(over_white(rgba)[0][..., 1], expected)
    assert read_images(rgba)[0].notes == ("alpha over white",)
    assert read_images(noise(5, 6, 4) | np.uint8(255))[0].notes == ()


def test_16_bits_are_cut_and_noted() -> None:
    (picture,) = read_images(np.array([[255, 256, 65535]] * 2, np.uint16))
    assert picture.pixels[0, :, 0].tolist() == [0, 1, 255]
    assert picture.notes == ("16 bits a channel cut to 8", "grey to RGB")


def test_rounding_errors_around_0_and_1_are_forgiven() -> None:
    same(PIXELS / 255 * (1 + 1e-6) - 1e-7)


def test_half_precision_is_scaled_in_single_precision() -> None:
    halves = np.random.default_rng(0).random((40, 50, 3)).astype(np.float16)
    same(halves, np.rint(halves.astype(np.float64) * 255))


def test_the_picture_does_not_follow_the_callers_array() -> None:
    values = PIXELS.copy()
    (picture,) = read_images(values)
    values[:] = 0
    np.testing.assert_array_equal(picture.pixels, PIXELS)


@pytest.mark.parametrize("shape", [(3, 224, 3), (3, 4, 3), (4, 9, 1), (1, 1, 3), (2, 3, 8, 4)])
def test_shapes_that_fit_two_layouts_are_refused(shape: tuple[int, ...]) -> None:
    words = r"(?s)^images.* has shape .*fits two layouts.*Only one of the first and the last axis.*PIL.Image"
    for values in (np.zeros(shape, np.uint8), torch.zeros(shape)):
        with pytest.raises(InputError, match=words):
            read_images(values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([[-2.12, 2.64]]), r"^images has values from -2.12 to 2.64, so it looks already normalised\.\n"
         r"  Pass preprocess=False to use it as it is, or give pixels: uint8 0..255 or float 0..1\."),
        (torch.tensor([[0.0, 254.0]]), r"values from 0 to 254, so it looks like 8-bit.*\(divide by 255\)"),
        (np.array([[0.0, 1.01]]), "from 0 to 1.01, so it looks already normalised"),
        (np.array([[0.0, np.nan]]), "NaN or infinite.*float 0..1.*nan_to_num"),
        (np.array([[0.0, -np.inf]]), "NaN or infinite"),
        (torch.tensor([[0.5, float("inf")]]), "NaN or infinite"),
        (np.zeros((5, 5), np.int64), r"dtype int64.*uint8 0..255 or float 0..1.*astype\('uint8'\)"),
        (np.zeros((5, 5), bool), "dtype bool"),
        (np.array([["a"]]), "dtype <U1"),
        (np.zeros((5, 5), complex), "dtype complex128"),
        (np.zeros((5, 6, 7)), r"shape \(5, 6, 7\), without an axis of 1, 3 or 4.*batch of grey.*array\[:, None\]"),
        (np.zeros(5), r"shape \(5,\).*2 axes \(grey\) or 3 \(colour\), a batch 4"),
        (np.zeros(()), r"shape \(\)"),
        (np.zeros((2, 2, 5, 5, 3)), r"shape \(2, 2, 5, 5, 3\)"),
        (np.zeros((0, 5, 3)), "has 5x0 pixels.*at least one"),
        (np.zeros((0, 5, 5, 3)), "empty ndarray"),
        (np.stack([np.zeros((5, 5, 3)), np.full((5, 5, 3), -1)]), r"images\[1\] has values from -1 to -1"),
        (torch.zeros(5, 5, 3, device="meta"), "tensor without plain values.*dense tensors"),
        (torch.zeros(5, 6).to_sparse(), r"tensor without plain values.*to_dense\(\)"),
    ],
)  # fmt: skip
def test_what_is_unclear_is_refused_in_words(values: Any, words: str) -> None:
    with pytest.raises(InputError, match="(?s)" + words):
        read_images(values)


def test_too_many_pixels_are_refused() -> None:
    with pytest.raises(InputError, match=r"(?s)images has 9x6 pixels.*max_pixels=54 to read_images"):
        read_images(PIXELS, max_pixels=53)


def test_reading_arrays_does_not_import_torch() -> None:
    code = (
        "import sys, numpy, seewhy.images.read as r; r.read_images(numpy.zeros((5, 6, 3))); r.is_single(3);"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
