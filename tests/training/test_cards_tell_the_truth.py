"""Every card says what its weights do: all its numbers are measured again, and what it tells of itself is looked up.

The cards are those that come with Seewhy and those beside it, in benchmarks/weights.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn

from seewhy.bundled.cards import FOLDER, Card, Measured, card, names
from seewhy.bundled.load import load, untrained
from seewhy.errors import BadArtefact
from seewhy.training import measures
from seewhy.training.classifier import to_input
from seewhy.training.image_text_measures import measure_image_text
from seewhy.training.measures import SCENES, measure_classifier
from seewhy.training.recipes import RECIPES
from seewhy.training.run import safetensors_of
from seewhy.world.drawing.renderer import render
from seewhy.world.grammar import WORLD_VERSION
from seewhy.world.language.words import VOCABULARY
from seewhy.world.scene import Scene
from seewhy.world.tasks.tasks import TASKS, Task

BESIDE = Path(__file__).parents[2] / "benchmarks" / "weights"
CARDS = [(folder, name) for folder in (FOLDER, BESIDE) for name in names(folder)]
LIMIT = 12_000_000
"""Bytes of the folder that comes with Seewhy."""

every_card = pytest.mark.parametrize(("folder", "name"), CARDS, ids=[name for _, name in CARDS])


class _Pixels(NamedTuple):
    rgb: np.ndarray


class _Once:
    """Scenes that are made, and pictures that are drawn, once for all cards that are measured on them."""

    def __init__(self) -> None:
        self.scenes: dict[Any, Scene] = {}
        self.pictures: dict[tuple[Scene, int], _Pixels] = {}
        self._make = Task.scene

    def use(self, patch: pytest.MonkeyPatch) -> None:
        """From now on, until `patch` is undone."""

        def scene(task: Task, split: str = "train", index: int = 0, **how: Any) -> Scene:
            key = task.name, split, index, *sorted(how.items())
            if key not in self.scenes:
                self.scenes[key] = self._make(task, split, index, **how)
            return self.scenes[key]

        patch.setattr(Task, "scene", scene)
        patch.setattr(measures, "render", self.draw)

    def draw(self, scene: Scene, size: int) -> _Pixels:
        """As `render`, the pixels alone."""
        if (scene, size) not in self.pictures:
            self.pictures[scene, size] = _Pixels(render(scene, size).rgb)
        return self.pictures[scene, size]


@pytest.fixture(scope="module")
def once() -> _Once:
    return _Once()


def measured_again(network: nn.Module, told: Card) -> tuple[Measured, ...]:
    """The card's numbers, from the network."""
    if told.kind == "image-text":
        return measure_image_text(network, told)
    assert told.task is not None
    return measure_classifier(
        network,
        told.task,
        architecture=told.network,
        bias=told.bias,
        size=told.size,
        n=told.measured[0].n,
    )


def untruths(told: Card, found: tuple[Measured, ...]) -> list[str]:
    """Where card and measurement differ by more than another processor's rounding explains."""
    named, made = ([_which(one) for one in measured] for measured in (told.measured, found))
    if named != made:
        odd = [which for which in (*named, *made) if which not in named or which not in made]
        return [f"the card names other measures than were made: {odd or 'in another order'}"]
    wrong = []
    for one, other in zip(told.measured, found, strict=True):
        far = _rounding(one)
        if abs(one.value - other.value) > far:
            wrong.append(f"{one.what}, {one.on}: the card says {one.value}, the weights {other.value}")
        # A bound of Wilson's interval moves at most twice as far as the share.
        for end, again in ((one.low, other.low), (one.high, other.high)):
            if end != again and (end is None or again is None or abs(end - again) > 2 * far):
                wrong.append(f"{one.what}, {one.on}: the card has the bound {end}, the weights {again}")
        if one.what == other.what and (one.bar, one.at_most) != (other.bar, other.at_most):
            wrong.append(f"{one.what}, {one.on}: the card's bar is {one.bar}, not {other.bar}")
    return wrong


