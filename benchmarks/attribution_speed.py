"""Claim: RISE, occlusion and Score-CAM take at most 1.10 times as many plain batched forward passes.

CPU time in one thread. Every run times plain passes, ours and the peers one after the other; `ours` is the
worst median ratio. The layer of Score-CAM is found before, once per network. RISE runs with fewer masks than
its default on the two larger networks, which only makes its fixed costs weigh more.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import captum.attr
import torch
import torchvision
from pytorch_grad_cam import ScoreCAM as PeerScoreCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from benchmarks import _real
from seewhy.attribution.base import Method
from seewhy.attribution.engine import Engine
from seewhy.attribution.occlusion import Occlusion
from seewhy.attribution.rise import RISE
from seewhy.attribution.scorecam import ScoreCAM
from seewhy.backbones.base import Backbone

NAME = "speed.attribution"
LIMIT = 1.10


@dataclass(frozen=True)
class Case:
    """A network, its picture, the layer for Score-CAM, and how often to repeat."""

    name: str
    module: nn.Module
    x: Tensor
    layer: str
    rise_masks: int
    runs: int


def run(runs: int | None = None) -> dict[str, Any]:
    """Ratios for three networks; `runs` overrides how often each is repeated (5, 5 and 3 times)."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        details = {case.name: measured(case, runs or case.runs) for case in cases()}
    finally:
        torch.set_num_threads(threads)
    worst = max(part["ratio"] for methods in details.values() for part in methods.values())
    return {
        "name": NAME,
        "ours": worst,
        "limit": LIMIT,
        "ratio": round(worst / LIMIT, 3),
        "unit": "CPU time of a map as a multiple of the same number of plain batched forward passes",
        "runs": runs or 3,
        "details": details,
        "versions": {name: version(name) for name in ("torch", "torchvision", "timm", "captum", "grad-cam")},
    }


def cases() -> list[Case]:
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    resnet18 = torchvision.models.resnet18().eval()
    return [
        Case(
            "resnet20 32 px, real",
            _real.network("resnet20_cifar10"),
            _real.photographs("resnet20_cifar10", 1),
            "layer3",
            2000,
            5,
        ),
        Case(
            "resnet18 112 px, random",
            resnet18,
            torch.randn(1, 3, 112, 112, generator=generator),
            "layer4",
            500,
            5,
        ),
        Case(
            "mobilenetv2 224 px, real",
            _real.network("mobilenetv2_imagenet"),
            _real.photographs("mobilenetv2_imagenet", 1),
            "blocks.6",
            500,
            3,
        ),
    ]


def measured(case: Case, runs: int) -> dict[str, Any]:
    """Per method the median ratio, its runs, and those of the peers."""
    backbone = Backbone(case.module)
    size = case.x.shape[2], case.x.shape[3]
    batch = Engine.for_device(torch.device("cpu"), size=size).batch_size
    methods: list[tuple[str, Method, str | None, dict[str, Callable[[], Any]]]] = [
        ("occlusion", Occlusion(), None, occlusion_peers(case)),
        ("rise", RISE(masks=case.rise_masks), None, {}),
        ("scorecam", ScoreCAM(), case.layer, scorecam_peers(case)),
    ]
    found = {}
    for name, method, layer, peers in methods:

        def ours(method: Method = method, layer: str | None = layer) -> Any:
            return method(backbone, case.x[0], 0, at=layer, preprocess=False)

        n = round(ours().meta.cost["forwards"])
        per_run: dict[str, list[float]] = {key: [] for key in ("plain", "ours", *peers)}
        for _ in range(runs):
            per_run["plain"].append(cpu_seconds(lambda n=n: plain(case, n, batch)))
            per_run["ours"].append(cpu_seconds(ours))
            for peer, call in peers.items():
                per_run[peer].append(cpu_seconds(call))
        ratios = {
            key: [round(t / p, 3) for t, p in zip(times, per_run["plain"], strict=True)]
            for key, times in per_run.items()
            if key != "plain"
        }
        found[name] = {
            "ratio": statistics.median(ratios["ours"]),
            "ratios": ratios["ours"],
            "forwards": n,
            "batch": batch,
            "plain_seconds": [round(t, 3) for t in per_run["plain"]],
            "peers": {
                peer: {"ratio": statistics.median(ratios[peer]), "ratios": ratios[peer]} for peer in peers
            },
        }
    return found


def plain(case: Case, n: int, batch: int) -> None:
    """`n` forward passes in batches, nothing else."""
    inputs = case.x.repeat(batch, 1, 1, 1)
    with torch.no_grad():
        for start in range(0, n, batch):
            case.module(inputs[: min(batch, n - start)])


def occlusion_peers(case: Case) -> dict[str, Callable[[], Any]]:
    """Captum with the windows of our default; its own default is one window a pass."""
    occlusion = captum.attr.Occlusion(case.module)
    channels, height, width = case.x.shape[1:]
    window, stride = (channels, height // 8, width // 8), (channels, height // 16, width // 16)

    def call(per_eval: int) -> Any:
        with torch.no_grad():
            return occlusion.attribute(case.x, window, stride, 0, 0, perturbations_per_eval=per_eval)

    return {
        "captum, default (1 window a pass)": lambda: call(1),
        "captum, 32 windows a pass": lambda: call(32),
    }


def scorecam_peers(case: Case) -> dict[str, Callable[[], Any]]:
    """pytorch-grad-cam at the same layer, with its default of 16 channels a pass."""

    def call() -> Any:
        # It draws a progress bar for every picture.
        with (
            contextlib.redirect_stderr(io.StringIO()),
            PeerScoreCAM(case.module, [case.module.get_submodule(case.layer)]) as cam,
        ):
            return cam(case.x, [ClassifierOutputTarget(0)])

    return {"pytorch-grad-cam, default (16 channels a pass)": call}


def cpu_seconds(call: Callable[[], Any]) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = time.process_time()
        call()
        return time.process_time() - before
