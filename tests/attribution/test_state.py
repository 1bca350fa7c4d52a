"""What many calls leave behind, and what calls at the same time do to each other: nothing."""

from __future__ import annotations

import gc
import linecache
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch import Tensor, nn

from seewhy.attribution.base import Method
from seewhy.attribution.methods import METHODS
from seewhy.backbones.base import Backbone
from seewhy.testing import default_networks
from seewhy.testing.family import small
from seewhy.testing.state import lived_in, untouched

GROUPS = {
    "tiny convolutional": (
        "gradcam",
        "saliency",
        "hirescam",
        "layercam",
        "occlusion",
        "rise",
        "scorecam",
        "smoothgrad",
    ),
    "tiny transformer": (
        "attention_relevance",
        "legrad",
        "gradcam",
        "saliency",
        "integrated_gradients",
        "layercam",
    ),
}


def methods_of(network: str) -> list[Method]:
    return [small(METHODS[name]()) for name in GROUPS[network]]


def rss_after(calls: int, call: Callable[[int], Any]) -> int:
    for i in range(calls):
        call(i)
    gc.collect()
    return psutil.Process().memory_info().rss


def live_tensors() -> int:
    gc.collect()
    return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())


@pytest.mark.parametrize("wrapped", [True, False], ids=["backbone", "bare module"])
@pytest.mark.parametrize("network", [0, 1], ids=list(GROUPS))
def test_memory_is_flat_over_200_calls(network: int, wrapped: bool) -> None:
    made = default_networks()[network]
    x, methods = made.pictures(2), methods_of(made.name)
    model = made.backbone if wrapped else made.backbone.module

    def call(i: int) -> None:
        methods[i % len(methods)](model, x, 1, preprocess=False)

    before = rss_after(40, call)  # the allocator's first reach
    tensors, sources = live_tensors(), len(linecache.cache)
    after = rss_after(200, call)
    assert live_tensors() <= tensors
    assert after <= 1.01 * before, f"{(after - before) / 1e6:.1f} MB more after 200 calls"
    assert len(linecache.cache) <= sources, "the sources of cut graphs pile up"


@pytest.mark.parametrize("network", [0, 1], ids=list(GROUPS))
def test_model_is_bit_identical_after_all_methods(network: int) -> None:
    made = lived_in(default_networks()[network])
    x = made.pictures(2)
    with untouched(made.backbone.module, "every method in turn"):
        for method in methods_of(made.name):
            method(made.backbone.module, x, 1, preprocess=False)


@pytest.mark.parametrize("wrapped", [True, False], ids=["one backbone", "a backbone a call"])
@pytest.mark.parametrize("network", [0, 1], ids=list(GROUPS))
def test_100_concurrent_calls_are_what_they_are_alone(network: int, wrapped: bool) -> None:
    made = lived_in(default_networks()[network])
    methods, pictures = methods_of(made.name), made.pictures(4)
    model = made.backbone if wrapped else made.backbone.module

    def call(i: int) -> np.ndarray:
        return methods[i % len(methods)](model, pictures[i % 4], i % 3, preprocess=False).map

    alone = [call(i) for i in range(12 * len(methods))]
    order = [i % len(alone) for i in range(100)]
    with untouched(made.backbone.module, "100 calls at once"), ThreadPoolExecutor(8) as pool:
        together = list(pool.map(call, order))
    for i, found in zip(order, together, strict=True):
        largest = np.abs(alone[i]).max()
        np.testing.assert_allclose(found, alone[i], rtol=0, atol=1e-4 * largest)


def test_users_own_passes_are_not_disturbed_by_calls_in_other_threads() -> None:
    made = default_networks()[1]
    module, x, methods = made.backbone.module.eval(), made.pictures(2), methods_of("tiny transformer")
    weight = next(module.parameters())

    def own() -> tuple[Tensor, Tensor]:
        logits = module(x)
        return logits.detach(), torch.autograd.grad(logits[:, 1].sum(), weight)[0]

    wanted = own()
    stop = threading.Event()

    def explain() -> None:
        i = 0
        while not stop.is_set():
            methods[i % len(methods)](made.backbone, x, 1, preprocess=False)
            i += 1

    threads = [threading.Thread(target=explain) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        found = [own() for _ in range(100)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for pair in found:
        torch.testing.assert_close(pair, wanted, atol=1e-6, rtol=1e-5)


def test_backbone_that_nobody_holds_is_freed() -> None:
    import weakref

    made = default_networks()[1]
    backbone = Backbone(made.backbone.module)
    for method in methods_of("tiny transformer"):
        method(backbone, made.pictures(1), 1, preprocess=False)
    gone = weakref.ref(backbone)
    del backbone
    gc.collect()
    assert gone() is None


class Counted(nn.Module):
    """Counts the thread that runs it, to see that a method never leaves its own."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.seen = inner, set[int]()

    def forward(self, x: Tensor) -> Tensor:
        self.seen.add(threading.get_ident())
        return self.inner(x)


@pytest.mark.parametrize("name", sorted({name for names in GROUPS.values() for name in names}))
def test_method_runs_the_network_in_its_own_thread_only(name: str) -> None:
    group = 0 if name in GROUPS["tiny convolutional"] else 1
    made = default_networks()[group]
    module = Counted(made.backbone.module)
    small(METHODS[name]())(module, made.pictures(1), 1, preprocess=False)
    assert module.seen <= {threading.get_ident()}
