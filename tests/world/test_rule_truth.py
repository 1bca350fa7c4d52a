"""What a rule's label hangs on, against the definitions typed again as sets and against cases done by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.world.edits.edits import Change, Move, Recolour, Remove, ReplacePart, Retexture, SetBackground
from seewhy.world.grammar import COLOURS, SLOTS
from seewhy.world.hashing import field_key
from seewhy.world.sampling import Grammar, sample_scene
from seewhy.world.scene import Decoy, Scene, Thing
from seewhy.world.tasks.rules import UndefinedRule, evaluate
from seewhy.world.tasks.tasks import TASKS
from seewhy.world.truth.factors import Factor, factors, with_only
from seewhy.world.truth.rules import label_changes, minimal_necessary, minimal_sufficient, rule_factors

Sets = set[frozenset[Factor]]


@dataclass(frozen=True)
class Rule:
    """A task made of nothing but its rule."""

    rule: str
    name: str = "rule"

    def label(self, scene: Scene) -> Any:
        return evaluate(self.rule, scene)


@dataclass(frozen=True)
class Asked:
    """A task whose label is any function of the scene."""

    ask: Callable[[Scene], Any]
    name: str = "asked"

    def label(self, scene: Scene) -> Any:
        return self.ask(scene)


def scene_of(*looks: str, background: str = "grass") -> Scene:
    """Things such as "red solid star" in a row, with the ids 0, 1, ..."""
    items = []
    for k, look in enumerate(looks):
        colour, texture, shape = look.split()
        x = (k + 1) / (len(looks) + 1)
        items.append(Thing(k, shape, colour, texture, "small", COLOURS[colour], (1, 1, 1), x, 0.5, 0.05, 0))
    scene = sample_scene(0, 0, Grammar(counts=(1,), creatures=(0,), backgrounds=(background,)))
    return replace(scene, items=tuple(items))


def things(*ids: int) -> frozenset[Factor]:
    return frozenset(Factor("object", (k,)) for k in ids)


BACKGROUND = frozenset({Factor("background")})
BOTH = Rule("has(colour='red', shape='star') and has(colour='blue', shape='ring')")
EITHER = Rule("any(o.texture == 'checkered' for o in objects) or background.kind == 'grass'")
ODD = Rule("any(o.texture == 'checkered' for o in objects) != (background.kind == 'grass')")
ONLY = Rule("only(o.shape for o in objects if o.texture == 'striped')")


@pytest.mark.parametrize(
    ("task", "scene", "sufficient", "necessary"),
    [
        # A conjunction needs both, and loses by either.
        (
            BOTH,
            ("red solid star", "white solid disk", "blue solid ring"),
            {things(0, 2)},
            {things(0), things(2)},
        ),
        # Two red stars stand in for each other.
        (
            BOTH,
            ("red solid star", "red solid star", "blue solid ring"),
            {things(0, 2), things(1, 2)},
            {things(0, 1), things(2)},
        ),
        # What is missing cannot be taken away.
        (BOTH, ("red solid ring", "blue solid star"), {frozenset()}, set()),
        # Redundant causes: one of them is enough, and both must go.
        (EITHER, ("red checkered star", "red solid disk"), {things(0), BACKGROUND}, {things(0) | BACKGROUND}),
        # Without a main effect either of them turns the label over, so only both together fix it.
        (ODD, ("red checkered star", "red solid disk"), {things(0) | BACKGROUND}, {things(0), BACKGROUND}),
        # The label of the only striped one is not defined without it.
        (ONLY, ("red striped star", "red solid disk"), {things(0)}, {things(0)}),
        (
            Rule("count(objects)"),
            ("red striped star", "red solid disk"),
            {things(0, 1)},
            {things(0), things(1)},
        ),
        (Rule("1"), ("red striped star",), {frozenset()}, set()),
    ],
)
def test_by_hand(task: Any, scene: Sequence[str], sufficient: Sets, necessary: Sets) -> None:
    whole = scene_of(*scene)
    assert {frozenset(found) for found in minimal_sufficient(task, whole)} == sufficient
    assert {frozenset(found) for found in minimal_necessary(task, whole)} == necessary


def subsets(of: Sequence[Factor]) -> Iterator[frozenset[Factor]]:
    for n in range(len(of) + 1):
        yield from map(frozenset, combinations(of, n))


def least(sets: Sets) -> Sets:
    return {one for one in sets if not any(other < one for other in sets)}


@pytest.mark.parametrize("key", range(12))
def test_the_definitions_typed_again_and_their_duality(key: int) -> None:
    whole = scene_of("red solid star", "blue solid disk", "green solid ring").with_decoy(Decoy())
    there = rule_factors(whole)
    assert [factor.kind for factor in there] == ["background", "object", "object", "object", "decoy"]

    def label(scene: Scene) -> int:
        # Three labels, dealt out to the combinations by hash; full and half-full scenes get 0 more often.
        left = "".join(str(item.id) for item in scene.items) + scene.background.kind + str(scene.decoy)
        return max(0, field_key(key, left) % (3 + key) - key)

    task, full = Asked(label), label(whole)
    kept = {chosen: label(with_only(whole, chosen)) for chosen in subsets(there)}
    enough = {one for one in kept if all(kept[more] == full for more in kept if more >= one)}
    changing = {frozenset(there) - one for one, value in kept.items() if value != full}
    sufficient = {frozenset(found) for found in minimal_sufficient(task, whole)}
    necessary = {frozenset(found) for found in minimal_necessary(task, whole)}
    assert sufficient == least(enough) and necessary == least(changing)
    assert necessary == least({one for one in kept if all(one & other for other in sufficient)})


def test_which_parts_tell_a_class() -> None:
    whole = sample_scene(3, 0, Grammar(counts=(1,), creatures=(1,), empty_slot=0.0))
    beast = whole.creatures[0]
    parts = [Factor("part", (beast.id,), slot) for slot in SLOTS]
    crest, beak, _, tail, foot = parts
    tests = " or ".join(
        f"c.{one} == '{beast.variant(one)}' and c.{two} == '{beast.variant(two)}'"
        for one, two in (("crest", "beak"), ("beak", "tail"), ("tail", "foot"))
    )
    found = minimal_sufficient(Rule(f"any({tests} for c in creatures)"), whole, parts)
    assert found == ((crest, beak), (beak, tail), (tail, foot))
    # With the body as a factor nothing is sufficient without it.
    body = Factor("body", (beast.id,))
    with_body = minimal_sufficient(Rule(f"any({tests} for c in creatures)"), whole, [body, *parts])
    assert with_body == ((body, crest, beak), (body, beak, tail), (body, tail, foot))


def test_what_is_no_factor_stays() -> None:
    whole = scene_of("red solid star", "blue solid ring")
    ring = Factor("object", (1,))
    assert minimal_sufficient(BOTH, whole, [ring]) == ((ring,),)
    assert minimal_sufficient(BOTH, whole, [Factor("background")]) == ((),)
    assert minimal_sufficient(BOTH, whole, []) == ((),) and minimal_necessary(BOTH, whole, []) == ()


def test_factors_put_together_work_too() -> None:
    whole = sample_scene(8, 1, Grammar(counts=(4,), creatures=(1,), empty_slot=0.0, backgrounds=("water",)))
    coarse = factors(whole.with_decoy(Decoy()), parts=True)
    assert any(factor.kind in ("others", "surroundings") for factor in coarse)
    found = minimal_necessary(Rule("count(objects) + count(creatures)"), whole.with_decoy(Decoy()), coarse)
    # The number changes with whatever holds an item; parts, background and decoy are none.
    assert {one.kind for chosen in found for one in chosen} <= {"object", "others", "surroundings", "body"}
    assert all(len(chosen) == 1 for chosen in found)
    around = Factor("surroundings", (0,))
    on_grass = Rule("background.kind == 'grass'")
    assert minimal_necessary(on_grass, scene_of("red solid star"), [around]) == ((around,),)


def test_factors_are_at_most_twelve() -> None:
    beasts = Grammar(counts=(2,), creatures=(2,), empty_slot=0.0, backgrounds=("water",))
    two = rule_factors(sample_scene(0, 0, beasts).with_decoy(Decoy()))
    assert sorted(factor.kind for factor in two) == sorted(
        ["background", "object", "object", "creature", "creature", "decoy"]
    )
    one = rule_factors(sample_scene(0, 0, replace(beasts, creatures=(1,))).with_decoy(Decoy()))
    assert [factor.kind for factor in one].count("part") == 5 and len(one) == 10
    for index in range(200):
        assert len(rule_factors(sample_scene(6, index).with_decoy(Decoy()))) <= 12


def test_too_many_factors_or_one_twice_are_refused() -> None:
    whole = scene_of(*["red solid star"] * 13)
    many = [Factor("object", (k,)) for k in range(13)]
    for wrong in (many, many[:2] * 2):
        for find in (minimal_sufficient, minimal_necessary):
            with pytest.raises(InputError, match="at most 12 different factors") as error:
                find(BOTH, whole, wrong)
            assert len(str(error.value).splitlines()) == 3
    with pytest.raises(InputError, match="has no object 44"):
        minimal_sufficient(BOTH, whole, [Factor("object", (44,))])
    with pytest.raises(UndefinedRule):
        minimal_sufficient(ONLY, scene_of("red solid star"))


@pytest.mark.parametrize(
    ("task", "change", "changes"),
    [
        (BOTH, Recolour(0, "green"), True),
        (BOTH, Recolour(1, "green"), False),
        (BOTH, (Recolour(0, "green"), Recolour(1, "red")), True),
        (ODD, SetBackground(kind="water"), True),
        (EITHER, Remove("background"), False),
        # No longer defined: none is striped, or two are.
        (ONLY, Retexture(1, "dotted"), True),
        (ONLY, Retexture(0, "striped"), True),
        # Made although it breaks a rule of the world.
        (BOTH, Move(0, 0.01, 0.01), False),
        (Rule("count(objects)"), (Remove(0), Remove(1), Remove(2)), True),
    ],
)
def test_label_changes(task: Any, change: Change, changes: bool) -> None:
    whole = scene_of("red checkered star", "red striped ring", "blue solid ring")
    assert label_changes(task, whole, change) is changes


def test_labels_may_be_arrays_and_numbers() -> None:
    whole = scene_of("red solid star", "blue solid ring")
    many = Asked(lambda scene: np.array([len(scene.items) > 0, scene.background.kind == "grass"]))
    assert label_changes(many, whole, Remove("background")) and not label_changes(many, whole, Remove(0))
    worth = Asked(lambda scene: 0.1 + sum(0.5 for item in scene.items if item.id == 1))
    assert minimal_necessary(worth, whole) == ((Factor("object", (1,)),),)


def test_a_change_without_sense_is_refused() -> None:
    with pytest.raises(InputError, match="is an object and has no parts"):
        label_changes(BOTH, scene_of("red solid star"), ReplacePart(0, "beak", "hooked"))
    with pytest.raises(UndefinedRule):
        label_changes(ONLY, scene_of("red solid star"), Remove("background"))


@pytest.mark.parametrize("index", range(6))
def test_the_world_s_own_tasks(index: int) -> None:
    striped = TASKS["T1"].scene("ci", index)
    only = next(o.id for o in striped.objects if o.texture == "striped")
    for find in (minimal_sufficient, minimal_necessary):
        assert find(TASKS["T1"], striped) == ((Factor("object", (only,)),),)
    assert label_changes(TASKS["T1"], striped, Remove(only))
    beast = TASKS["T4"].scene("ci", index)
    for chosen in minimal_sufficient(TASKS["T4"], beast):
        body, *parts = sorted(chosen, key=lambda factor: factor.kind)
        assert body.kind == "body" and len(parts) >= 2 and {part.kind for part in parts} == {"part"}
    scene = TASKS["T3b"].scene("ci", index)
    plain = SetBackground(kind="plain")
    assert label_changes(TASKS["T3b"], scene, plain) == (scene.background.kind == "grass")
