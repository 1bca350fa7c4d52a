"""Insertion and deletion against an additive network, whose curves are known in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from seewhy.backbones.base import Backbone
from seewhy.errors import InputError
from seewhy.evaluate.how_much.asking import blurred_as_published
from seewhy.evaluate.how_much.curves import Normalise, area, hidden_counts, normalised, orders_of
from seewhy.evaluate.how_much.faithfulness import Deletion, Insertion, InsMinusDel
from tests.attribution.small_networks import ConstantPicture, LinearPicture, SmallCNN, draw

SIZE = (4, 7)


def additive() -> tuple[LinearPicture, Tensor, np.ndarray]:
    """A network that adds up, pictures, and what each pixel adds to class 1 against a filling of 0.5."""
    network, x = LinearPicture(SIZE), draw(3, 3, *SIZE, seed=1)
    effects = (network.weight[1] * (x - 0.5)).sum(1).detach().double().numpy()
    return network, x, effects


def by_hand(start: float, steps: np.ndarray, order: np.ndarray, counts: list[int]) -> np.ndarray:
    """A curve that starts at `start` and moves by `steps[pixel]` for each pixel in the order."""
    return np.array([start + steps[order[:count]].sum() for count in counts])


def test_an_additive_network_has_the_curves_of_the_closed_form() -> None:
    network, x, effects = additive()
    maps = np.random.default_rng(0).normal(size=effects.shape)
    whole = network(x)[:, 1].detach().double().numpy()
    options: dict[str, Any] = {"score": "logit", "fill": 0.5, "steps": 7, "order": "pixel"}
    deleted = Deletion(**options)(network, x, maps, 1)
    inserted = Insertion(**options)(network, x, maps, 1)
    counts = [0, 4, 8, 12, 16, 20, 24, 28]
    assert deleted.curve is not None and inserted.curve is not None
    np.testing.assert_allclose(deleted.curve.x, np.array(counts) / 28)
    for i in range(3):
        order, effect = np.argsort(-maps[i].ravel()), effects[i].ravel()
        falls = by_hand(whole[i], -effect, order, counts)
        rises = by_hand(whole[i] - effect.sum(), effect, order, counts)
        np.testing.assert_allclose(deleted.curve.y[i], falls, atol=1e-4)
        np.testing.assert_allclose(inserted.curve.y[i], rises, atol=1e-4)
        assert deleted.per_item[i] == pytest.approx((falls.sum() - (falls[0] + falls[-1]) / 2) / 7, abs=1e-4)


@pytest.mark.parametrize("score", ["logit", "margin", "probability"])
def test_hiding_in_an_order_is_showing_in_its_reverse_backwards(score: Any) -> None:
    x, maps = draw(2, 3, 12, 10, seed=4), np.random.default_rng(2).normal(size=(2, 12, 10))
    options: dict[str, Any] = {"score": score, "fill": "mean", "steps": 9, "order": "pixel"}
    deleted = Deletion(**options)(SmallCNN(), x, maps, 2)
    inserted = Insertion(**options)(SmallCNN(), x, -maps, 2)
    assert deleted.curve is not None and inserted.curve is not None
    np.testing.assert_allclose(deleted.curve.x, 1 - inserted.curve.x[::-1], atol=1e-12)
    np.testing.assert_allclose(deleted.curve.y, inserted.curve.y[:, ::-1], atol=1e-6)
    np.testing.assert_allclose(deleted.per_item, inserted.per_item, atol=1e-6)


@pytest.mark.parametrize("order", ["pixel", "cell"])
def test_no_order_beats_the_order_of_the_true_effects(order: Any) -> None:
    network, x, effects = additive()
    options: dict[str, Any] = {"score": "logit", "fill": 0.5, "steps": 28, "order": order}
    best = Deletion(**options)(network, x, effects, 1).per_item
    worst = Deletion(**options)(network, x, -effects, 1).per_item
    rng = np.random.default_rng(3)
    for _ in range(10):
        found = Deletion(**options)(network, x, effects + rng.normal(size=effects.shape), 1).per_item
        assert (best <= found + 1e-4).all() and (found <= worst + 1e-4).all()


def test_the_difference_is_insertion_less_deletion_and_a_constant_map_gets_none() -> None:
    x, maps = draw(3, 3, 8, 12, seed=4), np.random.default_rng(2).normal(size=(3, 2, 3))
    maps[2] = 4.0
    options: dict[str, Any] = {"score": "logit", "fill": "blur", "steps": 6}
    parts = [metric(**options)(SmallCNN(), x, maps, 2) for metric in (Insertion, Deletion)]
    both = InsMinusDel(**options)(SmallCNN(), x, maps, 2)
    np.testing.assert_allclose(both.per_item, parts[0].per_item - parts[1].per_item, atol=1e-6)
    assert abs(both.per_item[2]) < 1e-6 < abs(both.per_item[0])
    assert parts[0].per_item[2] == pytest.approx(parts[1].per_item[2], abs=1e-6)


def test_a_constant_map_gets_the_mean_of_random_maps() -> None:
    network, x, effects = additive()
    options: dict[str, Any] = {"score": "logit", "fill": 0.5, "steps": 4, "order": "pixel"}
    flat = Deletion(**options)(network, x, np.ones((3, 1, 1)), 1).per_item
    whole = network(x)[:, 1].detach().double().numpy()
    # By expectation a random order removes effects evenly, and each order with its reverse does so exactly.
    np.testing.assert_allclose(flat, whole - effects.sum((1, 2)) / 2, atol=1e-4)


def test_ties_are_broken_at_random_and_by_the_seed() -> None:
    halves = np.zeros((4, 6))
    halves[:, :3] = 1.0
    orders = [orders_of(halves, (4, 6), "pixel", seed, 7)[0] for seed in range(40)]
    assert all(sorted(order[:, :3].ravel()) == list(range(12)) for order in orders)
    np.testing.assert_allclose(np.mean(orders, 0)[:, :3], 5.5, atol=2.5)
    np.testing.assert_array_equal(orders[3], orders_of(halves, (4, 6), "pixel", 3, 7)[0])


@pytest.mark.parametrize("how", ["pixel", "cell"])
def test_a_map_with_some_ties_gets_two_orders_that_break_them_opposite_ways(how: Any) -> None:
    halves = np.array([[1.0, 1.0, 0.0, 0.5]])
    first, second = orders_of(halves, (1, 4), how, 0, 1)
    assert (first[0, :2] + second[0, :2]).tolist() == [1, 1] and first[0, 2:].tolist() == [3, 2]
    assert len(orders_of(np.array([[1.0, 2.0]]), (3, 4), how, 0, 1)) == 1
    assert len(orders_of(np.ones((2, 2)), (4, 4), how, 0, 1)) == 8


def test_luck_belongs_to_the_picture_so_that_it_averages_out_and_pairs_methods() -> None:
    """60 pictures of a network for which one pixel alone counts, with which half of each map is tied."""
    network = LinearPicture((2, 6))
    with torch.no_grad():
        network.weight.zero_()
        network.weight[1, :, 0, 0] = 1.0
    x = 1 + 0.01 * draw(60, 3, 2, 6, seed=1)
    maps = np.zeros((60, 2, 6))
    maps[:, :, :3] = 1.0
    maps[:, 1, 5] = 2.0
    metric = Deletion(score="logit", order="cell", steps=12)
    found = metric(network, x, maps, 1)
    assert found.curve is not None
    lost = (found.curve.y < found.curve.y[:, :1] - 1).argmax(1)  # when one of the two draws hides the pixel
    assert len(set(lost.tolist())) > 2, "each picture has a draw of its own"
    again = metric(network, x, 3 * maps - 1, 1)
    np.testing.assert_array_equal(found.per_item, again.per_item)
    twice = metric(network, x[[0, 0]], maps[:2], 1).per_item
    assert twice[0] == twice[1] == found.per_item[0]


def test_the_classes_that_were_asked_about_are_recorded() -> None:
    network, x, effects = additive()
    effects[1, 0, 0] = np.nan
    values = Deletion(steps=4)(network, x, effects, [2, 0, 1])
    assert values.extras["targets"] == [2, None, 1]
    predicted = Deletion(steps=4)(network, x, np.ones_like(effects)).extras["targets"]
    assert predicted == network(x).argmax(1).tolist()


def test_an_item_is_the_same_alone_and_in_any_batch() -> None:
    x, maps = draw(5, 3, 9, 11, seed=6), np.random.default_rng(7).normal(size=(5, 3, 3))
    maps[3] = 0.0
    metric = InsMinusDel(steps=5)
    together = metric(SmallCNN(), x, maps, [0, 1, 2, 3, 0]).per_item
    alone = [
        metric(SmallCNN(), x[i : i + 1], maps[i : i + 1], [0, 1, 2, 3, 0][i]).per_item[0] for i in range(5)
    ]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    small = metric(SmallCNN(), x, maps, [0, 1, 2, 3, 0], batch_size=2).per_item
    np.testing.assert_allclose(together, small, atol=1e-6)


def test_any_increasing_change_of_a_map_changes_nothing() -> None:
    x, maps = draw(2, 3, 8, 8, seed=6), np.random.default_rng(7).normal(size=(2, 4, 4))
    first, second = (Deletion(steps=5)(SmallCNN(), x, m).per_item for m in (maps, np.exp(3 * maps) + 7))
    np.testing.assert_array_equal(first, second)


def test_a_map_that_is_no_number_is_undefined_and_costs_nothing() -> None:
    maps = np.random.default_rng(7).normal(size=(3, 4, 4))
    maps[1, 2, 2], maps[2, 0, 0] = np.nan, np.inf
    values = Deletion(steps=5)(SmallCNN(), draw(3, 3, 8, 8), maps)
    assert np.isnan(values.per_item).tolist() == [False, True, True] and values.n_undefined == 2
    # Whole picture, filling, and four points between.
    assert values.forwards == 6
    assert InsMinusDel(steps=5)(SmallCNN(), draw(3, 3, 8, 8), maps).forwards == 10


def test_scales_put_the_ends_where_they_say_and_refuse_what_has_none() -> None:
    network, x, effects = additive()
    whole = network(x)[:, 1].detach().double().numpy()
    blank = whole - effects.sum((1, 2))
    options: dict[str, Any] = {"score": "logit", "fill": 0.5, "steps": 7, "order": "pixel"}
    for how, rises in (("span", whole > blank), ("rel", whole > 0)):
        values = Deletion(**options, normalise=how)(network, x, effects, 1)
        assert values.curve is not None
        np.testing.assert_array_equal(values.defined, rises)
        np.testing.assert_allclose(values.curve.y[rises, 0], 1, atol=1e-6)
        ends = np.clip((blank / whole)[rises], 0, 1) if how == "rel" else 0.0
        np.testing.assert_allclose(values.curve.y[rises, -1], ends, atol=1e-5)
        assert values.range == (0.0, 1.0)
    assert Deletion(**options)(network, x, effects, 1).range == (-np.inf, np.inf)
    flat = Insertion(normalise="span")(ConstantPicture(1.0, 2.0), x, effects)
    assert flat.n_undefined == 3


def test_published_steps_are_224_pixels_and_the_last_is_what_is_left() -> None:
    assert len(hidden_counts(224 * 224, 64, 224)) == 225
    assert hidden_counts(20 * 23, 64, 224).tolist() == [0, 224, 448, 460]
    assert (Deletion.published().per_step, Insertion.published().fill) == (224, "blur_11_5")
    values = Insertion.published()(SmallCNN(), draw(1, 3, 20, 23), np.arange(6.0).reshape(1, 2, 3))
    assert values.curve is not None and values.curve.x[1] == pytest.approx(224 / 460)
    assert 0 < values.per_item[0] < 1


@pytest.mark.parametrize(("n_pixels", "steps"), [(1, 64), (35, 5), (30, 7), (49, 9), (10, 10), (6, 64)])
def test_points_of_a_curve_are_the_same_seen_from_either_end(n_pixels: int, steps: int) -> None:
    counts = hidden_counts(n_pixels, steps)
    assert counts[0] == 0 and counts[-1] == n_pixels and (np.diff(counts) > 0).all()
    np.testing.assert_array_equal(counts, n_pixels - counts[::-1])
    assert np.diff(counts).max() - np.diff(counts).min() <= 2


def test_areas_are_in_the_unit_of_the_curve_whatever_the_steps() -> None:
    x = np.array([0.0, 0.1, 0.4, 1.0])
    np.testing.assert_allclose(area(x, np.stack([x, 1 - 2 * x, 0 * x + 3])), [0.5, 0.0, 3.0], atol=1e-12)


def test_a_function_a_module_and_a_backbone_get_the_same_answer_and_stay_as_they_were() -> None:
    network, x, maps = SmallCNN().train(), draw(2, 3, 8, 8), np.random.default_rng(0).normal(size=(2, 8, 8))
    before = torch.get_rng_state()
    first, *others = (
        Deletion(steps=4)(model, x, maps, 1).per_item
        for model in (network, network.__call__, Backbone(network))
    )
    for other in others:
        np.testing.assert_array_equal(first, other)
    assert network.training and torch.equal(before, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_network_runs_in_eval_mode_and_learns_nothing() -> None:
    body = torch.nn.Sequential(torch.nn.BatchNorm2d(3), torch.nn.Dropout(0.5), SmallCNN()).train()
    x, maps = draw(2, 3, 8, 8), np.random.default_rng(0).normal(size=(2, 8, 8))
    first, again = (Deletion(steps=4)(body, x, maps, 1).per_item for _ in range(2))
    np.testing.assert_array_equal(first, again)
    statistics = body[0].running_mean
    assert isinstance(statistics, Tensor) and (statistics == 0).all() and body.training


def test_curves_on_a_scale_are_cut_to_it() -> None:
    y = np.array([[2.0, 5.0, -3.0, 1.0], [2.0, 5.0, -3.0, 2.0]])
    scales: tuple[Normalise, ...] = ("rel", "span")
    rel, span = (normalised(y, y[:, 0], y[:, -1], how) for how in scales)
    np.testing.assert_allclose(rel, [[1, 1, 0, 0.5], [1, 1, 0, 1]])
    np.testing.assert_allclose(span, [[1, 1, 0, 0], [np.nan] * 4])


def test_the_published_blur_is_eleven_pixels_wide_and_keeps_a_plain_picture() -> None:
    plain = torch.full((1, 2, 13, 9), 0.7)
    torch.testing.assert_close(blurred_as_published(plain), plain)
    dot = torch.zeros(1, 1, 31, 31)
    dot[0, 0, 15, 15] = 1.0
    weights = torch.exp(-(torch.arange(-5.0, 6.0) ** 2) / (2 * 5**2))
    wanted = torch.zeros(31)
    wanted[10:21] = weights / weights.sum()
    torch.testing.assert_close(blurred_as_published(dot)[0, 0], wanted[:, None] * wanted)


def test_a_filling_of_the_callers_is_used_and_recorded() -> None:
    network, x, effects = additive()
    values = Deletion(score="logit", steps=4)(network, x, effects, 1, blank=torch.full((3, 1, 1), 0.5))
    wanted = Deletion(score="logit", steps=4, fill=0.5)(network, x, effects, 1)
    np.testing.assert_array_equal(values.per_item, wanted.per_item)
    assert "caller" in values.options["fill"] and wanted.options["fill"] == 0.5


@pytest.mark.parametrize(("metric", "sign"), [(Deletion, -1), (Insertion, 1), (InsMinusDel, 1)])
def test_made_maps_come_out_in_order(metric: Any, sign: int) -> None:
    network, x = LinearPicture((8, 8)), draw(24, 3, 8, 8, seed=1)
    truth = (network.weight[1] * x).sum(1).detach().double().numpy()
    noise = np.random.default_rng(0).normal(size=truth.shape) * truth.std()
    made = [truth, *(truth + level * noise for level in (0.3, 0.7, 1.5, 3.0, 6.0)), noise, -truth]
    asked = metric(score="logit", fill=0.0, steps=16)
    found = [sign * asked(network, x, maps, 1).mean for maps in made]
    assert all(better > worse for better, worse in zip(found, found[1:], strict=False))
    chance = sign * asked(network, x, np.zeros_like(truth), 1).mean
    assert found[5] > chance > found[-1] and abs(found[6] - chance) < 0.1 * (found[0] - found[-1])


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("one map", {"maps": np.zeros((3, 4, 4))}),
        ("one map", {"maps": np.zeros((2, 4))}),
        ("floating tensor", {"pictures": torch.zeros(3, 8, 8)}),
        ("3 targets for 2 pictures", {"targets": [0, 1, 2]}),
        ("broadcasts to the pictures", {"blank": torch.zeros(5, 8, 8)}),
        ("steps is 0", {"steps": 0}),
        ("score is 'logits'", {"score": "logits"}),
        ("order is 'cells'", {"order": "cells"}),
        ("normalise is 'both'", {"normalise": "both"}),
        ("fill is 'blurred'", {"fill": "blurred"}),
    ],
)
def test_what_does_not_fit_is_refused_in_words(words: str, change: dict[str, Any]) -> None:
    given: dict[str, Any] = {
        "pictures": torch.zeros(2, 3, 8, 8),
        "maps": np.eye(4)[None].repeat(2, 0),
        "targets": 0,
    }
    options = {key: change[key] for key in ("steps", "score", "order", "normalise", "fill") if key in change}
    call = given | {key: value for key, value in change.items() if key not in options}
    with pytest.raises(InputError, match=words):
        Deletion(**options)(SmallCNN(), **call)
