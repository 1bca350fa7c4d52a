"""NumPy archives: one array for each thing that is known, a row for each scene; no pickle in them."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np

from seewhy.scale.shards import Shard
from seewhy.world.concepts import concept_names
from seewhy.world.export.base import Files, Format
from seewhy.world.export.records import Order, Record, to_json


def write(order: Order, shard: Shard, of: int, records: Iterator[Record], files: Files) -> None:
    """One archive: images, ids, parts, labels, presence, index, captions (levels 0 to 4), about (JSON)."""
    rows = list(records)
    atomic = concept_names("atomic")
    data = io.BytesIO()
    np.savez_compressed(
        data,
        images=np.stack([row.rendered.rgb for row in rows]),
        ids=np.stack([row.rendered.id_map for row in rows]),
        parts=np.stack([row.rendered.part_map for row in rows]),
        labels=np.array([row.label for row in rows]),
        presence=np.array([[name in row.presence for name in atomic] for row in rows]),
        concepts=np.array(atomic),
        index=np.array([row.index for row in rows]),
        captions=np.array([[each.text for each in row.captions] for row in rows]),
        about=np.array([to_json(row.about).decode() for row in rows]),
    )
    files.put(f"{order.split.name}-{shard.index:06d}.npz", data.getvalue())


FORMAT = Format(write)
