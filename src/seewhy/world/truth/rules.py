"""What decides a label, by the rule alone: no picture, no model, every combination of the scene's factors asked.

A set of factors is *sufficient* if they fix the label whatever else is taken away, and *necessary* if taking them
away, and nothing else, changes it. The minimal ones answer "why?" and "why not another?"; each minimal set of one
kind hits every minimal set of the other (Ignatiev, Narodytska, Asher & Marques-Silva, AIxIA 2020). Taking a factor
away as the one possible change, and an undefined label as a label of its own, are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from seewhy.errors import InputError, message
from seewhy.world.edits.edits import Change, Labeller, apply
from seewhy.world.scene import Creature, Scene
from seewhy.world.tasks.rules import UndefinedRule
from seewhy.world.truth.factors import Factor, with_only

MAX_FACTORS = 12
"""So that a scene has at most 4096 combinations."""

_UNDEFINED = object()

_Sets = tuple[tuple[Factor, ...], ...]


def label_changes(task: Labeller, scene: Scene, change: Change) -> bool:
    """Whether the task's label of the scene is another one after the change.

    The change is made even where it breaks a rule of the world. A scene that has no label any more has changed.

    Raises
    ------
    InputError
        If the change makes no sense here, or the scene has no label to begin with.
    """
    return not _same(task.label(scene), _label(task, apply(scene, change, force=True)))


def rule_factors(scene: Scene) -> tuple[Factor, ...]:
    """The factors of a scene, none put together: background if not plain, items, decoy; at most 12 as sampled.

    A creature counts as its body and its parts, unless that makes more than 12 factors: then as a whole.
    """
    found = _listed(scene, parts=True)
    return found if len(found) <= MAX_FACTORS else _listed(scene, parts=False)


def minimal_sufficient(task: Labeller, scene: Scene, factors: Sequence[Factor] | None = None) -> _Sets:
    """The least sets of factors that fix the label, whichever of the other factors are taken away.

    Parameters
    ----------
    task
        Whose label.
    scene
        Must have a label.
    factors
        At most 12, `rule_factors(scene)` if not given. What has no factor among them stays in every combination:
        pass a creature's parts alone to ask which of them tell its class.

    Returns
    -------
    sets
        No set contains another; small ones first, each in the order of the factors. One empty set if nothing that is
        there decides the label, such as that of a scene in which something is missing.

    Raises
    ------
    InputError
        If there are more than 12 factors or one is twice, or the scene has no label.
    """
    chosen = rule_factors(scene) if factors is None else tuple(factors)
    fixed = _kept_label(task, scene, chosen)
    for bit in range(len(chosen)):
        without, with_it = _halves(fixed, bit)
        without &= with_it
    return _minimal(fixed, chosen)


def minimal_necessary(task: Labeller, scene: Scene, factors: Sequence[Factor] | None = None) -> _Sets:
    """The least sets of factors without which, all others kept, the label is another one or undefined.

    Parameters and errors are those of `minimal_sufficient`.

    Returns
    -------
    sets
        No set contains another; small ones first, each in the order of the factors. None at all if nothing that can
        be taken away changes the label.
    """
    chosen = rule_factors(scene) if factors is None else tuple(factors)
    # Reversed: number i is the combination that *lacks* the factors of i.
    changed = ~_kept_label(task, scene, chosen)[::-1].copy()
    for bit in range(len(chosen)):
        without, with_it = _halves(changed, bit)
        with_it |= without
    return _minimal(changed, chosen)


def _kept_label(task: Labeller, scene: Scene, factors: tuple[Factor, ...]) -> Bool[np.ndarray, " 2**n"]:
    """For each combination of kept factors, bit k of its number for factor k, whether the label stays."""
    if len(factors) > MAX_FACTORS or len(set(factors)) < len(factors):
        raise InputError(
            message(
                f"There are {len(factors)} factors, {len(set(factors))} of them different.",
                f"Every combination is asked, of at most {MAX_FACTORS} different factors.",
                "Leave out those that cannot matter, or take factors(scene), which puts small ones together.",
            )
        )
    always = tuple(f for f in _listed(scene, parts=True) if not any(_is_within(f, g) for g in factors))
    label = task.label(scene)
    return np.array(
        [
            _same(label, _label(task, with_only(scene, (*always, *_members(number, factors)))))
            for number in range(2 ** len(factors))
        ]
    )


def _is_within(part: Factor, factor: Factor) -> bool:
    """Whether one of the finest factors is, or belongs to, another factor."""
    if part.kind == "background":
        return factor.kind in ("background", "surroundings")
    if part.kind == "decoy" or factor.kind in ("part", "body"):
        return part == factor
    return bool(set(part.ids) & set(factor.ids))


def _listed(scene: Scene, *, parts: bool) -> tuple[Factor, ...]:
    found = [] if scene.background.kind == "plain" else [Factor("background")]
    for item in scene.items:
        if not isinstance(item, Creature):
            found.append(Factor("object", (item.id,)))
        elif parts:
            found.append(Factor("body", (item.id,)))
            found.extend(Factor("part", (item.id,), part.slot) for part in item.parts)
        else:
            found.append(Factor("creature", (item.id,)))
    if scene.decoy is not None:
        found.append(Factor("decoy"))
    return tuple(found)


def _label(task: Labeller, scene: Scene) -> Any:
    try:
        return task.label(scene)
    except UndefinedRule:
        return _UNDEFINED


def _same(label: Any, other: Any) -> bool:
    if other is _UNDEFINED:
        return False
    return bool(np.array_equal(np.asarray(label), np.asarray(other)))


def _halves(
    of_set: Bool[np.ndarray, " 2**n"], bit: int
) -> tuple[Bool[np.ndarray, "a b"], Bool[np.ndarray, "a b"]]:
    """Views of the sets without and with factor `bit`; the same place in both differs in that factor alone."""
    paired = of_set.reshape(-1, 2, 2**bit)
    return paired[:, 0], paired[:, 1]


def _minimal(holds: Bool[np.ndarray, " 2**n"], factors: tuple[Factor, ...]) -> _Sets:
    """The least sets that hold, given that with a set every larger one holds."""
    least = holds.copy()
    for bit in range(len(factors)):
        without, _ = _halves(holds, bit)
        least.reshape(-1, 2, 2**bit)[:, 1] &= ~without
    found = (_members(int(number), factors) for number in np.flatnonzero(least))
    return tuple(sorted(found, key=lambda chosen: (len(chosen), [factors.index(f) for f in chosen])))


def _members(number: int, factors: tuple[Factor, ...]) -> tuple[Factor, ...]:
    return tuple(factor for bit, factor in enumerate(factors) if number >> bit & 1)
