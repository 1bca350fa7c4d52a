"""Concepts taught by an image-text model whose similarity is a known function of pixels, end to end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from seewhy.errors import InputError, NotSupported
from seewhy.grounding.crop import Crop
from seewhy.heads.sparse import SparseLinear
from seewhy.models.gathered import classified, gather
from seewhy.models.labelfree_cbm import LabelFreeCBM
from seewhy.models.salf_cbm import SALFCBM
from seewhy.models.taught import as_vocabulary
from tests.models import detectors
from tests.models.bottlenecks import Colours, correlations, truth

N = 60
PICTURES = detectors.pictures(N, seed=1)
FRESH = detectors.pictures(20, seed=2)
SHOWN = [("warm", "cold")[i % 3 == 2] for i in range(N)]
QUICK = {"projection": {"steps": 60}, "head": SparseLinear(lam=1e-3)}


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A SALF-CBM with what it keeps, and counters of what teacher and network are shown."""
    vlm, backbone = Colours(), detectors.backbone()
    passes: list[int] = []
    handle = backbone.module.register_forward_hook(lambda _, x, __: passes.append(len(x[0])))
    model = SALFCBM(backbone, vlm, prompter=Crop((4, 6)), **QUICK)
    folder = tmp_path_factory.mktemp("taught")
    model.fit(PICTURES, SHOWN, ["red", "green", "blue"], folder=folder)
    yield SimpleNamespace(model=model, vlm=vlm, passes=passes, folder=folder)
    handle.remove()


def test_salf_learns_what_is_where(taught: Any) -> None:
    found = correlations(taught.model.maps(FRESH), truth(FRESH))
    assert min(found) > 0.8, found
    said = [rows[0].name for rows in taught.model.predict(FRESH)]
    assert np.mean([one == ("warm", "cold")[i % 3 == 2] for i, one in enumerate(said)]) >= 0.8
    answer = taught.model.explain(FRESH[2], "cold")
    assert answer.top(1)[0].name == "blue" and abs(answer.totals.gap) < 1e-4


def test_the_record_says_what_it_was_made_with(taught: Any) -> None:
    record = taught.model.fitted.record
    assert record["pictures"] == N and record["prompter"]["kind"] == "crop/1"
    assert "colours" in str(record["vlm"]) and record["dropped"] == []
    assert record["projection"]["n_train"] + record["projection"]["n_validation"] == N
    assert 0.5 <= record["accuracy on held-out training pictures"] <= 1
    assert taught.model.head.certificate.converged and taught.model.classes == ("warm", "cold")


def test_other_words_make_no_pass_of_any_picture(taught: Any) -> None:
    before, shown, passes = taught.model.names, taught.vlm.n_shown, len(taught.passes)
    assert shown > 0 and passes > 0
    other = taught.model.swap_vocabulary(["blue", "red"])
    assert (taught.vlm.n_shown, len(taught.passes)) == (shown, passes)
    assert other.names == ("blue", "red") and taught.model.names == before
    again = other.swap_vocabulary(["red", "green", "blue"])
    assert (taught.vlm.n_shown, len(taught.passes)) == (shown, passes)
    torch.testing.assert_close(again.head.weight, taught.model.head.weight)


def test_a_fit_on_what_is_kept_makes_no_pass_either(taught: Any) -> None:
    model = SALFCBM(taught.model.backbone, taught.vlm, prompter=Crop((4, 6)), **QUICK)
    shown, passes = taught.vlm.n_shown, len(taught.passes)
    model.fit(PICTURES, SHOWN, ["red", "green", "blue"], folder=taught.folder)
    assert (taught.vlm.n_shown, len(taught.passes)) == (shown, passes)
    assert torch.equal(model.space.weight, taught.model.space.weight)


def test_badly_learned_concepts_are_dropped_and_recorded(taught: Any) -> None:
    quality = dict(zip(taught.model.names, taught.model.space.quality.tolist(), strict=True))
    worst = min(quality, key=quality.__getitem__)
    other = SALFCBM(
        taught.model.backbone,
        taught.vlm,
        prompter=Crop((4, 6)),
        min_similarity=quality[worst] + 1e-4,
        **QUICK,
    )
    other._learned_from = taught.model._learned_from
    found = other.swap_vocabulary(["red", "green", "blue"])
    assert found.names == tuple(name for name in quality if name != worst)
    (drop,) = found.fitted.record["dropped"]
    assert (drop["concept"], drop["filter"]) == (worst, "learnability")
    assert drop["value"] == pytest.approx(quality[worst]) and found.fitted.vocabulary.names == found.names
    other.min_similarity = 1.01
    with pytest.raises(InputError, match="None of the 3 concepts(.|\n)*1.01(.|\n)*lower min_similarity"):
        other.swap_vocabulary(["red", "green", "blue"])


def test_label_free_learns_from_whole_pictures_and_from_a_generator() -> None:
    vlm = Colours()
    model = LabelFreeCBM(detectors.backbone(), vlm, **QUICK)
    model.fit(iter(PICTURES), "network", ["red", "green", "blue"])
    # Two passes of each picture at most: with a prompt (none here) and without; and one to try it out.
    assert vlm.n_shown <= 2 * (N + 1)
    found = np.corrcoef(model.concepts(FRESH)[:, 2].numpy(), truth(FRESH)[:, 2].mean((1, 2)))[0, 1]
    assert found > 0.8
    assert model.classes == detectors.CLASSES and model.kind == "LF-CBM"
    with pytest.raises(NotSupported, match="keeps no features(.|\n)*folder="):
        model.swap_vocabulary(["red"])


