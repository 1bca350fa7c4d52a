"""Claim: every classifier of timm and torchvision gets a feature layer with the right grid, or a refusal by name.

Each network is made with cheap random weights and the finder runs on it as on a user's network. The grid is
right if it is the reduction that timm's feature table states for the last stage; where there is no table, or
another layer was chosen, a patch moved in the picture must move the map. Networks too large for this are run
without values (meta device), and only the reading of shapes is checked: the output of the module that the
table names must be read with the table's grid.

    python -m benchmarks coverage.layers --write
    python -m benchmarks.coverage_layers resnet18 vit_tiny_patch16_224    # some, told in full
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAME = "coverage.layers"
MAX_SECONDS = 60.0
MAX_MACS = 3e9
MAX_PARAMETERS = 300e6
SMALL = (128, 160)
OK_ENDS = ("right", "right by moved patch", "refused", "shape right", "shape refused")


def run(names: list[str] | None = None, *, resume: bool = True) -> dict[str, Any]:
    """Try every name, one after the other in one worker process; finished ones are kept in a file and reused.

    Returns
    -------
    report
        `ours` counts wrong grids and tracebacks, `limit` is 0; `details` has the count of each end and the names.
    """
    names = all_names() if names is None else names
    kept = Path(tempfile.gettempdir()) / f"seewhy-{NAME}-{'-'.join(_versions().values())}.jsonl"
    if not resume:
        kept.unlink(missing_ok=True)
    rows = (
        {row["name"]: row for row in map(json.loads, kept.read_text().splitlines())} if kept.exists() else {}
    )
    with kept.open("a") as file:
        for row in _work([name for name in names if name not in rows]):
            rows[row["name"]] = row
            file.write(json.dumps(row) + "\n")
            file.flush()
            done = sum(name in rows for name in names)
            print(f"\r{done}/{len(names)} {row['name'][:50]:50s}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return _report([rows[name] for name in names])


def all_names() -> list[str]:
    """Every network of timm, and every classifier of torchvision as 'torchvision/NAME'."""
    import timm
    import torchvision

    peers = torchvision.models.list_models(module=torchvision.models)
    return [*timm.list_models(), *(f"torchvision/{name}" for name in peers)]


def examine(name: str) -> dict[str, Any]:
    """How the finder ends on one network: {"name", "end", ...}."""
    started = time.process_time()
    row: dict[str, Any] = {"name": name}
    try:
        row |= _examine(name)
    except _OutOfTime:
        row |= {"end": "out of time"}
    except Exception as error:
        row |= {"end": "traceback", "why": f"{type(error).__name__}: {error}"[:300]}
    return row | {"cpu_seconds": round(time.process_time() - started, 2)}


def _examine(name: str) -> dict[str, Any]:
    tries = _inputs(name)
    shape_row = None
    for size, options in tries:
        try:
            module, shapes, macs = _without_values(name, size, options)
        # Code that looks at values cannot run without any, and not every network takes another size.
        except (RuntimeError, ValueError, TypeError, AssertionError) as error:
            no_meta = f"{type(error).__name__}: {error}"[:200]
            continue
        n_parameters = sum(p.numel() for p in module.parameters())
        if macs <= MAX_MACS and n_parameters <= MAX_PARAMETERS:
            row = _judge_values(name, _with_values(name, options), size) | {"macs": macs}
            if "does not run on pictures" not in row.get("why", ""):
                return row
            shape_row = shape_row or row
            continue
        shape_row = shape_row or _judge_shapes(name, module, shapes, size) | {
            "macs": macs,
            "parameters": n_parameters,
        }
    if shape_row is not None:
        return shape_row
    module = _with_values(name, tries[0][1])
    if sum(p.numel() for p in module.parameters()) > MAX_PARAMETERS:
        return {"end": "too large", "why": no_meta}
    return _judge_values(name, module, tries[0][0]) | {"no_meta": no_meta}


def _judge_values(name: str, module: Any, size: tuple[int, int]) -> dict[str, Any]:
    from seewhy.backbones.base import Backbone
    from seewhy.errors import SeewhyError

    for _ in range(4):
        backbone = Backbone(module, name="it")
        try:
            candidate = backbone.layer(size=size)
            break
        except SeewhyError as error:
            row = {"end": "refused", "why": f"{type(error).__name__}: {error}"[:300]}
            if "NaN" not in row["why"]:
                return row
        shrink(module)  # these random weights make the signal grow from layer to layer
    else:
        return row
    layer = candidate.layer
    row = {"layer": layer.describe(), "layout": layer.layout, "sealed": candidate.sealed, "size": list(size)}
    row |= {"candidates": Counter(c.reason or "usable" for c in backbone.layers(size=size))}
    expected = _expected(name, module, size)
    if expected is not None and layer.grid in expected[0]:
        return row | {"end": "right"}
    distance = moved_patch(module, layer, size)
    row |= {"table": expected and expected[1], "cells_off": round(distance, 2)}
    return row | {"end": "right by moved patch" if distance <= 1.5 else "wrong"}


def moved_patch(module: Any, layer: Any, size: tuple[int, int]) -> float:
    """Largest distance in cells between a patch and the centre of what it changes, over four places.

    Three different patches at each place; what they change wherever they lie is not their place, so that only
    the response beyond the mean over the places counts.
    """
    import torch

    generator = torch.Generator().manual_seed(7)
    (height, width), (h, w) = size, layer.grid
    tall, wide = max(4, height // 7), max(4, width // 7)
    places, n_patches = [(0.25, 0.2), (0.2, 0.7), (0.7, 0.4), (0.8, 0.85)], 3
    x = 0.3 * torch.randn(1, 3, height, width, generator=generator).repeat(1 + 4 * n_patches, 1, 1, 1)
    for i, patched in enumerate(x[1:]):
        down, right = places[i // n_patches]
        top, left = round(down * height - tall / 2), round(right * width - wide / 2)
        grain, colour = (torch.randn(3, *sides, generator=generator) for sides in ((tall, wide), (1, 1)))
        patched[:, top : top + tall, left : left + wide] = 2 * grain + 2 * colour
    kept: list[torch.Tensor] = []
    handle = module.get_submodule(layer.name).register_forward_hook(
        lambda _, __, output: kept.append(layer.read(output)[0])
    )
    with torch.no_grad():
        module(x)
    handle.remove()
    change = (kept[layer.call][1:] - kept[layer.call][:1]).norm(dim=1)
    change = change.view(4, n_patches, h, w).square().mean(1).sqrt()
    change = change / change.sum((1, 2), keepdim=True)
    weight = (change - change.mean(0)).clamp_min(0) ** 2
    weight = weight / weight.sum((1, 2), keepdim=True)
    rows = (weight.sum(2) * (torch.arange(h) + 0.5)).sum(1)
    columns = (weight.sum(1) * (torch.arange(w) + 0.5)).sum(1)
    off = torch.stack([rows, columns], 1) - torch.tensor(places) * torch.tensor([h, w])
    return float(off.abs().max())


def _judge_shapes(
    name: str, module: Any, shapes: list[tuple[str, tuple[int, ...]]], size: tuple[int, int]
) -> dict[str, Any]:
    from seewhy.backbones.layers import spatial_layout

    expected = _expected(name, module, size)
    read = [(at, shape, spatial_layout(shape, 2, size)) for at, shape in shapes]
    if expected is None:
        last = next((each for each in reversed(read) if each[2]), None)
        return {"end": "shape untold", "why": f"no table; last {last}"}
    grids, reduction, named = expected
    there = [each for each in read if each[0] == named] or read
    row = {"table": reduction, "size": list(size)}
    if any(found is not None and found[1] in grids for _, _, found in there):
        return row | {"end": "shape right"}
    return row | {"end": "shape wrong", "why": str(there[-3:])[:300]}


def _expected(name: str, module: Any, size: tuple[int, int]) -> tuple[list[tuple[int, int]], int, str] | None:
    """Grids that the feature table allows for the last stage (padding may round up), its reduction and module.

    torchvision has no table; its networks end at a 32nd of the input, or at their patches, as their papers say.
    """
    table = getattr(module, "feature_info", None)
    if name.startswith("torchvision/vit"):
        reduction, named = int(name.rsplit("_", 1)[1]), ""
    elif name.startswith("torchvision/") and not name.endswith("alexnet") and "squeezenet" not in name:
        reduction, named = 32, ""
    elif table:
        reduction, named = table[-1]["reduction"], table[-1].get("module", "")
    else:
        return None
    sides = [{math.floor(side / reduction), math.ceil(side / reduction)} for side in size]
    return [(h, w) for h in sides[0] for w in sides[1]], reduction, named


def _inputs(name: str) -> list[tuple[tuple[int, int], dict[str, Any]]]:
    """Inputs to try and the options that they need: small ones whose sides differ, where the network takes them."""
    import timm

    if name.startswith("torchvision/vit"):
        side = 112 if name.endswith("14") else 128
        return [((side, side), {"image_size": side})]
    cfg = None if name.startswith("torchvision/") else timm.get_pretrained_cfg(name)
    side = 224 if cfg is None else cfg.input_size[1]
    if cfg is None or not cfg.fixed_input_size:
        return [(SMALL, {}), ((side, side), {})]
    smaller = dict.fromkeys((side // 2, 112, 128))
    return [((side, side), {}), *(((s, s), {"img_size": s}) for s in smaller if s < side)]


def _made(name: str, options: dict[str, Any]) -> Any:
    import timm
    import torchvision

    if name.startswith("torchvision/"):
        extra = {"init_weights": False} if "inception" in name or "googlenet" in name else {}
        return torchvision.models.get_model(
            name.split("/")[1], weights=None, num_classes=10, **extra, **options
        )
    return timm.create_model(name, pretrained=False, num_classes=10, **options)


def _with_values(name: str, options: dict[str, Any]) -> Any:
    with cheap_weights():
        module = _made(name, options)
    fill(module)
    return module.eval()


def _without_values(
    name: str, size: tuple[int, int], options: dict[str, Any]
) -> tuple[Any, list[tuple[str, tuple[int, ...]]], float]:
    """The network on the meta device, the shapes of all outputs for two pictures, and multiply-adds of one."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from seewhy.backbones import tree
    from seewhy.backbones.taps import tapped

    try:
        with torch.device("meta"):
            module = _made(name, options)
    except NotImplementedError:  # its constructor computes with small tensors
        with cheap_weights():
            module = _made(name, options).to("meta")
    module.eval().requires_grad_(False)  # its gradients would confuse the counter
    found: list[tuple[str, tuple[int, ...]]] = []

    def record(name: str, _: int, __: Any, output: Any) -> None:
        found.extend((name, tuple(leaf.shape)) for _, leaf in tree.leaves(output))

    named = {name: child for name, child in module.named_modules() if name}
    with torch.no_grad(), FlopCounterMode(display=False) as counter, tapped(named, record):
        module(torch.empty(2, 3, *size, device="meta"))
    return module, found, counter.get_total_flops() / 4


