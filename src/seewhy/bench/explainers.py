"""Who is asked: attribution methods, channels, concepts of every dictionary, and explainers that never look.

Every explainer gives one signed map for each picture and target. What a map says of a thing in the picture is read
out in one way for all of them, `read_out`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from seewhy.attribution.methods import METHODS, Method
from seewhy.bench.subject import Subject, as_pictures
from seewhy.bench.table import RowKind
from seewhy.concepts.dictionaries import DICTIONARIES
from seewhy.errors import SeewhyError
from seewhy.evaluate.anchors import made_maps
from seewhy.evaluate.where.resize import mask_at_grid
from seewhy.explanation import AttributionMap, Explanation
from seewhy.models.craft import CRAFT
from seewhy.world.drawing.renderer import render
from seewhy.world.truth.models import cell_shares

Maps = Float[np.ndarray, "n h w"]

N_CONCEPTS = 10

OPTIONS: dict[str, dict[str, Any]] = {"rise": {"masks": 1000}}
"""Settings that differ from a method's own; they stand in the row's name. Half of the masks does on 8 x 8 cells."""


@dataclass(frozen=True, eq=False)
class Explainer:
    """A row to be: `maps()` does the work, and may raise a `SeewhyError` that says why it cannot."""

    name: str
    kind: RowKind
    maps: Callable[[], tuple[Maps, float | None]]


def blind(subject: Subject, seed: int) -> Iterator[Explainer]:
    """Explainers that never look at the network: the floors, and what a picture alone gives away."""
    wanted = ("random", "random-smooth", "centre", "constant", "edge")
    # Chance of its own: the self-check that decides which columns there are has other random maps.
    own = zlib.crc32(f"{subject.name} {seed}".encode())
    for name, maps in made_maps(subject.evidence, subject.pixels, seed=own):
        if name in wanted:
            yield Explainer(name, "control", partial(_ready, maps))
    yield Explainer("mean-map", "control", partial(_ready, mean_of_others(subject)))


def oracles(subject: Subject) -> Iterator[Explainer]:
    """The evidence itself, and the best that the feature grid can say of it."""
    yield Explainer("oracle", "ceiling", partial(_ready, subject.evidence.astype(np.float64)))
    height, width = subject.grid
    name = f"oracle@{height}x{width}"
    yield Explainer(name, "ceiling", partial(_ready, mask_at_grid(subject.evidence, subject.grid)))


def methods(subject: Subject, seed: int) -> Iterator[Explainer]:
    """Every attribution method, with its defaults, and the channels of the default explanation."""
    for name in METHODS:
        chosen = METHODS[name](**OPTIONS.get(name, {}))
        label = ", ".join([name, *(f"{value} {option}" for option, value in OPTIONS.get(name, {}).items())])
        yield Explainer(label, "method", partial(_attributed, subject, chosen, seed))
    yield Explainer("channels", "method", partial(_explained, subject, None, False))


def concepts(subject: Subject, seed: int) -> Iterator[Explainer]:
    """CRAFT on every dictionary: all concepts' shares together, and the one that counts most alone."""
    fitted: dict[str, CRAFT] = {}

    def craft(name: str) -> CRAFT:
        if name not in fitted:
            pictures = as_pictures([render(scene, subject.size) for scene in subject.fit_scenes])
            channels = subject.model.backbone.layer(size=(subject.size, subject.size)).layer.channels
            k = min(N_CONCEPTS, channels)
            fitted[name] = CRAFT(subject.model, n_concepts=k, dictionary=name, groups="all", seed=seed).fit(
                pictures
            )
        return fitted[name]

    for name in DICTIONARIES:
        yield Explainer(
            f"craft {name}", "concepts", partial(_explained, subject, partial(craft, name), False)
        )
        yield Explainer(
            f"craft {name}, leading", "concepts", partial(_explained, subject, partial(craft, name), True)
        )


def read_out(maps: Maps, masks: Bool[np.ndarray, "m S S"], at: int) -> Float[np.ndarray, " m"]:
    """What map `at` says of each of some things, from where they are seen.

    A thing with the contribution c whose visible area lies in cell u to the part g_u puts c g_u there; the
    contributions are those that come nearest to the map (least squares, the smallest of equals):

        map_u = sum_f c_f g_uf                                                                          (1)

    At the pixels' own resolution g_uf is 1 / area within f and 0 elsewhere, and c_f is the sum of the map over the
    thing's pixels. On a coarser grid that sum would give most of a small thing's cell to the background, and a
    perfect map would look wrong; (1) gives it back. A thing that is hidden altogether has 0. Ours.
    """
    h, w = maps.shape[1:]
    rows, columns = cell_shares(h, masks.shape[1]), cell_shares(w, masks.shape[2])
    area = masks.sum((1, 2), dtype=np.float64)
    within = (rows @ masks.astype(np.float64) @ columns.T) / np.maximum(area, 1.0)[:, None, None]
    found: np.ndarray = np.linalg.lstsq(within.reshape(len(masks), -1).T, maps[at].ravel(), rcond=1e-6)[0]
    return np.where(area > 0, found, 0.0)


def mean_of_others(subject: Subject) -> Maps:
    """The mean evidence of all other scenes: what position alone gives away."""
    total = subject.evidence.sum(0, dtype=np.float64)
    groups = subject.groups
    maps = np.empty(subject.evidence.shape)
    for group in np.unique(groups):
        own = groups == group
        others = total - subject.evidence[own].sum(0)
        maps[own] = others / max(1, len(groups) - int(own.sum()))
    return maps


def _ready(maps: Maps) -> tuple[Maps, float | None]:
    return maps, 0.0


def _attributed(subject: Subject, method: Method, seed: int) -> tuple[Maps, float | None]:
    found: Any = method(subject.model, subject.pictures, subject.targets.tolist(), seed=seed)
    answers: list[AttributionMap] = list(found)
    cost = answers[0].meta.cost
    passes = sum(cost.get(part, 0.0) for part in ("forwards", "backwards", "tail_forwards", "tail_backwards"))
    return np.stack([answer.map for answer in answers]).astype(np.float64), passes


def _explained(
    subject: Subject, craft: Callable[[], CRAFT] | None, leading: bool
) -> tuple[Maps, float | None]:
    model: Any = subject.model if craft is None else craft()
    found: list[Explanation] = list(model.explain(subject.pictures, subject.targets.tolist()))
    return np.stack([_leading(one) if leading else one.where for one in found]), None


def _leading(explanation: Explanation) -> Float[np.ndarray, "h w"]:
    """The map of shares of the concept that speaks most for the class."""
    best = max(explanation.concepts, key=lambda concept: concept.contribution)
    return best.map if best.shares is None else best.shares


def ask(explainer: Explainer) -> tuple[Maps, float | None] | str:
    """The maps, or why there are none."""
    try:
        return explainer.maps()
    except SeewhyError as error:
        return str(error).splitlines()[0]
