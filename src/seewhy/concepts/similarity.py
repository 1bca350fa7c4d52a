"""How well concept maps agree with their teacher: the cubic cosine similarity, its value and its gradient.

For one slice, the samples a of a concept map and b of its teacher:

    a' = a - mean(a),  b' = b - mean(b)                                                                 (1)
    similarity = <a'^3, b'^3> / (|a'^3| |b'^3|)                                                         (2)

The cube is taken of each value, after centring and *before* the cosine, so that the few samples where a concept
is strong count most. A concept's similarity is the mean of (2) over its slices. What a slice is, is `axes`:

    "images"             one slice per concept and place, its samples are the pictures
    "images+locations"   one slice per concept, its samples are all places of all pictures
    "locations"          one slice per concept and picture, its samples are the places

Each slice may be stretched and shifted freely (a -> k a + l with k > 0, b likewise) without a change of (2): what
differs between slices is not taught. "images" thus never compares two places of one picture, "images+locations"
does, and "locations" compares nothing else.

Source: (2) is that of Label-Free CBM (Oikarinen et al., ICLR 2023, arXiv 2304.06129); the sum over concepts and
places of slices over pictures is that of SALF-CBM (Benou & Riklin-Raviv, CVPR 2025, arXiv 2502.20134). Ours: the
two other axes, centring by picture, the mean over slices in place of the sum (which moves no optimum), and the
treatment of slices in which nothing varies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seewhy.errors import InputError, did_you_mean, message

Axes = Literal["images", "images+locations", "locations"]
"""Along which axes the samples of a slice lie."""

VARIANCE_FLOOR = 1e-12
"""A teacher's slice that varies less than this says nothing and is left out."""

CHUNK_VALUES = 131_072
"""Concepts are worked through in parts of so many values: half a megabyte, which a core's cache holds."""


@dataclass(frozen=True, eq=False)
class Similarity:
    """The similarity of each concept.

    `value` is the mean of (2) over the slices that were compared, -1 to 1, and 0 where there are none; `compared`
    counts those, `skipped` the slices that were left out because their teacher does not vary.
    """

    value: Float[Tensor, " m"]
    compared: Int[Tensor, " m"]
    skipped: int


def cubic_similarity(
    maps: Float[Tensor, "n m h w"],
    targets: Float[Tensor, "n m h w"],
    *,
    axes: Axes = "images",
    unprompted: Float[Tensor, "n m"] | None = None,
) -> Similarity:
    """(2) of each concept, differentiable with respect to the maps.

    Parameters
    ----------
    maps
        Concept maps, any unit and sign.
    targets
        The teacher's value at the same places, for instance cosines of image and text embeddings.
    axes
        What the samples of a slice are.
    unprompted
        The teacher's value for each whole picture, to be subtracted first (`center_by_image`).

    Raises
    ------
    InputError
        If shapes differ, or a slice would have one sample only: then there is nothing to compare.

    Notes
    -----
    Half precision is widened to float32: similarities of images and texts lie near 0.2 and differ by 0.01, where
    half precision has a dozen values. Deviations are divided by the largest of their slice before they are cubed,
    which (2) does not see, so neither overflow nor a fixed clamp of norms can spoil it. A slice whose target has
    a variance below 1e-12, or below what its size in its precision can show, is skipped and counted. A slice
    whose target varies while the map does not has the similarity 0 and no gradient.

    Examples
    --------
    >>> target = torch.tensor([0.1, 0.2, 0.5]).reshape(3, 1, 1, 1)
    >>> round(cubic_similarity(7 * target - 3, target).value.item(), 6)
    1.0
    """
    dims = sample_dims(axes)
    a, b = _pair(maps, targets, dims)
    if unprompted is not None:
        b = center_by_image(b, widened(unprompted))
    mean = a.mean(dims, keepdim=True)
    deviations = a - mean
    spread, moves = _spread(a.detach(), mean.detach(), dims)
    cubes = (deviations / spread).pow(3)
    goal, varies = unit_cubes(b, dims)
    # With its largest deviation 1 a moving slice's norm is at least 1; only those that do not move have 0.
    norm = torch.where(moves, cubes.square().sum(dims, keepdim=True), 1).sqrt()
    slices = torch.where(moves & varies, (cubes * goal).sum(dims, keepdim=True) / norm, 0)
    return _summary(slices, varies)


