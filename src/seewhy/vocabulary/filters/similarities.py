"""Filters on similarities P between concepts and pictures: not present, the same everywhere, not learned.

`quantile`, `top_mean` and `variance` make one number per concept of P, and the filters compare it. The .25 to .28 of
LF-CBM hold for OpenAI's ViT-B/16 alone; `presence` compares with random word pairs under the same model instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from jaxtyping import Float

from seewhy.errors import InputError, message
from seewhy.vocabulary.dropped import Drop
from seewhy.vocabulary.filters.result import Result, without
from seewhy.vocabulary.lists import single_words
from seewhy.vocabulary.vocabulary import Vocabulary
from seewhy.vocabulary.words import key, tidy


def quantile(similarity: Any, q: float = 0.995) -> Float[np.ndarray, " m"]:
    """The q-quantile of each concept's similarities over pictures and places.

    Parameters
    ----------
    similarity
        P, (n, m) or (n, m, h, w), cosines.
    q
        0 to 1.
    """
    if not 0 <= q <= 1:
        raise InputError(message(f"q is {q}.", "A quantile lies in 0 to 1.", "Pass q=0.995."))
    return np.asarray(np.quantile(_per_concept(similarity), q, axis=1), dtype=np.float64)


def top_mean(similarity: Any, k: int = 5) -> Float[np.ndarray, " m"]:
    """The mean of each concept's k largest similarities, or of all if there are fewer: LF-CBM's measure."""
    if k < 1:
        raise InputError(message(f"k is {k}.", "At least one similarity is averaged.", "Pass k=5."))
    values = _per_concept(similarity)
    k = min(k, values.shape[1])
    return np.asarray(np.partition(values, -k, axis=1)[:, -k:].mean(axis=1))


def variance(similarity: Any) -> Float[np.ndarray, " m"]:
    """The variance of each concept's similarities over pictures and places."""
    return np.asarray(_per_concept(similarity).var(axis=1))


def presence(words: Vocabulary, quantiles: Any, bank: Any, *, mads: float = 2.0) -> Result:
    """Drop concepts that no picture shows more than it shows random words.

    A concept stays if its quantile exceeds median(bank) + mads * MAD(bank), where MAD is the median distance from
    the median.                                                                                              (1)

    Parameters
    ----------
    words
        The vocabulary.
    quantiles
        (m,), `quantile` of P.
    bank
        (b,), the same quantile for a bank of random word pairs (`random_pairs`) under the same model and pictures.
    mads
        How far above.

    Notes
    -----
    Ours: the level of cosines differs between models, and the bank carries it.
    """
    levels = np.asarray(bank, dtype=np.float64).ravel()
    if not len(levels) or not np.isfinite(levels).all():
        raise InputError(
            message(
                f"The bank holds {len(levels)} numbers, {int((~np.isfinite(levels)).sum())} of them not finite.",
                "It holds the quantile of each random word pair.",
                "Embed about 200 pairs and compute their quantiles as for the concepts.",
            )
        )
    middle = float(np.median(levels))
    least = middle + mads * float(np.median(np.abs(levels - middle)))
    return above(words, quantiles, least, "presence", "is seen no more than random words are")


def above(
    words: Vocabulary,
    values: Any,
    threshold: float,
    name: str = "learnability",
    reason: str = "is not learned well enough",
) -> Result:
    """Keep concepts whose value exceeds a threshold; a value that is no number drops its concept.

    For learnability: similarities of the trained layer's concepts on a split of the training pictures, above LF-CBM's
    .45. For LF-CBM's presence: `above(words, top_mean(P), 0.25, "presence", "is hardly seen")`.

    Parameters
    ----------
    words
        The vocabulary.
    values
        (m,).
    threshold
        Exceeded by what stays.
    name, reason
        What the table says.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != (len(words),):
        raise InputError(
            message(
                f"The values have the shape {numbers.shape}.",
                f"There is one for each of {len(words)} concepts.",
                "Compute them for this vocabulary, or take the rows of words.indices(kept.names).",
            )
        )
    return without(
        words,
        [
            Drop(
                concept.name,
                name,
                reason if np.isfinite(value) else "has a value that is no number",
                value,
                threshold,
            )
            for concept, value in zip(words, numbers, strict=True)
            if not value > threshold
        ],
    )


def varied(words: Vocabulary, variances: Any, *, least: float = 1e-12) -> Result:
    """Drop concepts whose similarity is the same everywhere: there is nothing to learn, and 0/0 in a cosine."""
    return above(words, variances, least, "variance", "is the same in every picture")


def random_pairs(
    n: int = 200, *, seed: int = 0, words: Iterable[str] | None = None, avoid: Iterable[str] = ()
) -> tuple[str, ...]:
    """Phrases of two random words each: what a model says about pictures that mean nothing to it.

    Parameters
    ----------
    n
        How many, all different.
    seed
        Of the draw.
    words
        Single words to draw from; default those of the shipped lists. Needed for models with a closed vocabulary.
    avoid
        Names that must not come out.
    """
    pool = sorted(dict.fromkeys(single_words() if words is None else map(tidy, words)))
    barred = {key(name) for name in avoid}
    possible = len(pool) * (len(pool) - 1)
    generator = np.random.default_rng(seed)
    found: dict[str, None] = {}
    # Most draws succeed unless nearly all pairs are wanted, so that a limit on the tries is a limit on the pool.
    for _ in range(20 * n + 100):
        if len(found) == n or possible < n:
            break
        first, second = generator.choice(len(pool), 2, replace=False)
        pair = f"{pool[first]} {pool[second]}"
        if key(pair) not in barred:
            found[pair] = None
    if len(found) < n:
        raise InputError(
            message(
                f"{len(pool)} words do not make {n} different pairs.",
                "Pairs are drawn without those to avoid.",
                "Pass more words, or a smaller n.",
            )
        )
    return tuple(found)


def _per_concept(similarity: Any) -> Float[np.ndarray, "m samples"]:
    array = np.asarray(similarity)
    if array.ndim < 2 or 0 in array.shape:
        raise InputError(
            message(
                f"The similarities have the shape {array.shape}.",
                "They are (pictures, concepts) or (pictures, concepts, rows, columns), none of them 0.",
                "Pass P with the concepts as second axis.",
            )
        )
    columns = np.moveaxis(array, 1, 0).reshape(array.shape[1], -1)
    # Half precision would lose the third digit of what is compared in the second.
    return columns.astype(np.float64)
