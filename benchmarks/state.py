"""Claim: explaining leaves nothing behind: memory flat over 200 calls, the model as it was, 100 calls at once right.

Every registered method takes turns on a convolutional network and a transformer of ordinary size (random
weights), half in train mode and half frozen. `ours` is the growth of resident memory over the 200 calls.
"""

from __future__ import annotations

import gc
import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psutil
import timm
import torch
from torch import nn

from seewhy.attribution.base import Method
from seewhy.attribution.methods import METHODS
from seewhy.backbones.base import Backbone
from seewhy.testing import CheckFailed, Network
from seewhy.testing.family import refusal, small
from seewhy.testing.state import lived_in, untouched

NAME = "reliability.state"
LIMIT = 0.01
CALLS, AT_ONCE, THREADS, WARM, EVERY = 200, 100, 8, 40, 20

NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int]]] = {
    "resnet18": (lambda: timm.create_model("resnet18", num_classes=10), (96, 128)),
    "vit_tiny": (
        lambda: timm.create_model("vit_tiny_patch16_224", img_size=(96, 128), depth=4, num_classes=10),
        (96, 128),
    ),
}


def run(calls: int = CALLS, at_once: int = AT_ONCE) -> dict[str, Any]:
    """The worst growth of memory of both networks, and how many concurrent calls gave another map."""
    details = {}
    for name, (make, size) in NETWORKS.items():
        torch.manual_seed(0)
        network = lived_in(Network(name, Backbone(make(), name=name), size))
        methods = [small(METHODS[key]()) for key in METHODS]
        methods = [quicker(method) for method in methods if refusal(method, network) is None]
        left = ""
        try:
            with untouched(network.backbone.module, "all calls"):
                memory = memory_over(network, methods, calls)
                wrong = concurrent(network, methods, at_once)
        except CheckFailed as failure:
            left = str(failure)
        details[name] = {
            "methods": [method.name for method in methods],
            **memory,
            "concurrent_calls": at_once,
            "threads": THREADS,
            "corrupted": wrong,
            "model_bit_identical": not left,
            "left_behind": left,
        }
    worst = max(part["growth"] for part in details.values())
    return {
        "name": NAME,
        "ours": worst,
        "limit": LIMIT,
        "ratio": round(worst / LIMIT, 3),
        "unit": f"growth of resident memory over {calls} calls, as a part of it",
        "runs": calls * len(NETWORKS),
        "details": details,
        "versions": {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "timm": timm.__version__,
        },
    }


def quicker(method: Method) -> Method:
    """Few enough passes that 200 calls of all methods take minutes."""
    lowered = {"masks": 32, "n": 4, "steps": 4, "top_k": 8, "window": 32}
    settings = {name: lowered[name] for name in method.parameters() if name in lowered}
    return type(method)(**{**method.parameters(), **settings})


def memory_over(network: Network, methods: list[Method], calls: int) -> dict[str, float]:
    """Resident memory before and after, and its slope, once the allocator has reached its size."""
    x, process = network.pictures(2), psutil.Process()
    sizes = []
    for i in range(WARM + calls + 1):
        if i >= WARM and (i - WARM) % EVERY == 0:
            gc.collect()
            sizes.append(process.memory_info().rss / 1e6)
        if i < WARM + calls:
            methods[i % len(methods)](network.backbone.module, x, 1, preprocess=False)
    slope = float(np.polyfit(np.arange(len(sizes)) * EVERY, sizes, 1)[0])
    return {
        "growth": round(max(0.0, sizes[-1] / sizes[0] - 1), 5),
        "first_mb": round(sizes[0], 1),
        "last_mb": round(sizes[-1], 1),
        "slope_kb_per_call": round(1000 * slope, 2),
    }


def concurrent(network: Network, methods: list[Method], n: int) -> int:
    """How many of `n` calls in several threads differ from the same call alone by more than 1e-4 of the map."""
    pictures = network.pictures(4)

    def call(i: int) -> np.ndarray:
        method, picture = methods[i % len(methods)], pictures[i // len(methods) % 4]
        return method(network.backbone, picture, 1, preprocess=False).map

    alone = {i: call(i) for i in range(4 * len(methods))}
    order = [i % len(alone) for i in range(n)]
    with ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(call, order))
    return sum(
        bool(np.abs(found - alone[i]).max() > 1e-4 * np.abs(alone[i]).max())
        for i, found in zip(order, together, strict=True)
    )
