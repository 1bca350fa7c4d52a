from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers.modeling_outputs import ImageClassifierOutput

from seewhy.backbones.outputs import as_logits, check_finite
from seewhy.errors import InputError, NotSupported

LOGITS = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
OTHER = torch.zeros(2, 7)


@dataclass
class Answer:
    features: Tensor
    logits: Tensor


@pytest.mark.parametrize(
    "output",
    [
        LOGITS,
        (LOGITS, OTHER),
        [LOGITS],
        (None, LOGITS),
        {"features": OTHER, "logits": LOGITS},
        {"out": LOGITS, "aux": OTHER},
        {"only": LOGITS, "note": "text"},
        Answer(OTHER, LOGITS),
        namedtuple("Inception", "aux logits")(OTHER, LOGITS),
        ImageClassifierOutput(logits=LOGITS, hidden_states=(OTHER,)),
        LOGITS[:, :, None, None],
    ],
    ids=lambda output: type(output).__name__,
)
def test_logits_are_found_in_whatever_a_model_returns(output: Any) -> None:
    assert torch.equal(as_logits(output), LOGITS)


def test_one_number_per_picture_is_one_class() -> None:
    for shape in [(2,), (2, 1), (2, 1, 1, 1)]:
        assert as_logits(torch.tensor([0.5, -0.5]).reshape(shape)).tolist() == [[0.5], [-0.5]]


def test_an_adapter_picks_them_where_that_is_not_plain() -> None:
    dense = torch.arange(24.0).reshape(2, 3, 2, 2)
    picked = as_logits({"masks": dense}, lambda y: y["masks"].mean((2, 3)))
    assert torch.equal(picked, dense.mean((2, 3)))


def test_dense_outputs_are_refused_with_the_adapter_to_write() -> None:
    with pytest.raises(NotSupported) as error:
        as_logits(torch.zeros(2, 3, 4, 4))
    assert "shape (2, 3, 4, 4)" in str(error.value)
    assert "needs (pictures, classes) logits" in str(error.value)
    assert "output=lambda y: y.mean((2, 3))" in str(error.value)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ({"boxes": LOGITS, "scores": OTHER}, "a dict with the keys boxes, scores"),
        (("a", 3), "a tuple of str, int"),
        ((), "a tuple of nothing"),
        (None, "a NoneType"),
        (torch.zeros(2, 3, dtype=torch.int64), "dtype torch.int64"),
    ],
)
def test_an_output_without_logits_is_named_in_the_refusal(output: Any, words: str) -> None:
    with pytest.raises(NotSupported) as error:
        as_logits(output)
    assert words in str(error.value)
    assert "logits" in str(error.value)


def test_an_adapter_that_picks_no_tensor_is_blamed_itself() -> None:
    with pytest.raises(NotSupported, match=r"output= returned a list of str"):
        as_logits(LOGITS, lambda y: ["no tensor"])  # type: ignore[arg-type,return-value]


def test_logits_that_are_not_finite_are_refused_with_their_number() -> None:
    check_finite(LOGITS)
    with pytest.raises(InputError, match="NaN or infinity in 2 of 6 logits"):
        check_finite(LOGITS / torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]))
