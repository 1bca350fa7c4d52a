"""Whether a metric may be trusted: it is shown explainers whose order is known, and must find that order.

oracle > a little noise > ... > much noise > noise only > inverted,   random > inverted                        (1)

and the oracle is above every explainer that has not looked: random, random-smooth, centre, edge, constant.
A metric that does not find this on the given masks does not count there, whatever its definition promises: masks
that are all in the middle, say, make a pointing game that the centre wins.

Noise is one normal field per item, scaled (common random numbers), so that the levels differ by the noise and not
by the draw: a hit that is lost stays lost. Random has the ranks of that field and uniform values, for which the
closed forms of chance hold. Neighbours may tie only where both are at the end of the metric's range (all hits, no
hits). Where random is above much noise the metric counts, with a remark: it answers to how values are spread, not
only to where, as VEA does, and maps with other histograms should not be compared by it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter, sobel
from scipy.special import ndtr

from seewhy.errors import InputError, message
from seewhy.evaluate.base import Values
from seewhy.evaluate.how_much.agreement import ContributionMetric
from seewhy.evaluate.statistics.paired import sign_flip

MapMetric = Callable[[Float[np.ndarray, "n h w"], Bool[np.ndarray, "n H W"]], Values]

LEVELS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Standard deviations of the noise on maps that are 1 in the mask and 0 outside."""

CONTRIBUTION_LEVELS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Standard deviations of the noise on contributions, in those of the picture's true effects."""

NEEDED_KENDALL = 0.9
"""Of six levels all 15 pairs must be in order for it: one pair out of order gives 0.87."""

NEEDED_P = 0.001

FEWEST = 12
"""Items, or groups of items, below which no sign-flip test reaches `NEEDED_P`."""

_OWN = 0x5EE


@dataclass(frozen=True, eq=False)
class SelfCheck:
    """What a metric made of the made explainers.

    Attributes
    ----------
    metric
        Name and version.
    values
        By explainer, oracle first.
    kendall
        Of (noise level, mean), the oracle as level 0, better mean first; pairs that tie at the end of the range
        do not count. 1 is (1) in full, NaN if no pair counts.
    p
        Of the paired sign-flip test of the oracle against each explainer that has not looked; NaN, and no reason
        to refuse, where the metric leaves that explainer undefined for all items.
    passed
        Whether the metric counts.
    why
        The reasons if it does not.
    remarks
        What else should be known.
    """

    metric: str
    values: Mapping[str, Values]
    kendall: float
    p: Mapping[str, float]
    passed: bool
    why: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def self_check(
    metric: MapMetric,
    masks: Bool[np.ndarray, "n H W"],
    pictures: Any = None,
    *,
    seed: int = 0,
    groups: Any = None,
) -> SelfCheck:
    """Show a metric that takes maps and masks the explainers of `made_maps`, and judge it by (1).

    Parameters
    ----------
    masks
        True where the evidence is. Twelve or more, of different places and sizes; 50 are better.
    pictures
        (n, H, W, 3), uint8 or float, for the explainer that finds edges; it is left out without.
    groups
        (n,) labels of masks that belong together, e.g. of one picture: they are one item of the test.

    Raises
    ------
    InputError
        With fewer than 12 masks, or groups of masks, or shapes that do not fit.

    Examples
    --------
    >>> from seewhy.evaluate.where.localisation import AUROC
    >>> masks = np.eye(30, dtype=bool).reshape(30, 5, 6)  # one pixel each
    >>> self_check(AUROC(), masks).passed
    True
    """
    checked = _masks(masks)
    if (n := _n_groups(len(checked), groups)) < FEWEST:
        came = f"There are {n} {'masks' if groups is None else 'groups of masks'}."
        raise InputError(message(came, f"The check needs {FEWEST} or more.", "Pass masks of more pictures."))
    found = {name: metric(maps, checked) for name, maps in made_maps(checked, pictures, seed=seed)}
    return _judged(found, groups)


