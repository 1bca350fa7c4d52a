"""The folder layout of FunnyBirds (Hesse, Schaub-Meyer & Roth, ICCV 2023), for task T4.

So that a harness for FunnyBirds reads our creatures: classes and parts as JSON, pictures and part maps by class, with
an alpha channel. Parts have FunnyBirds' colours in the part maps where it has the part. Pictures with parts removed
are not written, since they can be drawn anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import UInt8

from seewhy.errors import InputError, message
from seewhy.scale.shards import Shard
from seewhy.world.export.base import Files, Format
from seewhy.world.export.records import Order, Record, to_json, to_png
from seewhy.world.grammar import PARTS, SLOTS
from seewhy.world.tasks.kinds import KINDS

PART_COLOURS: dict[str, tuple[int, int, int]] = {
    "body": (127, 127, 127),
    "crest": (0, 255, 255),
    "beak": (255, 255, 0),
    "wing": (0, 255, 1),
    "tail": (0, 0, 255),
    "foot": (255, 0, 1),
}
"""RGB of each part in the part maps; body and crest, which FunnyBirds has not, are ours. All else is black."""


def write(order: Order, shard: Shard, of: int, records: Iterator[Record], files: Files) -> None:
    """SPLIT/CLASS/000000.png, SPLIT_part_map/CLASS/000000.png."""
    entries = []
    for record in records:
        place, split = f"{record.label}/{record.index:06d}.png", order.split.name
        files.put(f"{split}/{place}", to_png(_opaque(record.rendered.rgb)))
        files.put(f"{split}_part_map/{place}", to_png(_opaque(_coloured(record.rendered.part_map))))
        creature = record.scene.creatures[0]
        shown = {f"{part.slot}_model": part.variant for part in creature.parts}
        entries.append(to_json({"class_idx": record.label, **shown}))
    files.put_piece(_piece(shard), b",\n".join(entries))


def finish(order: Order, shards: Sequence[Shard], files: Files) -> None:
    """dataset_SPLIT.json, classes.json, parts.json."""
    listed = files.joined(map(_piece, shards), between=b",\n")
    files.put(f"dataset_{order.split.name}.json", _framed(listed))
    classes = [
        {
            "class_idx": number,
            "name": kind.name,
            "parts": {slot: list(PARTS[slot]).index(getattr(kind, slot)) for slot in SLOTS},
        }
        for number, kind in enumerate(KINDS)
    ]
    files.put("classes.json", to_json(classes))
    files.put("parts.json", to_json({slot: [{"model": name} for name in PARTS[slot]] for slot in SLOTS}))


def check(order: Order) -> None:
    """Refuse other tasks than T4."""
    if order.task.name != "T4":
        raise InputError(
            message(
                f"The task is {order.task.name} and the format funnybirds.",
                "FunnyBirds' layout is for classes of creatures: T4.",
                "Ask for T4, or choose another format, such as folder.",
            )
        )


def _framed(listed: Iterator[bytes]) -> Iterator[bytes]:
    yield b"[\n"
    yield from listed
    yield b"]\n"


def _coloured(part_map: UInt8[np.ndarray, "S S"]) -> UInt8[np.ndarray, "S S 3"]:
    rows = [(0, 0, 0), PART_COLOURS["body"], *(PART_COLOURS[slot] for slot in SLOTS)]
    coloured: np.ndarray = np.array(rows, np.uint8)[part_map]
    return coloured


def _opaque(rgb: UInt8[np.ndarray, "S S 3"]) -> UInt8[np.ndarray, "S S 4"]:
    return np.concatenate([rgb, np.full((*rgb.shape[:2], 1), 255, np.uint8)], axis=2)


def _piece(shard: Shard) -> str:
    return f"dataset-{shard.index:06d}"


FORMAT = Format(write, finish, check)
