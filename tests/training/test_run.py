"""From a recipe to weights and a card that speaks of them; a second run goes on and does not begin again."""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from seewhy.bundled import cards
from seewhy.bundled.cards import Card, Measured
from seewhy.bundled.load import load
from seewhy.bundled.load import tokenizer as tokenizer_of
from seewhy.errors import BadArtefact
from seewhy.training import measure as measure_module
from seewhy.training import run as run_module
from seewhy.training.classifier import ClassifierLearner
from seewhy.training.image_text import ImageTextLearner
from seewhy.training.loop import CHECKPOINT, train
from seewhy.training.measure import measure, measure_smoke
from seewhy.training.recipes import RECIPES, SMOKE, ClassifierRecipe, ImageTextRecipe, identity
from seewhy.training.run import ORIGIN, measured, prepared, steps_kept, train_named

CPU = torch.device("cpu")
WHOLE = (
    Measured("accuracy", "T5 test", 3, 0.5, bar=0.6, at_most=True),
    Measured("other", "T5 test", 3, 0.25),
)


def tiny() -> ClassifierRecipe:
    recipe = RECIPES["resnet-t5-biased"]
    assert isinstance(recipe, ClassifierRecipe)
    return replace(recipe, scenes=16, epochs=2, batch=8)


def tiny_image_text() -> ImageTextRecipe:
    recipe = RECIPES["clip"]
    assert isinstance(recipe, ImageTextRecipe)
    return replace(recipe, scenes=16, pairs=16, batch=8)


def told(network: nn.Module, card: Card) -> tuple[Measured, ...]:
    assert not network.training and card.sha256
    return WHOLE


def test_a_classifiers_weights_and_card_are_written_and_agree(tmp_path: Path) -> None:
    card = train_named(tiny(), tmp_path, threads=1, measure=told)
    data = (tmp_path / "resnet-t5-biased.safetensors").read_bytes()
    assert hashlib.sha256(data).hexdigest() == card.sha256
    assert cards.names(tmp_path) == ["resnet-t5-biased"] and cards.card("resnet-t5-biased", tmp_path) == card
    assert (card.kind, card.network, card.task, card.bias) == ("classifier", "resnet-w16", "T5", 0.98)
    assert card.classes == ("wader", "walker") and (card.seen, card.seed, card.size) == (32, 0, 96)
    assert card.recipe == asdict(tiny()) and card.measured == WHOLE and card.minutes >= 0
    assert card.hardware.startswith("1 thread of ") and card.versions["torch"] == torch.__version__


