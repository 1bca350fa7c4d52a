"""A network that decides through named concepts: what, where and how much, in numbers that add up.

    z[m,u] = (w_m . F(u) - mean_m) / std_m                  concept maps on the grid of the features F        (1)
    logit_k = b_k + sum_m W[k,m] mean_u z[m,u] + V_k . (mean_u F(u) - f)                                     (2)

(1) is a `ConceptSpace`, W and b a `Head`; V is zero but for a bottleneck with a residual, whose part of a logit is
a row of its own. Everything is linear from the features on, so the class map H_k = sum_m W[k,m] z[m] averages to
logit_k - b_k, regions share a contribution out, and an edit of a concept has a known effect.

Source: Benou and Riklin-Raviv, CVPR 2025 (arXiv 2502.20134) for maps, regions and edits; Oikarinen et al., ICLR 2023
(arXiv 2304.06129) for the order of normalisation and head. The residual's row is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.attribution.base import as_backbone, as_batch, describe_choices, model_warnings, versions
from seewhy.attribution.engine import Cost, Engine, Progress
from seewhy.attribution.replays import hide_pixels, input_again
from seewhy.backbones.base import Backbone, Batch, Target
from seewhy.backbones.layout import FeatureLayer
from seewhy.backbones.load import load_backbone
from seewhy.concepts.projection import split_pictures
from seewhy.concepts.space import ConceptSpace
from seewhy.errors import InputError, NotFitted, UnknownName, did_you_mean, message
from seewhy.explanation import (
    Answers,
    ConceptEvidence,
    Elsewhere,
    Explanation,
    Meta,
    Prediction,
    Readout,
    Replay,
)
from seewhy.explanation.edit import share_of
from seewhy.heads.linear import Head
from seewhy.heads.sparse import SparseLinear
from seewhy.models.concept_net import features_of
from seewhy.models.gathered import Gathered
from seewhy.types import Size
from seewhy.vocabulary.vocabulary import Vocabulary

Stage = Callable[[str, int, int], None]
"""Told (what is being done, done, in all)."""

HELD_OUT = 0.1
"""Share of the training pictures by which everything is chosen; test pictures are never seen."""

SCORE = "accuracy on held-out training pictures"
"""Where a record has it."""

AROUND = "around the concepts"
"""The row of what a residual adds."""


@dataclass(frozen=True, eq=False)
class Residual:
    """V and f of (2): a linear way around the concepts."""

    weight: Float[Tensor, "k c"]
    mean: Float[Tensor, " c"]

    def __call__(self, pooled: Float[Tensor, "b c"]) -> Float[Tensor, "b k"]:
        """What it adds to the logits of pooled features."""
        return (pooled - self.mean.to(pooled)) @ self.weight.to(pooled).T


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a fit gives: concepts (with their words), and where labels were there, the head with its classes.

    `record` says how it went, JSON-safe.
    """

    space: ConceptSpace
    head: Head | None
    classes: tuple[str, ...]
    record: dict[str, Any]
    residual: Residual | None = None
    vocabulary: Vocabulary | None = None


class BottleneckNet(nn.Module):
    """(1) and (2) as a module: pictures in, logits out, so that whatever explains a classifier explains a bottleneck.

    The network inside is the user's own, unchanged.
    """

    def __init__(self, module: nn.Module, layer: FeatureLayer, fitted: Fitted, image_size: Size) -> None:
        super().__init__()
        assert fitted.head is not None
        self.module, self.layer, self.fitted, self.image_size = module, layer, fitted, image_size
        self.training = module.training
        # Part of its state, so that bottlenecks of two fits have two fingerprints.
        state = {
            "concepts": fitted.space.weight,
            "means": fitted.space.mean,
            "deviations": fitted.space.std,
            "head": fitted.head.weight,
            "bias": fitted.head.bias,
        }
        if fitted.residual is not None:
            state |= {"around": fitted.residual.weight, "around_mean": fitted.residual.mean}
        device = next((p.device for p in module.parameters()), torch.device("cpu"))
        for name, tensor in state.items():
            self.register_buffer(name, tensor.to(device))

    def forward(self, images: Float[Tensor, "b c H W"]) -> Float[Tensor, "b k"]:
        """The logits of (2)."""
        return logits_of(self.fitted, features_of(self.module, self.layer, images))


