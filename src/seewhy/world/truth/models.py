"""What a network makes of a scene, found by drawing the scene again with things left out or changed.

Nothing here is estimated: at most 256 pictures show every coalition of a scene's factors, and each has its answer.
The reference is a plain background (`factors.with_only`); that is one choice among others, so that the effects of
removing single things stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8

from seewhy.attribution.base import as_backbone, plain_logits
from seewhy.attribution.engine import Engine
from seewhy.errors import InputError, message
from seewhy.images.picture import Picture
from seewhy.types import Size
from seewhy.world.drawing.renderer import Rendered, render
from seewhy.world.scene import Scene
from seewhy.world.truth.factors import Factor, factor_masks, factors, with_only
from seewhy.world.truth.games import interaction_index, shapley_values

ModelFunction = Callable[[UInt8[np.ndarray, "n S S 3"]], Float[np.ndarray, "n k"]]
"""From pictures to logits."""

SceneFunction = Callable[[Sequence[Scene]], Float[np.ndarray, "n k"]]
"""From scenes to logits, for what is not asked by pictures."""

CHUNK = 64
"""Pictures drawn and asked at once."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The exact account of one logit by the factors of a scene.

    Attributes
    ----------
    scene, factors, target
        What was asked, and the logit's row.
    worths
        The logit of every coalition; number k shows factor i if bit i of k is set.
    probabilities
        The class's probability (softmax; with a single logit its sigmoid) of every coalition.
    """

    scene: Scene
    factors: tuple[Factor, ...]
    target: int
    worths: Float64[np.ndarray, " N"]
    probabilities: Float64[np.ndarray, " N"]

    @cached_property
    def values(self) -> Float64[np.ndarray, " n"]:
        """Shapley value of each factor; they sum to `full - empty`."""
        return shapley_values(self.worths)

    @cached_property
    def interactions(self) -> Float64[np.ndarray, "n n"]:
        """Shapley interaction index of each two factors; zero on the diagonal."""
        return interaction_index(self.worths)

    @property
    def empty(self) -> float:
        """The logit of the plain background."""
        return float(self.worths[0])

    @property
    def full(self) -> float:
        """The logit of the whole scene."""
        return float(self.worths[-1])

    @property
    def gap(self) -> float:
        """|sum of values - (full - empty)|: rounding, below 1e-5 for logits of ordinary size."""
        return abs(float(self.values.sum()) - (self.full - self.empty))

    def coalition(self, kept: Collection[Factor]) -> int:
        """The number of the coalition of these factors in `worths` and `probabilities`."""
        unknown = [factor.name for factor in kept if factor not in self.factors]
        if unknown:
            raise InputError(
                message(
                    f"The coalition holds {unknown[0]}.",
                    f"The factors are {', '.join(factor.name for factor in self.factors)}.",
                    "Take factors of this truth.",
                )
            )
        return sum(1 << self.factors.index(factor) for factor in set(kept))

    def sufficiency(self) -> Float64[np.ndarray, " m"]:
        """Probability with only the top k factors drawn, for k = 0 to n; the largest Shapley value is the top."""
        order = np.argsort(-self.values, kind="stable")
        added = np.concatenate([[0], np.cumsum(1 << order.astype(np.int64))]).astype(np.int64)
        chosen: np.ndarray = self.probabilities[added]
        return chosen


@dataclass(frozen=True)
class Effect:
    """What removing or replacing one thing does to a logit.

    `value` is the logit of the scene less the mean over its `n` edits, `spread` the standard deviation over them
    (0 for a single one); both are NaN where there is no valid edit.
    """

    value: float
    spread: float
    n: int


def model_function(model: Any, *, batch_size: int | None = None) -> ModelFunction:
    """Ask a network of Seewhy's, with its own preprocessing.

    Parameters
    ----------
    model
        What `seewhy.load` returns, or a `Backbone` that knows its `Preprocess`.
    batch_size
        At most so many pictures at once.
    """
    backbone = as_backbone(model)
    engine = Engine.for_device(backbone.device, batch_size)

    def ask(pictures: UInt8[np.ndarray, "n S S 3"]) -> Float[np.ndarray, "n k"]:
        batch = backbone.tensor([Picture(picture) for picture in pictures])
        with backbone.undisturbed(), torch.no_grad():
            logits: np.ndarray = plain_logits(backbone, batch.x, engine).double().cpu().numpy()
        return logits

    return ask


def drawn(model_fn: ModelFunction, size: int = 96) -> SceneFunction:
    """Draw scenes and ask for the pictures, 64 at a time, each different scene once.

    Raises
    ------
    InputError
        By the function that is returned, if the answers are not one row of finite logits a picture.
    """

    def answer(scenes: Sequence[Scene]) -> Float[np.ndarray, "n k"]:
        place = {scene: at for at, scene in enumerate(dict.fromkeys(scenes))}
        different = list(place)
        rows = []
        for first in range(0, len(different), CHUNK):
            pictures = np.stack([render(scene, size).rgb for scene in different[first : first + CHUNK]])
            rows.append(_checked(model_fn(pictures), len(pictures)))
        logits: np.ndarray = np.concatenate(rows)[[place[scene] for scene in scenes]]
        return logits

    return answer


def shapley(
    model_fn: ModelFunction, scene: Scene, target: int | None = None, *, size: int = 96, parts: bool = False
) -> Truth:
    """Exact Shapley values and interactions of a scene's factors, by drawing every coalition.

    Parameters
    ----------
    model_fn
        From pictures to logits; of a network `model_function(network)`.
    scene
        With at most 8 factors after `factors.factors` has put small ones together.
    target
        Row of the logit; None means the largest for the whole scene.
    size
        Of the pictures, in pixels.
    parts
        Take creatures apart.

    Notes
    -----
    2**n pictures for n factors, less those that look alike because a part without its body is not drawn.
    """
    return shapley_of_scenes(drawn(model_fn, size), scene, target, parts=parts)


def shapley_of_scenes(
    answer: SceneFunction, scene: Scene, target: int | None = None, *, parts: bool = False
) -> Truth:
    """As `shapley`, for what answers scenes instead of pictures."""
    players = factors(scene, parts=parts)
    coalitions = [
        with_only(scene, [factor for i, factor in enumerate(players) if k >> i & 1])
        for k in range(1 << len(players))
    ]
    logits = _checked(answer(coalitions), len(coalitions))
    row = int(logits[-1].argmax()) if target is None else _row(target, logits.shape[1])
    return Truth(scene, players, row, logits[:, row].copy(), _probabilities(logits, row))


def single_removal_effects(
    model_fn: ModelFunction,
    scene: Scene,
    target: int,
    edited: Mapping[str, Sequence[Scene]],
    *,
    size: int = 96,
) -> dict[str, Effect]:
    """tau = f(scene) - mean over a concept's edits of f(edited scene), for each concept.

    Parameters
    ----------
    model_fn, target, size
        As in `shapley`.
    edited
        By concept, the scenes in which a minimal edit makes it false. A concept without any is kept, as
        undefined.
    """
    edits = [(name, each) for name, scenes in edited.items() for each in scenes]
    logits = drawn(model_fn, size)([scene, *(each for _, each in edits)])
    column = logits[:, _row(target, logits.shape[1])]
    effects = {}
    for name in edited:
        there = [at for at, (owner, _) in enumerate(edits, start=1) if owner == name]
        changes = column[0] - column[there]
        value, spread = (float(changes.mean()), float(changes.std())) if there else (np.nan, np.nan)
        effects[name] = Effect(value, spread, len(there))
    return effects


def causal_map(truth: Truth, rendered: Rendered, grid: Size | None = None) -> Float64[np.ndarray, "h w"]:
    """Each factor's Shapley value spread evenly over the pixels where it is seen, and summed in cells.

    No map that is constant over factors can do better: the best that an attribution map could say about `truth`.

    Parameters
    ----------
    truth
        From `shapley`.
    rendered
        The whole scene, at any size.
    grid
        (height, width) in cells, whose number need not divide the picture's; default one cell a pixel.

    Returns
    -------
    map
        Sums to the values of all factors that are seen at all: one that is wholly hidden has no place.
    """
    masks = factor_masks(truth.scene, rendered, truth.factors)
    areas = masks.sum((1, 2))
    density = np.zeros(rendered.id_map.shape)
    for mask, value, area in zip(masks, truth.values, areas, strict=True):
        density[mask] += value / area if area else 0.0
    if grid is None:
        return density
    height, width = grid
    if height < 1 or width < 1:
        raise InputError(
            message(
                f"The grid is {grid!r}.",
                "It has at least one row and one column of cells.",
                "Pass for example grid=(12, 12).",
            )
        )
    rows, columns = (cell_shares(n, len(density)) for n in (height, width))
    cells: np.ndarray = rows @ density @ columns.T
    return cells


def cell_shares(n: int, pixels: int) -> Float64[np.ndarray, "n pixels"]:
    """Share of each pixel of one axis in each of n equal cells."""
    edges = np.linspace(0, pixels, n + 1)
    starts = np.arange(pixels)
    inside = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    share: np.ndarray = np.maximum(inside, 0.0)
    return share


def _probabilities(logits: Float64[np.ndarray, "n k"], row: int) -> Float64[np.ndarray, " n"]:
    # A single logit is told from zero, which makes the softmax a sigmoid.
    rivals = logits if logits.shape[1] > 1 else np.concatenate([logits, np.zeros_like(logits)], axis=1)
    rest = np.exp(rivals - rivals.max(1, keepdims=True))
    share: np.ndarray = rest[:, row] / rest.sum(1)
    return share


def _checked(logits: Any, n: int) -> Float64[np.ndarray, "n k"]:
    found = np.asarray(logits, np.float64)
    if found.ndim != 2 or len(found) != n or not found.shape[1] or not np.isfinite(found).all():
        fault = "" if np.isfinite(found).all() else ", not all of them finite"
        raise InputError(
            message(
                f"The model gave numbers of shape {found.shape} for {n} pictures{fault}.",
                "It gives one row of finite logits for each.",
                "For a network of Seewhy's pass model_function(network).",
            )
        )
    return found


def _row(target: Any, n: int) -> int:
    if not isinstance(target, int | np.integer) or isinstance(target, bool) or not 0 <= target < n:
        raise InputError(
            message(
                f"The target is {target!r}.",
                f"The model has {n} logits, 0 to {n - 1}.",
                "Pass the row of one of them, or None for the largest.",
            )
        )
    return int(target)
