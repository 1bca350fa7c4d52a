"""`seewhy world audit`: a table, JSON or Markdown, and an exit code that says whether a shortcut was found."""

from __future__ import annotations

import json

import pytest
import typer

from seewhy.cli.world_audit import audit
from seewhy.world.shortcuts import audit as shortcuts
from seewhy.world.shortcuts.base import Row

FAIR = Row("T1", "class prior", 0.12, 0.11, 0.13, 0.125)
LEAK = Row("T2", "colour histogram", 0.8, 0.75, 0.85, 0.6)


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    """What the audit will find; the measuring itself is tested in tests/world."""
    found = [FAIR]
    monkeypatch.setattr(shortcuts, "audit", lambda sizes, progress: shortcuts.Audit(tuple(found), sizes))
    return found


def test_a_sound_world_is_a_table_and_exit_code_0(
    rows: list[Row], capsys: pytest.CaptureFixture[str]
) -> None:
    audit(quick=True, debug=False)
    out, err = capsys.readouterr()
    assert out.splitlines()[0].startswith("task") and "within chance" in out
    assert "1 of 1 bars lie within chance" in err and "missed" not in err


def test_a_shortcut_is_named_and_the_exit_code_is_1(
    rows: list[Row], capsys: pytest.CaptureFixture[str]
) -> None:
    rows.append(LEAK)
    with pytest.raises(typer.Exit) as ended:
        audit(markdown=True, debug=False)
    out, err = capsys.readouterr()
    assert ended.value.exit_code == 1 and "**no**" in out
    assert "missed: T2: colour histogram: accuracy 0.800 [0.750, 0.850], allowed is at most 0.600" in err


@pytest.mark.parametrize("quick", [True, False])
def test_json_has_every_row_and_the_sizes(
    rows: list[Row], capsys: pytest.CaptureFixture[str], quick: bool
) -> None:
    audit(quick=quick, as_json=True, debug=False)
    record = json.loads(capsys.readouterr().out)
    assert record["rows"][0]["predictor"] == "class prior" and record["problems"] == []
    assert record["sizes"]["scenes"] == (4000 if quick else 200_000)
