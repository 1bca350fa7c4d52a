"""Bring your own truth: put a mark into your own pictures, retrain the head, and see which methods find it.

    pictures ── mark in `share` of one class ──> frozen features ──> new head: planted ─┐ maps of held-out
       └────────── as they are ───────────────> frozen features ──> new head: control ─┘ marked pictures ──> verdicts

What the mark really does to each model is measured, not assumed: held-out pictures are shown to both with and without
it. Where the planted model does not use the mark, no method is judged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from seewhy.attribution.base import Method, as_backbone
from seewhy.attribution.engine import Engine, Progress
from seewhy.attribution.methods import METHODS
from seewhy.audit.finder import audit_finder
from seewhy.audit.finding import THRESHOLD, Finding, interval_of_mean, judge_region, judge_scores
from seewhy.audit.labelled import Labelled, read_labelled
from seewhy.audit.marks import Mark, as_mark
from seewhy.audit.plant_report import (
    LEARNED,
    FinderRow,
    Learned,
    MarkedPictures,
    MarkUse,
    PlantReport,
    margin_of,
)
from seewhy.audit.probe import Linear, Seat, fit_linear, seat
from seewhy.backbones.base import Backbone
from seewhy.errors import InputError, UnknownName, message
from seewhy.explanation.answer import Answer
from seewhy.images.geometry import Geometry
from seewhy.images.picture import Picture
from seewhy.models.classifier import Classifier
from seewhy.types import Box

HELD_OUT = 0.3
"""Share of each class's pictures that no head is trained on."""

LEAST = 12
"""Fewest pictures of the target class: the verdict is an interval over its held-out ones."""

_CHUNK = 64

Finder = Callable[[Classifier, MarkedPictures], Any]
"""From a model and the marked pictures (a sequence that also knows `.target`) to one map a picture, (n, h, w) or a
list of (h, w) arrays or of answers, each for the target class; or to scores, one a picture or one for all, 0 where
nothing points at the mark and 1 where everything does."""