@contextmanager
def cheap_weights() -> Iterator[None]:
    """While open, the initialisers that draw random numbers leave tensors at zero; `fill` draws them cheaply."""
    import timm.layers.weight_init
    import torch

    def zero(tensor: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        with torch.no_grad():
            return tensor.zero_()

    init = torch.nn.init
    drawn = [
        key for key in dir(init) if key.endswith(("normal_", "uniform_", "orthogonal_")) and key[0] != "_"
    ]
    patches = [(init, key) for key in drawn] + [(timm.layers.weight_init, "_trunc_normal_")]
    before = [(owner, key, getattr(owner, key)) for owner, key in patches]
    try:
        for owner, key in patches:
            setattr(owner, key, zero)
        yield
    finally:
        for owner, key, function in before:
            setattr(owner, key, function)


def fill(module: Any) -> None:
    """Seeded weights: normal with variance 2 or 1 over the fan-in, and nothing left at zero."""
    import torch

    pool = torch.randn(1_000_003, generator=torch.Generator().manual_seed(0))
    start = 0
    with torch.no_grad():
        for tensor in module.parameters():
            if tensor.ndim < 2 and tensor.any():
                continue  # scales of norms and layers as their authors set them
            n = tensor.numel()
            drawn = pool.roll(-start).repeat(-(-n // len(pool)))[:n] if n else pool[:0]
            start = (start + n) % len(pool)
            scale = (
                (2.0 if tensor.ndim == 4 else 1.0) / max(1, tensor[0].numel()) if tensor.ndim > 1 else 4e-4
            )
            tensor.copy_(drawn.view_as(tensor) * scale**0.5)


def shrink(module: Any) -> None:
    """Halve every weight but the scales of norms."""
    import torch

    with torch.no_grad():
        for tensor in module.parameters():
            if tensor.ndim > 1:
                tensor.mul_(0.5)


class _OutOfTime(BaseException):
    """Raised in the worker; no handler of ordinary errors may catch it."""


def _worker() -> None:
    """Examine the names on standard input, one a line."""
    import torch

    def stop(*_: Any) -> None:
        raise _OutOfTime

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGPROF, stop)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is not an answer
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
        row = examine(line.strip())
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(row), file=answers, flush=True)


def _work(names: list[str]) -> Iterator[dict[str, Any]]:
    """Rows of the worker; a worker that dies costs the name it was at, and another takes over."""
    command = [sys.executable, "-m", "benchmarks.coverage_layers", "--worker"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    worker = None
    for i, name in enumerate(names):
        if worker is None or i % 100 == 0:
            if worker is not None:
                worker.communicate()
            worker = subprocess.Popen(
                command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
        assert worker.stdin is not None and worker.stdout is not None
        worker.stdin.write(name + "\n")
        worker.stdin.flush()
        answer = worker.stdout.readline()
        if answer:
            yield json.loads(answer)
        else:
            yield {"name": name, "end": "died", "why": f"exit status {worker.wait()}"}
            worker = None
    if worker is not None:
        worker.communicate()


def _report(rows: list[dict[str, Any]]) -> dict[str, Any]:
    ends = Counter(row["end"] for row in rows)
    others = {}
    for end in sorted(set(ends) - {"right", "shape right"}):
        others[end] = {
            row["name"]: row.get("why") or row.get("layer", "") for row in rows if row["end"] == end
        }
    bad = sum(count for end, count in ends.items() if end not in OK_ENDS)
    with_values = [row for row in rows if not row["end"].startswith("shape")]
    return {
        "name": NAME,
        "ours": bad,
        "limit": 0,
        "ratio": round(1 - bad / max(1, len(rows)), 4),
        "unit": "names that ended in neither the right grid nor a refusal (ratio: share that did)",
        "runs": len(rows),
        "details": {
            "ends": dict(sorted(ends.items())),
            "shares": {end: round(count / len(rows), 4) for end, count in sorted(ends.items())},
            "with_values": len(with_values),
            "sealed": sum(bool(row.get("sealed")) for row in with_values),
            "others": others,
            "cpu_seconds": round(sum(row["cpu_seconds"] for row in rows if "cpu_seconds" in row)),
            "limits": {"macs": MAX_MACS, "parameters": MAX_PARAMETERS, "cpu_seconds": MAX_SECONDS},
        },
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "timm", "torchvision")}


if __name__ == "__main__":
    if "--worker" in sys.argv:
        _worker()
    else:
        for one in sys.argv[1:]:
            print(json.dumps(examine(one)))
