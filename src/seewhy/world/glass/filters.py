"""The fixed filters of the glass boxes: colours from two 1x1 convolutions, and the outlines of a creature's parts.

A colour's activation is a tent over RGB,

    a(p) = max(0, 1 - sum_j max(0, |n_j . p - m_j| - t_j) / SLACK)                                         (1)

1 where the pixel p lies in a box around the colour and 0 beyond SLACK of it. The box is turned along the ray from
black through the colour, n_1, because light only moves a colour along that ray. Ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float64
from torch import nn

from seewhy.errors import InputError, message
from seewhy.world.drawing.creatures import painted
from seewhy.world.drawing.shapes import coverage, rotation
from seewhy.world.glass.base import blank
from seewhy.world.grammar import PARTS, RGB
from seewhy.world.scene import Creature, Part

TOLERANCE = 22.0
"""Half the box across the ray, in 1/255: a colour's jitter moves it by at most 12 a channel, 20.8 in all."""

SLACK = 18.0
"""Beyond the box the activation falls to 0 over this distance."""


def colour_filters(colours: Mapping[str, RGB], light: float = 0.0) -> nn.Sequential:
    """Activations (1) of each colour at each pixel of an input in 0..1.

    Parameters
    ----------
    colours
        By name; one channel each.
    light
        How much brighter or darker than it is a colour may be lit, as a share, and still count in full.
    """
    if not colours or not 0 <= light < 1:
        raise InputError(
            message(
                f"There are {len(colours)} colours, and light is {light!r}.",
                "There is at least one colour, and light is a share from 0 to below 1.",
                'Pass for example {"red": (205, 40, 40)} and light=0.25.',
            )
        )
    first = blank(nn.Conv2d(3, 6 * len(colours), 1, device="meta"))
    second = blank(nn.Conv2d(6 * len(colours), len(colours), 1, device="meta"))
    assert first.bias is not None and second.bias is not None
    with torch.no_grad():
        for k, rgb in enumerate(colours.values()):
            centre = np.array(rgb, np.float64)
            length = max(float(np.sqrt((centre * centre).sum())), 1.0)
            for j, axis in enumerate(_axes(centre)):
                middle, half = (length, length * light + TOLERANCE) if j == 0 else (0.0, TOLERANCE)
                for side, sign in enumerate((1.0, -1.0)):
                    at = 6 * k + 2 * j + side
                    first.weight[at, :, 0, 0] = torch.from_numpy(sign * axis * 255.0 / SLACK)
                    first.bias[at] = (-sign * middle - half) / SLACK
                    second.weight[k, at] = -1.0
            second.bias[k] = 1.0
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())


def part_template(
    slot: str, variant: str, radius: float, turn: int = 0, flip: bool = False
) -> tuple[Float64[np.ndarray, "k k"], tuple[int, int]]:
    """The pixels that a part fills, in a square around its middle, and where that middle is.

    Parameters
    ----------
    slot, variant
        As in `grammar.PARTS`.
    radius
        The creature's, in pixels.
    turn, flip
        The creature's pose.

    Returns
    -------
    template
        1 where the part covers a pixel, else 0 (pixels on its edge hold a mixture of colours that no filter
        knows); odd side, with a rim of a pixel.
    offset
        (down, right) of its middle from the creature's, in whole pixels.
    """
    half = math.ceil(radius) + 3
    at = np.arange(-half, half + 1, dtype=np.float64) / radius
    c, s = rotation(turn)
    u, v = at[None, :] * c + at[:, None] * s, at[:, None] * c - at[None, :] * s
    part = Part(slot, variant, (0, 0, 0))
    bare = Creature(0, "round", "ash", (0, 0, 0), (part,), 0.5, 0.5, 0.1, 0, False)
    distance = next(d for name, d, _ in painted(bare, -u if flip else u, v) if name == slot)
    share = coverage(distance * radius)
    rows, columns = np.nonzero(share)
    top, left = int(rows.min() + rows.max()) // 2, int(columns.min() + columns.max()) // 2
    reach = max(int(abs(rows - top).max()), int(abs(columns - left).max())) + 1
    window: np.ndarray = np.pad(np.floor(share), reach)[
        top : top + 2 * reach + 1, left : left + 2 * reach + 1
    ]
    return window, (top - half, left - half)


def variant_names(names: Sequence[str]) -> list[tuple[str, str]]:
    """(slot, variant) of names such as "hooked beak"."""
    valid = {f"{variant} {slot}": (slot, variant) for slot, variants in PARTS.items() for variant in variants}
    for name in names:
        if name not in valid:
            raise InputError(
                message(
                    f"There is no part {name!r}.",
                    f"A part is a variant and its slot: {', '.join(valid)}.",
                    "Pass names such as 'hooked beak'.",
                )
            )
    return [valid[name] for name in names]


def _axes(centre: Float64[np.ndarray, " 3"]) -> Float64[np.ndarray, "3 3"]:
    """Three unit vectors at right angles, the first one towards the colour (grey for black)."""
    first = centre if centre.any() else np.ones(3)
    first = first / np.sqrt((first * first).sum())
    least = np.zeros(3)
    least[np.abs(first).argmin()] = 1.0
    second = np.cross(first, least)
    second = second / np.sqrt((second * second).sum())
    return np.stack([first, second, np.cross(first, second)])
