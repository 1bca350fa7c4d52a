"""What everything that the label does not speak of says about it: information in bits, given the number of objects.

Measured on scenes as data, without drawing them, so on very many. What a task's label speaks of is no nuisance and
is left out (`SPOKEN_OF`), and so are two things of T1's striped object: its colour, which depends on the shape on
purpose, because pairs of colour and shape are held out; and its radius, because either the radius or the area of an
object must tell its shape. Its size as a word is a nuisance, and the total area is among the predictors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from seewhy.world.grammar import COLOURS, PARTS, SHAPES, SIZES, SLOTS, TEXTURES
from seewhy.world.scene import Creature, Scene, Thing
from seewhy.world.shortcuts.base import Information, Question, Row, codes, normal_quantile

MOST_BITS = 0.01
_STEPS = 8

SPOKEN_OF: Mapping[str, tuple[str, ...]] = {
    "T1": ("shape",),
    "T9": ("colour",),
}
"""Factors of objects that a task's label speaks of, by which the numbers of objects of each word are no nuisance.
In T2 colours and shapes are nuisances: only their binding is asked for."""

Values = dict[str, Hashable]


def information_rows(task: Question, n: int, tick: Callable[[int], None]) -> list[Row]:
    """The factor that says most, and every other that says too much."""
    labels, strata = [], []
    table: dict[str, list[Hashable]] = {}
    for index in range(n):
        scene = task.scene("test", index)
        labels.append(int(task.label(scene)))
        strata.append(len(scene.objects))
        for name, value in nuisances(scene, task.name).items():
            table.setdefault(name, []).append(value)
        tick(1)
    y, s = np.array(labels), np.array(strata)
    columns = {name: _steps(values) for name, values in table.items()}
    varied = {name: column for name, column in columns.items() if column.max() > 0}
    z = normal_quantile(len(varied) + 1)
    alone, given = Information(y, np.zeros_like(s)), Information(y, s)
    found = [_row(task, "the number of objects", *alone.bits(s), z, n)]
    found += [_row(task, name, *given.bits(column), z, n) for name, column in varied.items()]
    missed = [row for row in found if not row.passed]
    if missed:
        return missed
    most = max(found, key=lambda row: row.measured)
    return [replace(most, predictor=f"{most.predictor} (most of {len(found)} factors)")]


def nuisances(scene: Scene, task: str) -> Values:
    """Every factor of a scene that the label of that task should not go with."""
    spoken = SPOKEN_OF.get(task, ())
    asked = _asked(scene, task)
    values: Values = {
        "background kind": scene.background.kind,
        "background hue": scene.background.hue,
        "background turn": scene.background.turn // 8,
        "background period": scene.background.period,
        "lighting direction": scene.lighting.direction,
        "lighting strength": scene.lighting.strength,
        "noise": scene.noise,
        "decoy": "none" if scene.decoy is None else f"{scene.decoy.kind} {scene.decoy.corner}",
        "number of creatures": len(scene.creatures),
    }
    others = [thing for thing in scene.objects if thing is not asked]
    for factor, words in (
        ("colour", tuple(COLOURS)),
        ("shape", SHAPES),
        ("texture", TEXTURES),
        ("size", tuple(SIZES)),
    ):
        have = Counter(getattr(thing, factor) for thing in (others if factor in spoken else scene.objects))
        if asked is None and factor in spoken:
            continue
        values |= {f"number of {word} objects": have[word] for word in words}
    values |= _places(scene, others)
    values |= _creature(scene.creatures[0] if scene.creatures else None, scene)
    if asked is not None:
        values |= {
            "size of the object asked for": asked.size,
            "turn of the object asked for": asked.turn // 8,
            "column of the object asked for": asked.x,
            "row of the object asked for": asked.y,
            "painting place of the object asked for": scene.items.index(asked),
        }
    return values


def _asked(scene: Scene, task: str) -> Thing | None:
    if task != "T1":
        return None
    return next(thing for thing in scene.objects if thing.texture == "striped")


def _places(scene: Scene, others: Sequence[Thing]) -> Values:
    things = scene.objects
    first = things[0] if things else None
    mean_x, mean_y, extent = (
        float(np.mean(values)) if values else 0.0
        for values in (
            [thing.x for thing in things],
            [thing.y for thing in things],
            [thing.radius**2 for thing in others],
        )
    )
    return {
        "mean column": mean_x,
        "mean row": mean_y,
        "mean squared radius": extent,
        "column of the object painted first": first.x if first else 0.0,
        "row of the object painted first": first.y if first else 0.0,
        "texture of the object painted first": first.texture if first else "none",
        "size of the object painted first": first.size if first else "none",
    }


def _creature(creature: Creature | None, scene: Scene) -> Values:
    """Of the creature painted first; what parts it has is left to the predictors, but not how many and of which
    colours."""
    if creature is None:
        return dict.fromkeys((*_LOOKS, *_AMOUNTS), "none")
    have = Counter(PARTS[part.slot][part.variant][1] for part in creature.parts)
    looks = (
        creature.body,
        creature.coat,
        creature.flip,
        (creature.turn + 8) % 64 // 4,
        creature.radius,
        creature.x,
        creature.y,
        scene.items.index(creature),
    )
    amounts = (len(creature.parts), *(have[colour] for colour in _PART_COLOURS))
    return dict(zip((*_LOOKS, *_AMOUNTS), (*looks, *amounts), strict=True))


_PART_COLOURS = tuple(sorted({colour for slot in SLOTS for _, colour in PARTS[slot].values()}))
_LOOKS = tuple(
    f"creature's {what}" for what in ("body", "coat", "flip", "turn", "radius", "column", "row")
) + ("creature's painting place",)
_AMOUNTS = ("creature's number of parts", *(f"creature's {colour} parts" for colour in _PART_COLOURS))


def _steps(values: list[Hashable]) -> np.ndarray:
    """Words and counts as they are, measures as eight equally frequent steps (words among them one more)."""
    if not any(isinstance(value, float) for value in values):
        return codes(values)
    numbers = np.array([value if isinstance(value, float) else np.nan for value in values])
    edges = np.nanquantile(numbers, np.arange(1, _STEPS) / _STEPS)
    return np.where(np.isnan(numbers), _STEPS, np.searchsorted(edges, numbers))


def _row(task: Question, name: str, bits: float, error: float, z: float, n: int) -> Row:
    return Row(
        task.name,
        f"information in {name}",
        bits,
        bits - z * error,
        bits + z * error,
        MOST_BITS,
        None,
        "bit",
        n,
    )
