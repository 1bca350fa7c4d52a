"""Scenes for the image-text model as arrays: pixels, who is where, what is true of whom, captions with their bits."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8, UInt64

from seewhy.bundled.networks import PICTURE_SIZE
from seewhy.scale.disk import PART, locked, make_folder, write_whole, writing
from seewhy.training.loop import Tell
from seewhy.training.said import BIT, CONCEPTS, bits_of, said_by
from seewhy.world.drawing.renderer import Rendered, render
from seewhy.world.grammar import WORLD_VERSION
from seewhy.world.language.captions import LEVELS, caption
from seewhy.world.scene import Scene
from seewhy.world.tasks.tasks import find_task

SIZE = PICTURE_SIZE
"""Side of the pictures that are kept; the model sees them, or what is cut out of them, at its own size."""
GRID = 32
"""Side of the kept maps of who is where."""
THINGS = 10
"""Most things of a scene: the background, six objects, two creatures, and one to spare."""
_CAPTIONS = 5
_MENTIONS = THINGS
_TELL_EVERY = 256


@dataclass(frozen=True)
class Mixture:
    """Which scenes: `n` of a split, from several tasks in turn; a task that is named twice comes twice as often."""

    split: str
    n: int
    tasks: tuple[str, ...] = ("T8", "T4", "T8")
    version: int = 2

    @property
    def key(self) -> str:
        """A name for exactly these bytes."""
        told = json.dumps([WORLD_VERSION, self.split, self.n, self.tasks, self.version, SIZE, GRID, CONCEPTS])
        return f"scenes-{self.split}-{self.n}-{hashlib.sha256(told.encode()).hexdigest()[:10]}"

    def scene(self, at: int) -> Scene:
        """Scene `at` of the mixture."""
        turn, which = divmod(at, len(self.tasks))
        task = self.tasks[which]
        before = self.tasks[:which].count(task)
        return find_task(task).scene(self.split, turn * self.tasks.count(task) + before)


@dataclass(frozen=True, eq=False)
class Scenes:
    """What `Mixture` says, as arrays; thing 0 is the background, thing k + 1 the scene's item k.

    Attributes
    ----------
    pixels
        The pictures.
    owner
        Which thing is seen at each place of a 32x32 grid.
    part
        There: 0 none, 1 a creature's body, k + 2 the part in slot k.
    things
        What is true of each thing, as bits; 0 where there is none.
    circle
        (x, y, radius) of each thing's disk, as shares of the side.
    seen
        Share of each thing's outline that is seen.
    texts
        Five captions a scene, as bytes of UTF-8 in a fixed width.
    mentions, beyond
        What they say.
    """

    pixels: UInt8[np.ndarray, "n S S 3"]
    owner: UInt8[np.ndarray, "n g g"]
    part: UInt8[np.ndarray, "n g g"]
    things: UInt64[np.ndarray, "n t"]
    circle: Float32[np.ndarray, "n t 3"]
    seen: Float32[np.ndarray, "n t"]
    texts: np.ndarray
    mentions: UInt64[np.ndarray, "n c m"]
    beyond: Bool[np.ndarray, "n c"]

    def __len__(self) -> int:
        return len(self.pixels)


def scenes(mixture: Mixture, folder: Path, tell: Tell | None = None) -> Scenes:
    """The mixture's arrays, drawn into `folder` unless they are there; killed on the way, it starts again.

    Raises
    ------
    InputError
        If the folder cannot be written, or someone else draws the same there.
    """
    folder = folder / mixture.key
    make_folder(folder)
    if not (folder / "whole.json").is_file():
        with locked(folder):
            _draw(mixture, folder, tell)
    return Scenes(**{name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _shapes(1)})


def share_seen(drawn: Rendered, at: int) -> float:
    """Share of item `at`'s outline that no other item hides, 0..1."""
    outline = float(drawn.coverage[at].astype(np.float32).sum())
    return min(1.0, float((drawn.id_map == at + 1).sum()) / max(outline, 1.0))


def _shapes(n: int) -> dict[str, tuple[tuple[int, ...], Any]]:
    return {
        "pixels": ((n, SIZE, SIZE, 3), np.uint8),
        "owner": ((n, GRID, GRID), np.uint8),
        "part": ((n, GRID, GRID), np.uint8),
        "things": ((n, THINGS), np.uint64),
        "circle": ((n, THINGS, 3), np.float32),
        "seen": ((n, THINGS), np.float32),
        "texts": ((n, _CAPTIONS), "S256"),
        "mentions": ((n, _CAPTIONS, _MENTIONS), np.uint64),
        "beyond": ((n, _CAPTIONS), np.bool_),
    }


def _draw(mixture: Mixture, folder: Path, tell: Tell | None) -> None:
    with writing(folder / "pixels.npy"):
        arrays = {
            name: np.lib.format.open_memmap(folder / f"{name}.npy{PART}", "w+", dtype, shape)
            for name, (shape, dtype) in _shapes(mixture.n).items()
        }
        for at in range(mixture.n):
            for name, value in _record(mixture.scene(at)).items():
                arrays[name][at] = value
            if tell and (at + 1) % _TELL_EVERY == 0:
                tell(at + 1, mixture.n, "drawing scenes")
        for name, array in arrays.items():
            array.flush()
            (folder / f"{name}.npy{PART}").replace(folder / f"{name}.npy")
    write_whole(folder / "whole.json", json.dumps({"n": mixture.n, "world": WORLD_VERSION}).encode())


def _record(scene: Scene) -> dict[str, Any]:
    drawn = render(scene, SIZE)
    things = np.zeros(THINGS, np.uint64)
    circle = np.zeros((THINGS, 3), np.float32)
    seen = np.zeros(THINGS, np.float32)
    things[0], seen[0] = BIT[scene.background.kind], 1.0
    for at, item in enumerate(scene.items):
        things[at + 1] = bits_of(item)
        circle[at + 1] = item.x, item.y, item.radius
        seen[at + 1] = share_seen(drawn, at)
    step = SIZE // GRID
    texts = np.zeros(_CAPTIONS, "S256")
    mentions, beyond = np.zeros((_CAPTIONS, _MENTIONS), np.uint64), np.zeros(_CAPTIONS, np.bool_)
    for level in range(LEVELS):
        told = caption(scene, level)
        said = said_by(told.facts, told.text)
        assert len(told.text) <= texts.itemsize, "a caption must not be cut"
        texts[level], beyond[level] = told.text.encode(), said.beyond
        mentions[level, : len(said.mentions)] = said.mentions
    return {
        "pixels": drawn.rgb,
        "owner": drawn.id_map[step // 2 :: step, step // 2 :: step],
        "part": drawn.part_map[step // 2 :: step, step // 2 :: step],
        "things": things,
        "circle": circle,
        "seen": seen,
        "texts": texts,
        "mentions": mentions,
        "beyond": beyond,
    }
