"""One forward pass that keeps every output with a place for each feature, each tensor once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from seewhy.backbones import tree
from seewhy.backbones.layout import FeatureLayer, spatial_layouts
from seewhy.backbones.probe import Probe

# Pooled features are no longer where they were, and a bare linear layer on tokens is a query, key, value or
# half of an MLP, never a stage of the network.
_NO_STAGE = (nn.AdaptiveAvgPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d, nn.Linear)


@dataclass(frozen=True)
class Entry:
    """A spatial tensor that a module returned, and the ways to read it, the likeliest first.

    `tensor` is the copy that went on in its place, `original` is kept so that its id stays its own, and
    `root` is the same for all modules that returned the same values on.
    """

    readings: list[FeatureLayer]
    tensor: Tensor
    original: Tensor
    root: int


class Recorder:
    """What to do with each module's output (`taps.OnOutput`) in the pass; afterwards, what was seen.

    Every spatial output goes on as a copy, so that its gradient is what flows through this output, and not
    through other outputs that the module made of the same tensor.
    """

    def __init__(self, probe: Probe) -> None:
        self.entries: list[Entry] = []
        self._probe = probe
        self._root_of: dict[int, int] = {}
        self._names: dict[int, list[str]] = {}

    def __call__(self, name: str, call: int, inputs: Any, output: Any) -> Any:
        """Record the spatial tensors of one output, and return it with copies in their place."""
        given = {id(leaf) for _, leaf in tree.leaves(inputs)}

        def watch(path: tree.Path, leaf: Tensor) -> Tensor:
            # An in-place activation returns the tensor that it was given, with other values.
            unchanged = leaf._version == 0
            known = self._root_of.get(id(leaf)) if unchanged else None
            if known is not None:
                self._names[known].append(name)
            if not leaf.requires_grad or (unchanged and id(leaf) in given):
                return leaf
            readings = self._readings(leaf, name, call, path)
            if not readings:
                return leaf
            copied = leaf.clone()
            root = known if known is not None else id(copied)
            self._root_of[id(copied)] = root
            self._names.setdefault(root, [name])
            self.entries.append(Entry(readings, copied, leaf, root))
            return copied

        return tree.map_leaves(output, watch)

    def names(self, entry: Entry) -> tuple[str, ...]:
        """Every module that returned these values, the innermost first."""
        return tuple(dict.fromkeys(self._names[entry.root]))

    def outermost(self, alive: list[bool]) -> list[int]:
        """Which entries stand for their tensors: of modules that returned the same, the last that is alive."""
        by_root: dict[int, int] = {}
        for i, entry in enumerate(self.entries):
            if isinstance(self._probe.module.get_submodule(entry.readings[0].name), _NO_STAGE):
                continue
            before = by_root.get(entry.root)
            if before is None or alive[i] or not alive[before]:
                by_root.pop(entry.root, None)
                by_root[entry.root] = i
        return list(by_root.values())

    def _readings(self, leaf: Tensor, name: str, call: int, path: tree.Path) -> list[FeatureLayer]:
        probe = self._probe
        found = spatial_layouts(tuple(leaf.shape), probe.n, probe.size, probe.prefix_hint)
        return [
            FeatureLayer(name, layout, grid, channels, prefix, call, path, probe.size)
            for layout, grid, channels, prefix in found
        ]
