"""Words for a scene: which scene, which object is circled, and what counts as following the circle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seewhy.demo.groups import Groups, by_group
from seewhy.demo.prompts import Prompts, _words, prompt
from seewhy.world.tasks.tasks import find_task

BLANK = np.zeros((4, 4, 3), np.uint8)


def prompts(plain: tuple[float, ...], circled: tuple[float, ...]) -> Prompts:
    return Prompts(("a red star", "a blue ring"), plain, circled, (BLANK, BLANK))


@pytest.mark.parametrize(
    ("plain", "circled", "expected"),
    [
        ((0.3, 0.7), (0.9, 0.1), True),
        ((0.3, 0.7), (0.4, 0.6), False),
        ((0.3, 0.7), (0.5, 0.5), False),  # a tie is not first
        ((0.7, 0.3), (0.9, 0.1), False),  # it was first without the circle
    ],
)
def test_to_follow_is_to_become_the_first(
    plain: tuple[float, ...], circled: tuple[float, ...], expected: bool
) -> None:
    assert prompts(plain, circled).follows is expected


@pytest.mark.slow
def test_the_least_liked_object_of_a_scene_is_circled_and_only_a_ring_is_drawn() -> None:
    found = prompt(3)
    assert len(set(found.texts)) == len(found.texts) >= 3
    assert found.plain[0] == min(found.plain)
    assert sum(found.plain) == pytest.approx(1) == pytest.approx(sum(found.circled))
    plain, circled = found.pictures
    changed = (plain != circled).any(2)
    scenes = (find_task("T8").scene("test", at) for at in range(300, 400))
    scene = next(s for s in scenes if {_words(o) for o in s.objects} == set(found.texts))
    item = next(item for item in scene.objects if _words(item) == found.texts[0])
    y, x = np.nonzero(changed)
    away = np.hypot(x + 0.5 - 96 * item.x, y + 0.5 - 96 * item.y) - 96 * 1.25 * item.radius
    assert changed.any() and np.abs(away).max() < 3
    assert prompt(4).texts != found.texts


def test_colours_that_begin_with_a_vowel_take_an() -> None:
    item = find_task("T8").scene("test", 0).objects[0]
    assert _words(replace(item, colour="orange", shape="ring")) == "an orange ring"


def test_the_worst_group_is_marked_only_where_groups_differ() -> None:
    groups = Groups(
        {"a": 3, "b": 4, "c": 5}, {"one": {"a": 0.5, "b": 0.5, "c": 1.0}, "two": dict.fromkeys("abc", 1.0)}
    )
    assert groups.rows() == [
        ("network", "a", "b", "c"),
        ("one", "50% (worst)", "50% (worst)", "100%"),
        ("two", "100%", "100%", "100%"),
    ]


@pytest.mark.slow
def test_another_seed_means_other_scenes() -> None:
    first, second = by_group(0, n=24), by_group(1, n=24)
    assert sum(first.sizes.values()) == 24 and set(first.accuracy) == set(second.accuracy)
    assert (first.sizes, first.accuracy) != (second.sizes, second.accuracy)
