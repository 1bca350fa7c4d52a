"""Bottlenecks whose concepts an image-text model teaches: words, their similarities, a layer that learns them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from jaxtyping import Float
from torch import Tensor

from seewhy.backbones.base import Backbone
from seewhy.concepts.projection import Projection, fit_projection
from seewhy.concepts.sources import Source
from seewhy.concepts.space import ConceptSpace
from seewhy.errors import InputError, NotSupported, message
from seewhy.grounding.base import Prompter
from seewhy.grounding.build import build
from seewhy.grounding.prompters import described
from seewhy.grounding.store import LocalEmbeddingStore
from seewhy.grounding.view import common_view
from seewhy.models.bottleneck import HELD_OUT, SCORE, ConceptBottleneck, Fitted, Stage
from seewhy.models.gathered import Gathered, gather, kept
from seewhy.vlms.base import VLM
from seewhy.vlms.load import load_vlm
from seewhy.vocabulary.dropped import Drop, Dropped
from seewhy.vocabulary.vocabulary import Vocabulary


class TaughtBottleneck(ConceptBottleneck):
    """Base of SALF-CBM and Label-Free CBM.

    Parameters
    ----------
    model, at, seed
        As `ConceptBottleneck`.
    vlm
        The teacher, as for `load_vlm`.
    prompter
        How the teacher is pointed at places.
    head
        What is fitted on concepts and labels; default a sparse head whose strength is chosen on held-out pictures.
    projection
        Options of `concepts.projection.fit_projection`.
    min_similarity
        Concepts that the layer learned worse than this, by their similarity on held-out pictures, are dropped.
    templates
        Of the words, as for `Vocabulary.embed`.
    """

    def __init__(
        self,
        model: Any,
        vlm: Any = "seewhy/clip",
        *,
        prompter: Prompter,
        at: str | None = None,
        head: Any = None,
        projection: dict[str, Any] | None = None,
        min_similarity: float = 0.0,
        templates: str | Sequence[str] = ("{}",),
        seed: int = 0,
    ) -> None:
        super().__init__(model, at=at, head=head, seed=seed)
        self._vlm = vlm if isinstance(vlm, str) else load_vlm(vlm)
        self.prompter, self.templates, self.min_similarity = prompter, templates, min_similarity
        self.projection = {"seed": seed, **(projection or {})}
        self._learned_from: tuple[Gathered, LocalEmbeddingStore] | None = None

    @cached_property
    def vlm(self) -> VLM:
        """The teacher, loaded when it is first needed: predictions do without it."""
        return load_vlm(self._vlm)

    def settings(self) -> dict[str, Any]:
        """What `from_pretrained` makes it with again, JSON-safe."""
        name = self._vlm if isinstance(self._vlm, str) else self._vlm.name
        return {
            "vlm": name,
            "prompter": self.prompter.describe(),
            "projection": self.projection,
            "min_similarity": self.min_similarity,
            "templates": self.templates if isinstance(self.templates, str) else list(self.templates),
        }

    @classmethod
    def _made(cls, backbone: Backbone, at: str, settings: dict[str, Any], seed: int) -> Self:
        settings = dict(settings)
        prompter = described(settings.pop("prompter"))
        made = cls.__new__(cls)
        TaughtBottleneck.__init__(made, backbone, at=at, prompter=prompter, seed=seed, **settings)
        return made

    @abstractmethod
    def _sources(
        self, gathered: Gathered, local: LocalEmbeddingStore, text: Float[Tensor, "m d"]
    ) -> tuple[Source, Source]:
        """Features and teacher, as the projection takes them."""

    def fit(
        self,
        images: Any,
        labels: Sequence[object] | str | None = None,
        vocabulary: Vocabulary | Sequence[str] | str | Path | None = None,
        *,
        folder: str | Path | None = None,
        stage: Stage | None = None,
    ) -> Self:
        """Learn the concepts of a vocabulary in pictures, and from labels the head.

        Parameters
        ----------
        images
            As for `read_images`; no picture of the test set.
        labels
            One per picture, "network" for the network's own predictions, or None for what folders say; without any
            the bottleneck has concepts and no head.
        vocabulary
            Words, a file of them, or a `Vocabulary`.
        folder
            Keeps features and embeddings: killed, a fit goes on, and another vocabulary makes no pass of a picture.
            Without it they are kept until this object is gone from memory, or not at all (see `swap_vocabulary`).
        stage
            Told what is being done.

        Raises
        ------
        InputError
            If pictures, labels or words do not serve; the message says which.
        """
        words = as_vocabulary(vocabulary)
        tell = stage or (lambda what, done, total: None)
        text = words.embed(self.vlm, self.templates)  # before hours of work, in case it does not know them
        if isinstance(images, Iterator):
            images = list(images)  # they are gone through twice
        with kept(folder) as work:
            gathered = gather(
                self.backbone, images, labels, work / "features", at=self.at,
                progress=lambda done, total: tell("features", done, total),
            )  # fmt: skip
            local = build(
                self.vlm,
                self.prompter,
                images,
                work / "embeddings",
                view=common_view(_preprocess(self), self.vlm.preprocess),
                progress=lambda done, total: tell("pointing at places", done, total),
            )
            self._fitted = self._learn(words, text, gathered, local, tell)
        self._learned_from = None if folder is None else (gathered, local)
        return self

    def swap_vocabulary(
        self, vocabulary: Vocabulary | Sequence[str] | str | Path, *, stage: Stage | None = None
    ) -> Self:
        """A copy with other words, learned from what is kept: no picture is looked at again.

        Raises
        ------
        NotSupported
            If nothing was kept (`fit(..., folder=...)`), or this was loaded from files.
        """
        if self._learned_from is None:
            raise NotSupported(
                message(
                    f"This {type(self).__name__} keeps no features and embeddings.",
                    "Other words are learned from those.",
                    "Fit with folder=..., which keeps them.",
                )
            )
        words = as_vocabulary(vocabulary)
        tell = stage or (lambda what, done, total: None)
        text = words.embed(self.vlm, self.templates)
        return self._with(self._learn(words, text, *self._learned_from, tell))

    def _learn(
        self,
        words: Vocabulary,
        text: Float[Tensor, "m d"],
        gathered: Gathered,
        local: LocalEmbeddingStore,
        tell: Stage,
    ) -> Fitted:
        tell("learning concepts", 0, 1)
        features, teacher = self._sources(gathered, local, text)
        found = fit_projection(features, teacher, **self.projection)
        words, found, dropped = _well_learned(words, found, self.min_similarity)
        space = ConceptSpace.calibrate(
            words.names, found.weight, gathered.source, quality=found.similarity, seed=self.seed
        )
        head, score = None, None
        if gathered.labels is not None:
            tell("learning the head", 0, 1)
            z = gathered.pooled(space)
            head, score = self._fit_head(z, z, gathered)
        record = {
            "dropped": [asdict(drop) for drop in (words.dropped + dropped).entries],
            "vlm": self.vlm.describe(),
            "prompter": self.prompter.describe(),
            "projection": {k: v for k, v in asdict(found.report).items() if k not in ("seconds", "history")},
            "pictures": gathered.features.n_images,
            "held out": HELD_OUT,
            "absent classes": list(gathered.absent),
            SCORE: score,
        }
        return Fitted(space, head, gathered.classes, record, vocabulary=words)


def as_vocabulary(words: Vocabulary | Sequence[str] | str | Path | None) -> Vocabulary:
    """Words, a file of them or a vocabulary, as a vocabulary."""
    if isinstance(words, Vocabulary):
        return words
    if isinstance(words, str | Path):
        return Vocabulary.load(words)
    if words is None:
        raise InputError(
            message(
                "No vocabulary was given.",
                "A bottleneck speaks in words that you choose.",
                "Pass a list, a file with one a line, or seewhy.vocabulary.lists.shipped('generic').",
            )
        )
    return Vocabulary.from_list(list(words))


def _well_learned(
    words: Vocabulary, found: Projection, least: float
) -> tuple[Vocabulary, Projection, Dropped]:
    """Without the concepts that the layer could not learn, or that never varied for the teacher."""
    idle = set(found.report.skipped)
    good = [m for m in range(len(words)) if m not in idle and float(found.similarity[m]) >= least]
    drops = []
    for m, name in enumerate(words.names):
        if m not in good:
            why = "the teacher never varied" if m in idle else "the layer did not learn it well enough"
            drops.append(Drop(name, "learnability", why, float(found.similarity[m]), least))
    if not good:
        raise InputError(
            message(
                f"None of the {len(words)} concepts was learned: the best has a similarity of "
                f"{float(found.similarity.max()):.2f}.",
                f"At least one must reach {least}.",
                "Use other words, more pictures, or a lower min_similarity.",
            )
        )
    kept = Vocabulary(tuple(words.concepts[m] for m in good), words.dropped)
    return (
        kept,
        replace(found, weight=found.weight[good], similarity=found.similarity[good]),
        Dropped(tuple(drops)),
    )


def _preprocess(model: ConceptBottleneck) -> Any:
    if model.backbone.preprocess is None:
        model.backbone.tensor(())  # says what is missing
    return model.backbone.preprocess
