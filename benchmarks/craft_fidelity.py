"""Claim: 10 concepts a class hold ResNet-20's answers: 99 % agree, a median of 6 % of the evidence is missing.

Fits on the 5,000 CIFAR training pictures, a group for each predicted class. *Agreement*: share of pictures that
keep their class when features are replaced by what their concepts decode to. *Remainder*: |what the concepts do
not say about the logit| over the sum of |shares|, median over a class's pictures; the bars are 6 % for the median
of the classes and 10 % for every one. Both are given for the pictures that were fitted and for the 1,000 test
pictures, which no fit saw. `ours` is the worst of the three numbers over its bar (missing agreement over 1 %).

Beside it: the other dictionaries under the same terms; MobileNetV2 on the 200 photographs, one group a predicted
class (each is warned about) and three groups of classes with 7 concepts (none is); and the error on held-out
pictures by how many pictures a dictionary was fitted on, the measurement behind `PICTURES_PER_CONCEPT`.
"""

from __future__ import annotations

import statistics
import warnings
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from benchmarks import _classifiers
from seewhy.attribution.engine import Engine
from seewhy.concepts.dictionaries import DICTIONARIES
from seewhy.concepts.quality import rel_l2, sparsity
from seewhy.importance.concept_tail import ConceptTail
from seewhy.importance.methods import IMPORTANCES
from seewhy.models.craft import CRAFT, PICTURES_PER_CONCEPT, FewPictures
from seewhy.models.survey import Survey, survey

NAME = "accuracy.craft"
CONCEPTS = 10
AGREEMENT, REMAINDER, WORST_REMAINDER = 0.99, 0.06, 0.10
SUBSETS = (10, 20, 30, 50, 70, 100, 200, 400)


