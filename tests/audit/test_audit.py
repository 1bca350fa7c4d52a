"""The audit as a whole: a known mark is accused, what cannot be known is said, and everything stays as it was."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import seewhy as sw
from seewhy.audit.audit import Audit, audit
from seewhy.audit.shortcuts import MIN_PICTURES, THRESHOLD
from seewhy.backbones.base import Backbone
from seewhy.errors import InputError, UnknownName
from seewhy.images.picture import Picture
from tests.report.made_audit import CLASSES, SIZE, Colours, made_audit, made_pictures

PREPROCESS = sw.Preprocess(size=SIZE, fit="stretch", mean=0.0, std=1.0)


def backbone() -> Backbone:
    return Backbone(Colours().eval(), name="colours", preprocess=PREPROCESS, classes=CLASSES)


def quiet(images: Any, **options: Any) -> Audit:
    """An audit without the warning of few pictures."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return audit(backbone(), images, **{"n_concepts": 3, "at": "features"} | options)


@pytest.fixture(scope="module")
def marked() -> Audit:
    return made_audit(marked=True)


def folder_of(pictures: list[Picture], folder: Path) -> Path:
    for picture in pictures:
        (folder / str(picture.label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.pixels).save(folder / str(picture.label) / picture.name)
    return folder


# ---------------------------------------------------------------------- who is accused


def test_the_mark_is_accused_and_its_parts_are_those_of_the_truth(marked: Audit) -> None:
    (suspect,) = marked.shortcuts().accused
    found = suspect.suspicion
    assert suspect.class_name == "red" and found.place == pytest.approx((0.5 / 12, 0.5 / 8), abs=0.01)
    assert found.exclusive == 1 and found.edge == pytest.approx(2 * 11 / 12 - 1, abs=0.02)
    assert suspect.sentence().startswith(f"red: {suspect.concept.name} (upper left) - it is ")
    assert marked.shortcuts()[0].suspicion is found and found.low >= THRESHOLD


def test_without_the_mark_nothing_is_accused() -> None:
    found = made_audit(marked=False).shortcuts(None)
    assert not found.accused and found.to_text().startswith("No concept looks like a shortcut.")
    assert not any("(upper left)" in suspect.sentence() for suspect in found)


def test_what_has_no_place_is_given_none(marked: Audit) -> None:
    for suspect in marked.shortcuts(None):
        head = suspect.sentence().split(" - ")[0]
        assert ("(" in head) == (suspect.suspicion.fixed >= 0.1)


def test_decides_and_logit_drop_are_those_of_features_without_the_concept(marked: Audit) -> None:
    """On this network, by hand: the logit falls by the concept's contribution, and red is lost if it decides."""
    for suspect in marked.shortcuts(None):
        report = marked.report(suspect.class_name)
        j, data = suspect.concept.index, marked.craft.survey
        assert suspect.logit_drop == pytest.approx(report.contributions[:, j].mean(), rel=1e-4)
        dictionary = marked.craft.group_of(report.index).dictionary
        features = data.features[report.pictures.tolist()]
        codes, atoms = dictionary.maps(features).numpy(), dictionary.atoms.numpy()
        left = features.numpy() - codes[:, j, None] * atoms[j][:, None, None]
        weight = Colours().head.weight.detach().numpy()
        changed = (left.mean((2, 3)) @ weight.T).argmax(1) != report.index
        assert suspect.decides == pytest.approx(changed.mean())


def test_the_accused_come_first_then_the_score_decides(marked: Audit) -> None:
    """Concepts of a class of three pictures have large scores and are never accused; they hide no one."""
    pictures = made_pictures(24, marked=True)
    few = [p for p in made_pictures(3, marked=False, seed=5) if p.label == "green"]
    for picture in few:
        picture.pixels[28:, 44:] = 255
    kept = [p for p in pictures if p.label != "green"] + [
        Picture(p.pixels, f"few-{i}", label="green") for i, p in enumerate(few)
    ]
    found = quiet(kept)
    every = found.shortcuts(None)
    order = [(not s.accused, -s.suspicion.score) for s in every]
    assert every[1].suspicion.score > 0 and any(s.class_name == "green" for s in every)
    assert order == sorted(order) and every[0].accused and every[0].class_name == "red"
    assert found.shortcuts(1)[0].class_name == "red" and len(found.shortcuts(1)) == 1
    assert any(f"about green: fewer than {MIN_PICTURES} pictures each" in line for line in found.unknown)
    assert not any(s.accused for s in every if s.class_name == "green")


def test_the_threshold_is_the_users(marked: Audit) -> None:
    low = max(s.suspicion.low for s in marked.shortcuts(None))
    assert not marked.shortcuts(threshold=1.0).accused and marked.shortcuts(threshold=low).accused
    assert marked.shortcuts(threshold=1.0).to_dict()["threshold"] == 1.0


@pytest.mark.parametrize("name", ["semi_nmf", "kmeans"])
def test_other_dictionaries_find_the_mark(name: str) -> None:
    (suspect,) = quiet(made_pictures(24, marked=True), dictionary=name).shortcuts().accused
    assert suspect.class_name == "red"


def test_a_dictionary_that_counts_from_a_mean_says_what_it_misses(marked: Audit) -> None:
    found = quiet(made_pictures(24, marked=True), dictionary="pca", n_concepts=2)
    assert any(
        line.startswith("marks on every picture of a class: pca counts from") for line in found.unknown
    )
    assert not any("counts from" in line for line in marked.unknown)


# ---------------------------------------------------------------------- masks


def masks_of(pictures: list[Picture]) -> dict[str, np.ndarray]:
    """The square of each picture: where one channel is 220 and more."""
    return {p.name: (p.pixels.max(2) >= 200) & (p.pixels.min(2) < 200) for p in pictures}


def test_with_masks_the_mark_lies_off_the_object_and_the_square_on_it() -> None:
    pictures = made_pictures(24, marked=True)
    found = quiet(pictures, masks=masks_of(pictures))
    (suspect,) = found.shortcuts().accused
    assert suspect.suspicion.outside is not None and suspect.suspicion.outside > 0.9
    assert "of it lies off the object" in suspect.sentence()
    assert any(s.suspicion.outside == 0 for s in found.shortcuts(None) if s is not suspect)
    assert not any("where the object is" in line for line in found.unknown)


def test_a_mask_of_part_of_the_pictures_or_of_nothing_is_said(marked: Audit) -> None:
    pictures = made_pictures(24, marked=True)
    masks = masks_of(pictures)
    masks["picture-0.png"] = np.zeros(SIZE, bool)
    del masks["picture-5.png"]
    found = quiet(pictures, masks=masks)
    assert found.unknown[0] == (
        "where the object is in picture-0.png, picture-5.png: without a mask, or with an empty one"
    )
    assert len(found.shortcuts().accused) == 1
    assert marked.unknown[0].startswith("where the object is: no masks were given")


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        ({"picture-0.png": np.ones((48, 32))}, "mask of 'picture-0.png' has shape (48, 32)"),
        ({"picture-0.png": np.full(SIZE, 255, np.uint8)}, "has values from 255 to 255"),
        ({"picture-0.png": np.full(SIZE, np.nan)}, "has values from nan"),
        ({"picture-0.png": "mask.png"}, "has shape ()"),
        ({"picture-1000.png": np.ones(SIZE)}, "masks for picture-1000.png, which are not among"),
        ([np.ones(SIZE)], "masks is a list"),
    ],
)
def test_masks_that_fit_no_picture_are_refused_in_words(masks: Any, words: str) -> None:
    with pytest.raises(InputError) as error:
        audit(backbone(), made_pictures(2, marked=False), masks=masks, n_concepts=2, at="features")
    assert words in str(error.value) and str(error.value).count("\n") == 2


