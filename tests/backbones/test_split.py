from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from seewhy.backbones.base import Backbone
from seewhy.backbones.layers import FeatureLayer, Probe
from seewhy.backbones.outputs import as_logits
from seewhy.backbones.split import Split
from seewhy.errors import NotSupported
from tests.backbones.networks import Functional, TwoRoads

SIZE = (12, 20)


def pictures(n: int = 2, seed: int = 0) -> Tensor:
    return torch.randn(n, 3, *SIZE, generator=torch.Generator().manual_seed(seed))


def split_of(module: nn.Module, at: str) -> Split:
    return Backbone(module.eval()).split(at, size=SIZE)


class Skip(nn.Module):
    """Features `body`, and a skip around them that carries the picture too."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 4, stride=4)
        self.body = nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head((torch.tanh(self.body(x)) + x).mean((2, 3)))


class WithTable(nn.Module):
    """A table as long as there are pictures crosses the cut, as tables of relative positions do."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.arange(float(rows)))
        self.stem = nn.Conv2d(3, 4, 4, stride=4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.softmax(self.table, 0)
        return torch.einsum("bk,t->bk", self.head(self.stem(x).mean((2, 3))), weights)


class BakedIn(Skip):
    """Keeps the number of pictures as a number, taken before the cut."""

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[0]
        return self.head(self.body(self.stem(x)).reshape(n, 4, -1).mean(2))


class InPlace(Skip):
    """Normalises its input in place, and works on the features in place."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.sub_(0.5)
        x = self.body(self.stem(x))
        x.mul_(3)
        return self.head(torch.relu_(x).mean((2, 3)))


class Noisy(Skip):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + torch.rand(1)


class Mixing(Skip):
    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        return logits - logits.mean(0)


class Ending(nn.Module):
    """One of two convolutions by a look at the values, which tracing cannot follow."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 4, stride=4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(x.mean((2, 3)) if bool(torch.isfinite(x).all()) else x.amax((2, 3)))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(3)


def test_a_traceable_network_is_cut_and_another_is_replayed_by_replacement() -> None:
    cut, replaced = split_of(Skip(), "body"), split_of(Ending(), "stem")
    assert (cut.realisation, cut.why_replacement) == ("graph", "")
    assert replaced.realisation == "replacement"
    assert "cannot be traced" in replaced.why_replacement
    for split in (cut, replaced):
        assert split.replay_error(pictures(5, seed=9)) <= 1e-6


def test_a_number_of_pictures_baked_into_the_graph_is_noticed() -> None:
    split = split_of(BakedIn(), "body")
    assert split.realisation == "replacement"
    assert "the cut graph does not run (RuntimeError)" in split.why_replacement


@pytest.mark.parametrize("module", [Skip(), Ending()], ids=["graph", "replacement"])
def test_the_gradient_of_the_tail_is_that_of_the_whole_network(module: nn.Module) -> None:
    split, x = split_of(module, "stem"), pictures()
    kept: list[Tensor] = []
    handle = module.stem.register_forward_hook(lambda _, __, output: kept.append(output))  # type: ignore[union-attr]
    whole = module(x)
    handle.remove()
    (wanted,) = torch.autograd.grad(whole[:, 1].sum(), kept)
    cut = split.cut(x)
    features = cut.features.requires_grad_()
    (gradient,) = torch.autograd.grad(split.tail(features, cut.rest)[:, 1].sum(), features)
    assert torch.allclose(gradient, wanted, atol=1e-7)


def test_a_skip_is_a_way_around_that_can_be_put_elsewhere() -> None:
    module, x = Skip().eval(), pictures()
    split = split_of(module, "body")
    cut = split.cut(x)
    assert not split.sealed
    (way,) = split.ways_around(cut)
    assert way.name == "skipped around body (network_stem)"
    assert torch.equal(way.value, module.stem(x))
    without = split.tail(cut.features, cut.rest.put(way, torch.zeros_like(way.value)))
    assert torch.allclose(without, module.head(torch.tanh(module.body(module.stem(x))).mean((2, 3))))


def test_a_replacement_with_a_way_around_reports_the_picture_itself() -> None:
    class Roads(TwoRoads):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * (1.0 if bool(torch.isfinite(x).all()) else 0.0)

    module, x = Roads().eval(), pictures()
    split = split_of(module, "see")
    cut = split.cut(x)
    (way,) = split.ways_around(cut)
    assert split.realisation == "replacement" and way.name == "took a way around see"
    blank = split.tail(cut.features, cut.rest.put(way, torch.zeros_like(x)))
    by_hand = module.head(torch.cat([module.see(x).mean((2, 3)), torch.zeros(2, 3)], 1))
    assert torch.allclose(blank, by_hand)


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_a_table_is_no_picture_however_long_it_is(rows: int) -> None:
    module = WithTable(rows).eval()
    split = split_of(module, "stem")
    assert split.realisation == "graph" and split.sealed
    for n in (1, 2, 4):
        cut = split.cut(pictures(n))
        assert split.ways_around(cut) == []
        again = cut.take(torch.arange(n).repeat(3))
        wanted = module(pictures(n)).repeat(3, 1)
        assert torch.allclose(split.tail(again.features, again.rest), wanted, atol=1e-6)


def test_work_in_place_touches_neither_the_pictures_nor_the_features() -> None:
    module, x = InPlace().eval(), pictures()
    wanted = module(x.clone())
    split = split_of(module, "body")
    assert split.realisation == "graph"
    before = x.clone()
    cut = split.cut(x)
    features = cut.features.clone()
    for _ in range(2):
        assert torch.allclose(split.tail(cut.features, cut.rest), wanted, atol=1e-6)
    assert torch.equal(x, before) and torch.equal(cut.features, features)
    leaf = cut.features.clone().requires_grad_()
    assert torch.autograd.grad(split.tail(leaf, cut.rest).sum(), leaf)[0].abs().sum() > 0


def test_a_module_called_twice_is_replayed_at_the_call_that_was_chosen() -> None:
    module, x = Functional().eval(), pictures()
    backbone = Backbone(module)
    calls = {c.layer.call for c in backbone.layers(size=SIZE) if c.layer.name == "act"}
    split = backbone.split("act", size=SIZE)
    assert calls == {0, 1} and split.layer.call == 1
    assert "called 2 times" in split.why_replacement
    features = split.cut(x).features
    inner = torch.relu(module.second(torch.relu(module.first(x))))
    assert torch.allclose(features, torch.relu(module.third(inner)), atol=1e-6)


def test_cuts_of_some_pictures_can_be_selected_and_repeated() -> None:
    module, x = Skip().eval(), pictures(3)
    split = split_of(module, "body")
    cut = split.cut(x).take(torch.tensor([2, 0, 0, 1, 2]))
    assert cut.rest.n == 5
    assert torch.allclose(split.tail(cut.features, cut.rest), module(x)[[2, 0, 0, 1, 2]], atol=1e-6)


@pytest.mark.parametrize("module", [Noisy(), Mixing()], ids=["noisy", "mixing"])
def test_a_network_whose_answer_depends_on_more_than_the_picture_is_refused(module: nn.Module) -> None:
    layer = FeatureLayer("body", "bchw", (3, 5), 4, model_size=SIZE)
    probe = Probe(module.eval(), 30 * pictures(), as_logits)
    with pytest.raises(NotSupported) as error:
        Split.at(probe, layer, sealed=False)
    assert f"Replaying {type(module).__name__} from 'body' changes its logits" in str(error.value)
    assert "not deterministic, keeps state between calls or mixes pictures" in str(error.value)


def test_a_layer_that_does_not_run_for_an_input_is_named() -> None:
    class Choosy(Ending):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) if bool(x.any()) else torch.zeros(len(x), 3)

    split = split_of(Choosy(), "stem")
    with pytest.raises(NotSupported, match="'stem' was not called for this input"):
        split.cut(torch.zeros(1, 3, *SIZE))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("module", [Skip(), Ending()], ids=["graph", "replacement"])
def test_other_precisions_replay(module: nn.Module, dtype: torch.dtype) -> None:
    module = module.to(dtype).eval()
    split, x = split_of(module, "stem"), pictures().to(dtype)
    cut = split.cut(x)
    assert cut.features.dtype == dtype and split.sealed
    assert torch.allclose(split.tail(cut.features, cut.rest), module(x))


def test_a_way_that_no_rest_has_is_a_bug() -> None:
    split = split_of(Skip(), "body")
    cut = split.cut(pictures())
    (way,) = split.ways_around(cut)
    with pytest.raises(AssertionError, match="unknown way"):
        cut.rest.put(replace(way, key=("elsewhere",)), way.value)
