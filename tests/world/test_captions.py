"""Captions are true, say what they state and nothing else, and stay within their words."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from seewhy.errors import InputError
from seewhy.world.grammar import PARTS, SHAPES, SLOTS, TEXTURES
from seewhy.world.language.captions import LEVELS, TEMPLATES, Caption, caption, captions, plan_of, spoken
from seewhy.world.language.facts import holds
from seewhy.world.language.reading import parse
from seewhy.world.language.words import TOKEN_LIMIT, tokens
from seewhy.world.relations import RELATIONS
from seewhy.world.sampling import Grammar, sample_scene
from seewhy.world.scene import Scene

GRAMMARS = {
    "the world": Grammar(),
    "one object": Grammar(counts=(1,), creatures=(0,)),
    "six objects": Grammar(counts=(6,), creatures=(0,)),
    "many alike": Grammar(counts=(5,), shapes=("cross",), colours=("orange", "red"), creatures=(0, 1)),
    "two creatures, slots empty": Grammar(creatures=(2,), empty_slot=0.5),
}


def _scenes(name: str, n: int = 100) -> list[Scene]:
    return [sample_scene(77, index, GRAMMARS[name]) for index in range(n)]


def _check(scene: Scene, said: Caption) -> None:
    assert parse(said.text) == said.facts, said.text
    assert holds(scene, said.facts), said.text
    assert len(tokens(said.text)) + 2 <= TOKEN_LIMIT, said.text
    assert not re.search(r"\ba [aeiou]|\ban [^aeiou]|  |^ | $", said.text), said.text
    assert said.text and said.facts


@pytest.mark.parametrize("level", range(LEVELS))
@pytest.mark.parametrize("name", GRAMMARS)
def test_captions_are_true_and_say_what_they_state(name: str, level: int) -> None:
    for scene in _scenes(name):
        for draw in (0, 1):
            _check(scene, caption(scene, level, draw=draw))


@pytest.mark.parametrize("level", range(LEVELS))
@pytest.mark.parametrize("template", range(TEMPLATES))
def test_every_template_is_sound_for_every_kind_of_scene(level: int, template: int) -> None:
    for name in GRAMMARS:
        for scene in _scenes(name, 8):
            for few in (scene, replace(scene, items=scene.creatures), replace(scene, items=())):
                said = caption(few, level, template)
                assert (said.level, said.template) == (level, template)
                _check(few, said)


@pytest.mark.parametrize("level", range(LEVELS))
def test_the_six_templates_differ(level: int) -> None:
    scene = sample_scene(1, 0, Grammar(creatures=(1,)))
    texts = {spoken(plan_of(scene, level, template, all_kept=True)).text for template in range(TEMPLATES)}
    assert len(texts) == TEMPLATES


def test_levels_say_what_they_are_for() -> None:
    said = [captions(scene) for scene in _scenes("the world")]
    predicates = [{str(fact[0]) for row in said for fact in row[level].facts} for level in range(LEVELS)]
    kinds = {"object", "creature", "colour", "shape"}
    counts = {"things", "objects", "creatures"}
    assert predicates[0] == counts
    assert predicates[1] == kinds and all(len(row[1].facts) in (1, 3) for row in said)
    assert predicates[2] == kinds | {"size"}
    assert predicates[3] == predicates[2] | {"texture", "background"}
    # No object lies inside another in the sampled world.
    assert predicates[4] == predicates[3] | counts | set(SLOTS) | set(RELATIONS) - {"inside"}


def test_with_all_kept_level_three_says_everything() -> None:
    for scene in _scenes("the world", 30):
        if len(scene.items) > 5:
            continue
        facts = spoken(plan_of(scene, 3, 0, all_kept=True)).facts
        assert ("background", scene.background.kind) in facts
        refs = [fact[1] for fact in facts if fact[0] == "object"]
        said = [[fact[2] for fact in facts if len(fact) > 2 and fact[1] == ref] for ref in refs]
        assert sorted(said) == sorted(
            [thing.size, thing.texture, thing.colour, thing.shape] for thing in scene.objects
        )


def test_the_story_tells_the_parts_of_creatures_before_the_rest() -> None:
    for scene in _scenes("the world", 60):
        facts = spoken(plan_of(scene, 4, all_kept=True)).facts
        assert ("creature" in [fact[0] for fact in facts]) == bool(scene.creatures)


@pytest.mark.parametrize(("level", "low", "high"), [(2, 0.7, 0.9), (3, 0.82, 0.97)])
def test_details_are_left_out_as_often_as_stated(level: int, low: float, high: float) -> None:
    scenes = [sample_scene(78, index, Grammar(counts=(2,), creatures=(0,))) for index in range(300)]
    facts = [fact for scene in scenes for fact in caption(scene, level).facts]
    objects = sum(fact[0] == "object" for fact in facts)
    assert low < sum(fact[0] == "size" for fact in facts) / objects < high
    # Of two objects the first is always named, the second as often as any detail.
    assert low < objects / len(scenes) - 1 < high


def test_what_is_left_out_depends_on_the_draw_alone() -> None:
    scene = sample_scene(3, 3, Grammar(counts=(4,)))
    assert captions(scene) == captions(scene)
    assert len({caption(scene, 3, 0, draw=draw).text for draw in range(12)}) > 6
    assert caption(scene, 3, draw=5) == caption(scene, 3, draw=5)


def test_every_word_for_a_thing_gets_said() -> None:
    said = {
        word for scene in _scenes("the world", 200) for row in captions(scene) for word in tokens(row.text)
    }
    assert {*SHAPES, *TEXTURES, *(variant for slot in SLOTS for variant in PARTS[slot])} <= said


def test_facts_survive_json() -> None:
    scene = sample_scene(3, 3, Grammar(creatures=(1,)))
    for said in captions(scene):
        assert holds(scene, json.loads(json.dumps(said.facts)))


def test_arguments_out_of_range_are_refused() -> None:
    scene = sample_scene(3, 3)
    with pytest.raises(InputError, match="caption level is 5"):
        caption(scene, 5)
    with pytest.raises(InputError, match="caption template is 6"):
        caption(scene, 0, 6)
    with pytest.raises(InputError, match="draw is -1"):
        caption(scene, 0, draw=-1)
    crowd = replace(scene, items=tuple(replace(scene.objects[0], id=at) for at in range(13)))
    with pytest.raises(InputError, match="13 objects and creatures.*\n.*up to 12.*\n.*Remove"):
        caption(crowd, 0)
    assert caption(replace(crowd, items=crowd.items[:12]), 0, 0).text.startswith("twelve ")
