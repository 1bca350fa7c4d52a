"""The strategic cluster graph: which groups of a class's pictures are recognised for the same reason.

Each picture is the vector of its concepts' contributions, normalised. Pictures are grouped by k-means, the number
of groups by the silhouette; concepts are nodes at the mean position of the pictures they carry.

Fel et al., NeurIPS 2023 (arXiv 2306.07304), section 4.2. The plane is that of the two largest principal
components (the paper's reducer is not stated in its text); the number of groups by silhouette, with one group
where none is clear, is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from seewhy.models.class_report import ClassReport
from seewhy.models.survey import Survey

MIN_SILHOUETTE = 0.2
"""Below this no grouping is clearer than one group: k-means on one Gaussian cloud in 10 dimensions reaches 0.15."""


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
        (n,) its cluster.
    edges
        (i, j, n): pictures whose two strongest concepts are i and j.
    silhouette
        Of the grouping, -1 to 1; 0 for one group.
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
    right = None if labels is None else labels[report.pictures] == report.index
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
        reliability = float(right[leads].mean()) if right is not None and leads.any() else None
        nodes.append(
            Node(int(k), names[int(k)], float(x), float(y), float(mass[k] / mass.sum()), reliability)
        )
    edges = []
    if values.shape[1] > 1:
        pairs, counts = np.unique(np.sort(top[:, :2], 1), axis=0, return_counts=True)
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
                None if right is None else float(right[inside].mean()),
                tuple(int(report.pictures[i]) for i in nearest),
            )
        )
    clusters.sort(key=lambda one: -one.share)
    return Strategies(
        report.name, points, cluster_of, tuple(clusters), tuple(nodes), tuple(edges), silhouette
    )


def grouped(
    units: Float[np.ndarray, "n k"], seed: int, most: int = 8
) -> tuple[Int64[np.ndarray, " n"], float]:
    """Groups by k-means, their number by the silhouette; one group where none is clear."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    n = len(units)
    best, score = np.zeros(n, np.int64), 0.0
    distinct = len(np.unique(units.round(9), axis=0))
    for k in range(2, min(most, distinct - 1, n // 5) + 1):
        found = KMeans(k, n_init=4, random_state=seed).fit_predict(units)
        clear = float(silhouette_score(units, found)) if len(np.unique(found)) > 1 else 0.0
        if clear > max(score, MIN_SILHOUETTE):
            best, score = found.astype(np.int64), clear
    return best, score


def plane(units: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n 2"]:
    """The two largest principal components, scaled to -1..1; signs fixed by the largest loading."""
    centred = units - units.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    points = np.zeros((len(units), 2))
    for i, axis in enumerate(axes[:2]):
        points[:, i] = centred @ (axis * np.sign(axis[np.abs(axis).argmax()] or 1.0))
    largest = np.abs(points).max()
    return points / largest if largest > 0 else points
