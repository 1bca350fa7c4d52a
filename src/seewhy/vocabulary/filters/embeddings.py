"""Filters that compare embeddings of any text encoder: concepts that mean a class, and concepts that mean the same.

Each gives (kept, dropped) and raises an InputError if nothing would stay. Thresholds on cosines do not carry over
from one encoder to another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from seewhy.errors import InputError, message
from seewhy.vocabulary.dropped import Drop
from seewhy.vocabulary.filters.result import Compat, Result, check_choice, check_classes, without
from seewhy.vocabulary.vocabulary import Concept, Vocabulary

_BLOCK = 1024
_CLOSE = 1e-5
"""Single precision errs by less; what is nearer to a threshold is computed again in double."""


def weighted(*parts: tuple[float, Any]) -> Float[np.ndarray, "m d"]:
    """Embeddings whose cosine is the weighted mean of several encoders' cosines.

    Concatenates sqrt(w_i / sum w) times the unit rows: LF-CBM's (mpnet + 3 CLIP) / 4 is
    `weighted((1, mpnet), (3, clip))`.

    Parameters
    ----------
    *parts
        (weight above 0, embeddings (m, d_i)) of each encoder.
    """
    if not parts or any(not weight > 0 for weight, _ in parts):
        raise InputError(
            message(
                "weighted was called without parts, or with a weight of 0 or less.", "Weights are above 0."
            )
        )
    total = sum(weight for weight, _ in parts)
    rows = [np.sqrt(weight / total) * _units(array, "embeddings") for weight, array in parts]
    if len({len(array) for array in rows}) != 1:
        sizes = ", ".join(str(len(array)) for array in rows)
        raise InputError(
            message(f"The parts have {sizes} rows.", "Each has one row per concept, in one order.")
        )
    return np.concatenate(rows, axis=1)


def near_classes(
    words: Vocabulary,
    embeddings: Any,
    classes: Sequence[str],
    class_embeddings: Any,
    *,
    threshold: float = 0.85,
    compat: Compat | None = None,
) -> Result:
    """Drop concepts whose embedding has a cosine of at least `threshold` with that of a class's name.

    Parameters
    ----------
    words
        The vocabulary.
    embeddings
        (m, d), one row a concept; any length but zero.
    classes, class_embeddings
        Names, and (k, d).
    threshold
        LF-CBM's .85 is for `weighted((1, mpnet), (3, clip))`.
    compat
        "lfcbm": do not compare concept i with class i, as LF-CBM does by mistake. Their list is sorted by name.
    """
    check_classes(classes)
    own = _rows(words, embeddings)
    theirs = _units(class_embeddings, "class_embeddings")
    if theirs.shape != (len(classes), own.shape[1]):
        raise InputError(
            message(
                f"class_embeddings has the shape {theirs.shape}.",
                f"It needs one row for each of {len(classes)} classes, of size {own.shape[1]} like the concepts'.",
                "Embed classes and concepts with the same model.",
            )
        )
    similarity = own @ theirs.T
    if compat is not None:
        check_choice("compat", compat, ("lfcbm",))
        np.fill_diagonal(similarity, -np.inf)
    best = similarity.argmax(axis=1)
    values = similarity[np.arange(len(words)), best]
    return without(
        words,
        [
            Drop(concept.name, "near class", f"means the class {classes[class_]!r}", value, threshold)
            for concept, class_, value in zip(words, best, values, strict=True)
            if value >= threshold
        ],
    )


def duplicates(
    words: Vocabulary, embeddings: Any, *, threshold: float = 0.90, compat: Compat | None = None
) -> Result:
    """Of concepts whose embeddings have a cosine of at least `threshold`, keep the more general one.

    Greedy: concepts are visited by falling sum of their similarities to all (the more general first), ties by name,
    and one is dropped if it is near to one that was kept. What stays keeps its place in the vocabulary and takes
    over the classes and parents of what it stands for.

    Parameters
    ----------
    words
        The vocabulary.
    embeddings
        (m, d), one row a concept; any length but zero.
    threshold
        LF-CBM's .90 is for `weighted((1, mpnet), (3, clip))`.
    compat
        "lfcbm": LF-CBM's own order, pair after pair in the order of the vocabulary (theirs is sorted by name), where
        the one with the smaller sum goes, and what has gone still drops nothing. A chain a ~ b ~ c can end otherwise.

    Notes
    -----
    The sums need no matrix, sum_j <e_i, e_j> = <e_i, sum_j e_j>, and similarities are computed block by block in
    single precision, those close to the threshold again in double: O(m^2 d) multiplications, memory m d.
    Source: LF-CBM (arXiv 2304.06129); the order of visits and the blocks are ours.
    """
    units = _rows(words, embeddings)
    # Rounded, so that equal embeddings tie whatever order a matrix product adds in.
    sums = np.round(units @ units.sum(axis=0), 9)
    if compat is not None:
        check_choice("compat", compat, ("lfcbm",))
        heirs = _pairwise(units, sums, threshold)
    else:
        names = words.names
        order = np.array(sorted(range(len(words)), key=lambda at: (-sums[at], names[at])))
        found = _greedy(units[order], threshold)
        heirs = {int(order[at]): int(order[kept]) for at, kept in found.items()}
    drops, others = [], dict[str, list[Concept]]()
    for at in sorted(heirs):
        kept = words[heirs[at]]
        value = float(units[at] @ units[heirs[at]])
        drops.append(Drop(words[at].name, "duplicate", f"means the same as {kept.name!r}", value, threshold))
        others.setdefault(kept.key, []).append(words[at])
    return without(words, drops, others)


def _greedy(units: Float[np.ndarray, "m d"], threshold: float) -> dict[int, int]:
    """Row to the first kept row before it that it is near to, for the rows that go."""
    single = units.astype(np.float32)
    kept = np.empty(0, dtype=np.int64)
    heirs: dict[int, int] = {}
    for start in range(0, len(units), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(units)))
        if len(kept):
            near = _near(units, single, block, kept, threshold)
            gone = near.any(axis=1)
            heirs.update(zip(block[gone].tolist(), kept[near[gone].argmax(axis=1)].tolist(), strict=True))
            block = block[~gone]
        near = _near(units, single, block, block, threshold)
        stays = np.ones(len(block), dtype=bool)
        for at in np.flatnonzero(np.triu(near, 1).any(axis=1)):
            if stays[at]:
                gone = near[at] & stays
                gone[: at + 1] = False
                heirs.update(dict.fromkeys(block[gone].tolist(), int(block[at])))
                stays &= ~gone
        kept = np.concatenate([kept, block[stays]])
    return heirs


def _near(
    units: Float[np.ndarray, "m d"],
    single: Float[np.ndarray, "m d"],
    some: np.ndarray,
    others: np.ndarray,
    threshold: float,
) -> Bool[np.ndarray, "some others"]:
    similarity = single[some] @ single[others].T
    near: Bool[np.ndarray, "some others"] = similarity > threshold - _CLOSE
    rows, columns = np.nonzero(near)
    close = similarity[rows, columns] < threshold + _CLOSE
    rows, columns = rows[close], columns[close]
    for part in range(0, len(rows), 1 << 15):  # a vocabulary of equals has millions of them
        at = slice(part, part + (1 << 15))
        exact = np.einsum("nd,nd->n", units[some[rows[at]]], units[others[columns[at]]])
        near[rows[at], columns[at]] = exact >= threshold
    return near


def _pairwise(
    units: Float[np.ndarray, "m d"], sums: Float[np.ndarray, " m"], threshold: float
) -> dict[int, int]:
    """LF-CBM's double loop, row by row: row i meets what is left until it meets a larger sum and goes itself."""
    single = units.astype(np.float32)
    everyone = np.arange(len(units))
    heirs: dict[int, int] = {}
    left = np.ones(len(units), dtype=bool)
    for start in range(0, len(units), _BLOCK):
        block = everyone[start : start + _BLOCK]
        for i, near in zip(block.tolist(), _near(units, single, block, everyone, threshold), strict=True):
            if not left[i]:
                continue
            near[i] = False
            met = np.flatnonzero(near & left)
            larger = met[sums[met] > sums[i]]
            if len(larger):
                heirs[i] = int(larger[0])
                left[i] = False
                met = met[met < larger[0]]
            left[met] = False
            heirs.update(dict.fromkeys(met.tolist(), i))
    return heirs


def _rows(words: Vocabulary, embeddings: Any) -> Float[np.ndarray, "m d"]:
    units = _units(embeddings, "embeddings")
    if len(units) != len(words):
        raise InputError(
            message(
                f"embeddings has {len(units)} rows.",
                f"It needs one for each of {len(words)} concepts.",
                "Embed this vocabulary, or take the rows of words.indices(kept.names).",
            )
        )
    return units


def _units(array: Any, name: str) -> Float[np.ndarray, "m d"]:
    rows = np.array(array, dtype=np.float64)
    if rows.ndim != 2:
        raise InputError(message(f"{name} has the shape {rows.shape}.", "It needs one row each, (m, d)."))
    norms = np.linalg.norm(rows, axis=1)
    bad = ~np.isfinite(norms) | (norms == 0)
    if bad.any():
        raise InputError(
            message(
                f"{int(bad.sum())} rows of {name} are zero or hold values that are no numbers, the first is row"
                f" {int(bad.argmax())}.",
                "Every embedding has a direction.",
                "Check the text encoder.",
            )
        )
    rows /= norms[:, None]
    return rows
