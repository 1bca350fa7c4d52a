"""How right a head is when each class may use few concepts: accuracy at a given NEC, and against random concepts.

With many weights per class a head reads labels off any codes, meaningful or not; with five it must use what the
codes say. So accuracies compare only at one NEC, and each with its control: as many random concepts, the same
procedure, the same NEC. (VLG-CBM, arXiv 2408.01432.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from seewhy.errors import InputError, message
from seewhy.evaluate.base import Metric, Values
from seewhy.evaluate.what.elastic_net import PathHead, elastic_net_path
from seewhy.evaluate.what.heads import LinearHead, class_indices, refit

LEVELS = (5, 10, 15, 20, 25, 30)
"""The levels whose mean accuracy is ANEC."""

TIE = 1e-12
"""Logits that differ by less than this part of the picture's largest are the same up to rounding."""

Heads = LinearHead | Sequence[PathHead]
"""One given head, or those of an elastic-net path, sparse to dense."""

Coded = tuple[Float[np.ndarray, "n m"], Int[np.ndarray, " n"]]
"""Codes and class indices of the same pictures."""


@dataclass(frozen=True)
class NECAccuracy(Metric):
    """For each picture, whether the head cut to `nec` concepts per class gets its class right.

    Of a path, the first head with at least `nec` is cut (the last if none has); a given head is cut itself. Cut as
    published, by magnitude without training again, or with `refit`, where the weights that stay are. Several
    highest classes, as in an empty head: the share of them that are right. Undefined for a picture with a code that
    is not finite, and for all if there are fewer than `nec` concepts.

    The result's extras have the NEC `before` the cut and `reached` by it, and, of a path's head, `lam` and
    whether it `converged`; of a refit, its largest `gradient` left.
    """

    nec: float = 5
    refit: bool = False
    ridge: float = 1e-3

    name = "nec_accuracy"
    paper = "Srivastava et al., NeurIPS 2024 (VLG-CBM, arXiv 2408.01432); refit and tied classes are ours."
    truth = "scene"
    direction = 1
    range = (0.0, 1.0)
    needs = ("heads", "codes", "labels")
    proportion = True
    chance = "the accuracy of as many random concepts at the same NEC"

    def __call__(
        self,
        heads: Heads,
        codes: Float[np.ndarray, "n m"],
        labels: Int[np.ndarray, " n"],
        *,
        train: Coded | None = None,
    ) -> Values:
        """One value per picture of `codes` and `labels`, unseen in training; a refit learns from `train`."""
        codes, labels = _tested(heads, codes, labels)
        source, about = _source(heads, self.nec)
        if self.nec > source.weights.shape[1]:
            return self.values(np.full(len(labels), np.nan))
        cut = source.truncated(self.nec)
        about |= {"before": source.nec, "reached": cut.nec}
        if self.refit:
            if train is None:
                came = "A refit was asked for without training pictures."
                raise InputError(message(came, "It learns from them.", "Pass train=(codes, labels)."))
            again = refit(cut, *train, ridge=self.ridge)
            cut, about = again.head, about | {"gradient": again.gradient, "refit_converged": again.converged}
        finite = np.isfinite(codes).all(1)
        right = share_right(cut.logits(np.where(finite[:, None], codes, 0.0)), labels)
        return self.values(np.where(finite, right, np.nan), **about)


@dataclass(frozen=True)
class ANEC(Metric):
    """For each picture, the mean of `NECAccuracy` over the levels; its mean over pictures is ANEC.

    Levels above the number of concepts do not exist and are left out; the extras have those `used`, and of each
    what `NECAccuracy` reports.
    """

    levels: tuple[float, ...] = LEVELS
    refit: bool = False
    ridge: float = 1e-3

    name = "anec"
    paper = NECAccuracy.paper
    truth = "scene"
    direction = 1
    range = (0.0, 1.0)
    needs = ("heads", "codes", "labels")
    chance = NECAccuracy.chance

    def __post_init__(self) -> None:
        _levels(self.levels)

    def __call__(
        self,
        heads: Heads,
        codes: Float[np.ndarray, "n m"],
        labels: Int[np.ndarray, " n"],
        *,
        train: Coded | None = None,
    ) -> Values:
        """One value per picture; arguments as for `NECAccuracy`."""
        rows = [
            NECAccuracy(e, self.refit, self.ridge)(heads, codes, labels, train=train) for e in self.levels
        ]
        return self.over(rows)

    def over(self, rows: Sequence[Values]) -> Values:
        """The mean of levels that are there already, one `Values` of `NECAccuracy` per level."""
        used = [row for row in rows if "reached" in row.extras]
        correct = np.mean([row.per_item for row in used], axis=0) if used else rows[0].per_item
        at = [{"nec": row.options["nec"], **row.extras} for row in used]
        return self.values(correct, used=[row.options["nec"] for row in used], at=at)


@dataclass(frozen=True)
class ANECGap(Metric):
    """For each picture, ANEC of the concepts less that of random ones; its mean is what the concepts are worth."""

    levels: tuple[float, ...] = LEVELS
    refit: bool = False

    name = "anec_gap"
    paper = "The random-concept control of VLG-CBM (arXiv 2408.01432), picture by picture."
    truth = "scene"
    direction = 1
    range = (-1.0, 1.0)
    needs = ("heads", "codes", "labels")
    chance = "0"


@dataclass(frozen=True, eq=False)
class NECTable:
    """Accuracy at each level, cut as published and refitted, and their means; all on the same pictures."""

    levels: tuple[float, ...]
    truncated: tuple[Values, ...]
    refitted: tuple[Values, ...]
    anec: Values
    anec_refitted: Values
    converged: bool
    """Whether every head that was cut was at the optimum of its penalty, and every refit at its own."""


