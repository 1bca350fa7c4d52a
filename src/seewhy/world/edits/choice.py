"""All minimal ways to make a concept false in a scene: the sample over which a concept's removal effect is a mean.

A carrier is an item (or the background) that shows the concept. Taking every carrier away makes the concept false,
and so does giving each of them another value of the same attribute, drawn by hash. Both are minimal: one edit per
carrier, and with any of them left out the concept is still there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from seewhy.errors import InputError, UnknownName, did_you_mean, message
from seewhy.world.checks import check_whole
from seewhy.world.concepts import CONCEPTS, carriers
from seewhy.world.edits.edits import Change, Labeller, apply
from seewhy.world.edits.items import Recolour, Reshape, Resize, Retexture
from seewhy.world.edits.operation import Edit
from seewhy.world.edits.whole import BACKGROUND, Remove, ReplacePart, SetBackground
from seewhy.world.grammar import BACKGROUNDS, COLOURS, PARTS, SHAPES, SIZES, TEXTURES
from seewhy.world.hashing import Draws
from seewhy.world.scene import Creature, Scene, Thing

_ATTEMPTS = 64

_GROUPS = {
    concept.name: concept.group for concept in CONCEPTS if concept.group not in ("relation", "count", "kind")
}

_WORDS = {"shape": SHAPES, "colour": tuple(COLOURS), "texture": TEXTURES, "size": tuple(SIZES)}

_CHANGES: dict[str, Callable[[int, str], Edit]] = {
    "shape": Reshape,
    "colour": Recolour,
    "texture": Retexture,
    "size": Resize,
}

_Carrier = tuple[Edit | None, tuple[Edit, ...]]
"""What takes one carrier away (None if nothing can), and what replaces the concept in it."""


def valid_edits(
    scene: Scene, concept: str, *, task: Labeller | None = None, n: int = 3
) -> tuple[tuple[Edit, ...], ...]:
    """Minimal changes that make a concept of the scene false and break no rule.

    Parameters
    ----------
    scene
        Shows the concept, or there is nothing to do and the answer is empty.
    concept
        An atomic concept ("red", "striped", "grass", "hooked beak", "creature", ...) or a bound one ("red star").
    task
        A task whose label the changed scene must have.
    n
        How many replacements to draw at most.

    Returns
    -------
    changes
        First the removal of all carriers, if the world's rules allow it, then up to `n` different replacements; each
        a tuple of edits for `apply`. A bound concept is replaced in its colour or in its shape. No replacement makes
        a pair of colour and shape that is held out of training, or breaks a rule: where few do not, there are fewer
        than `n`.

    Raises
    ------
    UnknownName
        If no atomic or bound concept has that name.
    """
    check_whole("number of replacements", n, 0, 1000)
    carried = _carried(scene, concept)
    if not carried:
        return ()
    removal = tuple(remove for remove, _ in carried if remove is not None)
    removable = len(removal) == len(carried) and _is_allowed(scene, removal, task)
    found = [removal] if removable else []
    draws = Draws(scene.seed, scene.index)
    for attempt in range(_ATTEMPTS if all(options for _, options in carried) else 0):
        if len(found) == n + removable:
            break
        change = tuple(
            draws.pick(f"edit.{concept}", options, attempt * len(carried) + at)
            for at, (_, options) in enumerate(carried)
        )
        if change not in found and _is_allowed(scene, change, task):
            found.append(change)
    return tuple(found)


def _is_allowed(scene: Scene, change: Change, task: Labeller | None) -> bool:
    try:
        apply(scene, change, task=task)
    except InputError:
        return False
    return True


def _carried(scene: Scene, concept: str) -> list[_Carrier]:
    group = _GROUPS.get(concept) if isinstance(concept, str) else None
    if group is None:
        raise _unknown(concept)
    if group == "background":
        return _backgrounds(scene, concept)
    items = carriers(scene, concept)
    if group == "creature":
        return [(Remove(item.id), ()) for item in items]
    if group == "part":
        slot = concept.split()[1]
        creatures = (item for item in items if isinstance(item, Creature))
        return [(Remove(each.id, slot), tuple(_other_parts(each, slot))) for each in creatures]
    wanted = (
        dict(zip(("colour", "shape"), concept.split(), strict=True)) if group == "bound" else {group: concept}
    )
    things = (item for item in items if isinstance(item, Thing))
    return [(Remove(thing.id), tuple(_other_looks(thing, wanted))) for thing in things]


def _backgrounds(scene: Scene, kind: str) -> list[_Carrier]:
    if scene.background.kind != kind:
        return []
    # Plain is what removal leaves, so it is no replacement.
    others = tuple(SetBackground(kind=other) for other in BACKGROUNDS if other not in (kind, "plain"))
    return [(None if kind == "plain" else Remove(BACKGROUND), others)]


def _other_parts(creature: Creature, slot: str) -> Iterator[Edit]:
    for variant in PARTS[slot]:
        if variant != creature.variant(slot):
            yield ReplacePart(creature.id, slot, variant)


def _other_looks(thing: Thing, wanted: Mapping[str, str]) -> Iterator[Edit]:
    for kind, word in wanted.items():
        for other in _WORDS[kind]:
            if other != word:
                yield _CHANGES[kind](thing.id, other)


def _unknown(concept: str) -> UnknownName:
    return UnknownName(
        message(
            f"The concept is {concept!r}.",
            "Edits make atomic concepts false, such as 'red' or 'hooked beak', and bound ones, such as 'red star'.",
            did_you_mean(concept, _GROUPS) if isinstance(concept, str) else "Pass its name.",
        )
    )