# ---------------------------------------------------------------------- data sets as they come


def test_a_folder_gives_labels_and_unreadable_files_are_said(tmp_path: Path) -> None:
    folder = folder_of(made_pictures(6, marked=True), tmp_path / "photos")
    (folder / "green" / "broken.png").write_bytes(b"no picture")
    found = quiet(folder, masks={"green/broken.png": np.ones((3, 3))})
    assert found.classes == CLASSES and len(found.craft.survey) == 18
    assert found.report("red").accuracy == 1
    assert any(line == "what an unreadable file shows: green/broken.png" for line in found.unknown)
    assert list(found.to_dict()["failed"]) == ["green/broken.png"]
    assert not any("predictions are right" in line for line in found.unknown)


def test_labels_may_be_given_and_some_may_name_no_class() -> None:
    pictures = [Picture(p.pixels, p.name) for p in made_pictures(6, marked=False)]
    nothing = quiet(pictures)
    assert "whether predictions are right: no picture's folder or label names a class" in nothing.unknown
    wrong = quiet(pictures, labels=["green"] * 18)
    assert wrong.report("red").accuracy == 0 and wrong.report("green").accuracy == 1
    odd = [Picture(p.pixels, p.name, label="Reds" if i < 2 else "red") for i, p in enumerate(pictures)]
    assert any(
        line.endswith("for 2 pictures, whose folder or label names no class: Reds")
        for line in quiet(odd).unknown
    )


