"""A record says of a scene what the scene's own functions say, in a form that JSON keeps."""

from __future__ import annotations

import hashlib
import io
import json

import numpy as np
import pytest
from PIL import Image

from seewhy.errors import InputError, UnknownName
from seewhy.world.concepts import concept_names, masks, present
from seewhy.world.drawing.renderer import render
from seewhy.world.export import rle
from seewhy.world.export.records import Order, to_json, to_png
from seewhy.world.language.facts import holds
from seewhy.world.scene import Scene
from seewhy.world.tasks.tasks import TASKS


@pytest.mark.parametrize("task", TASKS)
def test_what_is_told_survives_json_and_draws_the_picture_again(task: str) -> None:
    record = Order.of(task, "ci", size=24).record(3)
    about = json.loads(to_json(record.about))
    scene = Scene.from_dict(about["scene"])
    assert scene == TASKS[task].scene("ci", 3)
    assert np.array_equal(render(scene, 24).rgb, record.rendered.rgb)
    label = TASKS[task].label(scene)
    assert about["labels"] == {task: label.tolist() if isinstance(label, np.ndarray) else label}
    assert all(holds(scene, facts) for facts in about["facts"].values())
    assert list(about["captions"]) == ["L0", "L1", "L2", "L3", "L4"]
    if TASKS[task].cue:
        assert tuple(about["group"]) == TASKS[task].group(scene)


def test_label_names_are_the_classes_in_words() -> None:
    one = Order.of("T1", "ci", size=8).record(0)
    assert one.label_names == [TASKS["T1"].classes[one.label]]
    many = Order.of("T8", "ci", size=8).record(0)
    assert set(many.label_names) == set(many.presence) and 0 < len(many.presence) < 53
    assert Order.of("T11", "ci", size=8).record(0).label_names == []


def test_concepts_come_with_their_pixels() -> None:
    record = Order.of("T4", "ci", size=40).record(1)
    scene, atomic = record.scene, concept_names("atomic")
    assert record.presence == [atomic[at] for at in np.flatnonzero(present(scene))]
    seen = masks(scene, record.rendered)
    assert set(record.about["masks"]) == set(record.presence)
    for name, coded in record.about["masks"].items():
        assert np.array_equal(rle.decode(coded), seen[name])


def test_the_hash_follows_pixels_and_facts() -> None:
    hashes = [Order.of("T1", "ci", size=size).record(at).sha256 for size, at in ((24, 0), (24, 1), (25, 0))]
    assert len(set(hashes)) == 3
    record = Order.of("t1", "ci", size=24).record(0)
    drawn = render(TASKS["T1"].scene("ci", 0), 24)
    written = json.dumps(record.about, sort_keys=True, separators=(",", ":")).encode()
    pixels = drawn.rgb.tobytes() + drawn.id_map.tobytes() + drawn.part_map.tobytes()
    assert record.sha256 == hashes[0] == hashlib.sha256(pixels + written).hexdigest()


def test_difficulty_and_bias_are_those_asked_for() -> None:
    def scenes(**asked: float) -> list[Scene]:
        return [TASKS["T6"].scene("ci", index, **asked) for index in range(20)]  # type: ignore[arg-type]

    order = Order.of("T6", "ci", size=8, difficulty=2, bias=1.0)
    found = [order.record(index).scene for index in range(20)]
    assert found == scenes(difficulty=2, bias=1.0)
    assert found not in (scenes(bias=1.0), scenes(difficulty=2))


@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 3), (3, 5, 4)])
def test_a_png_holds_the_pixels_and_no_times(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    data = to_png(pixels)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)
    assert b"tIME" not in data and b"tEXt" not in data


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"task": "T44"}, "There is no task 'T44'.\n  Did you mean 'T4'"),
        ({"split": "tset"}, "There is no split 'tset'.\n  Did you mean 'test'"),
        ({"size": 7}, "The size is 7.\n  It is a whole number from 8 to 2048."),
        ({"size": 96.0}, "The size is 96.0."),
        ({"n": 0}, "The number of scenes is 0."),
        ({"difficulty": 3}, "3"),
        ({"bias": 0.5}, "no cue"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(changed: dict[str, object], said: str) -> None:
    asked = {"task": "T1", "split": "test", "size": 24, **changed}
    with pytest.raises((InputError, UnknownName)) as caught:
        Order.of(asked.pop("task"), asked.pop("split"), **asked)
    assert said in str(caught.value)
