"""The labelled bottleneck: concepts learned from marks on pictures instead of from words. The oracle of the others.

    t[n,m,u] = share of cell u that concept m covers in picture n (or, without places, whether picture n has it)
    w_m      = argmin sum_{n,u} (w . F[n,u] + c - t[n,m,u])^2 + e |w|^2,   the ridge with an intercept         (1)

(1) is solved exactly for all concepts from one c x c matrix. The head is fitted on the learned concepts ("sequential"
in Koh et al.) or on the true ones ("independent").

Source: Koh et al., Concept Bottleneck Models, ICML 2020 (arXiv 2007.04612); theirs is a network trained for concept
presence. Ours: the frozen network's features, labels with places, and (1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seewhy.concepts.projection import split_pictures
from seewhy.concepts.sources import Source, StoredFeatures, parts_of
from seewhy.concepts.space import ConceptSpace
from seewhy.errors import InputError, message
from seewhy.models.bottleneck import HELD_OUT, SCORE, ConceptBottleneck, Fitted, Stage
from seewhy.models.gathered import Gathered, gather, kept

Masks = Callable[[int], np.ndarray]
"""From a picture's number, in the order given, to its masks (concepts, height, width)."""

_AT_ONCE = 256
RIDGE = 1e-3
"""e of (1), as a share of the mean variance of the channels, times the number of cells."""


class LabelledCBM(ConceptBottleneck):
    """Concepts learned from labels, with places (masks) or without; parameters as `ConceptBottleneck`.

    Parameters
    ----------
    head
        What is fitted on concepts and labels; default as for SALF-CBM.
    independent
        Fit the head on the true concepts, in the unit of the learned ones, instead of on the learned ones.
    """

    kind: ClassVar[str] = "labelled CBM"
    paper: ClassVar[str] = "Koh et al., ICML 2020, arXiv 2007.04612"
    source: ClassVar[str] = "label"

    def __init__(
        self,
        model: Any,
        *,
        at: str | None = None,
        head: Any = None,
        independent: bool = False,
        ridge: float = RIDGE,
        seed: int = 0,
    ) -> None:
        super().__init__(model, at=at, head=head, seed=seed)
        self.independent, self.ridge = independent, ridge

    def settings(self) -> dict[str, Any]:
        """What `from_pretrained` makes it with again, JSON-safe."""
        return {"independent": self.independent, "ridge": self.ridge}

    def fit(
        self,
        images: Any,
        labels: Sequence[object] | str | None,
        concepts: Sequence[str],
        marks: Masks | Bool[np.ndarray, "n m"],
        *,
        folder: str | Path | None = None,
        stage: Stage | None = None,
    ) -> Self:
        """Learn concepts from marks on pictures, and from labels the head.

        Parameters
        ----------
        images, labels, folder, stage
            As for `SALFCBM.fit`; training pictures only.
        concepts
            M names.
        marks
            Where each concept is: a function from a picture's number to its masks (M, H, W), bool or 0..1, on the
            original picture; or, for labels without places, whether each picture has it, (n, M).

        Raises
        ------
        InputError
            If marks do not fit pictures and names, or some concept is nowhere or everywhere.
        """
        names, tell = tuple(concepts), stage or (lambda what, done, total: None)
        with kept(folder) as work:
            gathered = gather(
                self.backbone, images, labels, work / "features", at=self.at,
                progress=lambda done, total: tell("features", done, total),
            )  # fmt: skip
            truth = coverage(gathered, marks, len(names), tell)
            _check_varies(truth, names)
            source: Source = (
                gathered.source
                if truth.shape[2:] != (1, 1)
                else StoredFeatures(gathered.features, pooled=True)
            )
            train, held = split_pictures(source.n, HELD_OUT, self.seed)
            weight = ridge_weights(source, truth, train, self.ridge)
            quality = correlation(source, truth, held, weight)
            space = ConceptSpace.calibrate(names, weight, gathered.source, quality=quality, seed=self.seed)
            head, score = None, None
            if gathered.labels is not None:
                z = gathered.pooled(space)
                head, score = self._fit_head(self._told(z, truth) if self.independent else z, z, gathered)
        record = {
            "pictures": gathered.features.n_images,
            "places": truth.shape[2:] != (1, 1),
            "held out": HELD_OUT,
            "absent classes": list(gathered.absent),
            SCORE: score,
        }
        self._fitted = Fitted(space, head, gathered.classes, record)
        return self

    @staticmethod
    def _told(z: Float[Tensor, "n m"], truth: Float[Tensor, "n m h w"]) -> Float[Tensor, "n m"]:
        """The true concepts of each picture with mean and spread of the learned ones."""
        t = truth.mean((2, 3)).to(z)
        # A concept that covers as much of every picture says nothing of a picture as a whole.
        spread = torch.where(t.amax(0) > t.amin(0), t.std(0, correction=0), torch.inf)
        return (t - t.mean(0)) / spread * z.std(0, correction=0) + z.mean(0)


