"""A folder to look into: PNG files of pictures and masks, and one line of JSON for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seewhy.scale.shards import Shard
from seewhy.world.export.base import Files, Format
from seewhy.world.export.records import Order, Record, to_json, to_png


def write(order: Order, shard: Shard, of: int, records: Iterator[Record], files: Files) -> None:
    """images/KEY.png, ids/KEY.png, parts/KEY.png."""
    lines = []
    for record in records:
        names = {
            "image": (f"images/{record.key}.png", record.rendered.rgb),
            "ids": (f"ids/{record.key}.png", record.rendered.id_map),
            "parts": (f"parts/{record.key}.png", record.rendered.part_map),
        }
        for name, pixels in names.values():
            files.put(name, to_png(pixels))
        about = {"files": {what: name for what, (name, _) in names.items()}, **record.about}
        lines.append(to_json(about) + b"\n")
    files.put_piece(_piece(shard), b"".join(lines))


def finish(order: Order, shards: Sequence[Shard], files: Files) -> None:
    """records.jsonl."""
    files.put("records.jsonl", files.joined(map(_piece, shards)))


def _piece(shard: Shard) -> str:
    return f"records-{shard.index:06d}"


FORMAT = Format(write, finish)
