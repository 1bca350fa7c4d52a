"""How good is a dictionary? Numbers that need features only: no network, no labels.

    rel_l2 = |A - A_hat|_F / |A|_F                                                                      (1)
    sparsity = 1 - mean over rows of (codes with |u| > 1e-6) / K                                        (2)
    stability = mean over pairs of fits of max over P of (1/K) sum_k cos(W_k, W'_P(k))                  (3)

(1) and (2) follow Fel et al., NeurIPS 2023 (arXiv 2306.07304), with (3) over halves of the data and the best
one-to-one matching P. Where codes cannot be negative an atom's sign means something and the cosine keeps it,
else its size counts. Splitting by image instead of by row is ours: the places of one picture are not
independent, and rows held out from pictures that were fitted would flatter every dictionary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.errors import InputError, message

if TYPE_CHECKING:
    from seewhy.concepts.base import Dictionary

Make = Callable[..., "Dictionary"]
"""A dictionary class, or a `functools.partial` of one with its own options set."""


@dataclass(frozen=True)
class HeldOut:
    """(1) on the images that were fitted and on those that were not; the excess says if images were too few."""

    n_concepts: int
    fitted: float
    held_out: float
    n_fitted: int
    n_held_out: int

    @property
    def excess(self) -> float:
        """By which share the error is larger on images that were not fitted; 0 if it is not."""
        return max(0.0, self.held_out / self.fitted - 1) if self.fitted > 0 else 0.0


@dataclass(frozen=True)
class Stability:
    """(3), its value for each pair of fits, and the mean matched cosine of each concept of the first fit."""

    mean: float
    pairs: tuple[float, ...]
    concepts: tuple[float, ...]


def rel_l2(features: Float[Tensor, "*shape"], rebuilt: Float[Tensor, "*shape"]) -> float:
    """(1): 0 for a perfect account, 1 for rebuilding nothing; zero features rebuilt as others give infinity."""
    if features.shape != rebuilt.shape:
        raise InputError(
            message(
                f"Features are {tuple(features.shape)}, their reconstruction {tuple(rebuilt.shape)}.",
                "Both have one shape.",
                "Compare each with what it was rebuilt from.",
            )
        )
    error = float(torch.linalg.vector_norm((features - rebuilt).detach(), dtype=torch.float64))
    size = float(torch.linalg.vector_norm(features.detach(), dtype=torch.float64))
    if size == 0:
        return 0.0 if error == 0 else float("inf")
    return error / size


def sparsity(codes: Float[Tensor, "n k"]) -> float:
    """(2): 0 if every code is used in every row, towards 1 if few are; no rows give 1."""
    if codes.numel() == 0:
        return 1.0
    return 1 - float((codes.detach().abs() > 1e-6).double().mean())


def matched_cosines(
    atoms: Float[Tensor, "k c"], others: Float[Tensor, "m c"], *, signed: bool
) -> tuple[Float[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """Cosine of each atom with its partner in the best one-to-one matching, and the partner's index.

    Parameters
    ----------
    signed
        Whether opposite atoms are unlike (True) or the same (False).

    Returns
    -------
    cosines, partners
        An atom left over, where `others` are fewer, has NaN and -1; a zero atom has cosine 0.
    """
    from scipy.optimize import linear_sum_assignment

    first, second = (
        (a / a.norm(dim=1, keepdim=True).clamp_min(1e-30)).numpy()
        for a in (atoms.detach().cpu().double(), others.detach().cpu().double())
    )
    cosines = first @ second.T
    cosines = cosines if signed else np.abs(cosines)
    rows, columns = linear_sum_assignment(cosines, maximize=True)
    found, partners = np.full(len(first), np.nan), np.full(len(first), -1)
    found[rows], partners[rows] = cosines[rows, columns], columns
    return found, partners


def stability(
    dictionary: Make,
    features: Float[Tensor, "n c"],
    image_index: Int[Tensor, " n"] | None = None,
    *,
    n_concepts: int = 10,
    n_fits: int = 10,
    seed: int = 0,
) -> Stability:
    """(3) over `n_fits` fits, each on its own random half of the images, or of the rows without `image_index`.

    Notes
    -----
    Costs `n_fits` fits. Two halves share half of their images on average, so that values are a little higher
    than for fresh data.
    """
    if n_fits < 2:
        raise InputError(
            message(f"n_fits is {n_fits}.", "Two fits are compared at least.", "Pass n_fits=10.")
        )
    groups = _groups(features, image_index)
    fits = []
    for i in range(n_fits):
        half, _ = _halves(groups, seed + i)
        fits.append(dictionary(n_concepts, seed=seed + i).fit(features[half]))
    signed = fits[0].nonnegative_codes
    matched = {
        (i, j): matched_cosines(fits[i].atoms, fits[j].atoms, signed=signed)[0]
        for i, j in combinations(range(n_fits), 2)
    }
    pairs = [float(cosines.mean()) for cosines in matched.values()]
    concepts = np.mean([cosines for (i, _), cosines in matched.items() if i == 0], axis=0)
    return Stability(float(np.mean(pairs)), tuple(pairs), tuple(float(value) for value in concepts))


def held_out(
    dictionary: Make,
    features: Float[Tensor, "n c"],
    image_index: Int[Tensor, " n"] | None = None,
    *,
    n_concepts: int = 10,
    seed: int = 0,
) -> HeldOut:
    """Fit on a random half of the images and measure (1) on both halves.

    Parameters
    ----------
    dictionary
        A dictionary class.
    image_index
        Which image each row comes from; None counts every row as an image, as crops may be.

    Raises
    ------
    InputError
        If there are fewer than two images.
    """
    groups = _groups(features, image_index)
    inside, n_inside = _halves(groups, seed)
    fitted = dictionary(n_concepts, seed=seed).fit(features[inside])
    errors = []
    for rows in (features[inside], features[~inside]):
        with torch.no_grad():
            errors.append(rel_l2(rows, fitted.decode(fitted.encode(rows))))
    return HeldOut(n_concepts, errors[0], errors[1], n_inside, int(groups.max()) + 1 - n_inside)


def held_out_curve(
    dictionary: Make,
    features: Float[Tensor, "n c"],
    image_index: Int[Tensor, " n"] | None = None,
    *,
    n_concepts: Sequence[int] = (2, 5, 10, 25),
    seed: int = 0,
) -> tuple[HeldOut, ...]:
    """`held_out` for several numbers of concepts on the same halves: where the held-out error stops falling."""
    return tuple(held_out(dictionary, features, image_index, n_concepts=k, seed=seed) for k in n_concepts)


def _groups(features: Tensor, image_index: Tensor | None) -> Int[Tensor, " n"]:
    """The image of each row as 0, 1, ...; on the features' device."""
    if image_index is None:
        image_index = torch.arange(len(features))
    if image_index.shape != (len(features),):
        raise InputError(
            message(
                f"image_index has the shape {tuple(image_index.shape)} for {len(features)} rows.",
                "It names the image of each row.",
                "Pass one integer per row.",
            )
        )
    images, groups = torch.unique(image_index, return_inverse=True)
    if len(images) < 2:
        raise InputError(
            message(
                f"The rows come from {len(images)} image(s).",
                "Holding images out takes two or more.",
                "Pass more images, or check image_index.",
            )
        )
    found: Tensor = groups.to(features.device)
    return found


def _halves(groups: Tensor, seed: int) -> tuple[Tensor, int]:
    """Which rows lie in a random half of the images (the larger one, if odd), and how many images that is."""
    n = int(groups.max()) + 1
    chosen = torch.zeros(n, dtype=torch.bool)
    chosen[torch.randperm(n, generator=torch.Generator().manual_seed(seed))[: (n + 1) // 2]] = True
    return chosen.to(groups.device)[groups], int(chosen.sum())
