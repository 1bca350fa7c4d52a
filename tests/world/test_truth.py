"""Model truth: Shapley values against their definition and closed forms, effects, maps and sufficiency."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from torch import nn

from seewhy.backbones.base import Backbone
from seewhy.errors import InputError
from seewhy.images.preprocess import Preprocess
from seewhy.world.drawing.renderer import render
from seewhy.world.sampling import Grammar, sample_scene
from seewhy.world.scene import Background, Decoy, Lighting, Scene, Thing
from seewhy.world.truth.factors import Factor, factor_masks, factors, with_only
from seewhy.world.truth.games import interaction_index, shapley_values
from seewhy.world.truth.models import (
    Truth,
    causal_map,
    drawn,
    model_function,
    shapley,
    shapley_of_scenes,
    single_removal_effects,
)

RNG = np.random.default_rng(0)
SCENE = sample_scene(8, 2, Grammar(counts=(3,), creatures=(1,), backgrounds=("grass",))).with_decoy(Decoy())


def _mean(pictures: np.ndarray) -> np.ndarray:
    """A model that is not linear in the factors: means of red and blue, and their product."""
    red, _, blue = (pictures.astype(float) / 255).mean((1, 2)).T
    return np.stack([red, blue, 10 * red * blue], 1)


def _by_orders(worths: np.ndarray, n: int) -> np.ndarray:
    """Shapley values as the mean gain over all orders of arrival."""
    values = np.zeros(n)
    orders = list(permutations(range(n)))
    for order in orders:
        there = 0
        for player in order:
            values[player] += worths[there | 1 << player] - worths[there]
            there |= 1 << player
    return values / len(orders)


def _random_truth(n: int) -> Truth:
    things = tuple(
        Thing(k, "disk", "red", "solid", "small", (205, 40, 40), (9, 9, 9), 0.1 + 0.2 * k, 0.5, 0.07, 0)
        for k in range(n)
    )
    plain = Background("plain", "grey", (99, 99, 99), (9, 9, 9), 0, 0.2)
    scene = Scene(0, 0, plain, Lighting(0, 0.0), things)
    answers = RNG.normal(size=(2**n, 3))
    return shapley_of_scenes(lambda scenes: answers[: len(scenes)], scene, 1)


@pytest.mark.parametrize("n", [0, 1, 2, 5, 6])
def test_shapley_values_are_the_mean_over_all_orders(n: int) -> None:
    worths = RNG.normal(size=2**n)
    np.testing.assert_allclose(shapley_values(worths), _by_orders(worths, n), atol=1e-12)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_interaction_is_the_change_of_one_value_when_the_other_comes(n: int) -> None:
    """I_ij = phi_i of the game in which j is always there - phi_i of that in which it never is."""
    worths = RNG.normal(size=2**n)
    found = interaction_index(worths)
    index = np.arange(2**n)
    for i in range(n):
        for j in set(range(n)) - {i}:
            with_j, without_j = (worths[(index >> j & 1) == there] for there in (1, 0))
            rest = i - (j < i)
            expected = shapley_values(with_j)[rest] - shapley_values(without_j)[rest]
            assert found[i, j] == pytest.approx(expected, abs=1e-12)
    assert not np.diag(found).any()


def test_a_scene_regression_with_a_product_has_its_closed_form() -> None:
    """v = 2 a + b + 0.5 a b - c: the product is shared evenly and is all the interaction; d is a null player."""
    a, b, c, _ = (np.arange(16) >> k & 1 for k in range(4))
    worths = 2.0 * a + b + 0.5 * a * b - c
    np.testing.assert_allclose(shapley_values(worths), [2.25, 1.25, -1, 0], atol=1e-12)
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[1, 0] = 0.5
    np.testing.assert_allclose(interaction_index(worths), expected, atol=1e-12)


def test_exclusive_or_is_all_interaction() -> None:
    worths = np.array([0.0, 1.0, 1.0, 0.0])
    np.testing.assert_allclose(shapley_values(worths), 0, atol=1e-15)
    assert interaction_index(worths)[0, 1] == -2


@pytest.mark.parametrize("worths", [np.zeros(3), np.zeros(0), np.zeros((2, 2)), np.array([0, np.nan])])
def test_a_table_that_is_none_is_refused(worths: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"one finite number for each of the 2\*\*n coalitions"):
        shapley_values(worths)


@pytest.mark.parametrize("parts", [False, True])
def test_values_sum_to_the_full_less_the_empty_picture(parts: bool) -> None:
    truth = shapley(_mean, SCENE, 2, size=32, parts=parts)
    full, empty = (_mean(render(scene, 32).rgb[None])[0, 2] for scene in (SCENE, with_only(SCENE, ())))
    assert (truth.full, truth.empty) == (full, empty)
    assert len(truth.values) == len(factors(SCENE, parts=parts)) > 4
    assert truth.values.sum() == pytest.approx(full - empty, abs=1e-12) and truth.gap < 1e-12


def test_each_value_is_the_mean_over_orders_of_pictures_drawn_one_by_one() -> None:
    scene = sample_scene(8, 1, Grammar(counts=(2,), creatures=(0,), backgrounds=("bricks",)))
    players = factors(scene)
    worth = {
        k: _mean(render(with_only(scene, [f for i, f in enumerate(players) if k >> i & 1]), 24).rgb[None])[
            0, 2
        ]
        for k in range(2 ** len(players))
    }
    table = np.array([worth[k] for k in range(len(worth))])
    truth = shapley(_mean, scene, 2, size=24)
    np.testing.assert_allclose(truth.values, _by_orders(table, len(players)), atol=1e-12)


def test_a_factor_that_the_model_does_not_see_is_worth_nothing() -> None:
    def corner(pictures: np.ndarray) -> np.ndarray:
        return pictures[:, -4:, -4:, 0].reshape(len(pictures), -1)[:, :1].astype(float)

    scene = replace(SCENE, background=replace(SCENE.background, kind="plain"))
    truth = shapley(corner, scene.with_decoy(Decoy("bottom_right", side=0.2)), 0, size=32)
    np.testing.assert_array_equal(truth.values[:-1], 0)
    assert truth.factors[-1].kind == "decoy" and truth.values[-1] == truth.full - truth.empty != 0


def test_alike_things_that_do_not_overlap_are_worth_the_same() -> None:
    truth = _random_truth(2)
    left, right = (replace(thing, x=x) for thing, x in zip(truth.scene.objects, (0.25, 0.75), strict=True))
    alike = replace(truth.scene, items=(left, right))
    values = shapley(_mean, alike, 2, size=32).values
    assert values[0] == pytest.approx(values[1], abs=1e-12) and values[0] != 0


def test_without_factors_there_is_nothing_to_share() -> None:
    scene = with_only(SCENE, ())
    truth = shapley(_mean, scene, 0, size=16)
    assert truth.values.shape == (0,) and truth.interactions.shape == (0, 0) and truth.full == truth.empty
    assert not causal_map(truth, render(scene, 16), (2, 3)).any()


def test_the_target_is_the_largest_logit_of_the_whole_scene_if_none_is_given() -> None:
    chosen = int(_mean(render(SCENE, 16).rgb[None])[0].argmax())
    assert shapley(_mean, SCENE, size=16).target == chosen


@pytest.mark.parametrize("target", [3, -1, "red", True])
def test_an_unknown_target_is_refused(target: object) -> None:
    with pytest.raises(InputError, match=r"The model has 3 logits, 0 to 2\."):
        shapley(_mean, with_only(SCENE, ()), target, size=16)  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [np.zeros(4), np.zeros((3, 2)), np.full((1, 2), np.nan), np.zeros((1, 0))])
def test_answers_that_are_no_logits_are_refused(answer: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"one row of finite logits for each"):
        shapley(lambda pictures: answer, with_only(SCENE, ()), 0, size=16)


def test_each_different_scene_is_drawn_once_and_answers_keep_their_order() -> None:
    asked: list[int] = []

    def counting(pictures: np.ndarray) -> np.ndarray:
        asked.append(len(pictures))
        return _mean(pictures)

    empty = with_only(SCENE, ())
    logits = drawn(counting, 16)([SCENE, empty, SCENE, empty, SCENE])
    assert asked == [2]
    np.testing.assert_array_equal(logits[[0, 1]], logits[[2, 3]])
    assert (logits[0] != logits[1]).any()


def test_sufficiency_draws_the_top_factors_only() -> None:
    truth = _random_truth(3)
    kept = truth.sufficiency()
    order = np.argsort(-truth.values)
    for k in range(4):
        top = [truth.factors[i] for i in order[:k]]
        assert kept[k] == truth.probabilities[truth.coalition(top)]
    assert kept[0] == truth.probabilities[0] and kept[-1] == truth.probabilities[-1]


@pytest.mark.parametrize("k", [1, 3])
def test_probabilities_are_the_softmax_or_the_sigmoid_of_one_logit(k: int) -> None:
    logits = RNG.normal(size=(1, k)) * 5
    truth = shapley_of_scenes(lambda scenes: logits, with_only(SCENE, ()), 0)
    t = torch.from_numpy(logits[0])
    expected = t.sigmoid()[0] if k == 1 else t.softmax(0)[0]
    assert truth.probabilities[0] == pytest.approx(float(expected), abs=1e-12)


def test_removal_effects_are_means_over_the_edits_and_undefined_without_any() -> None:
    edits = {
        "few": [with_only(SCENE, factors(SCENE)[:k]) for k in (1, 2, 3)],
        "one": [with_only(SCENE, ())],
        "none": [],
    }
    effects = single_removal_effects(_mean, SCENE, 2, edits, size=24)
    worth = {
        scene: _mean(render(scene, 24).rgb[None])[0, 2] for scene in [SCENE, *edits["few"], *edits["one"]]
    }
    changes = np.array([worth[SCENE] - worth[scene] for scene in edits["few"]])
    assert effects["few"].value == pytest.approx(changes.mean()) and effects["few"].n == 3
    assert effects["few"].spread == pytest.approx(np.sqrt(((changes - changes.mean()) ** 2).mean()))
    assert effects["one"].value == pytest.approx(worth[SCENE] - worth[edits["one"][0]])
    assert effects["one"].spread == 0
    assert np.isnan(effects["none"].value) and np.isnan(effects["none"].spread) and effects["none"].n == 0


@pytest.mark.parametrize("grid", [None, (1, 1), (12, 12), (5, 7), (96, 2)])
def test_the_causal_map_keeps_every_value_and_spreads_it_where_its_factor_is(
    grid: tuple[int, int] | None,
) -> None:
    truth, whole = shapley(_mean, SCENE, 2, size=32), render(SCENE, 48)
    found = causal_map(truth, whole, grid)
    assert found.shape == (grid or (48, 48))
    assert found.sum() == pytest.approx(truth.values.sum(), abs=1e-12)
    pixels = causal_map(truth, whole)
    for mask, value in zip(factor_masks(SCENE, whole, truth.factors), truth.values, strict=True):
        np.testing.assert_allclose(pixels[mask], value / mask.sum(), rtol=1e-12)
    if grid == (12, 12):
        np.testing.assert_allclose(found, pixels.reshape(12, 4, 12, 4).sum((1, 3)), atol=1e-12)


def test_a_hidden_factor_has_no_place_on_the_map() -> None:
    thing = _random_truth(1).scene.objects[0]
    scene = replace(_random_truth(1).scene, items=(thing, replace(thing, id=1, radius=0.1)))
    answers = np.array([[0.0], [1.0], [0.0], [5.0]])
    truth = shapley_of_scenes(lambda scenes: answers, scene, 0)
    found = causal_map(truth, render(scene, 32))
    assert truth.values[0] == 3 and found.sum() == pytest.approx(truth.values[1])


def test_a_grid_without_cells_is_refused() -> None:
    truth = _random_truth(1)
    with pytest.raises(InputError, match=r"grid is \(0, 3\)"):
        causal_map(truth, render(truth.scene, 16), (0, 3))


def test_a_network_is_asked_with_its_own_preprocessing_and_left_as_it_was() -> None:
    linear = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.9), nn.Linear(3, 2))
    with torch.no_grad():
        linear[3].weight.copy_(torch.tensor([[1.0, 0, 0], [0, 0, 2.0]]))
        linear[3].bias.zero_()
    linear.train()
    backbone = Backbone(linear, preprocess=Preprocess(24, "stretch", mean=0.5, std=0.25))
    pictures = np.stack([render(scene, 24).rgb for scene in (SCENE, with_only(SCENE, ()))])
    red, _, blue = ((pictures / 255 - 0.5) / 0.25).mean((1, 2)).T
    ask = model_function(backbone, batch_size=1)
    np.testing.assert_allclose(ask(pictures), np.stack([red, 2 * blue], 1), atol=1e-5)
    assert linear.training
    assert shapley(ask, SCENE, 1, size=24).gap < 1e-5


def test_the_coalition_of_a_factor_is_its_bit() -> None:
    truth = _random_truth(3)
    assert truth.coalition([]) == 0 and truth.coalition(truth.factors) == 7
    assert truth.coalition([Factor("object", (2,))]) == 4
