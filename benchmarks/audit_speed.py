"""Claim: an audit of 1,000 pictures with ResNet-20, from PNG files to the HTML page, takes under 2 CPU minutes.

CPU seconds in one thread of what `seewhy audit DIR -m MODEL -o audit.html` does after it has loaded the network:
the 1,000 CIFAR test pictures of the data folder lie as PNG files in a folder for each class. Survey (reading,
hashing, properties, one forward pass each) with ten factorisations of K = 10, ten class reports with their
receipts' numbers, the ranking of all 100 concepts with bootstrap intervals, and the page with its crops,
strategies and data; each is timed. `ours` is the median of the whole.
"""

from __future__ import annotations

import statistics
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from benchmarks import _classifiers
from benchmarks._classifiers import cpu_seconds
from seewhy.audit.audit import Audit, audit
from seewhy.report import audit_page  # noqa: F401  registers the page, as the front door does

NAME = "speed.audit"
LIMIT = 120.0


def run(runs: int = 3) -> dict[str, Any]:
    """Seconds of every part, medians over runs with a network that was never looked at."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder) / "pictures")
            found = [once(Path(folder) / "pictures", Path(folder) / "audit.html") for _ in range(runs)]
    finally:
        torch.set_num_threads(threads)
    parts = {name: statistics.median(part[name] for part in found) for name in found[0]}
    whole = [part["whole"] for part in found]
    return _classifiers.results(
        {
            "name": NAME,
            "ours": parts["whole"],
            "limit": LIMIT,
            "ratio": parts["whole"] / LIMIT,
            "unit": "CPU s from 1,000 PNG files to the page",
            "runs": runs,
            "least and most": [min(whole), max(whole)],
            "parts": parts,
            "versions": {name: version(name) for name in ("torch", "pillow", "scikit-learn")},
        }
    )


def write(folder: Path) -> None:
    """The test pictures as PNG files, a folder for each class."""
    for picture in _classifiers.cifar("test"):
        path = folder / str(picture.label) / f"{picture.name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.pixels).save(path)


def once(folder: Path, page: Path) -> dict[str, float]:
    """CPU seconds of each part, and the size of the page in megabytes."""
    backbone = _classifiers.backbone("resnet20_cifar10")
    seconds: dict[str, float] = {}
    seconds["survey and concepts"], made = cpu_seconds(lambda: audit(backbone, folder))
    assert isinstance(made, Audit) and len(made.craft.survey) == 1000
    seconds["class reports"], _ = cpu_seconds(lambda: [made.report(row) for row in made.rows])
    seconds["shortcuts"], _ = cpu_seconds(lambda: made.shortcuts())
    seconds["page"], _ = cpu_seconds(lambda: made.save(page))
    return {**seconds, "whole": sum(seconds.values()), "page, megabytes": page.stat().st_size / 1e6}
