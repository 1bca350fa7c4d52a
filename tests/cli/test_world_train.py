"""`seewhy world train`: what can be trained, a training with its bars, and one that goes on."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seewhy.bundled import cards
from seewhy.training import measure, recipes
from seewhy.training.loop import train
from seewhy.training.measures import measure_classifier
from seewhy.training.recipes import RECIPES, ClassifierRecipe
from seewhy.training.run import prepared
from tests.cli.conftest import Seewhy

NAME = "resnet-t5-biased"


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> ClassifierRecipe:
    """In place of the recipe of that name: two steps, measured on 24 scenes."""
    recipe = RECIPES[NAME]
    assert isinstance(recipe, ClassifierRecipe)
    short = replace(recipe, scenes=16, epochs=1, batch=8)
    monkeypatch.setitem(recipes.RECIPES, NAME, short)
    monkeypatch.setitem(recipes.SMOKE, NAME, ("no such measure", 0.0))
    monkeypatch.setattr(measure, "measure_classifier", functools.partial(measure_classifier, n=24))
    return short


def test_without_a_name_everything_that_can_be_trained_is_listed(seewhy: Seewhy, workplace: Path) -> None:
    result = seewhy("world", "train")
    head, *lines = result.out.splitlines()
    assert (
        result.code == 0
        and result.err == ""
        and head.split() == ["name", "network", "task", "seen", "preset"]
    )
    assert [line.split()[0] for line in lines] == list(RECIPES)
    assert lines[0].split() == ["resnet-t1", "resnet-w16", "T1", str(RECIPES["resnet-t1"].seen), "cpu"]
    told = json.loads(seewhy("world", "train", "--preset", "smoke", "--json").out)
    clip = next(row for row in told if row["name"] == "clip")
    expected = recipes.find_recipe("clip", "smoke").seen
    assert clip == {
        "name": "clip", "network": "clip-w128", "task": "T8 and T4", "seen": expected, "preset": "smoke",
    }  # fmt: skip
    assert not (workplace / "world-training").exists()


def test_a_training_tells_its_measures_with_their_bars_and_its_files(
    seewhy: Seewhy, workplace: Path, tiny: ClassifierRecipe
) -> None:
    result = seewhy("world", "train", NAME, "--threads", "1", "--device", "cpu")
    assert result.code == 0, result.err
    folder = workplace / "world-training" / "cpu"
    card = cards.card(NAME, folder)
    assert cards.weights(card, folder) and card.seen == 16
    assert f"{NAME}: 16 pictures in 2 steps, on cpu" in result.err
    assert f"wrote world-training/cpu/{NAME}.safetensors and world-training/cpu/{NAME}.json" in result.err
    head, *lines = result.out.splitlines()
    assert head.split() == ["measure", "on", "n", "value", "95", "%", "bar"]
    assert len(lines) == len(card.measured) > 2
    for line, one in zip(lines, card.measured, strict=True):
        assert line.startswith(one.what) and f"{one.value:.3f}" in line
        verdict = {True: "met", False: "missed", None: line.split()[-1]}[one.met]
        assert line.split()[-1] == verdict and ("at least" in line or "at most" in line) is (
            one.bar is not None
        )
    n_met, n = (
        sum(one.met is True for one in card.measured),
        sum(one.bar is not None for one in card.measured),
    )
    assert n >= 2 and f"{n_met} of {n} bars are met" in result.err


def test_after_a_kill_it_says_from_where_it_goes_on_and_then_that_it_is_trained(
    seewhy: Seewhy, workplace: Path, tiny: ClassifierRecipe
) -> None:
    folder = workplace / "here"
    train(prepared(tiny, folder / "pictures", torch.device("cpu")), folder / NAME, stop_after=1)
    words = ("world", "train", f"seewhy/{NAME}", "-o", "here", "--device", "cpu")
    assert f"{NAME} goes on from step 1 of 2, on cpu" in seewhy(*words).err
    weights = (folder / f"{NAME}.safetensors").read_bytes()
    again = seewhy(*words)
    assert again.code == 0 and f"{NAME} is trained already (all 2 steps)" in again.err
    assert (folder / f"{NAME}.safetensors").read_bytes() == weights


def test_json_is_the_card_and_a_smoke_test_below_its_level_is_1(
    seewhy: Seewhy, workplace: Path, tiny: ClassifierRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = seewhy("world", "train", NAME, "--preset", "smoke", "--device", "cpu", "--json")
    told = json.loads(result.out)
    assert (told.pop("preset"), told.pop("folder")) == ("smoke", "world-training/smoke")
    assert all((workplace / path).is_file() for path in told.pop("files"))
    assert told == json.loads((workplace / "world-training" / "smoke" / f"{NAME}.json").read_text())
    assert result.code == 0 and told["measured"] and all(one["bar"] is None for one in told["measured"])
    monkeypatch.setitem(recipes.SMOKE, NAME, ("accuracy", 1.01))
    text = seewhy("world", "train", NAME, "--preset", "smoke", "--device", "cpu")
    assert text.code == 1 and "0 of 1 bars are met" in text.err and text.out.count("missed") == 1
    assert seewhy("world", "train", NAME, "--device", "cpu").code == 0  # the smoke test is in nobody's way


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("resnet-t44",), "There is no recipe 'resnet-t44'.\n  Did you mean 'resnet-t4'"),
        (("clip", "--preset", "tpu"), "The preset is 'tpu'.\n  It is one of cpu, gpu, smoke."),
        (("--preset", "tpu"), "The preset is 'tpu'."),
        (("clip", "--device", "cdua"), "The device is 'cdua'.\n  A training runs on one of auto, cpu, cuda."),
        (("resnet-t4", "-o", "net.py"), "is a file"),
    ],
)
def test_mistakes_are_1_in_words_and_make_nothing(
    words: tuple[str, ...], said: str, seewhy: Seewhy, workplace: Path
) -> None:
    before = sorted(workplace.rglob("*"))
    result = seewhy("world", "train", *words)
    assert result.code == 1 and result.out == "" and "Traceback" not in result.err
    assert said in result.err
    assert sorted(workplace.rglob("*")) == before


def test_a_gpu_that_is_not_there_is_an_error_that_says_what_to_do(
    seewhy: Seewhy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = seewhy("world", "train", "clip", "--device", "cuda")
    assert (
        result.code == 1 and "torch finds none here.\n" in result.err and "Leave --device out" in result.err
    )
    assert seewhy("world", "train", "clip", "--threads", "0").code == 2