def logits_of(fitted: Fitted, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
    """(2) for features."""
    assert fitted.head is not None
    z = fitted.space.pooled(features)
    logits = torch.addmm(fitted.head.bias.to(z), z, fitted.head.weight.to(z).T)
    if fitted.residual is not None:
        logits = logits + fitted.residual(features.mean((2, 3)).to(z))
    return logits


class ConceptBottleneck:
    """Base of concept bottlenecks: everything that needs the fitted concepts and head, and nothing of how they came.

    Parameters
    ----------
    model
        The network, as for `seewhy.load`; it is never changed.
    at
        The layer of the features; default the one where maps are read. Its features need a grid.
    head
        What is fitted on concepts and labels; default a sparse head whose strength is chosen on held-out pictures.
    seed
        Of all that a fit draws.
    """

    kind: ClassVar[str]
    paper: ClassVar[str]
    source: ClassVar[str] = "vocabulary"

    def __init__(self, model: Any, *, at: str | None = None, head: Any = None, seed: int = 0) -> None:
        self.backbone = as_backbone(load_backbone(model) if isinstance(model, str | Path) else model)
        self.head_maker = SparseLinear() if head is None else head
        self.at, self.seed = at, seed
        self._fitted: Fitted | None = None

    # -------------------------------------------------------------- what was fitted

    @property
    def fitted(self) -> Fitted:
        """Everything that `fit` found. NotFitted before."""
        if self._fitted is None:
            raise NotFitted(
                message(
                    f"This {type(self).__name__} has not been fitted.",
                    "Its concepts are learned from pictures first.",
                    "Call fit(images, labels, vocabulary), or load one with from_pretrained.",
                )
            )
        return self._fitted

    @property
    def space(self) -> ConceptSpace:
        """The concepts."""
        return self.fitted.space

    @property
    def head(self) -> Head:
        """From concepts to logits. NotFitted where it was fitted without labels."""
        if self.fitted.head is None:
            raise NotFitted(
                message(
                    f"This {type(self).__name__} was fitted without labels.",
                    "It has concepts and maps, and no classes.",
                    "Fit it with labels, or with labels='network' to follow the network's own predictions.",
                )
            )
        return self.fitted.head

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in the order of the logits."""
        return self.fitted.classes

    @property
    def names(self) -> tuple[str, ...]:
        """Of the concepts."""
        return self.space.names

    # -------------------------------------------------------------- asking

    @cached_property
    def layer(self) -> FeatureLayer:
        """Where the features are read."""
        return self.backbone.layer(self.at).layer

    def as_backbone(self) -> Backbone:
        """The bottleneck as a network of its own, for attribution, audits and benchmarks."""
        _ = self.head
        size = self.backbone.input_size
        net = BottleneckNet(self.backbone.module, self.layer, self.fitted, size)
        return Backbone(
            net,
            name=f"{self.kind} on {self.backbone.name}",
            preprocess=self.backbone.preprocess,
            classes=self.classes,
            layer=f"module.{self.layer.name}",
        )

    def maps(self, images: Any, *, preprocess: bool = True) -> Float[Tensor, "b m h w"]:
        """Concept maps z of pictures, (1), on the CPU."""
        batch, _ = as_batch(self.backbone, images, preprocess)
        return torch.cat([self.space.maps(f).cpu() for f in self._features(batch)])

    def concepts(self, images: Any, *, preprocess: bool = True) -> Float[Tensor, "b m"]:
        """The mean over places of `maps`, without making them."""
        batch, _ = as_batch(self.backbone, images, preprocess)
        return torch.cat([self.space.pooled(f).cpu() for f in self._features(batch)])

    def logits(self, images: Any, *, preprocess: bool = True) -> Float[Tensor, "b k"]:
        """(2) for pictures, on the CPU."""
        _ = self.head
        batch, _ = as_batch(self.backbone, images, preprocess)
        return torch.cat([logits_of(self.fitted, f).cpu() for f in self._features(batch)])

    def predict(
        self, images: Any, *, top_k: int = 5, preprocess: bool = True
    ) -> list[tuple[Prediction, ...]]:
        """The best classes of each picture."""
        asked = self.as_backbone()
        return [asked.predictions(row, top_k) for row in self.logits(images, preprocess=preprocess)]

    def explain(
        self,
        images: Any,
        target: Target = "predicted",
        *,
        preprocess: bool = True,
        progress: Progress | None = None,
    ) -> Explanation | Answers[Explanation]:
        """What counted, where and how much: each concept's share of the logit, which add up to it.

        Parameters
        ----------
        images
            Anything `seewhy.read_images` reads, or with `preprocess=False` ready (B, C, H, W) tensors.
        target
            Class name or index, "predicted", or one per picture.
        progress
            Called with (done, total) pictures.

        Returns
        -------
        explanation
            One for one picture, `Answers` for several. Kind "share"; `edit`, `flip`, `query` and `contrast` all work.
        """
        head, asked = self.head, self.as_backbone()
        batch, single = as_batch(self.backbone, images, preprocess)
        found = [self._read(features) for features in self._features(batch)]
        logits, maps, rest = (torch.cat(parts) for parts in zip(*found, strict=True))
        weight, bias = head.weight.double().cpu().numpy(), head.bias.double().cpu().numpy()
        answers: list[Explanation] = []
        for i, row in enumerate(asked.targets(target, logits)):
            readout = Readout(weight, bias, rest[i].numpy(), self.classes)
            answers.append(
                self._answer(asked, batch, i, logits[i], row, maps[i].numpy(), readout, preprocess)
            )
            if progress is not None:
                progress(i + 1, len(batch))
        return answers[0] if single else Answers(answers)

    # -------------------------------------------------------------- changing

    def edit_weights(
        self, concept: str | int, to: str | int, *, add: float = 0.0, scale: float = 1.0
    ) -> Self:
        """A copy whose head weighs a concept otherwise for one class: W' = scale W + add; this one stays as it is."""
        if not all(map(isfinite, (add, scale))):
            raise InputError(
                message(f"add is {add} and scale {scale}.", "Both are finite numbers.", "Pass add=-0.5, say.")
            )
        m, k = self.space.index(concept), self._class(to)
        weight = self.head.weight.clone()
        weight[k, m] = scale * weight[k, m] + add
        return self._by_hand(weight, f"{self.names[m]} for {self.classes[k]}: {scale:g} W + {add:g}")

    def without(self, concepts: Sequence[str | int]) -> Self:
        """A copy that does not use these concepts: their weights are zero for every class."""
        at = [self.space.index(concept) for concept in concepts]
        weight = self.head.weight.clone()
        weight[:, at] = 0
        return self._by_hand(weight, f"without {', '.join(self.names[m] for m in at)}")

    # -------------------------------------------------------------- files

    def settings(self) -> dict[str, Any]:
        """What `from_pretrained` makes it with again, JSON-safe."""
        return {}

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write the bottleneck, without the network, as JSON and safetensors with their hashes, and a model card.

        The same fit gives the same bytes. No picture is kept.
        """
        from seewhy.models.bottleneck_files import write

        return write(self, Path(folder).expanduser())

    @classmethod
    def from_pretrained(cls, folder: str | Path, model: Any = None) -> Self:
        """Read what `save_pretrained` wrote; on `ConceptBottleneck` itself the file says which class it is.

        Parameters
        ----------
        model
            The network, where the file's name of it cannot be loaded.

        Raises
        ------
        InputError
            If there is no bottleneck in the folder.
        BadArtefact
            If it is damaged, of another class, or was learned on another network.
        """
        from seewhy.models.bottleneck_files import read

        return read(cls, Path(folder).expanduser(), model)

    @classmethod
    def _made(cls, backbone: Backbone, at: str, settings: dict[str, Any], seed: int) -> Self:
        return cls(backbone, at=at, seed=seed, **settings)

    # -------------------------------------------------------------- within

    def _fit_head(
        self, learned_on: Float[Tensor, "n m"], z: Float[Tensor, "n m"], gathered: Gathered
    ) -> tuple[Head, float | None]:
        """The head from all but the held-out pictures, and its accuracy on the concepts z of those, if any."""
        assert gathered.labels is not None
        y = torch.from_numpy(gathered.labels)
        train, held = split_pictures(len(y), HELD_OUT, self.seed)
        # A class of few pictures may be held out whole, and what was never seen is not learned: it goes back.
        unseen = ~torch.isin(y[held], y[train])
        train, held = torch.cat([train, held[unseen]]).sort().values, held[~unseen]
        head: Head = self.head_maker.fit(
            learned_on[train].double(),
            y[train],
            n_classes=len(gathered.classes),
            validation=(z[held].double(), y[held]) if len(held) else None,
        )
        if not len(held):
            return head, None
        right = head.logits(z[held].double()).argmax(1) == y[held]
        return head, float(right.double().mean())

    def _by_hand(self, weight: Float[Tensor, "k m"], change: str) -> Self:
        """A copy with other weights. What was certified and scored is the head before; this one minimises nothing."""
        record = {
            **self.fitted.record,
            "changed by hand": [*self.fitted.record.get("changed by hand", []), change],
        }
        if SCORE in record:
            record[SCORE] = None
        head = replace(self.head, weight=weight, certificate=None)
        return self._with(replace(self.fitted, head=head, record=record))

    def _with(self, fitted: Fitted) -> Self:
        other = copy(self)
        other._fitted = fitted
        return other

    def _class(self, name: str | int) -> int:
        if name in self.classes:
            return self.classes.index(str(name))
        if isinstance(name, int) and not isinstance(name, bool) and 0 <= name < len(self.classes):
            return name
        raise UnknownName(
            message(
                f"There is no class {name!r}.",
                did_you_mean(str(name), self.classes),
                f"Classes are numbered 0 to {len(self.classes) - 1}.",
            )
        )

    def _features(self, batch: Batch) -> Iterator[Float[Tensor, "b c h w"]]:
        """Of a batch, some pictures at a time; the network is left as it was."""
        backbone, step = self.backbone, Engine.for_device(self.backbone.device, None).used
        for start in range(0, len(batch), step):
            with backbone.undisturbed(), torch.no_grad():
                found = features_of(backbone.module, self.layer, batch.x[start : start + step])
            yield found

    def _read(
        self, features: Float[Tensor, "b c h w"]
    ) -> tuple[Float[Tensor, "b k"], Float[Tensor, "b m h w"], Float[Tensor, "b k"]]:
        """Logits (from pooled concepts, not from the maps), maps, and what the residual adds; on the CPU."""
        logits = logits_of(self.fitted, features).cpu()
        rest = torch.zeros(logits.shape, dtype=torch.float64)
        if self.fitted.residual is not None:
            rest = self.fitted.residual(features.double().mean((2, 3))).cpu()
        return logits, self.space.maps(features).float().cpu(), rest

    def _answer(
        self,
        asked: Backbone,
        batch: Batch,
        i: int,
        logits: Float[Tensor, " k"],
        row: int,
        maps: Float[np.ndarray, "m h w"],
        readout: Readout,
        preprocess: bool,
    ) -> Explanation:
        images = batch.pictures[i] if preprocess else batch.x[i]

        def rerun(other: int | str) -> Explanation:
            answer = self.explain(images, other, preprocess=preprocess)
            assert isinstance(answer, Explanation)
            return answer

        parts = [share_of(z, weight) for z, weight in zip(maps, readout.weight[row], strict=True)]
        concepts = tuple(
            ConceptEvidence(
                name,
                m,
                maps[m],
                *parts[m],
                self.source,
                float(self.space.percentile(m, float(maps[m].mean()), pooled=True)),
            )
            for m, name in enumerate(self.names)
        )
        return Explanation(
            image=batch.pictures[i],
            geometry=batch.geometries[i],
            prediction=asked.predictions(logits),
            target=asked.prediction(logits, row),
            meta=Meta(
                model=asked.describe(),
                method={"name": self.kind, "paper": self.paper},
                choices=describe_choices(self.backbone, Engine.for_device(self.backbone.device, None))
                | {"layer": self.layer.describe()},
                cost=Cost(forwards=1).to_dict(),
                versions=versions(),
                warnings=model_warnings(self.backbone),
            ),
            concepts=concepts,
            kind="share",
            bias=float(readout.bias[row]),
            elsewhere=() if self.fitted.residual is None else (Elsewhere(AROUND, float(readout.rest[row])),),
            remainder=0.0,  # everything behind the features is linear: nothing is left over
            rerun=rerun,
            readout=readout,
            replay=self._replay(asked, batch, i, row, maps, readout, preprocess),
        )

    def _replay(
        self,
        asked: Backbone,
        batch: Batch,
        i: int,
        row: int,
        maps: Float[np.ndarray, "m h w"],
        readout: Readout,
        preprocess: bool,
    ) -> Replay:
        again = input_again(self.backbone, batch, i, preprocess)

        def concepts(factors: Float[np.ndarray, "n m"]) -> Float[np.ndarray, " n"]:
            # The network is asked again: its features, the concepts scaled where they are made, then the head.
            with self.backbone.undisturbed(), torch.no_grad():
                z = self.space.pooled(features_of(self.backbone.module, self.layer, again()).double())[0]
            scaled = np.asarray(factors, np.float64) * z.cpu().numpy()
            found: np.ndarray = readout.bias[row] + readout.rest[row] + scaled @ readout.weight[row]
            return found

        size = batch.x.shape[2], batch.x.shape[3]
        return Replay(size, hide_pixels(asked, again, row), concepts)

    def __repr__(self) -> str:
        if self._fitted is None:
            return f"{type(self).__name__}({self.backbone!r}): not fitted"
        return f"{type(self).__name__}({self.backbone!r}): {len(self.names)} concepts, {len(self.classes)} classes"
