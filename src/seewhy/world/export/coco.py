"""COCO-style JSON: pictures, and an annotation for everything that is seen in them.

Annotations are of objects (category: the shape), creatures, their parts (`part_of` names the creature's annotation),
the background and the decoy. `segmentation`, `bbox` and `area` are of the pixels that are seen; `amodal` has the same
of the whole extent. What is not seen at all has no annotation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from seewhy.scale.shards import Shard
from seewhy.world.drawing.renderer import Rendered
from seewhy.world.export import rle
from seewhy.world.export.base import Files, Format
from seewhy.world.export.records import Order, Record, to_json, to_png
from seewhy.world.grammar import BACKGROUNDS, DECOYS, PARTS, SHAPES, SLOTS, WORLD_VERSION
from seewhy.world.scene import Creature, Thing

Mask = Bool[np.ndarray, "S S"]

LICENCE = {"id": 1, "name": "CC0-1.0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"}

_NAMES = [
    *((shape, "object") for shape in SHAPES),
    ("creature", "creature"),
    *((f"{variant} {slot}", slot) for slot in SLOTS for variant in PARTS[slot]),
    *((kind, "background") for kind in BACKGROUNDS),
    *((kind, "decoy") for kind in DECOYS),
]
CATEGORIES = [{"id": at + 1, "name": name, "supercategory": above} for at, (name, above) in enumerate(_NAMES)]
_CATEGORY = {name: at + 1 for at, (name, _) in enumerate(_NAMES)}

_PER_PICTURE = 1000
"""Annotation k of picture i has the id i * 1000 + k + 1: known without looking at other pictures, and never 0, which
the COCO tools take for none."""


def write(order: Order, shard: Shard, of: int, records: Iterator[Record], files: Files) -> None:
    """images/KEY.png, and the shard's share of annotations.json."""
    pictures, found = [], []
    for record in records:
        name = f"{record.key}.png"
        files.put(f"images/{name}", to_png(record.rendered.rgb))
        about = record.about
        pictures.append(
            {
                "id": record.index,
                "file_name": name,
                "width": order.size,
                "height": order.size,
                "license": LICENCE["id"],
                **{key: about[key] for key in ("labels", "label_names", "captions", "presence")},
            }
        )
        found += annotations_of(record)
    for what, entries in (("images", pictures), ("annotations", found)):
        files.put_piece(_piece(what, shard), b",\n".join(map(to_json, entries)))


def finish(order: Order, shards: Sequence[Shard], files: Files) -> None:
    """annotations.json, one entry a line."""
    pieces = {what: [_piece(what, shard) for shard in shards] for what in ("images", "annotations")}
    head = {
        "info": {"description": f"{order.task.name} {order.split.name}", "version": WORLD_VERSION},
        "licenses": [LICENCE],
        "categories": CATEGORIES,
    }

    def text() -> Iterator[bytes]:
        yield to_json(head)[:-1]
        for what, names in pieces.items():
            yield f',\n"{what}":[\n'.encode()
            yield from files.joined(names, between=b",\n")
            yield b"]"
        yield b"}\n"

    files.put("annotations.json", text())


def annotations_of(record: Record) -> list[dict[str, Any]]:
    """Everything that is seen in one picture, the background first."""
    scene, rendered = record.scene, record.rendered
    made = _Annotations(record.index)
    everywhere = np.ones(rendered.id_map.shape, np.bool_)
    background = scene.background
    made.add(background.kind, rendered.background, everywhere, {"hue": background.hue})
    visible, full, n_creatures = rendered.visible, rendered.full, 0
    for at, item in enumerate(scene.items):
        if isinstance(item, Thing):
            words = {name: getattr(item, name) for name in ("shape", "colour", "texture", "size")}
            made.add(item.shape, visible[at], full[at], words)
        else:
            words = {"body": item.body, "coat": item.coat, **item.variants}
            whole = made.add("creature", visible[at], full[at], words)
            _add_parts(made, item, rendered, visible[at], n_creatures, whole)
            n_creatures += 1
    if scene.decoy is not None:
        amodal = rendered.decoy_coverage >= 0.5
        made.add(scene.decoy.kind, rendered.decoy, amodal, {"corner": scene.decoy.corner})
    return made.entries


class _Annotations:
    """The annotations of one picture as they come."""

    def __init__(self, picture: int) -> None:
        self.entries: list[dict[str, Any]] = []
        self._picture = picture

    def add(
        self, category: str, seen: Mask, full: Mask, words: dict[str, str], part_of: int | None = None
    ) -> int | None:
        """The new annotation's id, or None if there is nothing to be seen."""
        if not seen.any():
            return None
        assert len(self.entries) < _PER_PICTURE, "more annotations than ids"
        entry = {
            "id": self._picture * _PER_PICTURE + len(self.entries) + 1,
            "image_id": self._picture,
            "category_id": _CATEGORY[category],
            **_extent(seen),
            "iscrowd": 0,
            "attributes": words,
            "amodal": _extent(full),
            "part_of": part_of,
        }
        self.entries.append(entry)
        return int(entry["id"])


def _add_parts(
    made: _Annotations,
    creature: Creature,
    rendered: Rendered,
    visible: Mask,
    at: int,
    whole: int | None,
) -> None:
    for part in creature.parts:
        place = SLOTS.index(part.slot) + 1
        made.add(
            f"{part.variant} {part.slot}",
            visible & (rendered.part_map == place + 1),
            rendered.part_coverage[at, place] >= 0.5,
            {"slot": part.slot, "variant": part.variant},
            part_of=whole,
        )


def _extent(mask: Mask) -> dict[str, Any]:
    return {"segmentation": rle.encode(mask), "bbox": list(rle.box(mask)), "area": int(mask.sum())}


def _piece(what: str, shard: Shard) -> str:
    return f"{what}-{shard.index:06d}"


FORMAT = Format(write, finish)
