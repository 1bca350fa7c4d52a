"""Valid edits make a concept false with as little as possible, in every way that the rules allow."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from seewhy.errors import InputError, UnknownName
from seewhy.world.edits.choice import valid_edits
from seewhy.world.edits.edits import (
    Recolour,
    Remove,
    ReplacePart,
    Reshape,
    Resize,
    Retexture,
    SetBackground,
    apply,
    broken_rules,
)
from seewhy.world.grammar import BACKGROUNDS, COLOURS, PARTS, SHAPES, SIZES, TEXTURES
from seewhy.world.sampling import Grammar, sample_scene
from seewhy.world.scene import Scene, Thing
from seewhy.world.tasks.rules import evaluate
from seewhy.world.tasks.splits import HELD_OUT_PAIRS, is_held_out

BEASTS = Grammar(counts=(2,), creatures=(2,))


def words(scene: Scene) -> set[str]:
    """The atomic and bound concepts of a scene, read off its record."""
    record = scene.to_dict()
    found = {record["background"]["kind"]}
    for item in record["items"]:
        if item["type"] == "creature":
            found |= {"creature", *(f"{part['variant']} {part['slot']}" for part in item["parts"])}
        else:
            found |= {item[name] for name in ("shape", "colour", "texture", "size")}
            found.add(f"{item['colour']} {item['shape']}")
    return found


def reds(*shapes: str) -> Scene:
    """Solid small red things of these shapes in a row, on plain grey, and a blue disk below."""
    looks = [("red", shape, (k + 1) / (len(shapes) + 1), 0.35) for k, shape in enumerate(shapes)]
    looks.append(("blue", "disk", 0.5, 0.7))
    items = tuple(
        Thing(k, shape, colour, "solid", "small", COLOURS[colour], (1, 1, 1), x, y, 0.07, 0)
        for k, (colour, shape, x, y) in enumerate(looks)
    )
    return replace(sample_scene(3, 0, Grammar.of(0)), items=items)


@pytest.mark.parametrize("index", range(6))
@pytest.mark.parametrize("grammar", [Grammar(), BEASTS, Grammar.of(2)], ids=["usual", "beasts", "hard"])
def test_every_change_is_valid_minimal_and_makes_it_false(index: int, grammar: Grammar) -> None:
    scene = sample_scene(21, index, grammar)
    for concept in words(scene):
        changes = valid_edits(scene, concept)
        assert len(set(changes)) == len(changes) <= 4
        for change in changes:
            edited = apply(scene, change)
            assert concept not in words(edited)
            assert broken_rules(scene, edited) == []
            for left_out in range(len(change)):
                rest = change[:left_out] + change[left_out + 1 :]
                assert concept in words(apply(scene, rest, force=True))


def test_all_carriers_go_or_all_are_replaced() -> None:
    changes = valid_edits(reds("star", "ring", "star"), "red", n=5)
    assert changes[0] == (Remove(0), Remove(1), Remove(2))
    assert (
        len(changes) == 6
        and all(
            [(type(edit), edit.item) for edit in change] == [(Recolour, 0), (Recolour, 1), (Recolour, 2)]  # type: ignore[attr-defined]
            for change in changes[1:]
        )
    )


@pytest.mark.parametrize(
    ("concept", "kinds"),
    [
        ("star", {Reshape}),
        ("red", {Recolour}),
        ("solid", {Retexture}),
        ("red star", {Recolour, Reshape}),
    ],
)
def test_replacements_change_the_attribute_in_question(concept: str, kinds: set[type]) -> None:
    changes = valid_edits(reds("star"), concept, n=30)
    assert {type(edit) for change in changes[1:] for edit in change} == kinds


def test_a_bound_concept_leaves_other_red_things_and_stars_alone() -> None:
    scene = reds("star", "ring")
    for change in valid_edits(scene, "red star", n=20):
        assert [edit.item for edit in change] == [0]  # type: ignore[attr-defined]


def test_all_values_come_up_and_none_makes_a_held_out_pair() -> None:
    scene = reds("disk")
    names = [change[0].colour for change in valid_edits(scene, "red", n=99)[1:]]  # type: ignore[attr-defined]
    held_out = {colour for colour, shape in HELD_OUT_PAIRS if shape == "disk"}
    assert held_out and Counter(names) == Counter(set(COLOURS) - {"red"} - held_out)


def test_background_gives_way_to_plain_and_to_others() -> None:
    scene = sample_scene(2, 0, Grammar(backgrounds=("grass",)))
    removal, *others = valid_edits(scene, "grass", n=99)
    assert removal == (Remove("background"),)
    assert {change[0] for change in others} == {
        SetBackground(kind=kind) for kind in BACKGROUNDS if kind not in ("grass", "plain")
    }
    plain = sample_scene(2, 0, Grammar(backgrounds=("plain",)))
    kinds = {change[0].kind for change in valid_edits(plain, "plain", n=99)}  # type: ignore[attr-defined]
    assert kinds == set(BACKGROUNDS) - {"plain"}


def test_parts_are_removed_and_replaced_in_every_creature_that_has_them() -> None:
    scene = sample_scene(7, 0, BEASTS)
    for slot, variants in PARTS.items():
        for variant in variants:
            having = [beast.id for beast in scene.creatures if beast.variant(slot) == variant]
            changes = valid_edits(scene, f"{variant} {slot}")
            assert bool(changes) == bool(having)
            if having:
                assert changes[0] == tuple(Remove(name, slot) for name in having)
            for change in changes[1:]:
                assert [type(edit) for edit in change] == [ReplacePart] * len(having)


def test_no_edit_makes_a_held_out_combination_of_parts_where_there_was_none() -> None:
    excluded = 0
    for index in range(20):
        scene = sample_scene(9, index, Grammar(counts=(1,), creatures=(1,)))
        beast = scene.creatures[0]
        if is_held_out(tuple(beast.variants.values())):
            continue  # a scene of another split may be edited into any other of that kind
        for slot, variants in PARTS.items():
            if beast.variant(slot) == "none":
                continue
            changes = [change[0] for change in valid_edits(scene, f"{beast.variant(slot)} {slot}", n=9)]
            made = {edit.variant if isinstance(edit, ReplacePart) else "none" for edit in changes}
            looks = {v: tuple({**beast.variants, slot: v}.values()) for v in (*variants, "none")}
            fair = {v for v, look in looks.items() if not is_held_out(look)}
            assert made == fair - {beast.variant(slot)}
            excluded += len(looks) - len(fair)
    assert excluded > 5


def test_creatures_can_only_be_removed() -> None:
    scene = sample_scene(7, 0, BEASTS)
    assert valid_edits(scene, "creature") == (tuple(Remove(beast.id) for beast in scene.creatures),)


def test_what_breaks_a_rule_is_left_out() -> None:
    # Two small disks that just touch: neither may grow, and both together are all there is.
    small = [
        Thing(k, "star", "red", "solid", "small", COLOURS["red"], (1, 1, 1), x, 0.5, 0.07, 0)
        for k, x in enumerate((0.43, 0.57))
    ]
    scene = replace(reds(), items=tuple(small))
    assert valid_edits(scene, "small") == ()
    assert len(valid_edits(replace(scene, items=(small[0],)), "small", n=9)) == len(SIZES) - 1


def test_a_task_keeps_its_label() -> None:
    class OnlyStriped:
        name = "T1"

        def label(self, scene: Scene) -> Any:
            return evaluate("only(o.shape for o in objects if o.texture == 'striped')", scene)

    scene = reds("star", "ring")
    scene = apply(scene, Retexture(0, "striped"))
    assert valid_edits(scene, "striped", task=OnlyStriped()) == ()
    assert len(valid_edits(scene, "striped", n=9)) == len(TEXTURES)
    # The others may take any texture but the striped one's.
    for change in valid_edits(scene, "solid", task=OnlyStriped(), n=9)[1:]:
        assert "striped" not in [edit.texture for edit in change]  # type: ignore[attr-defined]


def test_absent_concepts_need_no_edit() -> None:
    scene = reds("star")
    absent = {*SHAPES, *COLOURS, "striped", "large", "grass", "hooked beak", "creature"} - words(scene)
    assert all(valid_edits(scene, concept) == () for concept in absent)


def test_draws_depend_on_the_scene_and_nothing_else() -> None:
    scenes = [replace(reds("star"), index=index) for index in range(40)]
    drawn = [valid_edits(scene, "red") for scene in scenes]
    assert drawn == [valid_edits(scene, "red") for scene in scenes]
    first = Counter(changes[1][0].colour for changes in drawn)  # type: ignore[attr-defined]
    assert len(first) == len(COLOURS) - 1
    # Asking for more keeps what was there.
    assert all(valid_edits(scene, "red", n=6)[:4] == few for scene, few in zip(scenes, drawn, strict=True))


def test_number_of_replacements_is_kept_and_checked() -> None:
    assert valid_edits(reds("star"), "red", n=0) == ((Remove(0),),)
    assert len(valid_edits(reds("star"), "red", n=2)) == 3
    for wrong in (-1, 2.0, True):
        with pytest.raises(InputError, match="number of replacements"):
            valid_edits(reds("star"), "red", n=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("concept", ["rde", "left_of", "polygon", "two objects", "red blob", "", 3, ["red"]])
def test_other_names_are_refused_in_words(concept: Any) -> None:
    with pytest.raises(UnknownName) as error:
        valid_edits(reds("star"), concept)
    assert f"The concept is {concept!r}" in str(error.value)
    assert concept != "rde" or "Did you mean 'red'" in str(error.value)


def test_sizes_are_replaced_by_sizes() -> None:
    for change in valid_edits(reds("star"), "red star", n=0):
        assert change == (Remove(0),)
    changes = valid_edits(reds("star", "cross"), "small", n=9)
    assert {edit.size for change in changes[1:] for edit in change} == {"medium", "large"}  # type: ignore[attr-defined]
    assert all(isinstance(edit, Resize) for change in changes[1:] for edit in change)
