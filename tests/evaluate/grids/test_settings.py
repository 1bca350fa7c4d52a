"""Grids of pictures: how they are made, what the three settings compute, and who reaches which score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

from seewhy.attribution.base import Method, Raw
from seewhy.attribution.gradcam import GradCAM
from seewhy.attribution.occlusion import Occlusion
from seewhy.errors import InputError, NotSupported
from seewhy.evaluate.grids.networks import GridNetwork, Parts
from seewhy.evaluate.grids.pictures import Grids, make_grids, shares_of_cells, tiled, untiled
from seewhy.evaluate.grids.settings import DiFull, DiPart, GridPG
from seewhy.evaluate.statistics import interval, paired
from tests.attribution.small_networks import LinearPicture, SmallCNN, draw

CELL = (8, 12)


def some_grids(n_pictures: int = 16, n: int = 2, *, size: tuple[int, int] = CELL, **options: Any) -> Grids:
    labels = np.arange(n_pictures) % 4
    return make_grids(draw(n_pictures, 3, *size, seed=2), labels, np.ones(n_pictures), n, **options)


def parts() -> Parts:
    return Parts.of(SmallCNN(), CELL)


@dataclass(frozen=True)
class Told(Method):
    """Input times gradient's positive part with noise; None for noise alone, -1 for where it is not."""

    level: float | None = 0.0

    name: ClassVar[str] = "told"
    paper: ClassVar[str] = "none"
    needs: ClassVar[frozenset[Any]] = frozenset({"gradient"})

    def attribute(self, question: Any) -> Raw:
        x = question.x.detach().requires_grad_()
        with torch.enable_grad():
            logits = question.backbone.read_logits(question.backbone.module(x))
            (gradient,) = torch.autograd.grad(logits.gather(1, question.rows[:, None]).sum(), x)
        truth = ((x * gradient).sum(1) > 0).float()
        noise = torch.from_numpy(np.random.default_rng(0).random(truth.shape)).to(truth)
        if self.level is None:
            return Raw(noise)
        return Raw(1 - truth if self.level < 0 else truth + self.level * noise)


class Flattened(nn.Module):
    """A network whose head knows one size of features only."""

    def __init__(self) -> None:
        super().__init__()
        self.body = SmallCNN().stem
        self.head = nn.Linear(6 * 4 * 6, 4)
        with torch.no_grad():
            self.head.weight.copy_(draw(4, 144, seed=1))
            self.head.bias.copy_(draw(4, seed=2))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).flatten(1))


def test_each_grid_has_different_classes_and_each_picture_is_used_once() -> None:
    labels = np.array([0] * 5 + [1] * 3 + [2] * 3 + [3] * 2 + [4] * 2 + [5])
    grids = make_grids(draw(16, 3, 2, 3), labels, np.ones(16), 2, seed=5)
    # g grids use at most g pictures of a class: of 5, 3, 3, 2, 2 and 1, four grids would find 15 of 16.
    assert len(grids) == 3
    assert len(set(grids.index.ravel())) == 12
    assert all(len(set(row)) == 4 for row in grids.labels)
    np.testing.assert_array_equal(grids.labels, labels[grids.index])
    assert len(make_grids(draw(16, 3, 2, 3), labels, np.ones(16), 2, most=2)) == 2


def test_only_pictures_of_which_every_network_is_sure_are_used() -> None:
    labels, sure = np.arange(12) % 4, np.ones((2, 12))
    sure[0, :3], sure[1, 3] = 0.98, 0.5
    grids = make_grids(draw(12, 3, 2, 2), labels, sure, 2)
    assert sorted(grids.index.ravel()) == list(range(4, 12))
    with pytest.raises(InputError, match=r"8 of 12 pictures.*\n.*9 classes"):
        make_grids(draw(12, 3, 2, 2), labels, sure, 3)


def test_corners_may_share_a_class_but_no_picture() -> None:
    grids = some_grids(same_corners=True)
    assert (grids.labels[:, 0] == grids.labels[:, 3]).all() and len(
        set(grids.index.ravel())
    ) == grids.index.size
    assert all(len(set(row)) == 3 for row in grids.labels)


@pytest.mark.parametrize("same_corners", [False, True])
def test_the_seed_decides_and_every_class_stands_anywhere(same_corners: bool) -> None:
    labels = np.repeat(np.arange(4), [40, 30, 20, 20])
    pictures, sure = draw(110, 3, 1, 1), np.ones(110)
    first, again, other = (
        make_grids(pictures, labels, sure, 2, seed, same_corners=same_corners) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.index, again.index)
    assert (first.index != other.index).any()
    assert all(len(set(first.labels[:5, cell])) > 1 for cell in (1, 2))


