"""Claim: on a real network the audit and Grad-CAM find a planted mark, and neither points at it in the control.

A CIFAR ResNet-20, 150 training pictures of each class, a tag in 95 % of the aeroplanes, seed 0. `ours` is how many of
the two find it; the report that `seewhy.plant` prints stands in the details.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from benchmarks import _classifiers
from seewhy.audit.plant import plant

NAME = "accuracy.plant"
EXPECTED = ("gradcam", "audit")
PER_CLASS = 150


def run() -> dict[str, Any]:
    """The report, which also goes to stderr."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        pictures = _classifiers.cifar("train")
        labels = np.array([picture.label for picture in pictures])
        generator = np.random.default_rng(0)
        network = _classifiers.backbone("resnet20_cifar10")
        chosen = [
            int(i)
            for name in network.classes or ()
            for i in generator.choice(np.flatnonzero(labels == name), PER_CLASS, replace=False)
        ]
        seconds, report = _classifiers.cpu_seconds(
            lambda: plant([pictures[i] for i in chosen], None, network, target="airplane", seed=0)
        )
    finally:
        torch.set_num_threads(threads)
    print(report.to_text(), file=sys.stderr)
    found = [name for name in EXPECTED if name in report.found_by]
    return _classifiers.results(
        {
            "name": NAME,
            "ours": len(found),
            "limit": len(EXPECTED),
            "ratio": len(found) / len(EXPECTED),
            "unit": f"of {', '.join(EXPECTED)}: those that find the mark and leave the control alone",
            "runs": 1,
            "details": report.to_dict() | {"cpu_seconds": seconds},
            "versions": {name: version(name) for name in ("torch", "scikit-learn")},
        }
    )
