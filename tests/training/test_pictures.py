"""The pictures of a training are the world's, drawn once, and whole or not there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seewhy.errors import InputError, SeewhyError
from seewhy.scale.disk import locked
from seewhy.training import pictures as module
from seewhy.training.pictures import pictures
from seewhy.training.scenes import Mixture, scenes
from seewhy.world.drawing.renderer import render
from seewhy.world.tasks.tasks import find_task
from tests.training.small import ORDER, run


def test_pixels_and_labels_are_those_of_the_world(tmp_path: Path) -> None:
    found = pictures(ORDER, tmp_path)
    assert found.pixels.shape == (5, 24, 24, 3) and found.labels.dtype == np.int64
    task = find_task("T5")
    for index in range(5):
        scene = task.scene("train", index, bias=0.25)
        assert np.array_equal(found.pixels[index], render(scene, 24).rgb)
        assert found.labels[index] == task.label(scene)


def test_they_are_drawn_once_and_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pictures(ORDER, tmp_path)
    monkeypatch.setattr(module, "render", None)  # drawing again would fail
    again = pictures(replace(ORDER), tmp_path)
    assert np.array_equal(first.pixels, again.pixels) and np.array_equal(first.labels, again.labels)
    assert sorted(path.name for path in (tmp_path / ORDER.key).iterdir()) == ["labels.npy", "pixels.npy"]


@pytest.mark.parametrize(
    "changed",
    [
        {"task": "T6"},
        {"split": "val"},
        {"n": 6},
        {"size": 25},
        {"bias": 0.5},
        {"bias": None},
        {"difficulty": 2},
    ],
    ids=str,
)
def test_any_other_order_has_another_key(changed: dict[str, object]) -> None:
    other = replace(ORDER, **changed)
    assert other.key != ORDER.key == replace(ORDER).key


def test_killed_at_any_call_that_touches_the_folder_they_are_drawn_again(tmp_path: Path) -> None:
    done = run("drawn", tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 8  # fewer would mean that the calls are not seen


def test_half_drawn_pictures_are_not_taken_for_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stops(scene: object, size: int) -> None:
        raise KeyboardInterrupt

    expected = np.array(pictures(ORDER, tmp_path).pixels)
    (
        tmp_path / ORDER.key / "pixels.npy"
    ).unlink()  # the labels are there: only the pictures' own name can tell
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(module, "render", stops)
        pictures(ORDER, tmp_path)
    assert np.array_equal(pictures(ORDER, tmp_path).pixels, expected)


def test_two_trainings_do_not_draw_the_same_into_one_folder(tmp_path: Path) -> None:
    mixture = Mixture("train", 4)
    both = {ORDER.key: lambda: pictures(ORDER, tmp_path), mixture.key: lambda: scenes(mixture, tmp_path)}
    for key, draw in both.items():
        (tmp_path / key).mkdir()
        with locked(tmp_path / key), pytest.raises(InputError, match="being written by someone else"):
            draw()


def test_what_cannot_be_drawn_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        pictures(ORDER, tmp_path / "file")
    with pytest.raises(SeewhyError, match="There is no task 'T99'"):
        pictures(replace(ORDER, task="T99"), tmp_path)


def test_scenes_of_a_mixture_come_in_turn_and_none_twice() -> None:
    mixture = Mixture("train", 12)
    found = [mixture.scene(at) for at in range(12)]
    expected = [
        find_task(task).scene("train", index)
        for task, index in (("T8", 0), ("T4", 0), ("T8", 1), ("T8", 2), ("T4", 1), ("T8", 3))
    ]
    assert found[:6] == expected and len({str(scene.to_dict()) for scene in found}) == 12
    assert len({mixture.key, replace(mixture, n=13).key, replace(mixture, tasks=("T8",)).key}) == 3


def test_a_mixture_that_was_cut_off_is_drawn_again(tmp_path: Path) -> None:
    mixture = Mixture("train", 4)
    first = scenes(mixture, tmp_path)
    (tmp_path / mixture.key / "whole.json").unlink()
    (tmp_path / mixture.key / "pixels.npy").write_bytes(b"half")
    again = scenes(mixture, tmp_path)
    assert np.array_equal(first.texts, again.texts)
    assert np.array_equal(again.pixels[3], render(mixture.scene(3), 96).rgb)