def test_a_grid_shows_its_pictures_row_by_row() -> None:
    grids = some_grids()
    made = grids.picture(slice(0, 2))
    assert made.shape == (2, 3, 16, 24) == (2, 3, *grids.size)
    assert torch.equal(made[1, :, :8, 12:], grids.pictures[grids.index[1, 1]])
    assert torch.equal(made[1, :, 8:, :12], grids.pictures[grids.index[1, 2]])
    assert torch.equal(tiled(untiled(made, 2), 2), made)


def test_shares_are_parts_of_the_positive_relevance() -> None:
    maps = np.zeros((5, 4, 6))
    maps[0] = 2.0
    maps[1, 0, 0], maps[1, 3, 5], maps[1, 0, 5] = 3.0, 1.0, -8.0
    maps[2] = -1.0
    maps[3] = 1e-9
    maps[4, 0, 0] = np.nan
    shares = shares_of_cells(maps, 2)
    np.testing.assert_allclose(shares[:2], [[0.25] * 4, [0.75, 0, 0, 0.25]])
    assert np.isnan(shares[[2, 4]]).all()
    zeros = shares_of_cells(maps, 2, "zero")
    assert (zeros[2:4] == 0).all() and np.isnan(zeros[4]).all()


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1.0, 1e9, 1e307])
def test_the_scale_of_a_map_does_not_decide_whether_it_has_relevance(scale: float) -> None:
    maps = np.zeros((2, 4, 6))
    maps[0, :2, :3], maps[0, 3, 5] = 6.0, -2.0
    maps[1], maps[1, 0, 0] = -1.0, 1e-9  # positive mass that is rounding beside the rest
    shares = shares_of_cells(scale * maps, 2)
    np.testing.assert_allclose(shares[0], [1, 0, 0, 0])
    assert np.isnan(shares[1]).all()
    as_published = shares_of_cells(scale * maps[:1], 2, "zero")[0, 0]
    assert as_published == (scale > 1e-8)


def test_a_linear_network_on_cells_gets_full_marks_in_difull() -> None:
    linear = LinearPicture(CELL, classes=4)
    for method in ("input_x_gradient", "integrated_gradients", "saliency"):
        values = DiFull()(linear, some_grids(), method)
        np.testing.assert_allclose(values.per_item, 1.0, atol=1e-9)
        assert len(values) == 8 and values.n_undefined == 0
    assert values.extras["cells"] == (0, 3)


def test_occlusion_leaves_a_cell_as_far_as_its_patches_do() -> None:
    linear, grids = LinearPicture(CELL, classes=4), some_grids()
    # Patches of 4 x 4 pixels side by side end where the cells of 8 x 12 do; of 5 x 5 they reach over.
    within, over = (DiFull()(linear, grids, Occlusion(window=p, stride=p)) for p in (4, 5))
    np.testing.assert_allclose(within.per_item, 1.0, atol=1e-4)  # logits are float32
    assert 0.5 < over.mean < 0.999 and over.per_item.max() <= 1


def test_what_was_asked_is_recorded_and_items_of_a_grid_belong_together() -> None:
    values = DiFull()(SmallCNN(), some_grids(), GradCAM())
    assert values.groups is not None and values.groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert values.extras["method"] == "gradcam" and values.extras["at"] == "grid"
    assert values.options["side"] == 2
    pixels = DiFull()(SmallCNN(), some_grids(), Occlusion(window=4, stride=4))
    assert pixels.extras["method_options"]["window"] == 4 and pixels.extras["at"] is None
    assert interval(values).n_groups == 4 == paired(values, pixels).n / 2


@pytest.mark.parametrize("metric", [DiFull(), GridPG()])
def test_a_layer_for_a_method_that_reads_none_is_refused(metric: Any) -> None:
    with pytest.raises(InputError, match=r"at is 'grid', and the method 'input_x_gradient'.\n.*reads none"):
        metric(SmallCNN(), some_grids(), "input_x_gradient", at="grid")
    assert metric(SmallCNN(), some_grids(), "gradcam", at="grid").extras["at"] == "grid"