def plant(
    images: Any,
    labels: Any,
    model: Any,
    *,
    mark: Mark | Any = "tag",
    share: float = 0.95,
    target: int | str | None = None,
    methods: Sequence[str | Method] | None = None,
    finders: Mapping[str, Finder] | None = None,
    retrain: str = "head",
    control: str = "unmarked",
    n_eval: int = 24,
    seed: int = 0,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> PlantReport:
    """Plant a shortcut in your own data and report which methods find it in your own network.

    Parameters
    ----------
    images
        Anything `seewhy.read_images` reads; held in memory.
    labels
        A class name or number per picture; None if the pictures' folders name the classes.
    model
        What `seewhy.load` returns, a `Backbone` or a module with its preprocessing. It is copied, never changed.
    mark
        "tag", "patch", "border", a `Mark`, or your own picture (a path, array or PIL image; may be transparent).
    share
        Share of the target's training pictures that get the mark, above 0 to 1.
    target
        The class that gets the mark, as in `labels`; default the most frequent.
    methods
        Attribution methods by name or object, and "audit" for the concepts that an audit of the training pictures
        accuses; default that and all inexpensive methods that work on the network. () for none.
    finders
        Other things to ask, by name; see `Finder`.
    retrain
        "head" replaces the last linear layer, or trains a probe where there is none; "probe" always trains a linear
        probe on the mean of the feature layer.
    control
        "unmarked": trained on the same pictures without any mark, so whatever the mark does to it was there before.
        "scattered": as many training pictures carry the mark, but drawn from all classes, so that it learned that
        the mark says nothing; for marks that by themselves move the network much.
    n_eval
        Most held-out marked pictures to ask the methods about, at least 4.
    seed
        Which pictures are held out, which carry the mark, and of every method that draws.
    batch_size
        At most so many pictures at once.
    progress
        Called with (done, total) pictures run.

    Returns
    -------
    report
        The truth, one row per method, the planted model and the control.

    Raises
    ------
    InputError
        If an argument is out of range, the numbers of labels and pictures differ, no picture can be read, there is
        one class only, or a class has too few pictures.
    UnknownName
        If there is no such target, mark or method.

    Notes
    -----
    Two forwards of each training picture at most and of each held-out one, then the methods' own cost, twice. A head
    on frozen features can only learn what these carry: a faint mark may not be learned, which the report then says.
    The idea of planting a known shortcut with a control is common (Adebayo et al., NeurIPS 2020; Yang & Kim, 2019);
    retraining the user's own head, and the statistic (`finding`), are ours.

    Examples
    --------
    >>> import seewhy as sw                                                       # doctest: +SKIP
    >>> print(sw.plant("photos/", None, sw.load("timm/resnet18.a1_in1k")))        # doctest: +SKIP
    """
    backbone = as_backbone(model)
    mark = as_mark(mark)
    _check_options(share, retrain, control, n_eval)
    audited, asked = _methods_asked(methods)
    finders = dict(finders or {})
    data = read_labelled(images, labels, _numbers_of(backbone, labels))
    which = _most_frequent(data.labels) if target is None else data.index_of(target)
    train, held_out, carriers = _deal(data, which, share, seed)
    position = seat(backbone, probe=retrain == "probe")

    runner = _Runner(position, Engine.for_device(backbone.device, batch_size, None, backbone.input_size))
    asking = held_out[data.labels[held_out] == which][:n_eval]
    scattered = _scattered(train, len(carriers), seed) if control == "scattered" else carriers[:0]
    runner.begin(progress, len(data.pictures) + len(carriers) + len(scattered) + len(held_out))
    plain = runner.features(data.pictures)
    after = runner.features([data.pictures[i] for i in held_out], mark)
    heads = []
    for chosen in (carriers, scattered):
        shown = plain.copy()
        if len(chosen):
            shown[chosen] = runner.features([data.pictures[i] for i in chosen], mark)
        heads.append(fit_linear(shown[train], data.labels[train], len(data.classes)))
    truth, control_truth = (
        MarkUse.measure(head(plain[held_out]), head(after), data.labels[held_out], which) for head in heads
    )
    learned = _learned(heads, plain[held_out], after, which, seed)

    pictures = _marked_pictures([data.pictures[i] for i in asking], mark, runner, data.classes[which])
    models = [
        Classifier(position.with_linear(head, data.classes, f"{backbone.name}, {what}"))
        for head, what in zip(heads, ("planted", "control"), strict=True)
    ]
    rows: tuple[FinderRow, ...] = ()
    notes: list[str] = []
    if retrain == "head" and position.head is None:
        notes.append(
            "the network has no last linear layer whose output is the logits, so a probe was trained"
        )
    if abs(control_truth.margin_shift) > LEARNED and control == "unmarked":
        notes.append(
            f"the mark moves the control too, which never saw it, by {control_truth.margin_shift:+.1f} nats of "
            "log-odds, so what it is accused of there may be true; control='scattered' makes it learn that the mark "
            "says nothing"
        )
    carrying = {int(i): mark.paint(data.pictures[i], runner.seen(data.pictures[i]))[0] for i in carriers}
    trained_on = tuple(carrying.get(int(i), data.pictures[i]) for i in train)
    if learned.yes:
        entries = _entries(asked, models[0].backbone, notes, seed, batch_size) | finders
        if audited:
            entries["audit"] = audit_finder(trained_on, seed=seed, batch_size=batch_size)
        runner.add(2 * len(entries) * len(asking))
        rows = tuple(_row(name, finder, models, pictures, seed, runner) for name, finder in entries.items())
    return PlantReport(
        mark=mark,
        target=data.classes[which],
        classes=data.classes,
        share=float(share),
        retrained=position.describe(),
        truth=truth,
        control_truth=control_truth,
        learned=learned,
        rows=rows,
        planted=models[0],
        control=models[1],
        marked=pictures,
        trained_on=trained_on,
        carriers=tuple(np.flatnonzero(np.isin(train, carriers)).tolist()),
        held_out=tuple(data.pictures[i] for i in held_out),
        unread=data.unread,
        notes=tuple(notes),
        threshold=THRESHOLD,
        seed=seed,
    )


class _Runner:
    """Pictures through preprocessing and body in chunks, with their geometries kept and progress told."""

    def __init__(self, position: Seat, engine: Engine) -> None:
        self.position, self.engine = position, engine
        self.geometries: dict[tuple[int, int], Geometry] = {}
        self._progress: Progress | None = None
        self._done = self._total = 0

    def begin(self, progress: Progress | None, total: int) -> None:
        self._progress, self._done, self._total = progress, 0, total

    def add(self, more: int) -> None:
        self._total += more

    def step(self, n: int) -> None:
        self._done += n
        if self._progress is not None:
            self._progress(self._done, self._total)

    def features(self, pictures: Sequence[Picture], mark: Mark | None = None) -> Float[np.ndarray, "n c"]:
        """What the head reads, in double precision; with the mark if one is given (then each was run without)."""
        parts = []
        for start in range(0, len(pictures), _CHUNK):
            chunk = pictures[start : start + _CHUNK]
            if mark is not None:
                chunk = [mark.paint(picture, self.seen(picture))[0] for picture in chunk]
            batch = self.position.backbone.tensor(chunk)
            for picture, geometry in zip(batch.pictures, batch.geometries, strict=True):
                self.geometries[picture.size] = geometry
            parts.append(self.position.features(batch.x, self.engine))
            self.step(len(batch))
        return np.concatenate(parts)

    def seen(self, picture: Picture) -> Box:
        """What the model sees of a picture; the geometry depends on its size only."""
        return self.geometries[picture.size].seen_box


def _check_options(share: float, retrain: str, control: str, n_eval: int) -> None:
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise InputError(
            message(
                f"share is {share!r}.",
                "It is the share of the target's pictures that get the mark, above 0 and at most 1.",
                "Pass share=0.95.",
            )
        )
    if retrain not in ("head", "probe"):
        raise UnknownName(
            message(f"retrain is {retrain!r}.", "It is 'head' or 'probe'.", "Leave it out for the head.")
        )
    if control not in ("unmarked", "scattered"):
        raise UnknownName(
            message(
                f"control is {control!r}.", "It is 'unmarked' or 'scattered'.", "Leave it out for 'unmarked'."
            )
        )
    if isinstance(n_eval, bool) or not isinstance(n_eval, int) or n_eval < 4:
        raise InputError(
            message(
                f"n_eval is {n_eval!r}.",
                "It is a whole number from 4: the verdict is an interval over pictures.",
                "Leave it out for 24.",
            )
        )


def _methods_asked(methods: Sequence[str | Method] | None) -> tuple[bool, list[Method] | None]:
    """Whether to audit, and methods as objects; unknown names are told before anything is computed."""
    if methods is None:
        return True, None
    each = [methods] if isinstance(methods, str | Method) else list(methods)
    return "audit" in each, [METHODS[m]() if isinstance(m, str) else m for m in each if m != "audit"]


def _numbers_of(backbone: Backbone, labels: Any) -> Callable[[int], str] | None:
    """The network's class names, if the labels are its numbers: all of them occur and no other."""
    if labels is None or backbone.classes is None:
        return None
    every = set(labels.tolist() if hasattr(labels, "tolist") else labels)
    return backbone.class_name if every == set(range(len(backbone.classes))) else None


def _most_frequent(labels: Int64[np.ndarray, " n"]) -> int:
    return int(np.bincount(labels).argmax())


def _deal(
    data: Labelled, target: int, share: float, seed: int
) -> tuple[Int64[np.ndarray, " t"], Int64[np.ndarray, " h"], Int64[np.ndarray, " m"]]:
    """Indices to train on, to hold out, and of the training pictures that carry the mark; drawn class by class."""
    generator = np.random.default_rng(seed)
    train, held_out = [], []
    carriers = np.empty(0, np.int64)
    for k, name in enumerate(data.classes):
        own = generator.permutation(np.flatnonzero(data.labels == k))
        least = LEAST if k == target else 2
        if len(own) < least:
            raise InputError(
                message(
                    f"There are {len(own)} pictures of {name!r} that could be read.",
                    f"The target class needs at least {LEAST}, every other class 2: a part is held out.",
                    "Add pictures, leave that class out, or choose another target.",
                )
            )
        n_out = max(1, round(HELD_OUT * len(own)), 4 if k == target else 1)
        held_out.append(own[:n_out])
        train.append(own[n_out:])
        if k == target:
            carriers = own[n_out:][: max(1, round(share * (len(own) - n_out)))]
    return np.sort(np.concatenate(train)), np.concatenate(held_out), np.sort(carriers)


def _scattered(train: Int64[np.ndarray, " t"], n: int, seed: int) -> Int64[np.ndarray, " n"]:
    """As many training pictures as carry the mark, whatever their class."""
    return np.sort(np.random.default_rng([seed, 1]).permutation(train)[:n])


def _learned(
    heads: Sequence[Linear], plain: np.ndarray, marked: np.ndarray, target: int, seed: int
) -> Learned:
    """How much more the mark raises the target's log-odds in the planted model than in the control."""
    planted_rise, control_rise = (
        margin_of(head(marked), target) - margin_of(head(plain), target) for head in heads
    )
    beyond = planted_rise - control_rise
    low, high = interval_of_mean(beyond, seed)
    return Learned(low > LEARNED, float(beyond.mean()), low, high)


def _marked_pictures(plain: Sequence[Picture], mark: Mark, runner: _Runner, target: str) -> MarkedPictures:
    painted = [mark.paint(picture, runner.seen(picture)) for picture in plain]
    return MarkedPictures(
        pictures=tuple(picture for picture, _ in painted),
        plain=tuple(plain),
        boxes=tuple(box for _, box in painted),
        regions=tuple(mark.region(picture.size, runner.seen(picture)) for picture in plain),
        geometries=tuple(runner.geometries[picture.size] for picture in plain),
        target=target,
    )


def _entries(
    asked: list[Method] | None, backbone: Backbone, notes: list[str], seed: int, batch_size: int | None
) -> dict[str, Finder]:
    """Every method to ask as a finder; by default the inexpensive ones, without those that do not fit."""
    if asked is None:
        asked = []
        for name in METHODS:
            method = METHODS[name]()
            if method.expensive:
                continue
            reason = method.why_not(backbone, backbone.input_size)
            if reason:
                notes.append(f"{name} was not asked: {reason}")
            else:
                asked.append(method)
    entries: dict[str, Finder] = {}
    for method in asked:
        name = method.name
        while name in entries:
            name += " (again)"
        entries[name] = _finder_of(method, seed, batch_size)
    return entries


def _finder_of(method: Method, seed: int, batch_size: int | None) -> Finder:
    def find(model: Classifier, pictures: MarkedPictures) -> Any:
        return method(model, list(pictures), pictures.target, seed=seed, batch_size=batch_size)

    return find


def _row(
    name: str,
    finder: Finder,
    models: Sequence[Classifier],
    pictures: MarkedPictures,
    seed: int,
    runner: _Runner,
) -> FinderRow:
    started = time.perf_counter()
    findings = []
    for model in models:
        findings.append(_judge(name, finder(model, pictures), pictures, seed))
        runner.step(len(pictures))
    return FinderRow(name, findings[0], findings[1], time.perf_counter() - started)


def _judge(name: str, found: Any, pictures: MarkedPictures, seed: int) -> Finding:
    if isinstance(found, Sequence) and found and isinstance(found[0], Answer):
        found = [answer.where for answer in found]
    try:
        array = np.asarray(found, np.float64)
    except (TypeError, ValueError):
        array = np.empty((0, 0))
    if array.ndim < 2 and array.size in (1, len(pictures)):
        return judge_scores(array.reshape(-1), seed=seed)
    if array.ndim != 3 or len(array) != len(pictures):
        raise InputError(
            message(
                f"The finder {name!r} returned {type(found).__name__} of shape {array.shape}.",
                f"It returns one map for each of the {len(pictures)} pictures, or one score for each or for all.",
                "Return an array (pictures, h, w), a list of maps of one size, or an array (pictures,).",
            )
        )
    region, seen = pictures.weights((array.shape[1], array.shape[2]))
    return judge_region(array, region, seen, seed=seed)
