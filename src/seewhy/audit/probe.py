"""A new last layer on the frozen features of a network: where it goes, how it is fitted, the network with it.

Two places. "head": the linear layer (or 1x1 convolution of a single cell) whose output *is* the logits; found by
running the network once, it is replaced. "probe": where there is no such layer (an average of two heads, a cosine
with words), the mean over the grid of the feature layer, read by a linear layer beside the old tail. The network that
was given is copied, never changed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.optimize import minimize
from torch import Tensor, nn

from seewhy.attribution.engine import Engine
from seewhy.backbones.base import Backbone
from seewhy.backbones.layers import FeatureLayer
from seewhy.backbones.taps import tapped
from seewhy.errors import NotSupported, message

STEPS = 1000


@dataclass(frozen=True, eq=False)
class Linear:
    """A linear layer in double precision: logits = features @ weight.T + bias."""

    weight: Float[np.ndarray, "k c"]
    bias: Float[np.ndarray, " k"]

    def __call__(self, features: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n k"]:
        logits: np.ndarray = features @ self.weight.T + self.bias
        return logits


@dataclass(frozen=True, eq=False)
class Seat:
    """Where a new linear layer sits in a network.

    Attributes
    ----------
    backbone
        The network as it was given.
    head
        Name of the layer that is replaced, or None for a probe.
    layer
        The feature layer that a probe reads.
    """

    backbone: Backbone
    head: str | None
    layer: FeatureLayer | None

    def features(self, x: Float[Tensor, "b c H W"], engine: Engine | None = None) -> Float[np.ndarray, "b c"]:
        """What the linear layer reads, in double precision."""
        module, engine = self.backbone.module, engine or Engine.for_device(self.backbone.device)
        parts: list[np.ndarray] = []

        def work(start: int, stop: int) -> None:
            kept: list[Tensor] = []
            with self._reading(kept.append):
                module(x[start:stop].clone())
            parts.append(kept[0].double().cpu().numpy())

        with self.backbone.undisturbed(), torch.no_grad():
            engine.run(len(x), work)
        return np.concatenate(parts)

    def with_linear(self, linear: Linear, classes: tuple[str, ...], name: str) -> Backbone:
        """A copy of the network, in eval mode, with that linear layer in this seat and the same body."""
        given = self.backbone
        module = copy.deepcopy(given.module).eval()
        options: dict[str, Any] = {"output": given._output}
        if self.head is not None:
            parent, _, child = self.head.rpartition(".")
            old = module.get_submodule(self.head)
            setattr(module.get_submodule(parent), child, _filled(_like(old, len(linear.bias)), linear, old))
        else:
            assert self.layer is not None
            new = nn.Linear(linear.weight.shape[1], len(linear.bias), device="meta").to_empty(
                device=given.device
            )
            new = new.to(given.dtype)
            module = Probed(module, self.layer, _filled(new, linear, new)).eval()
            options = {}
        return Backbone(
            module,
            name=name,
            preprocess=given.preprocess,
            classes=classes,
            layer=self._layer_name(),
            untrained=given.untrained,
            prefix_hint=given._prefix_hint,
            **options,
        )

    def describe(self) -> str:
        """'head linear retrained on frozen features'."""
        if self.head is not None:
            return f"the last linear layer ({self.head}) was retrained on frozen features"
        assert self.layer is not None
        return f"a linear probe was trained on the mean of {self.layer.describe()}"

    def _layer_name(self) -> str | None:
        if self.head is None:
            assert self.layer is not None
            return f"body.{self.layer.name}"
        return self.backbone.given_layer

    def _reading(self, keep: Callable[[Tensor], None]) -> Any:
        """While open, `keep` gets what the linear layer reads at each run."""
        if self.head is not None:
            head = self.backbone.module.get_submodule(self.head)
            return tapped({self.head: head}, lambda _, __, inputs, ___: keep(inputs[0].flatten(1)))
        assert self.layer is not None
        return _tapped_mean(self.backbone.module, self.layer, keep)


class Probed(nn.Module):
    """A network read at a layer: the mean over that layer's grid, through one linear layer."""

    def __init__(self, body: nn.Module, layer: FeatureLayer, linear: nn.Linear) -> None:
        super().__init__()
        self.body, self.linear, self._layer = body, linear, layer

    def forward(self, x: Float[Tensor, "b c H W"]) -> Float[Tensor, "b k"]:
        """Logits; what the body itself answers is not used."""
        kept: list[Tensor] = []
        with _tapped_mean(self.body, self._layer, kept.append):
            self.body(x)
        logits: Tensor = self.linear(kept[0])
        return logits


def seat(backbone: Backbone, *, probe: bool = False) -> Seat:
    """Where a new linear layer goes: the head if there is one and no probe is asked for.

    Raises
    ------
    LayerNotFound
        If there is no head and no layer that keeps a place either.
    """
    head = None if probe else find_head(backbone)
    return Seat(backbone, head, None if head is not None else backbone.layer().layer)


