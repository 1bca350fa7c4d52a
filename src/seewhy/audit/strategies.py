"""The strategic cluster graph: which groups of a class's pictures are recognised for the same reason.

Each picture is the vector of its concepts' contributions, normalised. Pictures are grouped by k-means, the number
of groups by the silhouette; concepts are nodes at the mean position of the pictures they carry.

Fel et al., NeurIPS 2023 (arXiv 2306.07304), section 4.2. The plane is that of the two largest principal
components (the paper's reducer is not stated in its text). The number of groups by the silhouette is ours, and so
is its test: k-means cuts any cloud into pieces, so there is one group unless the silhouette is above those of
Gaussian clouds of the same covariance, cut into as many pieces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from seewhy.models.class_report import ClassReport
from seewhy.models.survey import Survey

CLOUDS = 19
"""Gaussian clouds that a grouping is compared with: the largest of 19 is passed by chance once in 20 times."""

MARGIN = 0.05
"""How far above all of them its silhouette must lie, since one group need not be Gaussian either. Measured, above the
largest: classes of a CIFAR ResNet-20 -0.04 to 0.04, of the networks of `bench.tagged` -0.04 to 0.07, and 0.07 to 0.09
where disks without the mark are a group of their own. A cloud with sharp edges in few dimensions can pass."""


@dataclass(frozen=True, eq=False)
class Cluster:
    """Pictures recognised for the same reason. `leads` are the names of its two strongest concepts, `reliability`
    the share of its pictures whose label is the class (None without labels), `examples` indices in the survey."""

    pictures: Int64[np.ndarray, " n"]
    leads: tuple[str, ...]
    share: float
    reliability: float | None
    examples: tuple[int, ...]


@dataclass(frozen=True)
class Node:
    """A concept in the plane; `size` is its share of the positive evidence."""

    index: int
    name: str
    x: float
    y: float
    size: float
    reliability: float | None


@dataclass(frozen=True, eq=False)
class Strategies:
    """The graph of one class.

    Attributes
    ----------
    points
        (n, 2) position of each of the class's pictures, in -1 to 1.
    cluster_of
        (n,) its cluster, an index in `clusters`, which are largest first.
    edges
        (i, j, n): pictures whose two strongest concepts are i and j, both of them evidence for the class.
    silhouette
        Of the grouping, 0 to 1; 0 for one group.
    """

    class_name: str
    points: Float[np.ndarray, "n 2"]
    cluster_of: Int64[np.ndarray, " n"]
    clusters: tuple[Cluster, ...]
    nodes: tuple[Node, ...]
    edges: tuple[tuple[int, int, int], ...]
    silhouette: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return {
            "class": self.class_name,
            "silhouette": self.silhouette,
            "clusters": [
                {"n": len(c.pictures), "share": c.share, "leads": list(c.leads), "reliability": c.reliability}
                for c in self.clusters
            ],
            "nodes": [vars(node) for node in self.nodes],
            "edges": [list(edge) for edge in self.edges],
        }


def strategies_of(report: ClassReport, data: Survey, *, seed: int = 0) -> Strategies:
    """The graph of a class from its report."""
    values = report.contributions
    length = np.linalg.norm(values, axis=1, keepdims=True)
    units = np.divide(values, length, out=np.zeros_like(values), where=length > 0)
    cluster_of, silhouette = grouped(units, seed)
    points = plane(units)
    labels = data.labels
    right = None if labels is None else _right(labels[report.pictures], report.index)
    names = {c.index: c.name for c in report.concepts}
    positive = np.maximum(values, 0.0)
    mass = positive.sum(0)
    top = np.argsort(-values, 1, kind="stable")
    nodes = []
    for k in np.argsort(-mass, kind="stable"):
        if mass[k] <= 0:
            continue
        x, y = positive[:, k] @ points / mass[k]
        leads = top[:, 0] == k
        size = float(mass[k] / mass.sum())
        nodes.append(Node(int(k), names[int(k)], float(x), float(y), size, _share(right, leads)))
    edges = []
    if values.shape[1] > 1:
        both = np.take_along_axis(values, top[:, 1:2], 1)[:, 0] > 0
        pairs, counts = np.unique(np.sort(top[both, :2], 1), axis=0, return_counts=True)
        edges = [(int(i), int(j), int(n)) for (i, j), n in zip(pairs, counts, strict=True)]
    clusters = []
    for c in range(int(cluster_of.max(initial=-1)) + 1):
        inside = np.flatnonzero(cluster_of == c)
        strongest = np.argsort(-values[inside].mean(0), kind="stable")[:2]
        centre = units[inside].mean(0)
        nearest = inside[np.argsort(-(units[inside] @ centre), kind="stable")[:6]]
        clusters.append(
            Cluster(
                report.pictures[inside],
                tuple(names[int(k)] for k in strongest),
                len(inside) / len(values),
                _share(right, cluster_of == c),
                tuple(int(report.pictures[i]) for i in nearest),
            )
        )
    return Strategies(
        report.name, points, cluster_of, tuple(clusters), tuple(nodes), tuple(edges), silhouette
    )


def _right(labels: Int64[np.ndarray, " n"], row: int) -> Float[np.ndarray, " n"]:
    """1 where the label is the class, 0 where it is another, NaN where it is none."""
    found: np.ndarray = np.where(labels < 0, np.nan, labels == row)
    return found


def _share(right: Float[np.ndarray, " n"] | None, chosen: np.ndarray) -> float | None:
    """Share of the chosen pictures that are right, among those that are labelled; None without any."""
    known = None if right is None else right[chosen & np.isfinite(right)]
    return None if known is None or len(known) == 0 else float(known.mean())


def grouped(
    units: Float[np.ndarray, "n k"], seed: int, most: int = 8
) -> tuple[Int64[np.ndarray, " n"], float]:
    """Groups by k-means, largest first, their number by the silhouette; one group where none is clear."""
    n = len(units)
    best, score = np.zeros(n, np.int64), 0.0
    distinct = len(np.unique(units.round(9), axis=0))
    for k in range(2, min(most, distinct - 1, n // 5) + 1):
        found, clear = _cut(units, k, seed)
        if clear > score:
            best, score = found, clear
    if score <= MARGIN or score <= MARGIN + _by_chance(units, int(best.max()) + 1, seed):
        return np.zeros(n, np.int64), 0.0
    order = np.argsort(-np.bincount(best), kind="stable")
    return np.argsort(order, kind="stable")[best], score


def _cut(units: Float[np.ndarray, "n k"], k: int, seed: int) -> tuple[Int64[np.ndarray, " n"], float]:
    """k groups and their silhouette; 0 if they are fewer than two."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    found = KMeans(k, n_init=4, random_state=seed).fit_predict(units).astype(np.int64)
    return found, float(silhouette_score(units, found)) if len(np.unique(found)) > 1 else 0.0


def _by_chance(units: Float[np.ndarray, "n k"], k: int, seed: int) -> float:
    """The largest silhouette of k groups in Gaussian clouds of the same size and covariance."""
    generator = np.random.default_rng(seed)
    _, lengths, axes = np.linalg.svd(units - units.mean(0), full_matrices=False)
    scale = (lengths / np.sqrt(len(units)))[:, None] * axes
    clouds = (generator.standard_normal((len(units), len(scale))) @ scale for _ in range(CLOUDS))
    return max(_cut(cloud, k, seed)[1] for cloud in clouds)


def plane(units: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n 2"]:
    """The two largest principal components, scaled to -1..1; signs fixed by the largest loading."""
    centred = units - units.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    points = np.zeros((len(units), 2))
    for i, axis in enumerate(axes[:2]):
        points[:, i] = centred @ (axis * np.sign(axis[np.abs(axis).argmax()] or 1.0))
    largest = np.abs(points).max()
    # Pictures that are all alike differ by rounding, which is not to be enlarged.
    return points / largest if largest > 1e-9 else np.zeros_like(points)
