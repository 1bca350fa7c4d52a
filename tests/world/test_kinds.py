"""The 24 classes of T4, each property by brute force over the table."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations

import pytest

from seewhy.world.edits.edits import Remove, ReplacePart, apply, inverse
from seewhy.world.grammar import PARTS, SLOTS
from seewhy.world.tasks.about_creatures import minimal_sets, sufficient_sets
from seewhy.world.tasks.kinds import KINDS
from seewhy.world.tasks.rules import UndefinedRule
from seewhy.world.tasks.tasks import TASKS

TABLE = {kind.name: dict(zip(SLOTS, kind.variants, strict=True)) for kind in KINDS}
T4 = TASKS["T4"]


def fitting(shown: dict[str, str]) -> list[str]:
    """Every class that has all the parts shown."""
    return [name for name, parts in TABLE.items() if all(parts[slot] == shown[slot] for slot in shown)]


def by_hand(name: str) -> set[frozenset[str]]:
    """Sets of slots that tell a class, of which no part does."""
    telling = [
        frozenset(slots)
        for n in range(6)
        for slots in combinations(SLOTS, n)
        if fitting({slot: TABLE[name][slot] for slot in slots}) == [name]
    ]
    return {slots for slots in telling if not any(other < slots for other in telling)}


def test_there_are_24_classes_of_known_parts() -> None:
    assert len(TABLE) == len(KINDS) == 24
    assert all(variant in PARTS[slot] for parts in TABLE.values() for slot, variant in parts.items())


def test_any_two_classes_differ_in_two_slots_or_more() -> None:
    for one, other in combinations(TABLE.values(), 2):
        assert sum(one[slot] != other[slot] for slot in SLOTS) >= 2


def test_all_classes_have_the_same_colours() -> None:
    colours = {tuple(sorted(PARTS[s][v][1] for s, v in parts.items())) for parts in TABLE.values()}
    assert colours == {("black", "brown", "mint", "mint", "pink")}


def test_variants_are_spread_over_the_classes() -> None:
    for slot in SLOTS:
        counts = Counter(parts[slot] for parts in TABLE.values())
        for variant, (_, colour) in PARTS[slot].items():
            low, high = (8, 11) if colour == "mint" else (3, 7)
            assert low <= counts[variant] <= high


def test_one_slot_alone_tells_at_most_35_in_a_hundred() -> None:
    for slot in SLOTS:
        # The best guess from one slot is right for one class per variant.
        assert len({parts[slot] for parts in TABLE.values()}) / 24 <= 0.35


def test_every_class_has_two_to_five_minimal_sufficient_sets() -> None:
    for kind in KINDS:
        found = by_hand(kind.name)
        assert 2 <= len(found) <= 5
        assert {frozenset(slots) for slots in minimal_sets(kind)} == found
        assert sufficient_sets(kind)[-1] == SLOTS


def test_label_is_the_one_class_that_fits_the_parts_shown() -> None:
    scenes = [T4.scene("train", index) for index in range(400)]
    missing = 0
    for scene in scenes:
        (creature,) = scene.creatures
        shown = {part.slot: part.variant for part in creature.parts}
        missing += len(shown) < 5
        assert [T4.classes[T4.label(scene)]] == fitting(shown)  # type: ignore[index]
    assert abs(missing / 400 - 0.3) < 4 * (0.21 / 400) ** 0.5


def test_creatures_are_large_among_few_small_objects() -> None:
    for scene in (T4.scene("test", index) for index in range(100)):
        assert 0.24 <= scene.creatures[0].radius <= 0.32
        assert len(scene.objects) <= 3 and {thing.size for thing in scene.objects} <= {"small"}


def test_label_is_undefined_when_too_few_parts_are_left() -> None:
    scene = T4.scene("test", 0)
    bare = replace(scene.creatures[0], parts=())
    with pytest.raises(UndefinedRule, match="24 of what"):
        T4.label(scene.with_item(bare))


def test_parts_have_lengths_of_their_own_and_keep_them_when_replaced() -> None:
    scenes = [T4.scene("train", index) for index in range(60)]
    lengths = [part.scale for scene in scenes for part in scene.creatures[0].parts]
    assert 0.75 <= min(lengths) < 0.78 and 0.97 < max(lengths) <= 1
    beast = scenes[0].creatures[0]
    part = beast.parts[0]
    other = next(v for v in PARTS[part.slot] if v != part.variant)
    edited = apply(scenes[0], ReplacePart(beast.id, part.slot, other), force=True)
    assert edited.creatures[0].parts[0].scale == part.scale
    for change in (ReplacePart(beast.id, part.slot, other), Remove(beast.id, part.slot)):
        undone = apply(apply(scenes[0], change, force=True), inverse(scenes[0], change), force=True)
        assert undone == scenes[0]
