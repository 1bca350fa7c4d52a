"""Scene number i of a seed: random access, no state, the same on every machine.

Factors are independent and uniform over what the `Grammar` allows. Objects lie wholly in the picture, leave the
four corners free for a decoy, and overlap little enough that at least 60 % of each stays visible.
"""

from __future__ import annotations

from dataclasses import dataclass

from seewhy.errors import InputError, did_you_mean, message
from seewhy.world.grammar import (
    BACKGROUNDS,
    COLOUR_JITTER,
    COLOURS,
    CORNER_SIDE,
    HUES,
    MAX_LIGHTING,
    MAX_NOISE,
    MAX_OBJECTS,
    RGB,
    SHAPES,
    SIZE_JITTER,
    SIZES,
    TEXTURES,
    darkened,
)
from seewhy.world.hashing import Draws
from seewhy.world.scene import Background, Lighting, Scene, Thing

_ATTEMPTS = 64

# How far two bounding disks may enter each other, as a share of the smaller radius: 5 % of its area.
_OVERLAP = 0.2

# Used when 64 attempts find no place: five places far enough apart for any five sizes.
_FALLBACK = ((0.25, 0.25), (0.75, 0.75), (0.75, 0.25), (0.25, 0.75), (0.5, 0.5))


@dataclass(frozen=True)
class Grammar:
    """What the sampler may choose from: names as in `seewhy.world.grammar`, each factor uniform.

    `counts` are the possible numbers of objects (1 to 5); `lighting` and `noise` are upper ends of ranges.
    """

    shapes: tuple[str, ...] = SHAPES
    colours: tuple[str, ...] = tuple(COLOURS)
    textures: tuple[str, ...] = TEXTURES
    sizes: tuple[str, ...] = tuple(SIZES)
    backgrounds: tuple[str, ...] = BACKGROUNDS
    hues: tuple[str, ...] = tuple(HUES)
    counts: tuple[int, ...] = (2, 3, 4, 5)
    lighting: float = MAX_LIGHTING
    noise: float = MAX_NOISE

    def __post_init__(self) -> None:
        for what, chosen, valid in (
            ("shapes", self.shapes, SHAPES),
            ("colours", self.colours, COLOURS),
            ("textures", self.textures, TEXTURES),
            ("sizes", self.sizes, SIZES),
            ("backgrounds", self.backgrounds, BACKGROUNDS),
            ("hues", self.hues, HUES),
        ):
            unknown = [name for name in chosen if name not in valid]
            if unknown or not chosen:
                raise InputError(
                    message(
                        f"The grammar's {what} are {chosen!r}.",
                        f"They are one or more of {', '.join(valid)}.",
                        did_you_mean(unknown[0], valid) if unknown else "Allow at least one.",
                    )
                )
        if not self.counts or not all(1 <= count <= MAX_OBJECTS for count in self.counts):
            raise InputError(
                message(
                    f"The grammar's counts are {self.counts!r}.",
                    f"They are one or more whole numbers from 1 to {MAX_OBJECTS}.",
                    "Pass for example counts=(2, 3).",
                )
            )


DEFAULT = Grammar()


def sample_scene(seed: int, index: int, grammar: Grammar = DEFAULT) -> Scene:
    """Scene `index` of `seed`; the same for the same arguments, whatever was sampled before.

    Parameters
    ----------
    seed, index
        Which scene: whole numbers from 0. Scenes of different pairs are unrelated.
    grammar
        What may occur. Fields that two grammars allow alike are drawn alike.

    Examples
    --------
    >>> sample_scene(0, 3) == sample_scene(0, 3)
    True
    """
    draws = Draws(seed, index)
    n_objects = draws.pick("count", grammar.counts)
    attributes = [_attributes(draws, at, grammar) for at in range(n_objects)]
    places = _places(draws, [radius for _, radius in attributes])
    things = tuple(
        _thing(draws, at, words, radius, place)
        for at, ((words, radius), place) in enumerate(zip(attributes, places, strict=True))
    )
    return Scene(
        seed=seed,
        index=index,
        background=_background(draws, grammar),
        lighting=Lighting(
            draws.below("lighting.direction", 8), draws.uniform("lighting.strength", 0, 0.0, grammar.lighting)
        ),
        objects=things,
        noise=draws.uniform("noise.sigma", 0, 0.0, grammar.noise),
    )


def _background(draws: Draws, grammar: Grammar) -> Background:
    hue = draws.pick("background.hue", grammar.hues)
    rgb = _jittered(draws, "background.rgb", HUES[hue], 0)
    return Background(
        kind=draws.pick("background.kind", grammar.backgrounds),
        hue=hue,
        rgb=rgb,
        second=darkened(rgb, 72),
        turn=draws.below("background.turn", 64),
        period=draws.uniform("background.period", 0, 0.12, 0.25),
    )


def _attributes(draws: Draws, at: int, grammar: Grammar) -> tuple[dict[str, str], float]:
    words = {
        "shape": draws.pick("object.shape", grammar.shapes, at),
        "colour": draws.pick("object.colour", grammar.colours, at),
        "texture": draws.pick("object.texture", grammar.textures, at),
        "size": draws.pick("object.size", grammar.sizes, at),
    }
    return words, SIZES[words["size"]] * draws.uniform("object.radius", at, 1 - SIZE_JITTER, 1 + SIZE_JITTER)


def _thing(draws: Draws, at: int, words: dict[str, str], radius: float, place: tuple[float, float]) -> Thing:
    rgb = _jittered(draws, "object.rgb", COLOURS[words["colour"]], at)
    return Thing(
        id=at,
        **words,
        rgb=rgb,
        second=darkened(rgb, 45),
        x=place[0],
        y=place[1],
        radius=radius,
        turn=draws.below("object.turn", 64, at),
    )


def _places(draws: Draws, radii: list[float]) -> list[tuple[float, float]]:
    """A centre for each radius, by rejection; all at the fallback places if one finds none."""
    chosen: list[tuple[float, float]] = []
    for at, radius in enumerate(radii):
        for attempt in range(_ATTEMPTS):
            x, y = (
                draws.uniform(name, at * _ATTEMPTS + attempt, radius, 1 - radius)
                for name in ("object.x", "object.y")
            )
            if _is_free(x, y, radius, chosen, radii):
                chosen.append((x, y))
                break
        else:
            return list(_FALLBACK[: len(radii)])
    return chosen


def _is_free(
    x: float, y: float, radius: float, chosen: list[tuple[float, float]], radii: list[float]
) -> bool:
    # From the nearest corner of the picture, how far the disk's centre lies beyond that corner's square.
    dx, dy = (max(min(at, 1 - at) - CORNER_SIDE, 0.0) for at in (x, y))
    if dx * dx + dy * dy < radius * radius:
        return False
    for (ox, oy), other in zip(chosen, radii, strict=False):
        apart = radius + other - _OVERLAP * min(radius, other)
        if (x - ox) * (x - ox) + (y - oy) * (y - oy) < apart * apart:
            return False
    return True


def _jittered(draws: Draws, name: str, rgb: RGB, at: int) -> RGB:
    red, green, blue = (
        value - COLOUR_JITTER + draws.below(f"{name}.{channel}", 2 * COLOUR_JITTER + 1, at)
        for channel, value in zip("rgb", rgb, strict=True)
    )
    return red, green, blue
