"""The edits of one item: its colour, texture, shape, size and place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from seewhy.errors import InputError, message
from seewhy.world.checks import check_name
from seewhy.world.edits.operation import Edit, item_of, nothing_to_do, object_of
from seewhy.world.grammar import (
    BODIES,
    COATS,
    COLOUR_JITTER,
    COLOURS,
    RGB,
    SHAPES,
    SIZES,
    SLOTS,
    TEXTURES,
    darkened,
)
from seewhy.world.hashing import Draws
from seewhy.world.sampling import Grammar, jittered, object_colours, object_radius
from seewhy.world.scene import Creature, Item, Part, Scene, Thing

_SWAPS: dict[type[Item], dict[str, tuple[str, ...]]] = {
    Thing: {
        "colour": ("colour", "rgb", "second"),
        "shape": ("shape",),
        "texture": ("texture",),
        "size": ("size", "radius"),
        "place": ("x", "y"),
    },
    Creature: {"coat": ("coat", "rgb"), "body": ("body",), "size": ("radius",), "place": ("x", "y")},
}

_CONTRASTS = (1.0, Grammar.of(2).contrast)


@dataclass(frozen=True)
class Recolour(Edit):
    """Give an object another colour, or a creature another coat.

    A second colour that is the first one darkened, as the sampler makes it, follows the first.
    """

    item: int
    colour: str
    rgb: RGB | None = None
    second: RGB | None = None
    op: ClassVar[str] = "recolour"

    def on(self, scene: Scene) -> Scene:
        item, draws = item_of(scene, self.item), Draws(scene.seed, scene.index)
        if isinstance(item, Creature):
            check_name("coat", self.colour, COATS)
            rgb = self.rgb or jittered(draws, "creature.rgb", COATS[self.colour], item.id)
            return scene.with_item(replace(item, coat=self.colour, rgb=rgb))
        check_name("colour", self.colour, COLOURS)
        rgb = self.rgb or object_colours(draws, self.colour, item.id, _contrast(item))[0]
        derived = item.second == darkened(item.rgb, 45)
        second = self.second or (darkened(rgb, 45) if derived else item.second)
        return scene.with_item(replace(item, colour=self.colour, rgb=rgb, second=second))

    def undo(self, scene: Scene) -> Edit:
        item = item_of(scene, self.item)
        if isinstance(item, Creature):
            return Recolour(item.id, item.coat, item.rgb)
        return Recolour(item.id, item.colour, item.rgb, item.second)


@dataclass(frozen=True)
class Retexture(Edit):
    """Give an object another texture."""

    item: int
    texture: str
    op: ClassVar[str] = "retexture"

    def on(self, scene: Scene) -> Scene:
        check_name("texture", self.texture, TEXTURES)
        return scene.with_item(replace(object_of(scene, self.item), texture=self.texture))

    def undo(self, scene: Scene) -> Edit:
        return Retexture(self.item, object_of(scene, self.item).texture)


@dataclass(frozen=True)
class Reshape(Edit):
    """Give an object another shape, or a creature another body; its radius stays."""

    item: int
    shape: str
    op: ClassVar[str] = "reshape"

    def on(self, scene: Scene) -> Scene:
        item = item_of(scene, self.item)
        if isinstance(item, Creature):
            check_name("body", self.shape, BODIES)
            return scene.with_item(replace(item, body=self.shape))
        check_name("shape", self.shape, SHAPES)
        return scene.with_item(replace(item, shape=self.shape))

    def undo(self, scene: Scene) -> Edit:
        item = item_of(scene, self.item)
        return Reshape(item.id, item.body if isinstance(item, Creature) else item.shape)


@dataclass(frozen=True)
class Resize(Edit):
    """Give an object another size, by its name, or a creature another `radius` (a share of the picture's side)."""

    item: int
    size: str | None = None
    radius: float | None = None
    op: ClassVar[str] = "resize"

    def on(self, scene: Scene) -> Scene:
        item = item_of(scene, self.item)
        if isinstance(item, Creature):
            if self.size is not None or self.radius is None:
                raise InputError(
                    message(
                        f"Item {item.id} is a creature, and the edit is {self}.",
                        "A creature has a radius and no name for its size.",
                        f"Pass for example Resize({item.id}, radius=0.18).",
                    )
                )
            return scene.with_item(replace(item, radius=self.radius))
        size = item.size if self.size is None and self.radius is not None else self.size
        check_name("size", size, SIZES)
        assert size is not None
        radius = self.radius
        if radius is None:
            radius = object_radius(Draws(scene.seed, scene.index), size, item.id)
        return scene.with_item(replace(item, size=size, radius=radius))

    def undo(self, scene: Scene) -> Edit:
        item = item_of(scene, self.item)
        return Resize(item.id, None if isinstance(item, Creature) else item.size, item.radius)


@dataclass(frozen=True)
class Move(Edit):
    """Put an item's centre elsewhere (shares of the picture's side, y downwards)."""

    item: int
    x: float
    y: float
    op: ClassVar[str] = "move"

    def on(self, scene: Scene) -> Scene:
        return scene.with_item(replace(item_of(scene, self.item), x=self.x, y=self.y))

    def undo(self, scene: Scene) -> Edit:
        item = item_of(scene, self.item)
        return Move(item.id, item.x, item.y)


@dataclass(frozen=True)
class SwapAttribute(Edit):
    """Exchange one attribute of items `a` and `b`, down to the exact paint or radius.

    Of two objects: colour, shape, texture, size, place. Of two creatures: coat, body, size, place, or a slot. Of
    an object and a creature: place.
    """

    a: int
    b: int
    attribute: str
    op: ClassVar[str] = "swap_attribute"

    def on(self, scene: Scene) -> Scene:
        a, b = item_of(scene, self.a), item_of(scene, self.b)
        if a is b:
            raise nothing_to_do(f"a and b are both item {self.a}.")
        possible = [*_SWAPS[type(a)], *SLOTS] if isinstance(a, Creature) else list(_SWAPS[type(a)])
        check_name("attribute", self.attribute, possible if type(a) is type(b) else ["place"])
        if self.attribute in SLOTS:
            assert isinstance(a, Creature) and isinstance(b, Creature)
            from_a, from_b = (part_in(creature, self.attribute) for creature in (a, b))
            swapped = scene.with_item(with_part(a, self.attribute, from_b))
            return swapped.with_item(with_part(b, self.attribute, from_a))
        names = _SWAPS[type(a)][self.attribute]
        new_a = replace(a, **{name: getattr(b, name) for name in names})
        new_b = replace(b, **{name: getattr(a, name) for name in names})
        return scene.with_item(new_a).with_item(new_b)

    def undo(self, scene: Scene) -> Edit:
        return self


def with_part(creature: Creature, slot: str, part: Part | None) -> Creature:
    """The creature with that part, or nothing, in the slot."""
    parts = {old.slot: old for old in creature.parts if old.slot != slot}
    if part is not None:
        parts[slot] = part
    return replace(creature, parts=tuple(parts[name] for name in SLOTS if name in parts))


def part_in(creature: Creature, slot: str) -> Part | None:
    """The creature's part in that slot, or None."""
    return next((part for part in creature.parts if part.slot == slot), None)


def _contrast(thing: Thing) -> float:
    """How pale the object is: the contrast of the sampler's grammars whose box of its colour it lies in."""
    for contrast in _CONTRASTS:
        reach = COLOUR_JITTER * contrast + 1
        middle = (128 + contrast * (value - 128) for value in COLOURS[thing.colour])
        if all(abs(value - at) <= reach for value, at in zip(thing.rgb, middle, strict=True)):
            return contrast
    return 1.0
