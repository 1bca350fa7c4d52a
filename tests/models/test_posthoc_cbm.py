"""Concept directions between pictures with and without, and what goes around them, seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seewhy.errors import InputError
from seewhy.heads.linear import Head
from seewhy.heads.sparse import SparseLinear
from seewhy.models.bottleneck import AROUND
from seewhy.models.posthoc_cbm import RESIDUAL_PENALTY, PostHocCBM, concept_bank, fit_residual
from tests.models import detectors

PICTURES = detectors.pictures(90, seed=5)
FRESH = detectors.pictures(45, seed=6)
HEAD = SparseLinear(lam=1e-3)


def levels(pictures: list[np.ndarray]) -> np.ndarray:
    return np.stack([detectors.amounts(p).mean((1, 2)) for p in pictures])


def has(pictures: list[np.ndarray], *colours: int) -> np.ndarray:
    return np.stack([levels(pictures)[:, c] > 0.04 for c in colours], 1)


def blue(pictures: list[np.ndarray]) -> list[str]:
    return [("other", "blue")[int(row[2] > 0.04)] for row in levels(pictures)]


def quiet(*_: Any) -> None:
    return None


def test_a_planted_direction_is_recovered() -> None:
    draw = np.random.default_rng(0)
    normal = draw.normal(size=(2, 6))
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    x = draw.normal(size=(400, 6))
    weight, quality = concept_bank(x, x @ normal.T > 0, ("a", "b"), 150, 0, quiet)
    assert (weight * normal).sum(1).min() > 0.97 and quality.min() > 0.85
    np.testing.assert_allclose(np.linalg.norm(weight, axis=1), 1)
    noise = draw.random((400, 1)) > 0.5
    assert abs(concept_bank(x, noise, ("noise",), 150, 0, quiet)[1][0]) < 0.5


def test_the_bank_is_the_same_for_the_same_seed() -> None:
    draw = np.random.default_rng(1)
    x, y = draw.normal(size=(60, 4)), draw.random((60, 1)) > 0.4
    one, two, other = (concept_bank(x, y, ("a",), 10, seed, quiet)[0] for seed in (0, 0, 1))
    assert np.array_equal(one, two) and not np.array_equal(one, other)


def test_the_residual_is_at_its_optimum_beyond_the_fixed_head() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(80, 3, generator=generator) * torch.tensor([1.0, 5.0, 0.2]) + 2
    z, y = x[:, :1], torch.randint(0, 3, (80,), generator=generator)
    head = Head(torch.randn(3, 1, generator=generator), torch.zeros(3))
    found = fit_residual(head, z, x, y)

    def objective(v: torch.Tensor) -> torch.Tensor:
        logits = head.logits(z.double()) + (x.double() - x.double().mean(0)) @ v.T
        return torch.nn.functional.cross_entropy(logits, y) + RESIDUAL_PENALTY * v.square().mean()

    best = found.weight.double().requires_grad_()
    (slope,) = torch.autograd.grad(objective(best), best)
    assert float(slope.abs().max()) < 1e-4
    assert objective(best).item() < objective(torch.zeros(3, 3, dtype=torch.float64)).item() - 1e-3


def test_the_residual_says_what_the_concepts_cannot_and_is_seen() -> None:
    fits = {
        residual: PostHocCBM(detectors.backbone(), residual=residual, head=HEAD).fit(
            PICTURES, blue(PICTURES), ["red"], has(PICTURES, 0)
        )
        for residual in (False, True)
    }
    right = {
        residual: np.mean([rows[0].name for rows in made.predict(FRESH)] == np.array(blue(FRESH)))
        for residual, made in fits.items()
    }
    assert right[True] > 0.8 and right[True] > right[False] + 0.1
    assert torch.equal(fits[True].head.weight, fits[False].head.weight)
    score = "accuracy on held-out training pictures"
    assert fits[True].fitted.record[score] >= fits[False].fitted.record[score]
    for k in range(2):
        answer = fits[True].explain(FRESH[0], k)
        (row,) = answer.elsewhere
        assert row.name == AROUND and abs(row.contribution) > 0.01
        whole = answer.bias + sum(c.contribution for c in answer.concepts) + row.contribution
        assert whole == pytest.approx(float(fits[True].logits(FRESH[0])[0, k]), abs=1e-4)
    assert fits[False].explain(FRESH[0]).elsewhere == ()


def test_learned_directions_point_at_their_channels() -> None:
    made = PostHocCBM(detectors.backbone(), head=HEAD).fit(
        PICTURES, "network", detectors.COLOURS, has(PICTURES, 0, 1, 2)
    )
    assert made.space.weight.argmax(1).tolist() == [0, 1, 2] and made.space.quality.min() > 0.5
    assert made.head.certificate.converged and made.fitted.residual is None


def test_a_fitted_one_is_read_back_with_its_residual(tmp_path: Path) -> None:
    made = PostHocCBM(detectors.backbone(), residual=True, head=HEAD).fit(
        PICTURES, blue(PICTURES), ["red"], has(PICTURES, 0)
    )
    again = PostHocCBM.from_pretrained(made.save_pretrained(tmp_path), detectors.backbone())
    assert torch.equal(again.logits(FRESH), made.logits(FRESH)) and again.residual


def test_labels_that_do_not_fit_and_concepts_without_examples_are_refused() -> None:
    def fit(names: Any, marks: Any) -> PostHocCBM:
        return PostHocCBM(detectors.backbone(), head=HEAD).fit(PICTURES, blue(PICTURES), names, marks)

    with pytest.raises(InputError, match=r"\(90, 1\)(.|\n)*\(90, 2\)"):
        fit(["red", "green"], has(PICTURES, 0))
    lone = np.zeros((90, 1), bool)
    lone[3] = True
    with pytest.raises(InputError, match="1 have 'red' and 89 do not(.|\n)*two"):
        fit(["red"], lone)


def test_two_examples_of_a_side_are_enough() -> None:
    draw = np.random.default_rng(2)
    x = np.concatenate([draw.normal(size=(2, 3)) + 5, draw.normal(size=(30, 3)) - 5])
    weight, quality = concept_bank(x, np.arange(32)[:, None] < 2, ("rare",), 100, 0, quiet)
    assert weight.sum() > 1.5 and quality[0] == 1