def made_maps(
    masks: Bool[np.ndarray, "n H W"], pictures: Any = None, *, seed: int = 0
) -> Iterator[tuple[str, Float[np.ndarray, "n H W"]]]:
    """Names and maps of explainers that need no model, one at a time (each is as large as the masks in float64).

    oracle (the mask), noise 1 to 5, noise only, inverted (1 - mask), random, random-smooth, centre, constant, and
    edge (Sobel) if there are pictures.
    """
    masks = _masks(masks)
    height, width = masks.shape[1:]
    edges = None if pictures is None else _edges(_pictures(pictures, masks))
    field = _field(masks.shape, seed, 0)
    oracle = masks.astype(np.float64)
    yield "oracle", oracle
    for level, deviation in enumerate(LEVELS, 1):
        yield f"noise {level}", oracle + deviation * field
    yield "noise only", field
    yield "inverted", 1 - oracle
    yield "random", ndtr(field)
    # A field of its own, so that this explainer and the noise have no chance in common.
    smooth = gaussian_filter(_field(masks.shape, seed, 1), (0, height / 8, width / 8), mode="nearest")
    low = smooth.min((1, 2), keepdims=True)
    yield "random-smooth", (smooth - low) / np.maximum(smooth.max((1, 2), keepdims=True) - low, 1e-12)
    rows, columns = ((np.arange(size) + 0.5) / size - 0.5 for size in (height, width))
    yield "centre", np.broadcast_to(np.exp(-8 * (rows[:, None] ** 2 + columns**2)), masks.shape).copy()
    yield "constant", np.full(masks.shape, 0.5)
    if edges is not None:
        yield "edge", edges


def self_check_contributions(
    metric: ContributionMetric, truth: Float[np.ndarray, "n m"], *, seed: int = 0, groups: Any = None
) -> SelfCheck:
    """The same for a metric that compares contributions with true effects.

    The explainers are the truth, five levels of noise on it, noise alone, constant, and the inverse: the opposite
    sign, or for metrics that look at sizes only the largest size where the truth is least.

    Parameters
    ----------
    truth
        (n, m), NaN where a picture lacks a factor; 12 pictures or more. Taken as the oracle's contributions.
    groups
        As for `self_check`.
    """
    true = np.asarray(truth, np.float64)
    if true.ndim != 2 or (n := _n_groups(len(true), groups)) < FEWEST:
        came = f"truth has shape {true.shape}" + (
            f", in {n} groups." if groups is not None and true.ndim == 2 else "."
        )
        needed = f"It is (pictures, factors), with {FEWEST} pictures or more."
        raise InputError(message(came, needed, "Pass the effects of more pictures."))
    there = ~np.isnan(true)
    centred = true - np.where(there, true, 0).sum(1, keepdims=True) / np.maximum(there.sum(1), 1)[:, None]
    spread = np.sqrt(np.where(there, centred**2, 0).sum(1) / np.maximum(there.sum(1), 1))[:, None]
    field = _field(true.shape, seed, 2) * spread
    size = np.abs(true)
    largest = np.where(there, size, 0).max(1, initial=0, keepdims=True)
    made = {"oracle": true}
    made |= {f"noise {level}": true + by * field for level, by in enumerate(CONTRIBUTION_LEVELS, 1)}
    made |= {"random": field, "inverted": -true if metric.signed else largest - size}
    made |= {"constant": np.ones(true.shape)}
    return _judged({name: metric(contributions, true) for name, contributions in made.items()}, groups)


