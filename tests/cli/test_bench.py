"""`seewhy bench`: tables as text, Markdown and JSON, and names that are wrong refused."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from seewhy.bench import explainers, how_much, where
from seewhy.bench.subject import Subject
from tests.cli.conftest import Seewhy


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only quick explainers: which ones are asked is tested elsewhere."""

    def quick(subject: Subject, seed: int) -> Iterator[explainers.Explainer]:
        wanted = {"hirescam", "saliency"}
        return (one for one in explainers.methods(subject, seed) if one.name in wanted)

    for module in (where, how_much):
        monkeypatch.setattr(module, "methods", quick)
        monkeypatch.setattr(module, "concepts", lambda subject, seed: iter(()))


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("asked", ["where", "how-much"])
def test_json_has_every_cell_with_its_interval(seewhy: Seewhy, asked: str) -> None:
    result = seewhy("bench", asked, "--network", "glass", "-n", "14", "--json")
    assert result.code == 0
    (table,) = json.loads(result.out)
    assert table["asked"] == asked and table["facts"]["items"] == 14
    rows = {row["name"]: row["cells"] for row in table["rows"]}
    assert {"oracle", "oracle@8x8", "hirescam", "saliency", "random", "constant"} <= set(rows)
    for cells in rows.values():
        for cell in cells.values():
            assert cell["n"] + cell["undefined"] == 14
            assert cell["mean"] is None or cell["low"] - 1e-6 <= cell["mean"] <= cell["high"] + 1e-6


@pytest.mark.usefixtures("few")
def test_text_has_a_row_an_explainer_and_notes_beside_it(seewhy: Seewhy) -> None:
    result = seewhy("bench", "where", "--network", "glass", "-n", "14")
    assert result.code == 0 and result.out.startswith("where: GlassColor")
    assert any(line.startswith("hirescam") for line in result.out.splitlines())
    assert "Truth: scene" in result.err and "differs from random" in result.err
    markdown = seewhy("bench", "where", "--network", "glass", "-n", "14", "--markdown").out
    assert "| --- |" in markdown and "| oracle | 1.00* [1.00, 1.00] |" in markdown


def test_an_unknown_network_and_too_few_scenes_are_refused(seewhy: Seewhy) -> None:
    result = seewhy("bench", "where", "--network", "shpe")
    assert result.code == 1 and "Did you mean 'shape'" in result.err
    assert seewhy("bench", "where", "-n", "5").code == 2
