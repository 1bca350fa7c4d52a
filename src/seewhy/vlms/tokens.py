"""What the text sides share: texts as token numbers, never cut, and a hash that tells one tokenizer from another."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from torch import Tensor

from seewhy.errors import InputError, message

_PROBES = (
    "a red beak",
    "The quick brown fox jumps over the lazy dog.",
    "stripes, dots & checks; 0123456789",
    "caf\u00e9 na\u00efve \u00fc\u00df \u732b",
)


def too_long(text: str, tokens: int, most: int) -> InputError:
    """The error for a text of more tokens than the model reads; it is not cut, its end might be what matters."""
    return InputError(
        message(
            f"The text {text[:80]!r} has {tokens} tokens.",
            f"The model reads at most {most}.",
            "Make it shorter, or cut it into several texts.",
        )
    )


def tokenizer_digest(tokens: Callable[[list[str]], Tensor]) -> str:
    """SHA-256 (16 hex digits) over the token numbers of a few fixed texts: which tokenizer, and how it pads."""
    digest = hashlib.sha256()
    for text in _PROBES:
        try:
            row = tokens([text])
        except (
            InputError
        ) as error:  # too long for it, or of words that it does not know: that tells it apart too
            digest.update(str(error).encode())
            continue
        digest.update(f"{tuple(row.shape)}".encode())
        digest.update(row.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