def test_pictures_of_one_class_are_compared_with_none() -> None:
    red = [p for p in made_pictures(24, marked=True) if p.label == "red"]
    found = quiet(red)
    assert any(line.startswith("whether a concept is particular to a class") for line in found.unknown)
    (suspect,) = found.shortcuts().accused
    assert suspect.suspicion.exclusive is None and "pairs" not in suspect.sentence()
    json.dumps(found.to_dict(), allow_nan=False)


def test_one_picture_and_a_few_are_audited_without_accusing() -> None:
    for pictures in (made_pictures(1, marked=True)[:1], made_pictures(2, marked=True)):
        found = quiet(pictures)
        assert not found.shortcuts().accused
        json.dumps(found.to_dict(), allow_nan=False)
        assert found.strategies("red").clusters[0].share == 1


def test_classes_that_cannot_be_fitted_are_said() -> None:
    """A picture has 8 x 12 places: one of them is too little for 97 concepts, two are not."""
    pictures = [p for p in made_pictures(2, marked=False) if p.name != "picture-5.png"]
    found = quiet(pictures, n_concepts=97)
    assert found.classes == ("red", "green") and list(found.to_dict()["skipped"]) == ["blue"]
    assert any(line == "anything about blue: no concepts could be fitted" for line in found.unknown)
    with pytest.raises(InputError, match="No group of classes can be fitted"):
        quiet(pictures[:1], n_concepts=97)


# ---------------------------------------------------------------------- kept, repeated, left alone


def test_reports_are_made_once(marked: Audit) -> None:
    assert marked.report("red") is marked.report(0) is marked.report("red")
    assert [marked.report(row).name for row in marked.rows] == list(marked.classes)
    first, again = marked.shortcuts(), marked.shortcuts()
    assert [s.suspicion for s in first] == [s.suspicion for s in again]


def test_the_data_is_strict_json_with_its_schema(marked: Audit) -> None:
    content = json.loads(json.dumps(marked.to_dict(2), allow_nan=False))
    assert content["schema"] == "seewhy.audit/1" and content["n_pictures"] == 72
    assert len(content["shortcuts"]["suspects"]) == 2 and content["shortcuts"]["unknown"] == list(
        marked.unknown
    )
    assert [one["name"] for one in content["classes"]] == list(CLASSES)
    assert content["shortcuts"]["suspects"][0]["suspicion"]["accused"] is True


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    files = [
        quiet(made_pictures(5, marked=True), seed=s).save(tmp_path / f"{i}.json")
        for i, s in enumerate((1, 1))
    ]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_users_network_is_as_it_was() -> None:
    network = Colours().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    held = Backbone(network, preprocess=PREPROCESS, classes=CLASSES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = audit(held, made_pictures(4, marked=True), n_concepts=2, at="features")
        found.shortcuts()
    assert network.training and all(p.requires_grad and p.grad is None for p in network.parameters())
    assert all((value == before[name]).all() for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_the_text_says_what_was_audited_the_verdict_and_what_is_unknown(marked: Audit) -> None:
    text = marked.to_text()
    assert text.startswith("colours on 72 pictures: 3 classes, 3 concepts each (nmf), layer features")
    assert (
        "1. LOOKS LIKE A SHORTCUT (score 0." in text and "What this audit cannot know:\n- where the" in text
    )
    assert repr(marked) == "Audit('colours', 72 pictures, 3 classes)"


def test_a_classifier_audits_by_itself() -> None:
    model = sw.load(Colours().eval(), preprocess=PREPROCESS, classes=CLASSES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = model.audit(made_pictures(4, marked=True), n_concepts=2, at="features")
    assert isinstance(found, Audit) and found.classes == CLASSES


def test_discover_is_the_same_concepts_without_the_verdict(marked: Audit) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        craft = sw.discover(backbone(), made_pictures(24, marked=True), n_concepts=3, at="features")
    for name, group in craft.groups.items():
        np.testing.assert_array_equal(group.dictionary.atoms, marked.craft.groups[name].dictionary.atoms)
    with pytest.raises(UnknownName, match="There is no method 'kraft'"):
        sw.discover(backbone(), [], method="kraft")


@pytest.mark.parametrize(
    ("options", "words"),
    [({"top_k": 0}, "top_k is 0"), ({"top_k": True}, "top_k is True"), ({"threshold": -0.1}, "threshold is -0.1"),
     ({"threshold": float("nan")}, "threshold is nan")],
)  # fmt: skip
def test_bad_numbers_are_refused_in_words(options: Any, words: str, marked: Audit) -> None:
    with pytest.raises(InputError) as error:
        marked.shortcuts(**options)
    assert words in str(error.value) and str(error.value).count("\n") == 2


def test_an_unknown_dictionary_is_told_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'nmf'"):
        quiet(made_pictures(2, marked=False), dictionary="nfm")
