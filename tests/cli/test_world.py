"""`seewhy world`: a scene to look at, and scenes for other programs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seewhy.world.concepts import masks
from seewhy.world.export.records import Order
from seewhy.world.tasks.tasks import TASKS
from tests.cli.conftest import Result, Seewhy


def test_show_writes_picture_and_masks_and_tells_the_scene(seewhy: Seewhy, workplace: Path) -> None:
    result = seewhy("world", "show", "T5", "--split", "ci", "-i", "2", "--size", "32")
    assert result.code == 0 and result.err == "wrote T5-ci-2.png: picture, things, parts\n"
    record = Order.of("T5", "ci", size=32).record(2)
    lines = result.out.splitlines()
    assert lines[0] == f"T5 ci 2: {TASKS['T5'].title}"
    assert lines[1] == f"label: {record.label_names[0]}"
    assert lines[2] == f"group: {', '.join(TASKS['T5'].group(record.scene))}"
    assert lines[3:8] == [f"L{one.level}: {one.text}" for one in record.captions]
    seen = masks(record.scene, record.rendered, record.presence)
    assert {tuple(line.rsplit(maxsplit=1)) for line in lines[9:]} == {
        (name, str(mask.sum())) for name, mask in seen.items()
    }
    drawn = np.asarray(Image.open(workplace / "T5-ci-2.png"))
    assert drawn.shape == (288, 3 * 288 + 8, 3)
    assert np.array_equal(drawn[4:288:9, 4:288:9], record.rendered.rgb)


def test_show_tells_numbers_and_several_classes(seewhy: Seewhy) -> None:
    number = Order.of("T11", "ci", size=8).record(0).label
    assert f"label: {number:.4g}\n" in seewhy("world", "show", "t11", "--split", "ci", "--size", "8").out
    names = Order.of("T8", "ci", size=8).record(0).label_names
    out = seewhy("world", "show", "T8", "--split", "ci", "--size", "8").out
    assert f"label: {', '.join(names)}\n" in out and "group:" not in out


def test_show_json_is_one_strict_document(seewhy: Seewhy, workplace: Path) -> None:
    result = seewhy("world", "show", "T1", "--size", "16", "-o", "here.png", "--json")
    told = json.loads(result.out)
    assert told.pop("picture") == "here.png" and (workplace / "here.png").is_file()
    expected = Order.of("T1", "test", size=16).record(0).about
    assert told == json.loads(json.dumps(expected))


def test_make_writes_the_folder_and_says_what_it_holds(seewhy: Seewhy, workplace: Path) -> None:
    options = ("--split", "ci", "--n", "3", "--size", "16", "-f", "npz")
    result = seewhy("world", "make", "t1", *options)
    assert result.code == 0 and result.err == "wrote T1-ci-npz\n"
    assert result.out.startswith("3 scenes of T1 ci, 16 px, difficulty 1, as npz in 1 shard; world w1")
    told = json.loads(seewhy("world", "make", "T1", *options, "-o", "there", "--json").out)
    assert told.pop("folder") == "there"
    for folder in ("T1-ci-npz", "there"):
        assert told == json.loads((workplace / folder / "manifest.json").read_text())
    assert (workplace / "there" / "ci-000000.npz").is_file()


def test_difficulty_and_bias_are_passed_on(seewhy: Seewhy, workplace: Path) -> None:
    options = ("--split", "ci", "--size", "16", "--difficulty", "2", "--bias", "1")
    record = Order.of("T6", "ci", size=16, difficulty=2, bias=1.0).record(0)
    shown = json.loads(seewhy("world", "show", "T6", *options, "--json").out)
    assert shown["scene"] == record.about["scene"]
    made = json.loads(seewhy("world", "make", "T6", *options, "-n", "1", "--json").out)
    assert made["first_sha256"] == record.sha256 and (made["difficulty"], made["bias"]) == (2, 1.0)


def mistaken(result: Result, said: str) -> None:
    assert result.code == 1 and result.out == "" and "Traceback" not in result.err
    assert said in result.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "T44"), "There is no task 'T44'.\n  Did you mean 'T4'"),
        (("show", "T1", "--split", "tset"), "There is no split 'tset'.\n  Did you mean 'test'"),
        (("show", "T1", "--index", "-1"), "The scene index is -1.\n  It is a whole number from 0"),
        (("show", "T1", "--size", "4"), "The size is 4.\n  It is a whole number from 8 to 2048."),
        (("show", "T1", "--size", "8", "-o", "a.jpg"), "output 'a.jpg' ends in '.jpg'."),
        (("show", "T1", "--size", "8", "-o", "no/a.png"), "output 'no/a.png' cannot be written"),
        (("show", "T1", "--bias", "1"), "The task has no cue that a bias could act on."),
        (("make", "T1", "-f", "parket"), "There is no format 'parket'.\n  Did you mean 'parquet'?"),
        (("make", "T44"), "There is no task 'T44'."),
        (("make", "T1", "--n", "0"), "The number of scenes is 0."),
        (("make", "T1", "-o", "photos"), "photos holds other files, such as a.png."),
        (("make", "T1", "-f", "funnybirds"), "FunnyBirds' layout is for classes of creatures: T4."),
    ],
)
def test_mistakes_are_1_in_words_and_make_nothing(
    words: tuple[str, ...], said: str, seewhy: Seewhy, workplace: Path
) -> None:
    before = sorted(workplace.rglob("*"))
    mistaken(seewhy("world", *words), said)
    assert sorted(workplace.rglob("*")) == before


def test_without_a_verb_the_help_is_shown(seewhy: Seewhy) -> None:
    help_text = seewhy("world", "--help")
    assert help_text.code == 0 and "show" in help_text.out and "make" in help_text.out
    assert seewhy("world", "show").code == 2
