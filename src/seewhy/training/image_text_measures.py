"""The numbers of the image-text model's card, from its weights as they are shipped.

All on scenes of the test split of T8 ("What is there?"), creatures' parts on T4's large creatures too. A map's area
under the ROC curve is over pixels: how often a pixel of the concept's mask outranks one outside, ties half.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor, nn

from seewhy.bundled.cards import Card, Measured
from seewhy.bundled.image_text import PATCH
from seewhy.bundled.load import tokenizer
from seewhy.bundled.networks import PICTURE_SIZE
from seewhy.evaluate.statistics.intervals import Interval, interval
from seewhy.evaluate.what.concepts import auroc_matrix
from seewhy.training.pairs import CIRCLE_RADIUS, Circle, draw_circle, pixel_square, square_within
from seewhy.training.said import BIT, GROUPS, bits_of, phrase
from seewhy.training.scenes import share_seen
from seewhy.world.drawing.renderer import render
from seewhy.world.language.words import with_article
from seewhy.world.scene import Creature, Scene, Thing
from seewhy.world.tasks.tasks import find_task

SOURCE = PICTURE_SIZE
"""Side at which scenes are drawn, before they are brought to the model's size."""
ALONG = 7
"""Circles along each side of the picture."""
_AT_ONCE = 256
_RESAMPLES = 200
_PRESENCE, _CROPS, _CIRCLED, _MAPS = 1000, 1000, 500, 100
_BARS = {
    "presence AUROC: colour": 0.99,
    "presence AUROC: shape": 0.86,
    "presence AUROC: texture": 0.86,
    "presence AUROC: background": 0.90,
    "cut-outs: shape": 0.90,
    "cut-outs: texture": 0.70,
    "cut-outs: colour and shape of 64": 0.90,
    "cut-outs: part presence AUROC": 0.85,
    "cut-outs: part presence AUROC, worst part": 0.85,
    "circled thing's text first": 0.97,
    "red-circle maps: AUROC": 0.965,
    "red-circle maps: pointing within .07": 0.85,
    "red-circle maps: right against other things": 0.92,
    "dense tokens: AUROC": 0.95,
}
"""What two cores are meant to reach (of the model with circles)."""


@dataclass(frozen=True)
class Prompted:
    """An image-text model with its tokenizer and size, ready to compare pictures with words."""

    model: Any
    tokenizer: Any
    size: int

    @classmethod
    def of(cls, network: nn.Module, card: Card) -> Prompted:
        """The model of a card."""
        return cls(network, tokenizer(card), card.size)

    def words(self, texts: Sequence[str]) -> Float32[Tensor, "t d"]:
        """Unit embeddings of texts."""
        with torch.inference_mode():
            found: Tensor = self.model.encode_text(self.tokenizer(texts), normalize=True)
        return found

    def pictures(self, images: Float32[Tensor, "n 3 s s"]) -> Float32[Tensor, "n d"]:
        """Unit embeddings of pictures of the model's size, 0 to 1."""
        with torch.inference_mode():
            parts = [
                self.model.encode_image(some.mul(2).sub(1), normalize=True)
                for some in torch.split(images, _AT_ONCE)
            ]
        return torch.cat(parts)

    def tokens(self, images: Float32[Tensor, "n 3 s s"]) -> Float32[Tensor, "n g d"]:
        """Unit embeddings of the grid's cells: the last layer's tokens, projected as the class token is."""
        visual = self.model.visual
        found = []
        with torch.inference_mode():
            for some in torch.split(images, _AT_ONCE):
                x = (
                    visual.ln_post(visual.transformer(visual._embeds(some.mul(2).sub(1))))[:, 1:]
                    @ visual.proj
                )
                found.append(nn.functional.normalize(x, dim=-1))
        return torch.cat(found)

    def resized(self, pixels: np.ndarray) -> Float32[Tensor, "n 3 s s"]:
        """Bytes (n, H, W, 3) at the model's size, 0 to 1."""
        x = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float().div(255)
        return nn.functional.interpolate(x, (self.size, self.size), mode="bilinear", antialias=True)


