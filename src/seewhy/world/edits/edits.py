"""Exact counterfactuals: the same scene with one thing changed, every other field and so every other byte the same.

An edit is data (`Remove`, `Recolour`, ...); a change is one edit or several in a row. `apply` refuses a change that
breaks a rule which the scene kept before, since a model should meet nothing in an edited scene that it could not
meet in a sampled one; `inverse` gives the change that leads back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool

from seewhy.errors import InputError, did_you_mean, message
from seewhy.world.drawing.renderer import render
from seewhy.world.edits.items import (
    Move,
    Recolour,
    Reshape,
    Resize,
    Retexture,
    SwapAttribute,
)
from seewhy.world.edits.operation import Edit
from seewhy.world.edits.whole import Add, Remove, Reorder, ReplacePart, SetBackground, SetLighting
from seewhy.world.grammar import MAX_CREATURES, MAX_LIGHTING, MAX_OBJECTS
from seewhy.world.layout import violations
from seewhy.world.sampling import DEFAULT
from seewhy.world.scene import Background, Creature, Decoy, Item, Lighting, Scene, Thing
from seewhy.world.tasks.rules import UndefinedRule
from seewhy.world.tasks.splits import HELD_OUT_PAIRS, is_held_out

__all__ = [
    "OPERATIONS",
    "Add",
    "Change",
    "Edit",
    "Labeller",
    "Move",
    "Recolour",
    "Remove",
    "Reorder",
    "ReplacePart",
    "Reshape",
    "Resize",
    "Retexture",
    "SetBackground",
    "SetLighting",
    "SwapAttribute",
    "apply",
    "broken_rules",
    "changed_mask",
    "from_dict",
    "inverse",
    "reach",
    "to_dict",
]

Change = Edit | tuple[Edit, ...]

OPERATIONS: dict[str, type[Edit]] = {
    kind.op: kind
    for kind in (
        Remove,
        Recolour,
        Retexture,
        Reshape,
        Resize,
        Move,
        SwapAttribute,
        SetBackground,
        SetLighting,
        ReplacePart,
        Add,
        Reorder,
    )
}
"""Every operation by its name."""

_BARE = Scene(0, 0, Background("plain", "grey", (0, 0, 0), (0, 0, 0), 0, 0.2), Lighting(0, 0.0), ())


class Labeller(Protocol):
    """What `apply` needs of a task: its name, and the label that its rule gives a scene."""

    @property
    def name(self) -> str: ...

    def label(self, scene: Scene, /) -> Any: ...


def apply(scene: Scene, change: Change, *, force: bool = False, task: Labeller | None = None) -> Scene:
    """The scene with that change.

    Parameters
    ----------
    scene
        Stays as it is.
    change
        One edit, or several in a row; the rules are asked after the last one.
    force
        Apply it even if it breaks a rule of the world or leaves the task without a label.
    task
        A task whose label the new scene must have.

    Raises
    ------
    InputError
        If the edit makes no sense here (no such item, an unknown word), or breaks a rule and `force` is false.

    Examples
    --------
    >>> from seewhy.world.sampling import sample_scene
    >>> scene = sample_scene(0, 3)
    >>> edited = apply(scene, Recolour(scene.objects[0].id, "blue"))
    >>> apply(edited, inverse(scene, Recolour(scene.objects[0].id, "blue"))) == scene
    True
    """
    edited = scene
    for edit in _steps(change):
        edited = edit.on(edited)
    broken = [] if force else broken_rules(scene, edited, task)
    if broken:
        raise InputError(
            message(
                f"The edit {', '.join(map(str, _steps(change)))} breaks a rule: {'; '.join(broken)}.",
                "An edited scene keeps the rules of sampled ones, so that it is no surprise to a model.",
                "Choose another edit (valid_edits offers some), or pass force=True.",
            )
        )
    return edited


def inverse(scene: Scene, change: Change) -> Change:
    """The change that turns `apply(scene, change)` back into `scene`, field for field and so byte for byte.

    One edit for one edit, a tuple for a tuple. Where `scene` broke a rule itself, or the change was forced, the way
    back may need `force=True` too.
    """
    undone: list[Edit] = []
    for edit in _steps(change):
        undone.insert(0, edit.undo(scene))
        scene = edit.on(scene)
    return undone[0] if isinstance(change, Edit) else tuple(undone)


def broken_rules(scene: Scene, edited: Scene, task: Labeller | None = None) -> list[str]:
    """The rules that `scene` kept and `edited` breaks, in words; empty if there are none.

    The rules: every item wholly in the picture, off the corners, overlapping no item by more than sampled ones may
    (or than the scene's own items do); one item at least, and as many at most as the sampler draws; light no stronger
    than the sampler's (or the scene's); no pair of colour and shape and no combination of parts that is held out of
    training (of T4, whose kinds are fixed, no parts are held out); and the task, if given, still
    defines a label.
    """
    allowed = max([DEFAULT.overlap, *_overlaps(scene.items)]) + 1e-9
    before = set(violations(scene.items, allowed))
    broken = [text for text in violations(edited.items, allowed) if text not in before]
    if scene.items and not edited.items:
        broken.append("no object or creature is left")
    if _excess(edited) > max(_excess(scene), 0):
        most = f"{MAX_OBJECTS} objects, less two for each of up to {MAX_CREATURES} creatures"
        broken.append(
            f"{len(edited.objects)} objects and {len(edited.creatures)} creatures are more than {most}"
        )
    strongest = max(MAX_LIGHTING, scene.lighting.strength)
    if edited.lighting.strength > strongest:
        broken.append(f"a light of strength {edited.lighting.strength:g} is above {strongest:g}")
    parts = task is None or task.name != _KINDS_TASK
    before_held, after_held = _held_out(scene, parts), _held_out(edited, parts)
    if len(after_held) > len(before_held):
        fresh = ", ".join(what for what in after_held if what not in before_held)
        broken.append(f"{fresh} occurs in no scene but those of the split ood-compose")
    if task is not None:
        try:
            task.label(edited)
        except UndefinedRule as error:
            broken.append(
                f"task {task.name} has no label any more ({str(error).splitlines()[0].rstrip('.')})"
            )
    return broken


def changed_mask(scene: Scene, edited: Scene, size: int = 96) -> Bool[np.ndarray, "S S"]:
    """The pixels whose bytes differ between the two pictures; they all lie within `reach`."""
    changed: np.ndarray = (render(scene, size).rgb != render(edited, size).rgb).any(-1)
    return changed


def reach(scene: Scene, edited: Scene, size: int = 96) -> Bool[np.ndarray, "S S"]:
    """The pixels that may differ: what covers any part of them in one of the scenes is new, gone, or changed.

    The union of old and new coverage of every item or decoy that is not the same in both scenes, or not in the same
    order; the whole picture where background, light or noise differ, since these lie under and over everything.
    """
    if replace(scene, items=(), decoy=None) != replace(edited, items=(), decoy=None):
        return np.ones((size, size), bool)
    touched = np.zeros((size, size), bool)
    moved = {item.id for item in set(scene.items) ^ set(edited.items)} | _out_of_order(scene, edited)
    for one in (scene, edited):
        rendered = render(one, size)
        for item, coverage in zip(one.items, rendered.coverage, strict=True):
            if item.id in moved:
                touched |= coverage > 0
        if scene.decoy != edited.decoy:
            touched |= rendered.decoy_coverage > 0
    return touched


def to_dict(edit: Edit) -> dict[str, Any]:
    """JSON-safe and complete: the operation's name under "op", and its fields that were given."""
    given = {field.name: getattr(edit, field.name) for field in fields(edit)}
    if isinstance(edit, Add):
        given["new"] = _record(edit.new)
    plain = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in given.items()
        if value is not None
    }
    return {"op": edit.op, **plain}


