"""Claim: RISE with covariance and Sobol masks needs fewer forward passes for the same map than the paper's RISE.

Curves over the number of forward passes: mean Spearman correlation, over photographs, between a map and a
reference map, both averaged over the 7 x 7 cells that all can resolve. The reference has 32 times the passes of
the smallest budget or more, with independent (Bernoulli) masks of another seed, and favours no sampler.

Captum's KernelSHAP (same grid, pixels of a cell together) and pytorch-grad-cam's Score-CAM stand beside them with
their defaults; they estimate other quantities, so that their curves need not tend to 1.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import captum.attr
import torch
import torch.nn.functional as F
from pytorch_grad_cam import ScoreCAM as PeerScoreCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from benchmarks import _real
from seewhy.attribution.masks import RandomGrids, Sampler
from seewhy.attribution.rise import MaskedSums

NAME = "accuracy.rise"
CELLS = 7
OURS, PAPER = "covariance, sobol", "paper estimator, bernoulli"


@dataclass(frozen=True)
class Plan:
    """How much is asked of a network; the reference has 32 times the passes of `base`."""

    network: str
    layer: str
    base: int
    budgets: tuple[int, ...]
    shap_budgets: tuple[int, ...]
    batch: int


PLANS = (
    Plan("resnet20_cifar10", "layer3", 250, (125, 250, 500, 1000, 2000), (25, 125, 250, 500), 32),
    Plan("mobilenetv2_imagenet", "blocks.6", 64, (64, 125, 250), (25, 125), 8),
)


def run(n_images: int = 10, plans: Sequence[Plan] = PLANS, seed: int = 0) -> dict[str, Any]:
    """Curves for each network.

    Returns
    -------
    report
        `ours` and `peer` are the correlations of our default and of the paper's estimator at the largest
        budget of the last plan, averaged over the networks; details hold all curves and, as `forwards_saved`,
        how many times fewer passes ours needs to reach what the paper's estimator has at the largest budget.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    started = time.process_time()
    try:
        details = {plan.network: curves(plan, n_images, seed) for plan in plans}
    finally:
        torch.set_num_threads(threads)
    common = str(max(set.intersection(*(set(plan.budgets) for plan in plans))))
    ours, peer = (
        statistics.mean(details[plan.network]["curves"][key][common]["mean"] for plan in plans)
        for key in (OURS, PAPER)
    )
    return {
        "name": NAME,
        "ours": round(ours, 3),
        "peer": round(peer, 3),
        "ratio": round(ours / peer, 3),
        "unit": f"Spearman correlation with the reference at {common} forward passes, mean of two networks",
        "runs": n_images * len(plans),
        "details": {**details, "seed": seed, "cpu_seconds": round(time.process_time() - started)},
        "versions": {name: version(name) for name in ("torch", "timm", "captum", "grad-cam")},
    }


def curves(plan: Plan, n_images: int, seed: int) -> dict[str, Any]:
    """Correlations of every estimator at every budget, over `n_images` photographs."""
    module, pictures = _real.network(plan.network), _real.photographs(plan.network, n_images)
    size = pictures.shape[2], pictures.shape[3]
    drawn = {kind: draw(max(plan.budgets), size, kind, seed) for kind in ("sobol", "bernoulli")}
    reference_masks = draw(32 * plan.base, size, "bernoulli", seed + 10_000)
    found: dict[str, dict[int, list[float]]] = {}
    for picture in pictures:
        with torch.no_grad():
            target = int(module(picture[None]).argmax())
        reference = slopes(reference_masks, scores(module, picture, target, reference_masks, plan.batch))
        maps = our_maps(module, picture, target, drawn, plan) | peer_maps(module, picture, target, plan, seed)
        for (name, budget), found_map in maps.items():
            found.setdefault(name, {}).setdefault(budget, []).append(spearman(found_map, reference))
    return {
        "images": n_images,
        "reference_forwards": 32 * plan.base,
        "curves": {
            name: {
                str(n): {"mean": round(statistics.mean(c), 3), "min": round(min(c), 3)}
                for n, c in curve.items()
            }
            for name, curve in found.items()
        },
        "forwards_saved": saved(found[OURS], found[PAPER]),
    }


