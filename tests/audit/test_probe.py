"""The new last layer: fitted as scikit-learn fits it, seated where the logits are made, the model untouched."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

import seewhy as sw
from seewhy.audit.probe import Linear, find_head, fit_linear, seat
from seewhy.backbones.base import Backbone
from tests.audit.small import PREPROCESS, SIZE, network


class TwoHeads(nn.Module):
    """The mean of two heads: no layer's output is the logits."""

    def __init__(self) -> None:
        super().__init__()
        body = network()
        self.body, self.one, self.other = body[:4], body[4], network(seed=1)[4]

    def forward(self, x: Tensor) -> Tensor:
        features = self.body(x)
        return (self.one(features) + self.other(features)) / 2


class InPlace(TwoHeads):
    """One head, scaled afterwards in place: its output tensor is the logits, its output was not."""

    def forward(self, x: Tensor) -> Tensor:
        return self.one(self.body(x)).mul_(100.0)


def convolution_head() -> nn.Sequential:
    return nn.Sequential(*network()[:3], nn.Conv2d(16, 5, 1), nn.Flatten()).eval()


def backbone(module: nn.Module) -> Backbone:
    return Backbone(module.eval(), preprocess=PREPROCESS)


def inputs(n: int = 3) -> Tensor:
    return torch.randn(n, 3, *SIZE, generator=torch.Generator().manual_seed(1))


def rows(n: int, c: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % k
    return rng.normal(size=(n, c)) * np.arange(1, c + 1) + labels[:, None] * np.eye(k, c)[labels] + 3, labels


@pytest.mark.parametrize("k", [3, 4])
def test_the_fit_is_scikit_learns(k: int) -> None:
    features, labels = rows(60, 5, k)
    standard = (features - features.mean(0)) / features.std(0)
    peer = LogisticRegression(C=2.0, tol=1e-8, max_iter=5000).fit(standard, labels)
    scores = torch.from_numpy(fit_linear(features, labels, k, strength=0.5)(features)).softmax(1)
    np.testing.assert_allclose(scores, peer.predict_proba(standard), atol=1e-3)


def test_two_classes_get_opposite_rows() -> None:
    linear = fit_linear(*rows(40, 3, 2), 2)
    np.testing.assert_allclose(linear.weight[0], -linear.weight[1], atol=1e-9)


def test_a_feature_that_never_changes_counts_nothing() -> None:
    features, labels = rows(40, 3, 2)
    features[:, 1] = 0.1 + 1e-13 * np.arange(40)
    assert not fit_linear(features, labels, 2).weight[:, 1].any()


@pytest.mark.parametrize(
    ("make", "name"), [(network, "4"), (convolution_head, "3"), (TwoHeads, None), (InPlace, None)]
)
def test_the_head_is_the_layer_whose_output_is_the_logits(make: type[nn.Module], name: str | None) -> None:
    assert find_head(backbone(make())) == name


@pytest.mark.parametrize("make", [network, convolution_head, TwoHeads])
@pytest.mark.parametrize("probe", [False, True])
def test_the_new_network_is_the_linear_layer_on_the_old_features(make: type[nn.Module], probe: bool) -> None:
    place = seat(backbone(make()), probe=probe)
    rng = np.random.default_rng(0)
    linear = Linear(rng.normal(size=(2, 16)), rng.normal(size=2))
    made = place.with_linear(linear, ("a", "b"), "made")
    with torch.no_grad():
        logits = made.logits(inputs()).double().numpy()
    np.testing.assert_allclose(logits, linear(place.features(inputs())), rtol=1e-4, atol=1e-5)
    assert made.class_name(1) == "b" and not made.module.training


def test_a_probe_reads_the_mean_of_the_feature_layer() -> None:
    body = network()
    with torch.no_grad():
        wanted = body[:2](inputs()).mean((2, 3)).numpy()
    np.testing.assert_allclose(seat(backbone(body), probe=True).features(inputs()), wanted, rtol=1e-5)


def test_a_probed_network_can_be_explained() -> None:
    place = seat(backbone(TwoHeads()))
    linear = Linear(np.ones((2, 16)) * [[1], [-1]], np.zeros(2))
    model = sw.Classifier(place.with_linear(linear, ("a", "b"), "made"))
    answer = model.explain(np.full((*SIZE, 3), 90, np.uint8), "a")
    assert answer.kind == "share" and len(answer.concepts) == 16


def test_the_network_that_was_given_stays_as_it_was() -> None:
    given = network().train()
    before = {name: value.clone() for name, value in given.state_dict().items()}
    place = seat(backbone(given.train()))
    made = place.with_linear(fit_linear(*rows(40, 16, 2), 2), ("a", "b"), "made")
    place.features(inputs())
    with torch.no_grad():
        for parameter in made.module.parameters():
            parameter.zero_()
    assert all(torch.equal(value, before[name]) for name, value in given.state_dict().items())
    assert given[4].out_features == 3 and not any(child._forward_hooks for child in given.modules())


def test_making_a_network_leaves_torchs_random_state_alone() -> None:
    place = seat(backbone(network()))
    before = torch.get_rng_state()
    place.with_linear(Linear(np.ones((2, 16)), np.zeros(2)), ("a", "b"), "made")
    assert torch.equal(torch.get_rng_state(), before)
