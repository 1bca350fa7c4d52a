"""The rest of a network as a function of concepts, against the plain network with its layer replaced by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from seewhy.attribution.engine import Engine
from seewhy.backbones.base import Backbone
from seewhy.concepts.base import Dictionary
from seewhy.concepts.factorise import NMF, PCA, KMeans, SemiNMF
from seewhy.importance.concept_tail import ConceptTail
from seewhy.importance.integrated_gradients import IntegratedGradients
from seewhy.importance.occlusion import Occlusion
from seewhy.importance.shares import is_affine
from tests.models.detectors import last_block, put, small

ROWS = [2, 0, 2]
SIZE = (9, 13)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def masks(n: int, k: int, seed: int = 1) -> Tensor:
    return torch.rand(n, k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def asked(
    tail: Callable[[], nn.Module] | None,
    dictionary: Dictionary,
    *,
    affine: bool | None = None,
    batch: int = 7,
    rows: list[int] = ROWS,
) -> tuple[ConceptTail, nn.Module, Tensor]:
    """The tail of three pictures, the plain module, and the pictures."""
    module, x = small(tail), draw(3, 3, *SIZE)
    split = Backbone(module, layer="1").split(size=SIZE)
    cut = split.cut(x)
    dictionary.fit(cut.features.movedim(1, 3).flatten(0, 2))
    found = is_affine(split, cut) if affine is None else affine
    return ConceptTail(split, cut, dictionary, rows, affine=found, engine=Engine(batch)), module, x


def by_hand(function: ConceptTail, module: nn.Module, x: Tensor, mask: Tensor, b: int) -> float:
    """F of one picture at one mask: the layer's output replaced by mean + sum of masked codes times atoms."""
    space = function.space
    assert isinstance(space, Dictionary)
    codes = function.codes[b] * mask[:, None, None]
    features = torch.einsum("khw,kc->chw", codes, space.atoms.double()) + space.mean.double()[:, None, None]
    return float(put(module, "1", x[b : b + 1], lambda _: features[None])[0, int(function.rows[b])])


@pytest.mark.parametrize("tail", [None, last_block], ids=["affine", "not affine"])
@pytest.mark.parametrize("kind", [NMF, PCA, SemiNMF, KMeans])
def test_f_is_the_plain_network_on_masked_codes(
    tail: Callable[[], nn.Module] | None, kind: type[Dictionary]
) -> None:
    function, module, x = asked(tail, kind(4))
    assert function.affine == (tail is None)
    m = masks(6, 4)
    m[0], m[1] = 0, 1
    found = function(m)
    expected = [[by_hand(function, module, x, row, b) for b in range(3)] for row in m]
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("tail", [None, last_block], ids=["affine", "not affine"])
def test_each_asks_every_picture_about_its_own_masks(tail: Callable[[], nn.Module] | None) -> None:
    function, _, _ = asked(tail, PCA(3))
    m = masks(15, 3).view(3, 5, 3)
    everyone = function(m.reshape(15, 3)).view(3, 5, 3)
    for b in range(3):
        np.testing.assert_allclose(function.each(m)[b], everyone[b, :, b], atol=1e-12)
    assert function.each(m[:, :0]).shape == (3, 0)


@pytest.mark.parametrize("tail", [None, last_block], ids=["affine", "not affine"])
def test_the_gradient_is_that_of_finite_differences(tail: Callable[[], nn.Module] | None) -> None:
    function, _, _ = asked(tail, NMF(3))
    m, step = masks(4, 3), 1e-5
    found = function.gradient(m)
    assert found.shape == (4, 3, 3)
    for k in range(3):
        move = step * torch.eye(3, dtype=torch.float64)[k]
        slope = (function(m + move) - function(m - move)) / (2 * step)
        np.testing.assert_allclose(found[:, :, k], slope, atol=1e-8)


@pytest.mark.parametrize("tail", [None, last_block], ids=["affine", "not affine"])
def test_batches_of_one_give_the_same(tail: Callable[[], nn.Module] | None) -> None:
    (one, _, _), (many, _, _) = (asked(tail, SemiNMF(3), batch=n) for n in (1, 64))
    m = masks(5, 3)
    for ask in (lambda f: f(m), lambda f: f.gradient(m), lambda f: f.by_place(), lambda f: f.remainder()):
        np.testing.assert_allclose(ask(one), ask(many), atol=1e-12)


def test_the_closed_form_is_what_the_affine_tail_answers() -> None:
    (short, _, _), (long, _, _) = (asked(None, PCA(4), affine=affine) for affine in (True, False))
    m = masks(5, 4)
    np.testing.assert_allclose(short(m), long(m), atol=1e-10)
    np.testing.assert_allclose(short.gradient(m), long.gradient(m), atol=1e-10)
    # One pass for F(0) and one for the slope, of each class: what is asked does not count.
    assert short.n_evaluations == 2 * len(set(ROWS)) and long.n_evaluations == 2 * 5 * 3


