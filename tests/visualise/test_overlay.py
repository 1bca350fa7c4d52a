"""The map lies on the original picture, pixel by pixel as the formula says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.images.geometry import Geometry
from seewhy.images.picture import Picture
from seewhy.visualise.colours import DIVERGING, SEQUENTIAL, Scale
from seewhy.visualise.overlay import display_size, draw, hatch_lines, overlay, picture_at
from tests.made_answers import made_attribution, made_explanation, made_picture


def slow_pixel(own: list[int], value: float, scale: Scale, opacity: float, line: bool) -> list[int]:
    """Formula (1) of `overlay`, one pixel at a time."""
    if math.isnan(value):
        return [round_half_up(0.6 * c + 0.4 * 220 if line else 0.55 * c + 0.45 * 125) for c in own]
    anchors = DIVERGING if scale.signed else SEQUENTIAL
    share = (value + scale.limit) / (2 * scale.limit) if scale.signed else value / scale.limit
    at = min(max(share, 0.0), 1.0) * (len(anchors) - 1)
    left = min(int(at), len(anchors) - 2)
    size = abs(value) if scale.signed else max(value, 0.0)
    alpha = opacity * math.sqrt(min(size / scale.limit, 1.0))
    drawn = []
    for c in range(3):
        a, b = (int(anchors[k][1 + 2 * c : 3 + 2 * c], 16) for k in (left, left + 1))
        drawn.append(round_half_up((1 - alpha) * own[c] + alpha * (a + (at - left) * (b - a))))
    return drawn


def round_half_up(value: float) -> int:
    return math.floor(value + 0.5)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("opacity", [0.0, 0.6, 1.0])
def test_pixels_equal_a_slow_loop(signed: bool, opacity: float) -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (9, 14, 3), dtype=np.uint8)
    placed = rng.normal(0, 1, (9, 14)).astype(np.float32)
    placed[2:5, 3:9] = np.nan
    scale = Scale(1.5, signed)
    drawn = overlay(pixels, placed, scale, opacity=opacity)
    lines = hatch_lines(9, 14)
    for y in range(9):
        for x in range(14):
            wanted = slow_pixel(pixels[y, x].tolist(), float(placed[y, x]), scale, opacity, bool(lines[y, x]))
            # Sums of different order may round a tie differently.
            assert np.abs(drawn[y, x].astype(int) - wanted).max() <= 1, (y, x)


def test_where_the_map_is_zero_the_picture_is_unchanged() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 11, 3), dtype=np.uint8)
    for signed in (True, False):
        assert np.array_equal(overlay(pixels, np.zeros((6, 11)), Scale(1.0, signed)), pixels)


def test_a_near_zero_map_hardly_changes_the_picture() -> None:
    pixels = np.full((4, 5, 3), 100, np.uint8)
    drawn = overlay(pixels, np.full((4, 5), 1e-4), Scale(1.0, signed=True))
    assert np.abs(drawn.astype(int) - 100).max() <= 2


def test_opposite_values_are_seen_as_opposite_colours() -> None:
    pixels = np.full((1, 2, 3), 128, np.uint8)
    drawn = overlay(pixels, np.array([[-1.0, 1.0]]), Scale(1.0, signed=True), opacity=1.0)
    blue, red = drawn[0].astype(int)
    assert blue[2] > blue[0] and red[0] > red[2]


def test_a_hill_lands_where_it_is_on_the_uncropped_picture() -> None:
    # 40 wide, 20 high; the model saw the middle 20x20 as 8x8. Cell (0, 1) of a 2x2 grid is x 20-30, y 0-10.
    picture = Picture(np.full((20, 40, 3), 128, np.uint8))
    answer = made_attribution(
        picture=picture,
        geometry=Geometry((20, 40), (8, 8), 0.4, 0.4, -4.0, 0.0),
        map=np.array([[0, 1], [0, 0]], np.float32),
    )
    drawn = draw(answer, opacity=1.0).astype(int)
    redness = drawn[:, 10:30, 0] - drawn[:, 10:30, 2]
    assert np.unravel_index(redness.argmax(), redness.shape)[0] < 10
    assert redness[:10, 10:].mean() > 4 * redness[10:, :10].mean()
    unseen = np.delete(drawn, np.s_[10:30], axis=1)
    assert (unseen[..., 0] == unseen[..., 2]).all(), "outside the crop nothing is coloured"
    assert set(np.unique(unseen)) == {165, 127}, "and it is dimmed and hatched"


def test_a_limit_replaces_the_scale_and_small_limits_saturate() -> None:
    answer = made_attribution(signed=False)
    assert np.array_equal(draw(answer, limit=float(answer.map.max())), draw(answer))
    changed = np.abs(draw(answer, limit=1e3).astype(int) - answer.image.pixels)
    seen = answer.geometry.seen()
    assert changed[seen].max() <= 6


@pytest.mark.parametrize("opacity", [-0.1, 1.5, float("nan")])
def test_an_opacity_outside_0_to_1_is_refused(opacity: float) -> None:
    with pytest.raises(InputError, match=r"(?s)opacity is .*lies in 0 to 1"):
        draw(made_attribution(), opacity=opacity)


def test_sizes_that_differ_are_refused_by_both_sizes() -> None:
    with pytest.raises(InputError, match=r"(?s)\(3, 4\).*\(4, 3\).*place"):
        overlay(np.zeros((3, 4, 3), np.uint8), np.zeros((4, 3)), Scale(1.0, signed=True))


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((3000, 4000), (768, 1024)),
        ((4000, 30), (1024, 8)),
        ((1, 5000), (1, 1024)),
        ((32, 32), (576, 576)),
        ((1, 1), (560, 560)),
        ((600, 800), (600, 800)),
        ((90, 120), (450, 600)),
    ],
)
def test_display_sizes_keep_the_shape_and_enlarge_by_whole_numbers(
    size: tuple[int, int], shown: tuple[int, int]
) -> None:
    assert display_size(size) == shown


def test_enlarged_pictures_repeat_their_pixels() -> None:
    picture = made_picture(3, 5)
    assert np.array_equal(picture_at(picture, (6, 10)), picture.pixels.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize(("grid", "size"), [((1, 1), (1, 1)), ((1, 9), (7, 3)), ((224, 224), (31, 57))])
def test_odd_grids_and_pictures_are_drawn(grid: tuple[int, int], size: tuple[int, int]) -> None:
    assert draw(made_attribution(grid, made_picture(*size))).shape == (*size, 3)
    assert draw(made_explanation(2, grid, made_picture(*size))).shape == (*size, 3)
