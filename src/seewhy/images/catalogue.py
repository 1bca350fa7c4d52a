"""Pictures that are listed now and read when their turn comes, each by its number.

`images.read` goes through pictures once, in order. A job that is to go on after being killed has to come back to
picture 17 and find the same one, so pictures are listed with a mark by which a change is noticed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from seewhy.errors import InputError, message
from seewhy.images.arrays import to_numpy
from seewhy.images.fetch import name_of, scheme_of
from seewhy.images.files import find_pictures
from seewhy.images.picture import Picture
from seewhy.images.read import iter_images, read_images


@dataclass(frozen=True, eq=False)
class Entry:
    """A picture before it is read; without a name it is called by its number, or as its reader calls it."""

    value: Any
    name: str | None = None
    label: str | None = None
    mark: str = ""


class Catalogue:
    """Whatever `read_images` takes, as a list from which single pictures can be read again and again.

    Files, folders, patterns, arrays and indexed data sets are read when asked for. What can only be gone
    through in order (generators, data loaders, open files) is read at once and kept in memory.

    Parameters
    ----------
    images
        As for `read_images`.
    labels
        Instead of the labels that folders and data sets give: one per picture, None where there is none.

    Raises
    ------
    InputError
        If there is no picture, or the number of labels is not the number of pictures.
    """

    def __init__(self, images: Any, labels: Sequence[object] | None = None) -> None:
        self.entries = tuple(_entries(images))
        if not self.entries:
            raise InputError(
                message(
                    f"images is an empty {type(images).__name__}.",
                    "There must be at least one picture.",
                    "Check where it was filled.",
                )
            )
        if labels is not None and len(labels) != len(self.entries):
            raise InputError(
                message(
                    f"There are {len(labels)} labels for {len(self.entries)} pictures.",
                    "One label per picture, or none at all.",
                    "Pass None for a picture without a label.",
                )
            )
        self._labels = None if labels is None else [None if x is None else str(x) for x in labels]

    def __len__(self) -> int:
        return len(self.entries)

    def read(self, index: int) -> Picture:
        """One picture, upright RGB, with its name and label.

        Raises
        ------
        InputError
            If it cannot be read.
        Offline
            If it cannot be fetched.
        """
        entry = self.entries[index]
        found = read_images(entry.value)
        if len(found) != 1:
            raise InputError(
                message(
                    f"Entry {index} of the data set holds {len(found)} pictures.",
                    "Each entry is one picture.",
                    "Take the batches apart first.",
                )
            )
        picture = found[0]
        # Read on its own, a picture without a name is number 0.
        name = entry.name or (picture.name if picture.name != "image 0" else self.name(index))
        label = entry.label if self._labels is None else self._labels[index]
        if label is None and self._labels is None:
            label = picture.label
        return Picture(picture.pixels, name, picture.path, picture.notes, label)

    def name(self, index: int) -> str:
        """What to call a picture that could not be read."""
        return self.entries[index].name or f"image {index}"

    def digest(self) -> str:
        """SHA-256 over names, labels and marks: sizes of files and hashes of what is in memory.

        What a data set would give is not looked at, only how many.
        """
        digest = hashlib.sha256()
        for index, entry in enumerate(self.entries):
            label = entry.label if self._labels is None else self._labels[index]
            digest.update(repr((entry.name, label, entry.mark)).encode())
        return digest.hexdigest()


def _entries(images: Any) -> Iterator[Entry]:
    if isinstance(images, str | os.PathLike):
        text = os.fsdecode(images)
        if scheme_of(text):
            yield Entry(text, name_of(text))
            return
        for file, name, label in find_pictures(text):
            yield Entry(file, name, label, _size_of(file))
    elif isinstance(images, np.ndarray | Tensor):
        for one in images if images.ndim == 4 else [images]:
            yield Entry(one, mark=_hash(one))
    elif isinstance(images, Picture):
        yield Entry(images, images.name, images.label, images.sha256)
    elif isinstance(images, Image.Image):
        yield Entry(images, mark=f"{images.mode} {images.size}")  # its pixels may not have been read yet
    elif isinstance(images, bytes | bytearray | memoryview):
        yield Entry(bytes(images), mark=hashlib.sha256(images).hexdigest())
    elif isinstance(images, list | tuple):
        for one in images:
            yield from _entries(one)
    elif (
        hasattr(images, "__getitem__")
        and hasattr(images, "__len__")
        and not isinstance(images, Mapping | Set)
    ):
        for index in range(len(images)):
            yield Entry(_Only(images, index))
    else:
        for picture in iter_images(images):
            yield Entry(picture, picture.name, picture.label, picture.sha256)


class _Only:
    """A data set of one entry of another one, with everything else that the other one says of itself."""

    def __init__(self, dataset: Any, index: int) -> None:
        self._dataset, self._index = dataset, index

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Any:
        if index != 0:
            raise IndexError(index)
        return self._dataset[self._index]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_dataset":  # while it is unpickled, nothing is there yet
            raise AttributeError(name)
        return getattr(self._dataset, name)


def _size_of(file: Path) -> str:
    try:
        return f"{file.stat().st_size} bytes"
    except OSError:  # told as this picture's failure when its turn comes
        return ""


def _hash(array: Any) -> str:
    values = np.ascontiguousarray(to_numpy(array, "images"))
    return hashlib.sha256(f"{values.shape}{values.dtype}".encode() + values.tobytes()).hexdigest()
