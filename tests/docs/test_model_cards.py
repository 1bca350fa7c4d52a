"""The page of the bundled models says what the cards say, whichever of them are there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from seewhy.bundled.cards import Card, Measured
from seewhy.training.recipes import RECIPES, ClassifierRecipe
from seewhy.world.tasks.tasks import TASKS

DOCS = Path(__file__).parents[2] / "docs"
BESIDE = ("-seed1", "-seed2", "-plain")


@pytest.fixture(scope="module")
def model_cards() -> Iterator[Any]:
    sys.path.insert(0, str(DOCS))
    try:
        import model_cards

        yield model_cards
    finally:
        sys.path.remove(str(DOCS))
        for name in ("model_cards", "model_section"):
            sys.modules.pop(name, None)


def made(name: str, *measured: Measured, notes: tuple[str, ...] = ()) -> Card:
    """A card as a training writes it, with these numbers."""
    recipe = RECIPES[name]
    common: dict[str, Any] = {
        "name": name,
        "size": recipe.size,
        "world": "w1",
        "seed": recipe.seed,
        "seen": recipe.seen,
        "commit": "0123456789ab",
        "hardware": "2 threads",
        "minutes": 3.25,
        "sha256": "5" * 64,
        "recipe": asdict(recipe),
        "versions": {"torch": "9.9"},
        "measured": measured,
        "notes": notes,
    }
    if isinstance(recipe, ClassifierRecipe):
        task = TASKS[recipe.task]
        bias = recipe.bias if recipe.bias is not None else task.biases and task.biases[0]
        return Card(title=task.title, kind="classifier", network=recipe.network, task=task.name, bias=bias,
                    classes=task.classes, **common)  # fmt: skip
    return Card(title="Words?", kind="image-text", network="clip-w128", words=("red", "star"), **common)


def page(model_cards: Any, folder: Path, *cards: Card) -> str:
    shipped, beside = folder / "weights", folder / "beside"
    for home in (shipped, beside):
        home.mkdir(exist_ok=True)
    for one in cards:
        home = beside if one.name.endswith(BESIDE) else shipped
        (home / f"{one.name}.json").write_text(one.to_json())
        (home / f"{one.name}.safetensors").write_bytes(b"0" * 2_500)
    text: str = model_cards.page(shipped, beside)
    return text


def accuracy(value: float, bar: float | None = 0.97, **more: Any) -> Measured:
    return Measured("accuracy", "T1 test", 2000, value, value - 0.01, value + 0.004, bar, **more)


def test_without_cards_it_names_no_model_and_shows_no_code(model_cards: Any, tmp_path: Path) -> None:
    text = page(model_cards, tmp_path)
    assert "0 models, 0.0 MB" in text
    assert "```python" not in text and "## seewhy/" not in text


def test_every_recipe_has_a_section_that_says_how_it_was_trained(model_cards: Any, tmp_path: Path) -> None:
    text = page(model_cards, tmp_path, *(made(name, accuracy(0.98)) for name in RECIPES))
    shipped, _, beside = text.partition("\n## Beside the package\n")
    for name in RECIPES:
        part, title = (beside, f"### {name}") if name.endswith(BESIDE) else (shipped, f"## seewhy/{name}")
        assert f"\n{title}\n" in part
        assert f"[{name}](#{'' if name.endswith(BESIDE) else 'seewhy'}{name})" in part
    assert "AdamW" in text and "SGD" in text and "3,072 scenes" in text
    assert "25% whole scenes, 45% scenes with a red circle, 30% cut-outs" in shipped
    assert "(100% whole scenes)" in " ".join(beside.split())
    assert 'sw.load("seewhy/resnet-t4")' in text and 'sw.load("seewhy/clip", classes=' in text


def test_a_section_tells_all_of_its_card(model_cards: Any, tmp_path: Path) -> None:
    missed = accuracy(0.9606)
    text = page(model_cards, tmp_path, made("resnet-t4", missed, notes=("accuracy is a little low.",)))
    assert "| accuracy | T1 test | 2,000 | 0.9606 | 0.951 to 0.965 | at least 0.97 | **missed** |" in text
    assert "accuracy 0.961 [0.951, 0.965] |" in text
    assert "\n- accuracy is a little low.\n" in text
    for told in (
        "`0123456789ab`",
        "3.25 minutes",
        "torch 9.9",
        "5" * 64,
        "Apache-2.0",
        "239,616 pictures",
        "w1",
    ):
        assert told in " ".join(text.split())
    assert "| 273,384 | 2 kB | 0 | 3 |" in text
    assert "<summary>24 classes</summary>" in text and "alba, bano" in text


def test_a_bar_may_be_met_from_below_or_not_be_there(model_cards: Any, tmp_path: Path) -> None:
    measured = (accuracy(0.5, 0.6, at_most=True), accuracy(0.7, None))
    text = page(model_cards, tmp_path, made("resnet-t1", *measured))
    assert "0.5000 | 0.490 to 0.504 | at most 0.6 | met |" in text
    assert "0.7000 | 0.690 to 0.704 | - | - |" in text


def test_the_pair_is_summed_up_over_its_seeds(model_cards: Any, tmp_path: Path) -> None:
    def groups(first: float, second: float) -> tuple[Measured, ...]:
        names = ["accuracy of a", "accuracy of b"]
        names[second < first] += " (worst group)"
        return tuple(
            Measured(what, "T5 test", 9, value) for what, value in zip(names, (first, second), strict=True)
        )

    biased = [("resnet-t5-biased", 0.5, 0.9), ("resnet-t5-biased-seed1", 0.8, 0.4)]
    cards = [made(name, *groups(first, second)) for name, first, second in biased]
    assert "over seeds" not in page(model_cards, tmp_path, cards[0])
    text = page(model_cards, tmp_path, *cards, made("resnet-t5-balanced", *groups(0.7, 0.6)))
    assert "| measured on T5 test | bias 0.98, seeds 0, 1 | bias 0.5, seed 0 |" in text
    assert "| accuracy of a | 0.650 (0.500 to 0.800) | 0.700 (0.700 to 0.700) |" in text
    assert "| the worst group's accuracy | 0.450 (0.400 to 0.500) | 0.600 (0.600 to 0.600) |" in text


def test_models_with_and_without_circles_stand_side_by_side(model_cards: Any, tmp_path: Path) -> None:
    with_circles, plain = (
        made("clip", accuracy(0.9)),
        made("clip-plain", accuracy(0.3), Measured("x", "y", 1, 0.2)),
    )
    assert "without red circles\n" not in page(model_cards, tmp_path, with_circles)
    text = page(model_cards, tmp_path, plain)
    assert "## With and without red circles\n" in text
    assert "| accuracy, T1 test | 0.9000 | 0.3000 |\n| x, y | - | 0.2000 |" in text
    assert "worse than chance" not in text
    below = made("clip-plain", Measured("red-circle maps: AUROC", "T8 test", 9, 0.06))
    assert "worse than chance (0.060 of 0.5)" in " ".join(page(model_cards, tmp_path, below).split())


def test_the_headline_of_a_shortcut_is_what_it_costs(model_cards: Any) -> None:
    trained, fair, worst = accuracy(0.98), accuracy(0.8, None), accuracy(0.5, 0.6, at_most=True)
    assert model_cards.headline(made("resnet-t5-biased", trained, fair, worst)) == (trained, worst)
    assert model_cards.headline(made("resnet-t1", trained)) == (trained,)
    assert model_cards.headline(made("resnet-t5-balanced", fair, accuracy(0.7, None))) == (fair,)
    circles = Measured("circled thing's text first", "T8 test", 500, 0.97)
    assert model_cards.headline(made("clip", trained, circles)) == (circles,)
