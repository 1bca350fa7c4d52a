"""Scene number i of a seed: random access, no state, the same on every machine.

Factors are independent and uniform over what the `Grammar` allows. Items lie wholly in the picture, leave the four
corners free for a decoy, and overlap little enough that at least 60 % of each stays visible.
"""

from __future__ import annotations

from dataclasses import dataclass

from seewhy.errors import InputError, did_you_mean, message
from seewhy.world.checks import check_counts, check_name, check_number, check_pair, check_whole
from seewhy.world.grammar import (
    BACKGROUNDS,
    BODIES,
    COATS,
    COLOUR_JITTER,
    COLOURS,
    HUES,
    MAX_CREATURES,
    MAX_LIGHTING,
    MAX_NOISE,
    MAX_OBJECTS,
    PART_COLOURS,
    PARTS,
    RGB,
    SHAPES,
    SIZE_JITTER,
    SIZES,
    SLOTS,
    TEXTURES,
    darkened,
)
from seewhy.world.hashing import Draws
from seewhy.world.layout import find_places
from seewhy.world.scene import Background, Creature, Item, Lighting, Part, Scene, Thing

COUNTS = (1,) * 2 + (2,) * 9 + (3,) * 9 + (4,) * 9 + (5,) * 9 + (6,) * 2
"""Numbers of objects, as often as they occur: 1 and 6 in 5 % of the scenes each, so that a scene with one object
more or less than usual is still a scene of the world."""

CREATURE_COUNTS = (0,) * 6 + (1,) * 3 + (2,)

CREATURE_RADIUS = (0.15, 0.21)
"""Least and largest radius: at 96 pixels every part then covers at least 24."""

_REDRAWS = 64


@dataclass(frozen=True)
class Grammar:
    """What the sampler may choose from: names as in `seewhy.world.grammar`, each factor uniform.

    Attributes
    ----------
    counts, creatures
        Possible numbers of objects (1 to 6) and creatures (0 to 2), each entry equally likely. With creatures
        there are at most 6 objects less two per creature.
    empty_slot
        How likely a creature's slot is to be empty.
    creature_radius
        Least and largest radius of a creature.
    lighting, noise
        Upper ends of their ranges.
    overlap
        How far two items' disks may enter each other, as a share of the smaller radius.
    contrast
        Share of an object's difference to middle grey that is kept.
    held_out
        Pairs (colour, shape) that never occur.
    """

    shapes: tuple[str, ...] = SHAPES
    colours: tuple[str, ...] = tuple(COLOURS)
    textures: tuple[str, ...] = TEXTURES
    sizes: tuple[str, ...] = tuple(SIZES)
    backgrounds: tuple[str, ...] = BACKGROUNDS
    hues: tuple[str, ...] = tuple(HUES)
    counts: tuple[int, ...] = COUNTS
    creatures: tuple[int, ...] = CREATURE_COUNTS
    empty_slot: float = 0.1
    creature_radius: tuple[float, float] = CREATURE_RADIUS
    lighting: float = MAX_LIGHTING
    noise: float = MAX_NOISE
    overlap: float = 0.2
    contrast: float = 1.0
    held_out: tuple[tuple[str, str], ...] = ()

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
        check_counts("counts", self.counts, 1, MAX_OBJECTS, "counts=(2, 3)")
        check_counts("creatures", self.creatures, 0, MAX_CREATURES, "creatures=(0,)")
        check_pair("creature_radius", self.creature_radius, 0.05, 0.4)
        for pair in self.held_out:
            check_name("held-out colour", pair[0], COLOURS)
            check_name("held-out shape", pair[1], SHAPES)
        allowed = {(colour, shape) for colour in self.colours for shape in self.shapes} - set(self.held_out)
        if not allowed:
            raise InputError(
                message(
                    f"All {len(self.held_out)} pairs of colour and shape are held out.",
                    "An object has one of the others.",
                    "Hold out fewer pairs, or allow more colours or shapes.",
                )
            )
        check_number("empty_slot", self.empty_slot, 0.0, 1.0)
        check_number("lighting", self.lighting, 0.0, 0.5)
        check_number("noise", self.noise, 0.0, 64.0)
        check_number("overlap", self.overlap, 0.0, 1.0)
        check_number("contrast", self.contrast, 0.25, 1.0)

    @classmethod
    def of(cls, difficulty: int) -> Grammar:
        """0: two objects on plain backgrounds. 1: the world. 2: five objects, pale, noisy, hidden up to a third.

        Raises
        ------
        InputError
            If the difficulty is not 0, 1 or 2.
        """
        check_whole("difficulty", difficulty, 0, 2)
        if difficulty == 0:
            return cls(counts=(2,), creatures=(0,), backgrounds=("plain",), lighting=0.0, noise=0.0)
        if difficulty == 1:
            return cls()
        return cls(counts=(5,), creatures=(0,), lighting=0.35, noise=12.0, overlap=0.7, contrast=0.6)


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
    n_creatures = draws.pick("creatures", grammar.creatures)
    n_objects = min(draws.pick("count", grammar.counts), MAX_OBJECTS - 2 * n_creatures)
    while True:
        items: list[Item] = [_thing(draws, at, grammar) for at in range(n_objects)]
        items += [_creature(draws, at, n_objects + at, grammar) for at in range(n_creatures)]
        places = find_places(draws, [item.radius for item in items], grammar.overlap)
        if places is not None:
            break
        # Too full: one object fewer, whatever it is.
        n_objects -= 1
        if n_objects < 0:
            raise InputError(
                message(
                    f"Scene {index} finds no room for {n_creatures} creatures of radius {grammar.creature_radius}.",
                    "Items lie in the picture and hardly overlap.",
                    "Allow smaller or fewer creatures.",
                )
            )
    items = [_placed(item, place) for item, place in zip(items, places, strict=True)]
    for at in range(n_creatures):
        # Creatures are painted anywhere among the objects, which are alike in their order already.
        items.insert(draws.below("creature.order", n_objects + 1, at), items.pop(n_objects + at))
    return Scene(
        seed=seed,
        index=index,
        background=sample_background(draws, grammar),
        lighting=Lighting(
            draws.below("lighting.direction", 8), draws.uniform("lighting.strength", 0, 0.0, grammar.lighting)
        ),
        items=tuple(items),
        noise=draws.uniform("noise.sigma", 0, 0.0, grammar.noise),
    )


