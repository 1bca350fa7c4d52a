"""Features -> concept maps: the 1x1 layer of SALF-CBM and Label-Free CBM, fitted without labels.

    q[n,m,y,x] = sum_c w[m,c] F[n,c,y,x],   w = argmax of the cubic cosine similarity of q and the teacher P    (1)

No bias: centring would remove it. The similarity sees no lengths either, so rows are returned such that each
concept's maps have the standard deviation 1 about their slices' means on the training pictures.

    ridge start:   w_m = (Fc^T Fc + e I)^-1 Fc^T p_m, all concepts by one Cholesky factorisation                (2)

(2) maximises the cosine *without* the cube where a concept has one slice (the value reached is the multiple
correlation); with more slices it is that of centred, standardised slices taken together.

Source: SALF-CBM (Benou & Riklin-Raviv, CVPR 2025, arXiv 2502.20134) for maps, Label-Free CBM (Oikarinen et al.,
ICLR 2023, arXiv 2304.06129) for pooled features, which is the same on grids of 1 x 1. Ours: (2), the exact streamed
gradient with L-BFGS, steps measured in standard deviations of channels, a validation split of the *training*
pictures (the published code stops on its test set), and keeping the best row of each concept by itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.concepts.ascent import Adam, Driver, RowLBFGS
from seewhy.concepts.similarity import Axes, similarity_and_gradient
from seewhy.concepts.sources import Pairs, Source, as_source, parts_of
from seewhy.concepts.store import FeatureStore
from seewhy.concepts.streamed import Streamed, project, pull_back
from seewhy.errors import InputError, did_you_mean, message

Init = Literal["ridge", "random"]
Mode = Literal["minibatch", "stream"]
Optimizer = Literal["adam", "lbfgs"]

IMPROVEMENT = 1e-4
"""A check that gains less than this over the best so far counts as none."""


@dataclass(frozen=True)
class ProjectionReport:
    """How a projection was fitted.

    `similarity` and `start` are means over concepts on the validation pictures, at the end and before the first
    step; `history` holds (steps, that mean) at each check. `converged` says that checks stopped improving before
    `steps` ran out. `skipped` are concepts whose teacher never varies: their weights and similarity are 0;
    `skipped_slices` counts the slices left out in all training pictures. `left_out` pictures were in one source
    only. `seconds` is wall time, never stored.
    """

    steps: int
    converged: bool
    similarity: float
    start: float
    history: tuple[tuple[int, float], ...]
    axes: str
    center: str | None
    init: str
    mode: str
    optimizer: str
    seed: int
    n_train: int
    n_validation: int
    skipped: tuple[int, ...] = ()
    skipped_slices: int = 0
    left_out: int = 0
    seconds: float | None = field(default=None, compare=False)


@dataclass(frozen=True, eq=False)
class Projection:
    """A fitted 1x1 layer: weights without bias, and each concept's similarity on the validation pictures.

    The validation pictures chose when to stop, so `similarity` is a little flattering; the test pictures were never
    seen.
    """

    weight: Float[Tensor, "m c"]
    similarity: Float[Tensor, " m"]
    report: ProjectionReport
    bias: None = None

    def __call__(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b m h w"]:
        """Concept maps q of feature maps, in their type and on their device."""
        b, _, h, w = features.shape
        return (self.weight.to(features) @ features.flatten(2)).view(b, -1, h, w)


def fit_projection(
    features: Tensor | FeatureStore | Source,
    teacher: Tensor | Source,
    *,
    axes: Axes = "images",
    center: Literal["image"] | None = None,
    unprompted: Float[Tensor, "n m"] | None = None,
    init: Init = "ridge",
    mode: Mode = "minibatch",
    optimizer: Optimizer | None = None,
    steps: int | None = None,
    batch: int = 512,
    lr: float = 1e-3,
    validation: float = 0.1,
    check_every: int | None = None,
    patience: int = 3,
    ridge: float = 1e-3,
    seed: int = 0,
    device: torch.device | str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Projection:
    """Fit (1) to a teacher.

    Parameters
    ----------
    features
        The network's, (n, c, h, w), or a store of them. Pooled features on a grid of 1 x 1 give Label-Free CBM's
        layer.
    teacher
        (n, m, gh, gw), or a source such as `LocalSimilarity`. Pictures are those of the features: in the same
        order, or matched by content where both know it. Both must have seen the same crop of each picture.
    axes, center, unprompted
        Of the similarity (`similarity`); with center="image" each whole picture's similarity is subtracted first,
        which `unprompted` gives where the teacher itself does not know it.
    init
        "ridge" (2), or "random" as a linear layer starts.
    mode
        "minibatch": statistics and gradients of `batch` pictures at a time (biased, as in every public code);
        "stream": of all pictures, exactly, `batch` of them in memory at a time.
    optimizer
        "adam" or, for "stream" only, "lbfgs"; default adam for "minibatch", lbfgs for "stream".
    steps
        At most so many gradients; default 1000, or 100 of "stream".
    lr
        Of Adam, for channels in units of their standard deviation.
    validation
        Share of the pictures that are kept to choose when to stop, drawn with `seed`.
    check_every
        Steps between checks on them; default 50, or 5 of "stream".
    patience
        Stop after so many checks without a gain of 1e-4 in the mean similarity.
    ridge
        e of (2), as a share of the channels' variances.
    seed
        Of the split, the random start and the order of pictures; the global generator is not touched.
    device
        Where to compute; default where the features are.
    progress
        Told (steps done, steps) at each check.

    Raises
    ------
    InputError
        If there are fewer than four pictures, pictures or shapes do not fit together, values are not finite,
        features do not vary, or an option is wrong.

    Notes
    -----
    Cost: about 4 n c m places per picture and step in products, and two passes before the first. Memory: one batch
    and, for the start, c x c numbers. The same input, seed and machine give the same weights.

    Examples
    --------
    >>> features = torch.rand(40, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    >>> teacher = 0.3 * features[:, :1] - 0.1 * features[:, 1:2]
    >>> fitted = fit_projection(features, teacher, mode="stream")
    >>> (-fitted.weight[0, 0] / fitted.weight[0, 1]).round(decimals=2).item()
    3.0
    """
    started = time.perf_counter()
    optimizer = optimizer or ("adam" if mode == "minibatch" else "lbfgs")
    _check_options(init, mode, optimizer, steps, batch, check_every, patience, lr, validation, ridge)
    steps = steps or (1000 if mode == "minibatch" else 100)
    check_every = check_every or (50 if mode == "minibatch" else 5)
    with torch.inference_mode(False), torch.no_grad():
        pairs = Pairs(
            as_source(features), as_source(teacher), center=center, unprompted=unprompted, device=device
        )
        train, held = split_pictures(pairs.n, validation, seed)
        full = Streamed(pairs, train, axes=axes, batch=batch, ridge=init == "ridge")
        check = Streamed(pairs, held, axes=axes, batch=batch)
        generator = torch.Generator().manual_seed(seed)
        start, unit = _start(full, init, ridge, generator)
        driver: Driver = Adam(start, lr) if optimizer == "adam" else RowLBFGS(start)
        batches = _Order(train, batch, generator)
        best = _Best(check.similarity(start * unit), start * unit, check.compared == 0)
        history = [(0, best.mean)]
        done, waited = 0, 0
        while done < steps and waited < patience and not driver.finished:
            at = driver.ask()
            if mode == "stream":
                value, slope = full.gradient(at * unit)
            else:
                value, slope = _batch_gradient(pairs, batches.next(), at * unit, axes)
            driver.tell(value, slope * unit)
            done += 1
            if done % check_every == 0 or done == steps or driver.finished:
                now = (driver.here * unit).to(start)
                before = best.mean
                mean = best.offer(check.similarity(now), now)
                waited = 0 if best.mean > before + IMPROVEMENT else waited + 1
                history.append((done, mean))
                if progress is not None:
                    progress(done, steps)
        idle = full.compared == 0
        deviation = full.deviation(best.weight)
        weight = best.weight * torch.where(idle | (deviation == 0), 0, 1 / deviation).to(best.weight)[:, None]
        similarity = torch.where(idle | (check.compared == 0), 0, best.value)
    report = ProjectionReport(
        steps=done,
        converged=waited >= patience or driver.finished,
        similarity=float(similarity.mean()),
        start=history[0][1],
        history=tuple(history),
        axes=axes,
        center=center,
        init=init,
        mode=mode,
        optimizer=optimizer,
        seed=seed,
        n_train=len(train),
        n_validation=len(held),
        skipped=tuple(torch.nonzero(idle)[:, 0].tolist()),
        skipped_slices=full.skipped,
        left_out=pairs.left_out,
        seconds=time.perf_counter() - started,
    )
    return Projection(weight.float().cpu(), similarity.float().cpu(), report)


def split_pictures(n: int, share: float, seed: int) -> tuple[Int[Tensor, " t"], Int[Tensor, " v"]]:
    """Numbers of the pictures to learn from and of those to choose by, each in ascending order.

    The second has `share` of them, at least two, and leaves at least two. InputError below four pictures.
    """
    if n < 4:
        raise InputError(
            message(
                f"There are {n} pictures, so there is nothing to compare.",
                "Concepts are compared between pictures: two to learn from and two to choose by at least.",
                "Pass more; some hundreds give useful concepts.",
            )
        )
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    held = min(max(2, round(share * n)), n - 2)
    return order[held:].sort().values, order[:held].sort().values


class _Order:
    """Batches of pictures, in a new order each time round; pictures that do not fill a batch wait for the next."""

    def __init__(self, numbers: Tensor, batch: int, generator: torch.Generator) -> None:
        self._numbers, self._batch, self._generator = numbers, min(batch, len(numbers)), generator
        self._queue: list[Tensor] = []

    def next(self) -> Tensor:
        if not self._queue:
            order = self._numbers[torch.randperm(len(self._numbers), generator=self._generator)]
            self._queue = [part for part in parts_of(order, self._batch) if len(part) == self._batch]
        return self._queue.pop()


class _Best:
    """The best row of each concept so far, by its own similarity: rows do not depend on each other.

    Where that similarity cannot be judged (`blind`), the latest row.
    """

    def __init__(self, value: Tensor, weight: Tensor, blind: Tensor) -> None:
        self.value, self.weight, self._blind = value, weight.clone(), blind

    @property
    def mean(self) -> float:
        return float(self.value.mean())

    def offer(self, value: Tensor, weight: Tensor) -> float:
        better = (value > self.value) | self._blind
        self.value = torch.where(better, value, self.value)
        self.weight[better] = weight[better]
        return float(value.mean())


def _start(full: Streamed, init: str, ridge: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows in units of the channels' deviations, each of the length of a random row; and those units.

    A step of the optimiser thus means the same whatever the scale of the features and wherever it starts.
    """
    pairs = full.pairs
    std = full.channel_std
    unit = torch.where(std > 0, 1 / std, 0).to(pairs.dtype)
    length = 1 / math.sqrt(3)  # of a row of a linear layer, on average
    if init == "random":
        bound = 1 / math.sqrt(pairs.channels)
        drawn = torch.rand(pairs.concepts, pairs.channels, generator=generator, dtype=torch.float64)
        rows = ((2 * drawn - 1) * bound).to(pairs.device, pairs.dtype)
    else:
        assert full.ridge is not None, "the ridge start needs its sums"
        rows = full.ridge.solve(ridge) * std
        norm = rows.norm(dim=1, keepdim=True)
        rows = (rows * torch.where(norm > 0, length / norm, 0)).to(pairs.dtype)
    return rows, unit


def _batch_gradient(pairs: Pairs, numbers: Tensor, weight: Tensor, axes: Axes) -> tuple[Tensor, Tensor]:
    f, p = pairs.batch(numbers)
    found, g = similarity_and_gradient(project(weight, f, pairs.up).view(p.shape), p, axes=axes)
    return found.value, pull_back(g.flatten(2), f, pairs.up)


def _check_options(
    init: str,
    mode: str,
    optimizer: str,
    steps: int | None,
    batch: int,
    check_every: int | None,
    patience: int,
    lr: float,
    validation: float,
    ridge: float,
) -> None:
    for name, value, known in (
        ("init", init, Init),
        ("mode", mode, Mode),
        ("optimizer", optimizer, Optimizer),
    ):
        if value not in get_args(known):
            raise InputError(
                message(
                    f"{name} is {value!r}.",
                    did_you_mean(str(value), get_args(known)),
                    f"Pass one of {', '.join(get_args(known))}.",
                )
            )
    if mode == "minibatch" and optimizer == "lbfgs":
        raise InputError(
            message(
                "optimizer is 'lbfgs' with mode='minibatch'.",
                "L-BFGS needs gradients of all pictures; those of batches differ from call to call.",
                "Pass mode='stream', or optimizer='adam'.",
            )
        )
    least = {
        "steps": (steps, 1),
        "batch": (batch, 2),
        "check_every": (check_every, 1),
        "patience": (patience, 1),
    }
    for name, (count, smallest) in least.items():
        if count is not None and count < smallest:
            raise InputError(message(f"{name} is {count}.", f"It is at least {smallest}.", "Leave it out."))
    if not (lr > 0 and 0 < validation < 1 and ridge > 0):
        raise InputError(
            message(
                f"lr is {lr}, validation {validation}, ridge {ridge}.",
                "lr and ridge are above 0, and validation is a share between 0 and 1.",
                "Leave them out.",
            )
        )
