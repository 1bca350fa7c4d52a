"""Claim: importance through the tail reaches at least 90 % of the speed that only running the tail allows.

An importance method asks for the logits of some pictures under n masks of their k concepts. A tail saves the
network's front part, so that evaluations cost at least tail / forward of a whole pass, its share; the ceiling of
what can be gained is 1 / share. Per network: CPU milliseconds (one thread, medians over runs that take turns) of
a plain forward pass, of the plain tail on features that are ready, and of one evaluation through `ConceptTail`,
which also masks codes and decodes them, all in batches of the same size (the codes themselves are made once
before, their time is given); then the ceiling, the speed-up over
plain forwards, and the part of the ceiling that is reached. `ours` is the least of these parts. The masks are
those of total Sobol indices for K = 10: N (K + 2) with N = 32, for each of a few pictures.

Affine tails are beside it: there one pass of the tail answers all masks (the closed form), whose whole cost is
given with the number of evaluations that it replaces. ResNet-18 has random weights, which does not change what
its passes cost.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import torch

from benchmarks import _classifiers
from benchmarks._classifiers import cpu_seconds
from benchmarks.craft_speed import resnet18
from seewhy.attribution.engine import Engine
from seewhy.backbones.base import Backbone
from seewhy.concepts.factorise import NMF
from seewhy.images.picture import Picture
from seewhy.importance.concept_tail import ConceptTail
from seewhy.importance.designs import replicated
from seewhy.importance.shares import is_affine

NAME = "speed.importance"
LIMIT = 0.9
CONCEPTS, DESIGNS, FORWARDS = 10, 32, 128


@dataclass(frozen=True)
class Case:
    """A network, the layer that it is cut behind, and pictures."""

    name: str
    make: Callable[[], Backbone]
    layer: str
    pictures: list[Picture]


def run(runs: int = 3) -> dict[str, Any]:
    """Times, ceilings and what is reached of them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        details = {case.name: measured(case, runs) for case in cases()}
    finally:
        torch.set_num_threads(threads)
    reached = {name: found["of the ceiling"] for name, found in details.items() if not found["affine"]}
    worst = min(reached, key=lambda name: reached[name])
    return _classifiers.results(
        {
            "name": NAME,
            "ours": reached[worst],
            "limit": LIMIT,
            "ratio": reached[worst] / LIMIT,
            "unit": f"part of the ceiling that is reached, least on {worst}",
            "runs": runs,
            "details": details,
            "versions": {name: version(name) for name in ("torch", "torchvision", "timm")},
        }
    )


def cases() -> list[Case]:
    """Tails from a third of the network to its last layer."""
    cifar, photographs = _classifiers.cifar("test", slice(0, 1000, 250)), _classifiers.photographs()[::100]
    return [
        Case("resnet18 112 px, from layer4 on", resnet18, "layer3", _classifiers.photographs(112)[::100]),
        Case("resnet18 112 px, from layer3 on", resnet18, "layer2", _classifiers.photographs(112)[::100]),
        Case("mobilenetv2 224 px, from blocks.4 on", mobilenet, "blocks.3", photographs),
        Case("mobilenetv2 224 px, from blocks.6 on", mobilenet, "blocks.5", photographs),
        Case("resnet20 32 px, from layer3 on", resnet20, "layer2", cifar),
        Case("mobilenetv2 224 px, affine tail", mobilenet, "bn2", photographs),
        Case("resnet20 32 px, affine tail", resnet20, "layer3", cifar),
    ]


def resnet20() -> Backbone:
    return _classifiers.backbone("resnet20_cifar10")


def mobilenet() -> Backbone:
    return _classifiers.backbone("mobilenetv2_imagenet")


def measured(case: Case, runs: int) -> dict[str, Any]:
    """Medians, their spread, and the ratios taken within each run."""
    backbone = case.make()
    x = backbone.tensor(case.pictures).x
    engine = Engine.for_device(backbone.device, size=backbone.input_size)
    split = backbone.split(case.layer, size=backbone.input_size)
    with backbone.undisturbed(), torch.no_grad():
        cut = split.cut(x)
        rows = [int(k) for k in split.tail(cut.features, cut.rest).argmax(1)]
        affine = is_affine(split, cut)
    signed = "split" if float(cut.features.min()) < 0 else "refuse"
    dictionary = NMF(CONCEPTS, negative=signed).fit(cut.features.movedim(1, 3).flatten(0, 2))
    a, b = replicated(DESIGNS, CONCEPTS, 0)
    changed = [torch.from_numpy(a).index_copy(1, torch.tensor([k]), torch.from_numpy(b[:, k : k + 1]))
               for k in range(CONCEPTS)]  # fmt: skip
    masks = torch.cat([torch.from_numpy(a), torch.from_numpy(b), *changed])
    n = len(masks) * len(x)
    # The same batches as an engine makes: the last one may be smaller.
    spans = [(start, min(start + engine.batch_size, n)) for start in range(0, n, engine.batch_size)]
    repeated = torch.arange(engine.batch_size) % len(x)
    inputs, ready = x[repeated], cut.take(repeated)
    passes = max(1, FORWARDS // len(inputs)) * len(inputs)

    def coded() -> ConceptTail:
        return ConceptTail(split, cut, dictionary, rows, affine=affine, engine=engine)

    def plain_tail() -> None:
        for start, stop in spans:
            some = ready.take(torch.arange(stop - start)) if stop - start < len(inputs) else ready
            split.tail(some.features, some.rest)

    def forwards() -> None:
        for _ in range(passes // len(inputs)):
            backbone.module(inputs)

    times: dict[str, list[float]] = {"forward": [], "tail": [], "ours": []}
    with backbone.undisturbed(), torch.no_grad():
        coded()(masks)  # once before, as memory is taken then
        plain_tail()
        for _ in range(runs):
            times["forward"].append(cpu_seconds(forwards)[0] / passes)
            times["tail"].append(cpu_seconds(plain_tail)[0] / n)
            coding, tail = cpu_seconds(coded)
            times["ours"].append(cpu_seconds(lambda tail=tail: tail(masks))[0] / n)
    middle = {key: statistics.median(found) for key, found in times.items()}
    speedups = [forward / ours for forward, ours in zip(times["forward"], times["ours"], strict=True)]
    parts = [tail / ours for tail, ours in zip(times["tail"], times["ours"], strict=True)]
    found = {
        "affine": affine,
        "features": list(cut.features.shape[1:]),
        "pictures": len(x),
        "evaluations": n,
        "batch": engine.batch_size,
        "codes, once, milliseconds": 1000 * coding,
        "milliseconds a pass": {key: 1000 * value for key, value in middle.items()},
        "least and most": {key: [1000 * min(v), 1000 * max(v)] for key, v in times.items()},
        "tail's share of the forward": middle["tail"] / middle["forward"],
        "ceiling": middle["forward"] / middle["tail"],
        "speed-up over forwards": statistics.median(speedups),
    }
    if affine:
        return found | {"closed form for all, milliseconds": 1000 * middle["ours"] * n}
    return found | {"of the ceiling": statistics.median(parts), "of the ceiling, each run": parts}
