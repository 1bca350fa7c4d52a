"""The blocks of a transformer around its attention, and the tail behind the last one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seewhy.attribution.attention import Survey, survey
from seewhy.backbones import tree
from seewhy.backbones.base import Backbone
from seewhy.backbones.layout import FeatureLayer
from seewhy.backbones.probe import SEALED, Exchange, Probe
from seewhy.backbones.split import Rest, Split
from seewhy.backbones.taps import tapped
from seewhy.types import Size


@dataclass(frozen=True, eq=False)
class Blocks:
    """Modules that each hold one attention and return the tokens, in order.

    Parameters
    ----------
    names, layers
        The modules and where their tokens are in what they return.
    split
        Cuts the network behind the last block: its tail is everything that reads the tokens out.
    """

    names: tuple[str, ...]
    layers: tuple[FeatureLayer, ...]
    split: Split

    @contextmanager
    def outputs(self) -> Iterator[dict[str, Any]]:
        """While open, what each block returned in this thread, still in its graph."""
        outputs: dict[str, Any] = {}

        def keep(name: str, _: int, __: Any, output: Any) -> Any:
            outputs[name] = output
            # The network goes on with a copy, which an in-place operation may change; and outside the graph,
            # for the gradient of what is read out after a block goes through this block alone.
            return tree.detached(output)

        modules = {name: self.split.module.get_submodule(name) for name in self.names}
        with tapped(modules, keep):
            yield outputs

    def rest(self, last: Any, x: Tensor) -> Rest:
        """What the tail needs besides tokens, from the last block's output for the pictures `x`."""
        if self.split.live:
            return self.split.cut(x).rest
        return Rest(len(x), tree.detached(last), images=x)


def blocks_of(backbone: Backbone, size: Size) -> Blocks | str:
    """The blocks of a network, looked for once per size, or in words why they cannot be told."""
    return backbone.once(("blocks", size), lambda: _blocks(backbone, size))


def _blocks(backbone: Backbone, size: Size) -> Blocks | str:
    known, probe = survey(backbone, size), backbone.probe(size)
    if known.reason:
        return known.reason
    layers = _layers(known, probe)
    if isinstance(layers, str):
        return layers
    if len({layer.channels for layer in layers}) > 1:
        return "its blocks return tokens of different sizes"
    if Exchange(probe).leak(layers[-1]) > SEALED:
        return f"part of the picture reaches the logits around its last block {layers[-1].name!r}"
    names = tuple(layer.name for layer in layers)
    return Blocks(names, layers, Split.at(probe, layers[-1], sealed=True))


def _layers(known: Survey, probe: Probe) -> tuple[FeatureLayer, ...] | str:
    """For every attention the largest module that holds no other and returns all tokens."""
    around = [list(_around(name, known.modules)) for name in known.modules]
    names = {name for chain in around for name in chain}
    found: dict[str, FeatureLayer] = {}

    def look(name: str, call: int, _: Any, output: Any) -> None:
        for path, leaf in tree.leaves(output):
            if leaf.ndim == 3 and leaf.shape[:2] == (probe.n, known.n_tokens):
                grid, prefix, channels = known.grid, known.prefix, leaf.shape[2]
                found[name] = FeatureLayer(name, "tokens", grid, channels, prefix, call, path, probe.size)
                return

    with torch.no_grad(), tapped({name: probe.module.get_submodule(name) for name in names}, look):
        probe.module(probe.inputs)
    layers = []
    for attention, chain in zip(known.modules, around, strict=True):
        layer = next((found[name] for name in chain if name in found), None)
        if layer is None:
            return f"no module around the attention {attention!r} alone returns the tokens"
        layers.append(layer)
    return tuple(layers)


def _around(attention: str, all_attention: tuple[str, ...]) -> Iterator[str]:
    """The modules that hold this attention and no other, outermost first, without the whole network."""
    parts = attention.split(".")
    for i in range(1, len(parts) + 1):
        name = ".".join(parts[:i])
        if sum(other == name or other.startswith(f"{name}.") for other in all_attention) == 1:
            yield name


__all__ = ["Blocks", "blocks_of"]
