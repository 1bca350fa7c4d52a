"""Groups that are there are found, a cloud stays whole, and nodes and edges are what brute force counts."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from seewhy.audit.strategies import Strategies, grouped, plane, strategies_of
from seewhy.models.class_report import ClassReport, ConceptSummary, Fidelity
from seewhy.models.survey import Survey

ROW = 2


def report_of(values: np.ndarray) -> ClassReport:
    """A class whose pictures are those with even numbers in the survey."""
    zero = ConceptSummary(0, "", 0, 0, 0, 0, 0, 0, 0, None, 0, np.zeros((1, 1)), ())
    concepts = tuple(replace(zero, index=k, name=f"concept {k}") for k in range(values.shape[1]))
    pictures = 2 * np.arange(len(values))
    return ClassReport(
        ROW, "cat", "cat", "share", "", pictures, values, None, 0.0, Fidelity(1, 0), concepts, None
    )


def strategies(values: np.ndarray, labels: np.ndarray | None = None) -> Strategies:
    spread = None
    if labels is not None:
        spread = np.full(2 * len(values), -1)
        spread[::2] = labels
    return strategies_of(report_of(values), cast(Survey, SimpleNamespace(labels=spread)))


def two_reasons(n: int = 24, seed: int = 0) -> np.ndarray:
    """Two thirds are recognised by concepts 0 and 1, the others by 2 and 3."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 0.3, (n, 5))
    first = np.arange(n) % 3 > 0
    values[first, :2] += [3, 2]
    values[~first, 2:4] += [2, 3]
    return values


def cloud(n: int, k: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (n, k)) + 4


# ---------------------------------------------------------------------- groups


def test_two_planted_groups_are_found_largest_first() -> None:
    found = strategies(two_reasons())
    assert [one.leads for one in found.clusters] == [("concept 0", "concept 1"), ("concept 3", "concept 2")]
    assert [one.share for one in found.clusters] == pytest.approx([2 / 3, 1 / 3])
    np.testing.assert_array_equal(found.cluster_of, np.arange(24) % 3 == 0)
    assert found.silhouette > 0.6


def test_clusters_are_numbered_as_they_are_listed() -> None:
    """Whichever number k-means gives the larger group."""
    for seed in range(4):
        found = strategies(two_reasons(seed=seed)[::-1])
        for i, one in enumerate(found.clusters):
            np.testing.assert_array_equal(2 * np.flatnonzero(found.cluster_of == i), one.pictures)
            assert set(one.examples) <= set(one.pictures.tolist())
        assert sum(one.share for one in found.clusters) == pytest.approx(1)


@pytest.mark.parametrize("k", [1, 2, 3, 10])
def test_one_cloud_is_one_group(k: int) -> None:
    """k-means cuts a cloud into clear pieces where it has few directions: a silhouette of 0.55 in one."""
    cut = [int(grouped(cloud(60, k, seed), 0)[0].max()) for seed in range(5)]
    assert cut == [0] * 5
    assert grouped(cloud(60, k, 0), 0)[1] == 0


def test_two_clouds_are_two_groups_in_any_number_of_directions() -> None:
    for k in (1, 2, 10):
        values = cloud(60, k, 0)
        values[:20] += 8
        for seed in range(6):  # of k-means, which numbers its groups by chance
            found, clear = grouped(values, seed)
            np.testing.assert_array_equal(found, np.arange(60) < 20)
            assert clear > 0.6


def test_a_small_group_of_another_reason_is_found() -> None:
    values = np.abs(np.random.default_rng(0).normal(1, 0.1, (100, 4))) * [1, 0.5, 0.1, 0.1]
    values[:6] = values[:6][:, [2, 3, 0, 1]]
    found = strategies(values)
    assert [len(one.pictures) for one in found.clusters] == [94, 6]


def test_how_strongly_a_picture_is_recognised_does_not_group_it() -> None:
    strength = np.where(np.arange(40) < 20, 1.0, 30.0)[:, None]
    assert len(strategies(cloud(40, 4, 0) * strength).clusters) == 1


