"""The ring is a ring, in the right place and colour, and the VLM sees nothing else changed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from seewhy.errors import NotSupported
from seewhy.grounding.red_circle import RedCircle, normalised
from seewhy.images.preprocess import Preprocess
from seewhy.images.read import read_images
from tests.grounding.fake import MEAN, STD, Circled, Patches, inputs


def drawn_by_pillow(size: tuple[int, int], y: float, x: float, radius: float, width: float) -> np.ndarray:
    """Eight times as large, because Pillow rounds to whole pixels, and a pixel counts if half of it is covered."""
    image = Image.new("L", (size[1] * 8, size[0] * 8))
    low, high = -radius - width / 2, radius + width / 2
    # Pillow's box names the first and the last pixel.
    box = [(x + low) * 8, (y + low) * 8, (x + high) * 8 - 1, (y + high) * 8 - 1]
    ImageDraw.Draw(image).ellipse(box, outline=255, width=round(width * 8))
    return np.asarray(image.reduce(8)) >= 128


@pytest.mark.parametrize(
    ("size", "grid", "least"),
    [
        ((224, 224), (7, 7), 0.95),
        ((224, 336), (2, 3), 0.95),
        ((448, 448), (5, 5), 0.95),
        ((64, 64), (7, 7), 0.8),  # a line of one pixel: which pixels it takes differs more often
    ],
)
def test_rings_are_those_that_pillow_draws(
    size: tuple[int, int], grid: tuple[int, int], least: float
) -> None:
    rings = RedCircle(grid).rings(size)
    assert rings.shape == (math.prod(grid), *size)
    radius, width = min(size) / 7, max(1.0, min(size) * 3 / 224)
    for cell, ring in enumerate(rings.numpy()):
        y, x = ((i + 0.5) * s / g for i, s, g in zip(divmod(cell, grid[1]), size, grid, strict=True))
        other = drawn_by_pillow(size, y, x, radius, width)
        assert (ring & other).sum() / (ring | other).sum() > least


@pytest.mark.parametrize("side", [64, 112, 224, 336, 448])
def test_a_line_covers_its_length_times_its_width(side: int) -> None:
    ring = RedCircle((3, 3), radius=1 / 7).rings((side, side))[4]
    radius, width = side / 7, max(1.0, side * 3 / 224)
    assert abs(int(ring.sum()) / (2 * math.pi * radius * width) - 1) < 0.05


@pytest.mark.parametrize(("layout", "n_pixels", "n_patches"), [("cell", 490, 16.65), ("inside", 593, 17.06)])
def test_the_default_ring_covers_so_many_pixels_and_patches(
    layout: str, n_pixels: float, n_patches: float
) -> None:
    rings = RedCircle(layout=layout).rings((224, 224))  # type: ignore[arg-type]
    touched = rings.reshape(49, 14, 16, 14, 16).any(4).any(2).sum((1, 2)).double()
    assert abs(rings.sum((1, 2)).double().mean() - n_pixels) < 1
    assert abs(touched.mean() - n_patches) < 0.01


def test_circles_inside_stay_in_the_frame_but_for_half_their_line() -> None:
    whole = 2 * math.pi * 32 * 3
    inside = RedCircle(layout="inside").rings((224, 224)).sum((1, 2))
    assert inside.min() > 0.92 * whole
    corner = RedCircle().rings((224, 224)).sum((1, 2))[0]
    assert corner < 0.5 * whole  # a cell's own centre is nearer to the frame than the radius


def test_a_thin_line_is_a_pixel_wide_and_has_no_gap() -> None:
    from scipy.ndimage import label

    for side in (16, 28, 64):
        ring = RedCircle(1, radius=0.3, width=1e-6).rings((side, side))[0].numpy()
        _, n_parts = label(ring, np.ones((3, 3)))
        assert n_parts == 1
        _, n_outside = label(~ring)
        assert n_outside == 2  # its inside and its outside do not touch


def test_only_the_ring_changes_and_it_is_red_as_the_network_sees_red() -> None:
    vlm = Patches()
    prompter = RedCircle((2, 3), radius=0.3, width=0.1)
    x = inputs(vlm, 2)
    shown = prompter.painter(vlm, x)(slice(1, 5))
    assert shown.shape == (2, 4, 3, 24, 32)
    for cell in range(1, 5):
        cy, cx = (cell // 3 + 0.5) * 12, (cell % 3 + 0.5) * 32 / 3
        for i in range(24):
            for j in range(32):
                on_line = abs(math.hypot(i + 0.5 - cy, j + 0.5 - cx) - 0.3 * 24) <= 0.05 * 24
                expected = torch.tensor([(v - m) / s for v, m, s in zip((1, 0, 0), MEAN, STD, strict=True)])
                for b in range(2):
                    want = expected if on_line else x[b, :, i, j]
                    torch.testing.assert_close(shown[b, cell - 1, :, i, j], want)


def test_blue_first_networks_get_red_last_and_grey_ones_none() -> None:
    plain = Preprocess(size=8, mean=0.0, std=1.0)
    assert normalised((255, 0, 51), plain).tolist() == pytest.approx([1, 0, 0.2])
    bgr = Preprocess(size=8, mean=(0.1, 0.2, 0.3), std=1.0, bgr=True)
    assert normalised((255, 0, 51), bgr).tolist() == pytest.approx([0.1, -0.2, 0.7])
    with pytest.raises(NotSupported, match=r"1 channel(?s:.*)Use Crop or BlurOutside"):
        normalised((255, 0, 0), Preprocess(size=8, mean=0.5, std=1.0, channels=1))


def test_embeddings_are_those_of_pictures_with_a_ring_in_them() -> None:
    vlm, prompter = Patches(), RedCircle((3, 4), radius=0.25, width=0.09)
    x = inputs(vlm, 2)
    found = prompter(vlm, x)
    for cell, ring in enumerate(prompter.rings((24, 32))):
        marked = x.clone()
        marked[:, :, ring] = normalised((255, 0, 0), vlm.preprocess)[:, None]
        torch.testing.assert_close(found[:, cell // 4, cell % 4], vlm.encode_images(marked))


def test_a_network_that_looks_into_circles_finds_what_is_where() -> None:
    pixels = np.zeros((56, 56, 3), np.uint8)
    pixels[8:16, 40:48, 1] = 255  # a green square in row 1, column 5 of 7
    pixels[40:56, 0:8, 2] = 255  # a blue one in rows 5 and 6, column 0
    vlm = Circled()
    x = vlm.preprocess(read_images(pixels)[0])[0][None]
    green, blue = torch.einsum("gwd,md->mgw", RedCircle()(vlm, x)[0], vlm.encode_texts(["green", "blue"]))
    assert divmod(int(green.argmax()), 7) == (1, 5) and green[5:, :2].max() < green[1, 5] / 2
    assert int(blue.argmax()) in (35, 42) and blue[1, 5] < blue.max() / 2
