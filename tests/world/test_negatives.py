"""Hard negatives are false, the captions beside them true, and the two alike but for one point."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from seewhy.world.concepts import is_present
from seewhy.world.language.facts import holds
from seewhy.world.language.negatives import KINDS, HardNegative, hard_negatives
from seewhy.world.language.reading import parse
from seewhy.world.language.words import NUMBERS, PLURALS, TOKEN_LIMIT, tokens
from seewhy.world.sampling import Grammar, sample_scene
from seewhy.world.scene import Scene

SCENES = [sample_scene(55, index) for index in range(120)]
SCENES += [sample_scene(56, index, Grammar(creatures=(2,), empty_slot=0.4)) for index in range(20)]
BARE = [replace(scene, items=()) for scene in SCENES[:10]]
BARE += [replace(scene, items=scene.creatures) for scene in SCENES if scene.creatures]
BARE += [replace(scene, items=scene.objects[:1]) for scene in SCENES[:10]]


def _changed(negative: HardNegative) -> tuple[list[str], list[str]]:
    """The words that only one of the two captions has, articles apart."""
    true, false = (Counter(tokens(said.text)) for said in (negative.true, negative.false))
    lost, gained = true - false, false - true
    for word in ("a", "an", "another"):
        lost.pop(word, None)
        gained.pop(word, None)
    return list(lost.elements()), list(gained.elements())


@pytest.mark.parametrize("scene", SCENES + BARE)
def test_negatives_are_false_of_the_scene_and_their_captions_true(scene: Scene) -> None:
    negatives = hard_negatives(scene)
    assert len({negative.false.text for negative in negatives}) == 4
    for negative in negatives:
        assert negative.kind in KINDS
        assert holds(scene, parse(negative.true.text)) and not holds(scene, parse(negative.false.text))
        assert parse(negative.false.text) == negative.false.facts
        assert len(tokens(negative.false.text)) + 2 <= TOKEN_LIMIT
    assert hard_negatives(scene) == negatives


@pytest.mark.parametrize("scene", SCENES + BARE)
def test_a_negative_differs_in_one_point_alone(scene: Scene) -> None:
    counted = {*NUMBERS, *PLURALS, *PLURALS.values(), "nothing", "is", "are"}
    for negative in hard_negatives(scene):
        lost, gained = _changed(negative)
        facts = set(negative.true.facts) ^ set(negative.false.facts)
        if negative.kind == "swap colours":
            assert not lost and not gained and len(facts) == 4 and {fact[0] for fact in facts} == {"colour"}
        elif negative.kind == "swap relation":
            assert len(facts) == 2 and {frozenset(fact[1:]) for fact in facts} == {frozenset(max(facts)[1:])}
        elif negative.kind == "wrong count":
            assert {*lost, *gained} <= counted and abs(int(max(facts)[1]) - int(min(facts)[1])) == 1
        else:
            assert len({fact[0] for fact in facts}) == 1 and len(facts) == 2
            assert len(lost) <= 2 and len(gained) <= 2


def test_scenes_that_allow_a_kind_get_it() -> None:
    many = [scene for scene in SCENES if len(scene.objects) > 1]
    found = [{negative.kind for negative in hard_negatives(scene)} for scene in many]
    assert sum("swap relation" in kinds for kinds in found) > 0.95 * len(many)
    assert all({"wrong count", "replace attribute"} <= kinds for kinds in found)
    two = [sample_scene(57, index, Grammar(counts=(2,), creatures=(0,))) for index in range(40)]
    for scene in two:
        kinds = {negative.kind for negative in hard_negatives(scene)}
        one, other = scene.objects
        # Swapping changes what is there unless the two are of one colour or of one shape and otherwise alike.
        if one.shape != other.shape and not is_present(scene, "same colour"):
            assert kinds == set(KINDS)


def test_other_draws_give_other_negatives() -> None:
    texts = {negative.false.text for draw in range(5) for negative in hard_negatives(SCENES[0], draw=draw)}
    assert len(texts) > 12


def test_a_crowd_is_never_counted_beyond_the_words_for_numbers() -> None:
    crowd = replace(SCENES[0], items=tuple(replace(SCENES[0].objects[0], id=at) for at in range(12)))
    texts = [each.false.text for draw in range(10) for each in hard_negatives(crowd, draw=draw)]
    assert any("eleven" in text for text in texts)
    assert len(texts) == 40
