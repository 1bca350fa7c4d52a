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

import warnings
from collections.abc import Mapping, Sequence
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
from seewhy.backbones.split import Cut, Split
from seewhy.concepts.base import Dictionary
from seewhy.concepts.dictionaries import DICTIONARIES
from seewhy.errors import InputError, NotFitted, UnknownName, did_you_mean, message
from seewhy.explanation import Answers, ConceptEvidence, Elsewhere, Explanation, Meta
from seewhy.importance.base import Importance, ImportanceMethod
from seewhy.importance.concept_tail import ConceptTail
from seewhy.importance.methods import IMPORTANCES
from seewhy.importance.shares import Concepts, Shares, shares_of
from seewhy.models import craft_files as keeping
from seewhy.models.concept_net import ConceptNet
from seewhy.models.crops import Crop, best_crops, crop_features, side_of
from seewhy.models.groups import (
    FewPictures,
    Group,
    Grouping,
    asked_groups,
    check_grouping,
    strengths_of,
    too_few,
    unique_name,
)
from seewhy.models.replays import Edit, replay_of, scaled_codes
from seewhy.models.stored import StoredFeatures
from seewhy.models.survey import Survey, class_index, survey, tail_is_affine
from seewhy.types import Size

FitOn = Literal["locations", "crops"]

PICTURES_PER_CONCEPT = 5
"""Fewer pictures than this for each concept asked for give a warning."""

MAX_PICTURES = 500
"""Pictures that a class's importance is averaged over, as many as the paper advises for a class."""

