"""What one audited network is judged by: the place of the suspect, and drawing the scenes again."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from seewhy.audit.audit import Suspect
from seewhy.audit.plant_report import MarkUse
from seewhy.demo.trial import Trial, on_mark, r_squared

FOOLED = MarkUse(0.8, 0.6, 0.4, 1.0, 0.0, 0.6, 4.0, 4.5)
SOUND = MarkUse(0.9, 0.9, 0.9, 0.9, 0.0, 0.0, -0.2, -0.3)


def trial(name: str, *, rank: int | None = 1, accused: bool = True, truth: MarkUse = FOOLED) -> Trial:
    generator = np.random.default_rng(0)
    measured = generator.normal(2, 1, 8)
    return Trial(name, rank, accused, 0, 0.12, truth, measured + generator.normal(0, 0.3, 8), measured)


def test_a_row_says_verdict_and_truth() -> None:
    assert trial("resnet").row() == (
        "resnet", "suspect 1, score 0.120: a shortcut", "falls by 4.00", "80% without, 60% with it"
    )  # fmt: skip
    assert trial("resnet", rank=3, accused=False, truth=SOUND).row()[1:3] == (
        "suspect 3, score 0.120: not accused", "rises by 0.20"
    )  # fmt: skip
    assert trial("resnet", rank=None, accused=False).row()[1] == "not a suspect"


def test_r2_is_told_where_something_is_accused() -> None:
    one = trial("resnet")
    expected = 1 - ((one.measured - one.predicted) ** 2).sum() / (8 * one.measured.var())
    assert one.r2 == pytest.approx(expected)
    assert replace(one, accused=False).r2 is None


def test_r_squared_in_closed_form() -> None:
    measured = np.array([0.0, 1, 2, 3])
    assert r_squared(measured, measured) == 1
    assert r_squared(np.full(4, 1.5), measured) == 0
    assert r_squared(-measured, measured) == pytest.approx(1 - 56 / 5)
    assert r_squared(measured, np.ones(4)) is None  # a tag that changes nothing


def test_the_data_is_strict_json() -> None:
    found = json.loads(json.dumps(trial("resnet", rank=None, accused=False).to_dict(), allow_nan=False))
    assert found["truth"]["logit_shift"] == 4 and found["rank"] is None and found["r2"] is None


@pytest.mark.parametrize(
    ("row", "place", "expected"),
    [(0, (0.06, 0.06), True), (0, (0.3, 0.3), True), (0, (0.4, 0.1), False), (0, (0.1, 0.9), False),
     (1, (0.06, 0.06), False)],
)  # fmt: skip
def test_a_suspect_is_on_the_mark_by_class_and_place(
    row: int, place: tuple[float, float], expected: bool
) -> None:
    suspect = SimpleNamespace(class_index=row, suspicion=SimpleNamespace(place=place))
    assert on_mark(cast(Suspect, suspect)) is expected
