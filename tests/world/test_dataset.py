"""Drawn scenes are the task's scenes, their pictures the renderer's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from seewhy.errors import InputError, UnknownName
from seewhy.world.drawing.renderer import render
from seewhy.world.tasks.dataset import draw
from seewhy.world.tasks.tasks import TASKS


def test_pictures_and_labels_are_those_of_the_scenes() -> None:
    drawn = draw("t5", "test", [4, 0, 9], size=33, difficulty=2, bias=1.0)
    assert drawn.pictures.shape == (3, 33, 33, 3) and drawn.pictures.dtype == np.uint8
    for at, index in enumerate((4, 0, 9)):
        scene = TASKS["T5"].scene("test", index, difficulty=2, bias=1.0)
        assert drawn.scenes[at] == scene
        assert drawn.labels[at] == TASKS["T5"].label(scene)
        assert np.array_equal(drawn.pictures[at], render(scene, 33).rgb)


def test_any_scene_can_be_drawn_alone() -> None:
    together, alone = draw("T2", "val", range(5), size=24), draw("T2", "val", [3], size=24)
    assert np.array_equal(together.pictures[3], alone.pictures[0])
    assert together.labels[3] == alone.labels[0]


@pytest.mark.parametrize(
    ("task", "dtype", "width"), [("T1", np.int64, ()), ("T8", np.bool_, (53,)), ("T11", np.float64, ())]
)
def test_labels_have_the_type_of_the_task(task: str, dtype: type, width: tuple[int, ...]) -> None:
    for n in (0, 1, 3):
        drawn = draw(task, "ci", range(n), size=8)
        assert drawn.labels.dtype == dtype and drawn.labels.shape == (n, *width)
        assert drawn.pictures.shape == (n, 8, 8, 3) and len(drawn) == n


def test_masks_are_drawn_again_on_demand() -> None:
    drawn = draw("T4", "ci", range(2), size=40)
    record = drawn.rendered(-1)
    assert np.array_equal(record.rgb, drawn.pictures[1])
    assert record.part_map.shape == (40, 40) and record.part_map.max() > 0
    with pytest.raises(InputError, match="There are 2"):
        drawn.rendered(2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: draw("T12"), "There is no task 'T12'"),
        (lambda: draw("T1", "validation"), "There is no split"),
        (lambda: draw("T1", "test", [-1]), "scene index is -1"),
        (lambda: draw("T1", "test", [], size=4), "size is 4"),
        (lambda: draw("T1", "test", [0], size=9.5), "size is 9.5"),  # type: ignore[arg-type]
    ],
)
def test_refuses_in_words(call: Callable[[], object], words: str) -> None:
    with pytest.raises((InputError, UnknownName)) as error:
        call()
    assert words in str(error.value)
