"""The cubic cosine similarity of a projection over any number of pictures, exactly, in passes over batches.

With features F (c values per place), weights w and q = w F, for each slice of `similarity`:

    pass 1   means of F and of the teacher p, and the teacher's variance
    pass 2   the norm of the teacher's cubes, and what the ridge start needs
    then for any weights:
    pass A   u = q - w mean(F),   s = <u^3, t> / |u^3|,   t = p'^3 / |p'^3|                             (1)
    pass B   g = 3 u^2 (t - s u^3 / |u^3|) / |u^3|,
             ds/dw = sum g F - (sum g) mean(F)                                                          (2)

The mean of q is w times that of F, so (2) is exact though the mean of g is known only when the pass is over.
Products are made in the features' precision, sums over batches in float64. Along "locations" slices lie within a
picture, and a batch is enough for each.

Source: Seewhy's own arrangement of the loss of `similarity`; checked against automatic differentiation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seewhy.concepts.similarity import VARIANCE_FLOOR, check_samples, sample_dims, slice_gradients, unit_cubes
from seewhy.concepts.sources import Pairs, parts_of
from seewhy.errors import InputError, message


@dataclass(frozen=True, eq=False)
class Ridge:
    """What the regression of the teacher on the features needs, centred and standardised slice by slice.

    `gram` is the sum of f f^T over samples, `cross` that of f b, for centred features f and standardised targets b.
    """

    gram: Float[Tensor, "c c"]
    cross: Float[Tensor, "c m"]
    samples: int

    def solve(self, strength: float) -> Float[Tensor, "m c"]:
        """w_m = (gram + e I)^-1 cross_m for all concepts by one factorisation, for channels of equal variance.

        `strength` is e as a share of that variance; channels that do not vary get no weight.
        """
        size = self.gram.diagonal().sqrt()
        if not (size > 0).any():
            raise InputError(
                message(
                    "The features do not vary over the training pictures.",
                    "Concepts are read from what differs.",
                    "Check the layer, and that different pictures reached it.",
                )
            )
        inverse = torch.where(size > 0, 1 / size, 0)
        equal = self.gram * inverse * inverse[:, None]
        equal.diagonal().copy_(equal.diagonal() + strength + (size == 0))
        factor = torch.linalg.cholesky(equal)
        solved: Tensor = torch.cholesky_solve(self.cross * inverse[:, None], factor)
        return solved.T * inverse


class Streamed:
    """Similarity and gradient of any weights over chosen pictures; making one takes passes 1 and 2.

    Parameters
    ----------
    pairs
        Features and teacher.
    numbers
        The pictures.
    axes
        As in `similarity`.
    batch
        Pictures in memory at a time; it changes rounding only.
    ridge
        Gather what the ridge start needs, too.

    Raises
    ------
    InputError
        If a slice has one sample, or a value is not finite (the message says in which picture).
    """

    def __init__(
        self, pairs: Pairs, numbers: Int[Tensor, " n"], *, axes: str, batch: int, ridge: bool = False
    ) -> None:
        self.pairs, self.numbers, self.batch = pairs, numbers, batch
        self.dims = sample_dims(axes)
        self.within_pictures = 0 not in self.dims
        check_samples((len(numbers), pairs.concepts, *pairs.grid), self.dims)
        self._means()
        self.ridge: Ridge | None = None
        self._norms(ridge)

    @property
    def skipped(self) -> int:
        """Slices left out because their teacher does not vary."""
        return int(self.slices) * self.pairs.concepts - int(self.compared.sum())

    def similarity(self, weight: Float[Tensor, "m c"]) -> Float[Tensor, " m"]:
        """The mean over slices of (1), float64."""
        return self._run(weight, gradient=False)[0]

    def gradient(self, weight: Float[Tensor, "m c"]) -> tuple[Float[Tensor, " m"], Float[Tensor, "m c"]]:
        """The same, and (2): the gradient of each concept's similarity by its own row; float64."""
        return self._run(weight, gradient=True)

    def deviation(self, weight: Float[Tensor, "m c"]) -> Float[Tensor, " m"]:
        """The standard deviation of each concept's maps about the means of their slices, in one pass, float64."""
        pairs = self.pairs
        weight = weight.to(pairs.device, pairs.dtype)
        squares, samples = self._zeros(len(weight)), 0
        for f, p in pairs.batches(self.numbers, self.batch):
            q = project(weight, f, pairs.up)
            q = q - (q.mean(2, keepdim=True) if self.within_pictures else weight @ self.feature_mean)
            squares += q.square().sum((0, 2))
            samples += len(p) * q.shape[2]
        return (squares / samples).sqrt()

    def _means(self) -> None:
        """Pass 1."""
        pairs = self.pairs
        places = pairs.grid[0] * pairs.grid[1]
        coarse = places if pairs.up is None else pairs.up.shape[1]
        f_sum, f_squares = self._zeros(pairs.channels, coarse), self._zeros(pairs.channels)
        p_sum, p_squares = self._zeros(2, pairs.concepts, *pairs.grid)
        for part in parts_of(self.numbers, self.batch):
            f, p = pairs.batch(part)
            _check_finite(f, "features", part)
            _check_finite(p, "teacher", part)
            f_sum += f.sum(0, dtype=torch.float64)
            f_squares += f.double().square().sum((0, 2))
            p_sum += p.sum(0, dtype=torch.float64)
            p_squares += p.double().square().sum(0)
        n = len(self.numbers)
        f_mean = f_sum / n
        mean = f_mean.mean(1)
        self.channel_mean = mean
        self.channel_std = (f_squares / (n * coarse) - mean.square()).clamp(min=0).sqrt()
        # Rounding of equal values leaves a little; it must not be divided by.
        dust = 4 * torch.finfo(pairs.dtype).eps * (mean.square() + self.channel_std.square()).sqrt()
        self.channel_std = torch.where(self.channel_std > dust, self.channel_std, 0)
        if pairs.up is not None:
            f_mean = f_mean @ pairs.up.double().T
        if self.dims == (0,):
            self.slices = places
            p_mean, p_squares = p_sum / n, p_squares / n
        else:
            self.slices = n if self.within_pictures else 1
            f_mean = f_mean.mean(1, keepdim=True)
            p_mean = p_sum.mean((1, 2), keepdim=True) / n
            p_squares = p_squares.mean((1, 2), keepdim=True) / n
        self.feature_mean = f_mean.to(pairs.dtype)  # (c, places), or (c, 1)
        variance = (p_squares - p_mean.square()).clamp(min=0)
        rounding = (4 * torch.finfo(pairs.dtype).eps * p_mean).square()
        self.varies: Bool[Tensor, "1 m gh gw"] = (variance >= torch.clamp(rounding, min=VARIANCE_FLOOR))[None]
        self.target_mean = p_mean.to(pairs.dtype)[None]
        self.target_scale = torch.where(self.varies[0], 1 / variance.sqrt(), 0).to(pairs.dtype)[None]

    def _norms(self, ridge: bool) -> None:
        """Pass 2."""
        pairs = self.pairs
        sixth = self._zeros(*self.varies.shape)
        compared = torch.zeros(pairs.concepts, dtype=torch.long, device=pairs.device)
        gram = self._zeros(pairs.channels, pairs.channels)
        cross = self._zeros(pairs.channels, pairs.concepts)
        samples = 0
        for f, p in pairs.batches(self.numbers, self.batch):
            if self.within_pictures:
                b, varies = _standardised_within(p)
                compared += varies.sum((0, 2, 3))
            else:
                b = (p - self.target_mean) * self.target_scale
                sixth += (b * b * b).square().sum(self.dims, keepdim=True)
            if ridge:
                if pairs.up is not None:
                    f = f @ pairs.up.T
                f = f - (f.mean(2, keepdim=True) if self.within_pictures else self.feature_mean)
                rows = f.transpose(1, 2).reshape(-1, pairs.channels)
                gram += rows.T @ rows
                cross += rows.T @ b.flatten(2).transpose(1, 2).reshape(-1, pairs.concepts)
                samples += len(rows)
        self.compared = compared if self.within_pictures else self.varies.sum((0, 2, 3))
        self.target_norm = torch.where(self.varies, 1 / sixth.sqrt(), 0).to(pairs.dtype)
        if ridge:
            alive = (self.channel_std > 0).double()
            self.ridge = Ridge(gram * alive * alive[:, None], cross * alive[:, None], samples)

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros(*shape, dtype=torch.float64, device=self.pairs.device)

    def _run(self, weight: Tensor, *, gradient: bool) -> tuple[Tensor, Tensor]:
        weight = weight.to(self.pairs.device, self.pairs.dtype)
        value, slope = self._within(weight) if self.within_pictures else self._across(weight, gradient)
        share = 1 / self.compared.clamp(min=1).double()
        return value * share, slope * share[:, None]

    def _within(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Sums over slices that lie within pictures."""
        value = self._zeros(len(weight))
        slope = self._zeros(*weight.shape)
        for f, p in self.pairs.batches(self.numbers, self.batch):
            q = project(weight, f, self.pairs.up).view(p.shape)
            found, _, g = slice_gradients(q, p, self.dims)
            value += found.sum((0, 2, 3), dtype=torch.float64)
            slope += pull_back(g.flatten(2), f, self.pairs.up)
        return value, slope

    def _across(self, weight: Tensor, gradient: bool) -> tuple[Tensor, Tensor]:
        """Sums over slices that lie across pictures: pass A, and pass B if wished."""
        scale = weight.abs() @ self.channel_std.to(
            weight
        )  # no less than the maps' deviation, and of its order
        noise = weight.abs() @ (self.channel_mean.abs() + self.channel_std).to(weight)
        scale = torch.where(scale > 0, scale, 1)[None, :, None, None]
        floor = (8 * torch.finfo(weight.dtype).eps * noise[None, :, None, None] / scale).double()
        mean = (weight @ self.feature_mean).view(1, *self.varies.shape[1:])
        dot, sixth = self._zeros(2, *self.varies.shape)
        for f, p in self.pairs.batches(self.numbers, self.batch):
            _, v, goal = self._cubes(weight / scale[0, :, :, 0], mean / scale, f, p)
            dot += goal.mul_(v).sum(self.dims, keepdim=True)
            sixth += v.mul_(v).sum(self.dims, keepdim=True)
        samples = len(self.numbers) * (1 if self.dims == (0,) else p[0, 0].numel())
        use = self.varies & (sixth > samples * floor.pow(6))
        norm = torch.where(use, sixth, 1).sqrt()
        s = torch.where(use, dot / norm, 0)
        slope = self._zeros(*weight.shape)
        if gradient:
            total = torch.zeros_like(dot)
            back, factor = (-s / norm).to(weight), torch.where(use, 3 / (norm * scale), 0).to(weight)
            for f, p in self.pairs.batches(self.numbers, self.batch):
                squares, v, goal = self._cubes(weight / scale[0, :, :, 0], mean / scale, f, p)
                g = v.mul_(back).add_(goal).mul_(squares).mul_(factor)
                total += g.sum(self.dims, keepdim=True)
                slope += pull_back(g.flatten(2), f, self.pairs.up)
            slope -= total[0].flatten(1) @ self.feature_mean.double().T
        return s.sum((0, 2, 3)), slope

    def _cubes(self, weight: Tensor, mean: Tensor, f: Tensor, p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """u^2, u^3 and t of a batch."""
        u = project(weight, f, self.pairs.up).view(p.shape).sub_(mean)
        squares = u * u
        b = (p - self.target_mean).mul_(self.target_scale)
        return squares, u.mul_(squares), (b * b).mul_(b).mul_(self.target_norm)


def project(
    weight: Float[Tensor, "m c"], f: Float[Tensor, "b c s"], up: Float[Tensor, "t s"] | None
) -> Float[Tensor, "b m t"]:
    """w F at every place, on the teacher's grid."""
    if f.shape[2] == 1:
        q = (f[:, :, 0] @ weight.T)[
            :, :, None
        ]  # a thousand products of matrix and vector are slower than one
    else:
        q = weight @ f
    return q if up is None else q @ up.T


def pull_back(
    g: Float[Tensor, "b m t"], f: Float[Tensor, "b c s"], up: Float[Tensor, "t s"] | None
) -> Float[Tensor, "m c"]:
    """The gradient by w from that by the maps: the transpose of `project`."""
    if up is not None:
        g = g @ up
    if f.shape[2] == 1:
        return g[:, :, 0].T @ f[:, :, 0]
    return torch.addbmm(g.new_zeros(g.shape[1], f.shape[1]), g, f.transpose(1, 2))


def _standardised_within(p: Tensor) -> tuple[Tensor, Tensor]:
    b = p - p.mean((2, 3), keepdim=True)
    variance = b.square().mean((2, 3), keepdim=True)
    _, varies = unit_cubes(p, (2, 3))
    return b * torch.where(varies, variance.rsqrt(), 0), varies


def _check_finite(x: Tensor, what: str, numbers: Tensor) -> None:
    bad = ~torch.isfinite(x.flatten(1)).all(1)
    if bad.any():
        raise InputError(
            message(
                f"The {what} of {int(bad.sum())} pictures have NaN or infinite values; the first is picture "
                f"{int(numbers[bad.cpu()][0])}.",
                "All values are finite.",
                "Look for a layer or an image-text model that overflows, perhaps in half precision.",
            )
        )
