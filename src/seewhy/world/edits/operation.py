"""An edit as data: what it does to a scene and what undoes it. The operations are in `items`, `whole`.

An operation touches the fields it names and no other; what it is not told (the exact paint of a colour, the exact
radius of a size) it draws as the sampler would, from the scene's seed and the item's id. Here nothing but sense is
checked: that the item is there and the word is known. `edits` applies them with the world's rules in force.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from seewhy.errors import InputError, message
from seewhy.world.scene import Creature, Item, Scene, Thing


@dataclass(frozen=True)
class Edit(ABC):
    """One change of one scene. `str(edit)` reads like the call that makes it."""

    op: ClassVar[str]

    @abstractmethod
    def on(self, scene: Scene) -> Scene:
        """The scene with this change; InputError if it makes no sense there."""

    @abstractmethod
    def undo(self, scene: Scene) -> Edit:
        """The edit that turns `self.on(scene)` back into `scene`, field for field."""

    def __str__(self) -> str:
        given = ((field.name, getattr(self, field.name)) for field in fields(self))
        return f"{self.op}({', '.join(f'{name}={value!r}' for name, value in given if value is not None)})"


def item_of(scene: Scene, name: Any) -> Item:
    """The item of that id.

    Raises
    ------
    InputError
        If there is none.
    """
    for item in scene.items:
        if item.id == name and not isinstance(name, bool):
            return item
    ids = ", ".join(str(item.id) for item in scene.items) or "none"
    raise InputError(
        message(f"The item is {name!r}.", f"The scene's items have the ids: {ids}.", "Name one of these.")
    )


def object_of(scene: Scene, name: Any) -> Thing:
    """The object of that id; InputError if there is none or it is a creature."""
    item = item_of(scene, name)
    if isinstance(item, Thing):
        return item
    raise InputError(
        message(
            f"Item {name} is a creature.",
            "This edit changes objects.",
            f"The objects are {', '.join(str(thing.id) for thing in scene.objects) or 'none'}.",
        )
    )


def creature_of(scene: Scene, name: Any) -> Creature:
    """The creature of that id; InputError if there is none or it is an object."""
    item = item_of(scene, name)
    if isinstance(item, Creature):
        return item
    raise InputError(
        message(
            f"Item {name} is an object and has no parts.",
            "This edit changes a part of a creature.",
            f"The creatures are {', '.join(str(creature.id) for creature in scene.creatures) or 'none'}.",
        )
    )


def nothing_to_do(came: str, do: str = "Leave this edit out.") -> InputError:
    """The error of an edit that finds nothing to change."""
    return InputError(message(came, "An edit must have something to do.", do))
