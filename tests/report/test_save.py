"""Saving: the suffix decides, and a file is there whole or not at all."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from seewhy.errors import InputError
from seewhy.explanation import Answers
from seewhy.report.save import save, write_whole
from tests.made_answers import made_attribution, made_explanation

STARTS = {".html": b"<!doctype html>", ".json": b"{", ".png": b"\x89PNG", ".svg": b"<?xml"}


@pytest.mark.parametrize("suffix", STARTS)
def test_the_suffix_decides_and_two_files_are_equal(suffix: str, tmp_path: Path) -> None:
    for make in (
        made_attribution,
        made_explanation,
        lambda: Answers([made_attribution(), made_explanation(2)]),
    ):
        path = save(make(), tmp_path / f"why{suffix.upper()}")
        assert path == tmp_path / f"why{suffix.upper()}"
        first = path.read_bytes()
        assert first.startswith(STARTS[suffix])
        assert save(make(), str(path)).read_bytes() == first
    assert [entry.name for entry in tmp_path.iterdir()] == [f"why{suffix.upper()}"]


@pytest.mark.parametrize("name", ["why.pdf", "why", "why.htm", ".html", "why.html.gz"])
def test_other_suffixes_are_refused_naming_the_valid_ones(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)output '.*' (ends in|has no).*\.html, \.json, \.png, \.svg"):
        save(made_attribution(), tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("output", ["missing/why.html", "file/why.html", "folder.html", "n" * 300 + ".html"])
def test_what_cannot_be_written_is_one_clear_error(output: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(InputError, match=r"(?s)output '.*' cannot be written: .*Make the folder"):
        save(made_attribution(), tmp_path / output)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.html"]


def test_a_name_with_a_null_character_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be written"):
        save(made_attribution(), "a\x00.json")


def test_something_that_is_no_path_is_refused_by_type() -> None:
    wrong: Any = 7
    with pytest.raises(InputError, match=r"(?s)output is a int.*It is a path"):
        save(made_attribution(), wrong)


def test_options_of_another_kind_of_file_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)no option 'titel' for \.html.*Did you mean 'title'"):
        save(made_attribution(), tmp_path / "why.html", titel="x")
    with pytest.raises(InputError, match=r"(?s)no option 'title' for \.json"):
        save(made_attribution(), tmp_path / "why.json", title="x")


def test_a_failure_while_moving_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "why.json"
    path.write_text("old")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match="No space left on device"):
        save(made_attribution(), path)
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_a_new_file_has_ordinary_rights_and_a_link_is_written_through(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        path = write_whole(tmp_path / "a.json", b"1")
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    link = tmp_path / "link.json"
    link.symlink_to(path)
    write_whole(link, b"2")
    assert link.is_symlink() and path.read_bytes() == b"2"


def test_json_is_to_dict_and_top_k_keeps_the_strongest(tmp_path: Path) -> None:
    answer = made_explanation(9)
    data = json.loads(save(answer, tmp_path / "all.json").read_text())
    assert data == json.loads(json.dumps(answer.to_dict()))
    short = json.loads(save(answer, tmp_path / "short.json", top_k=2).read_text())
    assert len(short["concepts"]) == 2 and short["others"]["n"] == 7


def test_numbers_that_json_lacks_are_refused(tmp_path: Path) -> None:
    answer = made_attribution()
    answer.meta.cost["forward"] = float("nan")
    with pytest.raises(InputError, match="holds NaN or infinity"):
        save(answer, tmp_path / "why.json")
    assert not list(tmp_path.iterdir())
