"""CRAFT on disk: the same explanations after reading, the same bytes for the same fit, and damage told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seewhy.backbones.base import Backbone
from seewhy.concepts.base import Dictionary, Solution
from seewhy.errors import BadArtefact, InputError, NotFitted, SeewhyError
from seewhy.explanation import Explanation
from seewhy.models.craft import CRAFT
from seewhy.models.groups import FewPictures
from tests.models.detectors import CLASSES, RECIPE, backbone, network, pictures


def fitted(net: Backbone | None = None, **options: Any) -> CRAFT:
    return CRAFT(net or backbone(), **({"n_concepts": 2} | options)).fit(pictures(45))


def explained(craft: CRAFT, photo: np.ndarray) -> dict[str, Any]:
    answer = craft.explain(photo)
    assert isinstance(answer, Explanation)
    return answer.to_dict()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"groups": "all", "dictionary": "pca"},
        {"groups": {0: "both", "cold": "both"}, "dictionary": "semi_nmf", "max_iter": 500, "seed": 3},
        {"fit_on": "crops", "crop": 6, "overlap": 0.5, "native": True, "at": "0", "negative": "shift"},
    ],
)
def test_explanations_are_the_same_after_reading(options: dict[str, Any], tmp_path: Path) -> None:
    craft = fitted(**options)
    assert craft.save_pretrained(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    again = CRAFT.from_pretrained(tmp_path / "a" / "b", backbone())
    for photo in pictures(4, seed=7):
        one, two = explained(craft, photo), explained(again, photo)
        assert json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    again.fit(pictures(45))  # with the same settings, and so to the same concepts
    for name, group in craft.groups.items():
        assert torch.equal(again.groups[name].dictionary.atoms, group.dictionary.atoms)
        assert again.groups[name].classes == group.classes


def test_two_fits_with_one_seed_are_the_same_bytes_and_reading_keeps_them(tmp_path: Path) -> None:
    for name in ("one", "two"):
        fitted(dictionary="semi_nmf", seed=5).save_pretrained(tmp_path / name)
    CRAFT.from_pretrained(tmp_path / "one", backbone()).save_pretrained(tmp_path / "three")
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    assert [str(f) for f in files] == [
        "craft.json",
        "group-0000/dictionary.json",
        "group-0000/dictionary.safetensors",
        "group-0001/dictionary.json",
        "group-0001/dictionary.safetensors",
    ]
    for other in ("two", "three"):
        for file in files:
            assert (tmp_path / "one" / file).read_bytes() == (tmp_path / other / file).read_bytes(), file


def test_names_and_warnings_are_kept_and_pictures_are_not(tmp_path: Path) -> None:
    with pytest.warns(FewPictures):
        craft = CRAFT(backbone(), n_concepts=2).fit(pictures(15))
    craft.groups["warm"].dictionary.rename({0: "glow"})
    again = CRAFT.from_pretrained(craft.save_pretrained(tmp_path), backbone())
    assert again.warnings == craft.warnings != {}
    assert again.groups["warm"].dictionary.names[0] == "glow"
    assert again.concept_backbone("warm").classes == ("glow", "concept 1")
    for ask in (lambda: again.importance("warm"), lambda: again.crops("warm", 0), lambda: again.survey):
        with pytest.raises(NotFitted, match=r"(?s)holds no pictures.*Call fit\(images\)"):
            ask()


def test_the_layer_is_kept_by_name(tmp_path: Path) -> None:
    craft = fitted()
    craft.save_pretrained(tmp_path)
    elsewhere = Backbone(network(), preprocess=RECIPE, classes=CLASSES, layer="0")
    again = CRAFT.from_pretrained(tmp_path, elsewhere)
    assert explained(again, pictures(1)[0])["concepts"] == explained(craft, pictures(1)[0])["concepts"]


def test_ranks_of_many_pictures_are_kept_as_quantiles(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("seewhy.models.groups.MAX_STRENGTHS", 11)
    craft = fitted(groups="all")
    group = craft.groups["all"]
    assert group.strengths.shape == (11, 2) and len(group.members) == 45
    again = CRAFT.from_pretrained(craft.save_pretrained(tmp_path), backbone())
    np.testing.assert_array_equal(again.groups["all"].strengths, group.strengths)
    assert len(again.groups["all"].members) == 45


def test_another_network_is_refused(tmp_path: Path) -> None:
    fitted().save_pretrained(tmp_path)
    with pytest.raises(
        BadArtefact, match=r"(?s)network with the fingerprint \w+, not \w+.*pass the network they"
    ):
        CRAFT.from_pretrained(tmp_path, backbone(network(bias=False)))
    with pytest.raises(InputError, match="The model is 'resnet'"):
        CRAFT.from_pretrained(tmp_path, "resnet")


def broken(folder: Path, how: str) -> None:
    """Damage a folder in one way."""
    path, group = folder / "craft.json", folder / "group-0000"
    match how:
        case "cut":
            path.write_bytes(path.read_bytes()[:-200])
        case "digit":
            path.write_text(path.read_text().replace('"n_pictures": ', '"n_pictures": 1', 1))
        case "no json":
            path.write_bytes(b"\xff\xfe")
        case "list":
            path.write_text("[]")
        case "schema":
            path.write_text(path.read_text().replace("seewhy.craft/1", "seewhy.craft/9"))
        case "no group":
            shutil.rmtree(group)
        case "no tensors":
            (group / "dictionary.safetensors").unlink()
        case "bit":
            data = bytearray((group / "dictionary.safetensors").read_bytes())
            data[-1] ^= 1
            (group / "dictionary.safetensors").write_bytes(bytes(data))
        case "swapped":
            group.rename(folder / "x")
            (folder / "group-0001").rename(group)
            (folder / "x").rename(folder / "group-0001")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("cut", "cannot be used"),
        ("digit", r"the SHA-256 of craft\.json differs"),
        ("no json", "cannot be used"),
        ("list", "cannot be used"),
        ("schema", "its schema is 'seewhy.craft/9', not 'seewhy.craft/1'"),
        ("no group", r"group-0000 has no dictionary\.json"),
        ("no tensors", r"group-0000 is damaged"),
        ("bit", r"group-0000 is damaged"),
        ("swapped", "group-0000 is not the one that craft.json lists"),
    ],
)
def test_damage_is_told_in_words(how: str, words: str, tmp_path: Path) -> None:
    fitted().save_pretrained(tmp_path)
    broken(tmp_path, how)
    with pytest.raises(BadArtefact, match=words) as told:
        CRAFT.from_pretrained(tmp_path, backbone())
    assert "what save_pretrained wrote" in str(told.value) and "Fit again" in str(told.value)


def test_folders_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)has no craft\.json.*Pass that one"):
        CRAFT.from_pretrained(tmp_path, backbone())
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(InputError, match="is a file"):
        fitted().save_pretrained(file)


class Corners(Dictionary):
    """A dictionary of the user's, which is in no registry."""

    name, paper = "corners", "none"

    def _solve(self, rows: torch.Tensor) -> Solution:
        return Solution(torch.eye(rows.shape[1])[: self.n_concepts], torch.zeros(rows.shape[1]), 1, "none")

    def _encode(self, features: torch.Tensor) -> torch.Tensor:
        return features @ self.atoms.to(features).T


def test_a_dictionary_of_the_users_can_be_written_but_is_not_known_when_read(tmp_path: Path) -> None:
    fitted(dictionary=Corners).save_pretrained(tmp_path)
    with pytest.raises(SeewhyError, match="There is no dictionary 'corners'"):
        CRAFT.from_pretrained(tmp_path, backbone())
