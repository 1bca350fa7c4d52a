"""Pixels in the order of a map, ties shared out fairly: what all rank metrics stand on.

Among the k highest pixels of a map there are TP_k pixels of the mask. Where the k-th pixel lies in a block of equal
values, TP_k is the expected number under a random order of the block, which grows linearly inside it:

TP_k = before + (k - start) * gained / length        start < k <= start + length                               (1)

so that a constant map has exactly the random curve TP_k = k P / N, whatever order a sort happens to choose.
Rows are separate problems: nothing here depends on which rows come together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

_SIGN_OFF = np.int64(0x7FFF_FFFF_FFFF_FFFF)


@dataclass(frozen=True, eq=False)
class _Sorted:
    """Rows from the highest value down.

    `found` counts the inside pixels up to each rank, in some order within ties; `opens` says where a block of equal
    values begins.
    """

    found: Float[np.ndarray, "n N"]
    opens: Bool[np.ndarray, "n N"]


@dataclass(frozen=True, eq=False)
class _Blocks:
    """All blocks of equal values of all rows: b of them, row after row."""

    row: Int[np.ndarray, " b"]
    last: Int[np.ndarray, " b"]  # rank of the block's last pixel in its row, from 1
    length: Int[np.ndarray, " b"]
    before: Float[np.ndarray, " b"]  # inside pixels ranked above the block
    gained: Float[np.ndarray, " b"]  # inside pixels in it


def rank_curve(values: Float[np.ndarray, "n N"], inside: Bool[np.ndarray, "n N"]) -> Float[np.ndarray, "n N"]:
    """Expected inside pixels among the k highest, (1), in column k - 1.

    Parameters
    ----------
    values
        Finite. Two numbers that differ in no more than the last of their 53 bits may count as tied: the
        sort carries the mask in that bit, which spares sorting positions and looking each pixel up.
    inside
        Which pixels belong to the mask.
    """
    ordered = _sorted(values, inside)
    curve, opens = ordered.found, ordered.opens
    shuts = np.ones_like(opens)
    shuts[:, :-1] = opens[:, 1:]
    start = np.flatnonzero(opens & ~shuts)  # blocks of one pixel are right as they are
    length = np.flatnonzero(shuts & ~opens) - start + 1
    flat = curve.reshape(-1)
    n_columns = curve.shape[1]
    before = np.where(start % n_columns == 0, 0.0, flat[start - 1])
    gained = flat[start + length - 1] - before
    # A block of inside or outside pixels alone is linear already; keeping its integers keeps ideal maps exact.
    mixed = (gained > 0) & (gained < length)
    start, length, before, gained = start[mixed], length[mixed], before[mixed], gained[mixed]
    step = np.arange(1, length.sum() + 1) - np.repeat(np.cumsum(length) - length, length)
    flat[np.repeat(start, length) + step - 1] = np.repeat(before, length) + step * np.repeat(
        gained / length, length
    )
    return curve


def auroc(values: Float[np.ndarray, "n N"], inside: Bool[np.ndarray, "n N"]) -> Float[np.ndarray, " n"]:
    """P(an inside pixel ranks above an outside one), ties half; NaN unless there are pixels of both kinds.

    Sums of half-integers, so that the constant map's is exactly 1/2.
    """
    blocks = _blocks(_sorted(values, inside))
    pairs = (blocks.length - blocks.gained) * (blocks.before + blocks.gained / 2)
    n_inside = inside.sum(1)
    possible = n_inside * (inside.shape[1] - n_inside)
    return _ratio(_row_sums(pairs, blocks, len(values)), possible)


def average_precision(
    values: Float[np.ndarray, "n N"], inside: Bool[np.ndarray, "n N"]
) -> Float[np.ndarray, " n"]:
    """Mean over the inside pixels of the precision at the end of their block; NaN without an inside pixel.

    A block of ties is one threshold, as in scikit-learn: the constant map's is the mask's share.
    """
    blocks = _blocks(_sorted(values, inside))
    terms = blocks.gained * (blocks.before + blocks.gained) / blocks.last
    return _ratio(_row_sums(terms, blocks, len(values)), inside.sum(1))


def top(
    values: Float[np.ndarray, "n N"], inside: Bool[np.ndarray, "n N"], k: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Share of the k highest pixels that are inside, k from 1 to N for each row; expected under ties."""
    shares: Float[np.ndarray, " n"] = hits(values, inside, k) / k
    return shares


def hits(
    values: Float[np.ndarray, "n N"], inside: Bool[np.ndarray, "n N"], k: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """How many of the k highest pixels are inside, k from 1 to N for each row; expected under ties."""
    found: Float[np.ndarray, " n"] = rank_curve(values, inside)[np.arange(len(values)), k - 1]
    return found


def _sorted(values: Float[np.ndarray, "n N"], inside: Bool[np.ndarray, "n N"]) -> _Sorted:
    """One sort of integers that order as the negated values do and carry the mask in their last bit."""
    # 0 - x, not -x: it makes -0.0 and 0.0 one number, which their bits are not.
    bits = (0.0 - np.asarray(values, np.float64)).view(np.int64)
    keys = ((bits ^ ((bits >> 63) & _SIGN_OFF)) & ~np.int64(1)) | inside
    keys.sort(axis=1)
    opens = np.ones(keys.shape, bool)
    opens[:, 1:] = (keys[:, 1:] ^ keys[:, :-1]) & ~np.int64(1) != 0
    return _Sorted(np.cumsum(keys & 1, axis=1).astype(np.float64), opens)


def _blocks(ordered: _Sorted) -> _Blocks:
    n, n_columns = ordered.found.shape
    start = np.flatnonzero(ordered.opens)
    end = np.append(start[1:], n * n_columns) if start.size else start
    row = start // n_columns if n_columns else start
    upto = ordered.found.reshape(-1)[end - 1]
    before = np.zeros_like(upto)
    before[1:] = np.where(row[1:] == row[:-1], upto[:-1], 0.0)
    return _Blocks(row, end - row * n_columns, end - start, before, upto - before)


def _row_sums(terms: Float[np.ndarray, " b"], blocks: _Blocks, n: int) -> Float[np.ndarray, " n"]:
    sums: Float[np.ndarray, " n"] = np.bincount(blocks.row, terms, minlength=n)
    return sums


def _ratio(top: Float[np.ndarray, " n"], bottom: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    ratio: Float[np.ndarray, " n"] = np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0)
    return ratio
