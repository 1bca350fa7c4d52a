"""How well a cheap predictor does on a task: trained on "train", settled on "val", measured on "test".

A predictor that does badly for want of training would make the audit worthless, so the strength of its penalty is
chosen, and what is one number (area, file size) is given as 32 steps, of which any function can be made.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Float32, Int

from seewhy.world.drawing.renderer import render
from seewhy.world.grammar import PARTS, SLOTS
from seewhy.world.scene import Scene
from seewhy.world.shortcuts import features as see
from seewhy.world.shortcuts.base import Question, Row, wilson

Tick = Callable[[int], None]
"""Called with the number of scenes done since the last call."""

SIZE = 96
_PENALTIES = (0.003, 0.03, 0.3, 3.0)
_STEPS = 32

HISTOGRAM, THUMBNAIL, PRIOR = "colour histogram", "8x8 thumbnail", "class prior"
BACKGROUND, COUNT, AREA = "background alone", "number of objects", "total area"
POSITIONS, FILE, PART = "positions", "PNG file size", "single part"
BAG, BAG_OF_WORDS = "bag of 8x8 patches, linear", "bag of 8x8 patches, 256 visual words"


def bar_of(predictor: str, task: str, classes: int) -> tuple[float | None, float | None]:
    """(most, least) accuracy allowed."""
    chance = 1 / classes
    if predictor == PRIOR:
        return chance, None
    if predictor == HISTOGRAM:
        return (0.60 if task == "T2" else chance + 0.05), None
    if predictor == THUMBNAIL:
        return chance + 0.10, None
    if predictor == PART:
        return 0.35, None
    if predictor == BAG:
        return 0.65, None
    if predictor == BAG_OF_WORDS:
        return None, None
    return chance + 0.02, chance - 0.02


@dataclass
class Seen:
    """What the predictors see of one split's scenes, a list per predictor, and the labels."""

    labels: list[int] = field(default_factory=list)
    features: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def add(self, name: str, row: np.ndarray) -> None:
        self.features.setdefault(name, []).append(row)


def accuracy_rows(task: Question, n_train: int, n_val: int, n_test: int, tick: Tick) -> list[Row]:
    """One row per predictor."""
    book = None
    if task.name == "T2":
        few = range(min(n_train, 400))
        book = see.codebook([render(task.scene("train", index), SIZE).rgb for index in few])
    splits = [
        look(task, split, n, book, tick)
        for split, n in (("train", n_train), ("val", n_val), ("test", n_test))
    ]
    labels = [np.array(seen.labels) for seen in splits]
    commonest = np.bincount(labels[0], minlength=len(task.classes)).argmax()
    rows = [_row(task, PRIOR, int((labels[2] == commonest).sum()), n_test)]
    for name in splits[0].features:
        train, val, test = (np.stack(seen.features[name]) for seen in splits)
        predict = by_table if name == PART else by_line
        if name in (AREA, FILE):
            train, val, test = in_steps(train, val, test)
        rows.append(_row(task, name, predict((train, val, test), labels), n_test))
    return rows


def look(task: Question, split: str, n: int, book: Float32[np.ndarray, "w 192"] | None, tick: Tick) -> Seen:
    """Draw the first n scenes of a split and keep what each predictor needs."""
    seen = Seen()
    for index in range(n):
        scene = task.scene(split, index)
        rendered = render(scene, SIZE)
        seen.labels.append(int(task.label(scene)))
        seen.add(HISTOGRAM, see.colour_histogram(rendered.rgb))
        seen.add(THUMBNAIL, see.thumbnail(rendered.rgb))
        seen.add(BACKGROUND, see.background(scene, SIZE))
        seen.add(COUNT, see.counts(scene))
        seen.add(AREA, np.concatenate([[see.total_area(rendered)], see.counts(scene)]))
        seen.add(POSITIONS, see.positions(scene))
        seen.add(FILE, np.array([see.png_bytes(rendered.rgb)], np.float64))
        if task.name == "T4":
            seen.add(PART, _parts(scene))
        if book is not None:
            seen.add(BAG, see.mean_patch(rendered.rgb))
            seen.add(BAG_OF_WORDS, see.bag_of_words(rendered.rgb, book))
        tick(1)
    return seen


def by_line(features: tuple[np.ndarray, ...], labels: list[Int[np.ndarray, " n"]]) -> int:
    """Hits on the test scenes of a logistic regression whose penalty was best on the validation scenes."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    middle, spread = features[0].mean(0), features[0].std(0)
    # What hardly varies in training would be blown up.
    scale = np.where(spread > 1e-6, spread, 1.0)
    train, val, test = ((rows - middle) / scale for rows in features)
    best, fitted = -1.0, None
    with warnings.catch_warnings():
        # A fit that has not settled is one that stopped early, and competes as it is.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for penalty in _PENALTIES:
            model = LogisticRegression(C=penalty, max_iter=200, tol=1e-3).fit(train, labels[0])
            score = float(model.score(val, labels[1]))
            if score > best:
                best, fitted = score, model
    assert fitted is not None
    return int((fitted.predict(test) == labels[2]).sum())


def by_table(features: tuple[np.ndarray, ...], labels: list[Int[np.ndarray, " n"]]) -> int:
    """Hits on the test scenes of the best single column: for each of its values the class it had most often."""
    train, val, test = features
    answers = []
    for column in range(train.shape[1]):
        table = np.zeros((max(rows[:, column].max() for rows in features) + 1, int(labels[0].max()) + 1))
        np.add.at(table, (train[:, column], labels[0]), 1)
        answers.append(table.argmax(1))
    scores = [(answer[val[:, at]] == labels[1]).mean() for at, answer in enumerate(answers)]
    best = int(np.argmax(scores))
    return int((answers[best][test[:, best]] == labels[2]).sum())


def in_steps(*features: Float[np.ndarray, "n c"]) -> tuple[np.ndarray, ...]:
    """The first column as 32 equally frequent steps of the training scenes, beside the columns as they are and the
    first column times each other (so that it is read given the number of objects)."""
    edges = np.quantile(features[0][:, 0], np.arange(1, _STEPS) / _STEPS)
    middle, spread = features[0][:, 0].mean(), features[0][:, 0].std() + 1e-12
    made = []
    for rows in features:
        steps = np.eye(_STEPS)[np.searchsorted(edges, rows[:, 0])]
        value = (rows[:, :1] - middle) / spread
        made.append(np.concatenate([steps, value, rows[:, 1:], value * rows[:, 1:]], 1))
    return tuple(made)


def _parts(scene: Scene) -> Int[np.ndarray, " 5"]:
    """The variant in each slot of the first creature, as a number; 0 an empty slot."""
    if not scene.creatures:
        return np.zeros(len(SLOTS), np.int64)
    variants = scene.creatures[0].variants
    return np.array([["none", *PARTS[slot]].index(variants[slot]) for slot in SLOTS])


def _row(task: Question, predictor: str, hits: int, n: int) -> Row:
    bar, floor = bar_of(predictor, task.name, len(task.classes))
    return Row(task.name, predictor, hits / n, *wilson(hits, n), bar, floor, "accuracy", n)