def test_without_labels_there_are_concepts_and_no_head() -> None:
    model = LabelFreeCBM(detectors.backbone(), Colours(), **QUICK).fit(PICTURES[:20], None, ["red", "blue"])
    assert model.fitted.head is None and model.classes == ()
    assert model.fitted.record["accuracy on held-out training pictures"] is None


def test_words_that_the_teacher_does_not_know_cost_no_work() -> None:
    vlm = Colours()
    with pytest.raises(InputError, match="mauve"):
        SALFCBM(detectors.backbone(), vlm, prompter=Crop((4, 6))).fit(PICTURES, SHOWN, ["red", "mauve"])
    with pytest.raises(InputError, match="No vocabulary(.|\n)*list"):
        LabelFreeCBM(detectors.backbone(), vlm).fit(PICTURES, SHOWN)
    assert vlm.n_shown == 0


def test_a_class_of_one_picture_is_learned_from_and_not_held_out() -> None:
    for seed in range(6):
        model = LabelFreeCBM(detectors.backbone(), Colours(), seed=seed, **QUICK)
        model.fit(PICTURES[:20], ["rare", *SHOWN[1:20]], ["red", "blue"])
        assert model.classes == ("cold", "rare", "warm")


def test_words_come_as_a_list_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("red\nblue\n")
    assert as_vocabulary(tmp_path / "words.txt").names == as_vocabulary(["red", "blue"]).names
    assert as_vocabulary(as_vocabulary(["red"])) == as_vocabulary(["red"])


# ------------------------------------------------------------------ labels


def store(n: int) -> Any:
    return SimpleNamespace(names=[f"picture {i}" for i in range(n)])


def test_classes_follow_the_network_where_labels_are_its_own() -> None:
    found = classified(store(4), ["zebra", "ant", "zebra", "cat"], ["zebra", "dog", "cat", "ant"])
    assert found.classes == ("zebra", "cat", "ant") and found.absent == ("dog",)
    assert found.labels.tolist() == [0, 2, 0, 1]


def test_other_labels_are_in_the_order_of_names() -> None:
    found = classified(store(3), ["zebra", "ant", "house"], ["zebra", "ant"])
    assert found.classes == ("ant", "house", "zebra") and found.absent == ()
    assert found.labels.tolist() == [2, 0, 1]


def test_two_classes_of_one_name_are_one() -> None:
    found = classified(store(3), ["crane", "ant", "crane"], ["crane", "ant", "crane"])
    assert found.classes == ("crane", "ant") and found.labels.tolist() == [0, 1, 0]


def test_no_labels_are_no_error() -> None:
    assert classified(store(2), [None, None], ["a", "b"]).labels is None


def test_labels_of_some_pictures_and_of_one_class_are_refused() -> None:
    with pytest.raises(InputError, match="1 of 3 pictures have no label, 'picture 1'(.|\n)*labels='network'"):
        classified(store(3), ["a", None, "b"], ["a", "b"])
    with pytest.raises(InputError, match="All pictures are labelled 'a'(.|\n)*another class"):
        classified(store(2), ["a", "a"], ["a", "b"])


def test_labels_by_the_network_are_what_it_predicts(tmp_path: Path) -> None:
    backbone = detectors.backbone()
    found = gather(backbone, PICTURES[:9], "network", tmp_path, at=None)
    with torch.no_grad():
        x = torch.stack([torch.from_numpy(p).permute(2, 0, 1) / 255 for p in PICTURES[:9]])
        best = backbone.module(x).argmax(1)
    assert [found.classes[i] for i in found.labels] == [detectors.CLASSES[i] for i in best]


def test_labels_are_a_list_or_the_word_network(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'netwrok'(.|\n)*'network'"):
        gather(detectors.backbone(), PICTURES[:4], "netwrok", tmp_path / "a", at=None)
    with pytest.raises(InputError, match="1 of 4 pictures have no label"):
        gather(detectors.backbone(), PICTURES[:4], ["a", None, "b", "a"], tmp_path / "b", at=None)
    with pytest.raises(InputError, match="3 labels for 4"):
        gather(detectors.backbone(), PICTURES[:4], ["a", "b", "b"], tmp_path / "c", at=None)


def test_label_free_is_taught_by_whole_pictures_and_learns_from_the_means_of_features(taught: Any) -> None:
    model = LabelFreeCBM(taught.model.backbone, taught.vlm)
    text = taught.vlm.encode_texts(["red", "blue"])
    features, teacher = model._sources(*taught.model._learned_from, text)
    first = torch.arange(3)
    whole = torch.from_numpy(truth(PICTURES[:3]).mean((2, 3))).float()
    torch.testing.assert_close(features.batch(first)[:, :, 0, 0], whole, rtol=1e-2, atol=1e-3)
    assert features.grid == teacher.grid == (1, 1)