def test_terms_by_place_sum_to_the_coefficients_and_are_the_heads_by_hand() -> None:
    function, module, _ = asked(None, NMF(4))
    base, coefficients = function.line()
    np.testing.assert_allclose(function.by_place().sum((2, 3)), coefficients, atol=1e-12)
    assert isinstance(function.space, NMF)
    head = module[2][2]
    directions = function.space.atoms.double() @ head.weight.detach()[ROWS].T  # (k, b)
    by_place = (
        function.codes * directions.T[:, :, None, None] / (function.codes.shape[2] * function.codes.shape[3])
    )
    np.testing.assert_allclose(function.by_place(), by_place, atol=1e-9)
    np.testing.assert_allclose(base, head.bias.detach()[ROWS], atol=1e-9)


def test_terms_by_place_of_another_tail_are_gradient_times_code_of_each_picture() -> None:
    function, _, _ = asked(last_block, NMF(3))
    slope = function.gradient(torch.ones(1, 3, dtype=torch.float64))[0]
    np.testing.assert_allclose(function.by_place().sum((2, 3)), slope, atol=1e-12)
    assert not np.allclose(slope[0] / function.codes[0].sum((1, 2)), slope[2] / function.codes[2].sum((1, 2)))


class Beside(nn.Module):
    """Affine in its features and in the mean of the picture, which goes around them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.act, self.join = nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.join(torch.cat([self.act(self.stem(x)).mean((2, 3)), x.mean((2, 3))], 1))


def test_what_goes_around_the_features_is_in_each_pictures_own_base() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Beside().double().eval()
    split, x = Backbone(module, layer="act").split(size=SIZE), draw(4, 3, *SIZE)
    cut = split.cut(x)
    space = NMF(2).fit(cut.features.movedim(1, 3).flatten(0, 2))
    assert split.ways_around(cut)
    function = ConceptTail(split, cut, space, [1, 1, 0, 1], affine=True, engine=Engine(3))
    base, _ = function.line()
    for b, row in enumerate([1, 1, 0, 1]):
        nothing = put(module, "act", x[b : b + 1], torch.zeros_like)[0, row]
        assert float(base[b]) == pytest.approx(float(nothing), abs=1e-9)


@pytest.mark.parametrize("tail", [None, last_block], ids=["affine", "not affine"])
def test_the_remainder_is_the_plain_logit_less_that_of_the_reconstruction(
    tail: Callable[[], nn.Module] | None,
) -> None:
    function, module, x = asked(tail, NMF(2))
    with torch.no_grad():
        plain = module(x)[torch.arange(3), torch.tensor(ROWS)]
    named = [by_hand(function, module, x, torch.ones(2).double(), b) for b in range(3)]
    np.testing.assert_allclose(function.remainder(), plain.numpy() - named, atol=1e-9)
    assert function.remainder().abs().max() > 1e-3


def test_methods_see_the_same_tail_in_closed_form_and_by_asking() -> None:
    short, long = (asked(None, NMF(4), affine=affine)[0] for affine in (True, False))
    assert short.n_evaluations == 0
    for method in (Occlusion(), IntegratedGradients()):
        exact, estimated = (method.measure(f, 4) for f in (short, long))
        np.testing.assert_allclose(exact.values, estimated.values, atol=1e-6)
    assert short.n_evaluations == 4 < long.n_evaluations


def test_the_class_token_stays_as_the_picture_gives_it() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vit = (
            timm.create_model("vit_tiny_patch16_224", img_size=(32, 48), depth=3, num_classes=5)
            .double()
            .eval()
        )
    split = Backbone(vit, layer="blocks.1").split(size=(32, 48))
    x = draw(2, 3, 32, 48)
    cut = split.cut(x)
    space = SemiNMF(3).fit(cut.features.movedim(1, 3).flatten(0, 2))
    function = ConceptTail(split, cut, space, [4, 1], affine=False, engine=Engine(3))
    m = masks(3, 3)
    found = function(m)
    for i, b in np.ndindex(3, 2):
        codes = function.codes[b] * m[i][:, None, None]
        tokens = torch.einsum("khw,kc->hwc", codes, space.atoms.double()).reshape(1, -1, vit.embed_dim)
        logits = put(vit, "blocks.1", x[b : b + 1], lambda out, t=tokens: torch.cat([out[:, :1], t], 1))
        assert float(found[i, b]) == pytest.approx(float(logits[0, [4, 1][b]]), abs=1e-9)


def test_it_leaves_no_trace_and_works_inside_inference_mode() -> None:
    expected = asked(last_block, NMF(3))[0].gradient(masks(2, 3))
    function, module, _ = asked(last_block, NMF(3))
    with torch.inference_mode():
        found = function(masks(2, 3))
    np.testing.assert_allclose(function.gradient(masks(2, 3)), expected, atol=1e-12)
    assert torch.isfinite(found).all()
    assert all(p.grad is None for p in module.parameters()) and not module.training
