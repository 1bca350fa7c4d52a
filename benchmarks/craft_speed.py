"""Claim: CRAFT needs no more CPU time than the published package; 2.5 times less with native crops, 4 without.

CPU seconds in one thread for one job: find K = 10 concepts in some pictures, give the codes of those pictures,
and say how much each concept counts for a class. The package (Craft-xai 0.0.3, its last) does it as its API has
it: `fit`, `transform`, `estimate_importance` (total Sobol indices, 32 designs), on tensors that are ready. Ours
starts from pictures, so that reading, hashing and normalising them is in it: survey, fit, transform, importance.

    crops         the paper's crops, enlarged to the input as in the paper                at least as fast
    native crops  the same crops at their own size: the network sees small pictures       2.5 times less
    locations     no crops; every place of the whole pictures                             4 times less

Importance is ours by default (shares of the logit: closed form on affine tails, else integrated gradients); for
the package's own quantity `total with sobol` takes the same 32 designs. What only has to be found once for a
network (its layer) is timed apart. `ours` is the least factor over its goal, on networks cut before an affine
tail, against the package with the faster of two batch sizes
(its default and ours). Beside each time stands what it bought, on pictures
that were not fitted: relative error of the features, agreement of predictions made from concepts alone, and
concept deletion. There concepts leave the features, and what no concept accounts for stays, in the order of
their importance for that picture; the score is the mean height of the logit on the way, 1 being the network's
own and 0 that of features of zero. Lower is better, and it begins at the same height for every dictionary.

The package imports TensorFlow without using it here, so an empty module stands in for it. To have it:

    pip install --no-deps --target FOLDER Craft-xai==0.0.3
    SEEWHY_CRAFT_PEER=FOLDER python -m benchmarks speed.craft
"""

from __future__ import annotations

import importlib
import os
import statistics
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
import torchvision
from torch import Tensor, nn

from benchmarks import _classifiers
from benchmarks._classifiers import cpu_seconds
from seewhy.attribution.engine import Engine
from seewhy.backbones.base import Backbone
from seewhy.concepts.quality import rel_l2
from seewhy.images.picture import Picture
from seewhy.images.preprocess import Preprocess
from seewhy.importance.concept_tail import ConceptTail, Space
from seewhy.importance.curves import concept_deletion
from seewhy.importance.methods import IMPORTANCES
from seewhy.models.craft import CRAFT, FitOn
from seewhy.models.crops import CROP
from seewhy.models.survey import Survey, survey

NAME = "speed.craft"
CONCEPTS = 10
SETTINGS: dict[str, tuple[FitOn, bool, float]] = {
    "crops": ("crops", False, 1.0),
    "native crops": ("crops", True, 2.5),
    "locations": ("locations", False, 4.0),
}
"""How to fit, whether crops keep their size, and the factor aimed at."""

HOW = (
    "not installed: pip install --no-deps --target FOLDER Craft-xai==0.0.3, and set SEEWHY_CRAFT_PEER=FOLDER"
)


@dataclass(frozen=True)
class Case:
    """A network cut at `layer` into `front` and `tail`, pictures to fit and others, and whether goals apply."""

    name: str
    make: Callable[[], Backbone]
    layer: str
    front: Callable[[Any], Callable[[Tensor], Tensor]]
    tail: Callable[[Any], Callable[[Tensor], Tensor]]
    fitted: list[Picture]
    held: list[Picture]
    target: int
    runs: int
    counts: bool = True


