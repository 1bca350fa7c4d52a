"""The audit: a network's concepts on a data set, class by class, and which of them look like shortcuts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64

from seewhy.attribution.engine import Progress
from seewhy.audit.object_masks import Masks, checked_masks, listed, off_object
from seewhy.audit.properties import properties
from seewhy.audit.receipts import MAX_CLASSES, receipt_of
from seewhy.audit.shortcuts import (
    LISTED,
    MIN_PICTURES,
    SITS,
    THRESHOLD,
    Evidence,
    Suspicion,
    facing,
    suspicions,
    where,
)
from seewhy.audit.strategies import Strategies, strategies_of
from seewhy.errors import InputError, message
from seewhy.explanation import Receipt
from seewhy.models.class_report import ClassReport, ConceptSummary, class_report
from seewhy.models.craft import CRAFT
from seewhy.models.stored import StoredFeatures
from seewhy.models.survey import survey
from seewhy.registry import VIEWS

MAX_OTHERS = 2000
"""Pictures of other classes that a concept is compared with, at most."""


@dataclass(frozen=True, eq=False)
class Suspect:
    """A concept under suspicion, with what speaks for it.

    Attributes
    ----------
    class_name, class_index, concept
        Whose evidence it is.
    suspicion
        The numbers.
    decides
        Share of the class's pictures that get another class when the concept is taken out of the features.
    logit_drop
        Mean fall of the class's logit then.
    """

    class_name: str
    class_index: int
    concept: ConceptSummary
    suspicion: Suspicion
    decides: float
    logit_drop: float

    @property
    def accused(self) -> bool:
        """Whether the interval of its score lies above the threshold, for a class of enough pictures."""
        return self.suspicion.accused

    def sentence(self) -> str:
        """'disk: concept 1 (upper left) - it is 31% of the evidence for the class; ...', the place if it has one."""
        reasons = "; ".join(self.suspicion.reasons())
        tail = (
            f"; without it {self.decides:.0%} of the pictures get another class"
            if self.decides > 0.005
            else ""
        )
        place = f" ({where(self.suspicion.place)})" if self.suspicion.fixed >= SITS else ""
        return f"{self.class_name}: {self.concept.name}{place} - {reasons}{tail}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return {
            "class": self.class_name,
            "class_index": self.class_index,
            "concept": self.concept.to_dict(),
            "suspicion": self.suspicion.to_dict(),
            "decides": self.decides,
            "logit_drop": self.logit_drop,
            "sentence": self.sentence(),
        }


@dataclass(frozen=True, eq=False)
class Shortcuts(Sequence[Suspect]):
    """Suspects, the accused before the others, each part by score; `unknown` is what the audit cannot know."""

    suspects: tuple[Suspect, ...]
    threshold: float
    unknown: tuple[str, ...]

    @property
    def accused(self) -> tuple[Suspect, ...]:
        """Those whose interval lies above the threshold."""
        return tuple(suspect for suspect in self.suspects if suspect.accused)

    def __getitem__(self, index: Any) -> Any:
        return self.suspects[index]

    def __len__(self) -> int:
        return len(self.suspects)

    def to_text(self) -> str:
        """The verdict for a terminal."""
        lines = []
        if not self.accused:
            lines.append("No concept looks like a shortcut.")
        for i, suspect in enumerate(self.suspects):
            verdict = "LOOKS LIKE A SHORTCUT" if suspect.accused else "not accused"
            score = f"score {suspect.suspicion.score:.3f}, 95 % interval from {suspect.suspicion.low:.3f}"
            lines.append(f"{i + 1}. {verdict} ({score})\n   {suspect.sentence()}")
        return "\n".join(
            [*lines, "", "What this audit cannot know:", *(f"- {line}" for line in self.unknown)]
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return {
            "threshold": self.threshold,
            "suspects": [suspect.to_dict() for suspect in self.suspects],
            "unknown": list(self.unknown),
        }


class Audit:
    """What `model.audit(images)` returns: reports of all classes, made when first asked for.

    Attributes
    ----------
    craft
        The concepts, fitted on the pictures.
    masks
        Objects' masks by name of picture, where given.
    """

    def __init__(self, craft: CRAFT, masks: Masks | None = None) -> None:
        self.craft, self.masks = craft, masks or {}
        self._reports: dict[int, ClassReport] = {}
        self._found: dict[float, list[tuple[Suspicion, int, int]]] = {}
        self._taken_out: dict[tuple[int, int], tuple[float, float]] = {}

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that were given to a picture and have concepts."""
        return tuple(self.craft.backbone.class_name(row) for row in self.rows)

    @property
    def rows(self) -> tuple[int, ...]:
        """Their indices."""
        present = np.unique(self.craft.survey.predicted).tolist()
        known = {row for group in self.craft.groups.values() for row in group.classes}
        return tuple(int(row) for row in present if row in known)

    def report(self, target: int | str) -> ClassReport:
        """The concepts of one class by importance, with crops, prevalence and reliability."""
        row = self.craft.backbone.targets(target, self.craft.survey.logits[:1])[0]
        if row not in self._reports:
            self._reports[row] = class_report(self.craft, row)
        return self._reports[row]

    def strategies(self, target: int | str) -> Strategies:
        """Which groups of a class's pictures are recognised for the same reason."""
        return strategies_of(self.report(target), self.craft.survey, seed=self.craft.seed)

    def shortcuts(self, top_k: int | None = 10, *, threshold: float = THRESHOLD) -> Shortcuts:
        """Concepts that look like shortcuts, most suspicious first; see `audit.shortcuts` for the score.

        Parameters
        ----------
        top_k
            So many suspects, None for all with a score. The accused come first, so that none is hidden behind
            suspects of classes with too few pictures.
        threshold
            Least lower end of the score's interval that accuses, 0 to 1.

        Raises
        ------
        InputError
            If `top_k` is no whole number from 1, or `threshold` is outside 0 to 1.
        """
        if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1):
            raise InputError(
                message(
                    f"top_k is {top_k!r}.", "It is a whole number from 1, or None for all.", "Pass top_k=10."
                )
            )
        if not 0 <= threshold <= 1:
            raise InputError(
                message(
                    f"threshold is {threshold!r}.",
                    "Scores are from 0 to 1.",
                    f"Leave it out for {THRESHOLD}.",
                )
            )
        chosen = [
            self._suspect(found, self.report(row), j) for found, row, j in self._ranked(threshold)[:top_k]
        ]
        return Shortcuts(tuple(chosen), threshold, self.unknown)

    @cached_property
    def receipts(self) -> dict[int, list[Receipt]]:
        """Class -> receipts of a typical picture: whether its explanation is true. Of ten classes, the accused first.

        Asked for by the page and `to_dict`; about 150 passes of the network for each class.
        """
        accused = [found.class_index for found in self.shortcuts(None).accused]
        chosen = list(dict.fromkeys([*accused, *self.rows]))[:MAX_CLASSES]
        return {row: [receipt_of(self.craft, self.report(row))] for row in chosen}

    @cached_property
    def unknown(self) -> tuple[str, ...]:
        """What the audit cannot know, in sentences; always shown with its verdicts."""
        data, said = self.craft.survey, []
        bare = [seen.name for seen in data.seen if not np.any(self.masks.get(seen.name, False))]
        if len(bare) == len(data):
            said.append(
                "where the object is: no masks were given, so a background that moves with the object is not "
                "told from the object"
            )
        elif bare:
            said.append(f"where the object is in {listed(bare)}: without a mask, or with an empty one")
        if data.labels is None:
            said.append("whether predictions are right: no picture's folder or label names a class")
        elif (data.labels < 0).any():
            odd = dict.fromkeys(
                s.label or "no label" for s, i in zip(data.seen, data.labels, strict=True) if i < 0
            )
            said.append(
                f"whether predictions are right for {(data.labels < 0).sum()} pictures, whose folder or label "
                f"names no class: {listed(list(odd))}"
            )
        if len(self.rows) < 2:
            said.append("whether a concept is particular to a class: the pictures were all given one class")
        few = [
            self.craft.backbone.class_name(r)
            for r in self.rows
            if len(self.craft.pictures_of(r)) < MIN_PICTURES
        ]
        if few:
            said.append(
                f"anything about {listed(few)}: fewer than {MIN_PICTURES} pictures each, so never accused"
            )
        if self.craft.skipped:
            said.append(f"anything about {listed(list(self.craft.skipped))}: no concepts could be fitted")
        if any(group.dictionary.mean.any() for group in self.craft.groups.values()):
            said.append(
                f"marks on every picture of a class: {self.craft.dictionary.name} counts from the mean of the "
                "pictures, which is no concept; nmf, semi_nmf and kmeans count from nothing"
            )
        if data.failed:
            n = len(data.failed)
            files = "an unreadable file shows" if n == 1 else f"{n} unreadable files show"
            said.append(f"what {files}: {listed(list(data.failed))}")
        said.append("shortcuts that these pictures do not vary, such as a camera that took them all")
        said.append("whether a suspect is wrong: a concept of one class, in one place, can be what you want")
        return tuple(said)

    def to_text(self, top_k: int = 5) -> str:
        """The shortcuts for a terminal, under a line that says what was audited."""
        data = self.craft.survey
        head = (
            f"{self.craft.backbone.name} on {len(data)} pictures: {len(self.rows)} classes, "
            f"{self.craft.n_concepts} concepts each ({self.craft.dictionary.name}), layer {data.layer}"
        )
        notes = [f"note: {line}" for line in list(self.craft.warnings.values())[:3]]
        return "\n".join([head, *notes, "", self.shortcuts(top_k).to_text()])

    def to_dict(self, top_k: int | None = 10) -> dict[str, Any]:
        """JSON-safe data of schema `seewhy.audit/1`."""
        data = self.craft.survey
        return {
            "schema": "seewhy.audit/1",
            "model": self.craft.backbone.describe(),
            "layer": data.layer,
            "n_pictures": len(data),
            "failed": dict(data.failed),
            "skipped": dict(self.craft.skipped),
            "warnings": dict(self.craft.warnings),
            "seed": self.craft.seed,
            "shortcuts": self.shortcuts(top_k).to_dict(),
            "classes": [self.report(row).to_dict() for row in self.rows],
            "receipts": {
                self.craft.backbone.class_name(row): [receipt.to_dict() for receipt in receipts]
                for row, receipts in self.receipts.items()
            },
        }

    def save(self, output: Any, **options: Any) -> Any:
        """Write to `output`: .html page or .json data."""
        return VIEWS["save_audit"](self, output, **options)

    def _repr_html_(self) -> str:
        return str(VIEWS["notebook_audit"](self))

    def __repr__(self) -> str:
        return f"Audit({self.craft.backbone.name!r}, {len(self.craft.survey)} pictures, {len(self.rows)} classes)"

    # ------------------------------------------------------------------ details

    def _ranked(self, threshold: float) -> list[tuple[Suspicion, int, int]]:
        """Every concept with a score, its class and its index: the accused first, then by score."""
        if threshold not in self._found:
            every = [
                (found, row, j)
                for row in self.rows
                for j, found in enumerate(self._suspicions(row, threshold))
                if found.score >= LISTED
            ]
            self._found[threshold] = sorted(every, key=lambda one: (not one[0].accused, -one[0].score))
        return self._found[threshold]

    def _suspicions(self, row: int, threshold: float) -> tuple[Suspicion, ...]:
        data, report = self.craft.survey, self.report(row)
        dictionary = self.craft.group_of(row).dictionary
        others = np.flatnonzero(data.predicted != row)
        if len(others) > MAX_OTHERS:
            others = np.random.default_rng(self.craft.seed).choice(others, MAX_OTHERS, replace=False)
        maps = _maps(dictionary, data.features, report.pictures)
        signs = facing(report.contributions, maps.mean((2, 3), dtype=np.float64))
        maps = maps * signs[:, None, None].astype(maps.dtype)
        measured = {q: np.array([seen.measured[q] for seen in data.seen]) for q in data.seen[0].measured}
        evidence = Evidence(
            report.contributions,
            maps,
            _maps(dictionary, data.features, others) * signs[:, None, None].astype(maps.dtype),
            {q: values[report.pictures] for q, values in measured.items()},
            {q: values[others] for q, values in measured.items()},
            off_object(maps, report.pictures, data, self.masks) if self.masks else None,
        )
        return suspicions(evidence, threshold=threshold, seed=self.craft.seed)

    def _suspect(self, found: Suspicion, report: ClassReport, j: int) -> Suspect:
        concept = next(summary for summary in report.concepts if summary.index == j)
        key = report.index, j
        if key not in self._taken_out:
            self._taken_out[key] = self._without(report, j)
        return Suspect(report.name, report.index, concept, found, *self._taken_out[key])

    def _without(self, report: ClassReport, j: int) -> tuple[float, float]:
        """Share of pictures that change class, and the logit's mean fall, with concept j taken out."""
        craft, data = self.craft, self.craft.survey
        dictionary = craft.group_of(report.index).dictionary
        changed, drops = [], []
        with craft.backbone.undisturbed(), torch.no_grad():
            for start in range(0, len(report.pictures), 64):
                chosen = report.pictures[start : start + 64]
                cut = data.cut(chosen)
                atom = dictionary.atoms[j].to(cut.features)[None, :, None, None]
                part = dictionary.maps(cut.features)[:, j, None] * atom
                logits = data.split.tail(cut.features - part.to(cut.features), cut.rest).cpu()
                changed.append((logits.argmax(1) != report.index).double())
                drops.append((data.logits[torch.from_numpy(chosen)] - logits)[:, report.index].double())
        return float(torch.cat(changed).mean()), float(torch.cat(drops).mean())


