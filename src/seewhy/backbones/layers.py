"""Where maps are read: the spatial outputs of a network, found by running it, and the choice among them.

Nothing here knows a network by name. One forward pass of two random pictures records what every module
returns; outputs whose shape follows the picture's are candidates. One backward pass tells whether the logits
depend on them; a patch moved in the picture, whether their cells lie where the picture's parts lie;
exchanging an output between the two pictures, whether everything the logits depend on passes through it.
The choice is the last candidate that is alive, in order, and through which everything passes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from seewhy.backbones import tree
from seewhy.backbones.layout import FeatureLayer, Layout, spatial_layout, spatial_layouts
from seewhy.backbones.probe import ALLOWED, SEALED, Exchange, Probe, displacements
from seewhy.backbones.taps import tapped
from seewhy.errors import LayerNotFound, NotSupported, did_you_mean, message

_POOLING = (nn.AdaptiveAvgPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d)


@dataclass(frozen=True)
class Candidate:
    """A layer with what was found out about it.

    Parameters
    ----------
    layer
        Which output, and how its cells and features are laid out.
    alive
        Whether the gradient from the logits to its cells is not zero.
    sealed
        Whether everything that tells pictures apart passes through it; None if that was not asked.
    displaced
        Share of its response to parts of the picture that lies at other cells (`probe.displacements`).
    """

    layer: FeatureLayer
    alive: bool
    sealed: bool | None = None
    displaced: float = 0.0

    @property
    def in_order(self) -> bool:
        """Whether its cells lie where the picture's parts lie."""
        return self.displaced <= ALLOWED[self.layer.layout]

    @property
    def usable(self) -> bool:
        """Whether maps can be read here."""
        return self.alive and self.in_order

    @property
    def reason(self) -> str:
        """Why it is or is not a place to read maps from, in words."""
        if not self.in_order:
            return "its cells do not follow the picture (a patch moved there does not move the response)"
        if not self.alive:
            return "the logits do not depend on its cells (their gradient is zero)"
        if self.sealed is False:
            return "part of the picture reaches the logits around it"
        return "everything passes through it" if self.sealed else ""


def find_layers(probe: Probe) -> list[Candidate]:
    """Every spatial output in the order in which the network computes them, with all but `sealed` settled.

    Costs one forward and one backward pass of two pictures and one forward pass of six. Of several modules
    that return the same tensor (a block and the stage that ends with it) the outermost stands for all that
    are alive.
    """
    recorded: list[_Recorded] = []
    same_as: dict[int, int] = {}

    def record(name: str, call: int, inputs: Any, output: Any) -> Any:
        passed_through = {id(leaf) for _, leaf in tree.leaves(inputs)}

        def watch(path: tree.Path, leaf: Tensor) -> Tensor:
            if not leaf.requires_grad or id(leaf) in passed_through:
                return leaf
            readings = _readings(
                leaf, probe, FeatureLayer(name, "bchw", (0, 0), 0, 0, call, path, probe.size)
            )
            if not readings:
                return leaf
            # A copy, so that its gradient is what flows through this output, and not through other outputs
            # that the module made of the same tensor.
            copied = leaf.clone()
            same_as[id(copied)] = root = same_as.get(id(leaf), id(leaf))
            recorded.append(_Recorded(readings, copied, leaf, root))
            return copied

        return tree.map_leaves(output, watch)

    with torch.enable_grad(), tapped(_named(probe.module), record):
        logits = probe.run(probe.inputs.detach().clone().requires_grad_())
    gradients = _gradients(logits, [each.tensor for each in recorded])
    alive = [
        [gradient is not None and _depends(layer, gradient) for layer in each.readings]
        for each, gradient in zip(recorded, gradients, strict=True)
    ]
    found = [(recorded[i].readings, alive[i]) for i in _outermost(recorded, alive, probe.module)]
    # The graph of the backward pass holds every intermediate value; let it go before running more pictures.
    del recorded, gradients, logits
    displaced = iter(displacements(probe, [layer for readings, _ in found for layer in readings]))
    return [
        _likeliest([Candidate(*each, None, next(displaced)) for each in zip(readings, lives, strict=True)])
        for readings, lives in found
    ]


def choose_layer(probe: Probe, candidates: list[Candidate], *, tries: int = 48) -> Candidate:
    """The last usable layer through which everything passes; where there is none, the one that misses least.

    Costs one forward pass of two pictures, and one more per candidate looked at, from the end.

    Raises
    ------
    LayerNotFound
        If no output keeps a place, or the logits depend on none that does.
    """
    usable = [candidate for candidate in candidates if candidate.usable]
    if not usable:
        found = (
            f"{len(candidates)} spatial outputs, none of which" if candidates else "no spatial output that"
        )
        raise LayerNotFound(
            message(
                f"{type(probe.module).__name__} has {found} influences the logits.",
                "A map needs a module output with a place per feature and a non-zero gradient.",
                "Check that the head is not initialised to zero; perturbation methods (rise, occlusion) "
                "need no layer.",
            )
        )
    exchange = Exchange(probe)
    leaks: dict[tuple[str, int], float] = {}
    for candidate in reversed(usable):
        place = candidate.layer.name, candidate.layer.call
        if place not in leaks:
            leaks[place] = exchange.leak(candidate.layer)
        if leaks[place] <= SEALED or len(leaks) == tries:
            break
    least = min(leaks.values())
    place = next(place for place, leak in leaks.items() if leak == least)
    same = [c for c in usable if (c.layer.name, c.layer.call) == place]
    return replace(_clearest(same), sealed=least <= SEALED)


