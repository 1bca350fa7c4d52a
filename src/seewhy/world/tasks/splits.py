"""Which scenes belong to which split, and what is held out of all splits but one.

Scene i of a split and task is a function of the world's version, the task's name, the split's seed and i: random
access, nothing stored. `n` is how many scenes the tables use; scenes beyond it exist and are drawn alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from seewhy.errors import UnknownName, did_you_mean, message
from seewhy.world.grammar import WORLD_VERSION
from seewhy.world.hashing import field_key

HELD_OUT_PAIRS: tuple[tuple[str, str], ...] = (
    ("orange", "disk"),
    ("purple", "square"),
    ("yellow", "triangle"),
    ("white", "pentagon"),
    ("cyan", "cross"),
    ("blue", "crescent"),
)
"""(colour, shape) that no object has outside "ood-compose": 6 of 64. Red, green, star and ring stay whole, since
the tasks' rules speak of them."""

_ONE_IN = 10


@dataclass(frozen=True)
class Split:
    """A named set of scenes.

    Attributes
    ----------
    name, seed
        Its name, and the number that tells its scenes from those of other splits.
    n
        How many scenes the tables use.
    purpose
        What it is for, in words.
    novel
        Every scene has an object of a held-out pair, and every creature that is not a class of its own a
        held-out combination of parts. In all other splits none has.
    strange
        Backgrounds, light and noise lie outside what the other splits have.
    """

    name: str
    seed: int
    n: int
    purpose: str
    novel: bool = False
    strange: bool = False


SPLITS: Mapping[str, Split] = {
    split.name: split
    for split in (
        Split("train", 1, 200_000, "training"),
        Split("val", 2, 5_000, "thresholds and early stopping"),
        Split("test", 3, 5_000, "every table"),
        Split("cf", 4, 1_000, "edited scenes and Shapley values"),
        Split("ood-compose", 5, 5_000, "colours, shapes and parts as they never met in training", novel=True),
        Split("ood-style", 6, 2_000, "other backgrounds, stronger light and noise", strange=True),
        Split("ci", 7, 256, "tests"),
    )
}


def find_split(name: str) -> Split:
    """The split of that name.

    Raises
    ------
    UnknownName
        If there is none; the message names the nearest.
    """
    if name not in SPLITS:
        known = f"Known: {', '.join(SPLITS)}."
        raise UnknownName(message(f"There is no split {name!r}.", did_you_mean(str(name), SPLITS), known))
    return SPLITS[name]


def scene_seed(task: str, split: str) -> int:
    """Seed of all scenes of a task's split, 0 to 2**63 - 1."""
    return field_key(WORLD_VERSION, task, find_split(split).seed) & (2**63 - 1)


@cache
def is_held_out(variants: tuple[str, ...]) -> bool:
    """Whether a combination of parts, one variant or "none" per slot, is among the tenth that is held out."""
    return field_key(WORLD_VERSION, "held out parts", *variants) % _ONE_IN == 0
