"""Concepts as outputs of a network: the exact derivative of the codes, and any attribution method on them."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from torch import Tensor, nn

import seewhy as sw
from seewhy.backbones.base import Backbone
from seewhy.images.preprocess import Preprocess
from seewhy.models.concept_net import ConceptNet
from seewhy.models.craft import CRAFT
from tests.models.detectors import COLOURS, RECIPE, backbone, conv, head, pictures, squares

SIZE = (10, 14)


def textured(double: bool = False) -> nn.Sequential:
    """A seeded network whose features overlap: codes are a true least-squares problem."""
    made = nn.Sequential(
        nn.Conv2d(3, 8, 3, 1, 1),
        nn.ReLU(),
        nn.Conv2d(8, 6, 3, 2, 1),
        nn.ReLU(),
        *head([[1.0] * 6, [-1.0] * 6], [0.0, 0.0]),
    )
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made[:4].parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / parameter[0].numel() ** 0.5)
    return (made.double() if double else made).eval()


def noise(n: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (n, *SIZE, 3), dtype=np.uint8))


def overlapping(**options: Any) -> CRAFT:
    net = Backbone(textured(), preprocess=Preprocess(SIZE, mean=0.5, std=0.25), layer="3")
    return CRAFT(net, n_concepts=4, groups="all", **options).fit(noise(20))


def scores(module: nn.Module, atoms: np.ndarray, x: Tensor) -> np.ndarray:
    """Summed codes by SciPy's solver, place by place."""
    with torch.no_grad():
        places = module[:4](x)[0].flatten(1).T.numpy()
    return sum(nnls(atoms.T, place)[0] for place in places)


def test_its_logits_are_the_codes_summed_over_places() -> None:
    craft = overlapping()
    net, exact = craft.concept_backbone("all"), textured(double=True)
    atoms = craft.groups["all"].dictionary.atoms.double().numpy()
    batch = net.tensor(sw.read_images(noise(3)))
    with torch.no_grad():
        found = net.logits(batch.x)
    for i in range(3):
        np.testing.assert_allclose(found[i], scores(exact, atoms, batch.x[i : i + 1].double()), atol=1e-4)
    assert net.classes == ("concept 0", "concept 1", "concept 2", "concept 3")
    assert net.name == "Sequential, concepts of all"


def test_its_gradient_is_that_of_finite_differences_of_an_independent_solver() -> None:
    craft = overlapping()
    net, exact = craft.concept_backbone(0), textured(double=True)
    atoms = craft.groups["all"].dictionary.atoms.double().numpy()
    x = net.tensor(sw.read_images(noise(1))).x
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(net.logits(leaf)[0, 2], leaf)
    step, generator = 1e-5, np.random.default_rng(2)
    for _ in range(12):
        c, i, j = (int(generator.integers(n)) for n in (3, *SIZE))
        move = torch.zeros_like(x, dtype=torch.float64)
        move[0, c, i, j] = step
        up, down = (scores(exact, atoms, x.double() + sign * move)[2] for sign in (1, -1))
        assert float(gradient[0, c, i, j]) == pytest.approx((up - down) / (2 * step), abs=2e-4)
    answer = sw.attribute(noise(1)[0], net, "saliency", target="concept 2")
    assert isinstance(answer, sw.AttributionMap)
    np.testing.assert_allclose(answer.map, gradient[0].abs().amax(0), atol=1e-5)