@pytest.mark.parametrize("metric", [DiFull(native=True), DiPart(native=True), GridPG(native=True)])
def test_each_setting_puts_the_truth_above_noise_and_noise_above_the_inverse(metric: Any) -> None:
    """A method that is told the truth, or noise, or the opposite, in place of one that looks."""
    labels = np.arange(40) % 4
    shining = torch.nn.functional.one_hot(torch.tensor(labels), 4)[:, :, None, None].float()
    grids = make_grids(shining * draw(40, 4, *CELL).abs(), labels, np.ones(40), 2)
    colours = Parts(nn.ReLU(), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    means = [metric(colours, grids, Told(level)).mean for level in (0.0, 0.3, 1.0, 3.0, None, -1.0)]
    assert means[0] == pytest.approx(1.0) and all(a > b for a, b in zip(means, means[1:], strict=False))
    assert means[4] == pytest.approx(0.25, abs=0.02) and means[5] < 0.01


@pytest.mark.parametrize("method", ["hirescam", "input_x_gradient"])
def test_on_features_of_cells_apart_an_exact_map_stays_in_its_cell(method: str) -> None:
    values = DiFull(native=True)(SmallCNN(), some_grids(), method)
    np.testing.assert_allclose(values.per_item[values.defined], 1.0, atol=1e-12)
    assert values.defined.sum() >= 6


def test_enlarging_a_coarse_map_carries_relevance_over_the_border() -> None:
    values = DiFull()(SmallCNN(), some_grids(), "hirescam")
    assert 0.7 < values.mean < 0.999


def test_a_map_that_weighs_channels_alone_is_found_out() -> None:
    blind, exact = (DiFull(native=True)(SmallCNN(), some_grids(), name) for name in ("eigencam", "hirescam"))
    assert blind.mean < 0.5 < exact.mean


@pytest.mark.parametrize("cell", [0, 3])
def test_other_cells_reach_no_bit_of_difull(cell: int) -> None:
    network = GridNetwork(parts(), 2, "difull", cell)
    cells = untiled(some_grids().picture(), 2)
    others = [i for i in range(4) if i != cell]
    moved = cells.clone()
    moved[:, others] = cells[:, others[1:] + others[:1]]
    assert torch.equal(network(tiled(cells, 2)), network(tiled(moved, 2)))
    assert not torch.equal(network(tiled(cells, 2)), network(tiled(cells[:, [3, 1, 2, 0]], 2)))


@pytest.mark.parametrize("lone", [False, True])
def test_difull_gives_the_logits_of_the_picture_itself(lone: bool) -> None:
    grids = some_grids()
    for cell in grids.corners:
        network = GridNetwork(parts(), 2, "difull", cell, lone=lone)
        plain = SmallCNN()(grids.pictures[grids.index[:, cell]])
        torch.testing.assert_close(network(grids.picture()), plain)


def test_dipart_lets_others_in_as_far_as_the_features_look_over_the_border() -> None:
    network, grid = GridNetwork(parts(), 2, "dipart", 3), some_grids().picture()
    x = grid.requires_grad_()
    (gradient,) = torch.autograd.grad(network(x)[:, 1].sum(), x)
    touched = (gradient != 0).any(0).any(0)
    # Two convolutions of width 3 and stride 2 look 3 pixels up and to the left, none beyond.
    assert touched[5:, 9:].any() and not touched[:5].any() and not touched[:, :9].any()
    assert touched[5:8].any() and touched[:, 9:12].any()


def test_gridpg_is_the_network_on_the_grid() -> None:
    grid = some_grids().picture()
    torch.testing.assert_close(GridNetwork(parts(), 2, "gridpg")(grid), SmallCNN()(grid))
    values = GridPG()(SmallCNN(), some_grids(), "input_x_gradient")
    assert len(values) == 16 and values.extras["cells"] == (0, 1, 2, 3)


@pytest.mark.parametrize("metric", [GridPG(native=True), DiPart(native=True), DiFull(native=True)])
@pytest.mark.parametrize("method", ["input_x_gradient", "hirescam"])
def test_a_network_that_tells_classes_by_colour_is_found_in_the_cell_of_each(
    metric: Any, method: str
) -> None:
    """Class k is what shines in channel k, and pictures of class k shine in no other."""
    labels = np.arange(12) % 4
    shining = torch.nn.functional.one_hot(torch.tensor(labels), 4)[:, :, None, None].float()
    grids = make_grids(shining * draw(12, 4, *CELL).abs(), labels, np.ones(12), 2)
    colours = Parts(nn.ReLU(), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    values = metric(colours, grids, method)
    np.testing.assert_allclose(values.per_item, 1.0)


def test_all_cells_of_a_grid_share_what_there_is_if_a_map_knows_no_class() -> None:
    values = GridPG(native=True)(SmallCNN(), some_grids(), "eigencam")
    np.testing.assert_allclose(values.per_item.reshape(-1, 4).sum(1), 1.0, atol=1e-9)


def test_a_head_for_one_size_slides_over_the_grid() -> None:
    network, grids = Flattened(), some_grids()
    cut = Parts.of(network, CELL, at="body")
    features = cut.features(grids.picture())
    slow = [network.head(features[:, :, i : i + 4, j : j + 6].flatten(1)) for i in range(5) for j in range(7)]
    sliding = GridNetwork(cut, 2, "gridpg", head="slide")
    torch.testing.assert_close(sliding(grids.picture()), torch.stack(slow).mean(0))
    assert GridPG(head="slide")(cut, grids, "input_x_gradient").n_undefined == 0
    with pytest.raises(NotSupported, match=r'(?s)does not take.*head="slide"'):
        GridPG()(cut, grids, "input_x_gradient")


def test_a_constant_picture_and_a_negative_map_are_undefined_or_zero() -> None:
    pictures = torch.zeros(4, 3, *CELL)
    grids = make_grids(pictures, np.arange(4), np.ones(4), 2)
    assert DiFull()(SmallCNN(), grids, "input_x_gradient").n_undefined == 2
    assert (DiFull(undefined="zero")(SmallCNN(), grids, "input_x_gradient").per_item == 0).all()


def test_parts_of_a_network_make_the_network_and_leave_it_alone() -> None:
    network, x = SmallCNN().train(), draw(2, 3, *CELL)
    cut = Parts.of(network, CELL)
    torch.testing.assert_close(cut.head(cut.features(x)), network(x))
    values = DiPart()(network, some_grids(), "gradcam")
    assert network.training and all(p.grad is None for p in network.parameters())
    again = DiPart()(cut, some_grids(), "gradcam")
    np.testing.assert_array_equal(values.per_item, again.per_item)


def test_a_grid_is_scored_the_same_alone_and_among_others() -> None:
    grids = some_grids()
    alone = [
        DiPart()(
            SmallCNN(), Grids(grids.pictures, grids.index[i : i + 1], grids.labels[i : i + 1], 2), "layercam"
        )
        for i in range(len(grids))
    ]
    together = DiPart()(SmallCNN(), grids, "layercam").per_item
    np.testing.assert_allclose(together, np.concatenate([each.per_item for each in alone]), atol=1e-6)


def test_transformers_run_in_difull_and_are_refused_elsewhere() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.VisionTransformer(64, 16, 2, 4, 32, 64, num_classes=4).eval()
        nn.init.normal_(network.heads.head.weight)
    grids = some_grids(4, size=(64, 64))
    values = DiFull()(network, grids, "input_x_gradient")
    np.testing.assert_allclose(values.per_item, 1.0)
    for metric, method, words in (
        (GridPG(), "input_x_gradient", "are no grid"),
        (DiPart(), "input_x_gradient", "are no grid"),
        (DiFull(), "gradcam", "are no grid"),
        (DiFull(), "attention_relevance", "reads the attention"),
    ):
        with pytest.raises(NotSupported, match=words) as caught:
            metric(network, grids, method)
        assert str(caught.value).count("\n") == 2


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("one label", {"labels": np.arange(3)}),
        ("one label", {"confidences": np.ones((4, 2))}),
        ("at least 2 cells", {"n": 1}),
    ],
)
def test_pictures_that_make_no_grid_are_refused_in_words(words: str, change: dict[str, Any]) -> None:
    given: dict[str, Any] = {"labels": np.arange(4), "confidences": np.ones(4), "n": 2}
    with pytest.raises(InputError, match=words):
        make_grids(draw(4, 3, 2, 2), **(given | change))