def measure_image_text(network: nn.Module, card: Card) -> tuple[Measured, ...]:
    """All numbers of the card; with bars only if the model was trained with circles, as they were set for it."""
    prompted = Prompted.of(network, card)
    found = [*presence(prompted), *cut_outs(prompted), *circled(prompted), *maps(prompted)]
    if card.recipe.get("mix", {}).get("circled"):
        return tuple(found)
    return tuple(replace(one, bar=None) for one in found)


def presence(prompted: Prompted, n: int = _PRESENCE) -> list[Measured]:
    """Whole scenes: do those with a concept score higher for its words than those without?"""
    scenes = list(_scenes("T8", n))
    embedded = prompted.pictures(prompted.resized(np.stack([render(scene, SOURCE).rgb for scene in scenes])))
    has = np.array([_bits(scene) for scene in scenes], np.uint64)
    found = []
    for group in ("colour", "shape", "texture", "size", "background", "part"):
        names = GROUPS[group]
        scores = (embedded @ prompted.words([phrase(name, 1).text for name in names]).T).numpy()
        there = np.stack([(has & np.uint64(BIT[name])) > 0 for name in names], 1)
        found.append(_areas(f"presence AUROC: {group}", "T8 test", scores, there))
    return found


def cut_outs(prompted: Prompted, n: int = _CROPS) -> list[Measured]:
    """One object filling the picture: is the right word the nearest? And which parts has a creature?"""
    objects: list[tuple[Thing, np.ndarray]] = []
    for scene in _scenes("T8", 4 * n):
        drawn = render(scene, SOURCE)
        seen = [item for at, item in enumerate(scene.items) if share_seen(drawn, at) >= 0.9]
        whole = [item for item in seen if isinstance(item, Thing)]
        objects += [(item, drawn.rgb) for item in whole[:1]]
        if len(objects) == n:
            break
    images = torch.cat([_cut(prompted, picture, item) for item, picture in objects])
    embedded = prompted.pictures(images)
    found = []
    for group in ("colour", "shape", "texture"):
        names = GROUPS[group]
        said = (embedded @ prompted.words([phrase(name, 1).text for name in names]).T).argmax(1).numpy()
        right = np.array([getattr(item, group) for item, _ in objects]) == np.array(names)[said]
        found.append(_share(f"cut-outs: {group}", "T8 test", right))
    pairs = [(colour, shape) for colour in GROUPS["colour"] for shape in GROUPS["shape"]]
    said = (
        (embedded @ prompted.words([with_article(f"{colour} {shape}") for colour, shape in pairs]).T)
        .argmax(1)
        .numpy()
    )
    right = np.array(
        [pairs[k] == (item.colour, item.shape) for k, (item, _) in zip(said, objects, strict=True)]
    )
    found.append(_share("cut-outs: colour and shape of 64", "T8 test", right))
    return found + _parts(prompted, n)


def _parts(prompted: Prompted, n: int) -> list[Measured]:
    images: list[Tensor] = []
    has: list[int] = []
    for task in ("T4", "T8"):
        enough = len(has) + n // 2
        for scene in _scenes(task, 4 * n):
            drawn = render(scene, SOURCE)
            seen = [item for at, item in enumerate(scene.items) if share_seen(drawn, at) >= 0.9]
            # One of a scene, so that what is drawn again for the interval are scenes.
            for item in [item for item in seen if isinstance(item, Creature)][:1]:
                images.append(_cut(prompted, drawn.rgb, item))
                has.append(bits_of(item))
            if len(has) == enough:
                break
    names = GROUPS["part"]
    words = prompted.words([phrase(name, 1).text for name in names])
    scores = (prompted.pictures(torch.cat(images)) @ words.T).numpy()
    there = np.stack([(np.array(has, np.uint64) & np.uint64(BIT[name])) > 0 for name in names], 1)
    on = "creatures of T4 and T8 test"
    return [
        _areas("cut-outs: part presence AUROC", on, scores, there),
        _areas("cut-outs: part presence AUROC, worst part", on, scores, there, worst=True),
    ]


