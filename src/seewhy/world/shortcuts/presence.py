"""How often each concept occurs and which occur together, against what the grammar itself gives.

The expectation is worked out here from the grammar's words and the shares of its counts, not from the sampler:

P(word | n objects) = 1 - (1 - p)^n,   p the share of objects with that word                                  (1)
P(part | n objects) = 1 - sum_c P(c creatures | n objects) (1 - q)^c,   q the share of creatures with it       (2)

p of a colour is not 1/8 where pairs are held out: an object has a uniform shape, then a uniform colour among those
that the shape is seen with. q comes from all 5^5 combinations of parts but the held-out ones.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from functools import cache
from itertools import combinations, product

import numpy as np
from jaxtyping import Bool, Int

from seewhy.world.concepts import CONCEPTS, EXCLUSIVE, EXCLUSIVE_PER_ITEM, concept_names, present
from seewhy.world.grammar import BACKGROUNDS, COLOURS, MAX_OBJECTS, PARTS, SHAPES, SIZES, SLOTS, TEXTURES
from seewhy.world.sampling import DEFAULT
from seewhy.world.shortcuts.base import Question, Row, exact, normal_quantile, phi
from seewhy.world.tasks.splits import HELD_OUT_PAIRS, is_held_out

MOST_PHI = 0.05
_GROUP = {concept.name: concept.group for concept in CONCEPTS}


def presence_rows(task: Question, n: int, tick: Callable[[int], None]) -> list[Row]:
    """For each group of concepts the prevalence farthest from its expectation; the pair that goes together most."""
    has, objects, creatures = look(task, n, tick)
    return [*prevalence_rows(task.name, has, objects), *phi_rows(task.name, has, objects, creatures)]


def look(
    task: Question, n: int, tick: Callable[[int], None]
) -> tuple[Bool[np.ndarray, "n 53"], Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Atomic concepts, number of objects and number of creatures of the first n test scenes."""
    has, objects, creatures = [], [], []
    for index in range(n):
        scene = task.scene("test", index)
        has.append(present(scene))
        objects.append(len(scene.objects))
        creatures.append(len(scene.creatures))
        tick(1)
    return np.stack(has), np.array(objects), np.array(creatures)


@cache
def joint() -> dict[tuple[int, int], float]:
    """Share of the scenes with (n objects, c creatures): with creatures there is less room."""
    shares: dict[tuple[int, int], float] = {}
    for c, how_often in Counter(DEFAULT.creatures).items():
        for n, often in Counter(DEFAULT.counts).items():
            key = min(n, MAX_OBJECTS - 2 * c), c
            share = how_often / len(DEFAULT.creatures) * often / len(DEFAULT.counts)
            shares[key] = shares.get(key, 0.0) + share
    return shares


def expected(concept: str, n: int) -> float:
    """Share of the scenes with n objects that have the atomic concept: (1) and (2)."""
    group = _GROUP[concept]
    if group == "background":
        return 1 / len(BACKGROUNDS)
    if group in ("part", "creature"):
        cases = {c: share for (objects, c), share in joint().items() if objects == n}
        q = 1.0 if group == "creature" else part_shares()[concept]
        return 1 - sum(share * (1 - q) ** c for c, share in cases.items()) / sum(cases.values())
    return 1 - (1 - object_share(concept)) ** n


@cache
def object_share(word: str) -> float:
    """Share of the objects that have that shape, colour, texture or size."""
    if _GROUP[word] != "colour":
        words = {"shape": SHAPES, "texture": TEXTURES, "size": tuple(SIZES)}[_GROUP[word]]
        return 1 / len(words)
    seen = {shape: [c for c in COLOURS if (c, shape) not in HELD_OUT_PAIRS] for shape in SHAPES}
    return sum((word in colours) / len(colours) for colours in seen.values()) / len(SHAPES)


@cache
def part_shares() -> dict[str, float]:
    """Share of the creatures that have each part."""
    empty = DEFAULT.empty_slot
    shares: defaultdict[str, float] = defaultdict(float)
    whole = 0.0
    for variants in product(*(("none", *PARTS[slot]) for slot in SLOTS)):
        if is_held_out(variants):
            continue
        weight = 1.0
        for variant in variants:
            weight *= empty if variant == "none" else (1 - empty) / 4
        whole += weight
        for slot, variant in zip(SLOTS, variants, strict=True):
            shares[f"{variant} {slot}"] += weight
    return {name: share / whole for name, share in shares.items()}


def overall(concept: str) -> float:
    """Share of all scenes that have the concept."""
    shares: defaultdict[int, float] = defaultdict(float)
    for (n, _), share in joint().items():
        shares[n] += share
    return sum(share * expected(concept, n) for n, share in shares.items())


def prevalence_rows(task: str, has: Bool[np.ndarray, "n 53"], objects: Int[np.ndarray, " n"]) -> list[Row]:
    """Each group's concept and number of objects whose prevalence is least likely by (1) or (2)."""
    from scipy.special import bdtr

    names = concept_names("atomic")
    counts = [int(n) for n in np.unique(objects)]
    worst: dict[str, tuple[float, Row]] = {}
    for n in counts:
        total = int((objects == n).sum())
        for name, hits in zip(names, has[objects == n].sum(0).tolist(), strict=True):
            wanted = expected(name, n)
            likely = float(min(bdtr(hits, total, wanted), 1 - bdtr(hits - 1, total, wanted) if hits else 1.0))
            if _GROUP[name] not in worst or likely < worst[_GROUP[name]][0]:
                what = f"prevalence of {name} with {n} object{'s' * (n != 1)} (worst {_GROUP[name]})"
                bounds = exact(hits, total, len(names) * len(counts))
                row = Row(task, what, hits / total, *bounds, wanted, wanted, "share", total)
                worst[_GROUP[name]] = likely, row
    return [row for _, row in worst.values()]


def phi_rows(
    task: str,
    has: Bool[np.ndarray, "n 53"],
    objects: Int[np.ndarray, " n"],
    creatures: Int[np.ndarray, " n"],
) -> list[Row]:
    """The pair that goes together most, either way, given the numbers of objects and creatures; and all that do too
    much."""
    names = concept_names("atomic")
    found, errors = phi(has, objects * 8 + creatures)
    pairs = [
        (a, b)
        for a, b in combinations(range(len(names)), 2)
        if not is_exempt(names[a], names[b]) and np.isfinite(found[a, b])
    ]
    z = normal_quantile(len(pairs))
    rows = []
    for a, b in pairs:
        size, half = float(abs(found[a, b])), z * float(errors[a, b])
        what = f"{names[a]} and {names[b]} together (worst of {len(pairs)} pairs)"
        rows.append(
            Row(task, what, size, max(0.0, size - half), size + half, MOST_PHI, None, "phi", len(has))
        )
    missed = [row for row in rows if not row.passed]
    return missed or [max(rows, key=lambda row: row.measured)]


def is_exempt(one: str, other: str) -> bool:
    """Whether two concepts exclude each other by what they are, or are held out from each other on purpose."""
    groups = (*EXCLUSIVE.values(), *EXCLUSIVE_PER_ITEM.values())
    return any(one in group and other in group for group in groups) or any(
        set(pair) == {one, other} for pair in HELD_OUT_PAIRS
    )
