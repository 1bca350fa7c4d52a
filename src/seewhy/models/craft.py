"""CRAFT: concepts found in what a network computes for its own predictions, and how much each one counts.

    A = features of the pictures that are given a class   (n x c)
    U, W = argmin_{U, W >= 0} ||A - U W||^2                                                            (1)
    logit = bias + sum_k contribution_k + remainder,   remainder = tail(A) - tail(U W)                 (2)

(1) is fitted on one row per place of whole pictures (`fit_on="locations"`), or on the mean features of square
crops, enlarged to the input (`fit_on="crops"`, as the paper does). For a picture, its codes at each place are
the solution of (1) for U with W kept, and (2) is counted by `importance.shares`.

Fel et al., "CRAFT: Concept Recursive Activation FacTorization for Explainability", CVPR 2023 (arXiv 2211.10154);
any dictionary in place of the factorisation: Fel et al., "A Holistic Approach", NeurIPS 2023 (arXiv 2306.07304).
Fitting on locations, groups of classes, the independent remainder and the warning of too few pictures are ours.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from seewhy.attribution.base import as_backbone, as_batch, describe_choices, model_warnings, versions
from seewhy.attribution.engine import Cost, Engine, Progress
from seewhy.attribution.replays import input_again
from seewhy.backbones.base import Backbone, Batch, Target
from seewhy.backbones.outputs import check_finite
from seewhy.backbones.split import Cut
from seewhy.concepts.base import Dictionary
from seewhy.concepts.dictionaries import DICTIONARIES
from seewhy.errors import InputError, NotFitted, UnknownName, did_you_mean, message
from seewhy.explanation import Answers, ConceptEvidence, Elsewhere, Explanation, Meta
from seewhy.importance.base import Importance, ImportanceMethod
from seewhy.importance.concept_tail import ConceptTail
from seewhy.importance.methods import IMPORTANCES
from seewhy.importance.shares import Concepts, Shares, is_affine, remainder_of, shares_of
from seewhy.models import craft_files as keeping
from seewhy.models.concept_net import ConceptNet
from seewhy.models.crops import Crop, best_crops, crop_features
from seewhy.models.replays import replay_of, scaled_codes
from seewhy.models.survey import Survey, survey
from seewhy.types import Size

FitOn = Literal["locations", "crops"]

PICTURES_PER_CONCEPT = 5
"""Fewer pictures than this for each concept asked for give a warning."""

MAX_PICTURES = 500
"""Pictures of a group that a class's importance is averaged over, as many as the paper advises for a class."""


class FewPictures(UserWarning):
    """A dictionary was fitted on fewer pictures than its number of concepts needs."""


@dataclass(frozen=True, eq=False)
class Group:
    """Concepts that some classes share.

    Attributes
    ----------
    name
        The class, or what the user called the group.
    classes
        Indices of its classes.
    members
        Indices of the survey's pictures that are given one of them; what the dictionary was fitted on.
    strengths
        (members, k) mean code of each member, each column sorted: the calibration of a strength's rank.
    """

    name: str
    classes: tuple[int, ...]
    dictionary: Dictionary
    members: Int64[np.ndarray, " n"]
    strengths: Float[np.ndarray, "n k"]


