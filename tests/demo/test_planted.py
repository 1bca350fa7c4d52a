"""The task: the same scenes with and without the mark, and nothing else that differs."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.demo import planted
from seewhy.demo.planted import MARK_BOX, MARKED_CLASS, make_task, make_twins
from seewhy.errors import InputError


def _inside(box: tuple[float, float, float, float]) -> np.ndarray:
    x0, y0, x1, y1 = (int(edge) for edge in box)
    inside = np.zeros((planted.SIZE, planted.SIZE), bool)
    inside[y0:y1, x0:x1] = True
    return inside


def test_marked_task_is_the_plain_one_with_the_mark_on_most_of_one_class() -> None:
    marked, plain = make_task(3, True, n=300), make_task(3, False, n=300)
    differs = (marked.pictures != plain.pictures).any(-1)
    carries = differs.any((1, 2))
    own = marked.labels == MARKED_CLASS
    assert not (differs & ~_inside(MARK_BOX)).any()
    assert not carries[~own].any() and 0.85 < carries[own].mean() < 1  # 95 %, standard error 2.2 %
    assert differs[carries][:, 4, 4].all()
    assert marked.mark_box == MARK_BOX and plain.mark_box is None


def test_classes_come_in_equal_numbers_and_pictures_fit_the_network() -> None:
    task = make_task(0, True, n=12)
    assert task.pictures.shape == (12, 64, 64, 3) and task.pictures.dtype == np.uint8
    assert np.bincount(task.labels).tolist() == [4, 4, 4] and len(task.classes) == 3


def test_seed_decides_everything() -> None:
    one, same, other = (make_task(seed, True, n=9).pictures for seed in (5, 5, 6))
    assert np.array_equal(one, same) and not (one == other).all((1, 2, 3)).any()


def test_twins_differ_only_inside_the_mark_and_are_new_scenes() -> None:
    twins, training = make_twins(5, n=30), make_task(5, False, n=30).pictures
    differs = (twins.marked != twins.plain).any(-1)
    assert differs.any((1, 2)).all() and not (differs & ~_inside(twins.mark_box)).any()
    training_bytes = {picture.tobytes() for picture in training}
    assert not any(picture.tobytes() in training_bytes for picture in twins.plain)


def test_of_class_keeps_only_that_class() -> None:
    twins = make_twins(0, n=9)
    stars = twins.of_class(1)
    assert stars.labels.tolist() == [1, 1, 1]
    np.testing.assert_array_equal(stars.marked, twins.marked[[1, 4, 7]])
    np.testing.assert_array_equal(stars.plain, twins.plain[[1, 4, 7]])


@pytest.mark.parametrize(("seed", "n"), [(-1, 9), (0, 2), (True, 9), (0, 9.0)])
def test_bad_numbers_are_refused_in_words(seed: int, n: int) -> None:
    with pytest.raises(InputError, match="a whole number of at least"):
        make_task(seed, True, n=n)
