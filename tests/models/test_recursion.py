"""What a concept is made of: on networks where a concept is the sum of two detectors, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from seewhy.errors import InputError, LayerNotFound, UnknownConcept
from seewhy.images.preprocess import Preprocess
from seewhy.models.craft import CRAFT
from seewhy.models.groups import FewPictures
from seewhy.models.recursion import Recursion, recurse
from tests.models.detectors import backbone, deeper, pictures, put, squares

COLOURS = ("red", "green", "blue")


def squares_of(n: int) -> list[np.ndarray]:
    """One red or green square a picture, and a blue one two cells away."""
    made = []
    for i in range(n):
        row, column, level = i % 4, i % 5, 150 + i
        made.append(
            squares(
                {
                    (row, column): (COLOURS[i % 2], level),
                    ((row + 2) % 4, (column + 3) % 6): ("blue", 60),
                }
            )
        )
    return made


def summed(n: int = 60) -> tuple[CRAFT, int]:
    """Concepts of red + green and of blue at layer "3", and which is the sum."""
    craft = CRAFT(backbone(deeper(), layer="3"), n_concepts=2, groups="all").fit(squares_of(n))
    atoms = craft.groups["all"].dictionary.atoms
    return craft, int(atoms[:, 0].argmax())


def parts_of(**options: Any) -> tuple[CRAFT, int, Recursion]:
    craft, k = summed()
    return craft, k, recurse(craft, "warm", k, at="1", **options)


def test_the_two_detectors_that_a_concept_adds_up_are_its_parts() -> None:
    craft, k, found = parts_of()
    dictionary = found.craft.groups["all"].dictionary
    assert dictionary.n_concepts == 2 and dictionary.atoms.shape == (2, 3)
    assert sorted(dictionary.atoms.argmax(1).tolist()) == [0, 1], "red and green, not blue"
    np.testing.assert_allclose(dictionary.atoms.amax(1), 1, atol=0.02)
    assert found.parent == f"concept {k}" and found.notes == ()


def test_importances_are_the_parents_code_without_each_detector() -> None:
    craft, k, found = parts_of()
    parts = found.craft.groups["all"].dictionary
    parent = craft.groups["all"].dictionary
    assert found.importance.values.shape == (len(found.crops), 2)
    for i in range(0, len(found.crops), 7):
        x = craft.backbone.tensor([found.crops[i]]).x
        codes = parts.maps(craft.backbone.module[:2](x).detach())
        full = torch.einsum("bkhw,kc->bchw", codes, parts.atoms)
        logits = []
        for keep in (torch.tensor([1.0, 1.0]), torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0])):
            features = torch.einsum("bkhw,kc->bchw", codes * keep[None, :, None, None], parts.atoms)
            seen: list[torch.Tensor] = []
            handle = craft.backbone.module[3].register_forward_hook(lambda *a, seen=seen: seen.append(a[2]))
            put(craft.backbone.module, "1", x, lambda _, f=features: f)
            handle.remove()
            logits.append(float(parent.maps(seen[0])[0, k].sum()))
        assert full.shape == (1, 3, 4, 6)
        np.testing.assert_allclose(
            found.importance.values[i], [logits[0] - logits[1], logits[0] - logits[2]], atol=1e-3
        )


def test_each_crop_is_carried_by_its_own_colour() -> None:
    _, _, found = parts_of()
    atoms = found.craft.groups["all"].dictionary.atoms.argmax(1).tolist()
    for crop, values in zip(found.crops, found.importance.values, strict=True):
        colour = int(crop.pixels[..., :2].sum((0, 1)).argmax())
        assert atoms[int(values.argmax())] == colour
    assert len(found.crops) == 50, "the strongest fifty of sixty pictures"
    strongest = max(int(crop.pixels[..., :2].max()) for crop in found.crops)
    weakest = min(int(crop.pixels[..., :2].max()) for crop in found.crops)
    assert (strongest, weakest) == (209, 160)


def test_crops_hold_the_cell_at_the_pictures_own_resolution() -> None:
    _, _, found = parts_of()
    for crop in found.crops:
        assert max(crop.size) <= 6 and (crop.pixels[..., :2].max(2) > 0).sum() >= 16
        assert crop.name.startswith("image ")


@pytest.mark.parametrize("method", ["integrated_gradients", "sobol"])
def test_other_methods_agree_on_which_part_counts(method: str) -> None:
    _, _, found = parts_of(method=method)
    _, _, occluded = parts_of()
    assert found.importance.method == method
    np.testing.assert_array_equal(found.importance.values.argmax(1), occluded.importance.values.argmax(1))


def test_the_parts_are_a_craft_that_can_be_asked_and_told() -> None:
    craft, k, found = parts_of()
    assert found.craft.backbone.class_name(k) == f"concept {k}"
    assert len(found.craft.crops(k, 0, n=3)) == 3
    answer = found.craft.explain(found.crops[0], k)
    assert answer.target.name == f"concept {k}"  # type: ignore[union-attr]
    lines = found.to_text().splitlines()
    assert lines[0] == f"concept {k}, from 50 crops (occlusion):" and len(lines) == 3
    means = [float(line.split()[-1]) for line in lines[1:]]
    assert means == sorted(means, key=abs, reverse=True)


def test_settings_of_the_dictionary_reach_the_parts() -> None:
    craft = CRAFT(backbone(deeper(), layer="3"), n_concepts=2, groups="all", max_iter=777, seed=4)
    craft.fit(squares_of(60))
    found = recurse(craft, 0, 0, at="1")
    assert found.craft.groups["all"].dictionary.max_iter == 777 and found.craft.seed == 4  # type: ignore[attr-defined]


def test_few_crops_say_so() -> None:
    craft = CRAFT(backbone(deeper(), layer="3"), n_concepts=2, groups="all").fit(squares_of(12))
    with pytest.warns(FewPictures, match="all: 12 pictures for 3 concepts, 4.0 each"):
        found = recurse(
            craft, "warm", int(craft.groups["all"].dictionary.atoms[:, 0].argmax()), at="1", n_concepts=3
        )
    assert found.notes == ("only 12 crops: parts found in fewer than 50 describe these crops",)
    assert found.to_text().endswith(found.notes[0])


def test_too_few_crops_for_the_parts_are_refused() -> None:
    craft, k = summed(12)
    with pytest.raises(
        InputError, match=rf"(?s)concept {k} is active in 12 pictures.*7 parts need at least 14 crops"
    ):
        recurse(craft, "warm", k, at="1", n_concepts=7)


@pytest.mark.parametrize("at", ["3", "2"])
def test_layers_that_do_not_come_before_the_concepts_are_refused(at: str) -> None:
    craft = CRAFT(backbone(deeper(), layer="1"), n_concepts=2, groups="all").fit(squares_of(30))
    with pytest.raises(
        InputError, match=rf"(?s)'{at}' does not come before '1', where the concept was found"
    ):
        recurse(craft, "warm", 0, at=at)
    with pytest.raises(InputError, match="'1' does not come before '1'"):
        recurse(craft, "warm", 0, at="1")


def test_unknown_layers_and_concepts_are_named_as_the_user_knows_them() -> None:
    craft, _ = summed(30)
    with pytest.raises(LayerNotFound, match="No module 'conv9' in Sequential"):
        recurse(craft, "warm", 0, at="conv9")
    with pytest.raises(UnknownConcept, match="no concept 'beak'"):
        recurse(craft, "warm", "beak", at="1")


def test_parts_that_do_not_describe_the_crops_say_so() -> None:
    net = backbone(deeper(), layer="3")
    net.preprocess = Preprocess((16, 24), fit="stretch", mean=0.0, std=1.0)
    craft = CRAFT(net, n_concepts=2, groups="all").fit(pictures(60, ["red", "green"], most=8))
    k = int(craft.groups["all"].dictionary.atoms[:, 0].argmax())
    found = recurse(craft, "warm", k, at="1", n_concepts=1)
    poor = found.craft.groups["all"].dictionary.report.rel_l2
    assert (poor > 0.6) == any("do not read them" in note for note in found.notes)
    assert poor > 0.6 and f"miss {poor:.0%} of the crops' features" in found.notes[-1]
