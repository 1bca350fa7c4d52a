"""The Picture object: what it accepts, its size, its hash and how it prints."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.images.picture import Picture
from tests.images.made_pictures import noise


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 5), np.uint8),
        np.zeros((4, 5, 4), np.uint8),
        np.zeros((4, 5, 3), np.float32),
        np.zeros((0, 5, 3), np.uint8),
    ],
)
def test_only_uint8_rgb_with_a_pixel_is_a_picture(pixels: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"(?s)shape.*dtype.*uint8 \(height, width, 3\).*read_images"):
        Picture(pixels)


def test_size_is_height_then_width_and_repr_is_width_by_height() -> None:
    picture = Picture(noise(4, 7), name="a")
    assert picture.size == (4, 7)
    assert repr(picture) == "Picture('a', 7x4)"


def test_hash_depends_on_pixels_and_size_but_not_on_storage() -> None:
    pixels = noise(6, 4)
    same = Picture(np.asfortranarray(pixels), name="other")
    assert Picture(pixels).sha256 == same.sha256
    assert Picture(pixels).sha256 != Picture(pixels.reshape(4, 6, 3)).sha256
    changed = pixels.copy()
    changed[5, 3, 2] ^= 1
    assert Picture(pixels).sha256 != Picture(changed).sha256