def from_dict(record: Mapping[str, Any]) -> Edit:
    """Inverse of `to_dict`.

    Raises
    ------
    InputError
        If there is no such operation, or a field is missing or unknown.
    """
    given = dict(record) if isinstance(record, Mapping) else {}
    op = given.pop("op", None)
    if not isinstance(op, str) or op not in OPERATIONS:
        hint = did_you_mean(op, OPERATIONS) if isinstance(op, str) else 'Pass for example {"op": "remove"}.'
        raise InputError(message(f"The edit's op is {op!r}.", f"It is one of {', '.join(OPERATIONS)}.", hint))
    kind = OPERATIONS[op]
    if kind is Add and "new" in given:
        given["new"] = _restored(given["new"])
    try:
        return kind(
            **{key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
        )
    except TypeError:
        names = ", ".join(field.name for field in fields(kind))
        raise InputError(
            message(
                f"The edit {op} came with the fields {', '.join(map(str, given)) or 'none'}.",
                f"Its fields are {names}.",
                "Pass what to_dict() returned.",
            )
        ) from None


def _steps(change: Change) -> tuple[Edit, ...]:
    steps = (change,) if isinstance(change, Edit) else change
    if not isinstance(steps, tuple) or not all(isinstance(edit, Edit) for edit in steps):
        raise InputError(
            message(
                f"The change is {change!r}.",
                "It is one edit or a tuple of edits.",
                f"Pass for example Remove(0); there are {', '.join(kind.__name__ for kind in OPERATIONS.values())}.",
            )
        )
    return steps


_KINDS_TASK = "T4"


def _held_out(scene: Scene, parts: bool) -> list[str]:
    """What of a scene is held out of training, in words."""
    found = [
        f"{thing.colour} {thing.shape}"
        for thing in scene.objects
        if (thing.colour, thing.shape) in HELD_OUT_PAIRS
    ]
    for creature in scene.creatures if parts else ():
        if is_held_out(tuple(creature.variants.values())):
            words = ", ".join(f"{variant} {slot}" for slot, variant in creature.variants.items())
            found.append(f"a creature with {words}")
    return found


def _overlaps(items: tuple[Item, ...]) -> Iterator[float]:
    """How far each pair of disks enter each other, in smaller radii (negative if they keep apart)."""
    for at, one in enumerate(items):
        for other in items[:at]:
            apart = ((one.x - other.x) ** 2 + (one.y - other.y) ** 2) ** 0.5
            yield (one.radius + other.radius - apart) / min(one.radius, other.radius)


def _excess(scene: Scene) -> int:
    """How many items there are beyond what the sampler draws (negative if there is room)."""
    n = len(scene.creatures)
    return max(n - MAX_CREATURES, len(scene.objects) + 2 * n - MAX_OBJECTS)


def _out_of_order(scene: Scene, edited: Scene) -> set[int]:
    """Ids of the items in both scenes that have changed places with another in the painting order."""
    place = {item.id: at for at, item in enumerate(edited.items)}
    order = [item.id for item in scene.items if item.id in place]
    pairs = ((one, other) for at, other in enumerate(order) for one in order[:at])
    return {name for one, other in pairs if place[one] > place[other] for name in (one, other)}


def _record(new: Thing | Creature | Decoy) -> Any:
    if isinstance(new, Decoy):
        return {"type": "decoy", **_BARE.with_decoy(new).to_dict()["decoy"]}
    return replace(_BARE, items=(new,)).to_dict()["items"][0]


def _restored(record: Any) -> Thing | Creature | Decoy:
    """A scene of its own checks the record."""
    if isinstance(record, Mapping) and record.get("type") == "decoy":
        rest = {key: value for key, value in record.items() if key != "type"}
        decoy = Scene.from_dict({**_BARE.to_dict(), "decoy": rest}).decoy
        assert decoy is not None
        return decoy
    return Scene.from_dict({**_BARE.to_dict(), "items": [record]}).items[0]
