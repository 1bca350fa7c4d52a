"""The one way in for pictures: whatever users hold becomes `Picture` objects.

This file sorts inputs out (which kind, which name, which label, in which order); `decode` and `arrays` turn one
of them into pixels.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from seewhy.errors import InputError, message
from seewhy.images import files
from seewhy.images.arrays import from_array, is_tensor, to_numpy
from seewhy.images.datasets import from_columns, from_dataset, from_loader, is_column_dataset
from seewhy.images.decode import MAX_FILE_BYTES, decode, from_pil, too_many_bytes
from seewhy.images.fetch import fetch, name_of, scheme_of
from seewhy.images.picture import Picture

MAX_PIXELS = 50_000_000


@dataclass(frozen=True)
class _Item:
    """One picture before it is read; `where` is what errors call it."""

    value: Any
    where: str
    name: str | None = None
    label: str | None = None


def read_images(images: Any, *, max_pixels: int = MAX_PIXELS, limit: int | None = None) -> list[Picture]:
    """Read pictures from whatever holds them.

    Parameters
    ----------
    images
        A path, folder, pattern ("photos/*.jpg") or http(s) address; bytes or an open file; a PIL.Image; an
        array or tensor (uint8 or float 0..1; grey, channels first or last, or a batch); a torch Dataset or
        DataLoader; a Hugging Face Dataset; a Picture; or a list of any of these.
    max_pixels
        Refuse larger pictures (width x height), before they are decoded.
    limit
        Read at most this many.

    Returns
    -------
    pictures
        Upright RGB, in order: lists and data sets as they are, folders by name with numbers counted as
        numbers. Names are unique. What reading changed stands in their `notes`.

    Raises
    ------
    InputError
        If there is nothing to read, or something cannot be read without guessing.
    Offline
        If an address cannot be fetched.

    Notes
    -----
    PNG, JPEG and WEBP files of up to 128 MB are read; a WEBP pixel counts twice. Folders are searched with
    their subfolders, whose names become labels. Addresses are fetched up to 20 MB and 10 seconds each.

    Examples
    --------
    >>> read_images(np.zeros((2, 5, 6, 3), np.uint8))
    [Picture('image 0', 6x5), Picture('image 1', 6x5)]
    """
    return list(iter_images(images, max_pixels=max_pixels, limit=limit))


def iter_images(
    images: Any,
    *,
    max_pixels: int = MAX_PIXELS,
    limit: int | None = None,
    skipped: dict[str, str] | None = None,
) -> Iterator[Picture]:
    """As `read_images`, one picture at a time; missing paths are reported at once, not when their turn comes.

    Where `skipped` is given, a picture that cannot be read is noted there, with the reason, and left out.
    """
    for name, value in (("max_pixels", max_pixels), ("limit", limit)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise InputError(
                message(
                    f"{name} is {value!r}.", "It is a whole number from 1.", "Leave it out for the default."
                )
            )
    items = _items(images, "images", None)
    return _pictures(items if limit is None else itertools.islice(items, limit), max_pixels, images, skipped)


def is_single(images: Any) -> bool:
    """Whether this is one picture (to be given one answer) and not a collection, even of one.

    >>> is_single("cat.jpg"), is_single(["cat.jpg"]), is_single("photos/*.jpg")
    (True, False, False)
    """
    if isinstance(images, np.ndarray) or is_tensor(images):
        return bool(images.ndim <= 3)
    if isinstance(images, str | os.PathLike):
        text = os.fsdecode(images)
        return bool(scheme_of(text)) or not (files.is_folder(text) or files.is_pattern(text))
    return isinstance(images, Picture | Image.Image | bytes | bytearray | memoryview) or hasattr(
        images, "read"
    )


def _pictures(
    items: Iterable[_Item], max_pixels: int, images: Any, skipped: dict[str, str] | None
) -> Iterator[Picture]:
    names: dict[str, int] = {}  # how often each was wanted
    for index, item in enumerate(items):
        try:
            picture = _read(item, index, max_pixels)
        except InputError as error:
            if skipped is None:
                raise
            skipped[item.name or item.where] = str(error)
            continue
        name = picture.name
        while name in names:
            names[picture.name] += 1
            name = f"{picture.name} ({names[picture.name]})"
        names[name] = 1
        label = item.label if item.label is not None else picture.label
        if (name, label) != (picture.name, picture.label):
            picture = Picture(picture.pixels, name, picture.path, picture.notes, label)
        yield picture
    if not names and skipped:
        first = next(iter(skipped))
        raise InputError(
            message(
                f"None of the {len(skipped)} pictures can be read; {first}: {skipped[first]}",
                "There must be at least one.",
                "Check where they come from.",
            )
        )
    if not names:
        raise InputError(
            message(
                f"images is an empty {type(images).__name__}.",
                "There must be at least one picture to read.",
                "Check where it was filled.",
            )
        )


def _items(value: Any, where: str, label: str | None) -> Iterable[_Item]:
    """Sort one input into single pictures. Data sets and generators stay lazy, everything else is listed now."""
    if isinstance(value, str | os.PathLike):
        return _from_path(os.fsdecode(value), where, label)
    if isinstance(value, np.ndarray) or is_tensor(value):
        if value.ndim == 4:
            return [_Item(one, f"{where}[{i}]", label=label) for i, one in enumerate(value)]
        return [_Item(value, where, label=label)]
    if is_single(value):
        return [_Item(value, where, label=label)]
    if is_column_dataset(value):
        return _labelled(from_columns(value, where), where)
    if _is_loader(value):
        return _labelled(from_loader(value), where)
    if isinstance(value, list | tuple):
        return [item for i, one in enumerate(value) for item in _items(one, f"{where}[{i}]", label)]
    # Dictionaries would give their keys, and sets have no order.
    iterable = isinstance(value, Iterable) or hasattr(value, "__getitem__")
    if iterable and not isinstance(value, Mapping | Set):
        return _labelled(from_dataset(value), where)
    return _unknown(value, where)


def _labelled(pairs: Iterable[tuple[Any, str | None]], where: str) -> Iterator[_Item]:
    for i, (value, label) in enumerate(pairs):
        yield from _items(value, f"{where}[{i}]", label)


def _is_loader(value: Any) -> bool:
    module = sys.modules.get("torch.utils.data")
    return module is not None and isinstance(value, module.DataLoader)


def _from_path(path: str, where: str, label: str | None) -> Sequence[_Item]:
    if scheme := scheme_of(path):
        # The scheme is checked where it is fetched, so that every other one gets the same answer.
        return [_Item(path, path if scheme != "data" else where, label=label)]
    return [
        _Item(file, str(file), name, label if label is not None else folder)
        for file, name, folder in files.find_pictures(path)
    ]


def _unknown(value: Any, where: str) -> Sequence[_Item]:
    kind = f"{type(value).__module__}.{type(value).__name__}".removeprefix("builtins.")
    keys = (
        f" with the keys {', '.join(map(repr, itertools.islice(value, 8)))}"
        if isinstance(value, Mapping)
        else ""
    )
    advice = "Pass the entry that holds the pictures." if keys else "Convert it to one of these."
    raise InputError(
        message(
            f"{where} is of type {kind}{keys}.",
            "Pictures come as paths, addresses, bytes, files, PIL images, arrays, tensors or data sets, or in lists.",
            advice,
        )
    )


def _read(item: _Item, index: int, max_pixels: int) -> Picture:
    value, where = item.value, item.where
    fallback = item.name or f"image {index}"
    if isinstance(value, Picture):
        return value
    if isinstance(value, Path):
        data = files.read_file(value, where)
        return decode(data, name=fallback, where=where, max_pixels=max_pixels, path=value)
    if isinstance(value, str):
        return decode(fetch(value), name=name_of(value), where=where, max_pixels=max_pixels)
    if isinstance(value, Image.Image):
        opened = getattr(value, "filename", "")
        name = Path(opened).name if isinstance(opened, str) and opened else fallback
        return from_pil(value, name=name, where=where, max_pixels=max_pixels)
    if isinstance(value, bytes | bytearray | memoryview):
        return decode(bytes(value), name=fallback, where=where, max_pixels=max_pixels)
    if hasattr(value, "read"):
        opened = getattr(value, "name", "")
        name = Path(opened).name if isinstance(opened, str) and opened else fallback
        return decode(_contents(value, where), name=name, where=where, max_pixels=max_pixels)
    return from_array(to_numpy(value, where), name=fallback, where=where, max_pixels=max_pixels)


def _contents(file: Any, where: str) -> bytes:
    try:
        data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise InputError(
            message(
                f"{where} is a file that cannot be read ({error}).", "It must be open.", "Open it with 'rb'."
            )
        ) from error
    if not isinstance(data, bytes):
        raise InputError(
            message(
                f"{where} is a file that gives {type(data).__name__}.",
                "A picture is bytes.",
                "Open the file with mode 'rb'.",
            )
        )
    if len(data) > MAX_FILE_BYTES:
        raise too_many_bytes(where, len(data))
    if not data:
        raise InputError(
            message(f"{where} is a file at its end.", "It must hold a picture.", "Call file.seek(0) first.")
        )
    return data
