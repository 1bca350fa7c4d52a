"""Relations of two objects, against angles and closed forms."""

from __future__ import annotations

import math

import pytest

from seewhy.world.grammar import SIZES
from seewhy.world.relations import RELATIONS, related
from seewhy.world.sampling import sample_scene
from seewhy.world.scene import Thing


def _thing(x: float, y: float = 0.5, shape: str = "disk", size: str = "medium", colour: str = "red") -> Thing:
    return Thing(
        0, shape, colour, "solid", size, (200, 40, 40), (9, 9, 9), x=x, y=y, radius=SIZES[size], turn=0
    )


@pytest.mark.parametrize("degrees", range(4, 360, 7))
def test_of_two_objects_exactly_one_of_left_right_above_below_holds(degrees: int) -> None:
    middle = _thing(0.5)
    other = _thing(0.5 + 0.3 * math.cos(math.radians(degrees)), 0.5 + 0.3 * math.sin(math.radians(degrees)))
    # Degrees run clockwise from the right, for y points down: the other lies in one of four quarters.
    quarter = ["right", "below", "left", "above"][round(degrees / 90) % 4]
    found = {
        "right": RELATIONS["left of"](middle, other),
        "left": RELATIONS["left of"](other, middle),
        "below": RELATIONS["above"](middle, other),
        "above": RELATIONS["above"](other, middle),
    }
    assert [name for name, holds in found.items() if holds] == [quarter]


@pytest.mark.parametrize(
    ("gap", "meets"), [(-0.03, True), (0.0, True), (0.004, True), (0.02, False), (0.2, False)]
)
def test_disks_touch_if_their_outlines_meet(gap: float, meets: bool) -> None:
    one, other = _thing(0.3), _thing(0.3 + 2 * SIZES["medium"] + gap)
    assert RELATIONS["touching"](one, other) is meets and RELATIONS["touching"](other, one) is meets


def test_shapes_do_not_touch_because_their_disks_overlap() -> None:
    # Two plus signs side by side on the diagonal: the disks overlap, the arms are far from each other.
    step = SIZES["medium"] * 1.9 / math.sqrt(2)
    one, other = _thing(0.3, 0.3, "cross"), _thing(0.3 + step, 0.3 + step, "cross")
    assert not RELATIONS["touching"](one, other)
    assert RELATIONS["touching"](_thing(0.3, 0.3), _thing(0.3 + step, 0.3 + step))


def test_inside_needs_the_whole_disk_within() -> None:
    small, ring = _thing(0.5, size="small"), _thing(0.54, shape="ring", size="large")
    assert RELATIONS["inside"](small, ring) and not RELATIONS["inside"](ring, small)
    assert not RELATIONS["inside"](_thing(0.64, size="small"), ring)


def test_sameness_and_size_compare_the_words() -> None:
    one, other = _thing(0.2, colour="blue", size="large"), _thing(0.7, shape="star", colour="blue")
    assert RELATIONS["same colour"](one, other) and not RELATIONS["same shape"](one, other)
    assert RELATIONS["larger"](one, other) and not RELATIONS["larger"](other, one)
    assert not RELATIONS["larger"](one, one)


@pytest.mark.parametrize("index", range(6))
def test_nothing_is_related_to_itself(index: int) -> None:
    scene = sample_scene(4, index)
    for relation in RELATIONS:
        assert all(one.id != other.id for one, other in related(scene, relation))
