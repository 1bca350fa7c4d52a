"""The page of the bundled models, from the cards that there are: it can be made whenever a training has ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from model_section import NETWORKS, prose, section, short, table, with_interval

from seewhy.bundled.cards import FOLDER, Card, Measured, card, names
from seewhy.bundled.load import untrained
from seewhy.training.recipes import SMOKE

BESIDE = Path(__file__).parents[1] / "benchmarks" / "weights"

INTRODUCTION = """# The models that come with Seewhy

Made by `python docs/generate.py` from the cards beside the weights. A test measures every number again from the
weights (`tests/training/test_cards_tell_the_truth.py`).

Small networks that we trained from nothing on our own drawings alone, the scenes of [the world](world.md): no
photograph, no other data set and no other weights went into them. They are part of the package, need no hub, and
take the same paths through Seewhy as networks of timm and open_clip. Weights and cards are under Apache-2.0, as the
code is.

**They know the world and nothing else.** What they say about a photograph, or about drawings of another kind, means
nothing, however sure they are. They are for trying Seewhy, for teaching, and for asking whether an explanation is
true: of every picture of the world it is known what is in it and why its label is what it is."""

USE = {
    "resnet-t4": """```python
import seewhy as sw

scene = sw.world.find_task("T4").scene("test", 3)
model = sw.load("seewhy/resnet-t4")
print(model.explain(sw.world.render(scene, 96).rgb).to_text())
```""",
    "clip": """The image-text model compares pictures with your words, as long as they are words that it knows:

```python
import seewhy as sw

scene = sw.world.find_task("T8").scene("test", 3)
model = sw.load("seewhy/clip", classes=["a red star", "a blue ring", "a creature"])
print(model.explain(sw.world.render(scene, 96).rgb).to_text())
```""",
}
"""How to use a model, where it is there."""

HOW_TO_READ = (
    "Intervals are 95 % intervals over test scenes: Wilson's for shares, else the bootstrap's (scenes are drawn "
    "again, not their objects). "
    "They tell how far other scenes would move a number, not how far another training would. Minutes are those of "
    "the training steps, without drawing the scenes. Weights are kept in half precision, and the numbers are theirs."
)


AGAIN = """## Training them again

```bash not-run
seewhy world train                                # what can be trained
seewhy world train resnet-t4 --threads 1          # as the shipped one was
seewhy world train clip --preset gpu              # more and other scenes, larger batches
seewhy world train clip --preset smoke            # minutes: does training work here?
```

