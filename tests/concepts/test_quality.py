from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import permutations

import numpy as np
import pytest
import torch
from torch import Tensor

from seewhy.concepts.base import Dictionary, Solution
from seewhy.concepts.factorise import NMF, PCA
from seewhy.concepts.quality import (
    held_out,
    held_out_curve,
    matched_cosines,
    rel_l2,
    sparsity,
    stability,
)
from seewhy.errors import InputError


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def pictures(n: int, places: int = 9, c: int = 12, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features of n images, each with a look of its own, and the image of each row."""
    looks = random(n, 1, c, seed=seed) ** 4
    return (looks * random(n, places, 1, seed=seed + 1)).reshape(-1, c), torch.arange(n).repeat_interleave(
        places
    )


def test_rel_l2_is_the_share_of_the_norm_that_is_missed() -> None:
    features = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    assert rel_l2(features, features) == 0
    assert rel_l2(features, torch.zeros(2, 2)) == 1
    assert rel_l2(features, torch.tensor([[3.0, 0.0], [0.0, 1.0]])) == pytest.approx(3 / 5)
    assert rel_l2(torch.zeros(1, 2), torch.ones(1, 2)) == float("inf")
    with pytest.raises(InputError, match=r"\(2, 2\), their reconstruction \(1, 2\)"):
        rel_l2(features, features[:1])


def test_sparsity_is_the_share_of_codes_that_rest() -> None:
    assert sparsity(torch.tensor([[0.0, 1.0], [0.0, 0.0], [-2.0, 1e-7]])) == pytest.approx(4 / 6)
    assert sparsity(torch.ones(2, 3)) == 0


@pytest.mark.parametrize("signed", [True, False])
def test_matching_is_the_best_of_all_permutations(signed: bool) -> None:
    first, second = (random(4, 6, seed=seed) - 0.5 for seed in (1, 2))
    cosines = torch.nn.functional.cosine_similarity(first[:, None], second[None], dim=2).numpy()
    cosines = cosines if signed else np.abs(cosines)
    best = max(sum(cosines[i, p[i]] for i in range(4)) for p in permutations(range(4)))
    found, partners = matched_cosines(first, second, signed=signed)
    assert found.sum() == pytest.approx(best)
    assert sorted(partners) == [0, 1, 2, 3]


def test_an_opposite_atom_is_the_same_only_without_signs() -> None:
    atoms = random(3, 5)
    assert matched_cosines(atoms, -atoms, signed=False)[0] == pytest.approx([1, 1, 1])
    assert matched_cosines(atoms, -atoms, signed=True)[0].max() < 0


def test_an_atom_without_a_partner_is_told() -> None:
    atoms = torch.eye(3)
    cosines, partners = matched_cosines(atoms, atoms[[2, 0]], signed=True)
    assert list(partners) == [1, -1, 0] and np.isnan(cosines[1])


def test_planted_concepts_are_stable_and_noise_is_not() -> None:
    codes = random(400, 4) * (random(400, 4, seed=1) < 0.4)
    clear = stability(NMF, codes @ torch.block_diag(*[random(1, 3, seed=k) + 0.1 for k in range(4)]),
                      n_concepts=4, n_fits=4)  # fmt: skip
    noise = stability(NMF, random(400, 12, seed=3), n_concepts=4, n_fits=4)
    assert clear.mean > 0.999 and len(clear.pairs) == 6 and len(clear.concepts) == 4
    assert noise.mean < 0.98


class Flipping(PCA):
    """Directions whose sign the seed decides."""

    def _solve(self, rows: Tensor) -> Solution:
        found = super()._solve(rows)
        return replace(found, atoms=found.atoms * (-1) ** self.seed)


def test_directions_are_stable_up_to_signs() -> None:
    features = (random(500, 6, seed=1) - 0.5) * torch.tensor([32.0, 16.0, 8.0, 4.0, 2.0, 1.0])
    assert stability(Flipping, features, n_concepts=3, n_fits=3).mean > 0.99


class Recording(Dictionary):
    """Keeps the rows it was fitted on; finds nothing."""

    name, paper = "recording", ""

    def _solve(self, rows: Tensor) -> Solution:
        self.rows = rows
        return Solution(torch.ones(self.n_concepts, rows.shape[1]), torch.zeros(rows.shape[1]), 1, "none")

    def _encode(self, features: Tensor) -> Tensor:
        return features.new_zeros(len(features), self.n_concepts)


def test_images_are_held_out_whole() -> None:
    images = torch.tensor([7, 3, 3, 7, 9, 9, 1, 1, 5])
    made: list[Recording] = []

    def make(n_concepts: int, *, seed: int) -> Recording:
        made.append(Recording(n_concepts, seed=seed))
        return made[-1]

    found = held_out(make, torch.stack([images.float(), torch.arange(9.0)], 1), images, n_concepts=2)
    fitted = made[0].rows
    inside = set(fitted[:, 0].tolist())
    assert len(inside) == found.n_fitted == 3 and found.n_held_out == 2
    assert len(fitted) == sum(int(image) in inside for image in images)
    assert found.fitted == found.held_out == 1  # nothing is rebuilt


def test_too_few_images_show_as_excess_on_those_held_out() -> None:
    few = held_out(NMF, *pictures(12), n_concepts=6)
    many = held_out(NMF, *pictures(400), n_concepts=6)
    assert few.fitted < 0.01 < few.held_out
    assert many.excess < 0.15 < few.excess
    assert held_out(NMF, *pictures(12), n_concepts=6) == few


def test_rows_of_one_image_would_hide_that() -> None:
    features, _ = pictures(12)
    assert (
        held_out(NMF, features, n_concepts=6).held_out < held_out(NMF, *pictures(12), n_concepts=6).held_out
    )


def test_the_curve_falls_on_the_fitted_half_and_takes_options() -> None:
    features, images = pictures(40)
    curve = held_out_curve(partial(NMF, negative="shift"), features - 0.1, images, n_concepts=(1, 3, 9))
    assert [point.n_concepts for point in curve] == [1, 3, 9]
    assert curve[0].fitted > curve[1].fitted > curve[2].fitted
    assert len({point.n_fitted for point in curve}) == 1


def test_bad_image_indices_are_told() -> None:
    features, images = pictures(4)
    with pytest.raises(InputError, match=r"come from 1 image\(s\)"):
        held_out(NMF, features, torch.zeros_like(images))
    with pytest.raises(InputError, match=r"shape \(3,\) for 36 rows"):
        stability(NMF, features, images[:3])
    with pytest.raises(InputError, match="n_fits is 1"):
        stability(NMF, features, n_fits=1)
