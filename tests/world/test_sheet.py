"""What is shown of a scene has one colour for each thing and part."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.world.drawing.sheet import BACKGROUND, DECOY, PARTS, THINGS, sheet
from seewhy.world.export.records import Order


@pytest.mark.parametrize(("size", "side"), [(8, 288), (100, 200), (300, 300)])
def test_three_panels_enlarged_by_a_whole_number(size: int, side: int) -> None:
    record = Order.of("T4", "ci", size=size).record(0)
    drawn = sheet(record.rendered)
    assert drawn.shape == (side, 3 * side + 8, 3) and drawn.dtype == np.uint8
    zoom = side // size
    assert np.array_equal(drawn[::zoom, :side:zoom], record.rendered.rgb)


def test_each_thing_part_and_decoy_has_its_colour() -> None:
    order = Order.of("T6", "ci", size=288, bias=1.0)
    record = next(one for one in map(order.record, range(20)) if one.scene.decoy is not None)
    things = sheet(record.rendered)[:, 292:580]
    assert (things[record.rendered.background] == BACKGROUND).all()
    assert (things[record.rendered.decoy] == DECOY).all() and record.rendered.decoy.any()
    for at, seen in enumerate(record.rendered.visible):
        assert (things[seen] == THINGS[at]).all()
    creature = Order.of("T4", "ci", size=288).record(0).rendered
    parts = sheet(creature)[:, 584:]
    for number in range(1, 7):
        assert (parts[creature.part_map == number] == PARTS[number - 1]).all()
    assert (parts[creature.part_map == 0] == BACKGROUND).all()


def test_no_two_things_parts_or_other_meanings_share_a_colour() -> None:
    assert len({BACKGROUND, DECOY, *THINGS}) == len(THINGS) + 2
    assert len({BACKGROUND, *PARTS}) == 7
