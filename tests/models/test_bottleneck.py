"""What every concept bottleneck must hold: rows that add up, edits that come out, copies that leave it alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from seewhy.backbones.base import Backbone
from seewhy.errors import InputError, NotFitted, UnknownConcept, UnknownName
from seewhy.evaluate.check import check
from seewhy.images.read import read_images
from seewhy.models.bottleneck import AROUND, ConceptBottleneck, Residual
from seewhy.models.concept_net import features_of
from seewhy.models.labelled_cbm import LabelledCBM
from tests.models.bottlenecks import cnn, fitted, made, picture, ready, vit

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "one class": {"k": 1},
    "one concept": {"m": 1},
    "residual": {"residual": True},
}


def by_hand(model: ConceptBottleneck, image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, maps and the residual's part, from features and plain loops in double precision."""
    backbone, space, head, around = model.backbone, model.space, model.head, model.fitted.residual
    x = ready(backbone, image)
    with torch.no_grad():
        f = features_of(backbone.module, model.layer, x)[0].double().numpy()
    maps = np.zeros((len(space.names), *f.shape[1:]))
    for m in range(len(maps)):
        for y, u in np.ndindex(*f.shape[1:]):
            q = float(space.weight[m].double().numpy() @ f[:, y, u])
            maps[m, y, u] = (q - float(space.mean[m])) / float(space.std[m])
    rest = np.zeros(len(model.classes))
    if around is not None:
        rest = around.weight.double().numpy() @ (f.mean((1, 2)) - around.mean.double().numpy())
    logits = head.bias.double().numpy() + head.weight.double().numpy() @ maps.mean((1, 2)) + rest
    return logits, maps, rest


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("backbone", [cnn, vit])
def test_the_class_map_s_mean_and_bias_and_residual_are_the_logit(backbone: Any, options: Any) -> None:
    model, image = made(backbone(), **options), picture()
    logits, maps, rest = by_hand(model, image)
    np.testing.assert_allclose(model.maps(image)[0].numpy(), maps, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(model.logits(image)[0].numpy(), logits, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(model.concepts(image)[0].numpy(), maps.mean((1, 2)), rtol=1e-4, atol=1e-4)
    for k in range(len(model.classes)):
        answer = model.explain(image, k)
        class_map = answer.where * answer.where.size
        assert class_map.mean() + answer.bias + rest[k] == pytest.approx(logits[k], rel=1e-5, abs=1e-5)
        assert answer.target.logit == pytest.approx(logits[k], rel=1e-5, abs=1e-5)
        assert (answer.kind, answer.remainder) == ("share", 0.0)


@pytest.mark.parametrize("backbone", [cnn, vit])
def test_regions_share_the_contributions_out(backbone: Any) -> None:
    answer = made(backbone()).explain(picture(), 1)
    left, right = ({"box": (a, 0, b, 29)} for a, b in ((0, 17), (17, 41)))
    rows = [{row.name: row.contribution for row in answer.query(**part)} for part in (left, right)]
    for concept in answer.concepts:
        assert rows[0][concept.name] + rows[1][concept.name] == pytest.approx(concept.contribution, abs=1e-6)
    total = sum(answer.region(**part).total for part in (left, right))
    assert total == pytest.approx(answer.totals.concepts, abs=1e-6)


def test_the_residual_is_a_row_of_its_own() -> None:
    model, image = made(residual=True), picture()
    answer = model.explain(image, "class 2")
    (row,) = answer.elsewhere
    assert row.name == AROUND == "around the concepts"
    assert row.contribution == pytest.approx(by_hand(model, image)[2][2], rel=1e-5)
    assert abs(answer.totals.gap) < 1e-4 and made().explain(image).elsewhere == ()


@pytest.mark.parametrize("backbone", [cnn, vit])
def test_an_edit_in_a_region_moves_every_logit_by_the_closed_form(backbone: Any) -> None:
    model, image = made(backbone(), residual=True), picture()
    box, amount = (3, 5, 20, 30), 1.7
    answer = model.explain(image, 0)
    after = answer.edit("concept 2", amount, box=box)
    part = answer.region_weights(box=box).mean()
    for k in range(3):
        want = float(model.logits(image)[0, k]) + float(model.head.weight[k, 2]) * amount * part
        found = model.explain(image, k).edit("concept 2", amount, box=box).target.logit
        assert found == pytest.approx(want, abs=1e-4)
    assert after.edited_from is answer


def test_an_edit_of_a_map_is_what_the_changed_map_gives_through_the_head() -> None:
    model, image = made(), picture()
    maps = model.maps(image)[0].double()
    mask = np.zeros((29, 41), bool)
    mask[4:19, 9:33] = True
    answer = model.explain(image, 1)
    weights = torch.from_numpy(answer.region_weights(mask=mask))
    for op, change in (("scale", lambda z: z * (1 + 2 * weights)), ("set", lambda z: z + weights * (3 - z))):
        other = maps.clone()
        other[0] = change(other[0])
        logits = model.head.logits(other.mean((1, 2))[None])[0]
        after = answer.edit(0, 3.0, op=op, mask=mask)
        assert after.target.logit == pytest.approx(float(logits[1]), abs=1e-4)
        assert after.prediction[0].name == f"class {int(logits.argmax())}"


def test_edits_undo_exactly() -> None:
    answer = made().explain(picture())
    twice = answer.edit(0, 2.0).edit(1, 0.0, op="set")
    assert twice.edited_from.edited_from is answer
    assert answer.edit(0, 2.0).edit(0, -2.0).target.logit == pytest.approx(answer.target.logit, abs=1e-5)


def test_the_network_asked_again_agrees_with_the_edit_that_scales() -> None:
    answer = made(residual=True).explain(picture(), 2)
    factors = np.array([[1, 1, 1, 1], [0, 1, 1, 1], [1, 2.5, 1, 1], [1, 1, -1, 0.5]])
    found = answer.replay.concepts(factors)
    for row, logit in zip(factors, found, strict=True):
        after = answer
        for m, factor in enumerate(row):
            after = after.edit(m, float(factor), op="scale")
        assert logit == pytest.approx(after.target.logit, abs=1e-4)


def test_check_finds_the_contributions_true() -> None:
    report = check(made().explain(picture()))
    text = str(report).lower()
    assert text and "fail" not in text


@pytest.mark.parametrize("backbone", [cnn, vit])
def test_the_bottleneck_as_a_network_has_the_same_logits(backbone: Any) -> None:
    model, image = made(backbone(), residual=True), picture()
    asked = model.as_backbone()
    assert asked.classes == model.classes and asked.preprocess == model.backbone.preprocess
    torch.testing.assert_close(asked.logits(ready(asked, image)), model.logits(image), rtol=1e-5, atol=1e-5)
    assert asked.layer().layer.grid == model.layer.grid


def test_another_head_space_or_residual_is_another_network() -> None:
    backbone, models = cnn(), []
    for change in ("none", "head", "space", "residual"):
        model = made(backbone, residual=True)
        {
            "none": lambda m: None,
            "head": lambda m: m.head.weight.mul_(2),
            "space": lambda m: m.space.mean.add_(1),
            "residual": lambda m: m.fitted.residual.weight.add_(1),
        }[change](model)
        models.append(model.as_backbone().fingerprint())
    assert len(set(models)) == 4


def test_edited_weights_are_a_copy_without_certificate() -> None:
    model, image = made(), picture()
    before, weight = model.logits(image), model.head.weight.clone()
    other = model.edit_weights("concept 1", "class 0", add=-2.0, scale=0.5)
    want = weight.clone()
    want[0, 1] = 0.5 * want[0, 1] - 2
    assert torch.equal(other.head.weight, want) and other.head.certificate is None
    assert torch.equal(model.head.weight, weight) and model.head.certificate is not None
    moved = (other.logits(image) - before)[0]
    z = float(model.concepts(image)[0, 1])
    assert float(moved[0]) == pytest.approx(float(want[0, 1] - weight[0, 1]) * z, abs=1e-5)
    assert torch.equal(moved[1:], torch.zeros(2)) and torch.equal(model.logits(image), before)
    (told,) = other.fitted.record["changed by hand"]
    assert "concept 1" in told and "changed by hand" not in model.fitted.record


def test_without_concepts_nothing_depends_on_them() -> None:
    model, image = made(), picture()
    weight = model.head.weight.clone()
    other = model.without(["concept 0", 3])
    assert torch.equal(other.head.weight[:, [0, 3]], torch.zeros(3, 2))
    assert torch.equal(other.head.weight[:, 1:3], weight[:, 1:3]) and torch.equal(model.head.weight, weight)
    assert other.head.certificate is None and other.explain(image).concept("concept 0").contribution == 0


def test_an_edited_head_does_not_keep_the_accuracy_of_the_one_before() -> None:
    model = made()
    model.fitted.record["accuracy on held-out training pictures"] = 0.9
    assert model.without([0]).fitted.record["accuracy on held-out training pictures"] is None
    assert model.fitted.record["accuracy on held-out training pictures"] == 0.9


def test_predictions_are_the_softmax_in_order() -> None:
    model = made()
    images = [picture(seed=0), picture((17, 30), 1), picture((40, 9), 2)]
    rows = model.logits(images).double().softmax(1)
    for row, found in zip(rows, model.predict(images, top_k=2), strict=True):
        best = row.sort(descending=True)
        assert [one.index for one in found] == best.indices[:2].tolist()
        assert [one.score for one in found] == pytest.approx(best.values[:2].tolist(), abs=1e-6)


def test_ready_tensors_are_answered_as_pictures_are() -> None:
    model, image = made(), picture()
    x = ready(model.backbone, image)
    assert torch.equal(model.logits(x, preprocess=False), model.logits(image))
    found = model.explain(x, 1, preprocess=False)
    assert found[0].target.logit == model.explain(image, 1).target.logit


def test_asking_leaves_the_gradient_mode_alone_between_batches() -> None:
    model = made()
    batch = model.backbone.tensor(read_images(picture()))
    with torch.enable_grad():
        modes = [torch.is_grad_enabled() for _ in model._features(batch)]
    assert modes == [True]


def test_what_was_not_fitted_says_so() -> None:
    model = LabelledCBM(cnn())
    for ask in (lambda: model.space, lambda: model.logits(picture()), lambda: model.explain(picture())):
        with pytest.raises(NotFitted, match="has not been fitted(.|\n)*fit\\("):
            ask()
    assert "not fitted" in repr(model) and "4 concepts, 3 classes" in repr(made())


def test_a_bottleneck_without_labels_has_maps_and_no_logits() -> None:
    model = made()
    model._fitted = type(model.fitted)(model.space, None, (), {})
    assert model.maps(picture()).shape == (1, 4, 7, 11)
    for ask in (model.logits, model.predict, model.explain):
        with pytest.raises(NotFitted, match="fitted without labels(.|\n)*labels='network'"):
            ask(picture())


def test_unknown_concepts_and_classes_are_named() -> None:
    model = made()
    with pytest.raises(UnknownConcept, match="concept 1"):
        model.edit_weights("concept 11", "class 0", add=1)
    for wrong in ("clas 1", 3, -1, True):
        with pytest.raises(UnknownName, match="no class"):
            model.edit_weights(0, wrong, add=1)
    for wrong in ({"add": math.nan}, {"scale": math.inf}):
        with pytest.raises(InputError, match="finite"):
            model.edit_weights(0, 0, **wrong)


def test_a_residual_in_double_precision_keeps_small_parts() -> None:
    around = Residual(torch.tensor([[1.0, -2.0]]), torch.tensor([1e3, 5e2]))
    pooled = torch.tensor([[1e3 + 1e-6, 5e2]], dtype=torch.float64)
    assert float(around(pooled)) == pytest.approx(1e-6, rel=1e-3)


def test_the_network_is_left_as_it_was() -> None:
    backbone: Backbone = cnn()
    backbone.module.train()
    before = backbone.fingerprint()
    model = made(backbone)
    model.explain(picture())
    assert backbone.module.training and backbone.fingerprint() == before
    assert not any(m._forward_hooks for m in backbone.module.modules())
    assert fitted(5).space.channels == 5