def circled(prompted: Prompted, n: int = _CIRCLED) -> list[Measured]:
    """A red circle around one of several objects: is its text nearer than those of the others? And without circle?"""
    first, bare, chance, cases = [], [], [], 0
    for scene in _scenes("T8", 4 * n):
        texts = {at: _described(item) for at, item in enumerate(scene.items) if isinstance(item, Thing)}
        if len(set(texts.values())) < 2 or len(set(texts.values())) < len(texts):
            continue
        drawn = render(scene, SOURCE)
        seen = [at for at in texts if share_seen(drawn, at) >= 0.6]
        if not seen:
            continue
        at = seen[cases % len(seen)]
        item = scene.items[at]
        clean = prompted.resized(drawn.rgb[None])[0]
        with_circle = clean.clone()
        draw_circle(with_circle, Circle(item.x, item.y, 1.25 * item.radius))
        scores = prompted.pictures(torch.stack([with_circle, clean])) @ prompted.words(list(texts.values())).T
        right = list(texts).index(at)
        first.append(int(scores[0].argmax()) == right)
        bare.append(int(scores[1].argmax()) == right)
        chance.append(1 / len(texts))
        cases += 1
        if cases == n:
            break
    on = f"T8 test, chance {np.mean(chance):.2f}"
    return [
        _share("circled thing's text first", on, np.array(first)),
        _share("the same without the circle", on, np.array(bare)),
    ]


def maps(prompted: Prompted, n: int = _MAPS) -> list[Measured]:
    """Where: maps from red circles on a 7x7 grid, and from the tokens, against the masks of the objects."""
    names = ("red-circle maps: AUROC", "dense tokens: AUROC")
    points = "red-circle maps: pointing within .07", "a perfect 7x7 map: pointing within .07"
    right = "red-circle maps: right against other things"
    found: dict[str, list[float]] = {name: [] for name in (*names, *points, right)}
    scene_of: list[int] = []
    for index, scene in enumerate(_scenes("T8", n)):
        texts = {at: _described(item) for at, item in enumerate(scene.items) if isinstance(item, Thing)}
        texts = {at: text for at, text in texts.items() if list(texts.values()).count(text) == 1}
        drawn = render(scene, SOURCE)
        masks = {at: drawn.id_map == at + 1 for at in texts}
        masks = {at: mask for at, mask in masks.items() if mask.sum() >= 20}
        if not masks:
            continue
        words = prompted.words([texts[at] for at in masks])
        clean = prompted.resized(drawn.rgb[None])
        cells = (prompted.pictures(_with_circles(clean[0])) @ words.T).T.reshape(-1, ALONG, ALONG)
        side = prompted.size // PATCH
        dense = (prompted.tokens(clean)[0] @ words.T).T.reshape(-1, side, side)
        for k, (at, mask) in enumerate(masks.items()):
            circle_map = _enlarged(cells[k])
            found[names[0]].append(_area(circle_map, mask))
            found[names[1]].append(_area(_enlarged(dense[k]), mask))
            found[points[0]].append(_points(cells[k].numpy(), mask))
            found[points[1]].append(_points(_shares(mask), mask))
            others = [other for name, other in masks.items() if name != at]
            inside = mask | np.logical_or.reduce(others) if others else mask
            found[right].append(_area(circle_map[inside], mask[inside]) if others else float("nan"))
            scene_of.append(index)
    return [_mean(name, found[name], scene_of) for name in (names[0], *points, right, names[1])]


def _with_circles(clean: Float32[Tensor, "3 s s"]) -> Float32[Tensor, "49 3 s s"]:
    images = clean.repeat(ALONG * ALONG, 1, 1, 1)
    for at in range(ALONG * ALONG):
        row, column = divmod(at, ALONG)
        draw_circle(images[at], Circle((column + 0.5) / ALONG, (row + 0.5) / ALONG, CIRCLE_RADIUS))
    return images


