"""The table of what was dropped."""

from __future__ import annotations

import json

from seewhy.vocabulary.dropped import Drop, Dropped

TABLE = Dropped(
    (Drop("long name", "length", "has 9 characters", 9, 5), Drop("x", "mine", "why", float("nan"), 0.12345))
)


def test_the_table_prints_its_numbers_in_columns() -> None:
    assert str(TABLE).splitlines() == [
        "concept    filter  value  threshold  reason",
        "long name  length      9          5  has 9 characters",
        "x          mine              0.1235  why",
    ]
    assert str(Dropped()) == "Nothing was dropped."


def test_the_table_goes_through_json_and_back() -> None:
    assert Dropped.from_json(json.loads(json.dumps(TABLE.to_json(), allow_nan=False))) == TABLE


def test_tables_add_up_and_count_by_filter() -> None:
    both = TABLE + TABLE
    assert len(both) == 4 and both.counts() == {"length": 2, "mine": 2} and both.names[2] == "long name"