def _which(one: Measured) -> tuple[str, str, int]:
    """Rounding may exchange the two worst groups, not what is measured."""
    return one.what.removesuffix(" (worst group)"), one.on, one.n


def _rounding(one: Measured) -> float:
    """Two scenes either way, of each of the two shares in a fall; of an area 0.002; and the card's four digits."""
    if "AUROC" in one.what or "against other things" in one.what:
        return 0.002 + 1e-4
    return (4 if one.what.startswith("fall") else 2) / one.n + 1e-4


@pytest.mark.slow
@every_card
def test_its_numbers_are_those_of_its_weights(
    folder: Path, name: str, once: _Once, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = card(name, folder)
    if [card(other, place).task for place, other in CARDS].count(told.task) > 1:
        once.use(monkeypatch)
    assert untruths(told, measured_again(load(told, folder), told)) == []


@every_card
def test_it_is_of_these_weights_and_of_this_world(folder: Path, name: str) -> None:
    told = card(name, folder)
    data = (folder / f"{name}.safetensors").read_bytes()
    assert hashlib.sha256(data).hexdigest() == told.sha256
    assert told.name == name == told.recipe["name"]
    assert told.seed == told.recipe["seed"]
    assert told.world == WORLD_VERSION, "another world: train it again"
    assert re.fullmatch("[0-9a-f]{12}", told.commit), "train from a checkout without changes"
    assert set(told.commit) != {"0"} and told.versions and told.minutes > 1
    if told.kind == "classifier":
        assert told.classes == TASKS[str(told.task)].classes
        assert told.measured[0].n == SCENES
    else:
        assert told.words == VOCABULARY


@every_card
def test_todays_recipe_is_the_one_it_was_trained_by(folder: Path, name: str) -> None:
    assert card(name, folder).recipe == json.loads(json.dumps(asdict(RECIPES[name])))


def test_every_recipe_has_weights_the_further_seeds_and_the_plain_model_beside() -> None:
    beside = {name for name in RECIPES if "-seed" in name or name == "clip-plain"}
    assert set(names(BESIDE)) == beside
    assert set(names(FOLDER)) == set(RECIPES) - beside


@every_card
def test_a_bar_that_it_misses_is_named_in_its_notes(folder: Path, name: str) -> None:
    told = card(name, folder)
    missed = [_which(one)[0] for one in told.measured if one.met is False]
    assert told.measured
    assert [what for what in missed if not any(what in note for note in told.notes)] == []


@every_card
def test_weights_are_in_half_precision(folder: Path, name: str) -> None:
    with safe_open(folder / f"{name}.safetensors", "pt") as file:
        kinds = {file.get_slice(tensor).get_dtype() for tensor in file.keys()}  # noqa: SIM118
    assert kinds <= {"F16", "I64"}


@pytest.mark.parametrize("folder", [FOLDER, BESIDE], ids=["with Seewhy", "beside it"])
def test_cards_and_weights_come_in_pairs(folder: Path) -> None:
    assert names(folder) == sorted(path.stem for path in folder.glob("*.safetensors"))


def test_what_comes_with_seewhy_is_within_its_limit() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= LIMIT


# That the first test sees a lie.

_N = 96


def _blank(name: str, *found: Measured) -> Card:
    return Card(
        name=name,
        title="",
        kind="classifier",
        network="resnet-w16",
        size=32,
        world=WORLD_VERSION,
        seed=0,
        seen=0,
        commit="0" * 12,
        hardware="",
        minutes=0.0,
        sha256="",
        task="T2",
        classes=TASKS["T2"].classes,
        measured=found,
    )


def _opposites() -> tuple[nn.Module, nn.Module]:
    """A random network with a head fitted to the scenes that it is measured on, and one that says the contrary."""
    task, one, other = TASKS["T2"], untrained(_blank("")), untrained(_blank(""))
    network: Any = one
    scenes = [task.scene("test", index) for index in range(_N)]
    x = to_input(torch.from_numpy(np.stack([render(scene, 32).rgb for scene in scenes])))
    with torch.no_grad():
        features = network.forward_head(network.forward_features(x), pre_logits=True)
    wanted = torch.nn.functional.one_hot(torch.tensor([task.label(scene) for scene in scenes])).float() - 0.5
    head = torch.linalg.lstsq(features, wanted).solution.T
    for network, sign in ((one, 1), (other, -1)):
        network.get_parameter("head.fc.weight").data = sign * head
        network.get_parameter("head.fc.bias").data.zero_()
    return one, other


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Card, Card]:
    """Cards of two networks whose weights are in `tmp_path`, each with its numbers."""
    cards = []
    for name, network in zip(("resnet-one", "resnet-two"), _opposites(), strict=True):
        state = network.state_dict()
        data = safetensors_of({k: v.half() if v.is_floating_point() else v for k, v in state.items()})
        (tmp_path / f"{name}.safetensors").write_bytes(data)
        told = replace(_blank(name, Measured("", "", _N, 0.0)), sha256=hashlib.sha256(data).hexdigest())
        cards.append(replace(told, measured=measured_again(load(told, tmp_path), told)))
    return cards[0], cards[1]


