"""`seewhy explain --check`: the receipt in the table, the page, the data and the command."""

from __future__ import annotations

import json
from pathlib import Path

import seewhy as sw
from tests.cli.conftest import Seewhy

NET = "net.py:build"


def test_the_table_tells_the_receipt_only_when_asked(seewhy: Seewhy) -> None:
    result = seewhy("explain", "cat.png", "-m", NET, "--check")
    assert result.code == 0 and result.err == ""
    assert "64 edits of concepts predicted with R2 " in result.out and "faithfulness: deletion" in result.out
    assert "receipt" not in seewhy("explain", "cat.png", "-m", NET).out


def test_the_page_keeps_it_and_tells_the_command(seewhy: Seewhy, workplace: Path) -> None:
    assert seewhy("explain", "cat.png", "-m", NET, "--check", "--seed", "3", "-o", "why.html").code == 0
    made = sw.load_answer("why.html").receipt
    assert made is not None and made.n_edits == 64 and made.seed == 3
    assert (
        "seewhy explain cat.png -m net.py:build --check --seed 3 -o why.html" in Path("why.html").read_text()
    )


def test_maps_and_many_are_checked(seewhy: Seewhy) -> None:
    result = seewhy("explain", "photos", "-m", NET, "--method", "gradcam", "--check", "--json")
    assert result.code == 0
    found = [answer["faithfulness"] for answer in json.loads(result.out)["answers"]]
    assert [receipt["n_edits"] for receipt in found] == [0, 0]
    assert all(receipt["deletion_random"]["n"] == 16 for receipt in found)
