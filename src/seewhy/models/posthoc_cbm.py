"""Post-hoc CBM: concepts as directions between pictures that have them and pictures that do not, and a residual.

    w_m = v_m / |v_m|,   v_m the normal of a linear SVM on pooled features, pictures with and without concept m  (1)
    logit = b + W z + V (mean_u F - f)                                                   the hybrid, PCBM-h      (2)

In (2) V is fitted after W and b and with them fixed; what it adds to a logit is a row of its own in every answer,
because a residual can carry the whole decision unseen.

Source: Yuksekgonul, Wang and Zou, ICLR 2023 (arXiv 2205.15480). Theirs is a one-against-rest elastic net by
stochastic gradients; ours the certified multinomial head of the other bottlenecks, and V at its penalty's optimum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seewhy.concepts.projection import split_pictures
from seewhy.concepts.sources import StoredFeatures, parts_of
from seewhy.concepts.space import ConceptSpace
from seewhy.errors import InputError, message
from seewhy.heads.linear import Head
from seewhy.models.bottleneck import HELD_OUT, SCORE, ConceptBottleneck, Fitted, Residual, Stage
from seewhy.models.gathered import gather, kept

COSTS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""C of the SVMs; the best on held-out examples is taken."""
EXAMPLES = 100
"""Pictures with and without a concept that its SVM sees, at most so many of each."""
RESIDUAL_PENALTY = 0.001
"""Times the mean of the squares of V, added to the cross-entropy of (2)."""


class PostHocCBM(ConceptBottleneck):
    """Concepts from labelled pictures; parameters as `ConceptBottleneck`.

    Parameters
    ----------
    residual
        Fit (2) too.
    n_examples
        Pictures with and without a concept for (1), at most.
    """

    kind: ClassVar[str] = "P-CBM"
    paper: ClassVar[str] = "Yuksekgonul et al., ICLR 2023, arXiv 2205.15480"
    source: ClassVar[str] = "label"

    def __init__(
        self,
        model: Any,
        *,
        residual: bool = False,
        at: str | None = None,
        head: Any = None,
        n_examples: int = EXAMPLES,
        seed: int = 0,
    ) -> None:
        super().__init__(model, at=at, head=head, seed=seed)
        self.residual, self.n_examples = residual, n_examples

    def settings(self) -> dict[str, Any]:
        """What `from_pretrained` makes it with again, JSON-safe."""
        return {"residual": self.residual, "n_examples": self.n_examples}

    def fit(
        self,
        images: Any,
        labels: Sequence[object] | str | None,
        concepts: Sequence[str],
        has: Bool[np.ndarray, "n m"],
        *,
        folder: str | Path | None = None,
        stage: Stage | None = None,
    ) -> Self:
        """Learn a direction for each concept, and from labels the head.

        Parameters
        ----------
        images, labels, folder, stage
            As for `SALFCBM.fit`; training pictures only.
        concepts
            M names.
        has
            Whether each picture has each concept.

        Raises
        ------
        InputError
            If `has` does not fit, or some concept has fewer than two examples on one side.
        """
        names, tell = tuple(concepts), stage or (lambda what, done, total: None)
        with kept(folder) as work:
            gathered = gather(
                self.backbone, images, labels, work / "features", at=self.at,
                progress=lambda done, total: tell("features", done, total),
            )  # fmt: skip
            lost = {failure.item for failure in gathered.features.failed}
            truth = _checked(has, gathered.features.n_images + len(lost), names)
            truth = truth[[i for i in range(len(truth)) if i not in lost]]
            source = StoredFeatures(gathered.features, pooled=True)
            pooled = torch.cat([source.batch(p).flatten(1) for p in parts_of(torch.arange(source.n), 512)])
            weight, quality = concept_bank(
                pooled.double().numpy(), truth, names, self.n_examples, self.seed, tell
            )
            space = ConceptSpace.calibrate(
                names,
                torch.from_numpy(weight).float(),
                gathered.source,
                quality=torch.from_numpy(quality),
                seed=self.seed,
            )
            head, score = None, None
            if gathered.labels is not None:
                z = gathered.pooled(space)
                head, score = self._fit_head(z, z, gathered)
        record: dict[str, Any] = {
            "pictures": gathered.features.n_images,
            "held out": HELD_OUT,
            "absent classes": list(gathered.absent),
            SCORE: score,
        }
        self._fitted = Fitted(space, head, gathered.classes, record)
        if self.residual and head is not None and gathered.labels is not None:
            train, held = split_pictures(len(pooled), HELD_OUT, self.seed)
            y = torch.from_numpy(gathered.labels)
            found = fit_residual(head, z[train], pooled[train], y[train])
            right = (head.logits(z[held].double()) + found(pooled[held].double())).argmax(1) == y[held]
            record[SCORE] = float(right.double().mean())
            self._fitted = replace(self._fitted, residual=found)
        return self


