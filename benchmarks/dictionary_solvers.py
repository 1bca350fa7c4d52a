"""Claim: the solver that `nmf` takes needs no more CPU time than scikit-learn's for the same error.

CPU seconds in one thread, medians over runs that take turns, and the error |A - U W| / |A| of each solver's
atoms under the same exact codes, on the rows it was fitted on. `ours` is the worst ratio to scikit-learn's
coordinate descent with its own defaults. Rows of 64 channels are places of ResNet-20's last block on the CIFAR
subset; 512 channels are the first of MobileNetV2's last layer on the photographs, since ResNet-20 has no layer
so wide. Details also give the codes alone: our `nnls` beside `NMF.transform`, each with its error, and the
held-out error by the number of rows fitted, which chose `max_rows`.
"""

from __future__ import annotations

import json
import statistics
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import NMF as Peer
from sklearn.decomposition import MiniBatchNMF
from torch import Tensor

from benchmarks import _real
from seewhy.concepts.hals import hals
from seewhy.concepts.nnls import nnls
from seewhy.concepts.quality import rel_l2

NAME = "speed.dictionaries"
CONCEPTS = (10, 25)


def run(runs: int = 3) -> dict[str, Any]:
    """Times and errors of three solvers on four sizes and two numbers of concepts."""
    torch.set_num_threads(1)
    narrow, wide = resnet_rows(), mobilenet_rows()
    sizes = {
        "400x512": wide[:400],
        "1600x512": wide[:1600],
        "8000x64": narrow[:8000],
        "32000x64": narrow[:32000],
    }
    details = {
        f"{size} K={k}": solvers(rows.contiguous(), k, runs) for size, rows in sizes.items() for k in CONCEPTS
    }
    ratios = {key: found["hals"]["seconds"] / found["cd"]["seconds"] for key, found in details.items()}
    worst = max(ratios, key=lambda key: ratios[key])
    return {
        "name": NAME,
        "ours": details[worst]["hals"]["seconds"],
        "peer": details[worst]["cd"]["seconds"],
        "ratio": round(ratios[worst], 3),
        "unit": f"CPU s of one NMF at {worst}, where the ratio to scikit-learn's default is worst",
        "runs": runs,
        "ratios": {key: round(ratio, 3) for key, ratio in ratios.items()},
        "details": details,
        "codes": {
            f"{size} K={k}": codes(rows.contiguous(), k, runs)
            for size, rows in (("32000x64", narrow[:32000]), ("4900x512", wide))
            for k in CONCEPTS
        },
        "held-out error by rows fitted": {f"K={k}": by_rows(narrow, k) for k in CONCEPTS},
        "versions": {name: version(name) for name in ("torch", "scikit-learn")},
    }


def solvers(rows: Tensor, k: int, runs: int) -> dict[str, dict[str, Any]]:
    """CPU seconds, error and iterations of each solver with its defaults, NNDSVDa first."""
    array = rows.numpy()

    def peer(kind: Any) -> tuple[Tensor, int]:
        fitted = kind(k, init="nndsvda", random_state=0).fit(array)
        return torch.from_numpy(fitted.components_), int(fitted.n_iter_)

    def ours() -> tuple[Tensor, int]:
        found = hals(rows, k)
        return found.atoms, found.iterations

    calls: dict[str, Callable[[], tuple[Tensor, int]]] = {
        "hals": ours,
        "cd": lambda: peer(Peer),
        "minibatch": lambda: peer(MiniBatchNMF),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    found = {}
    for _ in range(runs):
        for name, call in calls.items():
            seconds, found[name] = cpu_seconds(call)
            times[name].append(seconds)
    return {
        name: {
            "seconds": round(statistics.median(times[name]), 4),
            "rel_l2": round(error(rows, atoms), 5),
            "iterations": iterations,
        }
        for name, (atoms, iterations) in found.items()
    }


def codes(rows: Tensor, k: int, runs: int) -> dict[str, Any]:
    """Codes of all rows over atoms fitted on a few: ours to 1e-8, scikit-learn with its defaults."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = Peer(k, init="nndsvda", random_state=0).fit(rows[::8].numpy())
    atoms = torch.from_numpy(fitted.components_)
    times: dict[str, list[float]] = {"nnls": [], "transform": []}
    for _ in range(runs):
        seconds, ours = cpu_seconds(lambda: nnls(rows, atoms))
        times["nnls"].append(seconds)
        seconds, peer = cpu_seconds(lambda: fitted.transform(rows.numpy()))
        times["transform"].append(seconds)
    return {
        name: {
            "seconds": round(statistics.median(times[name]), 4),
            "rel_l2": round(rel_l2(rows, found @ atoms), 7),
        }
        for name, found in (("nnls", ours), ("transform", torch.from_numpy(peer)))
    }


def by_rows(rows: Tensor, k: int) -> dict[str, float]:
    """Error on 20,000 rows that were not fitted."""
    held = rows[40_000:60_000]
    return {
        str(n): round(error(held, hals(rows[:n], k).atoms), 5) for n in (1024, 2048, 4096, 8192, 16384, 32768)
    }


def error(rows: Tensor, atoms: Tensor) -> float:
    return rel_l2(rows, nnls(rows, atoms) @ atoms)


def cpu_seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = time.process_time()
        result = call()
        return time.process_time() - before, result


def resnet_rows() -> Tensor:
    """60,000 places of ResNet-20's last block on CIFAR training pictures, shuffled."""
    with np.load(_real.data() / "cifar10" / "cifar10_subset.npz") as archive:
        pixels = torch.from_numpy(archive["x_train"][::2]).permute(0, 3, 1, 2).float() / 255
    recipe = json.loads((_real.data() / "models" / "resnet20_cifar10.json").read_text())["preprocess"]
    mean, std = (torch.tensor(recipe[key]).view(-1, 1, 1) for key in ("mean", "std"))
    network = _real.network("resnet20_cifar10")
    return places(network, network.get_submodule("layer3"), (pixels - mean) / std)[:60_000]


def mobilenet_rows() -> Tensor:
    """4,900 places of the first 512 channels that MobileNetV2's head reads, shuffled."""
    network = _real.network("mobilenetv2_imagenet")
    photographs = _real.photographs("mobilenetv2_imagenet", 100)
    return places(network, network.get_submodule("bn2"), photographs)[:, :512].contiguous()


def places(network: torch.nn.Module, layer: torch.nn.Module, pictures: Tensor) -> Tensor:
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda module, inputs, output: kept.append(output))
    with torch.no_grad():
        for start in range(0, len(pictures), 25):
            network(pictures[start : start + 25])
    handle.remove()
    rows = torch.cat([output.permute(0, 2, 3, 1).flatten(0, 2) for output in kept])
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))]