def _field(shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
    """Normal numbers of our own: made data that come from the plain seed must not be met again as noise."""
    return np.random.default_rng([_OWN, seed, stream]).standard_normal(shape)


def _n_groups(n: int, groups: Any) -> int:
    """How many items there are, those of one group being one."""
    if groups is None:
        return n
    labels = np.asarray(groups)
    if labels.shape != (n,):
        came = f"groups has shape {labels.shape} for {n} items."
        raise InputError(
            message(came, "Each item has one group.", "Pass the picture's number for each item.")
        )
    return len(np.unique(labels))


def _judged(found: Mapping[str, Values], groups: Any) -> SelfCheck:
    oracle = found["oracle"]
    levels = [name for name in found if name == "oracle" or name.removeprefix("noise ").isdigit()]
    nothing = "noise only" if "noise only" in found else "random"
    chain = list(dict.fromkeys([*levels, nothing, "random", "inverted"]))
    rows = np.array([oracle.direction * found[name].per_item for name in chain])  # more is better
    whole = ~np.isnan(rows).any(0)
    rows = rows[:, whole]
    p: dict[str, float] = {}
    n = _n_groups(rows.shape[1], None if groups is None else np.asarray(groups)[whole])
    if n < FEWEST:
        of, what = (len(oracle), "items") if groups is None else (_n_groups(len(oracle), groups), "groups")
        few = f"only {n} of {of} {what} are defined for all of (1), {FEWEST} are needed"
        return SelfCheck(oracle.metric, found, float("nan"), p, False, (few,))
    means = dict(zip(chain, rows.mean(1), strict=True))
    ends = [oracle.direction * end for end in oracle.range]
    kendall = _kendall([means[name] for name in levels], ends)
    way = oracle.direction
    why = []
    if not kendall >= NEEDED_KENDALL:
        why.append(f"noise is not told by its level: Kendall's tau is {kendall:.3g}, not {NEEDED_KENDALL}")
    steps = dict.fromkeys([(levels[-1], nothing), (nothing, "inverted"), ("random", "inverted")])
    why += [one for better, worse in steps if (one := _not_better(better, worse, means, ends, way))]
    for name in found:
        if name in (*levels, "noise only", "inverted"):
            continue
        differences = oracle.per_item - found[name].per_item
        p[name] = sign_flip(differences, groups=groups)
        if np.isnan(differences).all():
            continue  # nothing to compare: a constant map may have no value at all
        gain = float(np.nanmean(way * differences))
        if not (gain > 0 and p[name] < NEEDED_P):
            why.append(f"oracle is not better than {name}: by {gain:.4g}, p = {p[name]:.2g}")
    remark = _not_better(levels[-1], "random", means, ends, way)
    remarks = (remark,) if remark and remark not in why else ()
    return SelfCheck(oracle.metric, found, kendall, p, not why, tuple(why), remarks)


def _not_better(better: str, worse: str, means: Mapping[str, float], ends: list[float], way: int) -> str:
    """The complaint, empty if there is none."""
    if means[better] > means[worse] or _at_one_end(means[better], means[worse], ends):
        return ""
    return f"{better} is not better than {worse}: {way * means[better]:.4g} against {way * means[worse]:.4g}"


def _kendall(means: list[float], ends: list[float]) -> float:
    """(pairs in order - pairs out of order) / pairs, less noise being better, without ties at an end."""
    signs = [
        float(np.sign(a - b))
        for i, a in enumerate(means)
        for b in means[i + 1 :]
        if not _at_one_end(a, b, ends)
    ]
    return float(np.mean(signs)) if signs else float("nan")


def _at_one_end(a: float, b: float, ends: list[float]) -> bool:
    return any(abs(a - end) < 1e-9 and abs(b - end) < 1e-9 for end in ends if np.isfinite(end))


def _edges(grey: Float[np.ndarray, "n H W"]) -> Float[np.ndarray, "n H W"]:
    edges: np.ndarray = np.hypot(sobel(grey, axis=1, mode="nearest"), sobel(grey, axis=2, mode="nearest"))
    return edges


def _masks(masks: Any) -> Bool[np.ndarray, "n H W"]:
    array = np.asarray(masks)
    if array.ndim != 3 or array.dtype != bool:
        came = f"masks has shape {array.shape} and type {array.dtype}."
        raise InputError(message(came, "It is (n, H, W), boolean.", "Pass masks > 0.5, one mask per item."))
    return array


def _pictures(pictures: Any, masks: np.ndarray) -> Float[np.ndarray, "n H W"]:
    """Grey values."""
    array = np.asarray(pictures)
    if array.shape != (*masks.shape, 3):
        came = f"pictures has shape {array.shape} for masks of shape {masks.shape}."
        needed = "There is one picture of three channels, last axis, for each mask."
        raise InputError(message(came, needed, "Move the channels to the end and pick a picture per mask."))
    grey: np.ndarray = array.mean(3, dtype=np.float64)
    return grey
