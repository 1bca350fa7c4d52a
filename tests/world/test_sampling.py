"""The sampler keeps the rules of the grammar, and ties no factor to another."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.world import sampling
from seewhy.world.grammar import COLOURS, CORNER_SIDE, SHAPES, SIZES
from seewhy.world.renderer import render
from seewhy.world.sampling import Grammar, sample_scene

SCENES = [sample_scene(11, index) for index in range(600)]
THINGS = [thing for scene in SCENES for thing in scene.objects]


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
    assert {len(scene.objects) for scene in SCENES} == {2, 3, 4, 5}
    assert all(0 <= scene.noise < 6 for scene in SCENES)
    assert max(scene.lighting.strength for scene in SCENES) < 0.25
    for thing in THINGS:
        assert abs(thing.radius / SIZES[thing.size] - 1) <= 0.08 + 1e-12
        assert max(abs(a - b) for a, b in zip(thing.rgb, COLOURS[thing.colour], strict=True)) <= 12


def test_colour_boxes_are_disjoint() -> None:
    for one, other in combinations(COLOURS.values(), 2):
        assert max(abs(a - b) for a, b in zip(one, other, strict=True)) > 2 * 12 + 8


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
    crowded = Grammar(counts=(5,), sizes=("large",))
    for index in range(40):
        places = [(thing.x, thing.y, thing.radius) for thing in sample_scene(0, index, crowded).objects]
        for (x0, y0, r0), (x1, y1, r1) in combinations(places, 2):
            assert np.hypot(x0 - x1, y0 - y1) >= r0 + r1 - 0.2 * min(r0, r1) - 1e-12


def test_layout_falls_back_when_no_place_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_ATTEMPTS", 0)
    scene = sample_scene(0, 0, Grammar(counts=(3,)))
    assert [(thing.x, thing.y) for thing in scene.objects] == [(0.25, 0.25), (0.75, 0.75), (0.75, 0.25)]


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
        ({"counts": (0,)}, "from 1 to 5"),
        ({"counts": ()}, "counts are ()"),
    ],
)
def test_grammar_refuses_in_words(options: dict[str, tuple[str, ...]], words: str) -> None:
    with pytest.raises(InputError) as error:
        Grammar(**options)  # type: ignore[arg-type]
    assert words in str(error.value)
