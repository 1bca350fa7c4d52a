"""Scenes as arrays say what the world says of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seewhy.training.said import bits_of, said_by, words_of
from seewhy.training.scenes import GRID, Scenes
from seewhy.world.drawing.renderer import render
from seewhy.world.language.captions import LEVELS, caption
from tests.training.conftest import FEW


def test_each_scene_is_the_worlds_with_its_background_first(drawn: Scenes) -> None:
    assert len(drawn) == 36
    for at in range(len(drawn)):
        scene = FEW.scene(at)
        assert np.array_equal(drawn.pixels[at], render(scene, 96).rgb)
        assert words_of(int(drawn.things[at, 0])) == (scene.background.kind,)
        n = len(scene.items)
        assert [int(bits) for bits in drawn.things[at, 1 : n + 1]] == [bits_of(item) for item in scene.items]
        assert not drawn.things[at, n + 1 :].any()
        places = [(item.x, item.y, item.radius) for item in scene.items]
        assert np.allclose(drawn.circle[at, 1 : n + 1], np.array(places).reshape(-1, 3), atol=1e-6)


def test_captions_fit_and_say_what_they_say(drawn: Scenes) -> None:
    for at in range(len(drawn)):
        for level in range(LEVELS):
            told = caption(FEW.scene(at), level)
            said = said_by(told.facts, told.text)
            assert drawn.texts[at, level].decode() == told.text
            assert tuple(int(m) for m in drawn.mentions[at, level] if m) == said.mentions
            assert drawn.beyond[at, level] == said.beyond


def test_owner_and_part_are_what_is_seen_at_the_middle_of_each_place(drawn: Scenes) -> None:
    for at in range(0, len(drawn), 7):
        picture = render(FEW.scene(at), 96)
        for row, column in ((0, 0), (5, 31), (31, 2), (16, 16), (20, 11)):
            y, x = 3 * row + 1, 3 * column + 1
            assert drawn.owner[at, row, column] == picture.id_map[y, x]
            assert drawn.part[at, row, column] == picture.part_map[y, x]
    assert drawn.owner.shape[1:] == (GRID, GRID)


def test_what_nothing_hides_is_seen_whole(drawn: Scenes) -> None:
    n = 0
    for at in range(len(drawn)):
        items = FEW.scene(at).items
        for k, item in enumerate(items):
            others = [other for other in items if other is not item]
            apart = all(
                math.hypot(item.x - other.x, item.y - other.y) > item.radius + other.radius
                for other in others
            )
            if apart:
                n += 1
                assert drawn.seen[at, k + 1] == pytest.approx(1, abs=0.12)
    assert n > 10 and (drawn.seen <= 1).all() and (drawn.seen[:, 0] == 1).all()
