"""Concepts with names: standardised maps of features, what the same value means for each of them, and how good.

    z[m,y,x] = (sum_c w[m,c] F[c,y,x] - mean_m) / std_m,   mean over places of z[m] = pooled z_m                (1)

`mean` and `std` are those of each concept's mean over places ("pooled") on the training pictures. Because pooling is
linear they standardise maps and pooled values alike, so a linear head on pooled values has a class map whose mean
is the logit. On their own scale a 2 may be common for one concept and unheard of for another: quantiles of the
training pictures' map values, the calibration, say which percentile a value is.

Source: (1) is SALF-CBM's (Benou & Riklin-Raviv, CVPR 2025, arXiv 2502.20134) and Label-Free CBM's normalisation;
the calibration is ours. Standard deviations divide by n (Label-Free CBM: by n - 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.concepts.similarity import widened
from seewhy.concepts.sources import Source, as_source, parts_of
from seewhy.concepts.store import FeatureStore
from seewhy.errors import InputError, UnknownConcept, did_you_mean, message

LEVELS = (0.01, 0.10, 0.50, 0.90, 0.99)
"""The quantiles that are kept: enough for a scale to draw by and to say how strong a value is."""

CALIBRATION_VALUES = 2**26
"""So many map values are sorted at most for quantiles; of more, those of a seeded draw of pictures are."""


@dataclass(frozen=True, eq=False)
class ConceptSpace:
    """Maps features to standardised concept maps.

    A concept whose pooled value never changed on the training pictures is dead: it keeps its name and place, with
    weights 0, mean 0 and std 1, so that its maps are zero and nothing is ever divided by zero.

    Attributes
    ----------
    names
        One per concept, all different.
    weight
        Directions in feature space.
    mean, std
        Of the pooled concepts on the training pictures; std is above 0.
    quantiles, pooled_quantiles
        At `LEVELS`, of standardised map values and of their means over places, on the training pictures.
    quality
        How well each concept is known, -1 to 1, higher is better: its similarity to its teacher on validation
        pictures, or whatever else the maker of the space states; None if unknown.
    """

    names: tuple[str, ...]
    weight: Float[Tensor, "m c"]
    mean: Float[Tensor, " m"]
    std: Float[Tensor, " m"]
    quantiles: Float[Tensor, "m 5"]
    pooled_quantiles: Float[Tensor, "m 5"]
    quality: Float[Tensor, " m"] | None = None

    def __post_init__(self) -> None:
        m = len(self.names)
        _check_names(self.names)
        shapes = {
            "weight": (m, self.weight.shape[-1]),
            "mean": (m,),
            "std": (m,),
            "quantiles": (m, len(LEVELS)),
            "pooled_quantiles": (m, len(LEVELS)),
            "quality": (m,),
        }
        for name, shape in shapes.items():
            tensor = getattr(self, name)
            if tensor is None:
                continue
            if tuple(tensor.shape) != shape or not torch.isfinite(tensor).all():
                raise InputError(
                    message(
                        f"{name} is {tuple(tensor.shape)}"
                        + ("." if tuple(tensor.shape) != shape else ", with NaN or infinite values."),
                        f"It is {shape}, finite: one row for each of the {m} names.",
                        "Make the space with calibrate.",
                    )
                )
        if not (self.std > 0).all():
            raise InputError(
                message(
                    f"std goes down to {float(self.std.min()):g}.",
                    "It is above 0; a dead concept has weights 0 and std 1.",
                    "Make the space with calibrate.",
                )
            )

    @classmethod
    def calibrate(
        cls,
        names: Sequence[str],
        weight: Float[Tensor, "m c"],
        features: Tensor | FeatureStore | Source,
        *,
        quality: Float[Tensor, " m"] | None = None,
        batch: int = 512,
        seed: int = 0,
        device: torch.device | str | None = None,
    ) -> ConceptSpace:
        """Measure mean, std and quantiles of a projection's concepts on training pictures.

        Takes two passes over the features, `batch` pictures at a time.

        Parameters
        ----------
        names, weight, quality
            Of the projection.
        features
            Of the *training* pictures: (n, c, h, w), or a store of them.
        seed
            Of the draw of pictures for quantiles, where there are more than 67 million map values.
        device
            Where to compute; default where the features are.

        Raises
        ------
        InputError
            If names are not unique, shapes do not fit, there are fewer than two pictures, or values are not
            finite.
        """
        source = as_source(features)
        if source.n < 2 or source.channels != weight.shape[-1] or batch < 1:
            raise InputError(
                message(
                    f"There are {source.n} pictures of {source.channels} channels for weights "
                    f"{tuple(weight.shape)}, in batches of {batch}.",
                    "Two pictures at least are needed to know how a concept varies, with the channels of weight.",
                    "Pass the features that the projection was fitted on.",
                )
            )
        with torch.inference_mode(False), torch.no_grad():
            weight = widened(weight).detach().float().clone()
            mean, std = _pooled_moments(source, weight, batch, device)
            dead = std == 0
            weight[dead.to(weight.device)] = 0
            mean, std = torch.where(dead, 0, mean).float(), torch.where(dead, 1, std).float()
            flat = torch.zeros(len(mean), len(LEVELS))
            space = cls(tuple(names), weight.cpu(), mean.cpu(), std.cpu(), flat, flat, _kept(quality))
            quantiles, pooled = _quantiles(space, source, batch, seed, device)
        return replace(space, quantiles=quantiles, pooled_quantiles=pooled)

    @property
    def n_concepts(self) -> int:
        """How many."""
        return len(self.names)

    @property
    def channels(self) -> int:
        """Of the features."""
        return int(self.weight.shape[1])

    @property
    def dead(self) -> tuple[str, ...]:
        """Concepts that never changed on the training pictures; their maps are zero."""
        idle = (self.weight == 0).all(1).tolist()
        return tuple(name for name, is_idle in zip(self.names, idle, strict=True) if is_idle)

    def maps(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b m h w"]:
        """Standardised concept maps z, (1); differentiable, on the features' device, float32 at least."""
        f = self._checked(features, 4)
        b, _, h, w = f.shape
        weight, shift = self._standardised(f)
        z = torch.baddbmm(shift[:, None].expand(b, -1, 1), weight.expand(b, -1, -1), f.flatten(2))
        return z.view(b, len(weight), h, w)

    def pooled(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b m"]:
        """The mean over places of `maps`, without making them; pooled features (b, c) are taken as they are."""
        f = self._checked(features, features.ndim if features.ndim == 2 else 4)
        weight, shift = self._standardised(f)
        return torch.addmm(shift, f if f.ndim == 2 else f.mean((2, 3)), weight.T)

    def select(self, names: Sequence[str | int]) -> ConceptSpace:
        """The space of these concepts, in this order.

        Raises
        ------
        UnknownConcept
            If there is no such concept.
        InputError
            If one is asked for twice, or none.
        """
        at = [self.index(name) for name in names]
        if not at:
            raise InputError(message("No concept was selected.", "One is needed at least.", "Name some."))
        return ConceptSpace(
            tuple(self.names[m] for m in at),
            self.weight[at],
            self.mean[at],
            self.std[at],
            self.quantiles[at],
            self.pooled_quantiles[at],
            None if self.quality is None else self.quality[at],
        )

    def index(self, concept: str | int) -> int:
        """Number of a concept, by name or number. UnknownConcept if there is none."""
        if isinstance(concept, str) and concept in self.names:
            return self.names.index(concept)
        if isinstance(concept, int) and not isinstance(concept, bool) and 0 <= concept < len(self.names):
            return concept
        raise UnknownConcept(
            message(
                f"There is no concept {concept!r}.",
                did_you_mean(str(concept), self.names),
                f"Concepts are numbered 0 to {len(self.names) - 1}.",
            )
        )

    def percentile(
        self, concept: str | int, values: Float[Tensor, "*shape"] | float, *, pooled: bool = False
    ) -> Float[Tensor, "*shape"]:
        """Which percentile of a concept's training map values these are, 1 to 99, linear between quantiles.

        1 means 1 or less, 99 means 99 or more. A value that several quantiles share gets the middle of them. With
        `pooled` the values are means over places, and so is what they are compared with.
        """
        of = self.pooled_quantiles if pooled else self.quantiles
        knots = of[self.index(concept)].double().cpu().numpy()
        percents = 100 * np.asarray(LEVELS)
        x = torch.as_tensor(values)
        v = x.detach().double().cpu().numpy()
        found = np.interp(v, knots, percents)
        first, last = np.searchsorted(knots, v, "left"), np.searchsorted(knots, v, "right") - 1
        middle = (
            percents[np.clip(first, 0, len(knots) - 1)] + percents[np.clip(last, 0, len(knots) - 1)]
        ) / 2
        found = np.where(last > first, middle, found)
        found = np.where(np.isnan(v), np.nan, found)
        return torch.as_tensor(found, dtype=torch.float32, device=x.device)

    def _standardised(self, like: Tensor) -> tuple[Tensor, Tensor]:
        weight, mean, std = (t.to(like.device, torch.float64) for t in (self.weight, self.mean, self.std))
        return (weight / std[:, None]).to(like.dtype), (-mean / std).to(like.dtype)

    def _checked(self, features: Tensor, ndim: int) -> Tensor:
        if features.ndim != ndim or features.shape[1] != self.channels:
            raise InputError(
                message(
                    f"Features are {tuple(features.shape)}.",
                    f"They are (pictures, {self.channels}, height, width).",
                    "Pass features of the layer that the concepts were learned at.",
                )
            )
        return widened(features)


def _check_names(names: Sequence[str]) -> None:
    empty = [name for name in names if not isinstance(name, str) or not name.strip()]
    double = sorted({name for name in names if list(names).count(name) > 1}) if not empty else []
    if not names or empty or double:
        came = (
            "There are no names." if not names else f"Two concepts are named {double[0]!r}." if double else ""
        )
        raise InputError(
            message(
                came or f"A name is {empty[0]!r}.", "Each concept has a name of its own.", "Name them anew."
            )
        )


def _kept(quality: Tensor | None) -> Tensor | None:
    return None if quality is None else quality.detach().float().cpu().clone()


def _pooled_moments(
    source: Source, weight: Tensor, batch: int, device: torch.device | str | None
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of pooled concepts, float64; a deviation of rounding alone is given as 0."""
    n, eps = 0, 0.0
    mean = squares = noise = torch.zeros(len(weight), dtype=torch.float64)
    for numbers in parts_of(torch.arange(source.n), batch):
        f = widened(source.batch(numbers))
        eps = torch.finfo(f.dtype).eps
        f = f.mean((2, 3), dtype=torch.float64)
        f = f if device is None else f.to(device)
        bad = ~torch.isfinite(f).all(1)
        if bad.any():
            raise InputError(
                message(
                    f"The features of {int(bad.sum())} pictures have NaN or infinite values; the first is picture "
                    f"{int(numbers[bad.cpu()][0])}.",
                    "All values are finite.",
                    "Leave these pictures out, or look for a layer that overflows.",
                )
            )
        w = weight.to(f)
        q = f @ w.T
        # Means and squares of parts are joined (Chan et al. 1983), so nothing large is subtracted.
        part, new = q.mean(0), len(q)
        mean, squares, noise = mean.to(q), squares.to(q), noise.to(q)
        step = part - mean
        squares = squares + (q - part).square().sum(0) + step.square() * (n * new / (n + new))
        mean = mean + step * (new / (n + new))
        noise = noise + (f.abs() @ w.abs().T).sum(0)
        n += new
    std = (squares / n).sqrt()
    return mean, torch.where(std > 8 * eps * noise / n, std, 0)


def _quantiles(
    space: ConceptSpace, source: Source, batch: int, seed: int, device: torch.device | str | None
) -> tuple[Float[Tensor, "m 5"], Float[Tensor, "m 5"]]:
    """Of map values and of pooled ones, sorted exactly for as many pictures as `CALIBRATION_VALUES` allows."""
    places = source.grid[0] * source.grid[1]
    most = max(2, CALIBRATION_VALUES // (space.n_concepts * places))
    numbers = torch.arange(source.n)
    if most < source.n:
        drawn = torch.randperm(source.n, generator=torch.Generator().manual_seed(seed))[:most]
        numbers = drawn.sort().values
    values = torch.empty(space.n_concepts, len(numbers) * places)
    means = torch.empty(space.n_concepts, len(numbers))
    at = 0
    for part in parts_of(numbers, batch):
        f = source.batch(part)
        z = space.maps(f if device is None else f.to(device))
        n_here = len(part) * places
        values[:, at : at + n_here] = z.transpose(0, 1).reshape(space.n_concepts, -1).cpu()
        means[:, at // places : at // places + len(part)] = z.mean((2, 3)).T.cpu()
        at += n_here
    return _sorted_at(values), _sorted_at(means)


def _sorted_at(rows: Float[Tensor, "m n"]) -> Float[Tensor, "m 5"]:
    return torch.from_numpy(np.stack([np.quantile(row.numpy(), LEVELS) for row in rows])).float()
