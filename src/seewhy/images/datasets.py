"""Pictures and labels from torch Datasets, DataLoaders and Hugging Face Datasets, without importing either.

Each function yields (picture of any kind that `read` knows, label or None).
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seewhy.errors import InputError, message

Pair = tuple[Any, str | None]


def from_dataset(dataset: Any) -> Iterator[Pair]:
    """Items of a torch Dataset or anything like it: a picture, or a tuple (picture, label, ...)."""
    names = _class_names(dataset)
    # A Dataset need not raise IndexError at its end, so its length counts where it has one.
    indexed = hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")
    for item in (dataset[i] for i in range(len(dataset))) if indexed else dataset:
        yield _pair(item, names)


def from_loader(loader: Any) -> Iterator[Pair]:
    """Batches of a DataLoader: pictures, or (pictures, labels, ...)."""
    names = _class_names(loader.dataset)
    for batch in loader:
        images, labels = batch, None
        if isinstance(batch, tuple | list) and batch and _is_many(batch[0]):
            images, labels = batch[0], batch[1] if len(batch) > 1 else None
        elif not _is_many(batch) or loader.batch_size is None:
            yield _pair(batch, names)  # batch_size=None hands the data set's items through
            continue
        many = labels if labels is not None and _is_many(labels) else itertools.repeat(None)
        for image, label in zip(images, many, strict=False):
            yield image, _label(label, names)


def is_column_dataset(thing: Any) -> bool:
    """Whether it has the interface of a Hugging Face Dataset (or of its streaming twin)."""
    return hasattr(thing, "features") and hasattr(thing, "column_names")


def from_columns(dataset: Any, where: str) -> Iterator[Pair]:
    """Rows of a Hugging Face Dataset: the column whose feature is an Image, labelled by its ClassLabel."""
    features: Mapping[str, Any] = dataset.features or {}
    columns = [name for name, feature in features.items() if type(feature).__name__ == "Image"]
    if len(columns) != 1:
        found = f"{len(columns)} image columns ({', '.join(columns)})" if columns else "no image column"
        advice = (
            f"Drop the others, for example dataset.remove_columns({columns[-1]!r})."
            if columns
            else "Cast it, for example dataset.cast_column('image', datasets.Image())."
        )
        raise InputError(
            message(
                f"{where} is a data set with {found} among {', '.join(map(str, features)) or 'no features'}.",
                "Exactly one column must have the feature type Image.",
                advice,
            )
        )
    label_column = next((n for n, f in features.items() if type(f).__name__ == "ClassLabel"), None)
    names = getattr(features.get(label_column or ""), "names", None)
    indexed = hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")
    for row in (dataset[i] for i in range(len(dataset))) if indexed else dataset:
        yield _stored(row[columns[0]]), _label(row[label_column], names) if label_column else None


def _pair(item: Any, names: Sequence[str] | None) -> Pair:
    if isinstance(item, tuple | list) and item:
        return item[0], _label(item[1], names) if len(item) > 1 else None
    return item, None


def _stored(value: Any) -> Any:
    """Undecoded images are {'bytes', 'path'}."""
    if isinstance(value, Mapping) and {"bytes", "path"} <= set(value):
        return io.BytesIO(value["bytes"]) if value["bytes"] is not None else value["path"]
    return value


def _is_many(value: Any) -> bool:
    """A batch: a list, or an array with an axis before those of its items."""
    return isinstance(value, list | tuple) or getattr(value, "ndim", 0) in (1, 4)


def _class_names(dataset: Any) -> Sequence[str] | None:
    """`classes` of a torchvision data set, also below Subset and similar wrappers."""
    for _ in range(8):
        if dataset is None:
            return None
        names = getattr(dataset, "classes", None)
        if isinstance(names, list | tuple):
            return names
        dataset = getattr(dataset, "dataset", None)
    return None


def _label(value: Any, names: Sequence[str] | None) -> str | None:
    if getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int):
        return value if isinstance(value, str) else None
    return str(names[value]) if names is not None and 0 <= value < len(names) else str(value)
