"""A scene is data: the same after JSON, and refused in words when it cannot be drawn."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from seewhy.errors import InputError
from seewhy.world.sampling import Grammar, sample_scene
from seewhy.world.scene import Decoy, Scene

GRAMMAR = Grammar(counts=(3,), creatures=(1,), empty_slot=0.0)
SCENE = sample_scene(4, 2, GRAMMAR).with_decoy(Decoy("bottom_right"))


def _changed(path: str, value: Any) -> dict[str, Any]:
    """The scene's record with one value replaced; 'items.0.shape' names a place in it."""
    record = json.loads(json.dumps(SCENE.to_dict()))
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place = record
    for step in way:
        place = place[step]
    place[last] = value
    return record  # type: ignore[no-any-return]


@pytest.mark.parametrize("index", range(20))
def test_scene_survives_json(index: int) -> None:
    scene = sample_scene(1, index).with_decoy(Decoy() if index % 2 else None)
    assert Scene.from_dict(json.loads(json.dumps(scene.to_dict()))) == scene


def test_to_dict_is_what_json_gives_back() -> None:
    assert json.loads(json.dumps(SCENE.to_dict())) == SCENE.to_dict()


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("world_version", "w9", "world version 'w9'"),
        ("items.0.shape", "dsk", "Did you mean 'disk'"),
        ("items.0.shape", 3, "The shape is 3"),
        ("items.0.x", float("nan"), "The x is nan"),
        ("items.0.x", "0.5", "a number from 0.0 to 1.0"),
        ("items.1.id", 0, "no id twice"),
        ("items.0.turn", 64, "a whole number from 0 to 63"),
        ("items.0.turn", True, "The turn is True"),
        ("items.0.rgb", [1, 2, 300], "three whole numbers"),
        ("items.0", 5, "The item is 5"),
        ("items.0.type", "thing", "object, creature"),
        ("items", {}, "They are a list"),
        ("background.kind", "gras", "one of plain, gradient"),
        ("lighting.direction", 8, "whole number from 0 to 7"),
        ("decoy.kind", "frame", "tag, border, watermark"),
        ("decoy.corner", "middle", "top_left"),
        ("decoy.colour", "red", "unknown fields: colour"),
        ("seed", -1, "The seed is -1"),
        ("noise", -0.1, "The noise is -0.1"),
        ("background", None, "The background is None"),
    ],
)
def test_bad_record_is_refused_in_words(path: str, value: Any, words: str) -> None:
    with pytest.raises(InputError) as error:
        Scene.from_dict(_changed(path, value))
    assert words in str(error.value) and str(error.value).count("\n") == 2


def test_missing_field_is_named() -> None:
    record = SCENE.to_dict()
    del record["lighting"]
    with pytest.raises(InputError, match="missing or unknown fields: lighting"):
        Scene.from_dict(record)
    with pytest.raises(InputError, match=r"The scene is \[\]"):
        Scene.from_dict([])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("corner", "box"),
    [
        ("top_left", (0, 0, 0.25, 0.25)),
        ("top_right", (0.75, 0, 1, 0.25)),
        ("bottom_left", (0, 0.75, 0.25, 1)),
        ("bottom_right", (0.75, 0.75, 1, 1)),
    ],
)
def test_decoy_lies_in_its_corner(corner: str, box: tuple[float, ...]) -> None:
    assert Decoy(corner, side=0.25).box == box


def test_with_decoy_changes_nothing_else() -> None:
    assert SCENE.with_decoy(None) == replace(SCENE, decoy=None)
    assert SCENE.with_decoy(None).with_decoy(SCENE.decoy) == SCENE
