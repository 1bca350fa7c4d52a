"""Words from the user's own file: a list, concepts per class, or a list of frequent words."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from seewhy.errors import InputError, message
from seewhy.vocabulary.files import read
from seewhy.vocabulary.vocabulary import Duplicates, Vocabulary


def from_file(
    path: str | Path, *, most: int | None = None, duplicates: Duplicates = "drop", source: str = "file"
) -> Vocabulary:
    """Read words from a .txt, .csv or .json file; see `seewhy.vocabulary.files`.

    The file's name is no part of what comes back: an edited list has another hash, a renamed one the same.

    Parameters
    ----------
    path
        The file. A list of words by frequency, as DN-CBM names its units with, is a .txt like any other.
    most
        Only so many concepts from its beginning.
    duplicates
        "drop" (what was dropped stands in the vocabulary's table) or "error".
    source
        Of concepts from files that do not say.

    Raises
    ------
    InputError, BadArtefact
        As `Vocabulary.load`.
    """
    if most is not None and most < 1:
        raise InputError(
            message(f"most is {most}.", "At least one concept is kept.", "Leave it out for all.")
        )
    words = read(Path(path), duplicates=duplicates, source=source)
    if most is None or most >= len(words):
        return words
    return Vocabulary(tuple(islice(words.concepts, most)), words.dropped)