@pytest.mark.parametrize("method", ["hirescam", "gradcam", "saliency", "input_x_gradient"])
def test_a_colours_concept_is_where_the_colour_is(method: str) -> None:
    craft = CRAFT(backbone(), n_concepts=3, groups="all").fit(pictures(30))
    dictionary = craft.groups["all"].dictionary
    photo = squares({(0, 1): ("red", 255), (3, 4): ("blue", 255)})
    for colour, cell in (("red", (0, 1)), ("blue", (3, 4))):
        k = dictionary.atoms.argmax(1).tolist().index(COLOURS.index(colour))
        answer = sw.attribute(photo, craft.concept_backbone("warm"), method, target=f"concept {k}")
        assert isinstance(answer, sw.AttributionMap)
        rows, columns = answer.map.shape
        peak = np.unravel_index(int(np.abs(answer.map).argmax()), answer.map.shape)
        assert (peak[0] * 4 // rows, peak[1] * 6 // columns) == cell, method


def test_perturbation_methods_work_too() -> None:
    craft = overlapping()
    answer = sw.attribute(noise(1)[0], craft.concept_backbone(1), sw.method("rise", masks=60), target=3)
    assert isinstance(answer, sw.AttributionMap)
    assert np.isfinite(answer.map).all() and answer.map.any() and answer.target.name == "concept 3"


@pytest.mark.parametrize("mode", [True, False])
def test_the_users_module_is_left_as_it_was(mode: bool) -> None:
    module = nn.Sequential(*textured()[:4], nn.Dropout(0.5), *head([[1.0] * 6], [0.0])).train(mode)
    net = Backbone(module, preprocess=Preprocess(SIZE), layer="3")
    craft = CRAFT(net, n_concepts=2, groups="all").fit(noise(10))
    before = copy.deepcopy(module.state_dict())
    concepts = craft.concept_backbone(0)
    for method in ("saliency", "hirescam"):
        sw.attribute(noise(1)[0], concepts, method, target=0)
    assert concepts.module.training == mode and all(m.training == mode for m in module.modules())
    after = module.state_dict()
    assert list(after) == list(before) and all(torch.equal(after[n], v) for n, v in before.items())
    assert all(p.grad is None and p.requires_grad for p in module.parameters())
    assert not any(m._forward_hooks or m._backward_hooks for m in module.modules())


def test_nets_of_two_dictionaries_have_two_fingerprints_and_keep_what_is_known_of_the_network() -> None:
    net = Backbone(textured(), preprocess=Preprocess(SIZE, mean=0.5, std=0.25), layer="3", untrained=True)
    one, two = (CRAFT(net, n_concepts=k, groups="all").fit(noise(20)) for k in (3, 4))
    first, second = one.concept_backbone(0), two.concept_backbone(0)
    assert len({net.fingerprint(), first.fingerprint(), second.fingerprint()}) == 3
    assert first.untrained and first.preprocess is net.preprocess and first.input_size == SIZE
    answer = sw.attribute(noise(1)[0], first, "saliency", target=0)
    assert isinstance(answer, sw.AttributionMap) and "untrained: random weights" in answer.meta.warnings


def test_without_a_preprocessing_the_size_is_the_networks_own() -> None:
    class Sized(nn.Sequential):
        image_size = SIZE

    net = Backbone(Sized(*textured()), layer="3")
    craft = CRAFT(net, n_concepts=2, groups="all")
    with_recipe = overlapping()
    craft.groups = with_recipe.groups
    assert craft.concept_backbone(0).input_size == SIZE


def test_a_layer_that_is_called_twice_is_read_at_its_own_call() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.step = conv(torch.eye(3)[:, :, None, None] * 2)
            self.last = head([[1.0, 2, 3]], [0.0])

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.step(self.step(x)))

    net = Backbone(Twice().eval(), preprocess=RECIPE, layer="step")
    craft = CRAFT(net, n_concepts=3, groups="all").fit(pictures(20))
    call = craft.survey.split.layer.call
    x = net.tensor(sw.read_images(pictures(1))).x
    codes = craft.groups["all"].dictionary.maps(x * 2 ** (call + 1)).sum((2, 3))
    concepts = craft.concept_backbone(0)
    assert isinstance(concepts.module, ConceptNet)
    torch.testing.assert_close(concepts.logits(x), codes, rtol=1e-4, atol=1e-4)
