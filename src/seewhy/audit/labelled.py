"""The user's pictures with their classes: read one by one, so that a broken file is told and left out."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int64

from seewhy.errors import InputError, Offline, UnknownName, did_you_mean, message
from seewhy.images import files
from seewhy.images.fetch import scheme_of
from seewhy.images.picture import Picture
from seewhy.images.read import read_images

Label = int | str


@dataclass(frozen=True, eq=False)
class Labelled:
    """Pictures and the index of each one's class in `classes`; `given` are the labels as they came."""

    pictures: tuple[Picture, ...]
    labels: Int64[np.ndarray, " n"]
    classes: tuple[str, ...]
    given: tuple[Label, ...]
    unread: tuple[tuple[str, str], ...]

    def index_of(self, target: Any) -> int:
        """Index of a class by its label or name.

        Raises
        ------
        UnknownName
            If no picture has it.
        """
        wanted = _label(target, "target")
        if wanted in self.given:
            return self.given.index(wanted)
        if wanted in self.classes:
            return self.classes.index(str(wanted))
        near = did_you_mean(str(wanted), self.classes)
        raise UnknownName(
            message(
                f"There are no pictures of the target class {wanted!r}.",
                near or f"The labels name {len(self.classes)} classes.",
                "Pass a target that is among the labels.",
            )
        )


def read_labelled(images: Any, labels: Any, name_of: Callable[[int], str] | None = None) -> Labelled:
    """Read pictures and pair them with their labels.

    Parameters
    ----------
    images
        Anything `seewhy.read_images` reads. Files of a folder, and entries of a list, that cannot be read are left
        out and told.
    labels
        A class name or number per picture, in order; None takes the pictures' own (names of folders).
    name_of
        From a number to a class name, where the numbers are those of a network; else "class 7".

    Raises
    ------
    InputError
        If numbers differ, no picture can be read, a label is missing or is neither name nor number, or there is one
        class only.
    """
    read: list[Picture | tuple[str, str]] = list(_each(images))
    pictures = [one for one in read if isinstance(one, Picture)]
    unread = tuple(one for one in read if not isinstance(one, Picture))
    if not pictures:
        raise InputError(
            message(
                f"None of the {len(read)} pictures can be read; the first: {unread[0][1].splitlines()[0]}",
                "Planting a mark needs pictures of at least two classes.",
                "Check the files, or pass arrays.",
            )
        )
    if labels is None:
        own = [picture.label for picture in pictures]
    else:
        every = list(labels.tolist() if hasattr(labels, "tolist") else labels)
        if len(every) != len(read):
            raise InputError(
                message(
                    f"There are {len(every)} labels for {len(read)} pictures.",
                    "There is one label per picture, in the same order.",
                    "Pass labels=None if the pictures' folders name their classes.",
                )
            )
        own = [label for label, one in zip(every, read, strict=True) if isinstance(one, Picture)]
    given = [_label(label, "A label") for label in own]
    kinds = sorted(set(given), key=lambda label: (isinstance(label, str), label))
    if len(kinds) < 2:
        raise InputError(
            message(
                f"All {len(given)} pictures that could be read are of one class, {kinds[0]!r}.",
                "A mark gives one class away from others: there must be at least two.",
                "Add pictures of another class.",
            )
        )
    index = {label: i for i, label in enumerate(kinds)}
    classes = _names(kinds, name_of)
    named = tuple(
        replace(picture, label=classes[index[label]]) for picture, label in zip(pictures, given, strict=True)
    )
    return Labelled(named, np.array([index[label] for label in given]), classes, tuple(kinds), unread)


def _each(images: Any) -> Iterator[Picture | tuple[str, str]]:
    """Every picture, or (name, reason) where it cannot be read."""
    if isinstance(images, str | os.PathLike) and not scheme_of(os.fsdecode(images)):
        for file, name, folder in files.find_pictures(os.fsdecode(images)):
            for one in _read(file, name):
                yield replace(one, name=name, label=folder) if isinstance(one, Picture) else one
    elif isinstance(images, list | tuple):
        for i, item in enumerate(images):
            for one in _read(item, f"images[{i}]"):
                made_up = isinstance(one, Picture) and one.path is None and one.name == "image 0"
                yield replace(one, name=f"image {i}") if isinstance(one, Picture) and made_up else one
    else:
        yield from read_images(images)


def _read(item: Any, name: str) -> Sequence[Picture | tuple[str, str]]:
    try:
        return read_images(item)
    except (InputError, Offline) as error:
        return [(name, " ".join(str(error).split()))]


def _label(label: Any, what: str) -> Label:
    if isinstance(label, str):
        return label
    try:
        if not isinstance(label, bool | np.bool_):
            return operator.index(label)
    except TypeError:
        pass
    raise InputError(
        message(
            f"{what} is {label!r}.",
            "A class is a name or a whole number.",
            "Pass labels=[...], or pictures in one folder per class.",
        )
    )


def _names(kinds: Sequence[Label], name_of: Callable[[int], str] | None) -> tuple[str, ...]:
    return tuple(
        label if isinstance(label, str) else f"class {label}" if name_of is None else name_of(label)
        for label in kinds
    )
