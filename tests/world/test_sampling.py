"""The sampler keeps the rules of the grammar, and ties no factor to another."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.world import layout
from seewhy.world.drawing.renderer import render
from seewhy.world.grammar import COATS, COLOURS, CORNER_SIDE, HUES, PART_COLOURS, PARTS, SHAPES, SIZES
from seewhy.world.layout import violations
from seewhy.world.sampling import Grammar, sample_scene
from seewhy.world.scene import Creature

SCENES = [sample_scene(11, index) for index in range(600)]
THINGS = [thing for scene in SCENES for thing in scene.objects]
CREATURES = [creature for scene in SCENES for creature in scene.creatures]


def test_scene_is_a_function_of_seed_and_index() -> None:
    assert sample_scene(11, 5) == SCENES[5]
    assert len({repr(scene) for scene in SCENES}) == len(SCENES)
    assert sample_scene(12, 5).objects != SCENES[5].objects


@pytest.mark.parametrize("factor", ["shape", "colour", "texture", "size"])
def test_factors_are_uniform(factor: str) -> None:
    counts = np.array(list(Counter(getattr(thing, factor) for thing in THINGS).values()))
    expected = len(THINGS) / len(counts)
    # Chi-square per degree of freedom; above 4 has a chance below 1e-3 for two or more degrees.
    assert ((counts - expected) ** 2 / expected).sum() / (len(counts) - 1) < 4


def test_factors_are_not_tied_to_each_other_or_to_place() -> None:
    columns = [
        [SHAPES.index(thing.shape) for thing in THINGS],
        [list(COLOURS).index(thing.colour) for thing in THINGS],
        [thing.turn for thing in THINGS],
        [thing.x for thing in THINGS],
        [thing.y for thing in THINGS],
    ]
    correlation = np.corrcoef(columns) - np.eye(len(columns))
    assert np.abs(correlation).max() < 0.1  # standard error 1 / sqrt(2100) = 0.022


def test_counts_and_ranges_are_those_of_the_grammar() -> None:
    assert {len(scene.objects) for scene in SCENES} == {1, 2, 3, 4, 5, 6}
    assert {len(scene.creatures) for scene in SCENES} == {0, 1, 2}
    assert all(len(scene.objects) + 2 * len(scene.creatures) <= 6 for scene in SCENES)
    assert all(0 <= scene.noise < 6 for scene in SCENES)
    assert max(scene.lighting.strength for scene in SCENES) < 0.25
    for thing in THINGS:
        assert abs(thing.radius / SIZES[thing.size] - 1) <= 0.08 + 1e-12
        assert max(abs(a - b) for a, b in zip(thing.rgb, COLOURS[thing.colour], strict=True)) <= 12


def test_colour_boxes_are_disjoint() -> None:
    groups = [*COLOURS.values(), *PART_COLOURS.values(), *HUES.values()]
    for one, other in [*combinations(groups, 2), *product(COLOURS.values(), COATS.values())]:
        # Two hues of backgrounds may meet; no hue is a colour.
        if not (one in HUES.values() and other in HUES.values()):
            assert max(abs(a - b) for a, b in zip(one, other, strict=True)) > 2 * 12


def test_objects_lie_in_the_picture_and_leave_the_corners_free() -> None:
    for thing in THINGS:
        for x, y in ((thing.x, thing.y), (1 - thing.x, 1 - thing.y)):
            assert thing.radius <= x <= 1 - thing.radius and thing.radius <= y <= 1 - thing.radius
        beyond = [max(min(at, 1 - at) - CORNER_SIDE, 0) for at in (thing.x, thing.y)]
        assert np.hypot(*beyond) >= thing.radius


def test_overlap_stays_within_the_rules() -> None:
    for scene in SCENES[:300]:
        drawn = render(scene, 128)
        areas = drawn.full.sum((1, 2))
        assert (drawn.visible.sum((1, 2)) >= 0.6 * areas).all()
        for one, other in combinations(range(len(areas)), 2):
            shared = (drawn.full[one] & drawn.full[other]).sum()
            assert shared <= 0.15 * min(areas[one], areas[other])


def test_five_large_objects_find_room() -> None:
    crowded = Grammar(counts=(5,), creatures=(0,), sizes=("large",))
    for index in range(40):
        places = [(thing.x, thing.y, thing.radius) for thing in sample_scene(0, index, crowded).objects]
        for (x0, y0, r0), (x1, y1, r1) in combinations(places, 2):
            assert np.hypot(x0 - x1, y0 - y1) >= r0 + r1 - 0.2 * min(r0, r1) - 1e-12


def test_a_full_picture_gives_up_an_object_not_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "_ATTEMPTS", 1)
    monkeypatch.setattr(layout, "_ROUNDS", 1)
    grammar = Grammar(counts=(6,), creatures=(0,), sizes=("large",))
    scenes = [sample_scene(0, index, grammar) for index in range(40)]
    assert min(len(scene.objects) for scene in scenes) < 6
    assert not any(violations(scene.items, grammar.overlap) for scene in scenes)


def test_every_scene_keeps_the_rules_of_place() -> None:
    assert not any(violations(scene.items, 0.2) for scene in SCENES)
    crowd = [replace(SCENES[0].objects[0], id=9), *SCENES[0].items]
    assert "overlaps item" in violations(crowd, 0.2)[0]
    outside = replace(SCENES[0].objects[0], x=0.99)
    assert violations([outside], 0.2) == [f"item {outside.id} leaves the picture"]


def test_creatures_are_drawn_from_every_variant_and_show_their_parts() -> None:
    for slot, variants in PARTS.items():
        counts = Counter(creature.variant(slot) for creature in CREATURES)
        assert set(counts) == {*variants, "none"}
        assert 0.05 < counts["none"] / len(CREATURES) < 0.16  # 0.1, standard error 0.018
    drawn = [render(scene, 96) for scene in SCENES if len(scene.creatures) == 1 and len(scene.objects) < 3]
    for one in drawn[:60]:
        areas = (one.part_coverage[0] >= 0.5).sum((1, 2))
        assert all(area == 0 or area >= 24 for area in areas)


def test_where_a_creature_is_painted_is_not_tied_to_what_it_is() -> None:
    grammar = Grammar(counts=(1,), creatures=(1,))
    first = [isinstance(sample_scene(2, index, grammar).items[0], Creature) for index in range(60)]
    assert 0.25 < np.mean(first) < 0.75  # standard error 0.065


@pytest.mark.parametrize("difficulty", [0, 1, 2])
def test_difficulties_are_grammars(difficulty: int) -> None:
    grammar = Grammar.of(difficulty)
    scenes = [sample_scene(5, index, grammar) for index in range(40)]
    assert not any(violations(scene.items, grammar.overlap) for scene in scenes)
    if difficulty == 0:
        assert {(len(s.objects), len(s.creatures), s.noise, s.background.kind) for s in scenes} == {
            (2, 0, 0.0, "plain")
        }
    with pytest.raises(InputError, match="whole number from 0 to 2"):
        Grammar.of(difficulty + 3)


def test_held_out_pairs_never_occur() -> None:
    pairs = (("red", "star"), ("blue", "ring"))
    grammar = Grammar(held_out=pairs, shapes=("star", "ring"), colours=("red", "blue"))
    seen = {(t.colour, t.shape) for index in range(60) for t in sample_scene(1, index, grammar).objects}
    assert seen == {("red", "ring"), ("blue", "star")}


def test_grammar_restricts_what_occurs() -> None:
    grammar = Grammar(shapes=("ring",), textures=("solid", "dotted"), backgrounds=("plain",), counts=(1,))
    scenes = [sample_scene(0, index, grammar) for index in range(30)]
    assert {thing.shape for scene in scenes for thing in scene.objects} == {"ring"}
    assert {thing.texture for scene in scenes for thing in scene.objects} == {"solid", "dotted"}
    assert {scene.background.kind for scene in scenes} == {"plain"}
    # Fields that both grammars allow alike are drawn alike.
    assert scenes[3].background.rgb == sample_scene(0, 3).background.rgb


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shapes": ("ringg",)}, "Did you mean 'ring'"),
        ({"colours": ()}, "Allow at least one"),
        ({"counts": (0,)}, "from 1 to 6"),
        ({"creatures": (3,)}, "from 0 to 2"),
        ({"creatures": [1]}, "creatures are [1]"),
        ({"creature_radius": (0.1,)}, "two numbers, least and largest"),
        ({"creature_radius": (0.3, 0.2)}, "The least comes first"),
        ({"held_out": (("red", "strar"),)}, "Did you mean 'star'"),
        ({"held_out": (("red", "star"),), "colours": ("red",), "shapes": ("star",)}, "Hold out fewer"),
        ({"overlap": 2.0}, "The overlap is 2.0"),
        ({"contrast": 0.0}, "The contrast is 0.0"),
        ({"counts": ()}, "counts are ()"),
    ],
)
def test_grammar_refuses_in_words(options: dict[str, tuple[str, ...]], words: str) -> None:
    with pytest.raises(InputError) as error:
        Grammar(**options)  # type: ignore[arg-type]
    assert words in str(error.value)


def test_creatures_that_cannot_fit_are_refused_in_words() -> None:
    with pytest.raises(InputError, match="finds no room for 2 creatures"):
        sample_scene(0, 0, Grammar(counts=(1,), creatures=(2,), creature_radius=(0.4, 0.4), overlap=0.0))
