"""The tasks T1 to T11: what is asked of a scene, and scenes to ask it of.

A task's rule is text (`rules`); labels come from the rule and the scene alone, never from how the scene was made.
How its scenes are made is a plan (`about_objects`, `about_creatures`) that balances the labels and keeps every
other factor apart from them, given the number of objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool

from seewhy.errors import InputError, UnknownName, did_you_mean, message
from seewhy.world.checks import as_whole, check_number, check_whole
from seewhy.world.grammar import BACKGROUNDS, COLOURS, PARTS, SHAPES, SIZES, TEXTURES
from seewhy.world.hashing import Draws
from seewhy.world.sampling import Grammar
from seewhy.world.scene import Scene
from seewhy.world.tasks import about_creatures as creatures
from seewhy.world.tasks import about_objects as objects
from seewhy.world.tasks.compose import Plan, Setting, compose
from seewhy.world.tasks.kinds import KINDS
from seewhy.world.tasks.rules import UndefinedRule, evaluate
from seewhy.world.tasks.splits import find_split, scene_seed

Label = int | float | Bool[np.ndarray, " classes"]


@dataclass(frozen=True)
class Task:
    """One question about scenes.

    Attributes
    ----------
    name, title, purpose
        "T1" and so on; the question in words; what the task is good for.
    kind
        "class" (one of `classes`), "multilabel" (each of `classes` or not) or "regression" (a number).
    classes
        The answers in words; of a regression empty.
    rules
        The expressions that make the label: one, or one for each class of a multilabel task.
    cue
        A rule for what goes with the label in training without being it; with the class it makes a scene's group.
    biases
        Share of the scenes whose cue goes with their label: in "train", and in all other splits. None without cue.
    null
        Atomic concepts that the label has nothing to do with, on purpose.
    """

    name: str
    title: str
    purpose: str
    kind: str
    classes: tuple[str, ...]
    rules: tuple[str, ...]
    plan: Callable[[Setting], Plan] = field(repr=False)
    cue: str = ""
    biases: tuple[float, float] | None = None
    null: tuple[str, ...] = ()

    @property
    def rule(self) -> str:
        """The rule; of a multilabel task the rules of its classes as one tuple."""
        return self.rules[0] if len(self.rules) == 1 else f"({', '.join(self.rules)})"

    def label(self, scene: Scene) -> Label:
        """The label by the rule: the class's number, a bool for each class, or a number.

        Raises
        ------
        UndefinedRule
            If the rule says nothing about this scene.
        """
        if self.kind == "multilabel":
            return np.array([bool(evaluate(rule, scene)) for rule in self.rules])
        value = evaluate(self.rules[0], scene)
        if self.kind == "regression":
            return float(value)
        if isinstance(value, str):
            if value not in self.classes:
                raise UndefinedRule(
                    message(
                        f"By the rule {self.rules[0]!r} the scene is {value!r}.",
                        f"The classes of {self.name} are {', '.join(self.classes)}.",
                        "Ask about a scene of the task, or undo the edit.",
                    )
                )
            return self.classes.index(value)
        return int(value)

    def group(self, scene: Scene) -> tuple[str, str]:
        """(class, cue) in words, for example ("wader", "grass").

        Raises
        ------
        InputError
            If the task has no cue.
        UndefinedRule
            If one of the two rules says nothing about this scene.
        """
        if not self.cue:
            raise InputError(
                message(
                    f"{self.name} has no groups.",
                    "Groups are classes with and without a cue that goes with them.",
                    f"Ask one of {', '.join(task.name for task in TASKS.values() if task.cue)}.",
                )
            )
        label = self.label(scene)
        assert isinstance(label, int)
        return self.classes[label], str(evaluate(self.cue, scene))

    def scene(
        self, split: str = "train", index: int = 0, *, difficulty: int = 1, bias: float | None = None
    ) -> Scene:
        """Scene `index` of a split; the same for the same arguments on every machine.

        Parameters
        ----------
        split
            One of `splits.SPLITS`.
        index
            Which scene, from 0.
        difficulty
            0, 1 or 2, as in `Grammar.of`.
        bias
            Share of the scenes whose cue goes with their label, 0 to 1; the split's own if None.

        Raises
        ------
        UnknownName
            If there is no such split.
        InputError
            If a number is out of range, or the task has no cue for the bias to act on.
        """
        which = find_split(split)
        index = index if isinstance(index, bool) else as_whole(index)
        check_whole("scene index", index, 0, 2**63 - 1)
        draws = Draws(scene_seed(self.name, split), index)
        setting = Setting(draws, Grammar.of(difficulty), which, self._bias(split, bias))
        return compose(setting, self.plan(setting))

    def _bias(self, split: str, bias: float | None) -> float:
        if self.biases is None:
            if bias is not None:
                raise InputError(
                    message(
                        f"The bias of {self.name} is {bias!r}.",
                        "The task has no cue that a bias could act on.",
                        "Leave bias out.",
                    )
                )
            return 0.5
        if bias is None:
            return self.biases[0] if split == "train" else self.biases[1]
        check_number("bias", bias, 0.0, 1.0)
        return float(bias)


def _atomic() -> dict[str, str]:
    """Name and rule of each atomic concept, in their fixed order."""
    rules = {
        word: f"has({factor}={word!r})"
        for factor, words in (
            ("shape", SHAPES),
            ("colour", tuple(COLOURS)),
            ("texture", TEXTURES),
            ("size", tuple(SIZES)),
        )
        for word in words
    }
    rules |= {kind: f"background.kind == {kind!r}" for kind in BACKGROUNDS}
    for slot, variants in PARTS.items():
        rules |= {
            f"{variant} {slot}": f"any(c.{slot} == {variant!r} for c in creatures)" for variant in variants
        }
    return {**rules, "creature": "any(True for c in creatures)"}


_CHECKERED, _GRASS = "has(texture='checkered')", "background.kind == 'grass'"
_ONE = "only(creatures)"

TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task(
            "T1",
            "Which shape is striped?",
            "a single concept among distractors",
            "class",
            SHAPES,
            ("only(o.shape for o in objects if o.texture == 'striped')",),
            objects.t1,
        ),
        Task(
            "T2",
            "Is there a red star and a blue ring?",
            "conjunction and binding: which colour belongs to which shape",
            "class",
            ("no", "yes"),
            ("has(colour='red', shape='star') and has(colour='blue', shape='ring')",),
            objects.t2,
        ),
        Task(
            "T3a",
            "Is anything checkered, or is it on grass?",
            "redundancy: either is enough",
            "class",
            ("no", "yes"),
            (f"{_CHECKERED} or {_GRASS}",),
            objects.t3a,
        ),
        Task(
            "T3b",
            "Is anything checkered, or is it on grass, but not both?",
            "interaction: neither says anything alone",
            "class",
            ("no", "yes"),
            (f"{_CHECKERED} != ({_GRASS})",),
            objects.t3b,
        ),
        Task(
            "T4",
            "Which kind of creature is it?",
            "classes made of parts, each told by several small sets of them",
            "class",
            tuple(kind.name for kind in KINDS),
            (f"only(k.name for k in kinds if all(p.variant in k.variants for p in {_ONE}.parts))",),
            creatures.t4,
        ),
        Task(
            "T5",
            "Is it a wader or a walker?",
            "a background that goes with the label in training",
            "class",
            ("wader", "walker"),
            (f"index({_ONE}.foot, {creatures.FEET[0]!r}, {creatures.FEET[1]!r})",),
            creatures.t5,
            "background.kind",
            (0.95, 0.5),
        ),
        Task(
            "T6",
            "Which shape is the large object?",
            "a mark that gives one class away in training",
            "class",
            objects.FOUR_SHAPES,
            ("only(o.shape for o in objects if o.size == 'large')",),
            objects.t6,
            "'none' if decoy == None else decoy.kind",
            (0.9, 0.5),
        ),
        Task(
            "T7",
            "Which shape is the object?",
            "shape or texture: which of two cues a model follows",
            "class",
            objects.FOUR_SHAPES,
            ("only(objects).shape",),
            objects.t7,
            "only(objects).texture",
            (0.95, 0.0),
        ),
        Task(
            "T8",
            "What is there?",
            "all atomic concepts at once",
            "multilabel",
            tuple(_atomic()),
            tuple(_atomic().values()),
            objects.t8,
        ),
        Task(
            "T9",
            "Is anything green?",
            "false contributions: five concepts that have nothing to do with the label",
            "class",
            ("no", "yes"),
            ("has(colour='green')",),
            objects.t9,
            null=objects.NULL_CONCEPTS,
        ),
        Task(
            "T10",
            "Is it a barbet or a curlew?",
            "two sufficient causes that always agree in training: which one a model took",
            "class",
            ("barbet", "curlew"),
            (f"index({_ONE}.crest, {', '.join(map(repr, creatures.CRESTS))})",),
            creatures.t10,
            f"'barbet' if index({_ONE}.tail, {', '.join(map(repr, creatures.TAILS))}) == 0 else 'curlew'",
            (1.0, 0.5),
        ),
        Task(
            "T11",
            "How much is it worth?",
            "known weights, one of them an interaction",
            "regression",
            (),
            (
                "2 * has(colour='red') + has(shape='star') - (background.kind == 'water')"
                " + 0.5 * (has(colour='red') and has(shape='star')) + noise(0.1)",
            ),
            objects.t11,
        ),
    )
}


def find_task(name: str) -> Task:
    """The task of that name, in any case.

    Raises
    ------
    UnknownName
        If there is none; the message names the nearest.
    """
    for known, task in TASKS.items():
        if known.lower() == str(name).lower():
            return task
    every = f"Known: {', '.join(TASKS)}."
    raise UnknownName(message(f"There is no task {name!r}.", did_you_mean(str(name), TASKS), every))