def concept_bank(
    pooled: Float[np.ndarray, "n c"],
    has: Bool[np.ndarray, "n m"],
    names: Sequence[str],
    n_examples: int,
    seed: int,
    tell: Stage,
) -> tuple[Float[np.ndarray, "m c"], Float[np.ndarray, " m"]]:
    """(1) for every concept, and how well each does on its held-out examples: twice the balanced accuracy less 1."""
    from sklearn.svm import LinearSVC

    generator = np.random.default_rng(seed)
    weight, quality = np.empty((len(names), pooled.shape[1])), np.empty(len(names))
    for m, name in enumerate(names):
        sides = [
            generator.permutation(np.flatnonzero(has[:, m] == side))[:n_examples] for side in (True, False)
        ]
        if min(map(len, sides)) < 2:
            raise InputError(
                message(
                    f"Of the pictures, {len(sides[0])} have {name!r} and {len(sides[1])} do not.",
                    "A direction needs at least two examples with the concept and two without.",
                    "Leave the concept out, or add pictures.",
                )
            )
        # At least one of each side on either side of the split.
        cuts = [max(1, len(side) // 5) for side in sides]
        held = np.concatenate([side[:cut] for side, cut in zip(sides, cuts, strict=True)])
        train = np.concatenate([side[cut:] for side, cut in zip(sides, cuts, strict=True)])
        best = -np.inf
        for cost in COSTS:
            machine = LinearSVC(C=cost, random_state=seed, max_iter=10_000, dual="auto")
            machine.fit(pooled[train], has[train, m])
            said = machine.predict(pooled[held])
            score = np.mean([(said[has[held, m] == side] == side).mean() for side in (True, False)])
            if score > best:
                best, normal = score, machine.coef_[0]
        weight[m], quality[m] = normal / np.linalg.norm(normal), 2 * best - 1
        tell("directions", m + 1, len(names))
    return weight, quality


def fit_residual(
    head: Head, z: Float[Tensor, "n m"], pooled: Float[Tensor, "n c"], y: Int[Tensor, " n"]
) -> Residual:
    """V of (2): what lowers the cross-entropy most beyond the fixed head, by L-BFGS in double precision."""
    with torch.inference_mode(False), torch.enable_grad():
        fixed, mean = head.logits(z.double()).detach(), pooled.double().mean(0)
        x = pooled.double() - mean
        scale = x.std(0).clamp_min(1e-12)
        inner = torch.zeros(fixed.shape[1], x.shape[1], dtype=torch.float64, requires_grad=True)
        optimiser: Any = torch.optim.LBFGS([inner], max_iter=200, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimiser.zero_grad()
            weight = inner / scale
            value = (
                nn.functional.cross_entropy(fixed + x @ weight.T, y)
                + RESIDUAL_PENALTY * weight.square().mean()
            )
            torch.autograd.backward(value)
            return value

        optimiser.step(loss)
        return Residual((inner / scale).detach().float(), mean.float())


def _checked(has: Any, n: int, names: Sequence[str]) -> Bool[np.ndarray, "n m"]:
    found = np.asarray(has)
    if found.shape != (n, len(names)):
        raise InputError(
            message(
                f"The labels of concepts are {found.shape}.",
                f"They are ({n}, {len(names)}): a row for each picture, a column for each concept.",
                "Check the order of pictures and concepts.",
            )
        )
    return found.astype(bool)