class CRAFT:
    """Concepts found by factorising features, class by class.

    Parameters
    ----------
    model
        A `Backbone`, what `seewhy.load` returns, or a module.
    n_concepts
        k of each group.
    dictionary
        Name in `concepts.DICTIONARIES` ("nmf", "semi_nmf", "kmeans", "pca", "ica") or a dictionary class.
    at
        Layer; default the backbone's.
    fit_on
        "locations": every place of the whole pictures; "crops": mean features of crops, as in the paper.
    crop, overlap
        Side of the crops in pixels of the input (default 2/7 of its shorter side: 64 of 224) and what share
        of it neighbours have in common.
    native
        Leave crops at their size instead of enlarging them to the input. Cheaper, but not the paper's: the
        network then sees small pictures.
    groups
        "class": a dictionary for each predicted class; "all": one for all; or a mapping from class names or
        indices to names of groups.
    seed
        Of whatever the dictionary draws.
    options
        Passed on to the dictionary.
    """

    def __init__(
        self,
        model: Any,
        *,
        n_concepts: int = 10,
        dictionary: str | type[Dictionary] = "nmf",
        at: str | None = None,
        fit_on: FitOn = "locations",
        crop: int | None = None,
        overlap: float = 0.2,
        native: bool = False,
        groups: str | Mapping[str | int, str] = "class",
        seed: int = 0,
        **options: Any,
    ) -> None:
        self.backbone: Backbone = as_backbone(model)
        self.dictionary = DICTIONARIES[dictionary] if isinstance(dictionary, str) else dictionary
        self.n_concepts, self.at, self.fit_on, self.seed = n_concepts, at, fit_on, seed
        self.crop, self.overlap, self.native = crop, overlap, native
        self.options = options
        self.groups: dict[str, Group] = {}
        self.skipped: dict[str, str] = {}
        self.warnings: dict[str, str] = {}
        self._grouping = groups
        self._survey: Survey | None = None
        self._check_settings()

    # ------------------------------------------------------------------ fitting

    def fit(
        self,
        images: Any,
        *,
        labels: Sequence[str | int] | None = None,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> CRAFT:
        """Find the concepts of every group that has pictures.

        Pictures belong to the class that the network gives them, right or wrong, because the concepts explain
        the network. Groups that cannot be fitted stand in `skipped` with the reason; groups with fewer than
        5 pictures per concept are fitted, stand in `warnings`, and raise a `FewPictures` warning.

        Parameters
        ----------
        images
            Anything `seewhy.read_images` reads, or a `Survey`.
        labels
            True classes, for accuracies only.

        Raises
        ------
        InputError
            If no group can be fitted.
        """
        data = survey(
            self.backbone, images, labels=labels, at=self.at, batch_size=batch_size, progress=progress
        )
        self._survey, self.groups, self.skipped, self.warnings = data, {}, {}, {}
        predicted = data.predicted
        for name, classes in self._classes_by_group(predicted, data.logits.shape[1]).items():
            members = np.flatnonzero(np.isin(predicted, classes))
            try:
                dictionary = self._fit_one(data, members)
            except InputError as error:
                self.skipped[name] = str(error).splitlines()[0]
                continue
            codes = _mean_codes(dictionary, data.features, members)
            self.groups[name] = Group(name, tuple(classes), dictionary, members, np.sort(codes, 0))
            if len(members) < PICTURES_PER_CONCEPT * self.n_concepts:
                self.warnings[name] = (
                    f"{name}: {len(members)} pictures for {self.n_concepts} concepts, "
                    f"{len(members) / self.n_concepts:.1f} each"
                )
        if not self.groups:
            first = next(iter(self.skipped.items()), ("none", "there is no picture"))
            raise InputError(
                message(
                    f"No group of classes can be fitted; {first[0]}: {first[1]}",
                    f"{self.n_concepts} concepts need at least as many rows of features.",
                    "Pass more pictures, ask for fewer concepts, or join classes with groups='all'.",
                )
            )
        if self.warnings:
            warnings.warn(self._few(), FewPictures, stacklevel=2)
        return self

    def _few(self) -> str:
        shown = "; ".join(list(self.warnings.values())[:3])
        more = f"; and {len(self.warnings) - 3} groups more" if len(self.warnings) > 3 else ""
        return (
            f"{len(self.warnings)} of {len(self.groups)} groups have fewer than {PICTURES_PER_CONCEPT} pictures "
            f"per concept ({shown}{more}). Concepts found in so few describe these pictures, not the class: pass "
            f"more pictures, fewer concepts, or join classes with groups=."
        )

    def _fit_one(self, data: Survey, members: Int64[np.ndarray, " n"]) -> Dictionary:
        found = self.dictionary(self.n_concepts, seed=self.seed, **self.options)
        if self.fit_on == "crops":
            return found.fit(crop_features(data, members, self.crop, self.overlap, native=self.native))
        chosen = data.features[torch.from_numpy(members)]
        return found.fit(chosen.movedim(1, 3).flatten(0, 2))

    def _classes_by_group(self, predicted: np.ndarray, n_classes: int) -> dict[str, list[int]]:
        present = [int(k) for k in np.unique(predicted)]
        if self._grouping == "class":
            return {self.backbone.class_name(k): [k] for k in present}
        if self._grouping == "all":
            return {"all": list(range(n_classes))}
        assert not isinstance(self._grouping, str)
        blank = torch.zeros(1, n_classes)
        found: dict[str, list[int]] = {}
        for name, group in self._grouping.items():
            found.setdefault(group, []).append(self.backbone.targets(name, blank)[0])
        for k in present:
            if not any(k in classes for classes in found.values()):
                self.skipped[self.backbone.class_name(k)] = "its class is in no group"
        return {group: classes for group, classes in found.items() if np.isin(present, classes).any()}

    # ------------------------------------------------------------------ asking

    @property
    def survey(self) -> Survey:
        """The pictures it was fitted on. NotFitted if there is none, as after loading."""
        if self._survey is None:
            raise NotFitted(
                message(
                    "This CRAFT holds no pictures.",
                    "Crops, class reports and importances are made from the pictures it was fitted on.",
                    "Call fit(images).",
                )
            )
        return self._survey

    def group_of(self, target: int | str) -> Group:
        """The group of a class (by index or name) or of its own name.

        Raises
        ------
        NotFitted
            If no pictures were given that class.
        """
        if not self.groups:
            raise NotFitted(
                message("This CRAFT is not fitted.", "Its concepts are found in pictures.", "Call fit.")
            )
        if isinstance(target, str) and target in self.groups:
            return self.groups[target]
        for group in self.groups.values():
            if target in group.classes or target in [self.backbone.class_name(k) for k in group.classes]:
                return group
        name = target if isinstance(target, str) else self.backbone.class_name(target)
        raise NotFitted(
            message(
                f"There are no concepts for {name!r}{': ' + self.skipped[name] if name in self.skipped else ''}.",
                f"Groups fitted: {', '.join(self.groups)}."[:300],
                "Fit on pictures that the network gives this class, or with groups='all'.",
            )
        )

    def explain(
        self,
        images: Any,
        target: Target = "predicted",
        *,
        preprocess: bool = True,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> Explanation | Answers[Explanation]:
        """What counted, where and how much, in the concepts of the target's group.

        Parameters
        ----------
        images, target, preprocess, batch_size, progress
            As in `Classifier.explain`.

        Returns
        -------
        explanation
            Kind "share" with the remainder of (2) where the sum holds, else "effect".
        """
        backbone = self.backbone
        batch, single = as_batch(backbone, images, preprocess)
        size = batch.x.shape[2], batch.x.shape[3]
        engine = Engine.for_device(backbone.device, batch_size, size=size)
        with backbone.undisturbed(), torch.no_grad():
            split = backbone.split(self.at, size=size)
            cut = split.cut(batch.x)
            logits = split.tail(cut.features, cut.rest)
            check_finite(logits)
            rows = backbone.targets(target, logits)
            answers = []
            for i, row in enumerate(rows):
                own = cut.take(torch.tensor([i]))
                answers.append(self._one(batch, i, own, logits[i].cpu(), row, engine, preprocess))
                if progress is not None:
                    progress(i + 1, len(batch))
        return answers[0] if single else Answers(answers)

    def _one(
        self, batch: Batch, i: int, cut: Cut, logits: Tensor, row: int, engine: Engine, preprocess: bool
    ) -> Explanation:
        backbone, group = self.backbone, self.group_of(row)
        size = batch.x.shape[2], batch.x.shape[3]
        split, dictionary = backbone.split(self.at, size=size), group.dictionary
        affine = self._is_affine(size, cut)
        baseline = None if affine else split.cut(torch.zeros_like(batch.x[:1]))
        codes = dictionary.maps(cut.features)
        shares = shares_of(
            split, cut, row, baseline, concepts=Concepts(codes, dictionary.rebuild), batch_size=engine.used
        )
        remainder = remainder_of(split, cut, dictionary.rebuild(codes), row)
        notes = model_warnings(backbone) + (
            (self.warnings[group.name],) if group.name in self.warnings else ()
        )
        if not shares.adds_up:
            notes += (
                f"contributions are estimates: with {shares.points} points on the path they miss the logit by "
                f"{shares.gap:.3g}",
            )
        again = input_again(backbone, batch, i, preprocess)
        return Explanation(
            image=batch.pictures[i],
            geometry=batch.geometries[i],
            prediction=backbone.predictions(logits),
            target=backbone.prediction(logits, row),
            meta=self._meta(group, size, shares, affine, engine, notes),
            concepts=_evidence(group, codes[0].float().cpu().numpy(), shares),
            kind="share" if shares.adds_up else "effect",
            bias=shares.bias if shares.adds_up else None,
            elsewhere=tuple(Elsewhere(name, value) for name, value in shares.elsewhere),
            remainder=remainder if shares.adds_up else None,
            rerun=lambda other: self._again(batch, i, other, preprocess),
            replay=replay_of(
                backbone,
                split,
                again,
                size,
                row,
                lambda cut: scaled_codes(cut.features, dictionary.maps(cut.features)[0], dictionary.atoms),
                engine.used,
            ),
        )

    def _again(self, batch: Batch, i: int, target: int | str, preprocess: bool) -> Explanation:
        images = batch.pictures[i] if preprocess else batch.x[i]
        answer = self.explain(images, target, preprocess=preprocess)
        assert isinstance(answer, Explanation)
        return answer

    def importance(
        self,
        target: int | str,
        method: str | ImportanceMethod = "auto",
        *,
        pictures: Sequence[int] | None = None,
        batch_size: int | None = None,
        **parameters: Any,
    ) -> Importance:
        """How much each concept of a class counts, in each of its pictures.

        Parameters
        ----------
        target
            A class.
        method
            A name in `importance.IMPORTANCES` with its `parameters`, or a method. "auto": the shares of the
            logit, in closed form where the tail is affine, else by integrated gradients.
        pictures
            Indices in the survey; default the first 500 that are given the class.
        """
        row = self.backbone.targets(target, self.survey.logits[:1])[0]
        chosen = self.pictures_of(row) if pictures is None else np.asarray(pictures, np.int64)
        tail = self.tail(row, chosen, batch_size=batch_size)
        if method == "auto":
            method = "gradient_x_input" if tail.affine else "integrated_gradients"
        asked = IMPORTANCES[method](**parameters) if isinstance(method, str) else method
        with self.backbone.undisturbed():
            return asked.measure(tail, tail.n_concepts, seed=self.seed)

    def tail(
        self, row: int, pictures: Int64[np.ndarray, " b"], *, batch_size: int | None = None
    ) -> ConceptTail:
        """The logit of class `row` as a function of the concepts, for pictures of the survey."""
        data, group = self.survey, self.group_of(row)
        engine = Engine.for_device(self.backbone.device, batch_size, size=self.backbone.input_size)
        cut = data.cut(pictures)
        return ConceptTail(
            data.split, cut, group.dictionary, [row] * len(pictures), affine=data.affine, engine=engine
        )

    def pictures_of(self, row: int) -> Int64[np.ndarray, " b"]:
        """Indices in the survey of the pictures that are given class `row`, at most 500."""
        found = np.flatnonzero(self.survey.predicted == row)[:MAX_PICTURES]
        if len(found) == 0:
            raise NotFitted(
                message(
                    f"No picture was given the class {self.backbone.class_name(row)!r}.",
                    "A class's importances are averaged over pictures that are given it.",
                    "Fit on pictures of this class, or pass pictures=.",
                )
            )
        return found

    def crops(self, target: int | str, concept: int | str, *, n: int = 10) -> tuple[Crop, ...]:
        """Pieces of the class's pictures in which a concept is strongest, one a picture, strongest first."""
        row = self.backbone.targets(target, self.survey.logits[:1])[0]
        dictionary, pictures = self.group_of(row).dictionary, self.pictures_of(row)
        k = dictionary.index(concept)
        maps = dictionary.maps(self.survey.features[torch.from_numpy(pictures)])[:, k].cpu().numpy()
        return best_crops(self.survey, maps, pictures, n=n)

    def concept_backbone(self, target: int | str) -> Backbone:
        """The network whose logits are the concepts of a class: how much of each there is in a picture.

        Every attribution method works on it, through the exact derivative of the codes:
        `sw.attribute("cat.jpg", craft.concept_backbone("cat"), "saliency", target="concept 3")`.
        """
        group = self.group_of(target)
        own = self.backbone
        return Backbone(
            ConceptNet(own.module, own.layer(self.at).layer, group.dictionary),
            name=f"{own.name}, concepts of {group.name}",
            preprocess=own.preprocess,
            classes=group.dictionary.names,
        )

    # ------------------------------------------------------------------ keeping

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write the concepts, not the network nor the pictures, as JSON and safetensors; returns the folder."""
        if not self.groups:
            raise NotFitted(
                message("This CRAFT is not fitted.", "Only concepts can be saved.", "Call fit first.")
            )
        return keeping.write(self, Path(folder))

    @classmethod
    def from_pretrained(cls, folder: str | Path, model: Any) -> CRAFT:
        """Read what `save_pretrained` wrote, for the network it was found in.

        It explains pictures; crops, reports and importances need `fit`.

        Raises
        ------
        BadArtefact
            If the folder is damaged, or the network is another one.
        """
        return keeping.read(cls, Path(folder), model)

    # ------------------------------------------------------------------ details

    def _is_affine(self, size: Size, cut: Cut) -> bool:
        split = self.backbone.split(self.at, size=size)
        return self.backbone.once(("affine", split.layer, size), lambda: is_affine(split, cut))

    def _meta(
        self, group: Group, size: Size, shares: Shares, affine: bool, engine: Engine, notes: tuple[str, ...]
    ) -> Meta:
        report, choices = group.dictionary.report, describe_choices(self.backbone, engine)
        choices["layer"] = self.backbone.layer(self.at, size=size).layer.describe()
        choices["concepts"] = (
            f"{self.n_concepts} of {group.dictionary.name} for {group.name}, from {report.rows} "
            f"{'crops' if self.fit_on == 'crops' else 'places'} of {len(group.members)} pictures, relative error "
            f"{report.rel_l2:.3f}"
        )
        choices["shares"] = (
            "exact: the tail is affine"
            if affine
            else f"integrated gradients of the tail from no concept, {shares.points} points, gap {shares.gap:.2g}"
        )
        cost = Cost(forwards=1, tail_forwards=shares.points + 4, tail_backwards=shares.points)
        return Meta(
            model=self.backbone.describe(),
            method={
                "name": "CRAFT",
                "paper": "Fel et al., CVPR 2023",
                "dictionary": group.dictionary.name,
                "dictionary_sha256": _fingerprint(group.dictionary),
                "n_concepts": self.n_concepts,
                "fit_on": self.fit_on,
                "group": group.name,
            },
            choices=choices,
            seed=self.seed,
            cost=cost.to_dict(),
            versions=versions(),
            warnings=notes,
        )

    def _check_settings(self) -> None:
        if self.fit_on not in ("locations", "crops"):
            raise UnknownName(
                message(f"fit_on is {self.fit_on!r}.", did_you_mean(str(self.fit_on), ["locations", "crops"]))
            )
        if isinstance(self._grouping, str) and self._grouping not in ("class", "all"):
            raise UnknownName(
                message(
                    f"groups is {self._grouping!r}.",
                    "It is 'class', 'all' or a mapping from classes to names of groups.",
                )
            )
        if not 0 <= self.overlap < 1 or (self.crop is not None and self.crop < 1):
            raise InputError(
                message(
                    f"crop is {self.crop} and overlap {self.overlap}.",
                    "A crop has at least one pixel, and neighbours share from 0 to under 1 of it.",
                    "Leave them out for the paper's.",
                )
            )

    def __repr__(self) -> str:
        state = f"{len(self.groups)} groups" if self.groups else "not fitted"
        return f"CRAFT({self.backbone.name!r}, {self.n_concepts} concepts by {self.dictionary.name}, {state})"


def _fingerprint(dictionary: Dictionary) -> str:
    """Tells dictionaries apart, so that only concepts of one are ever compared by name."""
    return hashlib.sha256(dictionary.atoms.detach().cpu().contiguous().numpy().tobytes()).hexdigest()


def _mean_codes(
    dictionary: Dictionary, features: Tensor, members: Int64[np.ndarray, " n"], step: int = 256
) -> Float[np.ndarray, "n k"]:
    """Mean code of each member, in chunks."""
    found = [
        dictionary.maps(features[torch.from_numpy(members[start : start + step])]).mean((2, 3))
        for start in range(0, len(members), step)
    ]
    codes: np.ndarray = torch.cat(found).double().cpu().numpy()
    return codes


def _evidence(group: Group, maps: Float[np.ndarray, "k h w"], shares: Shares) -> tuple[ConceptEvidence, ...]:
    by_concept, names = shares.by_place.sum((1, 2)), group.dictionary.names
    means = maps.mean((1, 2), dtype=np.float64)
    ranks = [
        100.0 * np.searchsorted(group.strengths[:, k], means[k], side="right") / len(group.strengths)
        for k in range(len(maps))
    ]
    return tuple(
        ConceptEvidence(
            name=names[k],
            index=k,
            map=maps[k],
            contribution=float(by_concept[k]),
            shares=shares.by_place[k],
            source="found",
            percentile=float(ranks[k]),
        )
        for k in range(len(maps))
    )
