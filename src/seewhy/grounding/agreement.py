"""How far two ways of grounding words agree: the numbers by which a cheap teacher is judged against red circles.

Three questions, asked of the similarities P[n, m, y, x] of two stores of the same pictures and the same grid:

    over images   corr_n(P, P') for each concept and cell: what the loss of SALF-CBM over images sees         (1)
    over cells    corr_(y, x)(P, P') for each picture and concept: whether both point to the same place       (2)
    top           |A and B| / |A or B| of the k concepts most similar to each cell of each picture            (3)

Means of correlations are plain; a slice in which one of the two is constant has none, and is skipped and counted.
Red circles are not the truth: a teacher that agrees less may be better, which masks decide and not this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.errors import InputError, message
from seewhy.grounding.correlation import correlations, rank_correlations
from seewhy.grounding.store import LocalEmbeddingStore

_CONCEPTS_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Spread:
    """Numbers of many slices.

    Parameters
    ----------
    values
        One per slice; NaN where it was skipped.
    """

    values: Float[np.ndarray, "*slices"]

    @property
    def n(self) -> int:
        """Slices that have a number."""
        return int(np.isfinite(self.values).sum())

    @property
    def n_skipped(self) -> int:
        """Slices that have none."""
        return int(self.values.size) - self.n

    @property
    def mean(self) -> float:
        """Over slices that have a number; NaN if none has."""
        return float(np.nanmean(self.values)) if self.n else float("nan")

    def quantiles(self, at: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95)) -> tuple[float, ...]:
        """Of slices that have a number; NaN if none has."""
        if not self.n:
            return (float("nan"),) * len(at)
        return tuple(float(q) for q in np.nanquantile(self.values, at))

    def __repr__(self) -> str:
        low, _, middle, _, high = self.quantiles()
        skipped = f", {self.n_skipped} skipped" if self.n_skipped else ""
        return (
            f"{self.mean:.3f} (5 % {low:.3f}, 50 % {middle:.3f}, 95 % {high:.3f}; {self.n} slices{skipped})"
        )


@dataclass(frozen=True)
class Agreement:
    """What `agreement` found.

    Parameters
    ----------
    images_pearson, images_spearman
        Equation (1), values (m, gh, gw).
    cells_pearson, cells_spearman
        Equation (2), values (n, m).
    top
        Equation (3), values (n, gh, gw), 0 to 1; all skipped if there are no more than `k` concepts.
    k
        Of equation (3).
    """

    images_pearson: Spread
    images_spearman: Spread
    cells_pearson: Spread
    cells_spearman: Spread
    top: Spread
    k: int


def agreement(
    one: LocalEmbeddingStore,
    other: LocalEmbeddingStore,
    text: Float[Tensor, "m d"],
    *,
    other_text: Float[Tensor, "m d2"] | None = None,
    k: int = 10,
) -> Agreement:
    """Compare the similarities of two stores.

    Parameters
    ----------
    one, other
        Stores of the same pictures in the same order, on the same grid.
    text
        Unit embeddings of the concepts.
    other_text
        Those of the other store's VLM, where it is another one.
    k
        How many concepts count as the top of a cell.

    Raises
    ------
    InputError
        If pictures, grids or numbers of concepts differ, k is below 1, or as `LocalEmbeddingStore.similarity`.

    Notes
    -----
    Holds the similarities of both stores, 8 bytes for each picture, concept and cell, and results of the same order;
    500 pictures, 300 concepts and 49 cells take 60 MB and some seconds.
    """
    texts = text, text if other_text is None else other_text
    _check(one, other, texts, k)
    p, q = (
        torch.cat(list(store.similarities(words))).flatten(2).numpy()
        for store, words in zip((one, other), texts, strict=True)
    )
    n, m, n_cells = p.shape
    images, cells = np.empty((2, m, n_cells)), np.empty((2, n, m))
    for start in range(0, m, _CONCEPTS_AT_ONCE):
        part = slice(start, min(start + _CONCEPTS_AT_ONCE, m))
        a, b = p[:, part], q[:, part]
        cells[0, :, part], cells[1, :, part] = correlations(a, b), rank_correlations(a, b)
        a, b = (np.moveaxis(values, 0, -1) for values in (a, b))
        images[0, part], images[1, part] = correlations(a, b), rank_correlations(a, b)
    shares = np.full((n, n_cells), np.nan) if m <= k else _overlap(p, q, k)
    return Agreement(
        images_pearson=Spread(images[0].reshape(m, *one.grid)),
        images_spearman=Spread(images[1].reshape(m, *one.grid)),
        cells_pearson=Spread(cells[0]),
        cells_spearman=Spread(cells[1]),
        top=Spread(shares.reshape(n, *one.grid)),
        k=k,
    )


def _overlap(
    p: Float[np.ndarray, "n m g"], q: Float[np.ndarray, "n m g"], k: int
) -> Float[np.ndarray, "n g"]:
    chosen = []
    for values in (p, q):
        top = np.argpartition(-values, k - 1, axis=1)[:, :k]
        mask = np.zeros(values.shape, bool)
        np.put_along_axis(mask, top, True, axis=1)
        chosen.append(mask)
    both: np.ndarray = (chosen[0] & chosen[1]).sum(1)
    shares: np.ndarray = both / (2 * k - both)
    return shares


def _check(
    one: LocalEmbeddingStore, other: LocalEmbeddingStore, texts: tuple[Tensor, Tensor], k: int
) -> None:
    if one.grid != other.grid:
        raise InputError(
            message(
                f"The stores have grids of {_by(one.grid)} and {_by(other.grid)} cells.",
                "Cells are compared one to one.",
                f"Build the second with a prompter of grid={one.grid}.",
            )
        )
    if one.sha256 != other.sha256:
        differ = [i for i, (a, b) in enumerate(zip(one.sha256, other.sha256, strict=False)) if a != b]
        where = f"picture {differ[0]} differs" if differ else "one has more"
        raise InputError(
            message(
                f"The stores hold other pictures ({one.n_images} and {other.n_images}; {where}).",
                "Pictures are compared one to one, by their pixels.",
                "Build both from the same list, or write a slice of the pictures that they share.",
            )
        )
    if len(texts[0]) != len(texts[1]):
        raise InputError(
            message(
                f"There are {len(texts[0])} and {len(texts[1])} text embeddings.",
                "Both lists name the same concepts, in the same order.",
                "Embed one list of phrases with each VLM.",
            )
        )
    if k < 1:
        raise InputError(message(f"k is {k}.", "It is at least 1.", "Leave it out for 10."))


def _by(grid: tuple[int, int]) -> str:
    return f"{grid[0]} x {grid[1]}"
