from __future__ import annotations

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from seewhy.errors import InputError
from seewhy.heads.choose import RIDGES, split
from seewhy.heads.dense import DenseLinear
from tests.heads.planted import planted

z, y, _ = planted(400, 20, 4)


@pytest.mark.oracle
def test_a_ridge_is_the_one_of_scikit_learn() -> None:
    lam = 0.02
    head = DenseLinear(lam=lam, tol=1e-10).fit(z.double(), y)
    peer = LogisticRegression(C=1 / (400 * lam), tol=1e-10, max_iter=5000).fit(z.double().numpy(), y.numpy())
    torch.testing.assert_close(head.weight, torch.from_numpy(peer.coef_), atol=1e-5, rtol=0)
    assert head.converged and head.certificate.kkt < 1e-4 and head.alpha == 0


def test_a_ridge_uses_every_concept_and_its_columns_sum_to_zero() -> None:
    head = DenseLinear(lam=0.01).fit(z, y)
    assert head.nec == 20
    # The square is least where no common shift of a column is left.
    torch.testing.assert_close(head.weight.sum(0), torch.zeros(20), atol=1e-3, rtol=0)


def test_the_strength_chosen_has_the_least_cross_entropy_on_what_was_held_out() -> None:
    head = DenseLinear(seed=2).fit(z, y)
    learn, out = split(y, 4, 0.2, 2)

    def loss(lam: float) -> float:
        one = DenseLinear(lam=lam).fit(z[learn], y[learn])
        return float(torch.nn.functional.cross_entropy(one.logits(z[out]), y[out]))

    at = RIDGES.index(head.lam)
    assert 0 < at < len(RIDGES) - 1
    assert head.record["cross_entropy"] == pytest.approx(loss(head.lam), rel=1e-2)
    assert loss(head.lam) <= min(loss(RIDGES[at - 1]), loss(RIDGES[at + 1])) + 1e-4


def test_validation_examples_choose() -> None:
    head = DenseLinear().fit(z[:300], y[:300], 4, validation=(z[300:], y[300:]))
    assert head.record["held_out"] == 100 and head.converged


def test_a_strength_of_zero_is_an_error() -> None:
    with pytest.raises(InputError, match=r"lam is 0(.|\n)*more than 0"):
        DenseLinear(lam=0.0)
