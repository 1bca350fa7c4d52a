"""Which concepts a scene contains, and the pixels of each: the truth about WHAT and WHERE.

A concept is present if the scene has it, whether or not something hides it; what can be seen is the mask's affair.
Masks follow the cause of each pixel that `Rendered` records, so they are right at every size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from seewhy.errors import InputError, UnknownName, did_you_mean, message
from seewhy.world.checks import check_name
from seewhy.world.drawing.renderer import Rendered, outline_distance
from seewhy.world.grammar import BACKGROUNDS, COLOURS, MAX_OBJECTS, PARTS, SHAPES, SIZES, SLOTS, TEXTURES
from seewhy.world.relations import RELATIONS, related
from seewhy.world.scene import Creature, Item, Scene, Thing

Mask = Bool[np.ndarray, "S S"]

ROUND = ("disk", "ring", "crescent")
POLYGONS = tuple(shape for shape in SHAPES if shape not in ROUND)
COUNT_WORDS = ("one object", "two objects", "three objects", "four objects", "five objects", "six objects")
_BAND = 2.0


@dataclass(frozen=True)
class Concept:
    """A word for what a scene can contain.

    `group` is shape, colour, texture, size, background, part or creature (these are the atomic ones), bound (a
    colour and a shape of one object), relation, count, or kind (a more general word above shapes or parts).
    """

    name: str
    group: str


def _all_concepts() -> tuple[Concept, ...]:
    groups = {
        "shape": SHAPES,
        "colour": tuple(COLOURS),
        "texture": TEXTURES,
        "size": tuple(SIZES),
        "background": BACKGROUNDS,
        "part": tuple(f"{variant} {slot}" for slot in SLOTS for variant in PARTS[slot]),
        "creature": ("creature",),
        "bound": tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES),
        "relation": tuple(RELATIONS),
        "count": COUNT_WORDS,
        "kind": ("object", "polygon", "round", *SLOTS),
    }
    return tuple(Concept(name, group) for group, names in groups.items() for name in names)


CONCEPTS = _all_concepts()
"""Every concept: the 53 atomic ones first, in the order of `present`."""

GROUPS = tuple(dict.fromkeys(concept.group for concept in CONCEPTS))
_ATOMIC_GROUPS = ("shape", "colour", "texture", "size", "background", "part", "creature")
_GROUP = {concept.name: concept.group for concept in CONCEPTS}
_ATOMIC = tuple(concept.name for concept in CONCEPTS if concept.group in _ATOMIC_GROUPS)
_INDEX = {name: at for at, name in enumerate(_ATOMIC)}
_PART_NAME = {(slot, variant): f"{variant} {slot}" for slot in SLOTS for variant in PARTS[slot]}

EXCLUSIVE: dict[str, tuple[str, ...]] = {"background": BACKGROUNDS, "count": COUNT_WORDS}
"""Groups of which a scene has at most one concept."""

EXCLUSIVE_PER_ITEM: dict[str, tuple[str, ...]] = {
    "shape": SHAPES,
    "colour": tuple(COLOURS),
    "texture": TEXTURES,
    "size": tuple(SIZES),
    **{slot: tuple(_PART_NAME[slot, variant] for variant in PARTS[slot]) for slot in SLOTS},
}
"""Groups of which one object or creature has at most one concept: what has one leaves less room for the others, so
that even in a fair world their presences are not independent."""


def concept_names(group: str | None = None) -> tuple[str, ...]:
    """The names of all concepts, of one group, or of the 53 "atomic" ones.

    Raises
    ------
    InputError
        If there is no such group.

    Examples
    --------
    >>> concept_names("size")
    ('small', 'medium', 'large')
    >>> len(concept_names("atomic"))
    53
    """
    if group is None:
        return tuple(_GROUP)
    check_name("group of concepts", group, (*GROUPS, "atomic"))
    return _ATOMIC if group == "atomic" else tuple(name for name in _GROUP if _GROUP[name] == group)


def hierarchy() -> dict[str, tuple[str, ...]]:
    """The more special concepts directly under each; "object" and "creature" are at the top.

    Object > polygon or round > shape > shape of one colour; creature > slot > variant.
    """
    return {
        "object": ("polygon", "round"),
        "polygon": POLYGONS,
        "round": ROUND,
        **{shape: tuple(f"{colour} {shape}" for colour in COLOURS) for shape in SHAPES},
        "creature": SLOTS,
        **{slot: EXCLUSIVE_PER_ITEM[slot] for slot in SLOTS},
    }


def present(scene: Scene) -> Bool[np.ndarray, " 53"]:
    """Which of the atomic concepts the scene has, in the order of `concept_names("atomic")`."""
    index, found = _INDEX, [_INDEX[scene.background.kind]]
    for item in scene.items:
        if isinstance(item, Thing):
            found += (index[item.shape], index[item.colour], index[item.texture], index[item.size])
        else:
            found.append(index["creature"])
            found += [index[_PART_NAME[part.slot, part.variant]] for part in item.parts]
    has = np.zeros(len(index), np.bool_)
    has[found] = True
    return has


def is_present(scene: Scene, name: str) -> bool:
    """Whether the scene has the concept.

    Raises
    ------
    UnknownName
        If there is no such concept.
    """
    if _group_of(name) == "background":
        return scene.background.kind == name
    return bool(carriers(scene, name))


def carriers(scene: Scene, name: str) -> tuple[Item, ...]:
    """The items that make the concept true, in painting order; none for a background.

    Of a relation, all objects that stand in it to another or another to them; of a count, all objects if there are
    so many.

    Raises
    ------
    UnknownName
        If there is no such concept.
    """
    group = _group_of(name)
    if group == "background":
        return ()
    if group == "relation":
        ids = {thing.id for pair in related(scene, name) for thing in pair}
        return tuple(thing for thing in scene.objects if thing.id in ids)
    if group == "count":
        count = len(scene.objects)
        fits = 1 <= count <= MAX_OBJECTS and COUNT_WORDS[count - 1] == name
        return scene.objects if fits else ()
    return tuple(item for item in scene.items if name in _words_of(item))


def masks(
    scene: Scene, rendered: Rendered, names: Sequence[str] | None = None, *, amodal: bool = False
) -> dict[str, Mask]:
    """The pixels of each concept, all False where the scene lacks it.

    Parameters
    ----------
    scene, rendered
        A scene and its rendering, at any size.
    names
        Which concepts; the 53 atomic ones if not given.
    amodal
        What the concept's carriers cover, whether or not something hides it, instead of what is seen. The
        background then is the whole picture.

    Returns
    -------
    masks
        By name, in the order asked for. Of a colour the pixels that are really painted in it, without those mostly of
        a pattern's second colour; of a shape, texture, size, bound concept, relation or count the extent of the
        objects concerned; of a part the pixels of that part alone; of a background where it is seen.

    Raises
    ------
    UnknownName
        If there is no such concept.
    InputError
        If the rendering has another number of items or creatures than the scene.
    """
    chosen = _ATOMIC if names is None else tuple(names)
    groups = {name: _group_of(name) for name in chosen}
    _check_rendered(scene, rendered)
    side = rendered.id_map.shape[0]
    rows = {name: at for at, name in enumerate(groups)}
    stack = np.zeros((len(rows), side * side), np.bool_)
    for name, group in groups.items():
        if group == "background" and scene.background.kind == name:
            stack[rows[name]] = True if amodal else rendered.background.ravel()
    # A relation or a count belongs to a pair or to all of them, not to an object by itself.
    shared = {name: carriers(scene, name) for name, group in groups.items() if group in ("relation", "count")}
    for at, item in enumerate(scene.items):
        pixels = np.flatnonzero(rendered.coverage[at] >= 0.5 if amodal else rendered.id_map == at + 1)
        own = _own_pixels(scene, rendered, at, pixels, amodal)
        own.update({name: pixels for name, items in shared.items() if item in items})
        for name, where in own.items():
            if name in rows:
                stack[rows[name], where] = True
    return {name: stack[row].reshape(side, side) for name, row in rows.items()}


def boundary(scene: Scene, rendered: Rendered, shape: str) -> Mask:
    """Where the outline of that shape is seen: its visible pixels within two pixels of the outline.

    The second mask of a shape, for where a shape *is* can be disputed.

    Raises
    ------
    InputError
        If there is no such shape, or the rendering has other items than the scene.
    """
    check_name("shape", shape, SHAPES)
    _check_rendered(scene, rendered)
    side = rendered.id_map.shape[0]
    band = np.zeros((side, side), np.bool_)
    for at, item in enumerate(scene.items):
        if isinstance(item, Thing) and item.shape == shape:
            rows, columns, distance = outline_distance(item, side)
            seen = rendered.id_map[rows, columns] == at + 1
            band[rows, columns] |= seen & (np.abs(distance) <= _BAND)
    return band


def _words_of(item: Item) -> tuple[str, ...]:
    """Every concept that one item carries by itself."""
    if isinstance(item, Thing):
        family = "round" if item.shape in ROUND else "polygon"
        bound = f"{item.colour} {item.shape}"
        return item.shape, item.colour, item.texture, item.size, bound, "object", family
    slots = tuple(part.slot for part in item.parts)
    return ("creature", *(_PART_NAME[part.slot, part.variant] for part in item.parts), *slots)


def _own_pixels(
    scene: Scene, rendered: Rendered, at: int, pixels: np.ndarray, amodal: bool
) -> dict[str, np.ndarray]:
    """Of the item's pixels, numbered row by row, those of each concept that it carries."""
    item = scene.items[at]
    own = dict.fromkeys(_words_of(item), pixels)
    if isinstance(item, Thing):
        if item.texture != "solid":
            # Less than half of the object's own paint there is its second colour.
            second = rendered.second_share[at].ravel()[pixels].astype(np.float32)
            own[item.colour] = pixels[2.0 * second < rendered.coverage[at].ravel()[pixels]]
        return own
    creature = sum(isinstance(below, Creature) for below in scene.items[:at])
    for part in item.parts:
        code = SLOTS.index(part.slot) + 1
        if amodal:
            where = np.flatnonzero(rendered.part_coverage[creature, code] >= 0.5)
        else:
            where = pixels[rendered.part_map.ravel()[pixels] == code + 1]
        own[part.slot] = own[_PART_NAME[part.slot, part.variant]] = where
    return own


def _group_of(name: str) -> str:
    group = _GROUP.get(name) if isinstance(name, str) else None
    if group is None:
        hint = did_you_mean(name, _GROUP) if isinstance(name, str) else "Pass its name."
        raise UnknownName(
            message(f"The concept is {name!r}.", "It is one of the names that concept_names() returns.", hint)
        )
    return group


def _check_rendered(scene: Scene, rendered: Rendered) -> None:
    counts = len(rendered.coverage), len(rendered.part_coverage)
    wanted = len(scene.items), len(scene.creatures)
    if counts != wanted:
        raise InputError(
            message(
                f"The rendering has {counts[0]} items, {counts[1]} of them creatures.",
                f"The scene has {wanted[0]} items, {wanted[1]} of them creatures.",
                "Pass what render(scene) returned for this very scene.",
            )
        )
