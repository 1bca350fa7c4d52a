"""The interpreter of rules: right values, and nothing but rules."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from seewhy.errors import InputError
from seewhy.world.sampling import sample_scene
from seewhy.world.scene import Decoy, Scene
from seewhy.world.tasks.rule_language import FUNCTIONS, parsed
from seewhy.world.tasks.rules import CALLED, UndefinedRule, evaluate

SCENES = [sample_scene(3, index) for index in range(60)]


def scene_with(n_creatures: int) -> Scene:
    return next(scene for scene in SCENES if len(scene.creatures) == n_creatures)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("2 + 3 * 4 - 6 / 3", 12.0),
        ("-(1 + 1)", -2),
        ("1 < 2 < 3 and not 3 <= 2", True),
        ("1 < 2 > 3 or 1 != 1", False),
        ("'a' if 1 in (2, 3) else 'b'", "b"),
        ("index('y', 'x', ('y', 'z'))", 1),
        ("sum(x * y for x in (1, 2, 3) for y in (10, 20) if x > 1)", 150),
        ("count(x for x in (1, 2, 3, 4) if x > 1 if x < 4)", 2),
        ("any(x == 2 for x in (1, 2))", True),
        ("all(x == 2 for x in (1, 2))", False),
        ("only(x for x in (1, 2) if x > 1)", 2),
        ("count((4, 5, 6)) == 3", True),
    ],
)
def test_values_are_those_of_python(rule: str, value: object) -> None:
    assert evaluate(rule, SCENES[0]) == value


def test_rules_see_what_is_in_the_scene() -> None:
    for scene in SCENES:
        stars = [thing for thing in scene.objects if thing.shape == "star"]
        red = [thing for thing in stars if thing.colour == "red"]
        assert evaluate("has(shape='star')", scene) == bool(stars)
        assert evaluate("count(shape='star', colour='red')", scene) == len(red)
        assert evaluate("sum(o.radius for o in objects)", scene) == sum(o.radius for o in scene.objects)
        assert evaluate("count(items) - count(objects)", scene) == len(scene.creatures)
        assert evaluate("background.kind", scene) == scene.background.kind
        beaks = [creature.variant("beak") for creature in scene.creatures]
        assert evaluate("count(c for c in creatures if c.beak == 'none')", scene) == beaks.count("none")
        parts = [part.variant for creature in scene.creatures for part in creature.parts]
        assert evaluate("sum(count(c.parts) for c in creatures)", scene) == len(parts)


def test_decoy_is_none_or_has_its_kind() -> None:
    rule = "'none' if decoy == None else decoy.kind"
    assert evaluate(rule, SCENES[0]) == "none"
    assert evaluate(rule, SCENES[0].with_decoy(Decoy("top_left", kind="border"))) == "border"


def test_only_needs_exactly_one() -> None:
    assert evaluate("only(creatures).body", scene_with(1)) == scene_with(1).creatures[0].body
    for n, word in ((0, "none"), (2, "2 of what")):
        with pytest.raises(UndefinedRule, match=word):
            evaluate("only(creatures).body", scene_with(n))
    with pytest.raises(UndefinedRule, match="'c' is none of"):
        evaluate("index('c', 'a', 'b')", SCENES[0])


def test_noise_belongs_to_seed_and_index_and_is_standard() -> None:
    draws = [evaluate("noise(2)", replace(SCENES[0], index=index)) for index in range(4000)]
    mean = sum(draws) / 4000
    assert abs(mean) < 4 * 2 / 4000**0.5
    assert abs(sum((draw - mean) ** 2 for draw in draws) / 4000 - 4) < 0.4
    assert evaluate("noise(2)", replace(SCENES[0], items=())) == evaluate("noise(2)", SCENES[0])


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("has(shape='sta')", "Did you mean 'star'"),
        ("has(shpe='star')", "Did you mean 'shape'"),
        ("has(colour=background.kind)", "uses the colour 'background.kind'"),
        ("anny(o for o in objects)", "Did you mean 'any'"),
        ("objecs", "Did you mean 'objects'"),
        ("o.shape", "uses the name 'o'"),
        ("only(o.colur for o in objects)", "Did you mean 'colour'"),
        ("background.shape == 'star'", "It has kind, hue"),
        ("(1).shape", "It has no attributes"),
        ("1 +", "is no expression"),
        ("(" * 500 + "1" + ")" * 500, "no expression"),
        ("x" * 5000, "5000 characters"),
        ("2 ** 9", "operator Pow"),
        ("[1, 2]", "Python List"),
        ("lambda: 1", "Python Lambda"),
        ("only(objects)[0]", "Python Subscript"),
        ("only.__class__", "attribute '__class__'"),
        ("background.kind.upper()", "Python Call"),
        ("any(a for a, b in objects)", "one variable"),
        ("only(objects, n=1)", "keyword of only()"),
        ("b'x'", "constant b'x'"),
        ("1 / 0", "cannot be worked out"),
        ("'a' + 1", "cannot be worked out"),
        ("only()", "cannot be worked out"),
    ],
)
def test_refuses_in_words(rule: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        evaluate(rule, SCENES[0])
    assert words in str(error.value)


def test_loop_variables_end_with_their_loop() -> None:
    with pytest.raises(InputError, match="uses the name 'o'"):
        parsed("any(o for o in objects) and o.shape == 'star'")


def test_every_function_of_the_language_is_there() -> None:
    assert tuple(CALLED) == FUNCTIONS
    assert isinstance(parsed("1"), ast.Constant)


def test_count_takes_values_or_keywords_and_not_both() -> None:
    scene = sample_scene(1, 2)
    assert evaluate("count(objects)", scene) == len(scene.objects)
    with pytest.raises(InputError, match="Count values, or objects by keywords"):
        evaluate("count(objects, colour='red')", scene)
