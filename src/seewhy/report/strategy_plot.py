"""The strategic cluster graph of a class: a drawing of its pictures and concepts, and the clusters as a list.

Dots are pictures, near each other where they are recognised for the same reasons; discs are concepts, their area
the share of the evidence, at the mean place of the pictures they carry; lines join concepts that lead together.
The list says all of it in words.
"""

from __future__ import annotations

import math

import numpy as np

from seewhy.audit.strategies import Cluster, Node, Strategies
from seewhy.report.audit_words import counted, percent
from seewhy.report.concept_pictures import ConceptPictures
from seewhy.report.markup import name, text
from seewhy.visualise.wording import clean

WIDTH, PAD = 560, 36
LOWEST, HIGHEST = 190, 400
"""Of the drawing, whose height follows from the points."""

LARGEST = 30
"""Radius of the disc of a concept that carries all the evidence."""

N_POINTS = 10
"""Pictures below which there is nothing to group: two groups of five are the least that are looked for."""

N_NODES, N_EDGES = 8, 10
LABEL, LETTER = 18, 6.6
"""Letters of a label at most, and the width of one."""


def strategies_section(found: Strategies, pictures: ConceptPictures) -> str:
    """Drawing and list; a sentence for a class of few pictures."""
    if len(found.points) < N_POINTS:
        few = f"{counted(len(found.points), 'picture')}, too few to group"
        return f'<h3>Strategies <span class="quiet">{few}</span></h3>'
    clusters = "".join(_cluster(i, one, pictures) for i, one in enumerate(found.clusters))
    words = _in_words(found)
    return (
        f'<h3>Strategies <span class="quiet">{text(words)}</span></h3>'
        f'<div class="graph">{_drawing(found, pictures.report.pictures)}<ol class="clusters">{clusters}</ol></div>'
        '<p class="note">Dots are pictures; near ones are recognised for the same reasons. Discs are concepts: their '
        "area is the share of the evidence, a line joins two that lead in the same pictures. The plane shows the two "
        "directions in which the reasons differ most.</p>"
    )


def _in_words(found: Strategies) -> str:
    n = len(found.clusters)
    if n < 2:
        return "one group: no clear grouping of its pictures by reasons"
    return f"{n} groups of pictures, each recognised for its own reasons (silhouette {found.silhouette:.2f})"


def _cluster(i: int, one: Cluster, pictures: ConceptPictures) -> str:
    leads = " and ".join(name(lead, 60) for lead in one.leads)
    right = "" if one.reliability is None else f", {percent(one.reliability)} right"
    examples = "".join(f"<li>{pictures.example(picture)}</li>" for picture in one.examples)
    return (
        f'<li><p><span class="key k{i % 8}">{i + 1}</span> {leads}<br><span class="quiet">'
        f"{counted(len(one.pictures), 'picture')}, {percent(one.share)}{right}</span></p>"
        f'<ul class="crops" aria-label="Typical pictures">{examples}</ul></li>'
    )


def _drawing(found: Strategies, members: np.ndarray) -> str:
    place = _Plane(found)
    inside = "".join(
        f'<path class="dots k{i % 8}" d="{place.path(_points(found, members, one))}"/>'
        for i, one in enumerate(found.clusters)
    )
    nodes = found.nodes[:N_NODES]
    inside += _edges(found, nodes, place)
    for node in nodes:
        x, y = place(node.x, node.y)
        right = "" if node.reliability is None else f", {percent(node.reliability)} right where it leads"
        inside += (
            f'<circle class="node" cx="{x:.1f}" cy="{y:.1f}" r="{_radius(node):.1f}">'
            f"<title>{text(node.name, 80)}: {percent(node.size)} of the evidence{right}</title></circle>"
        )
    inside += _labels(nodes, place)
    if len(found.clusters) > 1:
        for i, one in enumerate(found.clusters):
            x, y = place(*_points(found, members, one).mean(0))
            inside += f'<text class="key k{i % 8}" x="{x:.1f}" y="{y:.1f}">{i + 1}</text>'
    words = f"{counted(len(found.points), 'picture')} of {found.class_name}, {_in_words(found)}"
    frame = f'class="plane" viewBox="0 0 {WIDTH} {place.height}" role="img" aria-label="{text(words)}"'
    return f"<svg {frame}>{inside}</svg>"


def _points(found: Strategies, members: np.ndarray, one: Cluster) -> np.ndarray:
    """The places of a cluster's pictures; `members` are the class's pictures, in the order of `found.points`."""
    places: np.ndarray = found.points[np.isin(members, one.pictures)]
    return places


def _edges(found: Strategies, nodes: tuple[Node, ...], place: _Plane) -> str:
    at = {node.index: place(node.x, node.y) for node in nodes}
    known = [edge for edge in found.edges if edge[0] in at and edge[1] in at]
    most = max((n for _, _, n in known), default=1)
    lines = ""
    for i, j, n in sorted(known, key=lambda edge: -edge[2])[:N_EDGES]:
        (x0, y0), (x1, y1) = at[i], at[j]
        lines += (
            f'<path class="edge" d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}" '
            f'stroke-width="{1 + 5 * n / most:.1f}"><title>{counted(n, "picture")}</title></path>'
        )
    return lines


def _labels(nodes: tuple[Node, ...], place: _Plane) -> str:
    """Names beside the discs, largest first; one without room is left to the list and the pointer."""
    taken: list[tuple[float, float, float, float]] = []
    labels = ""
    for node in nodes:
        x, y = place(node.x, node.y)
        label, r = clean(node.name, LABEL), _radius(node)
        half = len(label) * LETTER / 2
        for dx, dy in ((0, -r - 5), (0, r + 13), (r + 5 + half, 4), (-r - 5 - half, 4)):
            box = (x + dx - half, y + dy - 11, x + dx + half, y + dy + 3)
            inside = box[0] >= 0 and box[1] >= 0 and box[2] <= WIDTH and box[3] <= place.height
            if inside and not any(_meet(box, other) for other in taken):
                taken.append(box)
                labels += f'<text class="label" x="{x + dx:.1f}" y="{y + dy:.1f}">{text(label)}</text>'
                break
    return labels


def _meet(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _radius(node: Node) -> float:
    return max(4.0, LARGEST * math.sqrt(max(node.size, 0.0)))


class _Plane:
    """From the plane of the pictures to the drawing; both axes have one scale, so that distances are true."""

    def __init__(self, found: Strategies) -> None:
        points = np.concatenate(
            [found.points, [[node.x, node.y] for node in found.nodes] or np.zeros((0, 2))]
        )
        low, high = points.min(0), points.max(0)
        width, height = np.maximum(high - low, 1e-9)
        across = (WIDTH - 2 * PAD) / width
        # Pictures that are all alike are one dot, whatever the rounding makes of their distances.
        tall = across * height + 2 * PAD if max(width, height) > 1e-6 else 0.0
        self.height = round(min(max(tall, LOWEST), HIGHEST))
        self.scale = min(across, (self.height - 2 * PAD) / height, 1e6)
        self.middle = (low + high) / 2

    def __call__(self, x: float, y: float) -> tuple[float, float]:
        return (
            WIDTH / 2 + self.scale * (x - self.middle[0]),
            self.height / 2 - self.scale * (y - self.middle[1]),
        )

    def path(self, points: np.ndarray) -> str:
        """Dots as a path: each a line of no length, which round ends make a disc."""
        return "".join("M{:.1f} {:.1f}h0".format(*self(x, y)) for x, y in points)
