from __future__ import annotations

import itertools

import pytest
import torch

from seewhy.errors import InputError
from seewhy.heads.inputs import check_examples
from seewhy.heads.objective import Penalty, gradient
from seewhy.heads.path import CLOSE, RATIO, at_necs, screen, walk
from seewhy.heads.solver import solve
from tests.heads.planted import planted, strength

z, y, _ = planted()
data = check_examples(z, y)


@pytest.mark.parametrize("group", [False, True])
def test_each_head_of_the_path_is_the_one_fitted_alone(group: bool) -> None:
    for found in itertools.islice(walk(data, 0.9, group=group, tol=1e-7), 0, 12, 3):
        proof = found.certificate
        alone = solve(z, y, 4, Penalty(proof.lam, 0.9, group), tol=1e-7)
        assert proof.converged
        assert proof.primal == pytest.approx(alone.certificate.primal, rel=2e-7)


def test_the_path_begins_without_weights_and_falls_by_one_ratio() -> None:
    lams = [found.certificate.lam for found in itertools.islice(walk(data, 0.9), 4)]
    assert lams == pytest.approx([strength(z, y, RATIO**i, 0.9) for i in range(4)])
    assert not next(iter(walk(data, 0.9))).weight.any()


def test_the_strong_rule_is_the_inequality_it_states() -> None:
    slope = torch.tensor([[0.5, 0.1, -0.29], [0.0, 0.31, 0.2]])
    # 2 * 0.4 * 0.5 - 0.2 * 0.5 = 0.3
    assert screen(slope, Penalty(0.4, 0.5), Penalty(0.2, 0.5)).tolist() == [True, True, False]


def test_the_strong_rule_leaves_most_columns_out_and_none_that_matters() -> None:
    before, penalty = (Penalty(strength(z, y, share), 0.99) for share in (0.6, 0.5))
    one = solve(z, y, 4, before)
    kept = screen(gradient(one.weight, one.bias, z, y)[0], penalty, before)
    used = (solve(z, y, 4, penalty).weight != 0).any(0)
    assert bool(kept[used].all()) and int(kept.sum()) < 15


@pytest.mark.parametrize("group", [False, True])
def test_heads_at_an_nec_have_just_enough_weights_and_are_proven(group: bool) -> None:
    found = at_necs(data, [3, 1, 8], 0.99, group=group)
    for target, solution in found.items():
        count = int((solution.weight.any(0) if group else solution.weight != 0).sum())
        wanted = target if group else 4 * target
        assert wanted <= count <= max(CLOSE * wanted, wanted + 1)
        assert solution.certificate.converged


def test_an_nec_beyond_the_concepts_or_the_path_is_an_error() -> None:
    with pytest.raises(InputError, match=r"NEC asked for is 21(.|\n)*20 concepts"):
        at_necs(data, [21], 0.99)
    # A common shift of a column is free, so that of three classes the middle one has no weight there.
    small, labels, _ = planted(60, 2, 3, sparse=1)
    with pytest.raises(InputError, match=r"has 4 weights(.|\n)*stands for 6(.|\n)*DenseLinear"):
        at_necs(check_examples(small, labels), [2], 0.99)
