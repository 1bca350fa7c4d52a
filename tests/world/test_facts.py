"""Facts are true of a scene exactly if different things can stand for their names."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from seewhy.errors import InputError
from seewhy.world.hashing import Draws
from seewhy.world.language.facts import ATTRIBUTES, Fact, holds, said_concepts
from seewhy.world.relations import RELATIONS
from seewhy.world.sampling import Grammar, sample_scene
from seewhy.world.scene import Background, Creature, Lighting, Part, Scene, Thing


def _thing(id: int, colour: str, shape: str, x: float) -> Thing:
    return Thing(id, shape, colour, "solid", "small", (9, 9, 9), (9, 9, 9), x=x, y=0.5, radius=0.07, turn=0)


BIRD = Creature(
    3,
    "round",
    "ash",
    (190, 190, 190),
    (Part("beak", "hooked", (9, 9, 9)),),
    0.5,
    0.2,
    0.15,
    turn=0,
    flip=False,
)
SCENE = Scene(
    0,
    0,
    Background("grass", "moss", (100, 100, 100), (50, 50, 50), 0, 0.2),
    Lighting(0, 0.0),
    (_thing(0, "red", "star", 0.2), _thing(1, "blue", "ring", 0.5), _thing(2, "red", "star", 0.8), BIRD),
)

STAR: list[Fact] = [("object", 0), ("colour", 0, "red"), ("shape", 0, "star")]
OTHER_STAR: list[Fact] = [("object", 1), ("colour", 1, "red"), ("shape", 1, "star")]
THIRD_STAR: list[Fact] = [("object", 2), ("shape", 2, "star")]
RING: list[Fact] = [("object", 1), ("shape", 1, "ring")]


@pytest.mark.parametrize(
    ("facts", "true"),
    [
        ([], True),
        ([("objects", 3), ("creatures", 1), ("things", 4)], True),
        ([("objects", 4)], False),
        ([("things", 3)], False),
        ([("creatures", 0)], False),
        ([("background", "grass")], True),
        ([("background", "water")], False),
        (STAR, True),
        ([*STAR, *OTHER_STAR], True),
        ([*STAR, *OTHER_STAR, *THIRD_STAR], False),
        ([*STAR, ("texture", 0, "striped")], False),
        ([*STAR, *RING, ("left of", 0, 1)], True),
        # The first star does not lie right of the ring, but another one does.
        ([*STAR, *RING, ("left of", 1, 0)], True),
        ([*STAR, *OTHER_STAR, *RING[1:], ("left of", 0, 1)], False),
        ([*STAR, *RING, ("above", 0, 1)], False),
        ([*STAR, *RING, ("same colour", 0, 1)], False),
        ([("creature", 5), ("beak", 5, "hooked"), ("tail", 5, "none")], True),
        ([("creature", 5), ("beak", 5, "none")], False),
        ([("creature", 5), ("creature", 6)], False),
        # Any object may be the first, but then it must leave the ring to the second.
        ([("object", 0), *RING, ("object", 2), ("shape", 2, "ring")], False),
        ([("object", 0), ("object", 2), *RING], True),
        ([("object", 0), *STAR[1:], ("object", 2), *RING, ("same shape", 0, 2)], True),
        ([("object", 0), *STAR[1:], ("object", 2), *OTHER_STAR, ("same shape", 0, 2)], False),
    ],
)
def test_facts_hold_of_a_scene(facts: list[Fact], true: bool) -> None:
    assert holds(SCENE, facts) is true
    assert holds(SCENE, [list(fact) for fact in facts[::-1]]) is true


def _brute_force(scene: Scene, facts: list[Fact]) -> bool:
    """Try every way to give the named objects an object each."""
    return any(
        all(getattr(chosen[int(fact[1])], str(fact[0])) == fact[2] for fact in facts if fact[0] in ATTRIBUTES)
        and all(
            RELATIONS[str(fact[0])](chosen[int(fact[1])], chosen[int(fact[2])])
            for fact in facts
            if fact[0] in RELATIONS
        )
        for chosen in permutations(scene.objects, 3)
    )


def test_random_facts_agree_with_brute_force() -> None:
    found = []
    common = tuple(name for name in RELATIONS if name not in ("touching", "inside"))
    for index in range(300):
        scene = sample_scene(8, index, Grammar(shapes=("disk", "star"), colours=("red", "blue"), counts=(5,)))
        draws = Draws(9, index)
        facts: list[Fact] = [("object", ref) for ref in range(3)]
        facts += [("shape", ref, draws.pick("shape", ("disk", "star"), ref)) for ref in range(2)]
        facts += [("colour", ref, draws.pick("colour", ("red", "blue"), ref)) for ref in range(2)]
        pairs = list(permutations(range(3), 2))
        facts += [(draws.pick("relation", common, at), *draws.pick("pair", pairs, at)) for at in (0, 1)]
        found.append(holds(scene, facts))
        assert found[-1] == _brute_force(scene, facts)
    assert 0.1 < sum(found) / len(found) < 0.9


def test_a_crowd_of_twins_is_soon_decided() -> None:
    twins = replace(SCENE, items=tuple(_thing(at, "red", "star", 0.05 * at) for at in range(12)))
    facts: list[Fact] = [("object", ref) for ref in range(8)]
    assert holds(twins, facts) and not holds(twins, [*facts, ("colour", 7, "blue")])
    assert not holds(twins, [*facts, ("above", 6, 7)]) and holds(twins, [*facts, ("left of", 6, 7)])
    assert not holds(twins, [("object", ref) for ref in range(13)])


def test_said_concepts_are_the_words_for_what_is_there() -> None:
    facts: list[Fact] = [("background", "grass"), *STAR, *OTHER_STAR, ("creature", 2), ("tail", 2, "none")]
    assert said_concepts([*facts, ("beak", 2, "hooked")]) == (
        "grass",
        "red",
        "star",
        "creature",
        "hooked beak",
    )


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ([("colour", 0, "red")], "speaks of object 0"),
        ([("creature", 0), ("colour", 0, "red")], "speaks of object 0"),
        ([("object", 0), ("beak", 0, "hooked")], "speaks of creature 0"),
        ([("object", 0), ("left of", 0, 1)], "speaks of object 1"),
        ([("object", 0), ("colour", 0, "rad")], "colour is 'rad'"),
        ([("object", 0), ("colour", 0)], "has 3 entries"),
        ([("background", "grss")], "background is 'grss'"),
        ([("colors", 0, "red")], "fact is 'colors'"),
        ([()], "fact is None"),
    ],
)
def test_facts_that_make_no_sense_are_refused(facts: list[Fact], words: str) -> None:
    with pytest.raises(InputError, match=words):
        holds(SCENE, facts)
