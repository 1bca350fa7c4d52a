from __future__ import annotations

import pytest
import torch

from seewhy.errors import InputError
from seewhy.heads.certificate import certify
from seewhy.heads.choose import split
from seewhy.heads.nec import truncate
from seewhy.heads.objective import Penalty
from seewhy.heads.solver import solve
from seewhy.heads.sparse import SparseLinear
from tests.heads.planted import planted, strength

z, y, _ = planted(400, 20, 4)
new, truth, _ = planted(400, 20, 4)


def test_a_given_strength_is_solved_and_proven() -> None:
    lam = strength(z, y, 0.1)
    head = SparseLinear(lam=lam).fit(z, y)
    assert head.converged and head.lam == lam and head.alpha == 0.99
    proof = certify(head.weight, head.bias, z, y, lam, 0.99)
    assert proof.primal == head.certificate.primal and proof.relative_gap <= 1e-6
    assert torch.equal(head.weight, solve(z, y, 4, Penalty(lam, 0.99)).weight)


def test_the_certificate_holds_with_constant_concepts_too() -> None:
    spoiled = torch.cat([torch.full((400, 1), 3.0), z], 1)
    lam = strength(z, y, 0.1)
    head = SparseLinear(lam=lam).fit(spoiled, y)
    assert certify(head.weight, head.bias, spoiled, y, lam, 0.99).converged


@pytest.mark.parametrize("group", [False, True])
def test_a_target_nec_is_met_exactly_and_the_refit_is_proven(group: bool) -> None:
    head = SparseLinear(nec=3, group=group).fit(z, y)
    assert head.nec == 3 and head.converged and head.certificate.restricted
    assert head.certificate.alpha == 0 and head.record["refit"] is True
    if group:
        assert int(head.support.any(0).sum()) == 3


def test_without_a_refit_weights_and_bias_are_those_of_the_path() -> None:
    head = SparseLinear(nec=1.3, refit=False).fit(z, y)
    path = SparseLinear(lam=head.lam).fit(z, y)
    assert int(head.support.sum()) == round(1.3 * 4)
    torch.testing.assert_close(head.weight, truncate(path.weight, 1.3), atol=1e-3, rtol=0)
    torch.testing.assert_close(head.bias, path.bias, atol=1e-3, rtol=0)


def test_a_truncated_head_has_the_certificate_of_what_is_left() -> None:
    head = SparseLinear(nec=2, refit=False).fit(z, y)
    assert head.certificate is not None and head.lam is not None
    assert head.certificate == certify(head.weight, head.bias, z, y, head.lam, 0.99)
    path = SparseLinear(lam=head.lam / 2).fit(z, y)
    assert not certify(truncate(path.weight, 2), path.bias, z, y, head.lam / 2, 0.99).converged


def test_a_refit_fits_better_than_truncation() -> None:
    cut, again = (SparseLinear(nec=2, refit=refit).fit(z, y) for refit in (False, True))
    loss = torch.nn.functional.cross_entropy
    assert loss(again.logits(z), y) < loss(cut.logits(z), y)
    assert torch.equal(cut.support, again.support)


def test_several_necs_are_those_one_by_one() -> None:
    heads = SparseLinear().fit_necs(z, y, necs=(1, 4))
    assert {target: head.nec for target, head in heads.items()} == {1: 1, 4: 4}
    assert torch.equal(heads[4].support, SparseLinear(nec=4).fit(z, y).support)


def test_a_strength_chosen_is_the_largest_within_one_standard_error() -> None:
    head = SparseLinear(seed=3).fit(z, y)
    record = head.record
    best, error, n = record["best_accuracy"], record["standard_error"], record["held_out"]
    assert error == pytest.approx((best * (1 - best) / n) ** 0.5)
    assert record["accuracy"] >= best - error and head.converged
    learn, out = split(y, 4, 0.2, 3)
    assert n == len(out) and len(learn) + n == 400

    def accuracy(lam: float) -> float:
        one = SparseLinear(lam=lam, tol=1e-4).fit(z[learn], y[learn])
        return float((one.logits(z[out]).argmax(1) == y[out]).double().mean())

    assert accuracy(head.lam) == pytest.approx(record["accuracy"])
    assert accuracy(head.lam / 0.75) < best - error


def test_validation_examples_choose_and_all_training_examples_fit() -> None:
    head = SparseLinear().fit(z[:300], y[:300], 4, validation=(z[300:], y[300:]))
    assert head.record["from"] == "validation" and head.record["held_out"] == 100
    alone = SparseLinear(lam=head.lam).fit(z[:300], y[:300])
    assert head.certificate.primal == pytest.approx(alone.certificate.primal, rel=2e-6)


def test_the_seed_decides_and_repeats() -> None:
    one, two = (SparseLinear(seed=1).fit(z, y) for _ in range(2))
    assert torch.equal(one.weight, two.weight) and one.record == two.record


def test_the_examples_set_aside_are_stratified_and_disjoint() -> None:
    labels = torch.tensor([0] * 50 + [1] * 11 + [2] * 3)
    learn, out = split(labels, 3, 0.2, 0)
    assert torch.bincount(labels[out], minlength=3).tolist() == [10, 2, 0]
    assert sorted([*learn.tolist(), *out.tolist()]) == list(range(64))
    assert not torch.equal(out, split(labels, 3, 0.2, 1)[1])


def test_a_gap_that_cannot_be_proven_warns_and_is_told() -> None:
    with pytest.warns(RuntimeWarning, match=r"gap is .*(.|\n)*converged from 1.0e-30"):
        head = SparseLinear(lam=strength(z, y, 0.1), tol=1e-30).fit(z, y)
    assert not head.converged and head.certificate.relative_gap < 1e-12


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"alpha": 0.0}, r"alpha is 0\.(.|\n)*more than 0 and at most 1"),
        ({"alpha": 1.5}, r"alpha is 1.5"),
        ({"lam": -1.0}, r"lam is -1"),
        ({"lam": float("nan")}, r"lam is nan"),
        ({"nec": 0.0}, r"nec is 0"),
        ({"tol": 0.0}, r"tol is 0"),
        ({"lam": 0.1, "nec": 5}, r"Both lam=0.1 and nec=5 are given"),
    ],
)
def test_options_that_make_no_sense_are_errors(options: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        SparseLinear(**options)  # type: ignore[arg-type]


def test_validation_and_too_few_examples_are_explained() -> None:
    with pytest.raises(InputError, match=r"Validation features are \(400, 19\)(.|\n)*20 concepts"):
        SparseLinear().fit(z, y, validation=(z[:, 1:], y))
    few = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    with pytest.raises(InputError, match=r"No class has 5 of the 8 examples(.|\n)*Pass lam"):
        SparseLinear().fit(z[:8], few)
