"""Labels are what a second, slower reading of the question says, and nothing cheap tells them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from seewhy.errors import InputError, UnknownName
from seewhy.world.grammar import COLOURS, PARTS, SHAPES, SIZES
from seewhy.world.layout import violations
from seewhy.world.scene import Scene
from seewhy.world.tasks.rules import UndefinedRule
from seewhy.world.tasks.splits import SPLITS
from seewhy.world.tasks.tasks import TASKS, find_task

N = 1200
SCENES: dict[str, list[Scene]] = {}


def train(name: str) -> list[Scene]:
    if name not in SCENES:
        SCENES[name] = [TASKS[name].scene("train", index) for index in range(N)]
    return SCENES[name]


def labels(name: str) -> list[int]:
    return [int(TASKS[name].label(scene)) for scene in train(name)]


def have(scene: Scene, *words: str) -> bool:
    return any(set(words) <= {o.shape, o.colour, o.texture, o.size} for o in scene.objects)


def t1(scene: Scene) -> int:
    (striped,) = [thing for thing in scene.objects if thing.texture == "striped"]
    return SHAPES.index(striped.shape)


def t5(scene: Scene) -> int:
    return {"webbed": 0, "padded": 0, "clawed": 1, "hoofed": 1}[scene.creatures[0].variants["foot"]]


def t6(scene: Scene) -> int:
    (large,) = [thing for thing in scene.objects if thing.size == "large"]
    return ["disk", "square", "triangle", "cross"].index(large.shape)


def t3a(scene: Scene) -> int:
    return max(int(have(scene, "checkered")), int(scene.background.kind == "grass"))


def t3b(scene: Scene) -> int:
    return int(have(scene, "checkered")) + int(scene.background.kind == "grass") == 1


BY_HAND: dict[str, Callable[[Scene], int]] = {
    "T1": t1,
    "T2": lambda scene: int(have(scene, "red", "star") and have(scene, "blue", "ring")),
    "T3a": t3a,
    "T3b": t3b,
    "T5": t5,
    "T6": t6,
    "T7": lambda scene: ["disk", "square", "triangle", "cross"].index(scene.objects[0].shape),
    "T9": lambda scene: int(have(scene, "green")),
    "T10": lambda scene: {"spiky": 0, "horned": 1}[scene.creatures[0].variants["crest"]],
}


@pytest.mark.parametrize("name", list(BY_HAND))
@pytest.mark.parametrize("split", list(SPLITS))
def test_labels_are_those_of_a_second_reading(name: str, split: str) -> None:
    for difficulty in (0, 1, 2):
        for index in range(40):
            scene = TASKS[name].scene(split, index, difficulty=difficulty)
            assert TASKS[name].label(scene) == BY_HAND[name](scene)


def test_presence_labels_are_those_of_a_second_reading() -> None:
    for scene in train("T8")[:300]:
        seen = {word for o in scene.objects for word in (o.shape, o.colour, o.texture, o.size)}
        seen |= {scene.background.kind} | ({"creature"} if scene.creatures else set())
        seen |= {f"{part.variant} {part.slot}" for c in scene.creatures for part in c.parts}
        expected = [name in seen for name in TASKS["T8"].classes]
        assert TASKS["T8"].label(scene).tolist() == expected  # type: ignore[union-attr]
    assert len(TASKS["T8"].classes) == len(set(TASKS["T8"].classes)) == 53


def test_scores_follow_the_weights_up_to_the_noise() -> None:
    rows, scores = [], []
    for scene in train("T11"):
        red, star, water = have(scene, "red"), have(scene, "star"), scene.background.kind == "water"
        rows.append([1.0, red, star, water, red and star])
        scores.append(TASKS["T11"].label(scene))
    rest = np.array(scores) - np.array(rows) @ [0, 2, 1, -1, 0.5]
    assert abs(rest.mean()) < 4 * 0.1 / N**0.5 and abs(rest.std() - 0.1) < 0.01
    weights = np.linalg.lstsq(np.array(rows), np.array(scores), rcond=None)[0]
    assert np.abs(weights - [0, 2, 1, -1, 0.5]).max() < 0.05


@pytest.mark.parametrize("name", [*BY_HAND, "T4"])
def test_labels_are_balanced(name: str) -> None:
    n_classes = len(TASKS[name].classes)
    counts = np.bincount(labels(name), minlength=n_classes)
    # Chi-square with n - 1 degrees of freedom; mean n - 1, and above it by four deviations once in 10 000.
    chi = ((counts - N / n_classes) ** 2 / (N / n_classes)).sum()
    assert chi < (n_classes - 1) + 4.5 * (2 * (n_classes - 1)) ** 0.5


@pytest.mark.parametrize("name", [name for name in BY_HAND if name not in ("T7",)] + ["T4"])
def test_nuisances_say_nothing_about_the_label(name: str) -> None:
    truth = np.array(labels(name))
    columns = np.array(
        [
            [
                len(s.objects),
                len(s.creatures),
                s.background.turn,
                s.noise,
                s.lighting.strength,
                np.mean([item.x for item in s.items]),
                np.mean([item.y for item in s.items]),
                np.mean([item.turn for item in s.objects] or [32]),
            ]
            for s in train(name)
        ],
        float,
    )
    for at, column in enumerate(columns.T):
        groups = [column[truth == label] for label in np.unique(truth)]
        between = (
            sum(len(g) * (g.mean() - column.mean()) ** 2 for g in groups) / column.var()
            if column.std()
            else 0
        )
        # Chi-square with one degree of freedom less than there are classes.
        free = len(groups) - 1
        assert between < free + 5 * (2 * free) ** 0.5, at


def test_binding_alone_tells_the_two_answers_of_t2() -> None:
    truth = np.array(labels("T2"))
    for words in [("red",), ("blue",), ("star",), ("ring",)]:
        many = np.array([sum(set(words) <= {o.colour, o.shape} for o in s.objects) for s in train("T2")])
        assert abs(many[truth == 1].mean() - many[truth == 0].mean()) < 4 * many.std() * 2 / N**0.5
    no = [scene for scene, label in zip(train("T2"), truth, strict=True) if label == 0]
    assert all(have(s, "red", "ring") and have(s, "blue", "star") for s in no)
    only_star, only_ring = (sum(have(s, *pair) for s in no) for pair in (("red", "star"), ("blue", "ring")))
    assert min(only_star, only_ring) > 0.15 * len(no)


def test_amount_and_place_of_colour_do_not_tell_star_from_ring_in_t2() -> None:
    area = {"star": 1.1226, "ring": 2.1913}
    found: dict[str, list[tuple[float, float]]] = {"star": [], "ring": []}
    for scene in train("T2"):
        for thing in scene.objects:
            if thing.colour in ("red", "blue") and thing.shape in found:
                off = max(abs(thing.x - 0.5), abs(thing.y - 0.5))
                found[thing.shape].append((area[thing.shape] * thing.radius**2, off))
    star, ring = (np.array(found[shape]) for shape in ("star", "ring"))
    apart = np.abs(star.mean(0) - ring.mean(0)) / np.sqrt(star.var(0) / len(star) + ring.var(0) / len(ring))
    assert apart.max() < 4


def test_sizes_and_radii_agree_in_every_task() -> None:
    for name in TASKS:
        for thing in (thing for scene in train(name)[:200] for thing in scene.objects):
            assert abs(thing.radius / SIZES[thing.size] - 1) <= 0.0801


def test_cells_of_t3_are_as_stated() -> None:
    for name, expected in (("T3a", (3, 1, 1, 1)), ("T3b", (1, 1, 1, 1))):
        cells = Counter((have(s, "checkered"), s.background.kind == "grass") for s in train(name))
        shares = np.array([cells[a, b] for a in (False, True) for b in (False, True)]) / N
        assert np.abs(shares - np.array(expected) / sum(expected)).max() < 4.5 * 0.5 / N**0.5


def test_null_concepts_of_t9_say_nothing() -> None:
    truth = np.array(labels("T9"))
    assert TASKS["T9"].null == ("star", "cross", "speckled", "large", "bricks")
    for concept in TASKS["T9"].null:
        there = np.array([have(s, concept) or s.background.kind == concept for s in train("T9")])
        assert abs(np.corrcoef(there, truth)[0, 1]) < 4 / N**0.5


HOME = {"wader": "water", "walker": "grass"}
PAIRED = {"disk": "striped", "square": "dotted", "triangle": "checkered", "cross": "speckled"}
AGREES: dict[str, Callable[[tuple[str, str]], bool | None]] = {
    "T5": lambda group: HOME[group[0]] == group[1],
    "T6": lambda group: group[1] == "tag" if group[0] == "disk" else None,
    "T7": lambda group: PAIRED[group[0]] == group[1],
    "T10": lambda group: group[0] == group[1],
}


@pytest.mark.parametrize(
    ("name", "split", "bias", "share"),
    [
        ("T5", "train", None, 0.95),
        ("T5", "val", None, 0.5),
        ("T5", "test", None, 0.5),
        ("T5", "train", 0.7, 0.7),
        ("T6", "train", None, 0.9),
        ("T6", "test", None, 0.5),
        ("T7", "train", None, 0.95),
        ("T7", "test", None, 0.0),
        ("T7", "test", 1.0, 1.0),
        ("T10", "train", None, 1.0),
        ("T10", "test", None, 0.5),
    ],
)
def test_cue_goes_with_the_label_as_often_as_stated(
    name: str, split: str, bias: float | None, share: float
) -> None:
    groups = [TASKS[name].group(TASKS[name].scene(split, i, bias=bias)) for i in range(800)]
    agrees = [answer for answer in map(AGREES[name], groups) if answer is not None]
    assert abs(np.mean(agrees) - share) <= 4 * (share * (1 - share) / len(agrees)) ** 0.5


def test_tag_of_t6_is_one_class_own_in_training_and_chance_elsewhere() -> None:
    tagged = Counter(TASKS["T6"].group(scene) for scene in train("T6"))
    assert all(shape == "disk" for shape, tag in tagged if tag == "tag")
    elsewhere = [TASKS["T6"].scene("test", index) for index in range(800)]
    others = [s.decoy is not None for s in elsewhere if TASKS["T6"].label(s) != 0]
    assert abs(np.mean(others) - 0.5) < 4 * 0.5 / len(others) ** 0.5


def test_classes_of_t10_have_the_same_part_colours() -> None:
    crest, tail = PARTS["crest"], PARTS["tail"]
    colours = [{crest[a][1], tail[b][1]} for a, b in (("spiky", "barbed"), ("horned", "curled"))]
    assert colours[0] == colours[1] and len(colours[0]) == 2


@pytest.mark.parametrize("name", list(TASKS))
def test_scenes_keep_the_rules_of_place_and_number(name: str) -> None:
    for split in ("train", "ood-compose", "ood-style"):
        for index in range(40):
            scene = TASKS[name].scene(split, index)
            assert not violations(scene.items, 0.2)
            assert 0 <= len(scene.objects) + 2 * len(scene.creatures) <= 6
            assert {thing.colour for thing in scene.objects} <= set(COLOURS)


def test_scene_is_a_function_of_its_arguments() -> None:
    for task in TASKS.values():
        assert task.scene("test", 7) == task.scene("test", 7) != task.scene("test", 8)
        assert Scene.from_dict(task.scene("test", 7).to_dict()) == task.scene("test", 7)


def test_label_is_undefined_where_the_question_is() -> None:
    scene = train("T1")[0]
    with pytest.raises(UndefinedRule, match="exactly one"):
        TASKS["T1"].label(replace(scene, items=()))
    with pytest.raises(UndefinedRule, match="classes of T6 are disk"):
        thing = next(o for o in train("T6")[0].objects if o.size == "large")
        TASKS["T6"].label(train("T6")[0].with_item(replace(thing, shape="star")))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: find_task("T3"), "Did you mean 'T3"),
        (lambda: TASKS["T1"].scene("trian"), "Did you mean 'train'"),
        (lambda: TASKS["T1"].scene("train", -1), "scene index is -1"),
        (lambda: TASKS["T1"].scene("train", 0, difficulty=3), "difficulty is 3"),
        (lambda: TASKS["T1"].scene("train", 0, bias=0.9), "has no cue"),
        (lambda: TASKS["T5"].scene("train", 0, bias=1.2), "bias is 1.2"),
        (lambda: TASKS["T1"].group(train("T1")[0]), "T5, T6, T7, T10"),
    ],
)
def test_refuses_in_words(call: Callable[[], object], words: str) -> None:
    with pytest.raises((InputError, UnknownName)) as error:
        call()
    assert words in str(error.value)


def test_tasks_are_found_in_any_case() -> None:
    assert find_task("t3A") is TASKS["T3a"]
