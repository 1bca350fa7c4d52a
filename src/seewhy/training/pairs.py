"""Batches of pictures and texts with the exact truth of every pair, drawn from scenes as arrays.

A batch mixes whole scenes, scenes with a red circle (the text speaks of what is circled) and cut-outs. Its texts are
one for each picture, then harder ones (another thing of the scene, a thing with one attribute exchanged), then every
concept alone and some pairs of colour and shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int8
from torch import Tensor, nn

from seewhy.training.regions import CIRCLE, CROP, WHOLE, cells, counts, truths
from seewhy.training.said import BIT, CONCEPTS, GROUP, GROUPS, Said, contained, described, phrase
from seewhy.training.scenes import GRID, Scenes
from seewhy.world.grammar import COLOURS, SHAPES
from seewhy.world.language.words import with_article

WHOLE_KIND, CIRCLED, CUT = 0, 1, 2
CIRCLE_RADIUS = 0.14
"""Radius of a circle that is not fitted to a thing, as a share of the side."""

_LEVELS = (0.08, 0.22, 0.3, 0.25, 0.15)
_FREE_CIRCLES = 0.3
_PAIRS = 20
_MENTIONS = 10


@dataclass(frozen=True)
class Mix:
    """Shares of a batch: with a red circle, and cut-outs; the rest are whole scenes."""

    circled: float = 0.45
    cut: float = 0.3


@dataclass(frozen=True)
class Circle:
    """A ring drawn into a picture; lengths are shares of the side, except the line's width in pixels."""

    x: float
    y: float
    radius: float
    width: float = 1.5
    rgb: tuple[int, int, int] = (255, 0, 0)


@dataclass(frozen=True)
class Batch:
    """Pictures, texts and what is true of what.

    Attributes
    ----------
    images
        Float, 0 to 1.
    kinds
        0 whole scene, 1 circled, 2 cut out.
    texts, alone
        Texts that describe, and texts of one concept or one colour and shape; `groups` name the group of the latter.
    truth, truth_alone
        1 true, 0 false, -1 says nothing, by picture and text.
    truth_cells
        The same for the first 60 texts of `alone` and each cell of the pictures `dense`, cells row by row.
    """

    images: Float32[Tensor, "b 3 s s"]
    kinds: np.ndarray
    texts: list[str]
    alone: list[str]
    groups: list[str]
    truth: Int8[np.ndarray, "b c"]
    truth_alone: Int8[np.ndarray, "b a"]
    dense: np.ndarray
    truth_cells: Int8[np.ndarray, "d n 60"]