def audit(
    model: Any,
    images: Any,
    *,
    labels: Sequence[str | int] | None = None,
    masks: Masks | None = None,
    n_concepts: int = 10,
    dictionary: str = "nmf",
    at: str | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Find the concepts that a network uses on a data set, class by class.

    Parameters
    ----------
    model
        What `seewhy.load` returns, a `Backbone`, or a module.
    images
        Anything `seewhy.read_images` reads; a folder with a subfolder for each class gives labels too.
    labels
        True classes, one a picture, instead of the folders' names.
    masks
        Where the object is in some or all pictures: name of the picture -> (H, W), true or 1 on the object, in
        the pixels of the picture. Without them nothing is said about that.
    n_concepts, dictionary, at, seed
        As in `CRAFT`.
    batch_size, progress
        As in `models.survey.survey`.

    Returns
    -------
    audit
        `.shortcuts()` ranks suspicious concepts, `.report(class)` is a class in its concepts,
        `.strategies(class)` groups its pictures, `.save("audit.html")` is the page.

    Raises
    ------
    InputError
        If no picture can be read, no class has enough rows for its concepts, or a mask has another size than
        its picture.
    """
    craft = CRAFT(model, n_concepts=n_concepts, dictionary=dictionary, at=at, seed=seed)
    measure: Callable[[Any], dict[str, float]] = properties
    data = survey(
        craft.backbone,
        images,
        labels=labels,
        at=at,
        measure=measure,
        folder=folder,
        batch_size=batch_size,
        progress=progress,
    )
    checked = checked_masks(masks, data)
    return Audit(craft.fit(data), checked)


def _maps(
    dictionary: Any, features: torch.Tensor | StoredFeatures, pictures: Int64[np.ndarray, " n"]
) -> Float[np.ndarray, "n k h w"]:
    """Codes of some pictures."""
    found = [np.zeros((0, dictionary.n_concepts, *features.shape[2:]), np.float32)]
    for start in range(0, len(pictures), 256):
        maps = dictionary.maps(features[torch.from_numpy(pictures[start : start + 256])])
        found.append(maps.cpu().numpy())
    return np.concatenate(found)


__all__ = ["Audit", "Masks", "Shortcuts", "Suspect", "audit"]
