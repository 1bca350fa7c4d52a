from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from seewhy.errors import InputError
from seewhy.heads.dense import DenseLinear
from seewhy.heads.inputs import check_examples
from seewhy.heads.sparse import SparseLinear
from tests.heads.planted import planted

z, y, _ = planted(30, 5, 3)


def with_value(value: float) -> torch.Tensor:
    spoiled = z.clone()
    spoiled[4, 2] = value
    return spoiled


@pytest.mark.parametrize("maker", [SparseLinear(lam=0.01), DenseLinear(lam=0.01)], ids=["sparse", "dense"])
@pytest.mark.parametrize(
    ("features", "labels", "n_classes", "words"),
    [
        (z[:, 0], y, None, r"Features are \(30,\) and labels \(30,\)(.|\n)*\(examples, concepts\)"),
        (z, y[:-1], None, r"labels \(29,\)"),
        (z, y[:, None], None, r"labels \(30, 1\)"),
        (z[:, :0], y, None, r"Features are \(30, 0\)"),
        (z[:0], y[:0], None, r"Features are \(0, 5\)"),
        (with_value(float("nan")), y, None, r"1 NaN or infinite values, the first in concept 2"),
        (with_value(float("inf")), y, None, r"1 NaN or infinite values"),
        (z, y - 1, None, r"Labels go from -1 to 1(.|\n)*0 to 1"),
        (z, y, 2, r"Labels go from 0 to 2(.|\n)*With 2 classes they go from 0 to 1"),
        (z, y, 5, r"Of 5 classes 2 have no example among 30: 3, 4\."),
        (z[:2], y[:2], 5, r"Of 5 classes 3 have no example among 2: 2, 3, 4\."),
        (z, y * 0, None, r"There is one class"),
        (z, y + 0.5, None, r"Labels are float32 such as"),
        (z, y > 0, None, r"Labels are bool"),
        (torch.ones(30, 5), y, None, r"Each of the 5 concepts has one value for all 30 examples"),
    ],
)
def test_what_cannot_be_fitted_is_said(
    maker: Any, features: torch.Tensor, labels: torch.Tensor, n_classes: int | None, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        maker.fit(features, labels, n_classes)


def test_arrays_lists_and_half_precision_are_taken() -> None:
    one = check_examples(z.numpy(), y.tolist())
    assert torch.equal(one.z, z) and torch.equal(one.y, y) and one.n_classes == 3
    assert check_examples(z.half(), y).z.dtype == torch.float32
    assert check_examples(z.double(), y.to(torch.uint8)).z.dtype == torch.float64
    assert check_examples(z, y.double()).y.dtype == torch.int64


def test_parts_of_a_larger_tensor_are_taken_as_they_read() -> None:
    wide = torch.stack([z, -z], 2)
    strided = wide[:, :, 0]
    assert not strided.is_contiguous()
    lam = 0.02
    one, other = (SparseLinear(lam=lam).fit(features, y) for features in (strided, z))
    assert torch.equal(one.weight, other.weight)
    reverse = SparseLinear(lam=lam).fit(np.ascontiguousarray(z.numpy()[::-1])[::-1].copy(), y)
    assert torch.equal(reverse.weight, other.weight)


def test_constant_concepts_are_dropped_and_recorded() -> None:
    spoiled = torch.cat([torch.full((30, 1), 3.0), z, torch.zeros(30, 1)], 1)
    head, clean = (SparseLinear(lam=0.02).fit(features, y) for features in (spoiled, z))
    assert head.constant == (0, 6) and clean.constant == ()
    assert not head.weight[:, [0, 6]].any()
    assert torch.equal(head.weight[:, 1:6], clean.weight)


def test_examples_that_only_score_may_lack_a_class() -> None:
    assert check_examples(z[:1], y[:1], 3, training=False).n_classes == 3