def test_the_seed_gives_the_same_graph() -> None:
    one, same = (strategies(two_reasons(60)).to_dict() for _ in range(2))
    assert one == same


# ---------------------------------------------------------------------- nodes and edges


def test_nodes_and_edges_are_those_of_brute_force() -> None:
    values = np.random.default_rng(3).normal(0.4, 1, (30, 4))
    found = strategies(values, np.where(np.arange(30) % 4, ROW, 0))
    mass = [sum(max(v, 0) for v in values[:, k]) for k in range(4)]
    for node in found.nodes:
        k = node.index
        assert node.size == pytest.approx(mass[k] / sum(mass))
        expected = sum(max(values[x, k], 0) * found.points[x] for x in range(30)) / mass[k]
        assert (node.x, node.y) == pytest.approx(tuple(expected))
        led = [x for x in range(30) if values[x].argmax() == k]
        assert node.reliability == pytest.approx(np.mean([x % 4 > 0 for x in led]))
    assert [node.size for node in found.nodes] == sorted((node.size for node in found.nodes), reverse=True)
    assert sum(node.size for node in found.nodes) == pytest.approx(1)
    pairs: dict[tuple[int, int], int] = {}
    for row in values:
        i, j = sorted(sorted(range(4), key=lambda k: -row[k])[:2])
        if np.sort(row)[-2] > 0:
            pairs[i, j] = pairs.get((i, j), 0) + 1
    assert {(i, j): n for i, j, n in found.edges} == pairs


def test_a_picture_with_one_reason_joins_no_two() -> None:
    values = np.array([[1.0, -1, -2], [2, -1, -1], [1, 0.5, -1]])
    assert strategies(values).edges == ((0, 1, 1),)


def test_pictures_without_a_label_are_neither_right_nor_wrong() -> None:
    values = two_reasons(24)
    labels = np.where(np.arange(24) % 3 > 0, ROW, -1)
    labels[1] = 0
    found = strategies(values, labels)
    assert [one.reliability for one in found.clusters] == [pytest.approx(15 / 16), None]
    by_index = {node.index: node.reliability for node in found.nodes}
    assert by_index[0] == pytest.approx(15 / 16) and by_index[3] is None
    assert all(one.reliability is None for one in strategies(values).clusters)


def test_the_plane_is_that_of_the_two_largest_components() -> None:
    values = np.random.default_rng(0).normal(0, [5, 3, 1, 0.5], (40, 4))
    points = plane(values)
    centred = values - values.mean(0)
    lengths, axes = np.linalg.eigh(np.cov(centred.T))
    for i in range(2):
        along = centred @ axes[:, -1 - i]
        assert abs(np.corrcoef(points[:, i], along)[0, 1]) == pytest.approx(1)
    assert np.abs(points).max() == pytest.approx(1)
    assert points[:, 0].std() / points[:, 1].std() == pytest.approx(np.sqrt(lengths[-1] / lengths[-2]))
    np.testing.assert_allclose(plane(values[::-1]), points[::-1], atol=1e-9)


# ---------------------------------------------------------------------- small and empty


@pytest.mark.parametrize("values", [[[1.0, 2, 3]], [[2.0]], [[1.0], [2.0], [0.5]], [[1.0, 0], [0, 1]]])
def test_a_few_pictures_or_one_concept_are_one_group(values: Any) -> None:
    found = strategies(np.array(values))
    assert len(found.clusters) == 1 and found.clusters[0].share == 1 and found.silhouette == 0
    assert sum(node.size for node in found.nodes) == pytest.approx(1)
    assert np.isfinite(found.points).all()
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["class"] == "cat"


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_pictures_without_evidence_have_no_nodes(value: float) -> None:
    found = strategies(np.full((25, 3), value))
    assert found.nodes == () and found.edges == () and len(found.clusters) == 1
    assert (found.points == 0).all()
    json.dumps(found.to_dict(), allow_nan=False)


def test_pictures_that_are_all_alike_are_one_group() -> None:
    assert len(strategies(np.tile([1.0, 2.0, 0.5], (40, 1))).clusters) == 1
