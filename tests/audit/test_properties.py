"""Properties of pictures whose properties are known, and finite numbers for every picture."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seewhy.audit.properties import PROPERTIES, properties
from seewhy.images.picture import Picture


def of(pixels: np.ndarray) -> dict[str, float]:
    return properties(Picture(np.ascontiguousarray(pixels, np.uint8)))


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2), (7, 5), (3000, 2), (600, 1500)])
def test_every_property_of_every_picture_is_finite(size: tuple[int, int]) -> None:
    for pixels in (noise(*size), np.full((*size, 3), 255), np.zeros((*size, 3))):
        found = of(pixels)
        assert list(found) == list(PROPERTIES)
        assert all(type(value) is float and math.isfinite(value) for value in found.values())


def test_a_plain_picture_has_light_and_nothing_else() -> None:
    found = of(np.full((3, 5, 3), 102))
    assert found.pop("brightness") == pytest.approx(0.4)
    assert found.pop("size") == pytest.approx(math.log(15))
    assert found.pop("aspect") == pytest.approx(math.log(5 / 3))
    assert all(value == pytest.approx(0, abs=1e-12) for value in found.values())


def test_colours_have_their_luma_and_warmth() -> None:
    red, blue = (of(np.full((4, 4, 3), np.array(colour))) for colour in ((255, 0, 0), (0, 0, 255)))
    assert (red["brightness"], blue["brightness"]) == pytest.approx((0.299, 0.114))
    assert (red["warmth"], blue["warmth"]) == pytest.approx((1, -1))
    assert red["colourfulness"] == pytest.approx((0.701 + 2 * 0.299) / 3)


def test_halves_of_black_and_white_in_closed_form() -> None:
    pixels = np.zeros((4, 6, 3))
    pixels[:, 3:] = 255
    found = of(pixels)
    assert (found["brightness"], found["contrast"]) == pytest.approx((0.5, 0.5))
    # One of five steps across is 1, none down; the mean of both over a contrast of 1/2.
    assert found["sharpness"] == pytest.approx((1 / 5 + 0) / 2 / 0.5)
    assert found["border"] == pytest.approx(0.5)


def test_a_plain_frame_has_no_border_whatever_it_frames() -> None:
    pixels = noise(9, 12)
    assert of(pixels)["border"] > 0.1
    pixels[[0, -1]] = pixels[:, [0, -1]] = 200
    assert of(pixels)["border"] == pytest.approx(0, abs=1e-12)


def test_a_blurred_picture_is_less_sharp_at_any_contrast() -> None:
    sharp = noise(32, 32).astype(float)
    blurred = np.mean([np.roll(sharp, (i, j), (0, 1)) for i in range(4) for j in range(4)], axis=0)
    assert of(blurred)["sharpness"] < 0.7 * of(sharp)["sharpness"]
    assert of(sharp / 4)["sharpness"] == pytest.approx(of(sharp)["sharpness"], rel=0.05)


def test_turning_a_picture_turns_its_aspect_only() -> None:
    one, turned = of(noise(6, 11)), of(noise(6, 11).transpose(1, 0, 2))
    assert turned.pop("aspect") == pytest.approx(-one.pop("aspect"))
    # The corners count with both of their sides, so the border too is the same.
    assert turned == pytest.approx(one)


def test_a_large_picture_counts_its_true_size() -> None:
    small = noise(100, 300)
    large = np.kron(small, np.ones((6, 6, 1), np.uint8))
    found, expected = of(large), of(small)
    assert found["size"] == pytest.approx(math.log(600 * 1800))
    for name in ("brightness", "contrast", "colourfulness", "warmth", "aspect"):
        assert found[name] == pytest.approx(expected[name], abs=0.01), name
