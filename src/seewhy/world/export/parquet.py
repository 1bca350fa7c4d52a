"""Parquet files that Hugging Face `datasets` reads as pictures, class labels and lists, without code of ours.

What the columns mean is written into each file under the key `huggingface`, where `datasets` looks for it.
Needs pyarrow, the extra `tables`.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from seewhy.errors import MissingExtra, message
from seewhy.scale.shards import Shard
from seewhy.world.concepts import concept_names
from seewhy.world.export.base import Files, Format
from seewhy.world.export.records import Order, Record, to_json, to_png

_IMAGE = {"_type": "Image"}
_TEXT = {"dtype": "string", "_type": "Value"}


def write(order: Order, shard: Shard, of: int, records: Iterator[Record], files: Files) -> None:
    """data/SPLIT-00000-of-00001.parquet, named as `datasets` tells splits (a "-" becomes "_")."""
    arrow = _pyarrow()
    parquet = importlib.import_module("pyarrow.parquet")
    rows = [_row(record) for record in records]
    table = arrow.Table.from_pylist(rows, schema=_schema(arrow, order))
    sink = arrow.BufferOutputStream()
    # Small row groups let a reader take single rows of a large file.
    parquet.write_table(table, sink, row_group_size=100)
    name = f"data/{_split_name(order)}-{shard.index:05d}-of-{of:05d}.parquet"
    files.put(name, sink.getvalue().to_pybytes())


def finish(order: Order, shards: Sequence[Shard], files: Files) -> None:
    """README.md, from which `datasets` takes the folder's files and licence."""
    split = _split_name(order)
    card = f"""---
license: cc0-1.0
configs:
- config_name: default
  data_files:
  - split: {split}
    path: data/{split}-*.parquet
---
{order.task.name}: {order.task.title} The first {order.n} scenes of the split {order.split.name}, \
{order.size} pixels wide; see manifest.json.
"""
    files.put("README.md", card.encode())


def features(order: Order) -> dict[str, Any]:
    """What `datasets` is told about the columns."""
    classes = {"names": list(order.task.classes), "_type": "ClassLabel"}
    label: dict[str, Any] = {
        "class": classes,
        "multilabel": _list_of(classes),
        "regression": {"dtype": "float64", "_type": "Value"},
    }[order.task.kind]
    return {
        "image": _IMAGE,
        "ids": _IMAGE,
        "parts": _IMAGE,
        "label": label,
        "presence": _list_of({"names": list(concept_names("atomic")), "_type": "ClassLabel"}),
        "captions": _list_of(_TEXT),
        "index": {"dtype": "int64", "_type": "Value"},
        "key": _TEXT,
        "about": _TEXT,
    }


def _row(record: Record) -> dict[str, Any]:
    atomic = concept_names("atomic")
    label = record.label
    if isinstance(label, list):
        label = [at for at, has in enumerate(label) if has]
    return {
        "image": {"bytes": to_png(record.rendered.rgb), "path": f"{record.key}.png"},
        "ids": {"bytes": to_png(record.rendered.id_map), "path": f"{record.key}.id.png"},
        "parts": {"bytes": to_png(record.rendered.part_map), "path": f"{record.key}.part.png"},
        "label": label,
        "presence": [atomic.index(name) for name in record.presence],
        "captions": [each.text for each in record.captions],
        "index": record.index,
        "key": record.key,
        "about": to_json(record.about).decode(),
    }


def _schema(arrow: Any, order: Order) -> Any:
    told = features(order)
    about = json.dumps({"info": {"features": told}}, sort_keys=True)
    fields = [(name, _arrow_type(arrow, feature)) for name, feature in told.items()]
    return arrow.schema(fields, metadata={"huggingface": about})


def _arrow_type(arrow: Any, feature: dict[str, Any]) -> Any:
    if feature["_type"] == "Image":
        return arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    if feature["_type"] == "ClassLabel":
        return arrow.int64()
    if feature["_type"] == "Sequence":
        return arrow.list_(_arrow_type(arrow, feature["feature"]))
    return {"string": arrow.string(), "int64": arrow.int64(), "float64": arrow.float64()}[feature["dtype"]]


def _list_of(feature: dict[str, Any]) -> dict[str, Any]:
    # Called List by newer releases, which still read this name; older ones know only this.
    return {"feature": feature, "_type": "Sequence"}


def _split_name(order: Order) -> str:
    return order.split.name.replace("-", "_")


def _pyarrow() -> Any:
    try:
        return importlib.import_module("pyarrow")
    except ImportError as error:
        raise MissingExtra(
            message(
                "Parquet files need pyarrow, which is not installed.",
                "It is an extra of Seewhy.",
                "Install it: pip install 'seewhy[tables]'; or choose another format, such as webdataset.",
            )
        ) from error


def check(order: Order) -> None:
    """Refuse if pyarrow is missing."""
    _pyarrow()


FORMAT = Format(write, finish, check)
