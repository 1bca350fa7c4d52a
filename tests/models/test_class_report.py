"""A class in its concepts: every number against loops over its pictures."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from seewhy.errors import NotFitted, UnknownName
from seewhy.explanation import Explanation
from seewhy.models.class_report import ClassReport, class_report, fidelity, interval
from seewhy.models.craft import CRAFT
from seewhy.models.groups import FewPictures
from seewhy.models.survey import survey
from tests.models.detectors import (
    BIAS,
    CLASSES,
    WEIGHT,
    amounts,
    around,
    backbone,
    conv,
    head,
    network,
    pictures,
    put,
    squares,
)


def fitted(n: int = 45, labels: Any = None, **options: Any) -> CRAFT:
    options = {"n_concepts": 3, "groups": "all"} | options
    net = options.pop("net", None) or backbone()
    return CRAFT(net, **options).fit(pictures(n), labels=labels)


def mixed() -> nn.Module:
    """A tail that is not affine."""
    mix = torch.tensor([[1.0, -0.5, 0.2], [-0.3, 1.0, 0.4], [0.5, -1.0, 1.0]])[:, :, None, None]
    last = head(WEIGHT, BIAS)
    return nn.Sequential(*network()[:2], conv(mix, bias=[0.1, 0.2, -0.1]), nn.GELU(), *last).eval()


def test_shares_are_those_of_the_summed_evidence_by_hand() -> None:
    craft = fitted()
    report = class_report(craft, "warm")
    seen = np.stack([amounts(pictures(45)[i]) for i in report.pictures])
    by_colour = np.array(WEIGHT[0]) * seen.mean((2, 3))
    colours = craft.groups["all"].dictionary.atoms.argmax(1).tolist()
    for concept in report.concepts:
        c = by_colour[:, colours[concept.index]]
        assert concept.contribution == pytest.approx(c.mean(), abs=1e-3)
        assert concept.share == pytest.approx(c.sum() / by_colour.sum(), abs=1e-2)
        assert concept.positive == pytest.approx(np.maximum(c, 0).mean(), abs=1e-3)
        assert concept.negative == pytest.approx(np.minimum(c, 0).mean(), abs=1e-3)
        assert concept.positive + concept.negative == pytest.approx(concept.contribution)
        np.testing.assert_allclose(concept.mean_map, seen[:, colours[concept.index]].mean(0), atol=1e-3)
        assert concept.strength == pytest.approx(concept.mean_map.mean())
    assert sum(concept.share for concept in report.concepts) == pytest.approx(1)
    assert report.bias == pytest.approx(BIAS[0], abs=1e-5) and report.kind == "share"


def test_concepts_come_by_size_and_contributions_in_the_dictionarys_order() -> None:
    report = class_report(fitted(), 1)
    sizes = [abs(concept.contribution) for concept in report.concepts]
    assert sizes == sorted(sizes, reverse=True) and sorted(c.index for c in report.concepts) == [0, 1, 2]
    for concept in report.concepts:
        assert concept.contribution == pytest.approx(report.contributions[:, concept.index].mean())
        assert concept.name == f"concept {concept.index}"
    assert report.name == "cold" and report.group == "all" and report.warning is None


def test_prevalence_counts_leaders_and_sums_to_one() -> None:
    report = class_report(fitted(), "warm")
    leaders = [max(range(3), key=lambda k, row=row: row[k]) for row in report.contributions]
    for concept in report.concepts:
        assert concept.prevalence == pytest.approx(leaders.count(concept.index) / len(leaders))
    assert sum(concept.prevalence for concept in report.concepts) == pytest.approx(1)


def test_reliability_is_accuracy_among_the_led_and_none_without_labels_or_leaders() -> None:
    report = class_report(fitted(), "warm")
    assert report.accuracy is None and all(concept.reliability is None for concept in report.concepts)
    labels = ["warm" if i % 4 else "cold" for i in range(45)]
    labelled = class_report(fitted(labels=labels), "warm")
    right = np.array([labels[i] == "warm" for i in labelled.pictures])
    leaders = labelled.contributions.argmax(1)
    assert labelled.accuracy == pytest.approx(right.mean())
    for concept in labelled.concepts:
        led = leaders == concept.index
        expected = right[led].mean() if led.any() else None
        assert concept.reliability == (None if expected is None else pytest.approx(expected))
    assert any(c.reliability is None for c in labelled.concepts), "blue never leads a warm picture"


def test_pictures_whose_label_is_no_class_are_not_counted_as_wrong() -> None:
    photos = pictures(30)
    data = [(photo, "warm" if i % 2 else "tepid") for i, photo in enumerate(photos)]
    craft = CRAFT(backbone(), n_concepts=2, groups="all").fit(_Pairs(data))
    warm = class_report(craft, "warm")
    assert warm.accuracy == 1.0
    assert {concept.reliability for concept in warm.concepts} <= {1.0, None}
    assert class_report(craft, "cold").accuracy == 0.0


class _Pairs:
    def __init__(self, pairs: list[Any]) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Any:
        return self.pairs[index]


@pytest.mark.parametrize("make", [network, mixed])
def test_fidelity_is_that_of_the_plain_network_with_features_replaced(make: Any) -> None:
    net = backbone(make())
    craft = fitted(net=net, n_concepts=1)
    row = int(craft.survey.predicted.max())  # the second class, where pictures are given it
    report = class_report(craft, row)
    dictionary, agree, missing = craft.groups["all"].dictionary, [], []

    def rebuilt(features: torch.Tensor) -> torch.Tensor:
        codes = dictionary.maps(features)
        return torch.einsum("bkhw,kc->bchw", codes, dictionary.atoms)

    for i, contributions in zip(report.pictures, report.contributions, strict=True):
        x = net.tensor([craft.survey.seen[i].picture()]).x
        with torch.no_grad():
            whole = net.module(x)[0]
        named = put(net.module, "1", x, rebuilt)[0]
        agree.append(bool(named.argmax() == row))
        missing.append(abs(float(whole[row] - named[row])) / abs(contributions).sum())
    assert report.fidelity.agreement == pytest.approx(np.mean(agree))
    assert report.fidelity.remainder == pytest.approx(np.median(missing), rel=1e-3)
    assert report.fidelity.remainder > 0.01


def test_contributions_of_a_tail_that_is_not_affine_are_integrated_gradients_of_each_picture() -> None:
    craft = fitted(net=backbone(mixed()))
    report = class_report(craft, "warm")
    assert report.method == "integrated_gradients"
    for i in range(3):
        answer = craft.explain(pictures(45)[report.pictures[i]], "warm")
        assert isinstance(answer, Explanation)
        np.testing.assert_allclose(
            report.contributions[i], [c.contribution for c in answer.concepts], atol=1e-3
        )


def test_intervals_contain_the_mean_narrow_with_pictures_and_repeat() -> None:
    values = np.random.default_rng(0).normal(1, 2, (400, 3))
    low, high = interval(values, 0)
    assert (low < values.mean(0)).all() and (values.mean(0) < high).all()
    # The bootstrap's width is the textbook's, 2 * 1.96 * s / sqrt(n).
    np.testing.assert_allclose(high - low, 2 * 1.96 * values.std(0) / 20, rtol=0.1)
    np.testing.assert_array_equal(interval(values, 0)[0], low)
    one = interval(values[:1], 0)
    np.testing.assert_allclose(one, [values[0], values[0]])
    for concept in class_report(fitted(), "warm").concepts:
        assert concept.low <= concept.contribution + 1e-9 and concept.contribution <= concept.high + 1e-9


def test_to_dict_is_strict_json_that_says_what_the_report_says() -> None:
    report = class_report(fitted(labels=["warm"] * 45), "warm", n_crops=2)
    read = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert read["schema"] == "seewhy.class/1" and read["n_pictures"] == len(report.pictures)
    assert [c["name"] for c in read["concepts"]] == [c.name for c in report.concepts]
    assert np.shape(read["concepts"][0]["mean_map"]) == (4, 6)
    assert len(read["concepts"][0]["crops"]) == 2
    assert set(read["concepts"][0]["crops"][0]) == {"picture", "box", "strength"}
    assert read["fidelity"]["agreement"] == report.fidelity.agreement


def test_the_text_has_a_row_for_each_concept_and_the_warning() -> None:
    with pytest.warns(FewPictures):
        craft = CRAFT(backbone(), n_concepts=3).fit(pictures(30), labels=["warm"] * 30)
    report = class_report(craft, "cold")
    text = report.to_text()
    n = len(report.pictures)
    assert f"cold: {n} pictures, " in text and text.endswith(
        f"cold: {n} pictures for 3 concepts, {n / 3:.1f} each"
    )
    for concept in report.concepts:
        assert f"{concept.name:<24} {concept.contribution:>+7.2f}" in text


def test_one_picture_makes_a_report() -> None:
    with pytest.warns(FewPictures):
        craft = CRAFT(backbone(), n_concepts=2).fit(pictures(1))
    report = class_report(craft, "warm")
    assert isinstance(report, ClassReport) and len(report.pictures) == 1
    for concept in report.concepts:
        assert concept.low == pytest.approx(concept.contribution) == pytest.approx(concept.high)


def test_classes_without_pictures_and_names_of_none_are_refused() -> None:
    blue = [squares({(i, j): ("blue", 255) for j in range(i, 6)}) for i in range(4)] * 2
    craft = CRAFT(backbone(), n_concepts=1, groups="all").fit(blue)
    with pytest.raises(NotFitted, match="No picture was given the class 'warm'"):
        class_report(craft, "warm")
    with pytest.raises(UnknownName, match="'wram' is not among"):
        class_report(craft, "wram")
    with pytest.raises(UnknownName, match="'predicted' is another class for each picture"):
        class_report(craft, "predicted")


def test_fidelity_reads_pictures_again_where_features_are_not_enough() -> None:
    net = around()
    data = survey(net, pictures(20))
    craft = CRAFT(net, n_concepts=3, groups="all").fit(data)
    assert not data.plain
    row = int(data.predicted[0])
    members = np.flatnonzero(data.predicted == row)
    found = fidelity(craft, row, members, craft.importance(row).values)
    assert found.agreement == 1.0 and found.remainder < 1e-3
    assert CLASSES[row] == class_report(craft, row).name