def sample_background(draws: Draws, grammar: Grammar = DEFAULT) -> Background:
    """A background of the grammar."""
    hue = draws.pick("background.hue", grammar.hues)
    rgb = jittered(draws, "background.rgb", HUES[hue], 0)
    return Background(
        kind=draws.pick("background.kind", grammar.backgrounds),
        hue=hue,
        rgb=rgb,
        second=darkened(rgb, 72),
        turn=draws.below("background.turn", 64),
        period=draws.uniform("background.period", 0, 0.12, 0.25),
    )


def object_colours(draws: Draws, colour: str, at: int, contrast: float = 1.0) -> tuple[RGB, RGB]:
    """(first, second) colour of object `at` if it has that colour: the jitter belongs to the object."""
    first = jittered(draws, "object.rgb", COLOURS[colour], at)
    if contrast < 1.0:
        red, green, blue = (round(128 + contrast * (value - 128)) for value in first)
        first = red, green, blue
    return first, darkened(first, 45)


def part_of(draws: Draws, slot: str, variant: str, at: int) -> Part:
    """A part as the creature of that id would have it: the jitter belongs to the creature's slot."""
    colour = PART_COLOURS[PARTS[slot][variant][1]]
    return Part(slot, variant, jittered(draws, f"creature.{slot}.rgb", colour, at))


def jittered(draws: Draws, name: str, rgb: RGB, at: int) -> RGB:
    """The colour moved within its box."""
    red, green, blue = (
        max(0, min(255, value - COLOUR_JITTER + draws.below(f"{name}.{channel}", 2 * COLOUR_JITTER + 1, at)))
        for channel, value in zip("rgb", rgb, strict=True)
    )
    return red, green, blue


def object_radius(draws: Draws, size: str, at: int) -> float:
    """Radius of object `at` if it has that size; the jitter belongs to the object."""
    return SIZES[size] * draws.uniform("object.radius", at, 1 - SIZE_JITTER, 1 + SIZE_JITTER)


def _thing(draws: Draws, at: int, grammar: Grammar) -> Thing:
    shape = draws.pick("object.shape", grammar.shapes, at)
    colour = draws.pick("object.colour", grammar.colours, at)
    for redraw in range(1, _REDRAWS):
        if (colour, shape) not in grammar.held_out:
            break
        shape = draws.pick("object.shape.again", grammar.shapes, at * _REDRAWS + redraw)
        colour = draws.pick("object.colour.again", grammar.colours, at * _REDRAWS + redraw)
    size = draws.pick("object.size", grammar.sizes, at)
    first, second = object_colours(draws, colour, at, grammar.contrast)
    return Thing(
        id=at,
        shape=shape,
        colour=colour,
        texture=draws.pick("object.texture", grammar.textures, at),
        size=size,
        rgb=first,
        second=second,
        x=0.5,
        y=0.5,
        radius=object_radius(draws, size, at),
        turn=draws.below("object.turn", 64, at),
    )


def _creature(draws: Draws, at: int, name: int, grammar: Grammar) -> Creature:
    coat = draws.pick("creature.coat", tuple(COATS), at)
    parts = tuple(
        part_of(draws, slot, draws.pick(f"creature.{slot}", tuple(PARTS[slot]), at), name)
        for slot in SLOTS
        if draws.uniform(f"creature.{slot}.empty", at) >= grammar.empty_slot
    )
    return Creature(
        id=name,
        body=draws.pick("creature.body", BODIES, at),
        coat=coat,
        rgb=jittered(draws, "creature.rgb", COATS[coat], name),
        parts=parts,
        x=0.5,
        y=0.5,
        radius=draws.uniform("creature.radius", at, *grammar.creature_radius),
        # Up to an eighth of a turn to either side: a creature stands, more or less, on its feet.
        turn=(draws.below("creature.turn", 16, at) - 8) % 64,
        flip=draws.below("creature.flip", 2, at) == 1,
    )


def _placed(item: Item, place: tuple[float, float]) -> Item:
    # Not `replace`, which checks every field again: this is the sampler's inner loop.
    object.__setattr__(item, "x", place[0])
    object.__setattr__(item, "y", place[1])
    return item
