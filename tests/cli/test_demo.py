"""`seewhy demo` hands over to the demonstration and says by its exit code whether it came out as it must."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seewhy.errors import InputError
from tests.cli.conftest import Seewhy


@dataclass(frozen=True)
class Outcome:
    """What the demonstration gives back."""

    as_expected: bool

    def to_dict(self) -> dict[str, Any]:
        return {"as_expected": self.as_expected}

    def to_text(self) -> str:
        return "the table"


@pytest.fixture
def demonstration(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], list[Any]]:
    """`demonstration(as_expected)` puts an outcome in its place; the list receives what it was asked."""

    def put(as_expected: bool) -> list[Any]:
        asked: list[Any] = []

        def main(output: Path, *, seed: int, stage: Any) -> Outcome:
            asked.append((output, seed))
            stage("auditing", 1, 2)  # nobody looks at a terminal here, so it is not told
            return Outcome(as_expected)

        monkeypatch.setattr("seewhy.demo.run.main", main)
        return asked

    return put


def test_a_demonstration_as_expected_is_0(demonstration: Any, seewhy: Seewhy) -> None:
    asked = demonstration(True)
    result = seewhy("demo", "-o", "here", "--seed", "3")
    assert result.code == 0 and result.out == "the table\n" and result.err == ""
    assert json.loads(seewhy("demo", "--json").out) == {"as_expected": True}
    assert asked == [(Path("here"), 3), (Path("demo"), 0)]
    assert seewhy("demo", "--seed", "-1").code == 2


def test_a_demonstration_that_fails_is_1(demonstration: Any, seewhy: Seewhy) -> None:
    demonstration(False)
    assert seewhy("demo").code == 1


def test_a_folder_that_cannot_be_written_is_told(seewhy: Seewhy, monkeypatch: pytest.MonkeyPatch) -> None:
    def main(*_: Any, **__: Any) -> None:
        raise InputError("no room")

    monkeypatch.setattr("seewhy.demo.run.main", main)
    result = seewhy("demo")
    assert result.code == 1 and "InputError: no room" in result.err