def our_maps(
    module: nn.Module, picture: Tensor, target: int, drawn: dict[str, RandomGrids], plan: Plan
) -> dict[tuple[str, int], Tensor]:
    """Both estimators on the first n of the masks: a smaller budget draws a prefix of a larger one."""
    maps = {}
    for kind, masks in drawn.items():
        s = scores(module, picture, target, masks, plan.batch)
        for n in plan.budgets:
            maps[f"covariance, {kind}", n] = slopes(masks, s[:n])
            if kind == "bernoulli":
                maps[PAPER, n] = MaskedSums.over(masks, s[None, :n], torch.arange(n)).score_mask[0]
    return maps


def peer_maps(
    module: nn.Module, picture: Tensor, target: int, plan: Plan, seed: int
) -> dict[tuple[str, int], Tensor]:
    """KernelSHAP on the grid, with its default number of samples (25) and more, and Score-CAM."""
    x, (height, width) = picture[None], picture.shape[1:]
    row, column = (torch.arange(extent) * CELLS // extent for extent in (height, width))
    cells = (row[:, None] * CELLS + column[None])[None, None].expand(1, x.shape[1], height, width)
    shap = captum.attr.KernelShap(lambda inputs: module(inputs).softmax(1))
    maps: dict[tuple[str, int], Tensor] = {}
    for n in plan.shap_budgets:
        with torch.random.fork_rng(), torch.no_grad(), quiet():
            torch.manual_seed(seed)
            values = shap.attribute(
                x, 0.0, target, feature_mask=cells, n_samples=n, perturbations_per_eval=plan.batch
            )
        name = "captum KernelSHAP" + (" (its default)" if n == 25 else "")
        maps[name, n] = values[0, 0].double()
    layer = module.get_submodule(plan.layer)
    with quiet(), PeerScoreCAM(module, [layer]) as cam:
        found = cam(x, [ClassifierOutputTarget(target)])
        n_channels = cam.activations_and_grads.activations[0].shape[1]
    maps["pytorch-grad-cam Score-CAM", n_channels] = torch.tensor(found[0]).double()
    return maps


def draw(n: int, size: tuple[int, int], kind: str, seed: int) -> RandomGrids:
    sampler: Sampler = "sobol" if kind == "sobol" else "bernoulli"
    return RandomGrids.draw(n, (CELLS, CELLS), size, 0.5, sampler, seed)


def scores(module: nn.Module, picture: Tensor, target: int, masks: RandomGrids, batch: int) -> Tensor:
    """Probability of the class under each mask."""
    found = []
    with torch.no_grad():
        for part in torch.arange(len(masks)).split(batch):
            found.append(module(picture * masks.render(part)[:, None]).softmax(1)[:, target])
    return torch.cat(found)


def slopes(masks: RandomGrids, s: Tensor) -> Tensor:
    centred = (s.double() - s.double().mean())[None]
    return MaskedSums.over(masks, centred, torch.arange(len(s))).slopes()[0]


def spearman(one: Tensor, other: Tensor) -> float:
    """Rank correlation of the means over the cells of the grid."""
    ranks = [
        F.adaptive_avg_pool2d(found[None, None].double(), CELLS).flatten().argsort().argsort().double()
        for found in (one, other)
    ]
    return float(torch.corrcoef(torch.stack(ranks))[0, 1])


def saved(ours: dict[int, list[float]], paper: dict[int, list[float]]) -> float | None:
    """Passes of the paper's estimator at its largest budget over those ours needs to be as good, interpolated."""
    largest = max(paper)
    wanted = statistics.mean(paper[largest])
    points = [(n, statistics.mean(c)) for n, c in sorted(ours.items())]
    if points[0][1] >= wanted:
        return round(largest / points[0][0], 1)  # at least
    for (n, low), (m, high) in zip(points, points[1:], strict=False):
        if low < wanted <= high:
            return round(largest / (n + (m - n) * (wanted - low) / (high - low)), 1)
    return None


@contextlib.contextmanager
def quiet() -> Any:
    """Without the peers' progress bars and warnings."""
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
