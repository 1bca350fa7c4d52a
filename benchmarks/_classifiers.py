"""The real classifiers as backbones, and the real pictures as what a user has: pixels with names and labels."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from benchmarks import _real
from seewhy.backbones.base import Backbone
from seewhy.images.picture import Picture
from seewhy.images.preprocess import Preprocess

T = TypeVar("T")

GROUPS = {"mammals": [(151, 299), (330, 388)], "other animals": [(0, 150), (300, 329), (389, 397)],
          "things": [(398, 999)]}  # fmt: skip
"""Ranges of ImageNet's class numbers, which are sorted by kind: large enough groups of the 200 photographs."""


def backbone(name: str) -> Backbone:
    """One of the data folder's classifiers with its preprocessing; MobileNetV2 for squares cut before."""
    description = json.loads((_real.data() / "models" / f"{name}.json").read_text())
    recipe = description["preprocess"]
    classes = description.get("classes", "").split() if name == "resnet20_cifar10" else None
    return Backbone(
        _real.network(name),
        name=name,
        preprocess=Preprocess(size=recipe["size"], mean=recipe["mean"], std=recipe["std"]),
        classes=classes,
    )


def cifar(split: str, chosen: Sequence[int] | slice = slice(None)) -> list[Picture]:
    """Pictures of the CIFAR subset ("train": 5,000, "test": 1,000), labelled."""
    with np.load(_real.data() / "cifar10" / "cifar10_subset.npz") as archive:
        pixels, labels, classes = archive[f"x_{split}"], archive[f"y_{split}"], archive["classes"]
    index = np.arange(len(pixels))[chosen]
    return [Picture(pixels[i], f"{split} {i}", label=str(classes[labels[i]])) for i in index]


def photographs(side: int = 224) -> list[Picture]:
    """The 200 photographs as squares."""
    files = sorted((_real.data() / "imagenet_samples").glob("*.jpg"))
    return [Picture(_real._square(file, side), file.stem) for file in files]


def photograph_groups() -> dict[str | int, str]:
    """Class number -> name of its group."""
    return {k: name for name, spans in GROUPS.items() for low, high in spans for k in range(low, high + 1)}


def cpu_seconds(call: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds of the process, and what the call returned; its warnings are kept quiet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = time.process_time()
        found = call()
        return time.process_time() - before, found


def rounded(values: Any, digits: int = 4) -> Any:
    """The same structure with its floats rounded, for a results file that can be read."""
    if isinstance(values, dict):
        return {key: rounded(value, digits) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [rounded(value, digits) for value in values]
    return round(float(values), digits) if isinstance(values, float | np.floating) else values


def results(values: dict[str, Any]) -> dict[str, Any]:
    """A claim's results as they are written."""
    found: dict[str, Any] = rounded(values)
    return found
