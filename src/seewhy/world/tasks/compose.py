"""From what a task wants to a scene: each object's and creature's allowed words, the rest by chance.

A task says what must be, as few things as its label needs; everything else is drawn uniformly, so that it carries
nothing about the label. Objects are put in a random order first, so that neither place nor painting order tells
which of them mattered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

from seewhy.world.grammar import (
    BODIES,
    COATS,
    COLOURS,
    MAX_OBJECTS,
    PARTS,
    SHAPES,
    SIZES,
    SLOTS,
    TEXTURES,
    darkened,
)
from seewhy.world.hashing import Draws
from seewhy.world.layout import find_places
from seewhy.world.sampling import (
    CREATURE_RADIUS,
    Grammar,
    jittered,
    object_colours,
    object_radius,
    part_of,
    sample_background,
)
from seewhy.world.scene import Background, Creature, Decoy, Item, Lighting, Scene, Thing
from seewhy.world.tasks.splits import HELD_OUT_PAIRS, Split, is_held_out

Pair = tuple[str, str]

_REDRAWS = 64


@dataclass(frozen=True)
class Wanted:
    """What one object may be, each factor uniform over what is allowed.

    `avoid` are (colour, shape) pairs that it must not have. `radius` replaces the size's own; `room`, if larger, is
    the radius of the disk that is kept for it. `free` says that the label does not speak of this object, so that it
    may be the one with a held-out pair.
    """

    shapes: tuple[str, ...] = SHAPES
    colours: tuple[str, ...] = tuple(COLOURS)
    textures: tuple[str, ...] = TEXTURES
    sizes: tuple[str, ...] = tuple(SIZES)
    avoid: tuple[Pair, ...] = ()
    radius: float | None = None
    room: float = 0.0
    free: bool = True


@dataclass(frozen=True)
class WantedCreature:
    """What one creature may be: the variants allowed in each slot, "none" for an empty one.

    A slot that is not named has any variant, and is empty as often as the grammar says. A creature that is not
    `free` belongs to a class, and no combination of parts is held out from it. `scale` is the least and largest
    length of its parts, each drawn by itself.
    """

    slots: tuple[tuple[str, tuple[str, ...]], ...] = ()
    radius: tuple[float, float] = CREATURE_RADIUS
    free: bool = True
    scale: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True)
class Plan:
    """What a task wants of one scene; `backgrounds` are the kinds allowed."""

    things: tuple[Wanted, ...]
    backgrounds: tuple[str, ...]
    creatures: tuple[WantedCreature, ...] = ()
    decoy: Decoy | None = None


@dataclass(frozen=True)
class Setting:
    """All that a task's plan may depend on: the scene's chance, what the grammar allows, the split, the bias."""

    draws: Draws
    grammar: Grammar
    split: Split
    bias: float = 0.5

    def n_objects(self, keys: int, counts: Sequence[int] | None = None, creatures: int = 0) -> int:
        """How many objects: from `counts` or the grammar, at least `keys`, and room for a held-out pair."""
        drawn = self.draws.pick("count", counts or self.grammar.counts)
        return max(min(drawn, MAX_OBJECTS - 2 * creatures), keys + self.split.novel)

    def chance(self, name: str, share: float) -> bool:
        """True in that share of the scenes."""
        return self.draws.uniform(name) < share


def compose(setting: Setting, plan: Plan) -> Scene:
    """The scene of a plan."""
    draws, grammar = setting.draws, setting.grammar
    wanted = _shuffled(draws, plan.things)
    novel = _novel_object(setting, wanted)
    things = [_thing(setting, want, at, at == novel) for at, want in enumerate(wanted)]
    beasts = [_creature(setting, want, at, len(things) + at) for at, want in enumerate(plan.creatures)]
    items: list[Item] = [*things, *beasts]
    room = [want.room for want in wanted] + [0.0] * len(beasts)
    while (places := find_places(draws, _radii(items, room), grammar.overlap)) is None:
        # Too full, about once in a million scenes: one object that the label does not speak of goes.
        spare = [at for at, want in enumerate(wanted) if want.free and at != novel]
        assert spare, "no room for what the task needs"
        del items[spare[-1]], wanted[spare[-1]], room[spare[-1]]
    placed = [replace(item, x=x, y=y) for item, (x, y) in zip(items, places, strict=True)]
    n_things = len(wanted)
    for at in range(len(beasts)):
        placed.insert(draws.below("creature.order", n_things + 1, at), placed.pop(n_things + at))
    return Scene(
        seed=draws.seed,
        index=draws.index,
        background=_background(setting, plan.backgrounds),
        lighting=Lighting(draws.below("lighting.direction", 8), _strength(setting)),
        items=tuple(placed),
        noise=_noise(setting),
        decoy=plan.decoy,
    )


@cache
def allowed_pairs(want: Wanted, novel: bool) -> tuple[Pair, ...]:
    """The (colour, shape) pairs that an object may have: held-out ones only, or all others."""
    return tuple(
        (colour, shape)
        for shape in want.shapes
        for colour in want.colours
        if ((colour, shape) in HELD_OUT_PAIRS) == novel and (colour, shape) not in want.avoid
    )


def _radii(items: Sequence[Item], room: Sequence[float]) -> list[float]:
    return [max(item.radius, kept) for item, kept in zip(items, room, strict=True)]


def _shuffled(draws: Draws, things: tuple[Wanted, ...]) -> list[Wanted]:
    rest = list(things)
    return [rest.pop(draws.below("task.order", len(rest), at)) for at in range(len(rest))]


def _novel_object(setting: Setting, wanted: Sequence[Wanted]) -> int | None:
    """Which object has a held-out pair; None outside the split of held-out pairs."""
    if not setting.split.novel:
        return None
    able = [at for at, want in enumerate(wanted) if want.free and allowed_pairs(want, True)]
    return setting.draws.pick("task.novel", able)


def _thing(setting: Setting, want: Wanted, at: int, novel: bool) -> Thing:
    draws = setting.draws
    pairs = allowed_pairs(want, novel)
    # The shape first, so that shapes stay uniform, and apart from what a task says about colours.
    shape = draws.pick("object.shape", tuple(dict.fromkeys(shape for _, shape in pairs)), at)
    colour = draws.pick("object.colour", tuple(colour for colour, other in pairs if other == shape), at)
    size = draws.pick("object.size", want.sizes, at)
    first, second = object_colours(draws, colour, at, setting.grammar.contrast)
    return Thing(
        id=at,
        shape=shape,
        colour=colour,
        texture=draws.pick("object.texture", want.textures, at),
        size=size,
        rgb=first,
        second=second,
        x=0.5,
        y=0.5,
        radius=want.radius or object_radius(draws, size, at),
        turn=draws.below("object.turn", 64, at),
    )


def _creature(setting: Setting, want: WantedCreature, at: int, name: int) -> Creature:
    draws = setting.draws
    coat = draws.pick("creature.coat", tuple(COATS), at)
    variants = _variants(setting, want, at)
    return Creature(
        id=name,
        body=draws.pick("creature.body", BODIES, at),
        coat=coat,
        rgb=jittered(draws, "creature.rgb", COATS[coat], name),
        parts=tuple(
            replace(
                part_of(draws, slot, variant, name),
                scale=draws.uniform(f"creature.{slot}.scale", name, *want.scale),
            )
            for slot, variant in zip(SLOTS, variants, strict=True)
            if variant != "none"
        ),
        x=0.5,
        y=0.5,
        radius=draws.uniform("creature.radius", at, *want.radius),
        turn=(draws.below("creature.turn", 16, at) - 8) % 64,
        flip=draws.below("creature.flip", 2, at) == 1,
    )


def _variants(setting: Setting, want: WantedCreature, at: int) -> tuple[str, ...]:
    """One variant or "none" per slot; of a free creature held out exactly if the split asks for it."""
    draws, wanted = setting.draws, dict(want.slots)
    if want.free and setting.split.novel:
        return draws.pick("creature.novel", _held_out_variants(want), at)
    for redraw in range(_REDRAWS):
        place = at * _REDRAWS + redraw
        variants = tuple(
            draws.pick(f"creature.{slot}", wanted[slot], place)
            if slot in wanted
            else "none"
            if draws.uniform(f"creature.{slot}.empty", place) < setting.grammar.empty_slot
            else draws.pick(f"creature.{slot}", tuple(PARTS[slot]), place)
            for slot in SLOTS
        )
        if not want.free or not is_held_out(variants):
            return variants
    raise AssertionError("64 draws, nine of ten good, all missed")


@cache
def _held_out_variants(want: WantedCreature) -> tuple[tuple[str, ...], ...]:
    """The held-out combinations that a creature may have, no slot empty."""
    wanted = dict(want.slots)
    every = product(*(wanted.get(slot, tuple(PARTS[slot])) for slot in SLOTS))
    return tuple(variants for variants in every if is_held_out(variants))


def _background(setting: Setting, kinds: tuple[str, ...]) -> Background:
    background = sample_background(setting.draws, replace(setting.grammar, backgrounds=kinds))
    if not setting.split.strange:
        return background
    # Dark with pale figures, and finer: no other split has it.
    return replace(
        background,
        rgb=darkened(background.rgb, 55),
        second=background.rgb,
        period=setting.draws.uniform("background.period", 0, 0.07, 0.11),
    )


def _strength(setting: Setting) -> float:
    low, high = (0.25, 0.4) if setting.split.strange else (0.0, setting.grammar.lighting)
    return setting.draws.uniform("lighting.strength", 0, low, high)


def _noise(setting: Setting) -> float:
    low, high = (6.0, 12.0) if setting.split.strange else (0.0, setting.grammar.noise)
    return setting.draws.uniform("noise.sigma", 0, low, high)