def similarity_and_gradient(
    maps: Float[Tensor, "n m h w"], targets: Float[Tensor, "n m h w"], *, axes: Axes = "images"
) -> tuple[Similarity, Float[Tensor, "n m h w"]]:
    """(2) of each concept, and the gradient of a concept's similarity with respect to its own maps.

    With u = a', v = u^3, r = |v|, t = b'^3 / |b'^3| and s = <v, t> / r, a slice contributes

        g = 3 u^2 (t - s v / r) / r,   gradient = (g - mean(g)) / slices compared                        (3)

    The same numbers as by differentiating `cubic_similarity`, in a third of the time.
    """
    dims = sample_dims(axes)
    a, b = _pair(maps.detach(), targets.detach(), dims)
    slices, varies, gradient = slice_gradients(a, b, dims)
    found = _summary(slices, varies)
    return found, gradient.mul_(1 / found.compared.clamp(min=1).to(a)[None, :, None, None])


def slice_gradients(
    a: Float[Tensor, "n m h w"], b: Float[Tensor, "n m h w"], dims: tuple[int, ...]
) -> tuple[Float[Tensor, "*slices"], Bool[Tensor, "*slices"], Float[Tensor, "n m h w"]]:
    """For checked arrays: (2) of each slice, whether it was compared, and the gradient of the sum of all (2).

    Slices never span concepts, so a few concepts are done at a time, in buffers that stay in the cache: memory is
    touched once, and page faults of large temporaries cost more than the arithmetic.
    """
    n, m, h, w = a.shape
    gradient = torch.empty_like(a, memory_format=torch.contiguous_format)
    few = min(m, max(1, CHUNK_VALUES // (n * h * w)))
    rooms = [a.new_empty(n * few * h * w) for _ in range(4)]
    found = []
    for start in range(0, m, few):
        part = slice(start, min(start + few, m))
        shape = (n, part.stop - part.start, h, w)
        u, squares, goal, room = (buffer[: math.prod(shape)].view(shape) for buffer in rooms)
        varies = _unit_cubes(squares.copy_(b[:, part]), dims, goal, room)
        u.copy_(a[:, part])
        mean = u.mean(dims, keepdim=True)
        spread, moves = _spread(u, mean, dims)
        u.sub_(mean).div_(spread)
        torch.mul(u, u, out=squares)
        v = u.mul_(squares)
        norm = torch.where(moves, torch.mul(v, v, out=room).sum(dims, keepdim=True), 1).sqrt()
        use = moves & varies
        slices = torch.where(use, torch.mul(v, goal, out=room).sum(dims, keepdim=True) / norm, 0)
        g = v.mul_(-slices / norm).add_(goal).mul_(squares)
        scale = torch.where(use, 3 / (norm * spread), 0)
        torch.mul(g.sub_(g.mean(dims, keepdim=True)), scale, out=gradient[:, part])
        found.append((slices, varies))
    slices, varies = (torch.cat(parts, dim=1) for parts in zip(*found, strict=True))
    return slices, varies, gradient


def unit_cubes(
    targets: Float[Tensor, "n m h w"], dims: tuple[int, ...]
) -> tuple[Float[Tensor, "n m h w"], Bool[Tensor, "*slices"]]:
    """b'^3 / |b'^3| of each slice along `dims`, zero where the slice does not vary, and whether it does."""
    goal, room = torch.empty_like(targets), torch.empty_like(targets)
    varies = _unit_cubes(targets, dims, goal, room)
    return goal, varies


def _unit_cubes(b: Tensor, dims: tuple[int, ...], goal: Tensor, room: Tensor) -> Tensor:
    """Into `goal`; `room` is written over."""
    mean = b.mean(dims, keepdim=True)
    spread, varies = _spread(b, mean, dims)
    torch.sub(b, mean, out=goal).div_(spread)
    torch.mul(goal, goal, out=room)
    varies = varies & (room.mean(dims, keepdim=True) * spread.square() >= VARIANCE_FLOOR)
    goal.mul_(room)
    norm = torch.mul(goal, goal, out=room).sum(dims, keepdim=True).sqrt()
    goal.mul_(torch.where(varies, 1 / norm, 0))
    return varies


def center_by_image(
    targets: Float[Tensor, "n m h w"], unprompted: Float[Tensor, "n m"]
) -> Float[Tensor, "n m h w"]:
    """Subtract each whole picture's value, so that what a place adds to its picture is left (ours).

    It changes "images" and "images+locations"; "locations" does not see it.
    """
    if unprompted.shape != targets.shape[:2]:
        raise InputError(
            message(
                f"The whole pictures' values are {tuple(unprompted.shape)}, the targets {tuple(targets.shape)}.",
                "There is one value per picture and concept.",
                "Take both from the same teacher.",
            )
        )
    return targets - unprompted[:, :, None, None]


def sample_dims(axes: str) -> tuple[int, ...]:
    """Which dimensions of (pictures, concepts, height, width) the samples of a slice lie along."""
    known = {"images": (0,), "images+locations": (0, 2, 3), "locations": (2, 3)}
    if axes not in known:
        raise InputError(
            message(
                f"axes is {axes!r}.",
                did_you_mean(str(axes), get_args(Axes)),
                "Pass 'images', as SALF-CBM is printed, 'images+locations' or 'locations'.",
            )
        )
    return known[axes]


def widened(x: Tensor) -> Tensor:
    """In float32 at least; float64 stays."""
    if not x.is_floating_point():
        raise InputError(
            message(
                f"An array has the type {x.dtype}.",
                "Similarities and features are floating-point numbers.",
                "Convert it with float().",
            )
        )
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def check_samples(shape: tuple[int, ...], dims: tuple[int, ...]) -> None:
    """Raise InputError if the slices of an array of this shape have one sample, or none."""
    samples = 1
    for dim in dims:
        samples *= shape[dim]
    if samples < 2:
        n, _, h, w = shape
        raise InputError(
            message(
                f"There is nothing to compare: {n} picture(s) of {h} x {w} places give {samples} sample(s) each.",
                "A similarity needs two samples in each slice at least.",
                "Pass more pictures; where grids are 1 x 1, axes='locations' has nothing to work with.",
            )
        )


def _pair(maps: Tensor, targets: Tensor, dims: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    if maps.ndim != 4 or maps.shape != targets.shape:
        raise InputError(
            message(
                f"Maps are {tuple(maps.shape)}, targets {tuple(targets.shape)}.",
                "Both are (pictures, concepts, height, width), and equal.",
                "Resample one of them to the grid of the other.",
            )
        )
    check_samples(tuple(maps.shape), dims)
    a, b = widened(maps), widened(targets)
    wide = torch.promote_types(a.dtype, b.dtype)
    return a.to(wide), b.to(wide)


def _spread(values: Tensor, mean: Tensor, dims: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The largest deviation of each slice (1 where there is none), and whether it is more than rounding."""
    top, bottom = values.amax(dims, keepdim=True), values.amin(dims, keepdim=True)
    spread = torch.maximum(top - mean, mean - bottom)
    size = torch.maximum(top.abs(), bottom.abs())
    moves = spread > 4 * torch.finfo(values.dtype).eps * size
    return torch.where(moves, spread, 1), moves


def _summary(slices: Tensor, varies: Tensor) -> Similarity:
    """Means over the slices of each concept (dimension 1)."""
    compared = varies.sum((0, 2, 3))
    value = slices.sum((0, 2, 3)) / compared.clamp(min=1)
    return Similarity(value, compared, int((~varies).sum()))