def test_unknown_options_are_refused_in_words() -> None:
    wrong: Any = "none"
    with pytest.raises(InputError, match="undefined is 'none'"):
        DiFull(undefined=wrong)
    with pytest.raises(InputError, match="head is 'none'"):
        GridPG(head=wrong)


def test_made_maps_come_out_in_order() -> None:
    rng, inside = np.random.default_rng(0), np.kron([[1.0, 0.0], [0.0, 0.0]], np.ones(CELL))
    noise = rng.random((50, *inside.shape))
    levels = [0.0, 0.1, 0.3, 1.0, 3.0, 10.0]
    found = [shares_of_cells(inside + level * noise, 2)[:, 0].mean() for level in levels]
    assert found[0] == 1.0 and all(a > b for a, b in zip(found, found[1:], strict=False))
    assert shares_of_cells(noise, 2)[:, 0].mean() == pytest.approx(0.25, abs=0.01)
    assert found[-1] > 0.25 and shares_of_cells(1 - inside[None], 2)[0, 0] == 0.0


def test_features_that_do_not_follow_the_grid_are_refused() -> None:
    pooled = Parts(nn.AdaptiveAvgPool2d(3), nn.Flatten())
    with pytest.raises(NotSupported, match="its cells put together have"):
        DiPart()(pooled, some_grids(), "input_x_gradient")
    flat = Parts(nn.Flatten(), nn.LazyLinear(4))
    with pytest.raises(NotSupported, match=r"are no \(b, d, h, w\)"):
        DiFull()(flat, some_grids(), "input_x_gradient")
