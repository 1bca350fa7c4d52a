"""Bars appear only where somebody looks and waits; names never act as markup or control codes."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest

from seewhy.cli import console


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


Make = Callable[[], Terminal]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Make:
    """`terminal()` puts one in place of stderr (in the test itself: pytest sets its own stream after set-up)."""

    def make() -> Terminal:
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("SEEWHY_PROGRESS", raising=False)
        return stream

    return make


def test_work_that_takes_long_gets_a_bar(terminal: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal()
    monkeypatch.setattr(console, "LONG_SECONDS", 0.0)
    with console.progress("explaining") as tell:
        assert tell is not None
        tell(1, 4)
        tell(4, 4)
    assert "explaining" in stream.getvalue()


def test_quick_work_gets_none(terminal: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal()
    monkeypatch.setattr(console, "LONG_SECONDS", 1e6)
    with console.progress("explaining") as tell:
        assert tell is not None
        tell(1, 2)
        tell(2, 2)
    assert stream.getvalue() == ""


def test_a_bar_goes_away_after_an_error(terminal: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal()
    monkeypatch.setattr(console, "LONG_SECONDS", 0.0)
    with pytest.raises(ValueError), console.progress("explaining") as tell:
        assert tell is not None
        tell(1, 4)
        raise ValueError
    assert "\x1b[?25h" in stream.getvalue()  # the cursor is shown again


def test_logs_and_the_switch_get_none(terminal: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal()
    monkeypatch.setenv("SEEWHY_PROGRESS", "0")
    with console.progress("explaining") as tell:
        assert tell is None
    monkeypatch.delenv("SEEWHY_PROGRESS")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with console.progress("explaining") as tell:
        assert tell is None


def test_cells_are_not_read_as_markup_and_are_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 300
    console.table(["name", "n"], [["[red]a[/red] :smile:", "1"], [long, "22"]], right=("n",))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [["name", "n"], ["[red]a[/red]", ":smile:", "1"], [long, "22"]]
    assert lines[1].index("1") == lines[2].index("22") + 1


def test_control_characters_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console.talk("no file 'a\x1b[2Jb'.\n  next")
    assert capsys.readouterr().err == "no file 'a\N{REPLACEMENT CHARACTER}[2Jb'.\n  next\n"