MAX_STORED_ROWS = 100_000
"""Rows that a dictionary is fitted on at most if they come from the disk and it does not say how many it wants."""


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
        indices to names of groups, such as `{k: "animals" if k < 398 else "things" for k in range(1000)}`.
        Pictures that are given a class in no group are left out.
    seed
        Of whatever the dictionary draws.
    options
        Passed on to the dictionary.

    Attributes
    ----------
    groups
        Fitted groups by name.
    skipped
        What could not be fitted, with the reason.
    warnings
        Groups with too few pictures, with the numbers.
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
        groups: Grouping = "class",
        seed: int = 0,
        **options: Any,
    ) -> None:
        self.backbone: Backbone = as_backbone(model)
        self.dictionary: type[Dictionary] = _dictionary_class(dictionary)
        self.n_concepts, self.at, self.fit_on, self.seed = n_concepts, at, fit_on, seed
        self.crop, self.overlap, self.native = crop, overlap, native
        self.options = options
        self.groups: dict[str, Group] = {}
        self.skipped: dict[str, str] = {}
        self.warnings: dict[str, str] = {}
        self._reasons: dict[int, str] = {}
        self.grouping = groups
        self._survey: Survey | None = None
        self._check_settings()
        self.dictionary(n_concepts, seed=seed, **options)  # refuses wrong settings before any picture is read

    # ------------------------------------------------------------------ fitting

    def fit(
        self,
        images: Any,
        *,
        labels: Sequence[str | int] | None = None,
        folder: str | Path | None = None,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> CRAFT:
        """Find the concepts of every group that has pictures.

        Pictures belong to the class that the network gives them, right or wrong, because the concepts explain
        the network. Groups that cannot be fitted stand in `skipped` with the reason; groups with fewer than
        5 pictures per concept are fitted, stand in `warnings`, and raise a `FewPictures` warning. What an
        earlier fit found is replaced, but only once there is something else.

        Parameters
        ----------
        images
            Anything `seewhy.read_images` reads, or a `Survey` of this network and layer.
        labels
            True classes, for accuracies only.
        folder
            Keep the features on the disk, as in `survey`.

        Raises
        ------
        InputError
            If no group can be fitted, or the crops do not fit into the input.
        UnknownName
            If a label or a class in `groups` is no class.
        """
        n_classes = self._n_classes()
        if self.fit_on == "crops":
            side_of(self.backbone.input_size, self.crop)
        grouping = asked_groups(self.backbone, self.grouping, n_classes)
        data = survey(
            self.backbone,
            images,
            labels=labels,
            at=self.at,
            folder=folder,
            batch_size=batch_size,
            progress=progress,
        )
        predicted = data.predicted
        present = [int(k) for k in np.unique(predicted)]
        if grouping is None:
            grouping = {unique_name(self.backbone, k, n_classes): [k] for k in present}
        groups: dict[str, Group] = {}
        few: dict[str, str] = {}
        grouped = [k for classes in grouping.values() for k in classes]
        reasons = {k: "its class is in no group" for k in present if k not in grouped}
        skipped = {unique_name(self.backbone, k, n_classes): why for k, why in reasons.items()}
        first: InputError | None = None
        for name, classes in grouping.items():
            members = np.flatnonzero(np.isin(predicted, classes))
            if len(members) == 0:
                continue
            try:
                dictionary = self._fit_one(data, members)
            except InputError as error:
                first = first or error
                skipped[name] = str(error).splitlines()[0]
                reasons |= dict.fromkeys(classes, skipped[name])
                continue
            strengths = strengths_of(dictionary, data.features, members)
            groups[name] = Group(name, tuple(classes), dictionary, members, strengths)
            if len(members) < PICTURES_PER_CONCEPT * self.n_concepts:
                few[name] = (
                    f"{name}: {len(members)} picture{'s' * (len(members) != 1)} for {self.n_concepts} concepts, "
                    f"{len(members) / self.n_concepts:.1f} each"
                )
        if not groups:
            raise self._nothing_fitted(skipped, first) from first
        self._survey, self.groups, self.skipped, self.warnings = data, groups, skipped, few
        self._reasons = reasons
        if few:
            warnings.warn(too_few(few, len(groups), PICTURES_PER_CONCEPT), FewPictures, stacklevel=2)
        return self

    def _nothing_fitted(self, skipped: Mapping[str, str], first: InputError | None) -> InputError:
        if first is not None:
            whole = str(first).splitlines()
            name = next(name for name, why in skipped.items() if why == whole[0])
            head = f"No group of classes can be fitted; {name}: {whole[0]}"
            return InputError("\n".join([head, *whole[1:]]))
        return InputError(
            message(
                f"No group of classes can be fitted: none of the {len(skipped)} classes that the network gives is "
                "in a group.",
                "groups= names the classes whose concepts are to be found.",
                f"The network gives {', '.join(list(skipped)[:5])}.",
            )
        )

    def _fit_one(self, data: Survey, members: Int64[np.ndarray, " n"]) -> Dictionary:
        found = self.dictionary(self.n_concepts, seed=self.seed, **self.options)
        if self.fit_on == "crops":
            return found.fit(crop_features(data, members, self.crop, self.overlap, native=self.native))
        if isinstance(data.features, StoredFeatures):
            n_rows = found.max_rows or MAX_STORED_ROWS
            return found.fit(data.features.store.rows(n_rows, self.seed, images=members.tolist()))
        chosen = data.features[torch.from_numpy(members)]
        return found.fit(chosen.movedim(1, 3).flatten(0, 2))

    def _n_classes(self) -> int:
        """How many logits the network has."""
        if self._survey is not None:
            return self._survey.logits.shape[1]
        backbone = self.backbone

        def run() -> int:
            with torch.no_grad():
                return backbone.logits(backbone.probe(backbone.input_size).inputs).shape[1]

        backbone.layer(self.at)  # says what is wrong with a network that does not run
        return backbone.once("number of classes", run)

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

    def row_of(self, target: int | str) -> int:
        """Index of a class, by index or name. UnknownName if there is none; "predicted" is none."""
        return class_index(self.backbone, target, self._n_classes())

    def group_of(self, target: int | str) -> Group:
        """The group of a class (by index or name) or of its own name.

        Raises
        ------
        NotFitted
            If there are no concepts for that class.
        UnknownName
            If there is no such class or group.
        """
        if not self.groups:
            raise NotFitted(
                message("This CRAFT is not fitted.", "Its concepts are found in pictures.", "Call fit.")
            )
        if isinstance(target, str) and target in self.groups:
            return self.groups[target]
        row = self.row_of(target)
        for group in self.groups.values():
            if row in group.classes:
                return group
        why = self._reasons.get(row, "no picture was given this class")
        raise NotFitted(
            message(
                f"There are no concepts for {self.backbone.class_name(row)!r}: {why}",
                f"Groups fitted: {', '.join(list(self.groups)[:10])}{', ...' if len(self.groups) > 10 else ''}.",
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
            cuts: list[Cut] = []
            parts: list[Tensor] = []

            def work(start: int, stop: int) -> None:
                cut = split.cut(batch.x[start:stop])
                parts.append(split.tail(cut.features, cut.rest))
                cuts.append(cut)

            engine.run(len(batch), work)
            logits = torch.cat(parts)
            check_finite(logits)
            rows = backbone.targets(target, logits)
            for row in dict.fromkeys(rows):
                self.group_of(row)  # refuse before the work rather than in the middle of it
            affine = tail_is_affine(backbone, split, size)
            baseline = None if affine else split.cut(torch.zeros_like(batch.x[:1]))
            answers: list[Explanation] = []
            for cut in cuts:
                for j in range(cut.rest.n):
                    i = len(answers)
                    own = cut.take(torch.tensor([j]))
                    answers.append(
                        self._one(
                            batch, i, own, logits[i].cpu(), rows[i], split, baseline, engine, preprocess
                        )
                    )
                    if progress is not None:
                        progress(i + 1, len(batch))
        return answers[0] if single else Answers(answers)

    def _one(
        self,
        batch: Batch,
        i: int,
        cut: Cut,
        logits: Tensor,
        row: int,
        split: Split,
        baseline: Cut | None,
        engine: Engine,
        preprocess: bool,
    ) -> Explanation:
        backbone, group = self.backbone, self.group_of(row)
        size, dictionary = (batch.x.shape[2], batch.x.shape[3]), group.dictionary
        codes = dictionary.maps(cut.features)
        shares = shares_of(
            split, cut, row, baseline, concepts=Concepts(codes, dictionary.rebuild), batch_size=engine.used
        )
        # The logit as it is told, not run once more: where no concept is present, rounding alone would be too much.
        named = split.tail(dictionary.rebuild(codes).to(cut.features), cut.rest)[0, row]
        remainder = float(logits[row].double() - named.double().cpu())
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
            meta=self._meta(group, size, shares, baseline is None, engine, notes),
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
                lambda cut: _scaled(dictionary, cut),
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

        Raises
        ------
        NotFitted
            If there are no concepts for the class, or no picture was given it.
        InputError
            If `pictures` is empty or names none of the survey.
        """
        row = self.row_of(target)
        chosen = self.pictures_of(row) if pictures is None else self._chosen(pictures)
        if method == "auto":
            method = "gradient_x_input" if self.survey.affine else "integrated_gradients"
        asked = IMPORTANCES[method](**parameters) if isinstance(method, str) else method
        with self.backbone.undisturbed():
            tail = self.tail(row, chosen, batch_size=batch_size)
            return asked.measure(tail, tail.n_concepts, seed=self.seed)

    def _chosen(self, pictures: Sequence[int]) -> Int64[np.ndarray, " b"]:
        found, n = np.asarray(pictures, np.int64).reshape(-1), len(self.survey)
        if len(found) == 0 or found.min() < 0 or found.max() >= n:
            wrong = [int(i) for i in found if not 0 <= i < n][:3]
            raise InputError(
                message(
                    f"pictures holds {', '.join(map(str, wrong))}." if wrong else "pictures is empty.",
                    f"The survey has {n} pictures, 0 to {n - 1}.",
                    "Leave it out for those that are given the class.",
                )
            )
        return found

    def tail(
        self, row: int, pictures: Int64[np.ndarray, " b"], *, batch_size: int | None = None
    ) -> ConceptTail:
        """The logit of class `row` as a function of the concepts, for pictures of the survey."""
        data, group = self.survey, self.group_of(row)
        engine = Engine.for_device(self.backbone.device, batch_size, size=self.backbone.input_size)
        cut = data.cut(pictures, batch_size=batch_size)
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
        row = self.row_of(target)
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
            ConceptNet(own.module, own.layer(self.at).layer, group.dictionary, own.input_size),
            name=f"{own.name}, concepts of {group.name}",
            preprocess=own.preprocess,
            classes=group.dictionary.names,
            untrained=own.untrained,
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
                "dictionary_sha256": keeping.fingerprint(group.dictionary),
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
        check_grouping(self.grouping)
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


def _dictionary_class(dictionary: object) -> type[Dictionary]:
    if isinstance(dictionary, str):
        return DICTIONARIES[dictionary]
    if isinstance(dictionary, type) and issubclass(dictionary, Dictionary):
        return dictionary
    raise InputError(
        message(
            f"dictionary is {dictionary!r:.80}.",
            "It is a name or a class of dictionaries, which is fitted once for each group.",
            f"There are: {', '.join(DICTIONARIES)}.",
        )
    )


def _scaled(dictionary: Dictionary, cut: Cut) -> Edit:
    """What the replay does to the features when concepts are scaled, where and in the type in which they are."""
    codes, features = dictionary.maps(cut.features)[0], cut.features
    return scaled_codes(features, codes.to(features), dictionary.atoms.to(features))


def _evidence(group: Group, maps: Float[np.ndarray, "k h w"], shares: Shares) -> tuple[ConceptEvidence, ...]:
    by_concept, names = shares.by_place.sum((1, 2)), group.dictionary.names
    # Rounding may not put a picture of the fit below itself.
    means = maps.mean((1, 2), dtype=np.float64) + 1e-5 * np.abs(group.strengths).max(0)
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
