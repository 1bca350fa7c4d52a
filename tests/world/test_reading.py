"""The reader understands the language of captions, and says where it does not."""

from __future__ import annotations

import pytest

from seewhy.errors import InputError
from seewhy.world.language.facts import Fact
from seewhy.world.language.reading import parse


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("a scene with three things", [("things", 3)]),
        ("Two creatures and no objects", [("objects", 0), ("creatures", 2)]),
        ("nothing", [("things", 0)]),
        ("a red object", [("object", 0), ("colour", 0, "red")]),
        ("two small crosses", [(n, *rest) for r in (0, 1) for n, *rest in
                               [("object", r), ("size", r, "small"), ("shape", r, "cross")]]),
        ("a creature has a broad wing and no foot",
         [("creature", 0), ("wing", 0, "broad"), ("foot", 0, "none")]),
        ("a disk is smaller than a star on a plain background",
         [("background", "plain"), ("object", 0), ("shape", 0, "disk"), ("object", 1), ("shape", 1, "star"),
          ("larger", 1, 0)]),
        ("on stripes, a striped ring",
         [("background", "stripes"), ("object", 0), ("texture", 0, "striped"), ("shape", 0, "ring")]),
    ],
)  # fmt: skip
def test_captions_are_understood(text: str, facts: list[Fact]) -> None:
    assert parse(text) == tuple(facts)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a purpel star", "word 'purpel'"),
        ("a red", "'a red'"),
        ("a hooked star", "'hooked star'"),
        ("a star has a hooked beak", "'a hooked beak'"),
        ("a creature has a forked beak", "'a forked beak'"),
        ("a star is above", "'is above'"),
        ("a star same colour a ring", "'same colour'"),
        ("is above a star", "'is above'"),
        ("a star on a star", "'on a star'"),
        ("three red things", "'three red things'"),
        ("a thing", "'thing'"),
        ("a creature is above a star", "'is above'"),
        ("a two ring", "'two ring'"),
        ("a ring and", "'and'"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse(text)
