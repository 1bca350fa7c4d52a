"""Class names come from text or JSON, in the order of the logits."""

from __future__ import annotations

from pathlib import Path

import pytest

from seewhy.errors import InputError
from seewhy.hub.class_names import read_classes


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.txt", "cat\ndog\n\n"),
        ("c.txt", "\ufeffcat\r\ndog\r\n"),
        ("c.json", '["cat", "dog"]'),
        ("c.json", '{"1": "dog", "0": "cat"}'),
    ],
)
def test_names_are_read(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert read_classes(tmp_path / name) == ["cat", "dog"]


def test_ten_numbered_names_keep_the_order_of_numbers(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(str({str(i): f"n{i}" for i in range(11)}).replace("'", '"'))
    assert read_classes(tmp_path / "c.json") == [f"n{i}" for i in range(11)]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("c.txt", b"", "is empty"),
        ("c.txt", b"cat\n\ndog", "has an empty name in place 1"),
        ("c.txt", b"\xff\xfe\x00", "is not text in UTF-8"),
        ("c.json", b"[", "is not JSON"),
        ("c.json", b'{"cat": 0}', "has the keys cat"),
        ("c.json", b"[1, 2]", "holds no list of names"),
        ("c.json", b"3", "holds no list of names"),
    ],
)
def test_other_files_are_refused_with_the_forms(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_classes(tmp_path / name)
    assert said in str(caught.value)
    assert "one name a line" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.txt' cannot be read"):
        read_classes(tmp_path / "none.txt")
