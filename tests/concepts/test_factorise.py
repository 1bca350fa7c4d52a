from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from sklearn import cluster, decomposition
from torch import Tensor

from seewhy.concepts.factorise import ICA, NMF, PCA, KMeans, SemiNMF, lloyd, semi_nmf
from seewhy.concepts.hals import hals
from seewhy.concepts.quality import matched_cosines, rel_l2
from seewhy.errors import InputError


def planted(n: int = 400, c: int = 20, k: int = 6, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features that k non-negative atoms make exactly, each atom alone in one row; and the atoms."""
    generator = torch.Generator().manual_seed(seed)

    def sparse(rows: int, columns: int) -> Tensor:
        values = torch.rand(rows, columns, generator=generator)
        return values * (torch.rand(rows, columns, generator=generator) < 0.5)

    codes, atoms = sparse(n, k), sparse(k, c) + 0.01
    codes[:k] = torch.eye(k)
    return codes @ atoms, atoms


def mixed(n: int = 600, c: int = 30, seed: int = 0) -> Tensor:
    """Non-negative features without a planted answer, some channels much larger than others."""
    generator = torch.Generator().manual_seed(seed)
    inner = torch.randn(n, 12, generator=generator) @ torch.randn(12, c, generator=generator)
    return (inner + 0.5 * torch.randn(n, c, generator=generator)).clamp_min(0) * torch.logspace(-1, 1, c)


def error(dictionary: NMF | SemiNMF | KMeans | PCA | ICA, features: Tensor) -> float:
    return rel_l2(features, dictionary.decode(dictionary.encode(features)))


@pytest.mark.parametrize("solver", ["hals", "cd"])
def test_nmf_recovers_planted_atoms(solver: str) -> None:
    features, atoms = planted()
    found = NMF(6, solver=solver).fit(features)
    cosines, _ = matched_cosines(found.atoms, atoms, signed=True)
    assert cosines.min() > 0.999
    assert found.report.rel_l2 < 1e-3
    assert found.report.solver == solver


@pytest.mark.parametrize("k", [3, 8, 20])
def test_nmf_ends_within_one_percent_of_scikit_learn(k: int) -> None:
    features = mixed()
    peer = decomposition.NMF(k, init="nndsvda", random_state=0, max_iter=2000)
    rebuilt = torch.from_numpy(peer.fit_transform(features.numpy()) @ peer.components_)
    assert error(NMF(k).fit(features), features) <= 1.01 * rel_l2(features, rebuilt)


@pytest.mark.real
def test_nmf_ends_within_one_percent_of_scikit_learn_on_a_real_layer(data, real_network) -> None:  # type: ignore[no-untyped-def]
    network, description = real_network("resnet20_cifar10")
    recipe = description["preprocess"]
    mean, std = (torch.tensor(recipe[key]).view(-1, 1, 1) for key in ("mean", "std"))
    with np.load(data / "cifar10" / "cifar10_subset.npz") as archive:
        x = torch.from_numpy(archive["x_test"][:60]).permute(0, 3, 1, 2).float() / 255
    kept: list[Tensor] = []
    handle = network.layer3.register_forward_hook(lambda module, inputs, output: kept.append(output))
    with torch.no_grad():
        network((x - mean) / std)
    handle.remove()
    features = kept[0].permute(0, 2, 3, 1).reshape(-1, 64)
    peer = decomposition.NMF(10, init="nndsvda", random_state=0, max_iter=2000)
    rebuilt = torch.from_numpy(peer.fit_transform(features.numpy()) @ peer.components_)
    assert error(NMF(10).fit(features), features) <= 1.01 * rel_l2(features, rebuilt)


def test_the_objective_of_hals_never_rises_and_is_the_squared_error() -> None:
    features = mixed().double()
    found = hals(features, 7, tol=1e-7)
    assert found.converged
    assert float(found.codes.min()) >= 0 and float(found.atoms.min()) >= 0
    assert all(later <= earlier for earlier, later in zip(found.losses, found.losses[1:], strict=False))
    assert found.losses[-1] == pytest.approx(rel_l2(features, found.codes @ found.atoms) ** 2, rel=1e-9)


def test_nmf_atoms_do_not_depend_on_the_unit_of_the_features() -> None:
    features = mixed()
    small, large = NMF(5).fit(features), NMF(5).fit(1024 * features)
    torch.testing.assert_close(small.atoms, large.atoms, atol=1e-4, rtol=0)
    torch.testing.assert_close(1024 * small.scales, large.scales, rtol=1e-3, atol=0)


def test_nmf_refuses_negative_features_with_their_number() -> None:
    features, _ = planted()
    features[:3, 0] = -2.5
    with pytest.raises(InputError, match=r"3 of 8,000 .* negative \(0.0%\), the lowest -2.5") as caught:
        NMF(3).fit(features)
    assert "semi_nmf" in str(caught.value) and "negative='shift'" in str(caught.value)


def test_shift_keeps_the_minimum_of_negative_channels_as_mean() -> None:
    features, _ = planted()
    offset = torch.zeros(20)
    offset[4], offset[9] = -0.7, 0.3
    features = features + offset
    found = NMF(7, negative="shift").fit(features)
    assert found.mean[4] == features[:, 4].min() and torch.count_nonzero(found.mean) == 1
    assert found.report.rel_l2 < 5e-3  # the subtracted minimum is not quite the offset
    torch.testing.assert_close(found.decode(torch.zeros(1, 7))[0], found.mean)


def test_split_finds_signed_atoms_with_codes_of_zero_or_more() -> None:
    generator = torch.Generator().manual_seed(1)
    codes = torch.rand(400, 4, generator=generator) * (torch.rand(400, 4, generator=generator) < 0.4)
    codes[:4] = torch.eye(4)
    blocks = torch.block_diag(*(torch.randn(1, 4, generator=generator) for _ in range(4)))
    found = NMF(4, negative="split").fit(codes @ blocks)
    assert found.atoms.shape == (4, 16)
    assert matched_cosines(found.atoms, blocks, signed=True)[0].min() > 0.999
    assert found.report.rel_l2 < 1e-3


@pytest.mark.parametrize("negative", ["shift", "split"])
def test_the_ways_with_negative_features_change_nothing_where_there_are_none(negative: str) -> None:
    features, _ = planted()
    assert torch.equal(NMF(4, negative=negative).fit(features).atoms, NMF(4).fit(features).atoms)


def test_more_concepts_than_channels_are_possible_for_parts_but_not_for_directions() -> None:
    features, _ = planted(c=4)
    assert NMF(7).fit(features).report.rel_l2 < 0.05
    assert SemiNMF(7).fit(features).atoms.shape == (7, 4)
    for kind in (PCA, ICA):
        with pytest.raises(InputError, match="7 concepts in 4 channels"):
            kind(7).fit(features)


def test_semi_nmf_follows_its_updates_written_slowly() -> None:
    rows = (mixed(60, 5) - 1.0).double()
    _, labels, _, _ = lloyd(rows, 3, starts=1)
    u = np.full((60, 3), 0.2) + np.eye(3)[labels.numpy()]
    a = rows.numpy()
    for step in range(4):
        w = np.linalg.solve(u.T @ u, u.T @ a)
        top, bottom = a @ w.T, w @ w.T
        for i in range(60) if step < 3 else ():
            above = [
                max(top[i, j], 0) + sum(u[i, m] * max(-bottom[m, j], 0) for m in range(3)) for j in range(3)
            ]
            below = [
                max(-top[i, j], 0) + sum(u[i, m] * max(bottom[m, j], 0) for m in range(3)) for j in range(3)
            ]
            u[i] = u[i] * np.sqrt(np.array(above) / np.array(below))
    atoms, losses, _ = semi_nmf(rows, 3, tol=0, max_iter=4)
    np.testing.assert_allclose(atoms, w, rtol=1e-8)
    assert losses[-1] == pytest.approx(float(((a - u @ w) ** 2).sum() / (a**2).sum()))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_objective_of_semi_nmf_never_rises(seed: int) -> None:
    rows = mixed(200, 15, seed).double() - 2.0
    _, losses, _ = semi_nmf(rows, 5, seed=seed, tol=1e-6, max_iter=200)
    assert len(losses) > 20
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in zip(losses, losses[1:], strict=False))


def test_clusters_are_as_tight_as_those_of_scikit_learn() -> None:
    features = mixed(2000)
    centres, labels, _, settled = lloyd(features, 8)
    inertia = float((features - centres[labels]).square().sum())
    assert settled
    assert inertia <= 1.02 * cluster.KMeans(8, n_init=3, random_state=0).fit(features.numpy()).inertia_


def test_kmeans_codes_are_one_hot_and_atoms_the_means_of_their_members() -> None:
    features = mixed(300)
    found = KMeans(5).fit(features)
    codes = found.encode(features)
    assert set(codes.unique().tolist()) == {0.0, 1.0} and (codes.sum(1) == 1).all()
    nearest = torch.cdist(features, found.atoms).argmin(1)
    assert torch.equal(codes.argmax(1), nearest)
    means = torch.stack([features[nearest == k].mean(0) for k in range(5)])
    torch.testing.assert_close(found.atoms, means, rtol=1e-3, atol=1e-3)


def test_kmeans_codes_have_the_gradient_zero() -> None:
    features = mixed(300)
    found = KMeans(5).fit(features)
    features.requires_grad_(True)
    (gradient,) = torch.autograd.grad(found.encode(features).square().sum(), features)
    assert (gradient == 0).all() and not found.differentiable


@pytest.mark.parametrize(("n", "c"), [(300, 12), (9, 12)])
def test_pca_is_the_singular_value_decomposition(n: int, c: int) -> None:
    features = mixed(n, c).double()
    found = PCA(4).fit(features)
    centred = features - features.mean(0)
    _, sizes, directions = torch.linalg.svd(centred, full_matrices=False)
    cosines = (found.atoms.double() * directions[:4]).sum(1).abs()
    torch.testing.assert_close(cosines, torch.ones(4, dtype=torch.float64), atol=1e-5, rtol=0)
    tail = float(sizes[4:].square().sum().sqrt() / features.norm())
    assert error(found, features) == pytest.approx(tail, rel=1e-4)


def test_pca_codes_are_uncorrelated_and_its_signs_fixed() -> None:
    features = mixed()
    found = PCA(6).fit(features)
    codes = found.encode(features.double())
    covariance = codes.T @ codes / len(codes)
    limit = 1e-4 * float(covariance.diagonal().max())
    assert float((covariance - covariance.diagonal().diag()).abs().max()) < limit
    assert (found.atoms.amax(1) > -found.atoms.amin(1)).all()


def test_ica_recovers_independent_sources() -> None:
    generator = torch.Generator().manual_seed(0)
    sources = torch.rand(4000, 3, generator=generator) - 0.5
    found = ICA(3).fit(sources @ torch.randn(3, 8, generator=generator) + 5)
    codes = found.encode(sources @ torch.linalg.pinv(torch.eye(3)) @ torch.zeros(3, 8) + found.mean)
    assert codes.abs().max() < 1e-3  # the mean has the code zero
    mixing = torch.randn(3, 8, generator=torch.Generator().manual_seed(7))
    found = ICA(3).fit(sources @ mixing + 5)
    codes = found.encode(sources @ mixing + 5)
    torch.testing.assert_close(codes.std(0), torch.ones(3), atol=0.01, rtol=0)
    correlation = np.abs(np.corrcoef(codes.T, sources.T)[:3, 3:])
    rows, columns = linear_sum_assignment(-correlation)
    assert correlation[rows, columns].min() > 0.99
    assert found.report.rel_l2 < 1e-5


def test_ica_says_when_it_has_not_converged() -> None:
    with pytest.warns(RuntimeWarning, match="ica did not converge"):
        found = ICA(8, max_iter=1).fit(mixed())
    assert not found.report.converged


def test_ica_refuses_more_concepts_than_directions() -> None:
    features = mixed(50, 3)
    with pytest.raises(InputError, match=r"vary along 3 direction\(s\), for 4 concepts"):
        ICA(4).fit(torch.cat([features, features], 1))


def test_nmf_says_when_it_has_not_converged() -> None:
    with pytest.warns(RuntimeWarning, match="nmf did not converge: 3 iterations"):
        assert not NMF(5, max_iter=3).fit(mixed()).report.converged
    with pytest.warns(RuntimeWarning, match="nmf did not converge: 3 iterations"):
        assert not NMF(5, max_iter=3, solver="cd").fit(mixed()).report.converged


def test_unknown_choices_are_told_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"negative is 'clip'.\n  It is one of refuse, shift, split"):
        NMF(negative="clip")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="one of hals, cd"):
        NMF(solver="mu")  # type: ignore[arg-type]


def test_encoding_stays_quiet_on_features_that_atoms_nearly_cancel_on() -> None:
    features = mixed() - mixed().mean(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        codes = SemiNMF(10).fit(features).encode(features)
    assert float(codes.min()) >= 0
