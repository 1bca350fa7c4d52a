"""Where maps are read: the spatial outputs of a network, found by running it, and the choice among them.

Nothing here knows a network by name. One forward pass of two random pictures records what every module
returns; outputs whose shape follows the picture's are candidates; one backward pass tells whether the logits
depend on them; exchanging an output between the two pictures tells whether everything the logits depend on
passes through it. The choice is the last candidate that is alive and through which everything passes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.backbones import tree
from seewhy.backbones.taps import tapped
from seewhy.errors import LayerNotFound, NotSupported, did_you_mean, message
from seewhy.types import Size

Layout = Literal["bchw", "bhwc", "tokens"]

MAX_PREFIX = 8
_POOLING = (nn.AdaptiveAvgPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d)


@dataclass(frozen=True)
class FeatureLayer:
    """A module output that keeps a place for every feature.

    Parameters
    ----------
    name, call
        The module, and which of its calls in one forward pass.
    path
        Keys to the tensor in what the module returns (empty if it is the tensor).
    layout
        "bchw", "bhwc", or "tokens" (B, prefix + rows * columns, C), row by row.
    grid, channels
        (rows, columns) and number of features.
    prefix
        Tokens before the patches: class and register tokens.
    model_size
        (height, width) of the model input for which the grid holds.
    """

    name: str
    layout: Layout
    grid: Size
    channels: int
    prefix: int = 0
    call: int = 0
    path: tree.Path = ()
    model_size: Size = (0, 0)

    @property
    def stride(self) -> tuple[float, float]:
        """Input pixels per cell, (vertical, horizontal)."""
        return self.model_size[0] / self.grid[0], self.model_size[1] / self.grid[1]

    def describe(self) -> str:
        """'layer4 (512x7x7)', with what precedes the patches."""
        tokens = f", {self.prefix} prefix tokens" if self.prefix else ""
        return f"{self.name} ({self.channels}x{self.grid[0]}x{self.grid[1]}{tokens})"

    def read(self, output: Any) -> tuple[Float[Tensor, "b c h w"], Tensor | None]:
        """Features in channel-first order, and the prefix tokens (b, p, c) if there are any."""
        tensor = tree.at(output, self.path)
        if self.layout == "bchw":
            return tensor, None
        if self.layout == "bhwc":
            return tensor.permute(0, 3, 1, 2), None
        prefix = tensor[:, : self.prefix] if self.prefix else None
        patches = tensor[:, self.prefix :].transpose(1, 2)
        return patches.reshape(*patches.shape[:2], *self.grid), prefix

    def write(self, output: Any, features: Float[Tensor, "b c h w"], prefix: Tensor | None) -> Any:
        """What the module returned, with these features (and prefix tokens) in place of its own."""
        if self.layout == "bchw":
            tensor = features
        elif self.layout == "bhwc":
            tensor = features.permute(0, 2, 3, 1)
        else:
            tensor = features.flatten(2).transpose(1, 2)
            if prefix is not None:
                tensor = torch.cat([prefix, tensor], 1)
        # The module after this one may expect the memory layout that it was given.
        tensor = tensor.contiguous()
        return tree.map_leaves(output, lambda path, leaf: tensor if path == self.path else leaf)


@dataclass(frozen=True)
class Candidate:
    """A layer with what was found out about it."""

    layer: FeatureLayer
    alive: bool
    sealed: bool | None = None

    @property
    def reason(self) -> str:
        """Why it is or is not a place to read maps from, in words."""
        if not self.alive:
            return "the logits do not depend on its cells (their gradient is zero)"
        if self.sealed is False:
            return "part of the picture reaches the logits around it"
        return "everything passes through it" if self.sealed else ""


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


def find_layers(probe: Probe) -> list[Candidate]:
    """Every spatial output in the order in which the network computes them, with `alive` settled.

    Costs one forward and one backward pass. Of several modules that return the same tensor (a block and the
    stage that ends with it) the outermost stands for all.
    """
    recorded: list[tuple[str, int, tree.Path, Tensor]] = []

    def record(name: str, call: int, inputs: Any, output: Any) -> None:
        passed_through = {id(leaf) for _, leaf in tree.leaves(inputs)}
        for path, leaf in tree.leaves(output):
            if id(leaf) not in passed_through:
                recorded.append((name, call, path, leaf))

    inputs = probe.inputs.detach().clone().requires_grad_()
    with torch.enable_grad(), tapped(_named(probe.module), record):
        logits = probe.logits(probe.module(inputs))
    spatial = [
        (replace(layer, name=name, call=call, path=path), leaf)
        for name, call, path, leaf in recorded
        if leaf.requires_grad and (layer := _spatial(leaf, probe)) is not None
    ]
    spatial = _outermost(spatial, probe.module)
    gradients = _gradients(logits, [leaf for _, leaf in spatial])
    return [
        Candidate(layer, alive=gradient is not None and _depends(layer, gradient))
        for (layer, _), gradient in zip(spatial, gradients, strict=True)
    ]


def choose_layer(probe: Probe, candidates: list[Candidate], *, tries: int = 24) -> Candidate:
    """The last layer that is alive and through which everything passes, else the last that is alive.

    Costs one forward pass of two pictures per candidate looked at, from the end.

    Raises
    ------
    LayerNotFound
        If no output keeps a place, or the logits depend on none that does.
    """
    alive = [candidate for candidate in candidates if candidate.alive]
    if not alive:
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
    for candidate in list(reversed(alive))[:tries]:
        if is_sealed(probe, candidate.layer):
            return replace(candidate, sealed=True)
    return replace(alive[-1], sealed=False)


def named_layer(probe: Probe, candidates: list[Candidate], name: str) -> Candidate:
    """The candidate called `name`, or the error that says why there is none.

    Raises
    ------
    LayerNotFound
        If the model has no such module, or it returns nothing spatial.
    NotSupported
        If the gradient from the logits to its cells is zero.
    """
    modules = dict(probe.module.named_modules())
    owner = type(probe.module).__name__
    usable = [c.layer for c in candidates if c.alive]
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
    candidate = same[-1]
    if not candidate.alive:
        earlier = [layer.name for layer in usable]
        raise NotSupported(
            message(
                f"The logits do not depend on the cells of {name!r}: their gradient is zero "
                "(the class token is read out after this block, or a weight is zero).",
                "A layer to read maps from has a gradient.",
                f"Use layer={earlier[-1]!r}." if earlier else "",
            )
        )
    return replace(candidate, sealed=is_sealed(probe, candidate.layer))


def is_sealed(probe: Probe, layer: FeatureLayer) -> bool:
    """Whether everything that tells two pictures apart passes through the layer's output.

    The first picture is run with the output of the second in place and the other way round; the logits must
    change places too. A skip connection around the layer shows as a difference.
    """
    leak, difference, noise = _leak(probe, layer)
    if difference <= 100 * noise:
        # Random weights can make the logits of all pictures nearly equal; double precision tells them apart.
        try:
            module = copy.deepcopy(probe.module).double()
            leak, difference, noise = _leak(
                replace(probe, module=module, inputs=probe.inputs.double()), layer
            )
        except (RuntimeError, TypeError):  # a module that cannot be copied or run in double precision
            return False
    return leak <= 1e-3 * difference + noise


def _leak(probe: Probe, layer: FeatureLayer) -> tuple[float, float, float]:
    """How much the exchanged logits miss, how much the logits differ, and their rounding error."""
    swap = torch.arange(probe.n - 1, -1, -1)

    def exchange(_: str, call: int, __: Any, output: Any) -> Any:
        return tree.take(output, swap, probe.n) if call == layer.call else None

    with torch.no_grad():
        straight = probe.logits(probe.module(probe.inputs))
        with tapped({layer.name: probe.module.get_submodule(layer.name)}, exchange):
            exchanged = probe.logits(probe.module(probe.inputs))
    wanted = straight[swap.to(straight.device)]
    noise = 8 * torch.finfo(straight.dtype).eps * float(straight.abs().max())
    return float((exchanged - wanted).abs().max()), float((straight - wanted).abs().max()), noise


def spatial_layout(
    shape: tuple[int, ...], n: int, size: Size, prefix_hint: int | None = None
) -> tuple[Layout, Size, int, int] | None:
    """(layout, grid, channels, prefix) of an output of this shape, or None if it keeps no place.

    A grid keeps a place if its rows and columns divide the input's height and width by about the same stride.
    """
    if not shape or shape[0] != n:
        return None
    if len(shape) == 4:
        _, a, b, c = shape
        first = _is_grid((b, c), size)
        last = _is_grid((a, b), size)
        if first and last:
            # Both readings fit only where channels equal a side of the grid; channel-first is torch's rule.
            last = False
        if first:
            return "bchw", (b, c), a, 0
        if last:
            return "bhwc", (a, b), c, 0
    if len(shape) == 3:
        found = _token_grid(shape[1], size, prefix_hint)
        if found is not None:
            grid, prefix = found
            return "tokens", grid, shape[2], prefix
    return None


def _is_grid(grid: Size, size: Size) -> bool:
    (h, w), (height, width) = grid, size
    if h * w <= 1 or h > height or w > width:
        return False
    vertical, horizontal = height / h, width / w
    if max(vertical, horizontal) < 1.5 and (h, w) != size:
        # Attention matrices are square and about as large as the input; no network strides by 1.1.
        return False
    # Padding rounds a side by up to one cell, and rounding the rows moves the expected columns with it.
    tolerance = 1.0 if height == width else 1.0 + width / height
    return abs(w - width * h / height) < tolerance


def _token_grid(n_tokens: int, size: Size, prefix_hint: int | None) -> tuple[Size, int] | None:
    """The grid and prefix of `n_tokens` tokens: equal strides first, then few prefix tokens."""
    height, width = size
    prefixes = (
        range(MAX_PREFIX + 1)
        if prefix_hint is None
        else sorted(range(MAX_PREFIX + 1), key=lambda p: (p != prefix_hint, p))
    )
    best: tuple[tuple[int, float, int], Size, int] | None = None
    for order, prefix in enumerate(prefixes):
        patches = n_tokens - prefix
        if patches < 2:
            continue
        for h in range(1, patches + 1):
            if patches % h:
                continue
            grid = (h, patches // h)
            if not _is_grid(grid, size):
                continue
            exact = height % h == 0 and width % grid[1] == 0 and height // h == width // grid[1]
            uneven = abs(height / h - width / grid[1])
            rank = (0 if exact else 1, 0.0 if exact else uneven, order)
            if prefix_hint is not None:
                rank = (order, uneven, 0)
            if best is None or rank < best[0]:
                best = (rank, grid, prefix)
    return None if best is None else best[1:]


def _spatial(leaf: Tensor, probe: Probe) -> FeatureLayer | None:
    found = spatial_layout(tuple(leaf.shape), probe.n, probe.size, probe.prefix_hint)
    if found is None:
        return None
    layout, grid, channels, prefix = found
    return FeatureLayer("", layout, grid, channels, prefix, model_size=probe.size)


def _outermost(
    spatial: list[tuple[FeatureLayer, Tensor]], module: nn.Module
) -> list[tuple[FeatureLayer, Tensor]]:
    """One entry per tensor, named by the last module that returned it; pooling and projections left out.

    A bare linear layer on tokens is a query, key, value or half of an MLP, never a stage of the network.
    """
    by_tensor: dict[int, tuple[FeatureLayer, Tensor]] = {}
    for layer, leaf in spatial:
        if isinstance(module.get_submodule(layer.name), (*_POOLING, nn.Linear)):
            continue
        by_tensor.pop(id(leaf), None)
        by_tensor[id(leaf)] = (layer, leaf)
    return list(by_tensor.values())


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
    return list(torch.autograd.grad((logits * weights).sum(), outputs, allow_unused=True))


def _depends(layer: FeatureLayer, gradient: Tensor) -> bool:
    cells = gradient
    if layer.layout == "tokens":
        cells = gradient[:, layer.prefix :]
    return bool((cells != 0).any())


def _named(module: nn.Module) -> dict[str, nn.Module]:
    return {name: child for name, child in module.named_modules() if name}