def run(runs: int | None = None) -> dict[str, Any]:
    """Times, factors and quality of every setting on every network; `runs` overrides how often each is repeated."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        peer = package()
        details = {case.name: measured(case, peer, runs or case.runs) for case in cases()}
    finally:
        torch.set_num_threads(threads)
    return _classifiers.results(summary(details, peer is not None))


def summary(details: dict[str, Any], with_peer: bool) -> dict[str, Any]:
    """The claim in one number: the least factor over its goal where goals apply."""
    factors = {
        f"{name}, {setting}": found["settings"][setting]["factor"]
        for name, found in details.items()
        for setting in SETTINGS
        if with_peer
    }
    judged = {
        f"{name}, {setting}": factors[f"{name}, {setting}"] / goal
        for name, found in details.items()
        for setting, (_, _, goal) in SETTINGS.items()
        if with_peer and found["goals apply"]
    }
    return {
        "name": NAME,
        "ours": min(judged.values(), default=None),
        "limit": 1.0 if with_peer else HOW,
        "ratio": min(judged.values(), default=None),
        "unit": "least factor over its goal (1 with the paper's crops, 2.5 with native ones, 4 without crops)",
        "runs": min(found["runs"] for found in details.values()),
        "factors": factors,
        "details": details,
        "versions": {name: version(name) for name in ("torch", "torchvision", "timm", "scikit-learn")}
        | {"Craft-xai": "0.0.3" if with_peer else "absent"},
    }


def cases() -> list[Case]:
    """ResNet-20 and MobileNetV2 before their affine tails, ResNet-18 with random weights before its last stage."""
    horses = predicted_as("resnet20_cifar10", _classifiers.cifar("train"), 7)
    photographs = _classifiers.photographs()
    return [
        Case(
            "resnet20 32 px",
            lambda: _classifiers.backbone("resnet20_cifar10"),
            "layer3",
            lambda net: nn.Sequential(Stem(net), net.layer1, net.layer2, net.layer3),
            lambda net: lambda a: net.linear(a.mean((2, 3))),
            horses[:200],
            horses[200:400],
            7,
            3,
        ),
        Case(
            "mobilenetv2 224 px",
            lambda: _classifiers.backbone("mobilenetv2_imagenet"),
            "bn2",
            lambda net: net.forward_features,
            lambda net: net.forward_head,
            photographs[::7],
            photographs[3::7],
            207,
            3,
        ),
        Case(
            "resnet18 112 px, from layer4 on",
            resnet18,
            "layer3",
            lambda net: nn.Sequential(*list(net.children())[:7]),
            lambda net: lambda a: net.fc(net.layer4(a).mean((2, 3))),
            _classifiers.photographs(112)[::25],
            _classifiers.photographs(112)[1::25],
            207,
            2,
            counts=False,
        ),
    ]


class Stem(nn.Module):
    """ResNet-20's first layers."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.net.bn1(self.net.conv1(x)))


def resnet18() -> Backbone:
    """torchvision's network with random weights, the same each time."""
    torch.manual_seed(0)
    module = torchvision.models.resnet18().eval()
    return Backbone(module, name="resnet18", preprocess=Preprocess(size=112, mean=0.45, std=0.22))


def predicted_as(name: str, pictures: list[Picture], target: int) -> list[Picture]:
    """The pictures that a network gives a class."""
    data = survey(_classifiers.backbone(name), pictures)
    return [pictures[int(i)] for i in np.flatnonzero(data.predicted == target)]


# ---------------------------------------------------------------------- one network


