from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch

from seewhy.backbones.base import Backbone
from seewhy.errors import NotSupported, UnknownName
from seewhy.explanation import Answers, AttributionMap, Explanation
from seewhy.images.preprocess import Preprocess
from seewhy.models.classifier import Classifier

PHOTO = np.random.default_rng(0).integers(0, 256, (70, 100, 3), dtype=np.uint8)


def network(name: str, size: int = 64, **options: Any) -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = timm.create_model(name, num_classes=5, **options).eval()
    return Classifier(Backbone(module, preprocess=Preprocess(size), classes=list("abcde")))


def explained(model: Classifier, *args: Any, **options: Any) -> Explanation:
    answer = model.explain(*args, **options)
    assert isinstance(answer, Explanation)
    return answer


def test_shares_of_a_resnet_are_its_heads_rows_times_pooled_features() -> None:
    model = network("resnet10t")
    answer = explained(model, PHOTO, "c")
    module = model.backbone.module
    x = model.backbone.tensor([answer.image]).x
    with torch.no_grad():
        pooled = module.forward_features(x).mean((2, 3))[0].double()
        expected = module.fc.weight[2].double() * pooled
        assert answer.target.logit == pytest.approx(float(module(x)[0, 2]), abs=1e-5)
    np.testing.assert_allclose([c.contribution for c in answer.concepts], expected, atol=1e-5)
    assert answer.bias == pytest.approx(float(module.fc.bias[2].detach()), abs=1e-6)
    assert "exact" in answer.meta.choices["shares"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vit_tiny_patch16_224", {"img_size": 64, "depth": 3}),
        ("convnext_atto", {}),
        ("deit_tiny_distilled_patch16_224", {"img_size": 64, "depth": 3}),
    ],
)
def test_shares_add_up_on_tails_that_are_not_affine(name: str, options: dict[str, Any]) -> None:
    answer = explained(network(name, **options), PHOTO)
    assert answer.kind == "share" and abs(answer.totals.gap) < 1e-3
    assert "integrated gradients" in answer.meta.choices["shares"]


def test_what_is_in_the_class_token_is_a_row_of_its_own() -> None:
    answer = explained(network("vit_tiny_patch16_224", img_size=64, depth=3), PHOTO)
    assert [row.name for row in answer.elsewhere] == ["already in the class token"]
    assert answer.elsewhere[0].contribution != 0


def test_a_list_gives_a_list_equal_to_single_calls() -> None:
    model = network("resnet10t")
    other = PHOTO[::-1, :, ::-1].copy()
    many = model.explain([PHOTO, other])
    assert isinstance(many, Answers) and len(many) == 2
    for photo, answer in zip((PHOTO, other), many, strict=True):
        single = explained(model, photo)
        np.testing.assert_allclose(
            [c.contribution for c in answer.concepts], [c.contribution for c in single.concepts], atol=1e-5
        )


def test_predicted_equals_the_explicit_class() -> None:
    model = network("resnet10t")
    predicted = explained(model, PHOTO)
    explicit = explained(model, PHOTO, predicted.target.name)
    np.testing.assert_array_equal(predicted.where, explicit.where)


def test_contrast_runs_the_model_for_the_other_class() -> None:
    answer = explained(network("resnet10t"), PHOTO, "a")
    contrast = answer.contrast("a", "d")
    rows = sum(row.difference for row in contrast.rows) + contrast.constant
    assert rows == pytest.approx(contrast.logit_difference, abs=1e-5)


def test_ready_tensors_are_explained_without_preprocessing() -> None:
    model = network("resnet10t")
    plain = explained(model, PHOTO)
    x = model.backbone.tensor([plain.image]).x
    ready = explained(model, x[0], preprocess=False)
    np.testing.assert_allclose(plain.where, ready.where, atol=1e-6)


def test_an_unknown_class_is_answered_with_names() -> None:
    with pytest.raises(UnknownName, match="'z' is not among the 5 classes"):
        network("resnet10t").explain(PHOTO, "z")


def test_a_dead_layer_is_refused_with_the_reason() -> None:
    model = network("vit_tiny_patch16_224", img_size=64, depth=3)
    with pytest.raises(NotSupported, match="their gradient is zero"):
        model.explain(PHOTO, at="blocks.2")


def test_untrained_networks_say_so() -> None:
    model = network("resnet10t")
    model.backbone.untrained = True
    assert explained(model, PHOTO).meta.warnings == ("untrained: random weights",)


@pytest.mark.real
def test_real_mobilenet_is_accounted_for_on_real_photographs(
    data: Path, real_network: Callable[[str], Any]
) -> None:
    module, _ = real_network("mobilenetv2_imagenet")
    recipe = Preprocess(224, resize=256, interpolation="bicubic", mean=0.5, std=0.5)
    model = Classifier(Backbone(module, preprocess=recipe))
    photos = sorted((data / "imagenet_samples").glob("*.jpg"))[:4]
    answers = model.explain(photos)
    for answer in answers:
        assert answer.kind == "share" and answer.remainder == 0
        assert abs(answer.totals.gap) < 1e-4
        assert answer.grid == (7, 7)


@pytest.mark.real
def test_real_cifar_network_shares_equal_its_linear_layer(
    data: Path, real_network: Callable[[str], Any]
) -> None:
    module, _ = real_network("resnet20_cifar10")
    x_test = np.load(data / "cifar10" / "cifar10_subset.npz")["x_test"][:3]
    model = Classifier(Backbone(module, preprocess=Preprocess(32, fit="stretch")))
    for answer in model.explain(list(x_test)):
        x = model.backbone.tensor([answer.image]).x
        with torch.no_grad():
            pooled = module.layer3(module.layer2(module.layer1(module.bn1(module.conv1(x)).relu()))).mean(
                (2, 3)
            )
        expected = module.linear.weight[answer.target.index] * pooled[0]
        np.testing.assert_allclose([c.contribution for c in answer.concepts], expected.detach(), atol=1e-4)


def test_the_default_method_fits_the_network() -> None:
    convolutional, transformer = network("resnet10t"), network("vit_tiny_patch16_224", img_size=64, depth=3)
    for model, name in ((convolutional, "hirescam"), (transformer, "attention_relevance")):
        answer = model.attribute(PHOTO)
        assert isinstance(answer, AttributionMap)
        assert answer.method == name and answer.where.any()


def test_the_fingerprint_follows_weights_changed_in_place() -> None:
    backbone = network("resnet10t").backbone
    before = backbone.fingerprint()
    assert backbone.fingerprint() == before
    with torch.no_grad():
        next(backbone.module.parameters()).add_(1)
    assert backbone.fingerprint() != before


def test_a_network_that_trims_its_border_is_read_before_its_first_stride() -> None:
    with torch.random.fork_rng(devices=[]):
        module = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3),
            torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(1),
            torch.nn.Flatten(),
            torch.nn.Linear(4, 2),
        )
    answer = explained(Classifier(Backbone(module, preprocess=Preprocess((16, 24)))), PHOTO)
    assert answer.grid == (14, 22) and answer.kind == "share"
