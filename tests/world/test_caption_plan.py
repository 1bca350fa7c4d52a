"""The English of captions, word for word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seewhy.world.language.plan import Mention, Plan, facts_of, write
from seewhy.world.language.reading import parse

STAR = Mention("object", (("size", "large"), ("colour", "orange"), ("shape", "star")))
RING = Mention("object", (("colour", "blue"), ("shape", "ring")))
BEAST = Mention("creature")
BIRD = Mention("creature", (("beak", "hooked"), ("tail", "none")))
COUNTS = (("objects", 1), ("creatures", 2))
NOTHING = (("things", 0),)


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (Plan(0, 0, NOTHING), "nothing"),
        (Plan(0, 3, NOTHING), "there is nothing"),
        (Plan(0, 3, COUNTS), "there is one object and two creatures"),
        (Plan(0, 5, COUNTS[1:]), "here are two creatures"),
        (Plan(0, 3, (("objects", 0), ("creatures", 1))), "there are no objects and one creature"),
        (Plan(1, 2, mentions=(STAR,)), "a picture of a large orange star"),
        (Plan(2, 3, mentions=(RING, RING)), "there are two blue rings"),
        (Plan(2, 3, mentions=(RING, STAR, RING)), "there are two blue rings and a large orange star"),
        (
            Plan(2, 1, mentions=(BEAST, RING, BEAST)),
            "a scene with a creature, another creature and a blue ring",
        ),
        (Plan(3, 0, (), "checker", (RING,)), "a blue ring on a checker pattern"),
        (Plan(3, 4, (), "grass", (RING, STAR)), "on grass you can see a blue ring and a large orange star"),
        (Plan(3, 5, (), "plain", (RING,)), "on a plain background, a blue ring"),
        (Plan(3, 5, (), None, (RING,)), "here is a blue ring"),
        (Plan(3, 2, NOTHING, "water"), "a picture of nothing on water"),
    ],
)
def test_phrases_read_well(plan: Plan, text: str) -> None:
    assert write(plan) == text and parse(text) == facts_of(plan)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (
            0,
            "one object and two creatures on dots. a large orange star is to the right of a blue ring. "
            "there is a creature. another creature has a hooked beak and no tail.",
        ),
        (
            2,
            "a picture of one object and two creatures on dots. a creature has a hooked beak and no tail. "
            "a large orange star is to the right of a blue ring. there is another creature.",
        ),
        (
            5,
            "a large orange star is to the right of a blue ring. there is a creature. another creature has a "
            "hooked beak and no tail. in all there is one object and two creatures on dots.",
        ),
    ],
)
def test_stories_read_well(template: int, text: str) -> None:
    plan = Plan(4, template, COUNTS, "dots", (STAR, RING, BEAST, BIRD), "right of")
    assert write(plan) == text and parse(text) == facts_of(plan)
    assert facts_of(plan)[-1] == (("left of", 1, 0) if template != 2 else ("left of", 2, 1))


@pytest.mark.parametrize("template", range(6))
def test_a_story_may_leave_out_counts_place_or_both(template: int) -> None:
    placed = write(Plan(4, template, (), "grass", (RING,)))
    assert placed == "a scene on grass. there is a blue ring."
    assert write(Plan(4, template, mentions=(RING,))) == "there is a blue ring."
    assert "nothing on grass" in write(Plan(4, template, NOTHING, "grass")) or template == 4


def test_what_was_named_before_is_another_one() -> None:
    pair = Plan(4, 0, mentions=(RING, RING), relation="above")
    assert write(pair) == "a blue ring is above another blue ring."
    more = replace(pair, mentions=(RING, RING, RING, RING))
    assert write(more) == "a blue ring is above another blue ring. there are two other blue rings."
    assert parse(write(more)) == facts_of(more)


def test_a_new_value_takes_its_place_in_the_order() -> None:
    plan = Plan(3, 0, mentions=(RING,)).with_said(0, "texture", "solid").with_said(0, "colour", "red")
    assert write(plan) == "a solid red ring"
