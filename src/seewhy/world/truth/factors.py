"""What a scene is made of, as far as its Shapley values are concerned: things that are there or are not.

A coalition of factors is drawn as the scene with these and nothing else; without any of them it is a plain
background. What has no factor stays as it is in every coalition: lighting, noise, and the background's first colour.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool

from seewhy.errors import InputError, message
from seewhy.world.drawing.renderer import BACKGROUND_ID, DECOY_ID, Rendered
from seewhy.world.grammar import SLOTS
from seewhy.world.scene import Creature, Item, Scene

FactorKind = Literal["object", "creature", "body", "part", "background", "decoy", "others", "surroundings"]

MAX_FACTORS = 8
"""So that a scene has at most 256 coalitions."""


@dataclass(frozen=True)
class Factor:
    """Something that is drawn or left out.

    Attributes
    ----------
    kind
        "object", "creature" (a whole one), its "body" or a "part", "background" (its pattern), "decoy", "others"
        (several small items taken together) or "surroundings" (these and the background).
    ids
        The scene's items that belong to it; none for the background and the decoy.
    slot
        Of a part.
    """

    kind: FactorKind
    ids: tuple[int, ...] = ()
    slot: str | None = None

    @property
    def id(self) -> int | None:
        """The one item that it belongs to, or None."""
        return self.ids[0] if len(self.ids) == 1 else None

    @property
    def name(self) -> str:
        """In words: "object 3", "crest of creature 4", "background"."""
        which = ", ".join(map(str, self.ids))
        if self.kind == "part":
            return f"{self.slot} of creature {which}"
        if self.kind == "body":
            return f"body of creature {which}"
        return f"{self.kind} {which}".strip()


def factors(scene: Scene, *, parts: bool = False) -> tuple[Factor, ...]:
    """The factors of a scene: its background if it is not plain already, its decoy, and its items.

    Parameters
    ----------
    scene
        Any scene.
    parts
        A creature counts as its body and each of its parts instead of as a whole.

    Returns
    -------
    factors
        At most 8, in painting order: background, items, decoy. Where a scene has more, factors are put together
        step by step until it has not: creatures besides the largest count as wholes; then the smallest items
        (of equal ones the first painted) become one factor, "others"; and where these are all taken together
        already, they join the background as "surroundings".
    """
    whole = {item.id for item in scene.items if isinstance(item, Creature)} if not parts else set()
    found = _listed(scene, whole, ())
    if len(found) > MAX_FACTORS and len(whole) < len(scene.creatures):
        largest = max(scene.creatures, key=lambda creature: creature.radius)
        whole = {creature.id for creature in scene.creatures} - {largest.id}
        found = _listed(scene, whole, ())
    by_size = sorted(_single(scene, whole), key=lambda item: item.radius)
    for n in range(2, len(by_size) + 1):
        if len(found) <= MAX_FACTORS:
            return found
        found = _listed(scene, whole, tuple(item.id for item in by_size[:n]))
    if len(found) > MAX_FACTORS:
        everything = _listed(scene, whole, tuple(item.id for item in by_size))
        merged = Factor("surroundings", tuple(item.id for item in _single(scene, whole)))
        kept = (f for f in everything if f.kind in ("body", "part", "creature", "decoy"))
        found = (merged, *(f for f in kept if not set(f.ids) & set(merged.ids)))
    assert len(found) <= MAX_FACTORS, f"{len(found)} factors"
    return found


def with_only(scene: Scene, kept: Iterable[Factor]) -> Scene:
    """The scene with these factors alone; every other field, and so what they look like, stays.

    A part is drawn on its body only: without the body's factor none of the creature's parts is seen. Without the
    background's factor the background is plain, in its own first colour.

    Raises
    ------
    InputError
        If a factor is of something that the scene does not have.
    """
    kept = tuple(kept)
    _check(scene, kept)
    whole = {id for f in kept if f.kind not in ("part", "body") for id in f.ids}
    bodies = {id for f in kept if f.kind == "body" for id in f.ids}
    slots = {(id, f.slot) for f in kept if f.kind == "part" for id in f.ids}
    items: list[Item] = []
    for item in scene.items:
        if item.id in whole:
            items.append(item)
        elif item.id in bodies and isinstance(item, Creature):
            items.append(
                replace(item, parts=tuple(part for part in item.parts if (item.id, part.slot) in slots))
            )
    behind = any(f.kind in ("background", "surroundings") for f in kept)
    return replace(
        scene,
        background=scene.background if behind else replace(scene.background, kind="plain"),
        items=tuple(items),
        decoy=scene.decoy if any(f.kind == "decoy" for f in kept) else None,
    )


def factor_masks(scene: Scene, rendered: Rendered, chosen: Collection[Factor]) -> Bool[np.ndarray, "n S S"]:
    """Where each factor is seen in the whole scene; no two of `factors(scene)` share a pixel."""
    if len(rendered.coverage) != len(scene.items):
        raise InputError(
            message(
                f"The rendered picture shows {len(rendered.coverage)} items, the scene has {len(scene.items)}.",
                "Masks are read from the rendering of the scene itself.",
                "Pass render(scene, size).",
            )
        )
    _check(scene, chosen)
    masks = np.zeros((len(chosen), *rendered.id_map.shape), bool)
    place = {item.id: at + 1 for at, item in enumerate(scene.items)}
    for mask, factor in zip(masks, chosen, strict=True):
        for id in factor.ids:
            mask |= rendered.id_map == place[id]
        if factor.kind == "body":
            mask &= rendered.part_map == 1
        elif factor.kind == "part":
            assert factor.slot is not None
            mask &= rendered.part_map == SLOTS.index(factor.slot) + 2
        elif factor.kind in ("background", "surroundings"):
            mask |= rendered.id_map == BACKGROUND_ID
        elif factor.kind == "decoy":
            mask |= rendered.id_map == DECOY_ID
    return masks


def _listed(scene: Scene, whole: set[int], together: tuple[int, ...]) -> tuple[Factor, ...]:
    """All factors if creatures in `whole` are not taken apart and the items `together` are one."""
    found = [] if scene.background.kind == "plain" else [Factor("background")]
    if together:
        found.append(Factor("others", tuple(item.id for item in scene.items if item.id in together)))
    for item in scene.items:
        if item.id in together:
            continue
        if not isinstance(item, Creature):
            found.append(Factor("object", (item.id,)))
        elif item.id in whole:
            found.append(Factor("creature", (item.id,)))
        else:
            found.append(Factor("body", (item.id,)))
            found.extend(Factor("part", (item.id,), part.slot) for part in item.parts)
    if scene.decoy is not None:
        found.append(Factor("decoy"))
    return tuple(found)


def _single(scene: Scene, whole: set[int]) -> list[Item]:
    """Items that are one factor each."""
    return [item for item in scene.items if not isinstance(item, Creature) or item.id in whole]


def _check(scene: Scene, chosen: Collection[Factor]) -> None:
    known = {item.id: item for item in scene.items}
    for factor in chosen:
        there = all(id in known for id in factor.ids)
        if factor.kind == "decoy":
            there = scene.decoy is not None
        elif factor.kind in ("part", "body", "creature"):
            there = there and all(isinstance(known[id], Creature) for id in factor.ids)
        if there and factor.kind == "part":
            creature = known[factor.ids[0]]
            assert isinstance(creature, Creature)
            there = factor.slot in {part.slot for part in creature.parts}
        if not there:
            names = ", ".join(each.name for each in factors(scene, parts=True)) or "no factor"
            raise InputError(
                message(
                    f"The scene has no {factor.name}.",
                    f"Taken apart it has: {names}.",
                    "Take the factors from factors(scene).",
                )
            )
