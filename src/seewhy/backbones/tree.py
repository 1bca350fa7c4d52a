"""Module outputs as trees: the tensors in a tuple, list, dict or output object, and the tree with others in place."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

Path = tuple[Any, ...]


def leaves(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Tensor]]:
    """Every tensor in a tree with the keys that lead to it, in order."""
    if isinstance(tree, Tensor):
        yield path, tree
        return
    for key, value in _items(tree):
        yield from leaves(value, (*path, key))


def map_leaves(tree: Any, function: Callable[[Path, Tensor], Tensor], path: Path = ()) -> Any:
    """The same tree with each tensor replaced by `function(path, tensor)`; the original is left alone."""
    if isinstance(tree, Tensor):
        return function(path, tree)
    items = {key: map_leaves(value, function, (*path, key)) for key, value in _items(tree)}
    if not items:
        return tree
    if isinstance(tree, Mapping):
        # Output objects of Hugging Face are mappings that are built from keyword arguments.
        return type(tree)(**items) if dataclasses.is_dataclass(tree) else type(tree)(items)  # type: ignore[call-arg]
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*items.values())
    if isinstance(tree, (tuple, list)):
        return type(tree)(items.values())
    changed = copy.copy(tree)
    for key, value in items.items():
        object.__setattr__(changed, key, value)  # also where the dataclass is frozen
    return changed


def at(tree: Any, path: Path) -> Tensor:
    """The tensor at `path`."""
    for key in path:
        tree = tree[key] if isinstance(tree, (Mapping, tuple, list)) else getattr(tree, key)
    assert isinstance(tree, Tensor)
    return tree


def take(tree: Any, index: Tensor, n: int, fixed: frozenset[Path] = frozenset()) -> Any:
    """Select or repeat pictures: every tensor whose first axis holds `n` pictures (or a multiple) is indexed.

    Tensors at `fixed` do not belong to pictures, whatever their shape, and stay.
    """

    def pick(path: Path, tensor: Tensor) -> Tensor:
        if path in fixed or tensor.ndim == 0 or n == 0 or tensor.shape[0] % n or tensor.shape[0] == 0:
            return tensor
        per_picture = tensor.shape[0] // n
        grouped = tensor.reshape(n, per_picture, *tensor.shape[1:])
        return grouped[index.to(tensor.device)].flatten(0, 1)

    return map_leaves(tree, pick)


def detached(tree: Any) -> Any:
    """The same values outside any graph, and safe from later in-place operations."""
    return map_leaves(tree, lambda _, tensor: tensor.detach().clone())


def is_image_batch(tensor: Tensor, n: int) -> bool:
    """Whether a tensor holds real numbers for each of `n` pictures."""
    return torch.is_floating_point(tensor) and tensor.ndim > 0 and tensor.shape[0] % n == 0


def _items(tree: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(tree, Mapping):
        yield from tree.items()
    elif isinstance(tree, (tuple, list)):
        yield from enumerate(tree)
    elif dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        yield from ((field.name, getattr(tree, field.name)) for field in dataclasses.fields(tree))