def named_layer(probe: Probe, candidates: list[Candidate], name: str) -> Candidate:
    """The candidate called `name`, or the error that says why there is none.

    Raises
    ------
    LayerNotFound
        If the model has no such module, or it returns nothing spatial.
    NotSupported
        If the gradient from the logits to its cells is zero, or the cells do not follow the picture.
    """
    modules = dict(probe.module.named_modules())
    owner = type(probe.module).__name__
    usable = [c.layer for c in candidates if c.usable]
    if name not in modules:
        close = did_you_mean(name, [layer.name for layer in usable]) or did_you_mean(name, modules)
        raise LayerNotFound(
            message(
                f"No module {name!r} in {owner}. {close}",
                "",
                "seewhy.layers(model) lists every usable layer.",
            )
        )
    same = [c for c in candidates if c.layer.name == name] or [
        c for c in candidates if name in _aliases(probe, c.layer, modules)
    ]
    if not same:
        raise LayerNotFound(
            message(
                f"Module {name!r} of {owner} returns nothing that keeps a place per feature.",
                "A feature layer returns (B, C, h, w), (B, h, w, C) or (B, tokens, C).",
                f"The last that do: {', '.join(layer.describe() for layer in usable[-3:])}.",
            )
        )
    candidate = _clearest([c for c in same if c.usable] or same)
    advice = f"Use layer={usable[-1].name!r}." if usable else ""
    if not candidate.in_order:
        raise NotSupported(
            message(
                f"The cells of {name!r} do not follow the picture: a patch moved in the picture does not move "
                "the response (tokens in another order, or an attention matrix).",
                "A map needs cells that lie where the picture's parts lie.",
                advice,
            )
        )
    if not candidate.alive:
        raise NotSupported(
            message(
                f"The logits do not depend on the cells of {name!r}: their gradient is zero "
                "(the class token is read out after this block, or a weight is zero).",
                "A layer to read maps from has a gradient.",
                advice,
            )
        )
    return replace(candidate, sealed=is_sealed(probe, candidate.layer))


def is_sealed(probe: Probe, layer: FeatureLayer) -> bool:
    """Whether everything that tells two pictures apart passes through the layer's output; see `Exchange`."""
    return Exchange(probe).leak(layer) <= SEALED


def _readings(leaf: Tensor, probe: Probe, at: FeatureLayer) -> list[FeatureLayer]:
    return [
        replace(at, layout=layout, grid=grid, channels=channels, prefix=prefix)
        for layout, grid, channels, prefix in spatial_layouts(
            tuple(leaf.shape), probe.n, probe.size, probe.prefix_hint
        )
    ]


def _clearest(candidates: list[Candidate]) -> Candidate:
    """Of several tensors that a module returns, the last that follows the picture about as well as any."""
    least = min(candidate.displaced for candidate in candidates)
    return next(c for c in reversed(candidates) if c.displaced <= least + 0.02)


def _likeliest(readings: list[Candidate]) -> Candidate:
    """The first reading, unless a patch moved in the picture speaks against it or clearly for another."""
    best = min(readings, key=lambda reading: reading.displaced)
    clearly = readings[0].displaced > best.displaced + ALLOWED[best.layer.layout]
    return best if clearly or not readings[0].in_order else readings[0]


@dataclass(frozen=True)
class _Recorded:
    """A spatial tensor that a module returned, and the ways to read it, the likeliest first.

    `tensor` is the copy that went on in its place, `original` is kept so that its id stays its own, and
    `root` tells apart tensors from copies of them.
    """

    readings: list[FeatureLayer]
    tensor: Tensor
    original: Tensor
    root: int


def _outermost(recorded: list[_Recorded], alive: list[list[bool]], module: nn.Module) -> list[int]:
    """One entry per tensor, named by the last module that returned it; pooling and projections left out.

    A bare linear layer on tokens is a query, key, value or half of an MLP, never a stage of the network.
    """
    by_root: dict[int, int] = {}
    for i, each in enumerate(recorded):
        if isinstance(module.get_submodule(each.readings[0].name), (*_POOLING, nn.Linear)):
            continue
        before = by_root.get(each.root)
        if before is not None and any(alive[before]) and not any(alive[i]):
            continue
        by_root.pop(each.root, None)
        by_root[each.root] = i
    return list(by_root.values())


def _aliases(probe: Probe, layer: FeatureLayer, modules: dict[str, nn.Module]) -> Iterable[str]:
    """Names of inner modules that end the named one, such as 'layer4.1' for 'layer4'."""
    name = layer.name
    while True:
        children = list(modules[name].named_children()) if name in modules else []
        if not children or not isinstance(modules[name], nn.Sequential):
            return
        name = f"{name}.{children[-1][0]}"
        yield name


def _gradients(logits: Tensor, outputs: list[Tensor]) -> list[Tensor | None]:
    if not outputs:
        return []
    if not logits.requires_grad:
        return [None] * len(outputs)
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(logits.shape, generator=generator).to(logits.device, logits.dtype)
    with torch.enable_grad():
        score = (logits * weights).sum()
    return list(torch.autograd.grad(score, outputs, allow_unused=True))


def _depends(layer: FeatureLayer, gradient: Tensor) -> bool:
    cells = gradient
    if layer.layout == "tokens":
        cells = gradient[:, layer.prefix :]
    return bool((cells != 0).any())


def _named(module: nn.Module) -> dict[str, nn.Module]:
    return {name: child for name, child in module.named_modules() if name}


__all__ = [
    "Candidate",
    "FeatureLayer",
    "Layout",
    "Probe",
    "choose_layer",
    "find_layers",
    "is_sealed",
    "named_layer",
    "spatial_layout",
]
