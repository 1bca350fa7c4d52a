"""A point of a network from which the rest can be replayed on changed features.

Two realisations. "graph": the network's graph is cut, and only the tail runs. "replacement": the whole network
runs and the layer's output is replaced on the way; exact for any network, but nothing is saved. Either is
accepted only if replaying unchanged features reproduces the logits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.backbones import tree
from seewhy.backbones.graph import CannotCut, GraphCut, cut_graph
from seewhy.backbones.layers import FeatureLayer, Probe
from seewhy.backbones.taps import tapped
from seewhy.errors import NotSupported, message

REPLAY_TOLERANCE = 1e-5
MIXING = 0.05
"""A network whose own logits change by more when pictures are run in another number mixes them up."""


@dataclass(frozen=True)
class Way:
    """A tensor that reaches the tail without passing through the features; `key` tells `Rest.put` which."""

    name: str
    key: tuple[Any, ...]
    value: Tensor


@dataclass(frozen=True)
class Rest:
    """What the tail needs besides the features, for `n` pictures.

    `output` is the layer's whole output (its feature tensor is ignored), `prefix` its class and register
    tokens, `live` the other values that cross a graph cut, `images` the network's input for a replacement.
    `fixed` are the paths in `output` and `live` of tensors that do not belong to pictures, such as tables of
    relative positions.
    """

    n: int
    output: Any
    prefix: Float[Tensor, "b p c"] | None = None
    live: tuple[Any, ...] = ()
    images: Float[Tensor, "b c H W"] | None = None
    fixed: frozenset[tree.Path] = frozenset()

    def take(self, index: Tensor) -> Rest:
        """Select or repeat pictures."""
        picked = tree.take(
            {"output": self.output, "prefix": self.prefix, "live": self.live, "images": self.images},
            index,
            self.n,
            self.fixed,
        )
        return replace(self, n=len(index), **picked)

    def put(self, way: Way, value: Tensor) -> Rest:
        """The rest with another value on one way around the features."""
        match way.key:
            case ("prefix",):
                return replace(self, prefix=value)
            case ("images",):
                return replace(self, images=value)
            case ("live", *path):
                return replace(self, live=_with(self.live, tuple(path), value))
            case ("output", *path):
                return replace(self, output=_with(self.output, tuple(path), value))
        raise AssertionError(f"unknown way {way.key}")


@dataclass(frozen=True)
class Cut:
    """Features of some pictures, channel first, and the rest of what the tail needs."""

    features: Float[Tensor, "b c h w"]
    rest: Rest

    def take(self, index: Tensor) -> Cut:
        """Select or repeat pictures."""
        return Cut(self.features[index.to(self.features.device)], self.rest.take(index))


class Split:
    """Run a network up to a layer (`cut`) and from there on (`tail`).

    Parameters
    ----------
    module, layer, logits
        The network, where to cut it, and how to read its output.
    sealed
        Whether everything passes through the layer's output. If not, a replacement leaves a way around it.
    """

    def __init__(
        self, module: nn.Module, layer: FeatureLayer, logits: Callable[[Any], Tensor], *, sealed: bool
    ) -> None:
        self.module, self.layer, self._logits = module, layer, logits
        self.sealed = sealed
        self.realisation = "replacement"
        self.why_replacement = ""
        self._graph: GraphCut | None = None
        self._fixed: frozenset[tree.Path] = frozenset()
        self._unchanging: frozenset[tree.Path] = frozenset()
        self._submodule = module.get_submodule(layer.name)

    @classmethod
    def at(cls, probe: Probe, layer: FeatureLayer, *, sealed: bool) -> Split:
        """The cheapest realisation that replays exactly; see the module's docstring.

        Raises
        ------
        NotSupported
            If neither reproduces the logits.
        """
        split = cls(probe.module, layer, probe.logits, sealed=sealed)
        try:
            split._graph = cut_graph(probe.module, layer.name)
            split.realisation = "graph"
            split._learn(probe.inputs)
            error = split._excess(probe.inputs)
            if error <= REPLAY_TOLERANCE:
                return split
            split.why_replacement = f"the cut graph misses the logits by {error:.2g}"
        except CannotCut as reason:
            split.why_replacement = str(reason)
        except torch.OutOfMemoryError:
            raise
        except Exception as reason:  # code with the number of pictures baked in can raise anything on another
            split.why_replacement = f"the cut graph does not run ({type(reason).__name__})"
        split._graph, split.realisation = None, "replacement"
        split._learn(probe.inputs)
        error = split._excess(probe.inputs)
        if error > REPLAY_TOLERANCE:
            raise NotSupported(
                message(
                    f"Replaying {type(probe.module).__name__} from {layer.name!r} changes its logits by "
                    f"{error:.2g} (relative).",
                    f"A split reproduces them to {REPLAY_TOLERANCE:g}.",
                    "The network is not deterministic, keeps state between calls or mixes pictures; choose another "
                    "layer=.",
                )
            )
        return split

    @property
    def live(self) -> tuple[str, ...]:
        """Values besides the layer's output that a graph cut carries to the tail."""
        return self._graph.live if self._graph is not None else ()

    def cut(self, images: Float[Tensor, "b c H W"]) -> Cut:
        """Features and rest of some pictures, outside any graph."""
        output, live = self._run_head(images)
        features, prefix = self.layer.read(output)
        seen = None if self._graph is not None else images
        return Cut(features, Rest(len(images), output, prefix, live, seen, self._fixed))

    def tail(self, features: Float[Tensor, "b c h w"], rest: Rest) -> Float[Tensor, "b k"]:
        """Logits from (changed) features; differentiable in them and in the rest."""
        # Cloned, because an in-place operation that follows may not touch the caller's features or a leaf.
        output = self.layer.write(rest.output, features.clone(), rest.prefix)
        if self._graph is not None:
            return self._logits(self._graph.tail.forward(output, *rest.live))
        assert rest.images is not None

        def put(_: str, call: int, __: Any, ___: Any) -> Any:
            return output if call == self.layer.call else None

        with tapped({self.layer.name: self._submodule}, put):
            return self._logits(self.module(rest.images.clone()))

    def replay_error(self, images: Float[Tensor, "b c H W"]) -> float:
        """Largest |difference| between replayed and plain logits, relative to max(1, |logits|).

        Replayed with the pictures as they are and in another number and order, so that a graph in which the
        number of pictures is baked in does not pass.
        """
        straight, reordered, _ = self._errors(images)
        return max(straight, reordered)

    def _excess(self, images: Tensor) -> float:
        """`replay_error`, but of the one in another number only what the plain network does not show too.

        On another number of pictures a device may add up in another order, in low precision with visible effect.
        """
        straight, reordered, noise = self._errors(images)
        rounding = reordered <= 4 * noise <= MIXING
        return straight if rounding else max(straight, reordered)

    def _errors(self, images: Tensor) -> tuple[float, float, float]:
        """Of replaying the pictures, of replaying them in another number and order, of the network so run."""
        index = torch.arange(len(images)).flip(0).repeat(2)[: len(images) + 1]
        with torch.no_grad():
            plain = self._logits(self.module(images.clone()))
            wanted = plain[index.to(plain.device)]
            cut = self.cut(images)
            again = cut.take(index)
            errors = (
                self.tail(cut.features, cut.rest) - plain,
                self.tail(again.features, again.rest) - wanted,
                self._logits(self.module(images[index.to(images.device)])) - wanted,
            )
        scale = max(1.0, float(plain.abs().max()))
        straight, reordered, noise = (float(error.abs().max()) / scale for error in errors)
        return straight, reordered, noise

    def ways_around(self, cut: Cut) -> list[Way]:
        """What carries the picture to the tail besides the features."""
        rest, name = cut.rest, self.layer.name
        ways = []
        if rest.prefix is not None:
            tokens = "class token" if self.layer.prefix == 1 else "class and register tokens"
            ways.append(Way(f"already in the {tokens}", ("prefix",), rest.prefix))
        for path, leaf in tree.leaves({"output": rest.output, "live": rest.live}):
            if path in self._unchanging or not tree.is_image_batch(leaf, rest.n):
                continue
            if path[0] == "output" and path[1:] != self.layer.path:
                ways.append(Way(f"in another output of {name}", path, leaf))
            if path[0] == "live":
                assert self._graph is not None
                ways.append(Way(f"skipped around {name} ({self._graph.live[path[1]]})", path, leaf))
        if rest.images is not None and not self.sealed:
            ways.append(Way(f"took a way around {name}", ("images",), rest.images))
        return ways

    def _learn(self, images: Tensor) -> None:
        """Find out which of the values that the tail gets belong to pictures, and which of those differ."""
        one, all_ = (
            dict(tree.leaves(dict(zip(("output", "live"), self._run_head(part), strict=True))))
            for part in (images[:1], images)
        )
        fixed = {path for path, leaf in all_.items() if path in one and one[path].shape == leaf.shape}
        unchanging = {
            path
            for path, leaf in all_.items()
            if path not in fixed and path[1:] != self.layer.path and torch.equal(leaf, leaf.flip(0))
        }
        self._fixed, self._unchanging = frozenset(fixed), frozenset(fixed | unchanging)

    def _run_head(self, images: Tensor) -> tuple[Any, tuple[Any, ...]]:
        """What the layer returned, and the other values that cross a graph cut."""
        with torch.no_grad():
            if self._graph is None:
                return self._record(images), ()
            output, live = self._graph.head.forward(images.clone())
            return tree.detached(output), tree.detached(live)

    def _record(self, images: Tensor) -> Any:
        outputs: list[Any] = []

        def keep(_: str, call: int, __: Any, output: Any) -> None:
            if call == self.layer.call:
                outputs.append(tree.detached(output))

        with tapped({self.layer.name: self._submodule}, keep):
            self.module(images.clone())
        if not outputs:
            raise NotSupported(
                message(
                    f"{self.layer.name!r} was not called for this input.",
                    "The layer must run for every picture.",
                    "Choose another layer=.",
                )
            )
        return outputs[0]


def _with(values: Any, path: tree.Path, value: Tensor) -> Any:
    return tree.map_leaves(values, lambda at, leaf: value if at == path else leaf)
