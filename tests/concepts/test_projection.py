"""A projection finds what was planted, by number of picture, on pictures that it may learn from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional

from seewhy.concepts.projection import Projection, fit_projection, split_pictures
from seewhy.concepts.similarity import cubic_similarity
from seewhy.concepts.sources import TensorSource
from seewhy.errors import InputError

N, C, M = 160, 6, 3
WAYS = ({"mode": "minibatch", "steps": 150}, {"mode": "stream"})
AXES = ("images", "images+locations", "locations")


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def planted(
    grid: tuple[int, int] = (3, 4), noise: float = 0.002, n: int = N
) -> tuple[Tensor, Tensor, Tensor]:
    """Features whose directions `weight` are the concepts, and a teacher that sees them as an image-text model."""
    features = draw(n, C, *grid).square()
    weight = draw(M, C, seed=1) - 0.5
    teacher = 0.2 + 0.02 * torch.einsum("mc,nchw->nmhw", weight, features)
    return features, teacher + noise * (draw(n, M, *grid, seed=2) - 0.5), weight


def cosines(fitted: Projection, weight: Tensor) -> Tensor:
    return functional.cosine_similarity(fitted.weight, weight)


@pytest.mark.parametrize("way", WAYS, ids=["minibatch", "stream"])
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("init", ["ridge", "random"])
def test_planted_concepts_are_found_with_their_maps(way: dict[str, object], axes: str, init: str) -> None:
    features, teacher, weight = planted()
    lr = {"ridge": 1e-3, "random": 2e-2}[init]
    fitted = fit_projection(features, teacher, axes=axes, init=init, batch=64, lr=lr, **way)
    assert cosines(fitted, weight).min() > 0.99
    truth = torch.einsum("mc,nchw->nmhw", weight, features)
    for m in range(M):
        maps = torch.stack([fitted(features)[:, m].flatten(), truth[:, m].flatten()])
        assert torch.corrcoef(maps)[0, 1] > 0.99
    assert fitted.report.similarity > 0.9 and fitted.report.skipped_slices == 0


@pytest.mark.parametrize("grids", [((2, 3), (4, 6)), ((4, 6), (2, 3)), ((1, 1), (1, 1))])
def test_planted_concepts_are_found_across_grids(grids: tuple[tuple[int, int], tuple[int, int]]) -> None:
    features, _, weight = planted(grids[0])
    teacher = functional.interpolate(
        torch.einsum("mc,nchw->nmhw", weight, features), grids[1], mode="bilinear", align_corners=False
    )
    for way in WAYS:
        fitted = fit_projection(features, teacher, batch=64, **way)
        assert cosines(fitted, weight).min() > 0.999
        assert fitted(features).shape == (N, M, *grids[0])


class Shuffled(TensorSource):
    """Says what it was asked for."""

    def __init__(self, values: Tensor) -> None:
        super().__init__(values)
        self.asked: list[Tensor] = []

    def batch(self, numbers: Int[Tensor, " b"]) -> Tensor:
        self.asked.append(numbers)
        return super().batch(numbers)


def test_targets_are_those_of_the_pictures_in_a_shuffled_batch() -> None:
    features, teacher, weight = planted(noise=0.0)
    f, p = Shuffled(features), Shuffled(teacher)
    fitted = fit_projection(f, p, init="random", lr=0.02, steps=300, batch=32)
    assert all(torch.equal(a, b) for a, b in zip(f.asked, p.asked, strict=True))
    assert any(len(a) == 32 and not torch.equal(a, a.sort().values) for a in f.asked)
    assert cosines(fitted, weight).min() > 0.99


def test_pictures_in_another_order_are_matched_by_what_they_are() -> None:
    features, teacher, weight = planted()
    ids = [f"picture {i}" for i in range(N)]
    order = torch.randperm(N, generator=torch.Generator().manual_seed(0))
    shuffled = TensorSource(teacher[order], [ids[i] for i in order.tolist()])
    assert cosines(fit_projection(TensorSource(features, ids), shuffled, mode="stream"), weight).min() > 0.99
    mistaken = fit_projection(features, teacher[order], mode="stream", steps=10)
    assert mistaken.report.similarity < 0.5


@pytest.mark.parametrize("axes", AXES)
def test_the_similarity_is_that_of_the_pictures_kept_out(axes: str) -> None:
    features, teacher, _ = planted(noise=0.05)
    fitted = fit_projection(features, teacher, axes=axes, batch=32, seed=3, steps=60, check_every=20)
    train, held = split_pictures(N, 0.1, 3)
    expected = cubic_similarity(fitted(features[held]), teacher[held], axes=axes).value
    torch.testing.assert_close(fitted.similarity, expected, rtol=0, atol=1e-5)
    assert fitted.report.similarity == pytest.approx(float(expected.mean()), abs=1e-5)
    assert (fitted.report.n_train, fitted.report.n_validation) == (len(train), len(held)) == (144, 16)
    assert fitted.similarity.mean() >= max(mean for _, mean in fitted.report.history) - 1e-6


def test_no_step_sees_the_pictures_kept_out() -> None:
    features, teacher, _ = planted(noise=0.05)
    _, held = split_pictures(N, 0.1, 0)
    changed = teacher.clone()
    changed[held] = teacher[held] * 2 + 0.1  # positive and affine: the choice of the best stays the same
    found = [fit_projection(features, t, batch=32, steps=40, check_every=10) for t in (teacher, changed)]
    torch.testing.assert_close(found[0].weight, found[1].weight)


def test_the_split_is_a_split_and_repeats() -> None:
    train, held = split_pictures(50, 0.2, 7)
    assert sorted([*train.tolist(), *held.tolist()]) == list(range(50)) and len(held) == 10
    assert torch.equal(train, train.sort().values)
    assert torch.equal(held, split_pictures(50, 0.2, 7)[1])
    assert not torch.equal(held, split_pictures(50, 0.2, 8)[1])


@pytest.mark.parametrize("way", WAYS, ids=["minibatch", "stream"])
def test_the_same_seed_gives_the_same_bytes_and_the_global_generator_stays(way: dict[str, object]) -> None:
    features, teacher, _ = planted(noise=0.05)
    before = torch.get_rng_state()
    one, two, other = (
        fit_projection(features, teacher, init="random", batch=32, seed=seed, **way) for seed in (0, 0, 1)
    )
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one.weight, two.weight) and one.report == two.report
    assert not torch.equal(one.weight, other.weight)


def test_the_scale_of_features_and_teacher_changes_nothing() -> None:
    features, teacher, _ = planted(noise=0.05)
    scales = torch.tensor([1e-3, 1, 50, 2, 1e3, 7])[:, None, None]
    plain = fit_projection(features, teacher, mode="stream", steps=10)
    scaled = fit_projection(features * scales, 8 * teacher - 1, mode="stream", steps=10)
    torch.testing.assert_close(plain.similarity, scaled.similarity, rtol=0, atol=1e-4)
    again = torch.cosine_similarity(plain.weight, scaled.weight * scales[:, 0, 0], dim=1)
    torch.testing.assert_close(again, torch.ones(M), rtol=0, atol=1e-4)


def test_maps_have_unit_deviation_about_their_slices() -> None:
    features, teacher, _ = planted()
    fitted = fit_projection(features, teacher, mode="stream")
    train, _ = split_pictures(N, 0.1, 0)
    maps = fitted(features[train])
    spread = (maps - maps.mean(0)).square().mean((0, 2, 3)).sqrt()
    torch.testing.assert_close(spread, torch.ones(M), rtol=1e-4, atol=0)


def test_a_constant_concept_is_skipped_and_said() -> None:
    features, teacher, weight = planted()
    teacher[:, 1] = 0.25
    for way in WAYS:
        fitted = fit_projection(features, teacher, **way)
        assert fitted.report.skipped == (1,) and fitted.report.skipped_slices == 12
        assert not fitted.weight[1].any() and fitted.similarity[1] == 0
        assert cosines(fitted, weight)[[0, 2]].min() > 0.99


def test_a_constant_channel_gets_no_weight() -> None:
    features, teacher, _ = planted()
    more = torch.cat([features, torch.full((N, 1, 3, 4), 0.3)], 1)
    for init in ("ridge", "random"):
        fitted = fit_projection(more, teacher, init=init, steps=20)
        assert not fitted.weight[:, C].any() and torch.isfinite(fitted.weight).all()
    without = fit_projection(features, teacher, steps=20)
    fitted = fit_projection(more, teacher, steps=20)
    torch.testing.assert_close(fitted.weight[:, :C], without.weight, rtol=1e-3, atol=1e-3)


def test_one_concept_alone_is_the_same_as_among_others() -> None:
    features, teacher, _ = planted(noise=0.05)
    together = fit_projection(features, teacher, mode="stream", steps=5, check_every=5)
    alone = fit_projection(features, teacher[:, 1:2], mode="stream", steps=5, check_every=5)
    torch.testing.assert_close(alone.weight, together.weight[1:2], rtol=1e-4, atol=1e-4)


def test_centring_by_picture_teaches_places_and_not_pictures() -> None:
    features, teacher, weight = planted()
    whole = 3 * draw(N, M, seed=5) - 1.5
    disturbed = teacher + whole[:, :, None, None]
    for center, found in (("image", True), (None, False)):
        fitted = fit_projection(
            features,
            disturbed,
            axes="images+locations",
            center=center,
            unprompted=whole,
            mode="stream",
            steps=20,
        )
        assert bool(cosines(fitted, weight).min() > 0.99) is found


def test_progress_is_told_and_the_report_says_what_was_done() -> None:
    features, teacher, _ = planted(noise=0.05)
    told: list[tuple[int, int]] = []
    fitted = fit_projection(
        features,
        teacher,
        steps=25,
        check_every=10,
        batch=32,
        patience=9,
        progress=lambda *at: told.append(at),
    )
    report = fitted.report
    assert told == [(10, 25), (20, 25), (25, 25)] and report.steps == 25 and not report.converged
    assert [step for step, _ in report.history] == [0, 10, 20, 25] and report.history[0][1] == report.start
    assert report.seconds is not None and report == replace(report, seconds=None)
    assert fitted.bias is None and fitted.weight.dtype == torch.float32
    stopped = fit_projection(features, teacher, check_every=10, batch=32, steps=2000)
    assert stopped.report.converged and stopped.report.steps < 2000


@pytest.mark.parametrize("n", [1, 3])
def test_too_few_pictures_are_nothing_to_compare(n: int) -> None:
    features, teacher, _ = planted(n=n)
    with pytest.raises(InputError, match=f"There are {n} pictures, so there is nothing to compare"):
        fit_projection(features, teacher)


def test_places_of_pooled_features_cannot_be_compared() -> None:
    features, teacher, _ = planted((1, 1))
    with pytest.raises(InputError, match="nothing to compare"):
        fit_projection(features, teacher, axes="locations")


def test_values_that_are_not_finite_are_refused_wherever_they_are() -> None:
    features, teacher, _ = planted()
    train, held = split_pictures(N, 0.1, 0)
    for number in (int(train[5]), int(held[1])):
        bad = features.clone()
        bad[number, 2, 1, 1] = float("nan")
        with pytest.raises(InputError, match=f"NaN or infinite values; the first is picture {number}"):
            fit_projection(bad, teacher)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"init": "rigde"}, "Did you mean 'ridge'"),
        ({"mode": "batch"}, "mode is 'batch'"),
        ({"optimizer": "lbfgs"}, "needs gradients of all pictures"),
        ({"axes": "places"}, "axes is 'places'"),
        ({"steps": 0}, "steps is 0"),
        ({"batch": 1}, "batch is 1"),
        ({"lr": 0.0}, "lr is 0.0"),
        ({"validation": 1.0}, "validation 1.0"),
    ],
)
def test_options_that_are_wrong_are_said(options: dict[str, object], words: str) -> None:
    features, teacher, _ = planted(n=12)
    with pytest.raises(InputError, match=words):
        fit_projection(features, teacher, **options)
