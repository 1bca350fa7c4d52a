"""Two experiments on a network: what passes through an output, and whether its cells lie in the picture's order."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.backbones import tree
from seewhy.backbones.layout import FeatureLayer
from seewhy.backbones.taps import tapped
from seewhy.types import Size

SEALED = 1e-3
"""Largest share of the logits' difference between two pictures that may go around a sealed layer."""

PLACES = ((0, 1), (2, 5), (3, 3), (5, 0), (6, 4))
"""(row, column) of patches on a board of 7 x 7: no two in one row or column, and other places when the board
is transposed or turned over."""

_BOARD = 7
DISORDER = 0.08
"""Displacement from which cells do not lie in the order of the picture. Outputs in order stay below 0.06, also
behind wide convolutions with random weights; tokens in another order and attention matrices exceed 0.1."""


@dataclass(frozen=True)
class Probe:
    """What the finder needs of a model: itself, two pictures' worth of input, and how to read its output."""

    module: nn.Module
    inputs: Float[Tensor, "b c H W"]
    logits: Callable[[Any], Tensor]
    prefix_hint: int | None = None

    @property
    def size(self) -> Size:
        return self.inputs.shape[2], self.inputs.shape[3]

    @property
    def n(self) -> int:
        return self.inputs.shape[0]

    def run(self, inputs: Float[Tensor, "b c H W"]) -> Float[Tensor, "b k"]:
        """Logits; the network gets a copy, because it may normalise its input in place."""
        return self.logits(self.module(inputs.clone()))


class Exchange:
    """Runs two pictures with an output of each in place of the other's.

    If everything that tells the pictures apart passes through the output, the logits change places too; a
    skip connection around it shows as a difference.
    """

    def __init__(self, probe: Probe) -> None:
        self._measure(probe)
        self._sure = True
        if self._difference <= 100 * self._noise:
            # Random weights can make the logits of all pictures nearly equal; double precision tells them apart.
            try:
                module = copy.deepcopy(probe.module).double()
                self._measure(replace(probe, module=module, inputs=probe.inputs.double()))
            except Exception:  # a module that cannot be copied or run in double precision can raise anything
                self._sure = False

    def leak(self, layer: FeatureLayer) -> float:
        """The share of the logits' difference that does not pass through `layer`; at most SEALED if all does."""

        def exchange(_: str, call: int, __: Any, output: Any) -> Any:
            return tree.take(output, self._swap, self._probe.n) if call == layer.call else None

        if not self._sure or self._difference == 0:
            return 1.0
        with torch.no_grad(), tapped({layer.name: self._probe.module.get_submodule(layer.name)}, exchange):
            exchanged = self._probe.run(self._probe.inputs)
        missed = float((exchanged - self._wanted).abs().max())
        return max(0.0, missed - self._noise) / self._difference

    def _measure(self, probe: Probe) -> None:
        self._probe = probe
        self._swap = torch.arange(probe.n - 1, -1, -1)
        with torch.no_grad():
            straight = probe.run(probe.inputs)
        self._wanted = straight[self._swap.to(straight.device)]
        self._noise = 8 * torch.finfo(straight.dtype).eps * float(straight.abs().max())
        self._difference = float((straight - self._wanted).abs().max())


def displacements(probe: Probe, layers: Sequence[FeatureLayer]) -> list[float]:
    """How far the cells of each layer are from lying in the order of the picture: 0 where they do.

    A patch moved in the picture must move the map. Shapes alone cannot tell: tokens may be stored window by
    window, an attention matrix looks like a grid, and class tokens may stand before or after the patches. A
    strong patch is pasted at a few places of a quiet picture; at each cell the responses to the patches are
    compared, and each patch must stand out at its own place, or a cell beside it, as much as anywhere. What is
    missing to that, as a share of all responses, is the displacement. Comparing patches at one cell, not cells
    for one patch, leaves out what reaches all cells alike; an output that responds everywhere alike (attention
    with random weights) is not evidence of disorder.

    Costs one forward pass of six pictures.
    """
    pictures, boxes = _patched(probe)
    wanted: dict[tuple[str, int], list[int]] = {}
    for i, layer in enumerate(layers):
        wanted.setdefault((layer.name, layer.call), []).append(i)
    found = [1.0] * len(layers)

    def judge(name: str, call: int, _: Any, output: Any) -> None:
        for i in wanted.get((name, call), ()):
            found[i] = _displacement(tree.at(output, layers[i].path), layers[i], boxes, probe.size)

    modules = {layer.name: probe.module.get_submodule(layer.name) for layer in layers}
    with torch.no_grad(), tapped(modules, judge):
        probe.module(pictures)
    return found