def test_loaded_again_it_answers_as_the_trained_network_to_half_precision(tmp_path: Path) -> None:
    card = train_named(tiny(), tmp_path)
    learner = prepared(tiny(), tmp_path / "pictures", CPU)
    train(learner, tmp_path / card.name)  # takes no step: it is trained
    network = load(card, tmp_path)
    for name, tensor in learner.module.state_dict().items():
        expected = tensor.half().float() if tensor.is_floating_point() else tensor
        assert torch.equal(network.state_dict()[name], expected)
    x = torch.rand(3, 3, 96, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        ours, theirs = network(x), learner.module(x)
    assert torch.allclose(ours, theirs, atol=5e-3 * float(theirs.abs().max())) and not torch.equal(
        ours, theirs
    )


def test_an_image_text_model_comes_back_with_its_words(tmp_path: Path) -> None:
    card = train_named(tiny_image_text(), tmp_path)
    assert (card.kind, card.network, card.task, card.seen) == ("image-text", "clip-w128", None, 16)
    learner = prepared(tiny_image_text(), tmp_path / "pictures", CPU)
    assert isinstance(learner, ImageTextLearner)
    train(learner, tmp_path / card.name)
    network: Any = load(card, tmp_path)
    numbers = tokenizer_of(card)(["a red star", "bricks"])
    assert torch.equal(numbers, learner.tokenizer(["a red star", "bricks"]))
    with torch.inference_mode():
        ours, theirs = network.encode_text(numbers), learner.model.encode_text(numbers)
    assert torch.allclose(ours, theirs, atol=5e-3 * float(theirs.abs().max()))


def test_measured_again_only_the_card_changes(tmp_path: Path) -> None:
    card = train_named(tiny(), tmp_path)
    assert card.measured == ()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again = measured(card, tmp_path, told)
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert [path.name for path in after if after[path] != before.get(path)] == ["resnet-t5-biased.json"]
    assert again == replace(card, measured=WHOLE) == cards.card(card.name, tmp_path)


def test_run_again_it_trains_no_further_and_keeps_where_it_came_from(tmp_path: Path) -> None:
    first = train_named(tiny(), tmp_path)
    path = tmp_path / first.name / ORIGIN
    path.write_text(json.dumps({**json.loads(path.read_text()), "commit": "abc", "hardware": "an abacus"}))
    steps: list[int] = []
    threads = torch.get_num_threads()
    again = train_named(
        tiny(), tmp_path, threads=threads + 1, tell=lambda done, total, words: steps.append(done)
    )
    assert steps == [] and torch.get_num_threads() == threads
    assert (again.sha256, again.commit, again.hardware) == (first.sha256, "abc", "an abacus")


def test_a_training_that_begins_anew_says_so_on_its_card(tmp_path: Path) -> None:
    first = train_named(tiny(), tmp_path)
    work = tmp_path / tiny().name
    (work / ORIGIN).write_text(json.dumps({"commit": "old", "hardware": "an abacus", "versions": {}}))
    (work / CHECKPOINT).unlink()
    again = train_named(tiny(), tmp_path)
    assert (again.commit, again.hardware) == (first.commit, first.hardware) and again.commit != "old"


def test_outside_our_own_checkout_the_commit_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    git("-c", "user.name=n", "-c", "user.email=e@x", "commit", "--allow-empty", "-m", "theirs")
    (tmp_path / "run.py").write_text("")
    monkeypatch.setattr(run_module, "__file__", str(tmp_path / "run.py"))
    assert run_module._commit() == "unknown"


def test_stopped_and_run_again_it_gives_the_same_weights(tmp_path: Path) -> None:
    whole = train_named(tiny(), tmp_path / "whole")
    learner = prepared(tiny(), tmp_path / "a" / "pictures", CPU)
    train(learner, tmp_path / "a" / whole.name, stop_after=3)
    assert steps_kept(tiny(), tmp_path / "a") == 3
    assert train_named(tiny(), tmp_path / "a").sha256 == whole.sha256
    assert steps_kept(tiny(), tmp_path / "a") == learner.steps == 4


def test_steps_kept_are_those_of_this_training_only(tmp_path: Path) -> None:
    assert steps_kept(tiny(), tmp_path) == 0
    train_named(tiny(), tmp_path)
    assert steps_kept(tiny(), tmp_path) == 4
    assert steps_kept(replace(tiny(), seed=7), tmp_path) == 0
    path = tmp_path / tiny().name / CHECKPOINT
    path.write_bytes(path.read_bytes()[:50])
    assert steps_kept(tiny(), tmp_path) == 0


def test_another_recipe_in_the_same_folder_is_refused_and_leaves_the_weights(tmp_path: Path) -> None:
    card = train_named(tiny(), tmp_path)
    with pytest.raises(BadArtefact, match="belongs to another training"):
        train_named(replace(tiny(), peak_rate=0.1), tmp_path)
    assert cards.weights(cards.card(card.name, tmp_path), tmp_path)


def test_learners_tell_the_identity_of_their_recipe(tmp_path: Path) -> None:
    for recipe in (tiny(), tiny_image_text()):
        learner = prepared(recipe, tmp_path, CPU)
        assert isinstance(learner, ClassifierLearner | ImageTextLearner)
        assert learner.identity == identity(recipe) and learner.steps == recipe.seen // recipe.batch


def test_each_kind_of_card_gets_its_own_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = train_named(tiny(), tmp_path)
    asked: list[object] = []

    def of_classifier(network: nn.Module, task: str, **about: object) -> tuple[Measured, ...]:
        asked.append((task, about))
        return WHOLE

    def of_image_text(network: nn.Module, card: Card) -> tuple[Measured, ...]:
        asked.append(card.kind)
        return WHOLE

    monkeypatch.setattr(measure_module, "measure_classifier", of_classifier)
    monkeypatch.setattr(measure_module, "measure_image_text", of_image_text)
    network = load(card, tmp_path)
    assert measure(network, card) == WHOLE == measure(network, replace(card, kind="image-text"))
    assert asked == [("T5", {"architecture": "resnet-w16", "bias": 0.98, "size": 96}), "image-text"]
    monkeypatch.setitem(SMOKE, card.name, (WHOLE[1].what, 0.3))
    short = measure_smoke(network, card)
    assert [one.met for one in short] == [None, False] and [one.value for one in short] == [0.5, 0.25]
