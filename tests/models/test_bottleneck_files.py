"""Bottlenecks on disk: the same bytes, the right class, and nothing that was changed passes for what was saved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seewhy.backbones.base import Backbone
from seewhy.errors import BadArtefact, InputError
from seewhy.grounding.blur import BlurOutside
from seewhy.grounding.crop import Crop
from seewhy.grounding.dense import Dense
from seewhy.grounding.prompters import PROMPTERS, described
from seewhy.grounding.reattend import Reattend
from seewhy.grounding.red_circle import RedCircle
from seewhy.grounding.whole import Whole
from seewhy.images.preprocess import Preprocess
from seewhy.models.bottleneck import ConceptBottleneck
from seewhy.models.bottlenecks import BOTTLENECKS
from seewhy.models.labelfree_cbm import LabelFreeCBM
from seewhy.models.labelled_cbm import LabelledCBM
from seewhy.models.posthoc_cbm import PostHocCBM
from seewhy.models.salf_cbm import SALFCBM
from seewhy.vocabulary.vocabulary import Concept, Vocabulary
from tests.models.bottlenecks import Colours, cnn, fitted, made, picture

WORDS = Vocabulary(
    (
        Concept("concept 0", ("a photo of nothing",), "things", polarity=-1),
        *map(Concept, ("concept 1", "concept 2", "concept 3")),
    )
)


def salf(backbone: Backbone) -> SALFCBM:
    model = SALFCBM(
        backbone, Colours(), prompter=Crop((3, 4)), min_similarity=0.1, templates=("a {}",), seed=3
    )
    model._fitted = replace(fitted(5), vocabulary=WORDS)
    return model


def labelfree(backbone: Backbone) -> LabelFreeCBM:
    model = LabelFreeCBM(backbone, "seewhy/clip", projection={"steps": 4})
    model._fitted = replace(fitted(5), head=None, classes=(), vocabulary=WORDS)
    return model


def posthoc(backbone: Backbone) -> PostHocCBM:
    model = PostHocCBM(backbone, residual=True, n_examples=9)
    model._fitted = fitted(5, residual=True)
    return model


def labelled(backbone: Backbone) -> LabelledCBM:
    model = LabelledCBM(backbone, independent=True, ridge=0.5)
    model._fitted = fitted(5)
    return model


MAKERS = (salf, labelfree, posthoc, labelled)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.mark.parametrize("make", MAKERS)
def test_saved_loaded_and_saved_again_is_the_same_bytes(make: Any, tmp_path: Path) -> None:
    model = make(cnn())
    model.save_pretrained(tmp_path / "a")
    again = ConceptBottleneck.from_pretrained(tmp_path / "a", cnn())
    again.save_pretrained(tmp_path / "b")
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    assert type(again) is type(model) and again.settings() == model.settings() and again.seed == model.seed
    assert torch.equal(again.maps(picture()), model.maps(picture()))


@pytest.mark.parametrize("make", (salf, posthoc, labelled))
def test_a_loaded_bottleneck_answers_as_before(make: Any, tmp_path: Path) -> None:
    model = make(cnn())
    again = type(model).from_pretrained(model.save_pretrained(tmp_path), cnn())
    one, other = model.explain(picture()), again.explain(picture())
    assert one.to_dict()["concepts"] == other.to_dict()["concepts"] and one.target == other.target
    assert again.head.certificate == model.head.certificate and again.classes == model.classes
    assert again.fitted.vocabulary == model.fitted.vocabulary
    assert abs(other.totals.gap) < 1e-4


def test_every_kind_is_known_by_its_name() -> None:
    assert {kind: made_.kind for kind, made_ in BOTTLENECKS.items()} == {kind: kind for kind in BOTTLENECKS}
    assert {type(make(cnn())) for make in MAKERS} == set(BOTTLENECKS.values())


def test_another_class_than_the_saved_one_is_refused(tmp_path: Path) -> None:
    made().save_pretrained(tmp_path)
    with pytest.raises(BadArtefact, match="holds a 'labelled CBM'(.|\n)*SALFCBM reads SALF-CBM"):
        SALFCBM.from_pretrained(tmp_path, cnn())


def test_other_weights_are_refused_and_not_called_damage(tmp_path: Path) -> None:
    made().save_pretrained(tmp_path)
    with pytest.raises(BadArtefact, match="fingerprint(.|\n)*Other weights") as caught:
        ConceptBottleneck.from_pretrained(tmp_path, cnn(seed=1))
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize("other", [{"mean": 0.5, "std": 0.3}, {"mean": 0.4, "std": 0.3, "bgr": True}])
def test_other_preprocessing_is_refused(other: dict[str, Any], tmp_path: Path) -> None:
    made().save_pretrained(tmp_path)
    changed = Backbone(cnn().module, preprocess=Preprocess((16, 24), **other), layer="1")
    with pytest.raises(BadArtefact, match="other values here(.|\n)*preprocessing"):
        ConceptBottleneck.from_pretrained(tmp_path, changed)


def test_a_network_that_has_no_name_to_load_by_is_asked_for(tmp_path: Path) -> None:
    made().save_pretrained(tmp_path)
    with pytest.raises(
        BadArtefact, match="'Sequential'(.|\n)*cannot be loaded(.|\n)*from_pretrained\\(folder, model\\)"
    ):
        ConceptBottleneck.from_pretrained(tmp_path)


def test_a_wrong_network_argument_is_not_called_damage(tmp_path: Path) -> None:
    made().save_pretrained(tmp_path)
    with pytest.raises((InputError, LookupError)) as caught:
        ConceptBottleneck.from_pretrained(tmp_path, "no/such-network")
    assert "damaged" not in str(caught.value)


def test_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="seewhy.json"):
        ConceptBottleneck.from_pretrained(tmp_path, cnn())


@pytest.mark.parametrize("name", ["seewhy.json", "tensors"])
def test_damaged_bytes_are_refused(name: str, tmp_path: Path) -> None:
    posthoc(cnn()).save_pretrained(tmp_path)
    (file,) = (f for f in tmp_path.iterdir() if f.name.startswith(name))
    whole, draw = file.read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(whole)
        at = int(draw.integers(len(data)))
        data[at] ^= 1 << int(draw.integers(8))
        file.write_bytes(bytes(data))
        try:
            found = ConceptBottleneck.from_pretrained(tmp_path, cnn())
        except BadArtefact:
            continue
        # White space of JSON means nothing; everything else does.
        assert name == "seewhy.json" and torch.equal(found.head.weight, fitted(5).head.weight)
    file.write_bytes(whole)
    assert len(ConceptBottleneck.from_pretrained(tmp_path, cnn()).names) == 4


def test_a_head_without_any_proof_is_saved(tmp_path: Path) -> None:
    model = made()
    proof = replace(model.head.certificate, dual=-float("inf"), gap=float("inf"))
    model._fitted = replace(model.fitted, head=replace(model.head, certificate=proof))
    again = ConceptBottleneck.from_pretrained(model.save_pretrained(tmp_path), cnn())
    assert again.head.certificate == proof


def test_the_card_tells_concepts_classes_and_what_is_proven(tmp_path: Path) -> None:
    made().save_pretrained(tmp_path / "a")
    text = (tmp_path / "a" / "MODEL_CARD.md").read_text()
    assert "labelled CBM on Sequential" in text and "class 0, class 1, class 2" in text
    assert "relative duality gap 0.0e+00" in text and "Best learned: concept 3, concept 2" in text
    made().without([0]).save_pretrained(tmp_path / "b")
    edited = (tmp_path / "b" / "MODEL_CARD.md").read_text()
    assert "certificate: none (edited)" in edited and "without concept 0" in edited


POINTING = [
    RedCircle(),
    RedCircle((5, 3), radius=0.2, width=0.01, layout="inside", color=(0, 255, 9)),
    Crop((3, 4)),
    BlurOutside((2, 5)),
    Reattend((4, 4)),
    Dense(),
    Dense("maskclip"),
    Whole(),
]


@pytest.mark.parametrize("prompter", POINTING, ids=lambda p: type(p).__name__)
def test_prompters_are_what_they_say_of_themselves(prompter: Any) -> None:
    import json

    told = prompter.describe()
    assert described(told) == prompter
    assert described(json.loads(json.dumps(told))) == prompter
    assert {type(one) for one in POINTING} == set(PROMPTERS.values())


def test_an_unknown_prompter_is_refused() -> None:
    with pytest.raises(BadArtefact, match="red-square/1"):
        described({"kind": "red-square/1", "grid": [7, 7]})
    with pytest.raises(BadArtefact, match="crop/1.* with .*colour(.|\n)*Install the version"):
        described({**Crop((3, 4)).describe(), "colour": "red"})