def _enlarged(cells: Float[Tensor, "h w"]) -> Float[np.ndarray, "S S"]:
    return nn.functional.interpolate(cells[None, None].float(), (SOURCE, SOURCE), mode="bilinear")[
        0, 0
    ].numpy()


def _area(scores: np.ndarray, mask: np.ndarray) -> float:
    return float(auroc_matrix(scores.reshape(-1, 1), mask.reshape(-1, 1))[0, 0])


def _points(cells: Float[np.ndarray, "g g"], mask: Bool[np.ndarray, "S S"]) -> float:
    """Whether the centre of the highest cell lies within .07 of the side of the mask."""
    row, column = divmod(int(cells.argmax()), ALONG)
    y, x = np.nonzero(mask)
    side = mask.shape[0]
    away = np.hypot((y + 0.5) / side - (row + 0.5) / ALONG, (x + 0.5) / side - (column + 0.5) / ALONG)
    return float(away.min() <= 0.07)


def _shares(mask: Bool[np.ndarray, "S S"]) -> Float[np.ndarray, "g g"]:
    """Share of each cell that the mask covers: the best that a 7x7 map can know."""
    cells = nn.functional.adaptive_avg_pool2d(torch.from_numpy(mask).float()[None, None], ALONG)
    found: np.ndarray = cells[0, 0].numpy()
    return found


def _scenes(task: str, n: int) -> Iterator[Scene]:
    which = find_task(task)
    return (which.scene("test", index) for index in range(n))


def _bits(scene: Scene) -> int:
    found = BIT[scene.background.kind]
    for item in scene.items:
        found |= bits_of(item)
    return found


def _described(item: Thing) -> str:
    return f"a {item.texture} {item.colour} {item.shape}"


def _cut(prompted: Prompted, picture: np.ndarray, item: Thing | Creature) -> Float32[Tensor, "1 3 s s"]:
    """The square of 1.3 radii around an item, moved into the picture where it would leave it, at the model's size."""
    whole = picture.shape[0]
    left, top, side = pixel_square(square_within(item.x, item.y, 1.3 * item.radius), whole)
    return prompted.resized(picture[None, top : top + side, left : left + side])


def _share(what: str, on: str, right: np.ndarray) -> Measured:
    return _measured(what, on, len(right), interval(right.astype(float), kind="wilson"))


def _mean(what: str, values: Sequence[float], scene_of: Sequence[int]) -> Measured:
    """A mean over objects, whose interval draws whole scenes."""
    known = np.array([not np.isnan(value) for value in values])
    found = interval(np.array(values)[known], groups=np.array(scene_of)[known])
    return _measured(what, "T8 test", int(known.sum()), found)


def _areas(what: str, on: str, scores: np.ndarray, there: np.ndarray, *, worst: bool = False) -> Measured:
    """The mean AUROC of several concepts, or that of the worst one; percentile interval over pictures drawn again."""
    if worst:
        least = int(np.nanargmin(_area_of(scores, there)))
        scores, there = scores[:, [least]], there[:, [least]]
    rng = np.random.default_rng(0)
    n = len(scores)
    rows = (rng.integers(0, n, n) for _ in range(_RESAMPLES))
    again = [np.nanmean(_area_of(scores[some], there[some])) for some in rows]
    low, high = np.quantile(again, (0.025, 0.975))
    value = np.nanmean(_area_of(scores, there))
    return Measured(what, on, n, _round(value), _round(low), _round(high), _BARS.get(what))


def _area_of(scores: np.ndarray, there: np.ndarray) -> np.ndarray:
    return np.array([auroc_matrix(scores[:, [k]], there[:, [k]])[0, 0] for k in range(scores.shape[1])])


def _measured(what: str, on: str, n: int, found: Interval) -> Measured:
    value, low, high = (_round(number) for number in (found.mean, found.low, found.high))
    return Measured(what, on, n, value, low, high, _BARS.get(what))


def _round(value: float) -> float:
    return round(float(value), 4)
