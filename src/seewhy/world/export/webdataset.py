"""WebDataset: tar files of `key.png`, `key.id.png`, `key.part.png` and `key.json`, to be read as a stream."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

from seewhy.scale.shards import Shard
from seewhy.world.export.base import Files, Format
from seewhy.world.export.records import Order, Record, to_json, to_png


def write(order: Order, shard: Shard, of: int, records: Iterator[Record], files: Files) -> None:
    """One tar file, without times or owners."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for record in records:
            for ending, content in (
                ("png", to_png(record.rendered.rgb)),
                ("id.png", to_png(record.rendered.id_map)),
                ("part.png", to_png(record.rendered.part_map)),
                ("json", to_json(record.about)),
            ):
                member = tarfile.TarInfo(f"{record.key}.{ending}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    files.put(f"{order.split.name}-{shard.index:06d}.tar", data.getvalue())


FORMAT = Format(write)
