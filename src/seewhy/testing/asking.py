"""Asking methods and networks the simple things that checks ask."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.attribution.base import Method
from seewhy.backbones.base import Backbone
from seewhy.explanation.attribution_map import AttributionMap


def answers_of(
    method: Method, model: Backbone | nn.Module, x: Tensor, target: Any = 1, **options: Any
) -> list[AttributionMap]:
    """A method's answers as a list, for one picture or several."""
    answers = method(model, x, target, preprocess=False, **options)
    return [answers] if isinstance(answers, AttributionMap) else list(answers)


def maps_of(
    method: Method, model: Backbone | nn.Module, x: Tensor, target: Any = 1, **options: Any
) -> Float[np.ndarray, "b h w"]:
    """The maps (b, h, w) of several pictures, in double precision."""
    return np.stack([answer.map for answer in answers_of(method, model, x, target, **options)]).astype(
        np.float64
    )


def leaves_in_order(module: nn.Module, x: Tensor) -> list[nn.Module]:
    """The modules without children in the order in which a forward pass first calls them."""
    called: list[nn.Module] = []

    def note(leaf: nn.Module, *_: Any) -> None:
        if leaf not in called:
            called.append(leaf)

    leaves = [child for child in module.modules() if not list(child.children())]
    handles = [leaf.register_forward_pre_hook(note) for leaf in leaves]
    try:
        with Backbone(module).undisturbed(), torch.no_grad():
            module(x)
    finally:
        for handle in handles:
            handle.remove()
    return called