def test_exchanged_weights_are_refused_and_with_a_changed_hash_seen(
    pair: tuple[Card, Card], tmp_path: Path
) -> None:
    one, two = pair
    assert untruths(one, measured_again(load(one, tmp_path), one)) == []
    assert one.measured[0].value > 0.8
    assert one.measured[0].value + two.measured[0].value == pytest.approx(1.0, abs=1e-3)
    (tmp_path / "resnet-one.safetensors").write_bytes((tmp_path / "resnet-two.safetensors").read_bytes())
    with pytest.raises(BadArtefact, match="not the file that its card speaks of"):
        load(one, tmp_path)
    lying = replace(one, sha256=two.sha256)
    (wrong, *_) = untruths(lying, measured_again(load(lying, tmp_path), lying))
    assert "the card says" in wrong


_TRUE = Measured("accuracy", "T2 test", 2000, 0.9705, 0.9622, 0.977, 0.97)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"value": 0.9725}, "the card says 0.9725, the weights 0.9705"),
        ({"low": 0.9654}, "the bound 0.9654"),
        ({"low": None}, "the bound None"),
        ({"high": 0.99}, "the bound 0.99"),
        ({"bar": 0.95}, "bar is 0.95, not 0.97"),
        ({"at_most": True}, "bar"),
        ({"n": 2001}, "other measures"),
        ({"on": "T2 train"}, "other measures"),
        ({"what": "accuracy of yes"}, "other measures"),
    ],
)
def test_a_changed_number_is_seen(change: dict[str, Any], words: str) -> None:
    assert untruths(_blank("", _TRUE), (_TRUE,)) == []
    (wrong,) = untruths(_blank("", replace(_TRUE, **change)), (_TRUE,))
    assert words in wrong


@pytest.mark.parametrize(
    ("what", "far", "further"),
    [
        ("accuracy", 0.001, 0.0015),  # two scenes of 2000, and three
        ("fall without the mark", 0.002, 0.0025),
        ("presence AUROC: colour", 0.002, 0.0025),
        ("red-circle maps: right against other things", 0.002, 0.0025),
    ],
)
def test_what_another_processor_rounds_is_no_lie(what: str, far: float, further: float) -> None:
    found = Measured(what, "T2 test", 2000, 0.5)
    for sign in (1, -1):
        assert untruths(_blank("", replace(found, value=0.5 + sign * far)), (found,)) == []
        assert untruths(_blank("", replace(found, value=0.5 + sign * further)), (found,))


def test_exchanged_worst_groups_are_no_lie() -> None:
    one, two = (
        Measured("accuracy of a", "T5 test", 500, 0.95),
        Measured("accuracy of b", "T5 test", 500, 0.951),
    )
    told = (replace(one, what="accuracy of a (worst group)", bar=0.95), two)
    found = (one, replace(two, what="accuracy of b (worst group)", bar=0.95))
    assert untruths(_blank("", *told), found) == []