class Pairs:
    """Draws batch `step` from scenes; the same batch for the same seed and step.

    Parameters
    ----------
    scenes
        Where to draw from.
    mix
        What a batch is made of.
    batch, size, grid, seed
        Pictures in a batch, their side in pixels, cells along it, and what decides the draws.
    """

    def __init__(self, scenes: Scenes, mix: Mix, *, batch: int, size: int, grid: int, seed: int) -> None:
        self.scenes, self.mix = scenes, mix
        self.batch, self.size, self.grid, self.seed = batch, size, grid, seed

    def __call__(self, step: int) -> Batch:
        """Batch `step`."""
        rng = np.random.default_rng([self.seed, step])
        chosen = rng.choice(len(self.scenes), self.batch, replace=False)
        chosen.sort()
        things = self.scenes.things[chosen]
        n_cut, n_circled = round(self.mix.cut * self.batch), round(self.mix.circled * self.batch)
        kinds = np.full(self.batch, WHOLE_KIND)
        kinds[:n_circled], kinds[n_circled : n_circled + n_cut] = CIRCLED, CUT
        rng.shuffle(kinds)
        images, regions = self._images(chosen, kinds, rng)
        surely, might = self._truths(chosen, kinds, regions)
        said = [self._own(at, chosen[at], kinds[at], surely[at], rng) for at in range(self.batch)]
        said += [self._harder(things[at], rng) for at in range(0, self.batch, 2)]
        alone, groups = _alone(rng)
        dense = np.flatnonzero(kinds != CUT)
        return Batch(
            images,
            kinds,
            [one.text for one in said],
            [one.text for one in alone],
            groups,
            _with_own(_truth(said, surely, might), said, kinds),
            _truth(alone, surely, might),
            dense,
            self._cells(chosen[dense]),
        )

    def _images(
        self, chosen: np.ndarray, kinds: np.ndarray, rng: np.random.Generator
    ) -> tuple[Float32[Tensor, "b 3 s s"], np.ndarray]:
        pixels = torch.from_numpy(self.scenes.pixels[chosen]).permute(0, 3, 1, 2).float().div_(255.0)
        images = nn.functional.interpolate(pixels, (self.size, self.size), mode="bilinear", antialias=True)
        regions = np.ones((len(chosen), GRID, GRID), bool)
        for at in np.flatnonzero(kinds == CIRCLED):
            circle = self._circle(chosen[at], rng)
            draw_circle(images[at], circle)
            regions[at] = disk(GRID, circle)
        for at in np.flatnonzero(kinds == CUT):
            x0, y0, side = self._box(chosen[at], rng)
            left, top, length = pixel_square((x0, y0, side), pixels.shape[-1])
            patch = pixels[at : at + 1, :, top : top + length, left : left + length]
            images[at] = nn.functional.interpolate(
                patch, (self.size, self.size), mode="bilinear", antialias=True
            )[0]
            centres = (np.arange(GRID) + 0.5) / GRID
            inside_x = (centres >= x0) & (centres < x0 + side)
            inside_y = (centres >= y0) & (centres < y0 + side)
            regions[at] = inside_y[:, None] & inside_x[None, :]
        return images, regions

    def _circle(self, scene: int, rng: np.random.Generator) -> Circle:
        width, colour = (
            rng.uniform(0.9, 2.4),
            (int(rng.integers(225, 256)), int(rng.integers(0, 40)), int(rng.integers(0, 40))),
        )
        at = self._thing(scene, rng)
        if at is None or rng.random() < _FREE_CIRCLES:
            x, y = rng.uniform(0.02, 0.98, 2)
            return Circle(x, y, CIRCLE_RADIUS * rng.uniform(0.8, 1.25), width, colour)
        x, y, own = self.scenes.circle[scene, at]
        fitted = own * rng.uniform(1.0, 1.55)
        radius = fitted if rng.random() < 0.65 else CIRCLE_RADIUS * rng.uniform(0.85, 1.2)
        angle, away = rng.uniform(0, 2 * np.pi), 0.4 * radius * rng.random()
        return Circle(x + away * np.cos(angle), y + away * np.sin(angle), radius, width, colour)

    def _box(self, scene: int, rng: np.random.Generator) -> tuple[float, float, float]:
        at = self._thing(scene, rng)
        if at is None or rng.random() < 0.1:
            x, y, radius = *rng.uniform(0.1, 0.9, 2), rng.uniform(0.1, 0.25)
        else:
            x, y, radius = self.scenes.circle[scene, at]
            radius = radius * rng.uniform(1.1, 1.7)
            x, y = np.array([x, y]) + rng.uniform(-0.15, 0.15, 2) * radius
        return square_within(float(x), float(y), float(radius))

    def _thing(self, scene: int, rng: np.random.Generator) -> int | None:
        """One of the things that are seen well enough, creatures twice as often."""
        seen = np.flatnonzero((self.scenes.seen[scene] >= 0.5) & (self.scenes.things[scene] > 0))
        seen = seen[seen > 0]
        if not len(seen):
            return None
        creature = (self.scenes.things[scene, seen] & np.uint64(BIT["creature"])) > 0
        weights = 1.0 + creature
        return int(rng.choice(seen, p=weights / weights.sum()))

    def _truths(
        self, chosen: np.ndarray, kinds: np.ndarray, regions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        owner, part = self.scenes.owner[chosen], self.scenes.part[chosen]
        things, seen = self.scenes.things[chosen], self.scenes.seen[chosen]
        t = things.shape[1]
        inside, whole = counts(owner, part, regions, t), counts(owner, part, None, t)
        surely = np.zeros((len(chosen), t + 1), np.uint64)
        might = surely.copy()
        for kind, limits in ((WHOLE_KIND, WHOLE), (CIRCLED, CIRCLE), (CUT, CROP)):
            rows = kinds == kind
            surely[rows], might[rows] = truths(
                things[rows], seen[rows], inside[rows], whole[rows], limits, sizes_show=kind != CUT
            )
        return surely, might

    def _own(self, at: int, scene: int, kind: int, surely: np.ndarray, rng: np.random.Generator) -> Said:
        """A text for the picture: a caption of the whole, or words for something that its region surely shows."""
        if kind == WHOLE_KIND and rng.random() < 0.6:
            level = rng.choice(len(_LEVELS), p=_LEVELS)
            text = self.scenes.texts[scene, level].decode()
            mentions = tuple(int(m) for m in self.scenes.mentions[scene, level] if m)
            return Said(text, mentions, bool(self.scenes.beyond[scene, level]))
        there = [int(bits) for bits in surely if bits]
        if not there:
            return phrase(CONCEPTS[int(rng.integers(0, len(CONCEPTS)))], int(rng.integers(0, 4)))
        things = [bits for bits in there if bits & (BIT["object"] | BIT["creature"])]
        pool = things if things and rng.random() < 0.85 else there
        return described(pool[int(rng.integers(0, len(pool)))], rng)

    def _harder(self, things: np.ndarray, rng: np.random.Generator) -> Said:
        """Another thing of the scene, or a thing of it with one attribute or part exchanged."""
        present = [int(bits) for bits in things[1:] if bits] or [int(things[0])]
        bits = present[int(rng.integers(0, len(present)))]
        if rng.random() < 0.5:
            bits = _exchanged(bits, rng)
        return described(bits, rng)

    def _cells(self, chosen: np.ndarray) -> Int8[np.ndarray, "d n 60"]:
        surely, might = cells(
            self.scenes.things[chosen], self.scenes.owner[chosen], self.scenes.part[chosen], self.grid
        )
        places = np.arange(len(CONCEPTS), dtype=np.uint64)
        yes = (surely[..., None] >> places) & np.uint64(1)
        perhaps = (might[..., None] >> places) & np.uint64(1)
        return np.where(yes > 0, 1, np.where(perhaps > 0, -1, 0)).astype(np.int8)


def square_within(x: float, y: float, half: float) -> tuple[float, float, float]:
    """(left, top, side) of a square around a point, moved into the picture, as shares of the picture's side."""
    side = min(1.0, 2 * half)
    return min(max(0.0, x - side / 2), 1 - side), min(max(0.0, y - side / 2), 1 - side), side


def pixel_square(square: tuple[float, float, float], whole: int) -> tuple[int, int, int]:
    """The same in pixels of a picture `whole` pixels wide, at least 8 wide."""
    x0, y0, side = square
    length = min(whole, max(8, round(side * whole)))
    return min(round(x0 * whole), whole - length), min(round(y0 * whole), whole - length), length


def disk(grid: int, circle: Circle) -> np.ndarray:
    """Which places of a grid lie within the circle; at least the nearest one."""
    centres = (np.arange(grid) + 0.5) / grid
    distance = np.hypot(centres[:, None] - circle.y, centres[None, :] - circle.x)
    found: np.ndarray = distance <= max(circle.radius, float(distance.min()))
    return found


def draw_circle(image: Float32[Tensor, "3 s s"], circle: Circle) -> None:
    """Draw a ring with soft edges into a picture, in place."""
    side = image.shape[-1]
    centres = torch.arange(side) + 0.5
    distance = torch.hypot(centres[:, None] - circle.y * side, centres[None, :] - circle.x * side)
    ink = (circle.width / 2 + 0.5 - (distance - circle.radius * side).abs()).clamp(0, 1)
    colour = torch.tensor(circle.rgb, dtype=torch.float32).div(255.0)[:, None, None]
    image.mul_(1 - ink).add_(colour * ink)


def _exchanged(bits: int, rng: np.random.Generator) -> int:
    """The bits with one attribute or part replaced by another of its group."""
    words = [name for name in CONCEPTS if bits & BIT[name] and GROUP[name] not in ("kind", "slot", "nothing")]
    if not words:
        return bits
    word = words[int(rng.integers(0, len(words)))]
    alike = [
        other
        for other in GROUPS[GROUP[word]]
        if other != word and (GROUP[word] != "part" or other.split()[-1] == word.split()[-1])
    ]
    return bits ^ BIT[word] ^ BIT[alike[int(rng.integers(0, len(alike)))]]


def _alone(rng: np.random.Generator) -> tuple[list[Said], list[str]]:
    """Every concept in one of its phrases, then some pairs of colour and shape; and the group of each."""
    said = [phrase(name, int(rng.integers(0, 12))) for name in CONCEPTS]
    groups = [GROUP[name] for name in CONCEPTS]
    colours, shapes = rng.choice(list(COLOURS), _PAIRS), rng.choice(SHAPES, _PAIRS)
    for colour, shape in zip(colours, shapes, strict=True):
        text = f"{colour} {shape}"
        said.append(Said(text if rng.random() < 0.5 else with_article(text), (BIT[colour] | BIT[shape],)))
    return said, groups + ["pair"] * _PAIRS


def _truth(said: list[Said], surely: np.ndarray, might: np.ndarray) -> Int8[np.ndarray, "b c"]:
    """1 true, 0 false, -1 neither: a text that says more than its mentions is never surely true."""
    mentions = np.zeros((len(said), _MENTIONS), np.uint64)
    for row, one in enumerate(said):
        mentions[row, : len(one.mentions)] = one.mentions
    beyond = np.array([one.beyond for one in said])
    yes, perhaps = contained(mentions, surely) & ~beyond, contained(mentions, might | surely)
    return np.where(yes, 1, np.where(perhaps, -1, 0)).astype(np.int8)


def _with_own(truth: np.ndarray, said: list[Said], kinds: np.ndarray) -> np.ndarray:
    """A whole scene's own caption is true of it, whatever it says beyond its mentions."""
    for at, kind in enumerate(kinds):
        if kind == WHOLE_KIND and said[at].beyond:
            truth[at, at] = 1
    return truth