def measured(case: Case, peer: Any, runs: int) -> dict[str, Any]:
    """Medians of every part and what they bought, ours and the package's in turn."""
    backbone = case.make()
    judged = survey(backbone, case.held, at=case.layer)
    cropped = round(CROP * min(backbone.input_size))
    batches = sorted({64, Engine.for_device(torch.device("cpu"), size=backbone.input_size).batch_size})
    times: dict[str, list[dict[str, float]]] = {}
    quality: dict[str, dict[str, float]] = {}
    for i in range(runs):
        for batch in batches if peer is not None else []:
            parts, fitted = the_package(case, peer, cropped, batch)
            times.setdefault(f"package, batch {batch}", []).append(parts)
            if i == 0 and batch == batches[0]:
                quality["package"] = quality_of(
                    judged, PeerSpace(fitted), peer_importance(case, fitted, judged)
                )
        for setting in SETTINGS:
            parts, craft = ours(case, setting)
            times.setdefault(setting, []).append(parts)
            if i == 0:
                space = next(iter(craft.groups.values())).dictionary
                quality[setting] = quality_of(judged, space, our_importance(judged, space, "auto"))
                with_sobol = our_importance(judged, space, "sobol")
                quality[setting]["deletion by sobol"] = quality_of(judged, space, with_sobol)["deletion"]
    middle = {key: {part: statistics.median(run[part] for run in found) for part in found[0]}
              for key, found in times.items()}  # fmt: skip
    spread = {key: [min(run["total"] for run in found), max(run["total"] for run in found)]
              for key, found in times.items()}  # fmt: skip
    package = {key: parts["total"] for key, parts in middle.items() if key.startswith("package")}
    best = min(package.values(), default=None)
    settings = {}
    for setting, (_, _, goal) in SETTINGS.items():
        parts = middle[setting]
        settings[setting] = {
            "goal": goal,
            "factor": None if best is None else best / parts["total"],
            "factor with sobol": None if best is None else best / parts["total with sobol"],
            "seconds": parts,
            "least and most": spread[setting],
            "held out": quality[setting],
        }
    return {
        "goals apply": case.counts,
        "runs": runs,
        "pictures": len(case.fitted),
        "held-out pictures": len(case.held),
        "crop": cropped,
        "package": {key: {"seconds": middle[key], "least and most": spread[key]} for key in package},
        "package, held out": quality.get("package"),
        "settings": settings,
    }


def ours(case: Case, setting: str) -> tuple[dict[str, float], CRAFT]:
    """The whole job once, from pictures, with a network that was never looked at."""
    fit_on, native, _ = SETTINGS[setting]
    backbone = case.make()
    found = cpu_seconds(lambda: backbone.split(case.layer, size=backbone.input_size))[0]
    craft = CRAFT(backbone, n_concepts=CONCEPTS, at=case.layer, fit_on=fit_on, native=native, groups="all")
    surveying, data = cpu_seconds(lambda: survey(backbone, case.fitted, at=case.layer))
    fitting, _ = cpu_seconds(lambda: craft.fit(data))
    everyone = list(range(len(case.fitted)))
    transforming, _ = cpu_seconds(lambda: craft.groups["all"].dictionary.maps(data.features))
    counting, _ = cpu_seconds(lambda: craft.importance(case.target, pictures=everyone))
    sobol, _ = cpu_seconds(lambda: craft.importance(case.target, "sobol", pictures=everyone))
    total = surveying + fitting + transforming + counting
    return {
        "survey": surveying,
        "fit": fitting,
        "transform": transforming,
        "importance": counting,
        "total": total,
        "importance by sobol": sobol,
        "total with sobol": total - counting + sobol,
        "finding the layer, once": found,
    }, craft


def the_package(case: Case, peer: Any, crop: int, batch: int) -> tuple[dict[str, float], Any]:
    """The same job by the published package."""
    backbone = case.make()
    x = backbone.tensor(case.fitted).x
    np.random.seed(0)  # its factorisation draws from the global generator  # noqa: NPY002
    fitted = peer(
        input_to_latent=case.front(backbone.module),
        latent_to_logit=case.tail(backbone.module),
        number_of_concepts=CONCEPTS,
        batch_size=batch,
        patch_size=crop,
        device="cpu",
    )
    fitting, _ = cpu_seconds(lambda: fitted.fit(x))
    transforming, _ = cpu_seconds(lambda: fitted.transform(x))
    counting, _ = cpu_seconds(lambda: fitted.estimate_importance(x, case.target))
    total = fitting + transforming + counting
    return {"fit": fitting, "transform": transforming, "importance": counting, "total": total}, fitted


