"""The edits of the scene as a whole: what is in it, in which order it is painted, its background and its light."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from seewhy.world.checks import check_name, check_whole
from seewhy.world.edits.items import part_in, with_part
from seewhy.world.edits.operation import Edit, creature_of, item_of, nothing_to_do
from seewhy.world.grammar import HUES, PARTS, RGB, SLOTS, darkened
from seewhy.world.hashing import Draws
from seewhy.world.sampling import jittered, part_of
from seewhy.world.scene import Creature, Decoy, Part, Scene, Thing

DECOY, BACKGROUND = "decoy", "background"


@dataclass(frozen=True)
class Remove(Edit):
    """Take away an item by its id, the part in its `slot`, the "decoy", or the "background" (plain is left)."""

    item: int | str
    slot: str | None = None
    op: ClassVar[str] = "remove"

    def on(self, scene: Scene) -> Scene:
        if self.slot is not None:
            creature, part = self._part(scene, self.slot)
            return scene.with_item(with_part(creature, part.slot, None))
        if self.item == DECOY:
            _decoy_of(scene)
            return scene.with_decoy(None)
        if self.item == BACKGROUND:
            if scene.background.kind == "plain":
                raise nothing_to_do("The background is plain already.")
            return replace(scene, background=replace(scene.background, kind="plain"))
        gone = item_of(scene, self.item)
        return replace(scene, items=tuple(item for item in scene.items if item.id != gone.id))

    def undo(self, scene: Scene) -> Edit:
        if self.slot is not None:
            creature, part = self._part(scene, self.slot)
            return ReplacePart(creature.id, part.slot, part.variant, part.rgb, part.scale)
        if self.item == DECOY:
            return Add(_decoy_of(scene))
        if self.item == BACKGROUND:
            return SetBackground(kind=scene.background.kind)
        gone = item_of(scene, self.item)
        return Add(gone, scene.items.index(gone))

    def _part(self, scene: Scene, slot: str) -> tuple[Creature, Part]:
        creature = creature_of(scene, self.item)
        check_name("slot", slot, SLOTS)
        part = part_in(creature, slot)
        if part is None:
            raise nothing_to_do(f"Creature {creature.id} has no {slot}.")
        return creature, part


@dataclass(frozen=True)
class ReplacePart(Edit):
    """Put another variant into a creature's slot, empty or not; as long as the part that was there."""

    item: int
    slot: str
    variant: str
    rgb: RGB | None = None
    scale: float | None = None
    op: ClassVar[str] = "replace_part"

    def on(self, scene: Scene) -> Scene:
        creature = creature_of(scene, self.item)
        check_name("slot", self.slot, SLOTS)
        check_name(f"{self.slot} variant", self.variant, PARTS[self.slot])
        part = part_of(Draws(scene.seed, scene.index), self.slot, self.variant, creature.id)
        old = part_in(creature, self.slot)
        scale = self.scale if self.scale is not None else 1.0 if old is None else old.scale
        part = replace(part, rgb=self.rgb or part.rgb, scale=scale)
        return scene.with_item(with_part(creature, self.slot, part))

    def undo(self, scene: Scene) -> Edit:
        old = part_in(creature_of(scene, self.item), self.slot)
        if old is None:
            return Remove(self.item, self.slot)
        return ReplacePart(self.item, old.slot, old.variant, old.rgb, old.scale)


@dataclass(frozen=True)
class Add(Edit):
    """Put in a decoy, or an object or creature painted as number `at` (last, over all others, if not given)."""

    new: Thing | Creature | Decoy
    at: int | None = None
    op: ClassVar[str] = "add"

    def on(self, scene: Scene) -> Scene:
        if isinstance(self.new, Decoy):
            if scene.decoy is not None:
                raise nothing_to_do("The scene has a decoy already.", "Remove that one first.")
            return scene.with_decoy(self.new)
        at = len(scene.items) if self.at is None else self.at
        check_whole("place in the painting order", at, 0, len(scene.items))
        return replace(scene, items=(*scene.items[:at], self.new, *scene.items[at:]))

    def undo(self, scene: Scene) -> Edit:
        return Remove(DECOY if isinstance(self.new, Decoy) else self.new.id)


@dataclass(frozen=True)
class Reorder(Edit):
    """Paint an item as number `at`, from 0: what comes later hides what came before."""

    item: int
    at: int
    op: ClassVar[str] = "reorder"

    def on(self, scene: Scene) -> Scene:
        item = item_of(scene, self.item)
        check_whole("place in the painting order", self.at, 0, len(scene.items) - 1)
        others = [other for other in scene.items if other.id != item.id]
        return replace(scene, items=(*others[: self.at], item, *others[self.at :]))

    def undo(self, scene: Scene) -> Edit:
        return Reorder(self.item, scene.items.index(item_of(scene, self.item)))


@dataclass(frozen=True)
class SetBackground(Edit):
    """Give the background another pattern, hue, or exact colours; a new hue draws its own colours."""

    kind: str | None = None
    hue: str | None = None
    rgb: RGB | None = None
    second: RGB | None = None
    turn: int | None = None
    period: float | None = None
    op: ClassVar[str] = "set_background"

    def on(self, scene: Scene) -> Scene:
        given = {name: value for name, value in vars(self).items() if value is not None}
        if not given:
            raise nothing_to_do("SetBackground names nothing to set.")
        if self.hue is not None and self.rgb is None:
            check_name("background hue", self.hue, HUES)
            given["rgb"] = jittered(Draws(scene.seed, scene.index), "background.rgb", HUES[self.hue], 0)
            given.setdefault("second", darkened(given["rgb"], 72))
        return replace(scene, background=replace(scene.background, **given))

    def undo(self, scene: Scene) -> Edit:
        return SetBackground(**vars(scene.background))


@dataclass(frozen=True)
class SetLighting(Edit):
    """Turn the light (eighths of a turn), or change its strength."""

    direction: int | None = None
    strength: float | None = None
    op: ClassVar[str] = "set_lighting"

    def on(self, scene: Scene) -> Scene:
        given = {name: value for name, value in vars(self).items() if value is not None}
        if not given:
            raise nothing_to_do("SetLighting names nothing to set.")
        return replace(scene, lighting=replace(scene.lighting, **given))

    def undo(self, scene: Scene) -> Edit:
        return SetLighting(**vars(scene.lighting))


def _decoy_of(scene: Scene) -> Decoy:
    if scene.decoy is None:
        raise nothing_to_do("The scene has no decoy.")
    return scene.decoy
