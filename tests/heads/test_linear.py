from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from seewhy.errors import InputError
from seewhy.heads.linear import Head

weight = torch.tensor([[1.0, 0.0, -2.0], [0.0, 0.0, 0.5]])
head = Head(weight, torch.tensor([0.25, -1.0]))
z = torch.tensor([[1.0, 2.0, 3.0], [-1.0, 0.0, 2.0]])


def test_logits_are_the_sum_typed_slowly() -> None:
    expected = [[0.25 + 1 - 6, -1 + 1.5], [0.25 - 1 - 4, -1 + 1.0]]
    assert head.logits(z).tolist() == expected
    assert head.logits(z.double()).dtype == torch.float64


def test_contributions_and_the_bias_add_up_to_the_logit() -> None:
    for k in range(2):
        parts = head.contributions(z, k)
        torch.testing.assert_close(parts.sum(1) + head.bias[k], head.logits(z)[:, k])
    assert head.contributions(z, 0)[0].tolist() == [1.0, 0.0, -6.0]


def test_a_head_counts_what_it_uses() -> None:
    assert head.nec == 1.5 and head.n_classes == 2 and head.n_concepts == 3
    assert head.support.tolist() == [[True, False, True], [False, False, True]]


def test_without_a_certificate_nothing_has_converged() -> None:
    assert not head.converged
    assert replace(head, weight=weight * 2).certificate is None


def test_errors_say_what_does_not_fit() -> None:
    with pytest.raises(InputError, match=r"Weights are \(2, 3\) and the bias \(3,\)"):
        Head(weight, torch.zeros(3))
    with pytest.raises(InputError, match=r"Concepts are \(2, 2\)(.|\n)*\(examples, 3\)"):
        head.logits(z[:, :2])
    with pytest.raises(InputError, match=r"The class is 2(.|\n)*0 to 1"):
        head.contributions(z, 2)