def package() -> Any:
    """The package's class, or None with a word on stderr."""
    folder = os.environ.get("SEEWHY_CRAFT_PEER")
    stub = types.ModuleType("tensorflow")
    kept = sys.modules.get("tensorflow")
    sys.modules["tensorflow"] = stub
    sys.path[:0] = [folder] if folder else []
    try:
        return importlib.import_module("craft.craft_torch").Craft
    except ImportError:
        print(f"{NAME}: the package is {HOW}", file=sys.stderr)
        return None
    finally:
        if folder:
            sys.path.remove(folder)
        del sys.modules["tensorflow"]
        if kept is not None:
            sys.modules["tensorflow"] = kept


# ---------------------------------------------------------------------- what it bought


class PeerSpace:
    """The package's codes and atoms as a dictionary."""

    def __init__(self, fitted: Any) -> None:
        self.fitted = fitted

    def maps(self, features: Tensor) -> Tensor:
        codes = self.fitted.transform(None, activations=features)
        return torch.from_numpy(np.moveaxis(codes, -1, 1)).float()

    def rebuild(self, maps: Tensor) -> Tensor:
        return torch.einsum("bkhw,kc->bchw", maps, torch.from_numpy(self.fitted.W))


def tail_of(data: Survey, space: Space) -> ConceptTail:
    """The logit of each picture's own class in its concepts."""
    everyone = np.arange(len(data))
    engine = Engine.for_device(torch.device("cpu"), size=data.backbone.input_size)
    rows = [int(k) for k in data.predicted]
    return ConceptTail(data.split, data.cut(everyone), space, rows, affine=data.affine, engine=engine)


def our_importance(data: Survey, space: Space, method: str) -> np.ndarray:
    """Of each held-out picture for its own class."""
    tail = tail_of(data, space)
    if method == "auto":
        method = "gradient_x_input" if tail.affine else "integrated_gradients"
    with data.backbone.undisturbed():
        return IMPORTANCES[method]().measure(tail, tail.n_concepts).values


def peer_importance(case: Case, fitted: Any, data: Survey) -> np.ndarray:
    """The same by the package: its class importance of one picture."""
    x = data.backbone.tensor(case.held).x
    values = [fitted.estimate_importance(x[i : i + 1], int(k)) for i, k in enumerate(data.predicted)]
    return np.stack(values)


class Removal:
    """Logits of some pictures while concepts leave their features and the rest stays: a cube function."""

    affine = False

    def __init__(self, tail: ConceptTail) -> None:
        self.tail = tail
        with torch.no_grad():
            self.kept = tail.cut.features - tail.space.rebuild(tail.codes)

    def __call__(self, masks: Tensor) -> Tensor:
        return self.each(masks.expand(len(self.kept), -1, -1)).T

    def gradient(self, masks: Tensor) -> Tensor:
        raise NotImplementedError("deletion asks for logits only")

    def each(self, masks: Tensor) -> Tensor:
        """(b, n) logits of each picture's class under its own n masks."""
        tail, found = self.tail, []
        with torch.no_grad():
            for i, own in enumerate(masks.float()):
                codes = tail.codes[i] * own[:, :, None, None]
                rest = tail.cut.rest.take(torch.full((len(own),), i))
                logits = tail.split.tail(self.kept[i] + tail.space.rebuild(codes), rest)
                found.append(logits[:, int(tail.rows[i])].double())
        return torch.stack(found)


def quality_of(data: Survey, space: Space, values: np.ndarray) -> dict[str, float]:
    """Error, agreement and deletion on held-out pictures."""
    tail = tail_of(data, space)
    with data.backbone.undisturbed(), torch.no_grad():
        rebuilt = space.rebuild(tail.codes)
        logits = data.split.tail(rebuilt, tail.cut.rest)
        blank = data.split.tail(torch.zeros_like(rebuilt), tail.cut.rest).gather(1, tail.rows[:, None])
        curve = concept_deletion(Removal(tail), values)
    zero = float(blank.double().mean())
    return {
        "rel_l2": rel_l2(data.features, rebuilt),
        "agreement": float((logits.argmax(1).cpu().numpy() == data.predicted).mean()),
        "deletion": float((curve.auc.mean() - zero) / (curve.values[:, 0].mean() - zero)),
    }
