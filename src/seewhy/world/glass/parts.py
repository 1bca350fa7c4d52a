"""`GlassPart`: finds a creature's parts by matched filters and asks for several of them together.

    part(u)  = share of the part's outline, laid on u, that has the part's colour                              (1)
    body(u)  = share of a disk around u that has a coat's colour, less three times as much of a ring around it
    a(u)     = max(0, cut(part(u)) + cut(body(u - offset)) - 1),   present = max over places and poses         (2)
    logit_k  = bias + weight both(sum of present over the n parts of class k - (n - 1))                        (3)

where cut runs from 0 below to 1 above a range, and both(s) is s above 0 and LEAK s below. A colour belongs to one
variant of a slot only, and the body says where a slot is, so (1) need not tell outlines apart. (3) adds `weight` for
all parts and nothing for all but one: what counts is the conjunction, and the parts' Shapley values share it. Ours.

At the pixels the gradient is zero wherever parts are certain (2), present or absent: the network is saturated, as
trained ones are, and saliency has nothing to say about it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from seewhy.errors import InputError, message
from seewhy.world.glass.base import Contributions, GlassBox, blank
from seewhy.world.glass.filters import colour_filters, part_template, variant_names
from seewhy.world.grammar import COATS, PART_COLOURS, PARTS
from seewhy.world.truth.games import shapley_values

PART_CUT = (0.4, 0.6)
BODY_CUT = (0.3, 0.5)

BODY_DISK, BODY_RING = 0.35, (0.55, 0.9)
"""In radii of the creature: every body covers the disk and ends before the ring."""

BODY_PENALTY = 3.0

LEAK = 1e-3
"""Without it, no gradient would reach the features of a picture that lacks two parts of every class."""

Pose = tuple[int, bool]
"""(turn, flip) of a creature."""


class GlassPart(GlassBox):
    """Classes that are conjunctions of a creature's parts.

    Parameters
    ----------
    classes
        By class, the parts that it takes, one to five, such as {"duck": ("blunt beak", "webbed foot")}.
    radius
        Of the creatures that it knows, in pixels of the input: it is made for creatures of one size.
    poses
        (turn, flip) that it knows; each costs one filter a part.
    weight, bias
        The logit is `bias + weight` with all parts and `bias` with all but one; each further one that lacks takes
        `LEAK * weight` away.
    light
        Lighting that it bears (see `glass_filters.colour_filters`).
    """

    def __init__(
        self,
        classes: Mapping[str, Sequence[str]],
        *,
        radius: float,
        poses: Sequence[Pose] = ((0, False),),
        weight: float = 1.0,
        bias: float = 0.0,
        light: float = 0.0,
    ) -> None:
        names = tuple(dict.fromkeys(name for parts in classes.values() for name in parts))
        super().__init__(names, tuple(classes))
        if radius < 8 or not poses or not all(classes.values()):
            raise InputError(
                message(
                    f"GlassPart got radius={radius}, {len(poses)} poses and the classes {dict(classes)}.",
                    "A radius is at least 8 pixels, there is a pose, and each class takes at least one part.",
                    'Pass for example {"duck": ("blunt beak", "webbed foot")}, radius=24.',
                )
            )
        self.weight, self.bias = weight, bias
        self.features = nn.Sequential(
            colour_filters(PART_COLOURS | COATS, light), _PartsOnBodies(names, radius, tuple(poses))
        )
        sums = blank(nn.Linear(len(names), len(classes), device="meta"))
        out = blank(nn.Linear(len(classes), len(classes), device="meta"))
        with torch.no_grad():
            for k, parts in enumerate(classes.values()):
                for name in parts:
                    sums.weight[k, names.index(name)] = 1.0
                sums.bias[k] = 1.0 - len(set(parts))
                out.weight[k, k] = weight
            out.bias.fill_(bias)
        self.sums = sums
        self.head = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), sums, nn.LeakyReLU(LEAK), out)

    def truth(self, x: Float[Tensor, "c H W"], target: int | str) -> Contributions:
        """Shapley values of the parts in (3), a part that is taken out being absent; each at its best place."""
        row = self.row(target)
        active = self._activations(x)
        asked = torch.nonzero(self.sums.weight[row].detach()).flatten().tolist()
        present = active.max((1, 2))
        coalitions = np.arange(1 << len(asked))
        counted = sum(present[c] * ((coalitions >> i) & 1) for i, c in enumerate(asked))
        sums = counted - (len(asked) - 1)
        worths = self.weight * np.where(sums > 0, sums, LEAK * sums) + self.bias
        by_place = np.zeros(active.shape)
        for c, value in zip(asked, shapley_values(worths), strict=True):
            by_place[c].flat[active[c].argmax()] = value
        return Contributions(self.concepts, by_place, float(worths[0]))


class _PartsOnBodies(nn.Module):
    """(2) of every part, the best of its poses, from the activations of part colours and coats."""

    def __init__(self, names: Sequence[str], radius: float, poses: tuple[Pose, ...]) -> None:
        super().__init__()
        self.n_poses = len(poses)
        colours = list(PART_COLOURS)
        found = [
            (colours.index(PARTS[slot][variant][1]), *part_template(slot, variant, radius, turn, flip))
            for slot, variant in variant_names(names)
            for turn, flip in poses
        ]
        self.offsets = [offset for _, _, offset in found]
        self.parts = _matched([(slice(at, at + 1), template) for at, template, _ in found], PART_CUT)
        self.body = _matched([(slice(len(colours), None), _body_template(radius))], BODY_CUT)
        self.cut = nn.Hardtanh(0.0, 1.0)

    def forward(self, x: Float[Tensor, "b 8 H W"]) -> Float[Tensor, "b p H W"]:
        parts, body = self.cut(self.parts(x)), self.cut(self.body(x))
        bodies = torch.cat([_moved(body, down, right) for down, right in self.offsets], 1)
        both = torch.relu(parts + bodies - 1)
        poses = both.reshape(both.shape[0], -1, self.n_poses, both.shape[2], both.shape[3])
        return poses.amax(2)


def _body_template(radius: float) -> Float64[np.ndarray, "k k"]:
    reach = math.ceil(BODY_RING[1] * radius)
    at = np.arange(-reach, reach + 1.0) / radius
    distance = np.sqrt(at[:, None] ** 2 + at[None, :] ** 2)
    ring = (distance >= BODY_RING[0]) & (distance <= BODY_RING[1])
    template: np.ndarray = (distance <= BODY_DISK) - BODY_PENALTY * ring
    return template


def _matched(
    filters: Sequence[tuple[slice, Float64[np.ndarray, "k k"]]], cut: tuple[float, float]
) -> nn.Conv2d:
    """Share of each template's positive part that has one of the colours, stretched so that `cut` becomes 0 to 1."""
    low, high = cut
    side = max(len(template) for _, template in filters)
    n_colours = len(PART_COLOURS) + len(COATS)
    layer = blank(nn.Conv2d(n_colours, len(filters), side, padding=side // 2, device="meta"))
    assert layer.bias is not None
    with torch.no_grad():
        for k, (colours, template) in enumerate(filters):
            rim = (side - len(template)) // 2
            share = torch.from_numpy(template / np.maximum(template, 0.0).sum() / (high - low))
            layer.weight[k, colours, rim : side - rim, rim : side - rim] = share.to(torch.float32)
            layer.bias[k] = -low / (high - low)
    return layer


def _moved(x: Float[Tensor, "b c H W"], down: int, right: int) -> Float[Tensor, "b c H W"]:
    """The same map further down and to the right, zeros where it came from."""
    return nn.functional.pad(x, (right, -right, down, -down))