def find_head(backbone: Backbone) -> str | None:
    """Name of the layer whose output is the logits, or None.

    It runs once per pass, is an `nn.Linear` or a 1x1 convolution of one cell, and its output is, value for value,
    what the network returns; so a network that rescales or averages afterwards has none.
    """
    x = backbone.probe(backbone.input_size).inputs
    last: dict[str, list[tuple[Tensor, Tensor]]] = {}

    def keep(name: str, _: int, inputs: Any, output: Any) -> None:
        if inputs and isinstance(inputs[0], Tensor) and isinstance(output, Tensor):
            # Cloned, for what follows may work in place; but only what could be logits, not feature maps.
            one_cell = output.numel() == output.shape[0] * output.shape[1] if output.ndim > 1 else False
            last.setdefault(name, []).append((inputs[0].detach(), output.clone() if one_cell else output))

    candidates = {
        name: child
        for name, child in backbone.module.named_modules()
        if name and isinstance(child, nn.Linear | nn.Conv2d)
    }
    with backbone.undisturbed(), torch.no_grad(), tapped(candidates, keep):
        logits = backbone.logits(x)
    for name, calls in reversed(last.items()):
        given, output = calls[-1]
        if len(calls) > 1 or len(given) != len(x) or output.flatten(1).shape != logits.shape:
            continue
        one_cell = given.flatten(1).shape[1] == _inputs(candidates[name])
        if one_cell and torch.equal(output.flatten(1), logits):
            return name
    return None


def fit_linear(
    features: Float[np.ndarray, "n c"],
    labels: Int64[np.ndarray, " n"],
    n_classes: int,
    *,
    strength: float = 1.0,
) -> Linear:
    """Multinomial logistic regression on standardised features, fitted to convergence: no randomness.

    Minimises  sum_i -log softmax(z_i)[y_i] + strength/2 ||W||^2,  z = W (f - mean) / sd + b     (1)

    Parameters
    ----------
    features
        One row a picture. A feature that never changes counts nothing.
    labels
        0 to n_classes - 1; each class occurs.
    strength
        Of the L2 penalty (1 / C of scikit-learn); the bias is free.
    """
    mean, sd = features.mean(0), features.std(0)
    # What varies by rounding only is constant; divided by its spread it would be noise of size one.
    alive = sd > 1e-7 * np.maximum(1.0, np.abs(mean))
    z = np.where(alive, (features - mean) / np.where(alive, sd, 1.0), 0.0)
    (n, c), rows = z.shape, np.arange(len(z))

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weight, bias = flat[: n_classes * c].reshape(n_classes, c), flat[n_classes * c :]
        logits = z @ weight.T + bias
        logits -= logits.max(1, keepdims=True)
        scores = np.exp(logits)
        total = scores.sum(1, keepdims=True)
        value = float(np.log(total).sum() - logits[rows, labels].sum() + strength / 2 * (weight**2).sum())
        slope = scores / total
        slope[rows, labels] -= 1.0
        return value, np.concatenate([(slope.T @ z + strength * weight).ravel(), slope.sum(0)])

    options = {"maxiter": STEPS, "maxfun": 2 * STEPS, "gtol": 1e-5 * n, "ftol": 1e-10}
    start = np.zeros(n_classes * (c + 1))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x
    weight = np.where(alive, found[: n_classes * c].reshape(n_classes, c) / np.where(alive, sd, 1.0), 0.0)
    return Linear(weight, found[n_classes * c :] - weight @ mean)


def _tapped_mean(module: nn.Module, layer: FeatureLayer, keep: Callable[[Tensor], None]) -> Any:
    def on_output(_: str, call: int, __: Any, output: Any) -> None:
        if call == layer.call:
            keep(layer.read(output)[0].mean((2, 3)))

    return tapped({layer.name: module.get_submodule(layer.name)}, on_output)


def _inputs(layer: nn.Module) -> int:
    assert isinstance(layer, nn.Linear | nn.Conv2d)
    return layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels


def _like(old: nn.Module, n_outputs: int) -> nn.Module:
    """An empty layer of the same kind and inputs; made on "meta", for else it draws from torch's global state."""
    if isinstance(old, nn.Linear):
        new: nn.Module = nn.Linear(old.in_features, n_outputs, device="meta")
    elif isinstance(old, nn.Conv2d):
        new = nn.Conv2d(old.in_channels, n_outputs, 1, device="meta")
    else:
        raise NotSupported(
            message(
                f"The last layer is {type(old).__name__}.",
                "A head is an nn.Linear or a 1x1 nn.Conv2d.",
                "Pass retrain='probe'.",
            )
        )
    weight = next(old.parameters())
    return new.to_empty(device=weight.device).to(weight.dtype)


def _filled(new: nn.Module, linear: Linear, old: nn.Module) -> Any:
    with torch.no_grad():
        new.get_parameter("weight").copy_(
            torch.from_numpy(linear.weight).reshape(new.get_parameter("weight").shape)
        )
        new.get_parameter("bias").copy_(torch.from_numpy(linear.bias))
    return new.requires_grad_(next(old.parameters()).requires_grad)
