"""An export is whole or not there, goes on after a kill, and is the same bytes every time."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks._points import points

from seewhy.errors import InputError, UnknownName
from seewhy.scale.disk import locked
from seewhy.world.export.base import FORMATS
from seewhy.world.export.export import LICENCE, Manifest, export, scenes_per_shard
from seewhy.world.export.records import Order

N, SIZE = 5, 16


class Killed(BaseException):
    """As an interrupt is: nothing is cleaned up after it."""


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two scenes a shard."""
    monkeypatch.setattr("seewhy.world.export.export._PER_SHARD", 2)


def make(folder: Path, format: str = "webdataset", task: str = "T4", **changed: object) -> Manifest:
    return export(task, "ci", folder, **{"format": format, "size": SIZE, "n": N, **changed})  # type: ignore[arg-type]


def everything(folder: Path) -> dict[str, bytes | None]:
    """Every file below a folder with its bytes, and every folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def killed_at(index: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done == index:
            raise Killed

    return progress


@pytest.mark.parametrize("format", list(FORMATS))
def test_repeated_it_is_the_same_bytes_and_hidden_files_are_gone(format: str, tmp_path: Path) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow")
    make(tmp_path / "a", format)
    make(tmp_path / "b", format)
    first = everything(tmp_path / "a")
    assert first == everything(tmp_path / "b")
    assert not any(name.rsplit("/", 1)[-1].startswith(".") for name in everything(tmp_path))
    assert json.loads(first["manifest.json"] or b"")["format"] == format


def test_the_manifest_says_what_is_there(tmp_path: Path) -> None:
    manifest = make(tmp_path / "a")
    told = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert told == manifest.to_dict()
    order = Order.of("T4", "ci", size=SIZE)
    assert (told["first_sha256"], told["last_sha256"]) == (order.record(0).sha256, order.record(N - 1).sha256)
    assert (told["world_version"], told["split_seed"], told["licence"]) == ("w1", 7, LICENCE)
    assert told["scene_seed"] == order.record(0).scene.seed and told["n_shards"] == 3
    other = make(tmp_path / "b", "npz")
    assert (other.first_sha256, other.last_sha256) == (manifest.first_sha256, manifest.last_sha256)
    assert "5 scenes of T4 ci, 16 px" in manifest.to_text()


def test_progress_is_told_after_each_scene(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    make(tmp_path / "a", progress=lambda done, total: told.append((done, total)))
    assert told == [(k, N) for k in range(1, N + 1)]


def test_without_n_the_whole_split_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seewhy.world.export.export._PER_SHARD", 1000)
    assert export("T7", "ci", tmp_path / "a", size=8, format="npz").n == 256


@pytest.mark.parametrize("format", ["webdataset", "coco", "folder", "funnybirds"])
def test_killed_at_any_scene_it_goes_on_to_the_same_bytes(format: str, tmp_path: Path) -> None:
    make(tmp_path / "whole", format)
    for index in range(1, N + 1):
        with pytest.raises(Killed):
            make(tmp_path / "a", format, progress=killed_at(index))
        assert not (tmp_path / "a").exists()
        told: list[int] = []
        make(tmp_path / "a", format, progress=lambda done, total, told=told: told.append(done))  # type: ignore[misc]
        assert told == list(range((index - 1) // 2 * 2 + 1, N + 1))
        assert everything(tmp_path / "a") == everything(tmp_path / "whole")
        assert not (tmp_path / ".a.part").exists()
        (tmp_path / "a").rename(tmp_path / f"done-{index}")


def test_what_a_killed_run_of_another_export_left_is_not_used(tmp_path: Path) -> None:
    make(tmp_path / "whole")
    for changed in ({"size": SIZE + 1}, {"format": "npz"}, {"n": N + 1}, {"task": "T1"}, {"difficulty": 2}):
        with pytest.raises(Killed):
            make(tmp_path / "a", progress=killed_at(4), **changed)  # type: ignore[arg-type]
        make(tmp_path / "a")
        assert everything(tmp_path / "a") == everything(tmp_path / "whole"), changed
        (tmp_path / "a").rename(tmp_path / f"done-{next(iter(changed))}")


@pytest.mark.parametrize("format", ["webdataset", "coco"])
def test_each_call_may_fail_and_nothing_is_left(format: str, tmp_path: Path) -> None:
    make(tmp_path / "whole", format, n=3)
    expected = everything(tmp_path / "whole")
    n, reached, refused = 0, True, 0
    while reached:
        code = (errno.ENOSPC, errno.EIO)[n % 2]

        def act(_: str, code: int = code) -> None:
            raise OSError(code, os.strerror(code))

        home = tmp_path / str(n)
        home.mkdir()
        try:
            with points(home, n, act) as seen:
                make(home / "deep" / "a", format, n=3)
        except InputError as error:
            assert os.strerror(code) in str(error) and str(error).count("\n") == 2, error
            assert everything(home) == {}, (n, seen[-1])
            refused += 1
        else:
            assert everything(home / "deep" / "a") == expected
        reached = n < len(seen)
        n += 1
    assert refused > 30


def test_an_error_of_any_kind_leaves_nothing(tmp_path: Path) -> None:
    def broken(done: int, total: int) -> None:
        if done == 3:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        make(tmp_path / "deep" / "a", progress=broken)
    assert everything(tmp_path) == {}


def test_a_folder_with_other_files_or_a_file_is_refused_and_unharmed(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "cat.jpg").write_bytes(b"cat")
    before = everything(tmp_path)
    with pytest.raises(
        InputError, match="holds other files, such as cat.jpg.\n.*new or empty.\n.*new folder"
    ):
        make(tmp_path / "full")
    with pytest.raises(InputError, match="cat.jpg is a file"):
        make(tmp_path / "full" / "cat.jpg")
    with pytest.raises(InputError, match="cannot be written"):
        make(tmp_path / "full" / "cat.jpg" / "below")
    assert everything(tmp_path) == before


def test_a_finished_export_is_not_written_over(tmp_path: Path) -> None:
    make(tmp_path / "a")
    before = everything(tmp_path)
    with pytest.raises(InputError, match="holds other files, such as ci-000000.tar"):
        make(tmp_path / "a")
    assert everything(tmp_path) == before


def test_an_empty_folder_is_taken_but_not_the_one_we_are_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    make(tmp_path / "empty")
    assert (tmp_path / "empty" / "manifest.json").is_file()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(InputError, match="the one you work in"):
        make(Path())


def test_a_second_writer_is_refused_and_the_first_unharmed(tmp_path: Path) -> None:
    make(tmp_path / "whole")
    refused = []

    def meanwhile(done: int, total: int) -> None:
        with pytest.raises(InputError, match="being written by someone else"):
            make(tmp_path / "a")
        refused.append(done)

    make(tmp_path / "a", progress=meanwhile)
    assert refused == [1, 2, 3, 4, 5]
    assert everything(tmp_path / "a") == everything(tmp_path / "whole")
    (tmp_path / ".b.part").mkdir()
    with locked(tmp_path / ".b.part"), pytest.raises(InputError, match="being written by someone else"):
        make(tmp_path / "b")


def test_an_unknown_format_is_told_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="There is no format 'webdatset'.\n.*'webdataset'"):
        make(tmp_path / "a", "webdatset")
    with pytest.raises(InputError, match="The task is T1 and the format funnybirds.\n.*T4"):
        make(tmp_path / "a", "funnybirds", "T1")
    assert everything(tmp_path) == {}


def test_large_pictures_make_small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seewhy.world.export.export._PER_SHARD", 1000)
    assert [scenes_per_shard(size) for size in (8, 96, 224, 2048)] == [1000, 1000, 445, 5]
