"""`seewhy.check`: put an answer to the test, and give it back with a receipt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal, TypeVar, overload

import numpy as np

from seewhy.errors import InputError, did_you_mean, message
from seewhy.evaluate.edits import Edits, plan_edits
from seewhy.evaluate.how_much.removal import Cells, kept_while_hiding
from seewhy.explanation import Answer, Answers, Explanation, Receipt, Replay
from seewhy.explanation.receipt import Alone, area

A = TypeVar("A", bound=Answer)
Score = Literal["probability", "logit"]
Filling = Literal["mean", "blur"]

FILLINGS = {"mean": "the picture's mean colour", "blur": "the blurred picture"}
SCORES = ("probability", "logit")

ROUNDING = 1e-6
"""Changes of the logit below this part of all that adds up to it are rounding of single precision."""

CHANGED = 0.01
"""A network whose logit now differs by this much, relative, is not the one that was explained."""


@overload
def check(
    answer: A,
    *,
    n_edits: int = ...,
    n_random: int = ...,
    steps: int = ...,
    fill: Filling = ...,
    score: Score = ...,
    seed: int = ...,
    progress: Callable[[int, int], None] | None = ...,
) -> A: ...
@overload
def check(
    answer: Answers[A],
    *,
    n_edits: int = ...,
    n_random: int = ...,
    steps: int = ...,
    fill: Filling = ...,
    score: Score = ...,
    seed: int = ...,
    progress: Callable[[int, int], None] | None = ...,
) -> Answers[A]: ...
def check(
    answer: A | Answers[A],
    *,
    n_edits: int = 64,
    n_random: int = 16,
    steps: int = 32,
    fill: Filling = "mean",
    score: Score = "probability",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> A | Answers[A]:
    """Ask the network whether an answer is true of it.

    Two tests, each where the answer claims something that it can test:

    * Concepts are removed or scaled, the rest of the network runs, and the change of the logit is compared
      with what the contributions predict.
    * Pixels are hidden, and shown, in the order of the map, and the curves compared with random orders of
      the same cells.

    Parameters
    ----------
    answer
        An `Explanation` or `AttributionMap` as the model gave it, or `Answers`.
    n_edits
        Edits of the concepts, at least 4; each is one pass of the network's tail.
    n_random
        Random orders, at least 2.
    steps
        Equal steps of each curve, at least 2. In all (n_random + 2) (steps - 1) + 3 forward passes a picture.
    fill
        What hidden pixels show: "mean", the picture's own mean colour, or "blur".
    score
        What is watched while pixels are hidden: "probability", or "logit" where that is saturated.
    seed
        Of edits and orders; the same for every picture.
    progress
        Called with (done, total), in passes over orders.

    Returns
    -------
    answer
        A copy of the answer with its `receipt`; the network is left as it was.

    Raises
    ------
    NotSupported
        If the answer was loaded from a file, or claims nothing that can be tested.
    InputError
        If an option is out of range, or the network has changed since.
    """
    _refuse(n_edits=(n_edits, 4), n_random=(n_random, 2), steps=(steps, 2))
    for what, name, known in (("fill", fill, tuple(FILLINGS)), ("score", score, SCORES)):
        if name not in known:
            raise InputError(message(f"The {what} is {name!r}.", did_you_mean(str(name), known)))
    answers = list(answer) if isinstance(answer, Answers) else [answer]
    for one in answers:
        one._require("check")
    total = len(answers) * (n_random + 2)
    checked = []
    for i, one in enumerate(answers):
        done = i * (n_random + 2)
        tell = None if progress is None else partial(_tell, progress, done, total)
        made = _receipt(one, n_edits, n_random, steps, fill, score, seed, tell)
        checked.append(replace(one, receipt=made))
    return Answers(checked) if isinstance(answer, Answers) else checked[0]


def _receipt(
    answer: Answer,
    n_edits: int,
    n_random: int,
    steps: int,
    fill: str,
    score: str,
    seed: int,
    tell: Callable[[int], None] | None,
) -> Receipt:
    replay = answer.replay
    assert replay is not None
    _refuse_changed(answer, replay, fill)
    no_edits, no_map = _why_no_edits(answer, replay), answer.can("where")
    found: dict[str, Any] = {"seed": seed, "score": score, "fill": FILLINGS[fill], "forwards": 1}
    found["notes"] = tuple(
        f"{what}: {why}"
        for what, why in (("contributions", no_edits), ("map", no_map))
        # A map does not claim to have contributions, so nothing of it was left out.
        if why and isinstance(answer, Explanation)
    )
    if not no_edits:
        assert isinstance(answer, Explanation)
        found |= _edited(answer, replay, n_edits, seed)
    if not no_map:
        found |= _hidden(answer, replay, n_random, steps, fill, score, seed, tell)
        found["forwards"] += 1
    return Receipt(**found)


def _edited(answer: Explanation, replay: Replay, n: int, seed: int) -> dict[str, Any]:
    """The part of a receipt that is about contributions."""
    assert replay.concepts is not None
    contributions = np.array([concept.contribution for concept in answer.concepts], np.float64)
    edits: Edits = plan_edits(contributions, answer.kind, n, seed)
    # The picture as it is runs in the same passes, so that rounding of another batch does not look like a change.
    logits = replay.concepts(np.concatenate([np.ones((1, len(contributions))), edits.factors]))
    measured, predicted = logits[1:] - logits[0], edits.predicted(contributions)
    alone = [
        Alone(answer.concepts[m].name, float(predicted[i]), float(measured[i]))
        for i, m in enumerate(edits.alone)
    ]
    return {
        "predicted": tuple(map(float, predicted)),
        "measured": tuple(map(float, measured)),
        "alone": tuple(alone),
        "noise": ROUNDING * (abs(answer.target.logit) + float(np.abs(contributions).sum())),
        "tail_forwards": len(logits),
    }


def _hidden(
    answer: Answer,
    replay: Replay,
    n_random: int,
    steps: int,
    fill: str,
    score: str,
    seed: int,
    tell: Callable[[int], None] | None,
) -> dict[str, Any]:
    """The part of a receipt that is about the map."""
    cells = Cells.of(answer.where, replay.size)
    rng = np.random.default_rng(seed)
    ends = np.stack([np.ones(replay.size, bool), np.zeros(replay.size, bool)])
    whole, blank = replay.pixels(ends, fill, score)
    n_done = 0

    def curve(kept: np.ndarray) -> np.ndarray:
        nonlocal n_done
        found = replay.pixels(kept, fill, score)
        n_done += 1
        if tell is not None:
            tell(n_done)
        return found

    order = cells.order(rng)
    by_chance = [
        np.array([whole, *curve(kept_while_hiding(cells.order(rng, at_random=True), steps)), blank])
        for _ in range(n_random)
    ]
    mean = np.mean(by_chance, 0)
    kept = kept_while_hiding(order, steps)
    deletion = np.array([whole, *curve(kept), blank])
    insertion = np.array([blank, *curve(~kept), whole])
    if cells.flat:
        # A map without an order gets what random orders get, and no luck of one of them.
        deletion, insertion = mean, mean[::-1]
    return {
        "deletion_curve": tuple(map(float, deletion)),
        "insertion_curve": tuple(map(float, insertion)),
        "random_curve": tuple(map(float, mean)),
        "random_sd": float(np.std([area(one.tolist()) for one in by_chance], ddof=1)),
        "n_random": n_random,
        "forwards": 2 + (n_random + 2) * (steps - 1),
    }


def _why_no_edits(answer: Answer, replay: Replay) -> str | None:
    if not isinstance(answer, Explanation):
        return "an attribution map has no concepts to edit."
    if answer.kind == "variance":
        return "importance of kind 'variance' has no sign and predicts no change of the logit."
    if not answer.concepts:
        return "it has no concepts."
    return None if replay.concepts is not None else "its model does not say how to edit its concepts."


def _refuse_changed(answer: Answer, replay: Replay, fill: str) -> None:
    now = float(replay.pixels(np.ones((1, *replay.size), bool), fill, "logit")[0])
    then = answer.target.logit
    if not abs(now - then) <= CHANGED * max(1.0, abs(then)):
        raise InputError(
            message(
                f"The logit of {answer.target.name!r} was {then:.6g} when {answer.image.name!r} was explained, "
                f"and is {now:.6g} now.",
                "A check asks the network that was explained.",
                "Explain the picture again, then check.",
            )
        )


def _refuse(**options: tuple[int, int]) -> None:
    for name, (value, least) in options.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(
                message(
                    f"{name} is {value!r}.",
                    f"It is a whole number, at least {least}.",
                    "Leave it out for a default.",
                )
            )


def _tell(progress: Callable[[int, int], None], done: int, total: int, more: int) -> None:
    progress(done + more, total)