def nec_table(heads: Heads, train: Coded, test: Coded, *, levels: Sequence[float] = LEVELS) -> NECTable:
    """Both accuracies of a head, or of a path, at every level and in the mean."""
    levels = _levels(levels)
    cut, again = (
        tuple(NECAccuracy(e, refit)(heads, *test, train=train) for e in levels) for refit in (False, True)
    )
    rows = [row.extras for row in (*cut, *again)]
    sound = all(row.get("converged", True) and row.get("refit_converged", True) for row in rows)
    return NECTable(levels, cut, again, ANEC(levels).over(cut), ANEC(levels, True).over(again), sound)


@dataclass(frozen=True, eq=False)
class Controlled:
    """Concepts and their control; per picture, the control is the mean of its draws."""

    own: NECTable
    control: tuple[NECTable, ...]
    gap: Values
    gap_refitted: Values


def against_random(
    train: Coded,
    test: Coded,
    *,
    features: tuple[Float[np.ndarray, "n c"], Float[np.ndarray, "t c"]] | None = None,
    levels: Sequence[float] = LEVELS,
    draws: int = 3,
    seed: int = 0,
    **path: Any,
) -> Controlled:
    """Paths on the concepts and on as many random ones, cut at the same levels.

    Parameters
    ----------
    features
        Pooled features of the training and test pictures. With them a random concept is a random direction (what a
        head can do with this network and meaningless concepts); without, noise that knows nothing of the picture
        (what it can do by chance and by memory alone), which is a far weaker opponent.
    draws
        Independent sets of random concepts.
    path
        For `elastic_net_path`.
    """
    levels = _levels(levels)
    if draws < 1:
        raise InputError(message(f"draws is {draws}.", "It is at least 1.", "Pass 3."))
    path = {"until": max(levels), "seed": seed, **path}
    own = nec_table(elastic_net_path(*train, **path), train, test, levels=levels)
    m = np.shape(train[0])[1]
    control = []
    for one in np.random.SeedSequence(seed).spawn(draws):
        generator = np.random.default_rng(one)
        if features is None:
            drawn = tuple(generator.normal(size=(len(side[1]), m)) for side in (train, test))
        else:
            drawn = random_directions(features, m, generator)
        random = (drawn[0], train[1])
        heads = elastic_net_path(*random, **path)
        control.append(nec_table(heads, random, (drawn[1], test[1]), levels=levels))
    gaps = []
    for again in (False, True):
        of = [one.anec_refitted if again else one.anec for one in (own, *control)]
        per_draw = np.stack([one.per_item for one in of[1:]])
        more: dict[str, Any] = {
            "own": of[0].mean,
            "random": [one.mean for one in of[1:]],
            "opponent": "directions" if features is not None else "noise",
            "seed": seed,
        }
        gaps.append(ANECGap(levels, again).values(of[0].per_item - per_draw.mean(0), **more))
    return Controlled(own, tuple(control), gaps[0], gaps[1])


def random_directions(
    features: tuple[Float[np.ndarray, "n c"], Float[np.ndarray, "t c"]],
    m: int,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Features of both sets along the same `m` directions, drawn evenly from the sphere."""
    first, second = (np.asarray(side, np.float64) for side in features)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        came = f"The features have shapes {first.shape} and {second.shape}."
        raise InputError(message(came, "Both are (pictures, channels).", "Pool maps over their cells first."))
    directions = generator.normal(size=(first.shape[1], m))
    directions /= np.linalg.norm(directions, axis=0)
    return first @ directions, second @ directions


def share_right(logits: Float[np.ndarray, "n k"], labels: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """1 where the label is the highest class, 1/t where it is one of t, 0 elsewhere."""
    rounding = TIE * np.abs(logits).max(1, keepdims=True)
    highest = logits >= logits.max(1, keepdims=True) - rounding
    share: np.ndarray = highest[np.arange(len(labels)), labels] / highest.sum(1)
    return share


def _source(heads: Heads, level: float) -> tuple[LinearHead, dict[str, Any]]:
    """The head to cut, and where on the path it lies."""
    if isinstance(heads, LinearHead):
        return heads, {}
    chosen = next((one for one in heads if one.head.nec >= level), heads[-1])
    return chosen.head, {"lam": chosen.lam, "converged": chosen.converged, "residual": chosen.residual}


def _tested(heads: Heads, codes: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(heads, LinearHead) and not heads:
        raise InputError(message("There are no heads.", "A path has at least one.", "Call elastic_net_path."))
    k, m = (heads if isinstance(heads, LinearHead) else heads[0].head).weights.shape
    array = np.asarray(codes, np.float64)
    if array.ndim != 2 or array.shape[1] != m:
        came = f"The codes have shape {array.shape}."
        raise InputError(
            message(came, f"They are (pictures, {m} concepts).", "Pass the codes that the head takes.")
        )
    classes = class_indices(labels, len(array))
    if classes.size and classes.max() >= k:
        came = f"A label is {classes.max()}, and the head has {k} classes."
        raise InputError(message(came, f"Labels are 0 to {k - 1}.", "Pass the labels of the head's classes."))
    return array, classes


def _levels(levels: Sequence[float]) -> tuple[float, ...]:
    chosen = tuple(levels)
    if not chosen or min(chosen) <= 0:
        raise InputError(
            message(f"The levels are {chosen}.", "There is one at least, above 0.", "Pass (5, 10).")
        )
    return chosen