def coverage(
    gathered: Gathered, marks: Masks | Bool[np.ndarray, "n m"], m: int, tell: Stage
) -> Float[Tensor, "n m h w"]:
    """t of (1) for the pictures of the store, on the grid of its features, or (n, m, 1, 1) without places."""
    features = gathered.features
    lost = {failure.item for failure in features.failed}
    numbers = [i for i in range(features.n_images + len(lost)) if i not in lost]
    if not callable(marks):
        has = np.asarray(marks)
        if has.shape != (features.n_images + len(lost), m):
            raise InputError(
                message(
                    f"The labels of concepts are {has.shape}.",
                    f"They are one row for each of {features.n_images + len(lost)} pictures, one column for each of "
                    f"{m} concepts.",
                    "Pass (pictures, concepts), or a function that gives masks.",
                )
            )
        return torch.from_numpy(has[numbers].astype(np.float32))[:, :, None, None]
    out = torch.empty(len(numbers), m, *features.grid)
    for at, (number, geometry) in enumerate(zip(numbers, features.geometries, strict=True)):
        masks = np.asarray(marks(number))
        if masks.shape != (m, *geometry.original):
            raise InputError(
                message(
                    f"The masks of picture {number} are {masks.shape}.",
                    f"They are {(m, *geometry.original)}: one for each concept, as large as the picture.",
                    "Check the order of pictures and concepts.",
                )
            )
        # Written so that NaN is refused too.
        if masks.size and not (masks.min() >= 0 and masks.max() <= 1):
            raise InputError(
                message(
                    f"The masks of picture {number} go from {masks.min()} to {masks.max()}.",
                    "They are true or false, or shares from 0 to 1.",
                    "Divide by their largest value, or compare with a threshold.",
                )
            )
        for k, mask in enumerate(masks):
            # Most concepts are nowhere in most pictures.
            out[at, k] = (
                torch.from_numpy(geometry.cell_weights(mask.astype(np.float64), features.grid))
                if mask.any()
                else 0.0
            )
        tell("marks", at + 1, len(numbers))
    return out


def ridge_weights(
    source: Source, truth: Float[Tensor, "n m h w"], train: Tensor, ridge: float
) -> Float[Tensor, "m c"]:
    """(1), from sums over batches in double precision."""
    c, m = source.channels, truth.shape[1]
    n, total, squares = 0, torch.zeros(c + m, dtype=torch.float64), torch.zeros(c, c + m, dtype=torch.float64)
    for part in parts_of(train, _AT_ONCE):
        f = source.batch(part).double().permute(0, 2, 3, 1).reshape(-1, c)
        both = torch.cat([f, truth[part].double().permute(0, 2, 3, 1).reshape(-1, m)], 1)
        n, total, squares = n + len(f), total + both.sum(0), squares + f.T @ both
    squares -= torch.outer(total[:c], total) / n
    inner, cross = squares[:, :c], squares[:, c:]
    inner.diagonal().add_(ridge * float(inner.diagonal().mean()))
    found: Tensor = torch.linalg.solve(inner, cross).T.float().contiguous()
    return found


def correlation(
    source: Source, truth: Float[Tensor, "n m h w"], held: Tensor, weight: Float[Tensor, "m c"]
) -> Float[Tensor, " m"]:
    """Of learned maps and truth over the cells of the held-out pictures; 0 where one of them is constant there."""
    q = torch.cat(
        [torch.einsum("nchw,mc->mnhw", source.batch(p), weight).flatten(1) for p in parts_of(held, _AT_ONCE)],
        1,
    )
    t = truth[held].transpose(0, 1).flatten(1)
    q, t = (x.double() - x.double().mean(1, keepdim=True) for x in (q, t))
    scale = q.norm(dim=1) * t.norm(dim=1)
    return torch.where(scale > 0, (q * t).sum(1) / scale.clamp_min(1e-300), 0.0).float()


def _check_varies(truth: Tensor, names: Sequence[str]) -> None:
    flat = truth.transpose(0, 1).flatten(1)
    same = (flat.amax(1) == flat.amin(1)).tolist()
    idle = [name for name, is_same in zip(names, same, strict=True) if is_same]
    if idle:
        raise InputError(
            message(
                f"{len(idle)} concepts are the same in all pictures: {', '.join(idle[:6])}.",
                "A concept is learned from where it is and where it is not.",
                "Leave them out, or add pictures.",
            )
        )
