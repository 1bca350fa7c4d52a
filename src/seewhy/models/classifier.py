"""A classifier as it is: each prediction explained by its own feature channels, or by an attribution method.

Channels have no names. What they give is a complete account: every part of the logit, what and where, adding
up. Concepts with names stand in the same place of an explanation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from seewhy.attribution.base import (
    Method,
    as_batch,
    describe_choices,
    model_warnings,
    plain_logits,
    versions,
)
from seewhy.attribution.engine import Cost, Engine, Progress
from seewhy.attribution.methods import METHODS
from seewhy.attribution.replays import input_again
from seewhy.backbones.base import Backbone, Batch, Target
from seewhy.backbones.split import Cut, Split
from seewhy.explanation import Answers, AttributionMap, ConceptEvidence, Elsewhere, Explanation, Meta, Replay
from seewhy.importance.shares import Shares, is_affine, remainder_of, shares_of
from seewhy.models.replays import Edit, replay_of, scaled_channels
from seewhy.registry import VIEWS


class Classifier:
    """What `seewhy.load` returns: a network that explains its predictions.

    >>> import torch, seewhy as sw
    >>> net = torch.nn.Sequential(
    ...     torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
    ...     torch.nn.Linear(4, 2))
    >>> model = sw.load(net, preprocess=sw.Preprocess(size=16))
    >>> explanation = model.explain(np.zeros((20, 30, 3), np.uint8))
    >>> explanation.kind
    'share'
    """

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone
        self._affine: dict[Split, bool] = {}

    def explain(
        self,
        images: Any,
        target: Target = "predicted",
        *,
        at: str | None = None,
        preprocess: bool = True,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> Explanation | Answers[Explanation]:
        """What counted, where and how much: the logit's shares by feature channel and by place.

        Parameters
        ----------
        images
            Anything `seewhy.read_images` reads, or with `preprocess=False` ready (B, C, H, W) tensors.
        target
            Class name or index, "predicted", or one per picture.
        at
            Layer whose channels are meant; default the backbone's.
        batch_size
            At most so many pictures or path points at once.
        progress
            Called with (done, total) pictures.

        Returns
        -------
        explanation
            One for one picture, `Answers` for several. Its kind is "share" where the shares add up, which on
            an affine tail (pooling and a linear layer) is exact; where the steps of the integration were not
            enough it is "effect", with a warning.
        """
        backbone = self.backbone
        batch, single = as_batch(backbone, images, preprocess)
        engine = Engine.for_device(backbone.device, batch_size)
        with backbone.undisturbed(), torch.no_grad():
            logits = plain_logits(backbone, batch.x, engine)
            rows = backbone.targets(target, logits)
            size = batch.x.shape[2], batch.x.shape[3]
            candidate, split = backbone.layer(at, size=size), backbone.split(at, size=size)
            how = "given" if at or backbone.given_layer else f"chosen: {candidate.reason}"
            choices = describe_choices(backbone, engine)
            choices["layer"] = f"{candidate.layer.describe()}, {how}"
            choices["split"] = split.realisation + (
                f" ({split.why_replacement})" if split.why_replacement else ""
            )
            answers = []
            for i in range(len(batch)):
                answers.append(
                    self._one(batch, i, logits[i], rows[i], split, choices, engine, at, preprocess)
                )
                if progress is not None:
                    progress(i + 1, len(batch))
        return answers[0] if single else Answers(answers)

    def attribute(
        self, images: Any, method: str | Method | None = None, target: Target = "predicted", **options: Any
    ) -> AttributionMap | Answers[AttributionMap]:
        """A map by an attribution method, by name or object; `options` as in `Method.__call__`.

        Default: HiResCAM, which is exact before pooling and a linear head; attention relevance where the
        logits are read out of a class token. The result names the method.
        """
        if method is None:
            method = self._default_method(options.get("at"))
        chosen = METHODS[method]() if isinstance(method, str) else method
        return chosen(self.backbone, images, target, **options)

    def audit(self, images: Any, **options: Any) -> Any:
        """Which shortcuts the network uses on a data set; see `audit.audit.audit`.

        >>> model.audit("photos/").shortcuts()                                                # doctest: +SKIP
        """
        return VIEWS["audit"](self, images, **options)

    def _default_method(self, at: str | None) -> str:
        if self.backbone.layer(at).layer.prefix == 0:
            return "hirescam"
        # Behind a layer norm, features times gradient vanish at every patch of a class-token network.
        return "gradcam" if METHODS["attention_relevance"]().why_not(self.backbone) else "attention_relevance"

    def _one(
        self,
        batch: Batch,
        i: int,
        logits: torch.Tensor,
        row: int,
        split: Split,
        choices: dict[str, str],
        engine: Engine,
        at: str | None,
        preprocess: bool,
    ) -> Explanation:
        cut = split.cut(batch.x[i : i + 1])
        baseline = None if self._is_affine(split, batch.x) else split.cut(torch.zeros_like(batch.x[:1]))
        shares = shares_of(split, cut, row, baseline, batch_size=engine.used)
        concepts = _channels(cut, shares)
        reconstruction = torch.from_numpy(np.stack([c.map for c in concepts]))[None]
        remainder = remainder_of(split, cut, reconstruction, row)
        warnings = model_warnings(self.backbone)
        if not shares.adds_up:
            warnings += (
                f"contributions are estimates: with {shares.points} points on the path they miss the logit "
                f"by {shares.gap:.3g}",
            )
        # Logits, features; then the two ends of the path and both sides of the remainder besides its points.
        cost = Cost(forwards=2, tail_forwards=shares.points + 4, tail_backwards=shares.points)
        meta = Meta(
            model=self.backbone.describe(),
            method={"name": "channel shares", "paper": "Sundararajan et al., ICML 2017, from the split on"},
            choices=choices | {"shares": _how(shares, baseline is None)},
            cost=cost.to_dict(),
            versions=versions(),
            warnings=warnings,
        )
        adds_up = shares.adds_up
        logits = logits.cpu()
        return Explanation(
            image=batch.pictures[i],
            geometry=batch.geometries[i],
            prediction=self.backbone.predictions(logits),
            target=self.backbone.prediction(logits, row),
            meta=meta,
            concepts=concepts,
            kind="share" if adds_up else "effect",
            bias=shares.bias if adds_up else None,
            elsewhere=tuple(Elsewhere(name, value) for name, value in shares.elsewhere),
            remainder=remainder if adds_up else None,
            rerun=self._rerun(batch, i, at, preprocess),
            replay=self._replay(batch, i, row, split, engine, preprocess),
        )

    def _rerun(
        self, batch: Batch, i: int, at: str | None, preprocess: bool
    ) -> Callable[[int | str], Explanation]:
        images = batch.pictures[i] if preprocess else batch.x[i]

        def rerun(target: int | str) -> Explanation:
            answer = self.explain(images, target, at=at, preprocess=preprocess)
            assert isinstance(answer, Explanation)
            return answer

        return rerun

    def _replay(
        self, batch: Batch, i: int, row: int, split: Split, engine: Engine, preprocess: bool
    ) -> Replay:
        again = input_again(self.backbone, batch, i, preprocess)
        affine = self._is_affine(split, batch.x)

        def edit_of(cut: Cut) -> Edit:
            if affine:
                return scaled_channels(cut.features)
            # Shares on other tails are counted from a blank picture, so that is what a removed channel shows.
            return scaled_channels(cut.features, split.cut(torch.zeros_like(again())).features)

        size = batch.x.shape[2], batch.x.shape[3]
        return replay_of(self.backbone, split, again, size, row, edit_of, engine.used)

    def _is_affine(self, split: Split, x: torch.Tensor) -> bool:
        if split not in self._affine:
            self._affine[split] = is_affine(split, split.cut(x[:2]))
        return self._affine[split]

    def __repr__(self) -> str:
        return f"Classifier({self.backbone!r})"


def _channels(cut: Cut, shares: Shares) -> tuple[ConceptEvidence, ...]:
    maps = cut.features[0].float().cpu().numpy()
    by_channel = shares.by_place.sum((1, 2))
    return tuple(
        ConceptEvidence(
            name=f"channel {m}",
            index=m,
            map=maps[m],
            contribution=float(by_channel[m]),
            shares=shares.by_place[m],
            source="channel",
        )
        for m in range(len(maps))
    )


def _how(shares: Shares, affine: bool) -> str:
    if affine:
        return "exact: the tail is affine, gradient x input from a zero baseline; bias is the head's"
    return (
        f"integrated gradients of the tail from a blank (mean-colour) picture, {shares.points} points, "
        f"gap {shares.gap:.2g}; bias is that picture's logit"
    )
