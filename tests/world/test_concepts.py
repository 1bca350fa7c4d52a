"""Presence against a slow re-typing, and the algebra of masks: parts within wholes, and wholes that add up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seewhy.errors import InputError, UnknownName
from seewhy.world.concepts import (
    CONCEPTS,
    EXCLUSIVE,
    EXCLUSIVE_PER_ITEM,
    GROUPS,
    boundary,
    carriers,
    concept_names,
    hierarchy,
    is_present,
    masks,
    present,
)
from seewhy.world.drawing.renderer import render
from seewhy.world.grammar import BACKGROUNDS, COLOURS, PARTS, SHAPES, SIZES, SLOTS, TEXTURES
from seewhy.world.sampling import Grammar, sample_scene
from seewhy.world.scene import Background, Decoy, Lighting, Scene, Thing

SCENES = [sample_scene(33, index) for index in range(24)]
CREATURES = [sample_scene(34, index, Grammar(creatures=(2,), empty_slot=0.3)) for index in range(6)]
GREY = Background("plain", "grey", (100, 100, 100), (50, 50, 50), 0, 0.2)


def _scene(*items: Thing, decoy: Decoy | None = None) -> Scene:
    return Scene(0, 0, GREY, Lighting(0, 0.0), items, decoy=decoy)


def _thing(
    id: int = 0, shape: str = "disk", texture: str = "solid", x: float = 0.5, radius: float = 0.2
) -> Thing:
    return Thing(
        id, shape, "red", texture, "large", (200, 40, 40), (90, 18, 18), x=x, y=0.5, radius=radius, turn=5
    )


def test_there_are_as_many_concepts_as_the_specification_says() -> None:
    sizes = {group: len(concept_names(group)) for group in (*GROUPS, "atomic")}
    wanted = {"shape": 8, "colour": 8, "texture": 5, "size": 3, "background": 8, "part": 20, "creature": 1}
    assert sizes == {**wanted, "bound": 64, "relation": 7, "count": 6, "kind": 8, "atomic": 53}
    assert len(set(concept_names())) == len(CONCEPTS) == 138
    assert concept_names()[:53] == concept_names("atomic")


def _slowly_present(scene: Scene) -> set[str]:
    names = {scene.background.kind}
    for thing in scene.objects:
        names |= {thing.shape, thing.colour, thing.texture, thing.size}
    for creature in scene.creatures:
        names |= {"creature"} | {
            f"{name} {slot}" for slot, name in creature.variants.items() if name != "none"
        }
    return names


@pytest.mark.parametrize("scene", SCENES + CREATURES)
def test_presence_is_what_the_scene_says(scene: Scene) -> None:
    names = concept_names("atomic")
    assert {name for name, has in zip(names, present(scene), strict=True) if has} == _slowly_present(scene)
    assert {name for name in names if is_present(scene, name)} == _slowly_present(scene)
    pairs = {f"{thing.colour} {thing.shape}" for thing in scene.objects}
    assert {name for name in concept_names("bound") if is_present(scene, name)} == pairs
    (count,) = (name for name in concept_names("count") if is_present(scene, name))
    assert concept_names("count").index(count) + 1 == len(scene.objects)


@pytest.mark.parametrize("scene", SCENES + CREATURES)
@pytest.mark.parametrize("amodal", [False, True])
def test_a_concept_has_pixels_exactly_if_it_is_present(scene: Scene, amodal: bool) -> None:
    found = masks(scene, render(scene, 96), amodal=amodal)
    assert tuple(found) == concept_names("atomic")
    assert [bool(mask.any()) for mask in found.values()] == present(scene).tolist()


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("size", [33, 64])
def test_visible_masks_partition_the_picture(scene: Scene, size: int) -> None:
    drawn = render(scene.with_decoy(Decoy()), size)
    found = masks(scene, drawn, concept_names())
    layers = [found["object"], found["creature"], drawn.background, drawn.decoy]
    assert np.array_equal(np.sum(layers, axis=0), np.ones((size, size)))
    assert np.array_equal(found[scene.background.kind], drawn.background)
    for names in (SHAPES, TEXTURES, tuple(SIZES), ("polygon", "round")):
        # Each visible pixel of an object has one shape, one texture and one size.
        assert np.array_equal(np.sum([found[name] for name in names], axis=0), found["object"])


@pytest.mark.parametrize("scene", SCENES)
def test_attributes_lie_within_their_objects(scene: Scene) -> None:
    drawn = render(scene, 48)
    found = masks(scene, drawn, concept_names())
    for colour in COLOURS:
        bound = np.any([found[f"{colour} {shape}"] for shape in SHAPES], axis=0)
        assert not (found[colour] & ~bound).any()
    for at, item in enumerate(scene.items):
        if isinstance(item, Thing) and item.texture == "solid":
            assert not (drawn.visible[at] & ~found[item.colour]).any()


@pytest.mark.parametrize("scene", CREATURES)
@pytest.mark.parametrize("amodal", [False, True])
def test_parts_lie_within_creatures(scene: Scene, amodal: bool) -> None:
    drawn = render(scene, 96)
    found = masks(scene, drawn, concept_names(), amodal=amodal)
    parts = np.array([found[name] for name in concept_names("part")])
    assert not (parts & ~found["creature"]).any()
    if not amodal:
        assert parts.sum(0).max() == 1
        bodies = drawn.part_map == 1
        assert np.array_equal(parts.any(0) | bodies, found["creature"])


@pytest.mark.parametrize("scene", SCENES[:8] + CREATURES)
@pytest.mark.parametrize("amodal", [False, True])
def test_in_the_hierarchy_a_mask_is_the_union_of_those_below(scene: Scene, amodal: bool) -> None:
    found = masks(scene, render(scene, 48), concept_names(), amodal=amodal)
    for parent, children in hierarchy().items():
        union = np.any([found[child] for child in children], axis=0)
        # A creature is more than its parts: it has a body.
        assert not (union & ~found[parent]).any()
        assert parent == "creature" or np.array_equal(union, found[parent])
    assert hierarchy()["round"] == ("disk", "ring", "crescent") and "cross" in hierarchy()["polygon"]
    below = {child for children in hierarchy().values() for child in children}
    assert {*hierarchy()} - below == {"object", "creature"} and below <= set(concept_names())


@pytest.mark.parametrize("texture", TEXTURES)
def test_a_colour_is_where_it_is_painted(texture: str) -> None:
    scene = _scene(_thing(texture=texture))
    drawn = render(scene, 128)
    found = masks(scene, drawn, ["red", "disk"])
    inside = drawn.coverage[0] >= 1
    far = np.abs(drawn.rgb.astype(int) - (90, 18, 18)).sum(2)
    near = np.abs(drawn.rgb.astype(int) - (200, 40, 40)).sum(2)
    assert np.array_equal(found["red"][inside & (near != far)], (near < far)[inside & (near != far)])
    share = found["red"].sum() / found["disk"].sum()
    assert share == 1 if texture == "solid" else 0.3 < share < 0.9


def test_amodal_masks_reach_behind_what_hides() -> None:
    back, front = _thing(0, x=0.4), replace(_thing(1, "square", x=0.55), colour="blue", rgb=(40, 40, 200))
    scene, alone = _scene(back, front), _scene(back)
    seen = masks(scene, render(scene, 65), ["disk", "red", "plain"])
    whole = masks(scene, render(scene, 65), ["disk", "red", "plain"], amodal=True)
    unhidden = masks(alone, render(alone, 65), ["disk"])["disk"]
    assert np.array_equal(whole["disk"], unhidden) and np.array_equal(whole["red"], unhidden)
    assert seen["disk"].sum() < whole["disk"].sum() and not (seen["disk"] & ~whole["disk"]).any()
    assert whole["plain"].all() and not seen["plain"].all()


@pytest.mark.parametrize("size", [50, 97])
def test_the_boundary_of_a_disk_is_a_ring_two_pixels_wide(size: int) -> None:
    scene = _scene(_thing())
    centre = np.hypot(*np.indices((size, size)) + 0.5 - size / 2)
    radius = 0.2 * size
    band = boundary(scene, render(scene, size), "disk")
    assert np.array_equal(band, (centre <= radius) & (centre >= radius - 2))
    assert not boundary(scene, render(scene, size), "star").any()


@pytest.mark.parametrize("scene", SCENES[:8])
def test_boundaries_are_seen_and_lie_within_their_shape(scene: Scene) -> None:
    drawn = render(scene, 96)
    for shape, mask in masks(scene, drawn, SHAPES).items():
        band = boundary(scene, drawn, shape)
        assert band.any() == mask.any() and not (band & ~mask).any()


@pytest.mark.parametrize("scene", SCENES[:12])
def test_relations_and_counts_cover_the_objects_concerned(scene: Scene) -> None:
    drawn = render(scene, 40)
    names = (*concept_names("relation"), *concept_names("count"))
    for name, mask in masks(scene, drawn, names).items():
        concerned = [item in carriers(scene, name) for item in scene.items]
        assert np.array_equal(mask, drawn.visible[concerned].any(0))
        assert is_present(scene, name) == any(concerned)


def test_a_count_has_all_objects_and_a_relation_only_its_pairs() -> None:
    left, right, third = (
        _thing(0, x=0.2),
        _thing(1, "star", x=0.5),
        replace(_thing(2, "star", x=0.8), size="small"),
    )
    scene = _scene(left, right, third)
    assert carriers(scene, "three objects") == (left, right, third) and not carriers(scene, "two objects")
    assert carriers(scene, "same shape") == (right, third)
    assert carriers(scene, "larger") == (left, right, third) and not carriers(scene, "inside")


def test_an_empty_scene_has_a_background_alone() -> None:
    scene = _scene()
    found = masks(scene, render(scene, 9), concept_names())
    assert [name for name in concept_names() if is_present(scene, name)] == ["plain"]
    assert found["plain"].all() and sum(mask.any() for mask in found.values()) == 1


@pytest.mark.parametrize("scene", SCENES + CREATURES)
def test_exclusive_groups_never_meet(scene: Scene) -> None:
    for names in EXCLUSIVE.values():
        assert sum(is_present(scene, name) for name in names) <= 1
    for names in EXCLUSIVE_PER_ITEM.values():
        for item in scene.items:
            assert sum(item in carriers(scene, name) for name in names) <= 1
    grouped = [name for names in (*EXCLUSIVE.values(), *EXCLUSIVE_PER_ITEM.values()) for name in names]
    wanted = {*concept_names("atomic"), *concept_names("count")} - {"creature"}
    assert set(grouped) == wanted and len(grouped) == len(wanted)


def test_words_of_different_groups_differ() -> None:
    words = [*SHAPES, *COLOURS, *TEXTURES, *SIZES, *BACKGROUNDS, *SLOTS]
    words += [variant for slot in SLOTS for variant in PARTS[slot]]
    assert len(words) == len(set(words))


def test_an_unknown_concept_names_the_nearest() -> None:
    scene = _scene()
    with pytest.raises(UnknownName, match="'hooked beek'.*\n.*concept_names.*\n.*'hooked beak'"):
        is_present(scene, "hooked beek")
    with pytest.raises(UnknownName, match="'strped'"):
        masks(scene, render(scene, 8), ["red", "strped"])
    with pytest.raises(InputError, match="group of concepts is 'colours'"):
        concept_names("colours")
    with pytest.raises(InputError, match="shape is 'red'"):
        boundary(scene, render(scene, 8), "red")


def test_the_rendering_of_another_scene_is_refused() -> None:
    drawn = render(_scene(_thing()), 16)
    with pytest.raises(InputError, match="rendering has 1 items.*\n.*scene has 0 items.*\n.*render"):
        masks(_scene(), drawn)
