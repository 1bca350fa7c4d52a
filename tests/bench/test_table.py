"""A table reads its rows against floor and ceiling, and itself against what both must be."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from seewhy.bench.table import Row, Table, head, hits_p
from seewhy.evaluate.base import Values
from seewhy.evaluate.how_much.agreement import NormalisedL1
from seewhy.evaluate.where.localisation import AUROC, HitRate

N = 60
NOISE = np.random.default_rng(0).normal(0, 0.05, (6, N))


def _values(mean: float, k: int) -> Values:
    return AUROC().values(np.clip(mean + NOISE[k], 0, 1))


def _table(*, oracle: float = 1.0, random: float = 0.5, **more: object) -> Table:
    rows = (
        Row("oracle", "ceiling", {"auroc": AUROC().values(np.full(N, oracle))}),
        Row("good", "method", {"auroc": _values(0.9, 0)}, 3.0),
        Row("as good", "concepts", {"auroc": _values(0.9, 1)}),
        Row("poor", "method", {"auroc": _values(0.6, 2)}),
        Row("random", "control", {"auroc": _values(random, 3)}),
        Row("constant", "control", {"auroc": _values(0.5, 4)}),
    )
    chance = {"auroc": np.full(N, 0.5)}
    options = {"left_out": {"rise": "too slow"}, "facts": {"items": N, "size": 8}} | more
    return Table("where", "a network", "scene", ("auroc",), rows, 0, chance, **options)  # type: ignore[arg-type]


def test_rows_are_told_from_random_and_ties_from_leaders() -> None:
    table = _table()
    told = table.against_random("auroc")
    assert "random" not in told
    assert told["good"][1] < 0.05 and told["poor"][1] < 0.05 and told["constant"][1] > 0.05
    assert told["good"][0] == pytest.approx(0.4, abs=0.03)
    assert table.leaders("auroc") == ("good", "as good")
    assert table.problems() == ()


def test_less_is_better_where_the_metric_says_so() -> None:
    rows = tuple(
        Row(name, kind, {"normalised_l1": NormalisedL1().values(mean + np.abs(NOISE[k]))})  # type: ignore[arg-type]
        for k, (name, kind, mean) in enumerate(
            [
                ("oracle", "ceiling", 0.0),
                ("near", "method", 0.2),
                ("far", "method", 0.9),
                ("random", "control", 1.0),
            ]
        )
    )
    table = Table("how-much", "a network", "model", ("normalised_l1",), rows, 0)
    assert table.leaders("normalised_l1") == ("near",)
    assert table.against_random("normalised_l1")["near"][0] > 0.7
    assert head(table) == ["explainer", "normalised_l1 ↓", "passes"]


def test_a_table_whose_oracle_or_random_row_is_off_says_so() -> None:
    assert _table(oracle=0.99).problems() == ("auroc: the oracle reaches 0.99, not 1",)
    (why,) = _table(random=0.55).problems()
    assert why.startswith("auroc: random is off chance by 0.04")


def test_rare_hits_are_compared_with_chance_exactly() -> None:
    chances = np.array([0.1, 0.3, 0.5, 0.2])
    by_hits = np.zeros(5)
    for outcome in product((0, 1), repeat=4):
        by_hits[sum(outcome)] += np.prod(
            [c if hit else 1 - c for c, hit in zip(chances, outcome, strict=True)]
        )
    for hits in range(5):
        wanted = by_hits[by_hits <= by_hits[hits] * (1 + 1e-9)].sum()
        assert hits_p(hits, chances) == pytest.approx(wanted)
    assert hits_p(0, np.full(24, 0.02)) > 0.5  # a sign-flip test of these would say p < 0.001


def test_undefined_items_are_counted_in_every_form() -> None:
    rows = _table().rows
    gaps = AUROC().values(np.where(np.arange(N) < 5, np.nan, 0.8))
    table = _table()
    object.__setattr__(table, "rows", (*rows, Row("gaps", "method", {"auroc": gaps})))
    cell = table.to_dict()["rows"][-1]["cells"]["auroc"]
    assert cell["n"] == N - 5 and cell["undefined"] == 5 and cell["mean"] == pytest.approx(0.8)
    empty = Row("nothing", "method", {"auroc": AUROC().values(np.full(N, np.nan))})
    object.__setattr__(table, "rows", (*rows, empty))
    assert table.cells()[-1] == ["nothing", "-", ""]
    assert table.to_dict()["rows"][-1]["cells"]["auroc"]["mean"] is None


def test_text_says_truth_leaders_and_what_is_left_out() -> None:
    table = _table()
    text = table.to_markdown()
    assert text.startswith("**where: a network; 60 pictures of 8 px**")
    assert "| good | .90* [" in text and "Left out: rise: too slow" in text
    assert "Best in auroc, not told apart from each other: good, as good." in text
    assert table.cells()[1][-1] == "3"


def test_evidence_of_one_size_leaves_thirds_without_a_number() -> None:
    table = _table(sizes=np.full(N, 0.1))
    found = table.by_size("auroc")["good"]
    assert tuple(found) == ("small", "medium", "large") and found["large"].n == 0
    assert "| - | - |" in table.to_markdown()
    assert table.to_dict()["by_size"]["good"]["large"] == [None, None, None]


def test_hits_have_wilsons_interval() -> None:
    rows = tuple(
        Row(name, "method", {"hit_rate": HitRate().values(np.full(N, value))})
        for name, value in (("oracle", 1.0), ("random", 0.0))
    )
    table = Table("where", "a network", "scene", ("hit_rate",), rows, 0, groups=np.arange(N))
    assert (
        table.interval("oracle", "hit_rate").method == "wilson" and table.cells()[0][1] == "1.00* [.94, 1.00]"
    )
    assert table.to_dict()["metrics"]["hit_rate"]["options"]["threshold"] == 0.5


def test_rows_are_told_apart_by_the_size_of_the_evidence() -> None:
    sizes = np.repeat([0.01, 0.1, 0.3], N // 3)
    found = _table(sizes=sizes).by_size("auroc")["good"]
    values = _table().row("good").values["auroc"].per_item
    for k, third in enumerate(("small", "medium", "large")):
        assert found[third].mean == pytest.approx(values[sizes == sizes[k * N // 3]].mean())
    assert _table().by_size("auroc") == {} and "by the size" in _table(sizes=sizes).to_markdown()


def test_silence_where_it_is_hard_wins_nothing() -> None:
    values = _values(0.7, 0).per_item
    hard = values < np.quantile(values, 0.6)
    silent = AUROC().values(np.where(hard, np.nan, values + 0.001))
    table = _table()
    rows = [row for row in table.rows if row.kind in ("ceiling", "control")]
    whole, part = (
        Row("whole", "method", {"auroc": AUROC().values(values)}),
        Row("part", "method", {"auroc": silent}),
    )
    object.__setattr__(table, "rows", (*rows, whole, part))
    assert part.values["auroc"].mean > whole.values["auroc"].mean
    assert "whole" in table.leaders("auroc")
    assert any(f"({hard.sum()} undefined)" in cell for cell in table.cells()[-1])
