"""Claim: integrated gradients say more from the picture's mean colour than from black.

On a network trained on the world: correlation with exact Shapley values. On real networks: insertion less deletion
with three fillings, of which one favours each baseline. `ours` and `peer` are the correlations from the mean colour
and from black.
"""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import torch

from benchmarks._real import data, network, photographs
from seewhy.attribution.integrated_gradients import IntegratedGradients
from seewhy.backbones.base import Backbone
from seewhy.bench.how_much import account
from seewhy.bench.subjects import SUBJECTS
from seewhy.evaluate.how_much.agreement import Pearson
from seewhy.evaluate.how_much.faithfulness import InsMinusDel
from seewhy.evaluate.statistics import interval, paired
from seewhy.images.preprocess import Preprocess

NAME = "accuracy.ig_baseline"
BASELINES = ("black", "mean")
FILLINGS = ("black", "mean", "blur")
N_SCENES, N_PHOTOGRAPHS = 48, {"resnet20_cifar10": 60, "mobilenetv2_imagenet": 12}
STEPS = 32


def run() -> dict[str, Any]:
    torch.set_num_threads(1)
    started = time.process_time()
    subject = SUBJECTS["shape"].make("how-much", N_SCENES, 0)
    truth = account(subject)
    world = {}
    for baseline in BASELINES:
        answers = IntegratedGradients(baseline=baseline)(
            subject.model, subject.pictures, subject.targets.tolist()
        )
        maps = np.stack([answer.map for answer in answers]).astype(np.float64)
        world[baseline] = str(interval(Pearson()(truth.of(maps), truth.values)))
    real = {name: _real(name, n) for name, n in N_PHOTOGRAPHS.items()}
    means = {baseline: float(text.split()[0]) for baseline, text in world.items()}
    return {
        "ours": means["mean"],
        "peer": means["black"],
        "ratio": None,
        "unit": "correlation with exact Shapley values, from the mean colour and from black",
        "runs": 1,
        "details": {"world": world, "insertion less deletion": real, "scenes": N_SCENES, "seed": 0},
        "cpu_seconds": round(time.process_time() - started, 1),
        "versions": {"torch": str(torch.__version__)},
    }


def _real(name: str, n: int) -> dict[str, Any]:
    """Mean insertion less deletion by filling and baseline, and p of their difference."""
    recipe = json.loads((data() / "models" / f"{name}.json").read_text())["preprocess"]
    preprocess = Preprocess(
        (recipe["size"],) * 2,
        "stretch",
        mean=tuple(recipe["mean"]),
        std=tuple(recipe["std"]),
        source="its description",
    )
    backbone, x = Backbone(network(name), preprocess=preprocess), photographs(name, n)
    maps, targets = {}, []
    for baseline in BASELINES:
        answers = list(IntegratedGradients(baseline=baseline)(backbone, x, "predicted", preprocess=False))
        maps[baseline] = np.stack([answer.map for answer in answers])
        targets = [answer.target.index for answer in answers]
    rows = {}
    for fill in FILLINGS:
        found = {b: InsMinusDel(fill=fill, steps=STEPS)(backbone, x, maps[b], targets) for b in BASELINES}
        rows[fill] = {b: round(values.mean, 4) for b, values in found.items()}
        rows[fill]["p"] = paired(found["mean"], found["black"]).p
    return {"n": n, "fillings": rows}