Scenes are drawn, kept beside the training and read from disk. Every two minutes there is a checkpoint; a training
that was killed goes on from it and ends with the same weights. On one thread of one kind of processor the same recipe
gives the same bytes; elsewhere the last digits of sums differ, and so does the network in the end. The GPU preset was
never run: no weights that we ship come from it."""


def _smoke() -> str:
    rows = [[name, what, f"at least {level:g}"] for name, (what, level) in SMOKE.items()]
    return table(["smoke test of", "must reach", ""], rows)


def page(folder: Path = FOLDER, beside: Path = BESIDE) -> str:
    """The page of the cards in two folders: of those that come with Seewhy, and of those beside it."""
    shipped, others = _cards(folder), _cards(beside)
    blocks = [INTRODUCTION, *(USE[one.name] for one in shipped if one.name in USE)]
    blocks += [*_overview(shipped, folder, "seewhy"), prose(HOW_TO_READ)]
    blocks += [*_pair([*shipped, *others]), *_circles([*shipped, *others])]
    for one in shipped:
        blocks += section(one, f"## seewhy/{one.name}")
    blocks += [AGAIN, _smoke()]
    if others:
        blocks += [
            "## Beside the package",
            prose(
                "Further seeds of the pair, and the image-text model without circles, to compare with. Their weights "
                "are in `benchmarks/weights`, not in the package."
            ),
            *_overview(others, beside, ""),
        ]
    for one in others:
        blocks += section(one, f"### {one.name}")
    return "\n\n".join(blocks) + "\n"


def _cards(folder: Path) -> list[Card]:
    """Classifiers by task, image-text models last."""
    found = [card(name, folder) for name in names(folder)]
    return sorted(found, key=lambda one: (one.kind != "classifier", one.task or "", one.network, one.name))


def _overview(cards: Sequence[Card], folder: Path, anchor: str) -> list[str]:
    rows, sizes = [], [(folder / f"{one.name}.safetensors").stat().st_size for one in cards]
    for one, size in zip(cards, sizes, strict=True):
        rows.append(
            [
                f"[{one.name}](#{anchor}{one.name})",
                one.title + (f" (bias {one.bias:g})" if one.bias is not None else ""),
                NETWORKS[one.network][0],
                f"{_parameters(one.network, len(one.classes), one.words):,}",
                f"{size / 1e3:,.0f} kB",
                str(one.seed),
                f"{one.minutes:.0f}",
                "; ".join(f"{told.what} {with_interval(told)}" for told in headline(one)),
            ]
        )
    heads = ["model", "what it answers", "network", "parameters", "file", "seed", "minutes", "how good"]
    count = f"{len(cards)} model{'s' * (len(cards) != 1)}, {sum(sizes) / 1e6:.1f} MB of weights."
    return [table(heads, rows), count]


@cache
def _parameters(network: str, classes: int, words: tuple[str, ...]) -> int:
    kind: Any = "image-text" if words else "classifier"
    bare = Card("", "", kind, network, 0, "", 0, 0, "", "", 0.0, "", classes=("",) * classes, words=words)
    return sum(parameter.numel() for parameter in untrained(bare).parameters())


def headline(one: Card) -> tuple[Measured, ...]:
    """What says most: of an image-text model its circles, of a classifier the first and the last measure with a bar.

    On a card these are accuracy and, of a task with a shortcut, the worst group's or the fall without the mark.
    """
    if one.kind == "image-text":
        return tuple(told for told in one.measured if told.what.startswith("circled"))
    barred = [told for told in one.measured if told.bar is not None] or list(one.measured[:1])
    return tuple(dict.fromkeys([*barred[:1], *barred[-1:]]))


def _pair(cards: Sequence[Card]) -> list[str]:
    """The networks of T5, biased and balanced, each over its seeds."""
    found = [one for one in cards if one.task == "T5"]
    biases = sorted({one.bias for one in found if one.bias is not None}, reverse=True)
    columns = [[one for one in found if one.bias == bias] for bias in biases]
    if not any(len(column) > 1 for column in columns):
        return []
    rows = _side_by_side(columns, _with_worst_group, _over_seeds)
    says = "Mean (least to most) over trainings that differ in the seed alone; the test scenes are the same."
    return [
        "## The pair of T5 over seeds",
        says,
        table(["measured on T5 test", *map(_trainings, columns)], rows),
    ]


def _circles(cards: Sequence[Card]) -> list[str]:
    """The image-text model beside the one that was trained without circles."""
    both = [one for name in ("clip", "clip-plain") for one in cards if one.name == name]
    if len(both) < 2:
        return []
    rows = _side_by_side([[one] for one in both], _as_told, _alone)
    says = (
        "The second was trained on whole scenes alone: no red circles, no cut-outs, and no loss over the cells of "
        f"the grid. They saw {both[0].seen:,} and {both[1].seen:,} pictures."
    )
    maps = _as_told(both[1]).get("red-circle maps: AUROC, T8 test", 1.0)
    if maps < 0.5:
        says += (
            f" Its maps are worse than chance ({maps:.3f} of 0.5): a model that never saw a circle does not "
            "follow one, and words fit a thing less where it is circled, perhaps because the line hides some of it."
        )
    return ["## With and without red circles", prose(says), table(["measured", "clip", "clip-plain"], rows)]


def _trainings(of: Sequence[Card]) -> str:
    seeds = sorted(one.seed for one in of)
    return f"bias {of[0].bias:g}, seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def _side_by_side(
    columns: Sequence[Sequence[Card]],
    values: Callable[[Card], dict[str, float]],
    say: Callable[[Sequence[float]], str],
) -> list[list[str]]:
    """A row for each measure, a cell for each column of cards, "-" where none has it."""
    found = [[values(one) for one in column] for column in columns]
    every = dict.fromkeys(what for column in found for told in column for what in told)
    cells = [[[told[what] for told in column if what in told] for column in found] for what in every]
    return [
        [what, *(say(cell) if cell else "-" for cell in row)] for what, row in zip(every, cells, strict=True)
    ]


def _as_told(one: Card) -> dict[str, float]:
    return {f"{told.what}, {told.on}": told.value for told in one.measured}


def _with_worst_group(one: Card) -> dict[str, float]:
    """The worst group, whichever it is in this training, as a row of its own."""
    found = {short(told.what): told.value for told in one.measured}
    groups = [value for what, value in found.items() if what.startswith("accuracy of ")]
    return found | ({"the worst group's accuracy": min(groups)} if groups else {})


def _over_seeds(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _alone(values: Sequence[float]) -> str:
    return f"{values[0]:.4f}"
