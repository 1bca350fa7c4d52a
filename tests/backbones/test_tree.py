from __future__ import annotations

from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from transformers.modeling_outputs import ImageClassifierOutput

from seewhy.backbones import tree


class Pair(NamedTuple):
    first: Tensor
    second: Any


@dataclass(frozen=True)
class Plain:
    value: Tensor
    label: str = "kept"


def numbered(start: int) -> Tensor:
    return torch.arange(start, start + 4.0).reshape(2, 2)


TREES = {
    "tensor": numbered(0),
    "tuple": (numbered(0), None, 3),
    "list": [numbered(0), [numbered(4)]],
    "namedtuple": Pair(numbered(0), (numbered(4), "text")),
    "dict": {"a": numbered(0), "b": {"c": numbered(4), 5: numbered(8)}},
    "ordered dict": OrderedDict(a=numbered(0), b=numbered(4)),
    "dataclass": Plain(numbered(0)),
    "output object": ImageClassifierOutput(logits=numbered(0), hidden_states=(numbered(4), numbered(8))),
    "empty": (),
    "text": "no tensors",
}


@pytest.mark.parametrize("kind", TREES)
def test_map_leaves_rebuilds_the_same_kind_of_tree_and_leaves_the_original(kind: str) -> None:
    original = TREES[kind]
    before = [leaf.clone() for _, leaf in tree.leaves(original)]
    doubled = tree.map_leaves(original, lambda _, leaf: 2 * leaf)
    assert type(doubled) is type(original)
    assert [path for path, _ in tree.leaves(doubled)] == [path for path, _ in tree.leaves(original)]
    for (path, leaf), was in zip(tree.leaves(doubled), before, strict=True):
        assert torch.equal(leaf, 2 * was)
        assert torch.equal(tree.at(original, path), was)


def test_what_is_no_tensor_stays() -> None:
    assert tree.map_leaves(TREES["tuple"], lambda _, leaf: leaf + 1)[1:] == (None, 3)
    assert tree.map_leaves(TREES["dataclass"], lambda _, leaf: leaf + 1).label == "kept"


def test_a_mapping_without_known_keywords_is_rebuilt_by_its_own_class() -> None:
    counts: defaultdict[int, Tensor] = defaultdict(lambda: torch.zeros(1))
    counts[7] = torch.ones(2)
    rebuilt = tree.map_leaves(OrderedDict([(7, counts[7])]), lambda _, leaf: leaf * 3)
    assert list(rebuilt) == [7] and torch.equal(rebuilt[7], torch.full((2,), 3.0))


def test_take_selects_and_repeats_pictures() -> None:
    values = {"x": torch.tensor([[0.0], [1.0], [2.0]])}
    assert tree.take(values, torch.tensor([2, 0, 0, 1]), 3)["x"].flatten().tolist() == [2, 0, 0, 1]


def test_take_keeps_the_windows_of_a_picture_together() -> None:
    # Two pictures of three windows each, as Swin stores them: rows 0-2 are the first picture's.
    windows = torch.arange(6.0)
    assert tree.take(windows, torch.tensor([1, 0, 1]), 2).tolist() == [3, 4, 5, 0, 1, 2, 3, 4, 5]


def test_take_leaves_scalars_other_sizes_and_fixed_tensors_alone() -> None:
    values = (torch.tensor(5.0), torch.arange(3.0), torch.arange(4.0))
    taken = tree.take(values, torch.tensor([1, 1, 1, 0]), 2, frozenset({(2,)}))
    assert [leaf.tolist() for leaf in taken] == [5.0, [0, 1, 2], [0, 1, 2, 3]]


def test_detached_values_survive_later_in_place_operations() -> None:
    source = torch.ones(2, requires_grad=True) * 1
    kept = tree.detached({"x": source})
    source.mul_(9)
    assert kept["x"].tolist() == [1, 1] and not kept["x"].requires_grad


def test_only_floating_tensors_with_a_row_per_picture_are_image_batches() -> None:
    assert tree.is_image_batch(torch.zeros(4, 3), 2)
    assert not tree.is_image_batch(torch.zeros(3, 4), 2)
    assert not tree.is_image_batch(torch.zeros(4, dtype=torch.int64), 2)
    assert not tree.is_image_batch(torch.tensor(1.0), 1)
