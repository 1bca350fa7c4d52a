"""`python -m seewhy.testing check`: names, files, the table and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seewhy.testing.__main__ import main, method_class, table
from seewhy.testing.outcome import CheckResult

OWN = """
from dataclasses import dataclass
from typing import ClassVar

from seewhy.attribution.base import Method, Raw


@dataclass(frozen=True)
class Flat(Method):
    name: ClassVar[str] = "flat"
    paper: ClassVar[str] = "none"

    def attribute(self, question):
        return Raw(question.x.abs().sum(1))
"""


def test_registered_method_passes_with_exit_code_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "saliency"]) == 0
    out = capsys.readouterr().out
    assert "passed" in out and out.rstrip().endswith("0 failed")


def test_own_method_from_a_file_fails_with_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    assert main(["check", f"{tmp_path / 'mine.py'}:Flat", "--json"]) == 1
    results = json.loads(capsys.readouterr().out)
    failed = {result["check"] for result in results if result["status"] == "failed"}
    assert "depends_on_class" in failed and {result["method"] for result in results} == {"flat"}


def test_alias_and_module_path_name_the_same_class() -> None:
    assert method_class("chefer") is method_class("seewhy.attribution.methods:AttentionRelevance")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gradcan", "no attribution method 'gradcan'.*\n.*gradcam"),
        ("nowhere.py:Flat", "There is no file 'nowhere.py'"),
        ("no_such_module:Flat", "'no_such_module' cannot be imported"),
        ("seewhy.attribution.gradcam:GradCAN", "has no method 'GradCAN'.*\n.*GradCAM"),
        ("seewhy.attribution.base:METHODS", "has no method 'METHODS'"),
    ],
)
def test_wrong_name_is_told_on_stderr_with_exit_code_2(
    name: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    assert main(["check", name]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and re.search(words, captured.err)


def test_table_puts_failures_last_and_counts() -> None:
    results = [
        CheckResult("m", "n", "one", "failed", "two\nlines"),
        CheckResult("m", "n", "two", "passed"),
        CheckResult("m", "n", "three", "skipped", "why"),
    ]
    assert table(results).splitlines() == [
        "passed   m  n  two",
        "skipped  m  n  three  why",
        "failed   m  n  one    two lines",
        "1 passed, 1 skipped, 1 failed",
    ]
