"""Where maps are read: the spatial outputs of a network, found by running it, and the choice among them.

Nothing here knows a network by name. One forward pass of two random pictures records what every module
returns; outputs whose shape follows the picture's are candidates. One backward pass tells whether the logits
depend on them; a patch moved in the picture, whether their cells lie where the picture's parts lie;
exchanging an output between the two pictures, whether everything the logits depend on passes through it.
The choice is the last candidate that is alive, in order, and through which everything passes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from seewhy.backbones.layout import FeatureLayer, Layout, spatial_layout
from seewhy.backbones.probe import DISORDER, SEALED, Exchange, Probe, displacements
from seewhy.backbones.record import Recorder
from seewhy.backbones.taps import tapped
from seewhy.errors import LayerNotFound, NotSupported, did_you_mean, message, nearest


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
    also
        Every module that returns the same tensor: a block, and the stage that ends with it.
    """

    layer: FeatureLayer
    alive: bool
    sealed: bool | None = None
    displaced: float = 0.0
    also: tuple[str, ...] = ()

    @property
    def in_order(self) -> bool:
        """Whether its cells lie where the picture's parts lie."""
        return self.displaced <= DISORDER

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
    recorder = Recorder(probe)
    with torch.enable_grad(), tapped(_named(probe.module), recorder):
        logits = probe.run(probe.inputs.detach().clone().requires_grad_())
    gradients = _gradients(logits, [entry.tensor for entry in recorder.entries])
    alive = [
        [gradient is not None and _depends(layer, gradient) for layer in entry.readings]
        for entry, gradient in zip(recorder.entries, gradients, strict=True)
    ]
    kept = recorder.outermost([any(each) for each in alive])
    found = [
        [
            Candidate(layer, lives, also=recorder.names(recorder.entries[i]))
            for layer, lives in zip(recorder.entries[i].readings, alive[i], strict=True)
        ]
        for i in kept
    ]
    # The graph of the backward pass holds every intermediate value; let it go before running more pictures.
    del recorder, gradients, logits
    displaced = iter(displacements(probe, [each.layer for readings in found for each in readings]))
    return [_likeliest([replace(each, displaced=next(displaced)) for each in readings]) for readings in found]


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
            f"{len(candidates)} spatial outputs, none of which follows the picture and"
            if candidates
            else "no spatial output that"
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
        by_name = {layer.name: layer for layer in usable}
        near = ", ".join(by_name[each].describe() for each in nearest(name, by_name))
        close = f"Did you mean {near}?" if near else did_you_mean(name, modules)
        raise LayerNotFound(
            message(
                f"No module {name!r} in {owner}. {close}",
                "",
                "seewhy.layers(model) lists every usable layer.",
            )
        )
    same = [c for c in candidates if c.layer.name == name] or [c for c in candidates if name in c.also]
    if not same:
        last = ", ".join(layer.describe() for layer in usable[-3:])
        raise LayerNotFound(
            message(
                f"Module {name!r} of {owner} returns nothing that keeps a place per feature.",
                "A feature layer returns (B, C, h, w), (B, h, w, C) or (B, tokens, C).",
                f"The last that do: {last}." if last else "No module of this network does.",
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


def _clearest(candidates: list[Candidate]) -> Candidate:
    """Of several tensors that a module returns, the last that follows the picture about as well as any."""
    least = min(candidate.displaced for candidate in candidates)
    return next(c for c in reversed(candidates) if c.displaced <= least + 0.02)


def _likeliest(readings: list[Candidate]) -> Candidate:
    """The first reading, unless a patch moved in the picture speaks against it or clearly for another."""
    best = min(readings, key=lambda reading: reading.displaced)
    clearly = readings[0].displaced > best.displaced + DISORDER
    return best if clearly or not readings[0].in_order else readings[0]


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