def _patched(probe: Probe) -> tuple[Float[Tensor, "b c H W"], list[tuple[int, int, int, int]]]:
    """A quiet picture, then the same with a patch at each of PLACES; and the patches' (top, bottom, left, right)."""
    (height, width), channels = probe.size, probe.inputs.shape[1]
    rows, columns = max(1, round(height / _BOARD)), max(1, round(width / _BOARD))
    generator = torch.Generator().manual_seed(1)
    patch = 3 * torch.randn(channels, rows, columns, generator=generator).to(probe.inputs)
    pictures = 0.3 * probe.inputs[:1].repeat(1 + len(PLACES), 1, 1, 1)
    boxes = []
    for i, (row, column) in enumerate(PLACES):
        top = min(round(row * height / _BOARD), height - rows)
        left = min(round(column * width / _BOARD), width - columns)
        pictures[i + 1, :, top : top + rows, left : left + columns] = patch
        boxes.append((top, top + rows, left, left + columns))
    return pictures, boxes


def _displacement(
    tensor: Tensor, layer: FeatureLayer, boxes: list[tuple[int, int, int, int]], size: Size
) -> float:
    """How much less each patch stands out at or beside its own cells than where it does most, or at its own
    cells than at another offset of tokens."""
    features = tensor.to(torch.promote_types(tensor.dtype, torch.float32))
    channels = 1 if layer.layout == "bchw" else -1
    change = (features[1:] - features[:1]).norm(dim=channels).flatten(1).cpu()
    rounding = 8 * torch.finfo(tensor.dtype).eps * float(features.norm(dim=channels).max())
    total = change.sum(0)
    silent = total <= max(rounding, 1e-4 * float(total.max()))
    # Per cell, each picture's share of the response (of all pictures alike in total); cells that hardly
    # respond hold rounding errors.
    change = change / change.sum(1, keepdim=True).clamp_min(torch.finfo(change.dtype).tiny)
    excess = torch.where(silent, 0.0, change / change.sum(0) - 1 / len(change))
    area = torch.stack([_area(box, layer.grid, size) for box in boxes]).to(excess)
    n_cells = area.shape[1]
    at_offset = [
        float((area * excess[:, start : start + n_cells]).sum() / len(boxes))
        for start in range(excess.shape[1] - n_cells + 1)
    ]
    near = nn.functional.max_pool2d(area.view(-1, 1, *layer.grid), 3, stride=1, padding=1).flatten(1) > 0
    cells = excess[:, layer.prefix : layer.prefix + n_cells]
    beside = torch.where(near, cells, -1.0).max(1).values
    missing = max(float((excess.max(1).values - beside).mean()), max(at_offset) - at_offset[layer.prefix])
    return missing if math.isfinite(missing) else 1.0


def _area(box: tuple[int, int, int, int], grid: Size, size: Size) -> Float[Tensor, " cells"]:
    """Share of a patch's area in each cell of a grid, row by row."""
    (top, bottom, left, right), (h, w), (height, width) = box, grid, size
    rows = _overlap(top * h / height, bottom * h / height, h)
    columns = _overlap(left * w / width, right * w / width, w)
    return (rows[:, None] * columns[None, :]).flatten()


def _overlap(start: float, stop: float, n: int) -> Float[Tensor, " n"]:
    """Share of the interval [start, stop] in each of the cells [i, i + 1]."""
    edges = torch.arange(n + 1, dtype=torch.float64).clamp(start, stop)
    return (edges[1:] - edges[:-1]) / (stop - start)
