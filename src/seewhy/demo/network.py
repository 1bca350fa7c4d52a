"""The demonstration's network and what it makes of the mark."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from seewhy.audit.plant_report import MarkUse
from seewhy.bench import small_net
from seewhy.bench.small_net import Progress, TinyNet, accuracy, logits, to_input
from seewhy.demo.planted import Task, Twins

__all__ = ["TinyNet", "accuracy", "cell_shares", "logits", "measure_mark", "to_input", "train"]


def train(task: Task, *, seed: int = 0, progress: Progress | None = None) -> TinyNet:
    """Train the network of a task from nothing; see `small_net.train`."""
    return small_net.train(task.pictures, task.labels, task.classes, seed=seed, progress=progress)


def cell_shares(
    network: TinyNet, pictures: UInt8[np.ndarray, "n H W 3"], target: int
) -> Float32[np.ndarray, "n h w"]:
    """Each cell's exact share of a class's logit, by (1) of `small_net`; their sum is the logit without its bias."""
    with torch.inference_mode():
        features = network.features(to_input(pictures))
        shares = (features * network.head.weight[target][:, None, None]).sum(1)
        cells: np.ndarray = (shares / shares[0].numel()).numpy()
    return cells


def measure_mark(network: TinyNet, twins: Twins, target: int) -> MarkUse:
    """Compare the network's answers on twins; `target` is the class that carried the mark in training."""
    plain, marked = (logits(network, pictures) for pictures in (twins.plain, twins.marked))
    return MarkUse.measure(plain, marked, twins.labels, target)