def run() -> dict[str, Any]:
    """Fidelity of all dictionaries, the warning on the photographs, and error by number of pictures."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        backbone = _classifiers.backbone("resnet20_cifar10")
        train = survey(backbone, _classifiers.cifar("train"))
        test = survey(backbone, _classifiers.cifar("test"))
        dictionaries = {name: fidelity(train, test, name) for name in DICTIONARIES}
        details = {
            "dictionaries": dictionaries,
            "photographs": photographs(),
            "held-out error by pictures fitted": by_pictures(train),
        }
    finally:
        torch.set_num_threads(threads)
    ours = dictionaries["nmf"]["fitted"]
    judged = {
        "agreement": (1 - ours["agreement"]) / (1 - AGREEMENT),
        "median remainder": ours["median of class medians"] / REMAINDER,
        "worst class": ours["worst class median"] / WORST_REMAINDER,
    }
    worst = max(judged, key=lambda key: judged[key])
    return _classifiers.results(
        {
            "name": NAME,
            "ours": judged[worst],
            "limit": 1.0,
            "ratio": judged[worst],
            "unit": f"worst of three numbers over its bar, {worst}",
            "runs": 1,
            "judged": judged,
            "details": details,
            "versions": {name: version(name) for name in ("torch", "timm", "scikit-learn")},
        }
    )


def fidelity(train: Survey, test: Survey, dictionary: str) -> dict[str, Any]:
    """One dictionary for each class, on what it was fitted on and on pictures that it was not."""
    craft = CRAFT(train.backbone, n_concepts=CONCEPTS, dictionary=dictionary)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        craft.fit(train)
    return {"fitted": held(craft, train), "test": held(craft, test)}


def held(craft: CRAFT, data: Survey) -> dict[str, Any]:
    """Agreement over all pictures, medians of remainders over classes, error and sparsity of the features."""
    classes: dict[str, Any] = {}
    kept, errors, sparse = [], [], []
    for row in np.unique(data.predicted):
        pictures = np.flatnonzero(data.predicted == row)
        found = craft.group_of(int(row)).dictionary
        agreement, missing, error, zeros = one_class(craft, data, int(row), pictures)
        kept += agreement
        errors.append(error)
        sparse.append(zeros)
        classes[data.backbone.class_name(int(row))] = {
            "pictures": len(pictures),
            "agreement": float(np.mean(agreement)),
            "remainder": float(np.median(missing)),
            "rel_l2": error,
            "iterations": found.report.iterations,
        }
    medians = [one["remainder"] for one in classes.values()]
    return {
        "agreement": float(np.mean(kept)),
        "median of class medians": statistics.median(medians),
        "worst class median": max(medians),
        "rel_l2": statistics.mean(errors),
        "sparsity": statistics.mean(sparse),
        "classes": classes,
    }


def one_class(
    craft: CRAFT, data: Survey, row: int, pictures: np.ndarray
) -> tuple[list[bool], np.ndarray, float, float]:
    """Which pictures agree, their relative remainders, and error and sparsity of the codes."""
    dictionary, cut = craft.group_of(row).dictionary, data.cut(pictures)
    engine = Engine.for_device(data.backbone.device, size=data.backbone.input_size)
    tail = ConceptTail(data.split, cut, dictionary, [row] * len(pictures), affine=data.affine, engine=engine)
    method = "gradient_x_input" if data.affine else "integrated_gradients"
    with data.backbone.undisturbed(), torch.no_grad():
        shares = IMPORTANCES[method]().measure(tail, tail.n_concepts).values
        rebuilt = dictionary.rebuild(tail.codes)
        logits = data.split.tail(rebuilt, cut.rest)
    missing = tail.remainder().abs().numpy() / np.maximum(np.abs(shares).sum(1), 1e-12)
    agree = [bool(same) for same in logits.argmax(1) == row]
    return agree, missing, rel_l2(cut.features, rebuilt), sparsity(tail.codes.movedim(1, 3).flatten(0, 2))


def photographs() -> dict[str, Any]:
    """MobileNetV2: a group for each predicted class, and three groups of classes; warnings and fidelity."""
    backbone = _classifiers.backbone("mobilenetv2_imagenet")
    data = survey(backbone, _classifiers.photographs())
    found: dict[str, Any] = {}
    for title, groups, k in (
        ("each class", "class", CONCEPTS),
        ("groups of classes", _classifiers.photograph_groups(), 7),
        ("all", "all", CONCEPTS),
        ("all, 40 concepts", "all", 40),
    ):
        craft = CRAFT(backbone, n_concepts=k, groups=groups)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            craft.fit(data)
        told = [str(w.message) for w in caught if issubclass(w.category, FewPictures)]
        fidelities = {} if title == "each class" else groups_of(craft, data)
        found[title] = {
            "concepts": k,
            "groups": len(craft.groups),
            "warned": len(craft.warnings),
            "warning": told[0] if told else None,
            **fidelities,
        }
    return found


def groups_of(craft: CRAFT, data: Survey) -> dict[str, Any]:
    """Agreement, median remainder and error of each group, on the pictures that it was fitted on."""
    found = {}
    for name, group in craft.groups.items():
        kept: list[bool] = []
        missing: list[float] = []
        for row in np.unique(data.predicted[group.members]):
            own = group.members[data.predicted[group.members] == row]
            agree, rest, _, _ = one_class(craft, data, int(row), own)
            kept += agree
            missing += list(rest)
        found[name] = {
            "pictures": len(group.members),
            "agreement": float(np.mean(kept)),
            "remainder": float(np.median(missing)),
            "rel_l2": group.dictionary.report.rel_l2,
        }
    return {"fidelity": found}


def by_pictures(data: Survey) -> dict[str, Any]:
    """Relative error on 80 held-out pictures of a class, by how many others a dictionary of 10 was fitted on.

    The mean over five classes and three draws; the excess is over the largest subset's. Two of the classes have
    325 and 358 pictures left for the subset of 400.
    """
    found: dict[str, Any] = {}
    for dictionary in ("nmf", "kmeans", "pca"):
        errors: dict[int, list[float]] = {n: [] for n in SUBSETS}
        fitted: dict[int, list[float]] = {n: [] for n in SUBSETS}
        for row in range(0, 10, 2):
            own = np.flatnonzero(data.predicted == row)
            for draw in range(3):
                order = np.random.default_rng([row, draw]).permutation(own)
                held_out = rows_of(data, order[:80])
                for n in SUBSETS:
                    some = rows_of(data, order[80 : 80 + n])
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        made = DICTIONARIES[dictionary](CONCEPTS).fit(some)
                    with torch.no_grad():
                        errors[n].append(rel_l2(held_out, made.decode(made.encode(held_out))))
                    fitted[n].append(made.report.rel_l2)
        last = statistics.mean(errors[SUBSETS[-1]])
        found[dictionary] = {
            str(n): {
                "pictures per concept": n / CONCEPTS,
                "held out": statistics.mean(errors[n]),
                "fitted": statistics.mean(fitted[n]),
                "over the largest": statistics.mean(errors[n]) / last - 1,
                "held out over fitted": statistics.mean(errors[n]) / statistics.mean(fitted[n]) - 1,
            }
            for n in SUBSETS
        }
    return {"pictures per concept that warn": PICTURES_PER_CONCEPT, "dictionaries": found}


def rows_of(data: Survey, pictures: np.ndarray) -> torch.Tensor:
    """A row for each place of some pictures."""
    return data.features[torch.from_numpy(pictures)].movedim(1, 3).flatten(0, 2)
