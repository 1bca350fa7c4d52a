"""The bundled image-text model's tokenizer: one token a word, from a closed list; called as open_clip's are."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING

from seewhy.errors import InputError, did_you_mean, message

if TYPE_CHECKING:
    from jaxtyping import Int64
    from torch import Tensor

PAD, START = 0, 1
_FIRST_WORD = 2
_SILENT = str.maketrans({mark: " " for mark in string.punctuation})


class WordTokenizer:
    """Texts to token numbers: 0 pads, 1 starts, words follow, the last number ends.

    That the end has the largest number is not a matter of taste: open_clip finds the end of a text as the
    position of its largest token.

    Parameters
    ----------
    words
        All words that texts may hold, in lower case; the first has number 2.
    context_length
        Tokens of a text, start and end included.
    """

    def __init__(self, words: Sequence[str], context_length: int) -> None:
        self.words, self.context_length = tuple(words), context_length
        self.number = {word: at + _FIRST_WORD for at, word in enumerate(self.words)}
        self.end = len(self.words) + _FIRST_WORD
        self.vocab_size = self.end + 1

    def encode(self, text: str) -> list[int]:
        """The numbers of a text's words, without start, end and padding; punctuation and case say nothing.

        Raises
        ------
        InputError
            If a word is not in the list; the message names the nearest.
        """
        found = text.lower().translate(_SILENT).split()
        for word in found:
            if word not in self.number:
                raise InputError(
                    message(
                        f"The text {text!r} has the word {word!r}.",
                        f"The bundled image-text model knows {len(self.words)} words, those of its world.",
                        f"{did_you_mean(word, self.words)} seewhy models info seewhy/clip lists them.".lstrip(),
                    )
                )
        return [self.number[word] for word in found]

    def digest(self) -> str:
        """SHA-256 over the words in their order and the length of a text (first 16 hex digits)."""
        return hashlib.sha256(repr((self.words, self.context_length)).encode()).hexdigest()[:16]

    def __call__(
        self, texts: str | Sequence[str], context_length: int | None = None
    ) -> Int64[Tensor, "n length"]:
        """Texts as padded rows of numbers.

        Raises
        ------
        InputError
            If a word is unknown, or a text is too long (it is not cut: its end might be what matters).
        """
        import torch

        texts = [texts] if isinstance(texts, str) else list(texts)
        length = context_length or self.context_length
        rows = torch.full((len(texts), length), PAD, dtype=torch.long)
        for row, text in zip(rows, texts, strict=True):
            numbers = [START, *self.encode(text), self.end]
            if len(numbers) > length:
                raise InputError(
                    message(
                        f"The text {text!r} has {len(numbers) - 2} words.",
                        f"At most {length - 2} fit.",
                        "Make it shorter, or cut it into several texts.",
                    )
                )
            row[: len(numbers)] = torch.tensor(numbers)
        return rows
