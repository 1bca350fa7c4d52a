"""Factors of a scene: at most eight, drawn alone or together, each pixel one's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.world.drawing.renderer import render
from seewhy.world.grammar import PARTS
from seewhy.world.sampling import Grammar, sample_scene
from seewhy.world.scene import Background, Creature, Decoy, Lighting, Part, Scene, Thing
from seewhy.world.truth.factors import MAX_FACTORS, Factor, factor_masks, factors, with_only

GRASS = Background("grass", "moss", (110, 132, 106), (80, 95, 76), 0, 0.2)
DARK = Lighting(0, 0.0)
CROWDED = [
    sample_scene(5, i, Grammar(counts=(6,), creatures=(0, 1, 2))).with_decoy(Decoy()) for i in range(30)
]


def _thing(id: int, x: float = 0.5, y: float = 0.5, radius: float = 0.1) -> Thing:
    return Thing(id, "disk", "red", "solid", "medium", (205, 40, 40), (90, 9, 9), x, y, radius, 0)


def _creature(id: int, radius: float = 0.2, slots: tuple[str, ...] = tuple(PARTS)) -> Creature:
    parts = tuple(Part(slot, next(iter(PARTS[slot])), (34, 34, 40)) for slot in slots)
    return Creature(id, "round", "ash", (190, 190, 190), parts, 0.5, 0.5, radius, 0, False)


def _scene(*items: Thing | Creature, decoy: Decoy | None = None) -> Scene:
    return Scene(3, 4, GRASS, DARK, items, 2.0, decoy)


def test_factors_are_what_is_there_in_painting_order() -> None:
    scene = _scene(_thing(7), _creature(2, slots=("beak",)), decoy=Decoy())
    assert [f.name for f in factors(scene)] == ["background", "object 7", "creature 2", "decoy"]
    apart = factors(scene, parts=True)
    assert [f.name for f in apart[2:4]] == ["body of creature 2", "beak of creature 2"]
    plain = replace(scene, background=replace(GRASS, kind="plain"), decoy=None, items=())
    assert factors(plain) == ()


def test_crowded_scenes_are_put_together_smallest_first() -> None:
    things = [_thing(k, radius=0.1 - 0.01 * k) for k in range(5)]
    found = factors(_scene(_creature(9, slots=("beak", "wing", "tail")), *things), parts=True)
    assert found[:2] == (Factor("background"), Factor("others", (2, 3, 4)))
    assert [f.kind for f in found[2:]] == ["body", "part", "part", "part", "object", "object"]


def test_only_the_largest_creature_is_taken_apart_where_there_is_no_room() -> None:
    found = factors(_scene(_creature(0, 0.15), _creature(1, 0.2)), parts=True)
    assert Factor("creature", (0,)) in found and Factor("body", (1,)) in found and len(found) == 8


def test_what_has_no_room_beside_a_whole_creature_joins_the_background() -> None:
    found = factors(_scene(_creature(0), _thing(1), _thing(2), decoy=Decoy()), parts=True)
    assert found[0] == Factor("surroundings", (1, 2)) and len(found) == 8
    seen = with_only(_scene(_creature(0), _thing(1), _thing(2), decoy=Decoy()), found[:1])
    assert [item.id for item in seen.items] == [1, 2] and seen.background.kind == "grass"


@pytest.mark.parametrize("parts", [False, True])
def test_any_scene_has_at_most_eight_factors_and_all_of_them_draw_it(parts: bool) -> None:
    for scene in CROWDED:
        found = factors(scene, parts=parts)
        assert len(found) == len(set(found)) <= MAX_FACTORS
        assert with_only(scene, found) == scene
    many = _scene(*(_thing(k, radius=0.02) for k in range(200)))
    assert len(factors(many)) == 8 and with_only(many, factors(many)) == many


def test_nothing_is_a_plain_background() -> None:
    for scene in CROWDED:
        empty = with_only(scene, ())
        assert empty.items == () and empty.decoy is None and empty.background.kind == "plain"
        assert replace(empty.background, kind=scene.background.kind) == scene.background
        assert (empty.lighting, empty.noise) == (scene.lighting, scene.noise)


def test_a_part_is_drawn_on_its_body_only() -> None:
    scene = _scene(_creature(0))
    body, beak = Factor("body", (0,)), Factor("part", (0,), "beak")
    assert with_only(scene, [beak]) == with_only(scene, ())
    (creature,) = with_only(scene, [beak, body]).creatures
    assert [part.slot for part in creature.parts] == ["beak"]


@pytest.mark.parametrize("size", [33, 64])
def test_masks_of_all_factors_partition_the_picture(size: int) -> None:
    for scene in CROWDED[:6]:
        drawn = render(scene, size)
        for parts in (False, True):
            masks = factor_masks(scene, drawn, factors(scene, parts=parts)).sum(0)
            plain = scene.background.kind == "plain"
            np.testing.assert_array_equal(masks, np.where(drawn.background & plain, 0, 1))


def test_leaving_a_factor_out_changes_only_what_it_covers() -> None:
    scene = CROWDED[0]
    everything = factors(scene)
    full = render(scene, 48)
    for at, factor in enumerate(everything):
        less = render(with_only(scene, everything[:at] + everything[at + 1 :]), 48)
        changed = (full.rgb != less.rgb).any(-1)
        assert changed.any()
        if factor.kind == "object":
            place = [item.id for item in scene.items].index(factor.ids[0])
            assert not (changed & (full.coverage[place] == 0)).any()


@pytest.mark.parametrize(
    "factor", [Factor("object", (4,)), Factor("decoy"), Factor("part", (0,), "tail"), Factor("body", (1,))]
)
def test_factors_of_another_scene_are_refused_in_words(factor: Factor) -> None:
    scene = _scene(_creature(0, slots=("beak",)), _thing(1))
    with pytest.raises(InputError, match=r"The scene has no .*\n  Taken apart it has: background, body of"):
        with_only(scene, [factor])


def test_a_rendering_of_another_scene_is_refused() -> None:
    scene = _scene(_thing(1), _thing(2))
    with pytest.raises(InputError, match=r"shows 1 items, the scene has 2.*\n.*\n.*render\(scene, size\)"):
        factor_masks(scene, render(_scene(_thing(1)), 32), factors(scene))
