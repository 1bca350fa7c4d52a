"""Masks as run lengths, written as the COCO tools read them.

A mask is read column by column; `counts` are the lengths of its runs, False first. In text each length is written as
its difference to the length two before it, in groups of five bits from the lowest, one character a group.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool

from seewhy.errors import InputError, message

_FIRST = 48  # the character of a group of zeros
_MORE = 32  # added to all groups of a number but its last


def encode(mask: Bool[np.ndarray, "h w"]) -> dict[str, Any]:
    """A mask as {"size": [h, w], "counts": text}.

    >>> encode(np.array([[False, True], [False, True]]))
    {'size': [2, 2], 'counts': '22'}
    """
    return {"size": [int(side) for side in mask.shape], "counts": _text(run_lengths(mask))}


def decode(rle: Mapping[str, Any]) -> Bool[np.ndarray, "h w"]:
    """Inverse of `encode`.

    Raises
    ------
    InputError
        If the runs do not fill the size, or the text has other characters than run lengths have.
    """
    height, width = rle["size"]
    counts = _numbers(str(rle["counts"]))
    if min(counts, default=0) < 0 or sum(counts) != height * width:
        raise InputError(
            message(
                f"The runs of the mask are {sum(counts)} pixels long.",
                f"Its size {height} x {width} needs {height * width}, in runs of 0 or more.",
                "Pass size and counts as they were written together.",
            )
        )
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    mask: np.ndarray = flat.reshape(width, height).T
    return mask


def run_lengths(mask: Bool[np.ndarray, "h w"]) -> list[int]:
    """Lengths of the runs of False and True in turn, column by column; the first is 0 if the mask starts True.

    >>> run_lengths(np.array([[True, False, False]]))
    [0, 1, 2]
    """
    flat = mask.T.ravel()
    if flat.size == 0:
        return []
    turns = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate(([0], turns, [flat.size])))
    return [0, *lengths.tolist()] if flat[0] else [int(length) for length in lengths]


def box(mask: Bool[np.ndarray, "h w"]) -> tuple[int, int, int, int]:
    """(x, y, width, height) of the smallest rectangle around the True pixels; zeros if there are none."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0, 0, 0, 0
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1


def _text(counts: list[int]) -> str:
    written: list[str] = []
    for at, count in enumerate(counts):
        # As the tools do it: the first three stand by themselves.
        rest = count - counts[at - 2] if at > 2 else count
        more = True
        while more:
            group, rest = rest & 31, rest >> 5
            # The group's highest bit is the sign of what it ends.
            more = rest != (-1 if group & 16 else 0)
            written.append(chr(_FIRST + group + (_MORE if more else 0)))
    return "".join(written)


def _numbers(text: str) -> list[int]:
    counts: list[int] = []
    value = shift = 0
    for character in text:
        group = ord(character) - _FIRST
        if not 0 <= group < 64:
            raise InputError(
                message(
                    f"The runs of the mask contain {character!r}.",
                    f"They are written in characters from {chr(_FIRST)!r} to {chr(_FIRST + 63)!r}.",
                    "Pass the counts as they were written.",
                )
            )
        value |= (group & 31) << shift
        shift += 5
        if group & _MORE:
            continue
        if group & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise InputError(
            message(
                f"The runs of the mask end in the middle of a number: {text[-8:]!r}.",
                "The last character of each number says that it is the last.",
                "Pass the counts as they were written.",
            )
        )
    return counts
