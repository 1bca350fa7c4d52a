"""Texts as bits are true of the scenes that the world's own facts are true of."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.training.said import (
    BIT,
    CONCEPTS,
    GROUP,
    Said,
    bits_of,
    contained,
    described,
    phrase,
    phrases,
    said_by,
    words_of,
)
from seewhy.training.scenes import THINGS
from seewhy.world.concepts import is_present
from seewhy.world.grammar import SLOTS
from seewhy.world.language.captions import LEVELS, caption
from seewhy.world.language.facts import Fact, holds
from seewhy.world.language.words import tokens
from seewhy.world.scene import Scene, Thing
from tests.training.small import few

SCENES = [*few("T8", 40), *few("T4", 15), *few("T10", 15)]


def bits(scenes: list[Scene]) -> np.ndarray:
    found = np.zeros((len(scenes), THINGS), np.uint64)
    for row, scene in enumerate(scenes):
        told = [BIT[scene.background.kind], *map(bits_of, scene.items)]
        found[row, : len(told)] = told
    return found


def true_of(said: Said, things: np.ndarray) -> list[bool]:
    mentions = np.zeros((1, THINGS), np.uint64)
    mentions[0, : len(said.mentions)] = said.mentions
    found: list[bool] = contained(mentions, things)[:, 0].tolist()
    return found


@pytest.mark.parametrize("level", range(LEVELS))
def test_captions_are_true_of_the_scenes_of_which_their_facts_hold(level: int) -> None:
    things, n_exact, n_true = bits(SCENES), 0, 0
    for scene in SCENES:
        told = caption(scene, level)
        said = said_by(told.facts, told.text)
        expected = [holds(other, told.facts) for other in SCENES]
        found = true_of(said, things)
        n_exact, n_true = n_exact + (not said.beyond), n_true + sum(expected)
        if said.beyond:
            assert all(got for got, held in zip(found, expected, strict=True) if held), told.text
        else:
            assert found == expected, told.text
    assert n_true >= len(SCENES) and (n_exact >= 10 if level in (1, 2, 3) else n_exact < len(SCENES))


OBJECTS: list[Fact] = [("object", 0), ("colour", 0, "red"), ("object", 1)]
CREATURES: list[Fact] = [("creature", 0), ("beak", 0, "hooked"), ("creature", 1)]


@pytest.mark.parametrize(
    ("facts", "beyond"),
    [
        ([*OBJECTS, ("colour", 1, "blue")], False),
        ([*OBJECTS, ("colour", 1, "red")], True),
        ([*OBJECTS, ("shape", 1, "star")], True),  # a red star could be both
        ([*OBJECTS, ("colour", 1, "blue"), ("shape", 1, "star")], False),
        (OBJECTS, True),
        ([*CREATURES, ("beak", 1, "blunt")], False),
        ([*CREATURES, ("tail", 1, "forked")], True),
        ([CREATURES[0], ("beak", 0, "none")], True),
        ([CREATURES[0], ("beak", 0, "blunt")], False),
        ([*OBJECTS[:2], ("creature", 1)], False),
        ([*OBJECTS[:2], ("background", "grass")], False),
        ([*OBJECTS[:2], ("objects", 2)], True),
        ([*OBJECTS, ("colour", 1, "blue"), ("left of", 0, 1)], True),
    ],
)
def test_a_text_says_more_than_its_mentions_if_one_thing_could_be_two_of_them(
    facts: list[Fact], beyond: bool
) -> None:
    assert said_by(facts, "").beyond is beyond


def test_facts_with_one_thing_less_in_the_scene_do_not_hold_and_are_not_exactly_true() -> None:
    scene = next(one for one in SCENES if sum(isinstance(item, Thing) for item in one.items) == 1)
    item = next(item for item in scene.items if isinstance(item, Thing))
    facts: list[Fact] = [("object", 0), ("colour", 0, item.colour), ("object", 1), ("shape", 1, item.shape)]
    said = said_by(facts, "")
    assert not holds(scene, facts) and true_of(said, bits([scene])) == [True] and said.beyond


def test_bits_of_a_concept_are_where_the_world_says_it_is() -> None:
    things = bits(SCENES)
    for concept in CONCEPTS[:-1]:
        expected = [is_present(scene, concept) for scene in SCENES]
        for which in range(len(phrases(concept))):
            assert true_of(phrase(concept, which), things) == expected, concept
    assert CONCEPTS[-1] == "nothing" and not any(true_of(phrase("nothing"), things))


def test_each_concept_has_a_bit_of_its_own_and_comes_back() -> None:
    assert len(CONCEPTS) == len(set(CONCEPTS)) == 60 and max(BIT.values()) < 2**63
    assert words_of(sum(BIT.values())) == CONCEPTS and words_of(0) == ()
    for scene in SCENES[:20]:
        for item in scene.items:
            assert sum(BIT[word] for word in words_of(bits_of(item))) == bits_of(item)


def test_phrases_are_in_the_worlds_words() -> None:
    for concept in CONCEPTS:
        if concept != "nothing":
            texts = phrases(concept)
            assert texts[0] == concept and len(set(texts)) >= min(len(texts), 3)
            for text in texts:
                assert tokens(text)
    assert phrase("red", 4).text == "a red object" and phrase("orange", 1).text == "an orange object"


def test_what_is_described_is_true_of_the_thing_and_says_it() -> None:
    rng = np.random.default_rng(0)
    for scene in SCENES:
        for asked in (BIT[scene.background.kind], *map(bits_of, scene.items)):
            said = described(asked, rng)
            assert len(said.mentions) == 1 and not said.beyond
            assert said.mentions[0] & asked == said.mentions[0] != 0
            said_words = set(words_of(said.mentions[0])) - {"object", *SLOTS}
            if GROUP[words_of(asked)[0]] != "background":
                assert all(word in said.text for word in said_words), said


def test_a_mention_that_is_not_there_asks_nothing_and_an_empty_place_answers_nothing() -> None:
    mentions = np.array([[0, 0], [1, 0], [1, 2], [3, 0]], np.uint64)
    things = np.array([[1, 2, 0], [3, 0, 0], [0, 0, 0]], np.uint64)
    expected = [[True, True, True, False], [True, True, True, True], [True, False, False, False]]
    assert contained(mentions, things).tolist() == expected
