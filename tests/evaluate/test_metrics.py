"""Every metric is registered, says what it is, and is one of a kind."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from pathlib import Path

import pytest

import seewhy.evaluate
from seewhy.errors import UnknownName
from seewhy.evaluate.base import NEEDS, Metric
from seewhy.evaluate.metrics import METRICS


@pytest.mark.parametrize("name", METRICS)
def test_metric_tells_its_direction_range_paper_and_needs(name: str) -> None:
    metric = METRICS[name]
    assert issubclass(metric, Metric) and dataclasses.is_dataclass(metric)
    assert metric.name == name and metric().label.split("@")[0].split("/")[0] in (name, "nra")
    assert metric.direction in (1, -1) and metric.range[0] < metric.range[1]
    assert metric.truth in ("scene", "model", "self") and metric.needs and metric.chance
    assert metric.paper


@pytest.mark.parametrize("name", METRICS)
def test_metric_needs_what_its_call_requires_and_gives_what_it_returns(name: str) -> None:
    call = inspect.signature(METRICS[name].__call__)
    required = [
        one.name
        for one in call.parameters.values()
        if one.default is inspect.Parameter.empty and one.kind is not inspect.Parameter.KEYWORD_ONLY
    ]
    assert tuple(required[1:]) == METRICS[name].needs and set(METRICS[name].needs) <= set(NEEDS)
    assert call.return_annotation == METRICS[name].gives


def test_every_need_is_some_metrics() -> None:
    assert {need for name in METRICS for need in METRICS[name].needs} == set(NEEDS)


def test_every_metric_class_is_registered() -> None:
    folder = Path(seewhy.evaluate.__file__).parent
    found = {
        line.value.value
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        for line in node.body
        if isinstance(line, (ast.Assign, ast.AnnAssign)) and isinstance(line.value, ast.Constant)
        for target in (line.targets if isinstance(line, ast.Assign) else [line.target])
        if isinstance(target, ast.Name) and target.id == "name"
    }
    # The gap between two ANECs is a label for a difference, never called.
    assert found - {"anec_gap"} == set(METRICS)


def test_unknown_metric_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="nra"):
        METRICS["nrra"]
