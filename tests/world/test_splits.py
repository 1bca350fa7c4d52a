"""Splits do not share scenes, and what is held out is held out."""

from __future__ import annotations

from itertools import product

import pytest

from seewhy.errors import UnknownName
from seewhy.world.grammar import PARTS, SLOTS
from seewhy.world.scene import Scene
from seewhy.world.tasks.splits import HELD_OUT_PAIRS, SPLITS, find_split, is_held_out, scene_seed
from seewhy.world.tasks.tasks import TASKS

N = 60


def pairs(scene: Scene) -> list[tuple[str, str]]:
    return [(thing.colour, thing.shape) for thing in scene.objects]


def test_splits_are_those_of_the_specification() -> None:
    rows = {(split.name, split.n, split.seed) for split in SPLITS.values()}
    assert rows == {
        ("train", 200_000, 1),
        ("val", 5_000, 2),
        ("test", 5_000, 3),
        ("cf", 1_000, 4),
        ("ood-compose", 5_000, 5),
        ("ood-style", 2_000, 6),
        ("ci", 256, 7),
    }
    with pytest.raises(UnknownName, match="Did you mean 'test'"):
        find_split("tset")


def test_each_task_and_split_has_scenes_of_its_own() -> None:
    seeds = {scene_seed(task, split) for task in TASKS for split in SPLITS}
    assert len(seeds) == len(TASKS) * len(SPLITS)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_held_out_pairs_use_each_word_once_and_leave_the_rules_words() -> None:
    words = [word for pair in HELD_OUT_PAIRS for word in pair]
    assert len(HELD_OUT_PAIRS) == 6 and len(set(words)) == 12
    assert not {"red", "green", "star", "ring"} & set(words)


def test_about_a_tenth_of_the_combinations_of_parts_is_held_out() -> None:
    every = list(product(*((*PARTS[slot], "none") for slot in SLOTS)))
    share = sum(map(is_held_out, every)) / len(every)
    assert abs(share - 0.1) < 4 * (0.09 / len(every)) ** 0.5


@pytest.mark.parametrize("split", list(SPLITS))
@pytest.mark.parametrize("task", list(TASKS))
def test_held_out_pairs_are_in_every_scene_of_one_split_and_in_no_other(task: str, split: str) -> None:
    for difficulty, n in ((1, N), (0, 20), (2, 20)):
        for index in range(n):
            scene = TASKS[task].scene(split, index, difficulty=difficulty)
            held_out = [pair for pair in pairs(scene) if pair in HELD_OUT_PAIRS]
            assert len(held_out) == (split == "ood-compose")


@pytest.mark.parametrize("task", ["T5", "T8", "T10"])
@pytest.mark.parametrize("split", ["train", "ood-compose"])
def test_free_creatures_are_held_out_in_that_split_alone(task: str, split: str) -> None:
    scenes = [TASKS[task].scene(split, index) for index in range(150)]
    found = [
        is_held_out(tuple(creature.variants.values())) for scene in scenes for creature in scene.creatures
    ]
    assert len(found) > 40 and set(found) == {split == "ood-compose"}


def test_other_style_lies_outside_what_training_has() -> None:
    train, strange = (
        [TASKS["T3a"].scene(split, index) for index in range(100)] for split in ("train", "ood-style")
    )
    assert max(s.noise for s in train) < 6 <= min(s.noise for s in strange)
    assert max(s.noise for s in strange) <= 12
    assert max(s.lighting.strength for s in train) < 0.25 <= min(s.lighting.strength for s in strange)
    assert max(sum(s.background.rgb) for s in strange) < min(sum(s.background.rgb) for s in train)
    assert max(s.background.period for s in strange) < min(s.background.period for s in train)
