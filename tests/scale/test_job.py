"""A job goes on after anything that stops it, makes no shard in vain, and leaves the same bytes."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from benchmarks._points import contents, half_written, points

from seewhy.errors import BadArtefact, InputError, NotSupported, SeewhyError
from seewhy.scale.job import Failure, Job, Shard, finished, plan
from seewhy.scale.local import Local
from tests.scale.jobs import Counted, N, job, numbers


class Broken(Exception):
    pass


def broken_at(index: int) -> Callable[[Shard], object]:
    def process(shard: Shard) -> object:
        if shard.index == index:
            raise Broken
        return numbers(shard)

    return process


def raising(code: int) -> Callable[[str], None]:
    def act(name: str) -> None:
        raise OSError(code, os.strerror(code))

    return act


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    job(tmp_path / "whole").run()
    return tmp_path / "whole"


def test_a_plan_covers_every_item_once() -> None:
    for n, per_shard in ((1, 1), (7, 3), (6, 3), (3, 100), (0, 4)):
        shards = plan(n, per_shard)
        assert [i for s in shards for i in range(s.start, s.stop)] == list(range(n))
        assert all(0 < s.stop - s.start <= per_shard for s in shards)


def test_a_finished_folder_holds_the_arrays_and_a_manifest_and_nothing_else(whole: Path) -> None:
    assert sorted(contents(whole)) == ["manifest.json", *(f"shard-00000{i}.safetensors" for i in range(4))]
    squares = [
        safetensors.numpy.load_file(whole / f"shard-00000{i}.safetensors")["squares"] for i in range(4)
    ]
    assert np.concatenate(squares).tolist() == [i * i for i in range(N) if i != 4]
    told = json.loads((whole / "manifest.json").read_text())
    assert told["schema"] == "seewhy.job/1" and told["n_items"] == N
    assert [shard["n"] for shard in told["shards"]] == [3, 2, 3, 1]
    assert told["failed"] == [{"item": 4, "name": "four", "error": "It is four."}]
    assert finished(whole).failed == (Failure(4, "four", "It is four."),)


def test_running_again_makes_nothing_and_writes_nothing(whole: Path) -> None:
    counted = Counted()
    with points(whole) as seen:
        again = job(whole, counted).run()
    assert counted.calls == [] and again.n_run == 0
    assert set(seen) <= {"stat", "read", "listdir", "fstat"}


def test_a_job_that_broke_goes_on_where_it_was(tmp_path: Path, whole: Path) -> None:
    with pytest.raises(Broken):
        job(tmp_path / "a", broken_at(2)).run()
    with pytest.raises(InputError, match="2 of 4 shards are there"):
        finished(tmp_path / "a")
    counted, told = Counted(), []
    end = job(tmp_path / "a", counted).run(progress=lambda done, total: told.append((done, total)))
    assert counted.calls == [2, 3] and end.n_run == 2
    assert told == [(9, 10), (10, 10)]
    assert contents(tmp_path / "a") == contents(whole)


def test_a_journal_line_that_was_cut_off_costs_one_shard(tmp_path: Path, whole: Path) -> None:
    with pytest.raises(Broken):
        job(tmp_path / "a", broken_at(3)).run()
    journal = tmp_path / "a" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    counted = Counted()
    job(tmp_path / "a", counted).run()
    assert counted.calls == [2, 3]
    assert contents(tmp_path / "a") == contents(whole)


def test_killed_at_every_point_it_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "tests.scale.jobs", str(tmp_path)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40  # so many calls touch the folder; fewer would mean that they are not seen


def test_each_call_may_fail_once_and_nothing_is_lost(tmp_path: Path, whole: Path) -> None:
    expected, n, reached = contents(whole), 0, True
    while reached:
        code = (errno.ENOSPC, errno.EIO)[n % 2]
        folder, at = tmp_path / f"{n}", ""
        try:
            with points(folder, n, raising(code)) as seen:
                job(folder).run()
        except SeewhyError as error:
            assert isinstance(error, InputError | BadArtefact)
            assert os.strerror(code) in str(error) and str(error).count("\n") == 2, error
            at = seen[-1]
        reached = n < len(seen)
        # Letting go of the lock is all that may fail in silence: nothing was written to it.
        assert at or not reached or (seen[n:] == ["close"] and contents(folder) == expected)
        assert half_written(contents(folder), expected) == []
        n_there = sum(name.endswith(".safetensors") for name in contents(folder))
        assert job(folder).run().n_run <= 4 - n_there + 1
        assert contents(folder) == expected
        n += 1
    assert n > 40


@pytest.mark.parametrize("verify", [False, True])
def test_only_shards_that_are_missing_or_changed_are_made_again(verify: bool, whole: Path) -> None:
    before = contents(whole)
    (whole / "shard-000001.safetensors").unlink()
    (whole / "shard-000002.safetensors").write_bytes(before["shard-000002.safetensors"][:-1])
    changed = bytearray(before["shard-000003.safetensors"])
    changed[-1] ^= 1
    (whole / "shard-000003.safetensors").write_bytes(bytes(changed))
    assert [problem.split(" ", 1) for problem in finished(whole).problems()] == [
        ["shard-000001.safetensors", "is missing"],
        ["shard-000002.safetensors", f"has {len(before['shard-000002.safetensors']) - 1} bytes, not "
         f"{len(before['shard-000002.safetensors'])}"],
        ["shard-000003.safetensors", "has been changed (its SHA-256 differs)"],
    ]  # fmt: skip
    counted = Counted()
    job(whole, counted).run(verify=verify)
    assert counted.calls == ([1, 2, 3] if verify else [1, 2])
    assert (contents(whole) == before) == verify


def test_a_repair_that_is_stopped_keeps_the_good_shards(whole: Path) -> None:
    before = contents(whole)
    for name in ("shard-000000.safetensors", "shard-000003.safetensors"):
        (whole / name).unlink()
    with pytest.raises(Broken):
        job(whole, broken_at(3)).run()
    counted = Counted()
    job(whole, counted).run()
    assert counted.calls == [3]
    assert contents(whole) == before


@pytest.mark.parametrize("stop", [True, False])
def test_another_key_or_plan_is_refused_and_the_difference_named(stop: bool, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    asked = {"deep": {"n": 1, "same": [1]}, "left": "x"}
    if stop:
        with pytest.raises(Broken):
            job(folder, broken_at(1), **asked).run()
    else:
        job(folder, **asked).run()
    before = contents(folder)
    with pytest.raises(BadArtefact, match="holds another job") as caught:
        job(folder, deep={"n": 2, "same": [1]}, new=None).run()
    text = str(caught.value)
    assert "deep.n is 1 there and 2 here" in text and "same" not in text
    assert "left is 'x' there and missing here" in text and "new is missing there and None here" in text
    with pytest.raises(BadArtefact, match=r"4 shards of up to 3 items .*2 shards of up to 5 items"):
        Job(folder, {"what": "squares", **asked}, plan(N, 5), numbers).run()
    assert contents(folder) == before


def test_a_second_writer_is_refused_and_the_first_unharmed(tmp_path: Path, whole: Path) -> None:
    folder, refused = tmp_path / "a", []

    def meanwhile(shard: Shard) -> object:
        with pytest.raises(InputError, match="being written by someone else"):
            job(folder).run()
        refused.append(shard.index)
        return numbers(shard)

    job(folder, meanwhile).run()
    assert refused == [0, 1, 2, 3]
    assert contents(folder) == contents(whole)


def test_a_folder_with_other_files_or_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(InputError, match="holds other files, such as cat.jpg"):
        job(tmp_path).run()
    with pytest.raises(InputError, match="cat.jpg is a file"):
        job(tmp_path / "cat.jpg").run()
    with pytest.raises(InputError, match="cannot be written"):
        job(tmp_path / "cat.jpg" / "below").run()
    assert contents(tmp_path) == {"cat.jpg": b"cat"}


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path, whole: Path) -> None:
    with points(tmp_path / "a") as seen:
        job(tmp_path / "a").run()
    first_write = next(i for i, name in enumerate(seen) if name in ("mkdir", "open"))
    with (
        points(tmp_path / "b", first_write, raising(errno.EROFS)),
        pytest.raises(InputError, match="Read-only file system"),
    ):
        job(tmp_path / "b").run()


@pytest.mark.parametrize("name", ["manifest.json", "journal.jsonl"])
def test_damaged_records_are_told(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    if name == "manifest.json":
        job(folder).run()
    else:
        with pytest.raises(Broken):
            job(folder, broken_at(1)).run()
    good = (folder / name).read_bytes()
    for damaged in (b"", b"{}", b"[1]", good.replace(b"squares", b"cubes"), good.replace(b"job/1", b"job/2")):
        (folder / name).write_bytes(damaged)
        with pytest.raises(BadArtefact, match=f"{name} is damaged.*\n.*seewhy.job/1.*\n.*Delete {name}"):
            job(folder).run()


def test_the_order_in_which_an_executor_works_does_not_matter(tmp_path: Path, whole: Path) -> None:
    class Backwards:
        def run(self, work: Callable[[Shard], None], shards: Sequence[Shard]) -> Iterator[Shard]:
            yield from Local().run(work, shards[::-1])

    job(tmp_path / "a").run(Backwards())
    assert contents(tmp_path / "a") == contents(whole)


def test_an_executor_that_forgets_a_shard_is_told(tmp_path: Path) -> None:
    class Forgetful:
        def run(self, work: Callable[[Shard], None], shards: Sequence[Shard]) -> Iterator[Shard]:
            yield from Local().run(work, shards[1:])

    with pytest.raises(NotSupported, match="Forgetful ended without shard-000000.safetensors and 0 more"):
        job(tmp_path / "a").run(Forgetful())
    assert job(tmp_path / "a").run().n_run == 1


def test_what_cannot_be_a_job_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="per_shard is 0"):
        plan(3, 0)
    with pytest.raises(InputError, match="n_items is True"):
        plan(True, 1)
    with pytest.raises(InputError, match="cannot be written as JSON"):
        job(tmp_path, x=float("nan"))
    with pytest.raises(InputError, match="(?s)0th shard is .*must have the index 0"):
        Job(tmp_path, {}, plan(4, 2)[1:], numbers)
    with pytest.raises(InputError, match="gave words of <U3"):
        job(tmp_path, lambda shard: {"words": np.array(["one"])}).run()
    with pytest.raises(InputError, match="has no manifest.json"):
        finished(tmp_path / "nowhere")
