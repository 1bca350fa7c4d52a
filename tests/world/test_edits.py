"""An edit changes what it names and nothing else, can be undone to the byte, and keeps the rules of the world."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.world.drawing.renderer import render
from seewhy.world.edits.edits import (
    OPERATIONS,
    Add,
    Edit,
    Move,
    Recolour,
    Remove,
    Reorder,
    ReplacePart,
    Reshape,
    Resize,
    Retexture,
    SetBackground,
    SetLighting,
    SwapAttribute,
    apply,
    changed_mask,
    from_dict,
    inverse,
    reach,
    to_dict,
)
from seewhy.world.grammar import COLOURS, SHAPES, SIZES
from seewhy.world.sampling import Grammar, sample_scene
from seewhy.world.scene import Decoy, Scene, Thing
from seewhy.world.tasks.rules import evaluate
from seewhy.world.tasks.splits import HELD_OUT_PAIRS
from seewhy.world.tasks.tasks import find_task

FULL = Grammar(counts=(2,), creatures=(2,), empty_slot=0.0, backgrounds=("grass",))
"""Objects 0 and 1, creatures 2 and 3 with every part."""


def full_scene(index: int = 0) -> Scene:
    return sample_scene(11, index, FULL).with_decoy(Decoy("top_right"))


def thing(name: int, x: float, y: float, radius: float = 0.1, **look: Any) -> Thing:
    fields: dict[str, Any] = {"shape": "disk", "colour": "red", "texture": "solid", "size": "medium", **look}
    rgb = COLOURS[fields["colour"]]
    return Thing(id=name, rgb=rgb, second=(90, 18, 18), x=x, y=y, radius=radius, turn=0, **fields)


def hand_scene(*items: Thing) -> Scene:
    """The items on plain grey, no noise."""
    return replace(sample_scene(0, 0, Grammar.of(0)), items=items)


class Striped:
    """A task like T1: the shape of the only striped object."""

    name = "T1"

    def label(self, scene: Scene) -> Any:
        return evaluate("only(o.shape for o in objects if o.texture == 'striped')", scene)


def other(word: str, words: Iterable[str]) -> str:
    return next(each for each in words if each != word)


EDITS: dict[str, tuple[Callable[[Scene], Edit], set[str]]] = {
    "remove object": (lambda s: Remove(1), {"items.*"}),
    "remove creature": (lambda s: Remove(2), {"items.*"}),
    "remove part": (lambda s: Remove(3, "tail"), {"items.3.parts.tail"}),
    "remove decoy": (lambda s: Remove("decoy"), {"decoy"}),
    "remove background": (lambda s: Remove("background"), {"background.kind"}),
    "recolour": (
        lambda s: Recolour(0, other(at(s, 0).colour, COLOURS)),
        {"items.0.colour", "items.0.rgb", "items.0.second"},
    ),
    "recolour creature": (
        lambda s: Recolour(2, other(at(s, 2).coat, ("ash", "sky"))),
        {"items.2.coat", "items.2.rgb"},
    ),
    "retexture": (
        lambda s: Retexture(0, other(at(s, 0).texture, ("solid", "speckled"))),
        {"items.0.texture"},
    ),
    "reshape": (lambda s: Reshape(1, other(at(s, 1).shape, SHAPES)), {"items.1.shape"}),
    "reshape creature": (lambda s: Reshape(3, other(at(s, 3).body, ("round", "pear"))), {"items.3.body"}),
    "resize": (
        lambda s: Resize(0, other(at(s, 0).size, SIZES)),
        {"items.0.size", "items.0.radius"},
    ),
    "resize creature": (lambda s: Resize(2, radius=0.14), {"items.2.radius"}),
    "move": (lambda s: Move(1, 0.41, 0.62), {"items.1.x", "items.1.y"}),
    "swap colour": (
        lambda s: SwapAttribute(0, 1, "colour"),
        {f"items.{k}.{f}" for k in (0, 1) for f in ("colour", "rgb", "second")},
    ),
    "swap place": (
        lambda s: SwapAttribute(0, 2, "place"),
        {f"items.{k}.{f}" for k in (0, 2) for f in "xy"},
    ),
    "swap part": (lambda s: SwapAttribute(2, 3, "beak"), {"items.2.parts.beak", "items.3.parts.beak"}),
    "set background": (lambda s: SetBackground(kind="water"), {"background.kind"}),
    "set hue": (
        lambda s: SetBackground(hue=other(s.background.hue, ("moss", "rose"))),
        {"background.hue", "background.rgb", "background.second"},
    ),
    "set lighting": (
        lambda s: SetLighting((s.lighting.direction + 1) % 8, 0.2),
        {"lighting.direction", "lighting.strength"},
    ),
    "replace part": (
        lambda s: ReplacePart(2, "wing", other(at(s, 2).variant("wing"), ("broad", "banded"))),
        {"items.2.parts.wing"},
    ),
    "add object": (lambda s: Add(thing(9, 0.5, 0.5), 1), {"items.*"}),
    "reorder": (lambda s: Reorder(s.items[0].id, 2), {"items.*"}),
}


def at(scene: Scene, name: int) -> Any:
    return next(item for item in scene.items if item.id == name)


def flat(scene: Scene) -> dict[str, Any]:
    """Every field by its path; items and parts by name instead of number, their order as one field."""
    facts: dict[str, Any] = {}

    def walk(path: str, value: Any) -> None:
        if isinstance(value, dict) and path != "decoy":
            for key, inner in value.items():
                walk(f"{path}.{key}" if path else key, inner)
        elif path == "items":
            facts["items.*"] = [item["id"] for item in value]
            for item in value:
                walk(f"items.{item['id']}", item)
        elif path.endswith(".parts"):
            for part in value:
                facts[f"{path}.{part['slot']}"] = part
        else:
            facts[path] = value

    walk("", scene.to_dict())
    return facts


def lines(error: pytest.ExceptionInfo[InputError]) -> int:
    return len(str(error.value).splitlines())


def test_all_operations_are_tried_here() -> None:
    assert {make(full_scene()).op for make, _ in EDITS.values()} == set(OPERATIONS)


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("index", [0, 1, 2])
def test_only_the_named_fields_change(name: str, index: int) -> None:
    make, paths = EDITS[name]
    scene = full_scene(index)
    before, after = flat(scene), flat(apply(scene, make(scene), force=True))
    changed = {path for path in before.keys() & after.keys() if before[path] != after[path]}
    come_or_gone = before.keys() ^ after.keys()
    if paths == {"items.*"}:
        # What came or went is one item's own fields.
        assert changed == paths and len({path.split(".")[1] for path in come_or_gone}) <= 1
    else:
        assert changed | come_or_gone <= paths and changed | come_or_gone


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("index", [0, 1, 2])
def test_inverse_restores_every_field_and_byte(name: str, index: int) -> None:
    scene = full_scene(index)
    edit = EDITS[name][0](scene)
    edited = apply(scene, edit, force=True)
    back = apply(edited, inverse(scene, edit), force=True)
    assert back == scene
    one, two = render(scene, 45), render(back, 45)
    for plane in ("rgb", "id_map", "part_map", "coverage", "second_share"):
        assert getattr(one, plane).tobytes() == getattr(two, plane).tobytes()


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("size", [31, 96])
def test_bytes_change_only_within_reach(name: str, size: int) -> None:
    scene = full_scene(3)
    edited = apply(scene, EDITS[name][0](scene), force=True)
    changed, allowed = changed_mask(scene, edited, size), reach(scene, edited, size)
    assert changed.any() or name == "reorder"
    assert not (changed & ~allowed).any()
    assert allowed.all() == (name.startswith("set") or name == "remove background")


@pytest.mark.parametrize("name", ["remove object", "recolour", "retexture", "reshape", "add object"])
def test_bytes_beyond_the_disk_stay(name: str) -> None:
    # The disk that holds the item is a bound on its outline that does not come from the renderer's coverage.
    scene = full_scene(4)
    edit = EDITS[name][0](scene)
    item: Any = edit.new if isinstance(edit, Add) else at(scene, edit.item)  # type: ignore[attr-defined]
    size = 64
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    outside = (x - item.x) ** 2 + (y - item.y) ** 2 > (item.radius + 2 / size) ** 2
    assert not changed_mask(scene, apply(scene, edit, force=True), size)[outside].any()


def test_reorder_touches_only_what_was_reordered() -> None:
    low, high = thing(0, 0.4, 0.5, 0.12), thing(1, 0.55, 0.5, 0.12, colour="blue")
    scene = hand_scene(low, high, thing(2, 0.8, 0.5))
    edited = apply(scene, Reorder(0, 1), force=True)
    changed, allowed = changed_mask(scene, edited, 50), reach(scene, edited, 50)
    shared = render(scene, 50)
    assert changed.any() and not allowed[shared.coverage[2] > 0].any()
    assert not (changed & ~((shared.coverage[0] > 0) & (shared.coverage[1] > 0))).any()


def test_removal_shows_all_of_what_lay_behind() -> None:
    scene = hand_scene(thing(0, 0.4, 0.5, 0.12), thing(1, 0.55, 0.5, 0.12, colour="blue"))
    before, after = render(scene, 60), render(apply(scene, Remove(1), force=True), 60)
    assert before.visible[0].sum() < before.full[0].sum()
    np.testing.assert_array_equal(after.visible[0], before.full[0])


def test_several_edits_are_one_change() -> None:
    scene = hand_scene(thing(0, 0.3, 0.5), thing(1, 0.7, 0.5, colour="blue"))
    change = (Move(0, 0.7, 0.5), Move(1, 0.3, 0.5), Recolour(0, "green"))
    edited = apply(scene, change)
    # Half-way both lie on one place: the rules are asked at the end.
    assert (at(edited, 0).x, at(edited, 1).x, at(edited, 0).colour) == (0.7, 0.3, "green")
    back = inverse(scene, change)
    assert isinstance(back, tuple) and [edit.op for edit in back] == ["recolour", "move", "move"]
    assert apply(edited, back) == scene
    assert apply(scene, ()) == scene and inverse(scene, ()) == ()


def test_later_edits_build_on_earlier_ones() -> None:
    scene = full_scene()
    change = (
        Recolour(0, "blue"),
        Recolour(0, "green"),
        Remove(2),
        Add(thing(9, 0.5, 0.5)),
        Reshape(9, "star"),
    )
    edited = apply(scene, change, force=True)
    assert (at(edited, 0).colour, at(edited, 9).shape) == ("green", "star")
    assert apply(edited, inverse(scene, change), force=True) == scene


@pytest.mark.parametrize("place", range(4))
def test_reorder_paints_an_item_at_its_new_place(place: int) -> None:
    scene = full_scene()
    for item in scene.items:
        edit = Reorder(item.id, place)
        edited = apply(scene, edit)
        assert edited.items.index(item) == place and set(edited.items) == set(scene.items)
        assert apply(edited, inverse(scene, edit)) == scene


def test_swap_exchanges_all_that_makes_the_attribute() -> None:
    scene = full_scene(2)
    for names in (("colour", "rgb", "second"), ("size", "radius"), ("shape",), ("texture",)):
        edited = apply(scene, SwapAttribute(0, 1, names[0]), force=True)
        for name in names:
            assert getattr(at(edited, 0), name) == getattr(at(scene, 1), name)
            assert getattr(at(edited, 1), name) == getattr(at(scene, 0), name)
    edited = apply(scene, SwapAttribute(2, 3, "coat"))
    assert (at(edited, 2).coat, at(edited, 2).rgb) == (at(scene, 3).coat, at(scene, 3).rgb)


@pytest.mark.parametrize("difficulty", [0, 1, 2])
def test_back_by_name_is_what_the_sampler_drew(difficulty: int) -> None:
    for index in range(12):
        scene = sample_scene(5, index, Grammar.of(difficulty))
        one = scene.objects[0]
        there = (Recolour(one.id, other(one.colour, COLOURS)), Resize(one.id, other(one.size, SIZES)))
        back = (Recolour(one.id, one.colour), Resize(one.id, one.size))
        assert apply(scene, (*there, *back)) == scene


def test_pale_stays_pale() -> None:
    scene = sample_scene(5, 1, Grammar.of(2))
    edited = apply(scene, Recolour(scene.objects[0].id, "white"))
    # White is (242, 242, 242); six tenths of its distance to 128, with the jitter.
    assert all(abs(value - 196) <= 8 for value in edited.objects[0].rgb)


def test_a_second_colour_of_its_own_stays() -> None:
    own, derived = thing(0, 0.3, 0.5), thing(1, 0.7, 0.5)
    own, derived = replace(own, second=(1, 2, 3)), replace(derived, second=(92, 18, 18))
    edited = apply(hand_scene(own, derived), (Recolour(0, "blue"), Recolour(1, "blue")))
    assert edited.objects[0].second == (1, 2, 3)
    assert edited.objects[1].second[2] > edited.objects[1].second[0]


REFUSED: dict[str, tuple[Edit, str]] = {
    "overlap": (Move(0, 0.68, 0.5), "item 1 overlaps item 0"),
    "grown": (Resize(0, radius=0.35), "overlaps item"),
    "picture": (Move(0, 0.05, 0.5), "item 0 leaves the picture"),
    "corner": (Move(0, 0.13, 0.13), "corner that is kept free"),
    "light": (SetLighting(strength=0.4), "a light of strength 0.4 is above 0.25"),
    "task": (Retexture(0, "solid"), "task T1 has no label any more"),
    "unique": (Retexture(1, "striped"), "task T1 has no label any more"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_broken_rule_is_refused_unless_forced(name: str) -> None:
    edit, words = REFUSED[name]
    scene = hand_scene(thing(0, 0.3, 0.5, texture="striped"), thing(1, 0.7, 0.5))
    with pytest.raises(InputError, match="force=True") as error:
        apply(scene, edit, task=Striped())
    assert words in str(error.value) and str(edit) in str(error.value) and lines(error) == 3
    assert apply(scene, edit, task=Striped(), force=True) != scene


def test_counts_stay_within_the_world() -> None:
    places = [(0.3, 0.2), (0.6, 0.2), (0.3, 0.5), (0.6, 0.5), (0.3, 0.8), (0.6, 0.8)]
    six = hand_scene(*(thing(k, x, y) for k, (x, y) in enumerate(places)))
    with pytest.raises(InputError, match="7 objects and 0 creatures are more than 6 objects"):
        apply(six, Add(thing(7, 0.85, 0.5)))
    one = apply(six, tuple(Remove(k) for k in range(5)))
    with pytest.raises(InputError, match="no object or creature is left"):
        apply(one, Remove(5))
    assert apply(one, Remove(5), force=True).items == ()


def test_what_was_broken_before_is_no_reason() -> None:
    outside = hand_scene(thing(0, 0.02, 0.5), thing(1, 0.7, 0.5))
    assert apply(outside, Recolour(1, "blue")).objects[0] == outside.objects[0]
    # An overlap of half the radius, and none of the edits makes a deeper one.
    scene = hand_scene(thing(0, 0.3, 0.5), thing(1, 0.45, 0.5), thing(2, 0.85, 0.5))
    assert apply(scene, Recolour(0, "blue")) and apply(scene, Reorder(0, 2)) and apply(scene, Remove(2))
    with pytest.raises(InputError, match="overlaps item 0 by more than 0.5"):
        apply(scene, Move(1, 0.4, 0.5))


NONSENSE: dict[str, tuple[Edit, str]] = {
    "item": (Recolour(8, "red"), "The item is 8"),
    "bool": (Remove(True), "The item is True"),
    "colour": (Recolour(0, "rde"), "Did you mean 'red'"),
    "coat": (Recolour(2, "red"), "The coat is 'red'"),
    "texture": (Retexture(0, "stripy"), "Did you mean 'striped'"),
    "textured creature": (Retexture(2, "solid"), "Item 2 is a creature"),
    "shape": (Reshape(0, "round"), "The shape is 'round'"),
    "size": (Resize(0, "big"), "The size is 'big'"),
    "no size": (Resize(0), "The size is None"),
    "creature's size": (Resize(2, "small"), "radius and no name for its size"),
    "radius": (Resize(0, radius=0.7), "The radius is 0.7"),
    "place": (Move(0, float("nan"), 0.5), "The x is nan"),
    "part of object": (Remove(0, "beak"), "is an object and has no parts"),
    "slot": (Remove(2, "nose"), "The slot is 'nose'"),
    "variant": (ReplacePart(2, "beak", "hoked"), "Did you mean 'hooked'"),
    "swap": (SwapAttribute(0, 1, "coat"), "The attribute is 'coat'"),
    "mixed swap": (SwapAttribute(0, 2, "size"), "It is one of place"),
    "decoy": (Add(Decoy()), "has a decoy already"),
    "id": (Add(thing(0, 0.5, 0.5)), "no id twice"),
    "order": (Reorder(0, 4), "whole number from 0 to 3"),
    "background": (SetBackground(kind="gras"), "Did you mean 'grass'"),
    "hue": (SetBackground(hue="pink"), "The background hue is 'pink'"),
    "lighting": (SetLighting(direction=9), "whole number from 0 to 7"),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_refused_even_if_forced(name: str) -> None:
    edit, words = NONSENSE[name]
    with pytest.raises(InputError) as error:
        apply(full_scene(), edit, force=True)
    assert words in str(error.value) and lines(error) == 3


def test_nothing_to_remove_is_said() -> None:
    scene = hand_scene(thing(0, 0.5, 0.5))
    for target, words in (("decoy", "has no decoy"), ("background", "is plain already")):
        with pytest.raises(InputError, match=words):
            apply(scene, Remove(target))
    bare = apply(full_scene(), Remove(2, "beak"))
    with pytest.raises(InputError, match="Creature 2 has no beak"):
        apply(bare, Remove(2, "beak"))


def test_an_empty_slot_is_filled_and_emptied_again() -> None:
    bare = apply(full_scene(), Remove(2, "beak"))
    edit = ReplacePart(2, "beak", "blunt")
    filled = apply(bare, edit)
    assert at(filled, 2).variant("beak") == "blunt" and inverse(bare, edit) == Remove(2, "beak")
    assert apply(filled, Remove(2, "beak")) == bare


@pytest.mark.parametrize("change", ["remove", ["x"], [Remove(0)], None])
def test_what_is_no_edit_is_refused(change: Any) -> None:
    with pytest.raises(InputError, match="one edit or a tuple of edits"):
        apply(full_scene(), change)


@pytest.mark.parametrize("name", [*EDITS, "add decoy", "add creature"])
def test_edits_survive_json(name: str) -> None:
    scene = full_scene()
    more: dict[str, Edit] = {"add decoy": Add(Decoy("bottom_left")), "add creature": Add(scene.creatures[0])}
    edit = more[name] if name in more else EDITS[name][0](scene)
    record = to_dict(edit)
    assert record["op"] == edit.op and json.loads(json.dumps(record)) == record
    assert from_dict(json.loads(json.dumps(record))) == edit
    back = inverse(scene, edit) if name not in more else edit
    assert isinstance(back, Edit) and from_dict(json.loads(json.dumps(to_dict(back)))) == back


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"op": "recolor", "item": 0}, "Did you mean 'recolour'"),
        ({"op": "recolour", "item": 0}, "Its fields are item, colour, rgb, second"),
        ({"op": "recolour", "item": 0, "colour": "red", "hue": 1}, "came with the fields item, colour, hue"),
        ({"item": 0}, "The edit's op is None"),
        ({"op": ["remove"]}, "The edit's op is ['remove']"),
        ([], "The edit's op is None"),
        ({"op": "add", "new": {"type": "tree"}}, "The item type is 'tree'"),
        ({"op": "add", "new": 3}, "The item is 3"),
    ],
)
def test_bad_record_is_refused_in_words(record: Any, words: str) -> None:
    with pytest.raises(InputError) as error:
        from_dict(record)
    assert words in str(error.value) and lines(error) == 3


def test_an_edit_reads_like_its_call() -> None:
    assert str(Recolour(3, "blue")) == "recolour(item=3, colour='blue')"
    assert str(Remove(2, "beak")) == "remove(item=2, slot='beak')"


def test_a_held_out_pair_is_refused_where_there_was_none_and_can_be_forced() -> None:
    colour, shape = HELD_OUT_PAIRS[0]
    scene = next(
        s
        for s in (find_task("T8").scene("train", i) for i in range(99))
        if any(t.shape == shape and t.colour != colour for t in s.objects)
    )
    thing = next(t for t in scene.objects if t.shape == shape)
    edit = Recolour(thing.id, colour)
    with pytest.raises(
        InputError, match=f"{colour} {shape} occurs in no scene but those of the split ood-compose"
    ):
        apply(scene, edit)
    assert apply(scene, edit, force=True).with_item(thing) == scene


@pytest.mark.parametrize("edit", [SetBackground(), SetLighting(), SwapAttribute(0, 0, "place")])
def test_an_edit_that_does_nothing_is_refused(edit: Edit) -> None:
    with pytest.raises(InputError, match="Leave this edit out"):
        apply(sample_scene(1, 1, Grammar(counts=(2,))), edit)


def test_replacing_a_creatures_part_or_coat_by_itself_changes_nothing() -> None:
    """The jitter belongs to the item's id for whoever draws it."""
    seen = 0
    for scene in [sample_scene(3, i, Grammar(creatures=(1, 2))) for i in range(20)] + [
        find_task("T8").scene("train", i) for i in range(40)
    ]:
        for beast in scene.creatures:
            assert apply(scene, Recolour(beast.id, beast.coat), force=True) == scene
            for part in beast.parts:
                assert apply(scene, ReplacePart(beast.id, part.slot, part.variant), force=True) == scene
                seen += 1
    assert seen > 50
