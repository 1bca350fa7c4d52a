"""Words from captions, by counting."""

from __future__ import annotations

import pytest

from seewhy.errors import InputError
from seewhy.vocabulary.sources.captions import from_captions

CAPTIONS = [
    "A big brown dog is running on the green grass.",
    "Two brown dogs, a red ball and the grass",
    "the brown dog's red ball (photo of a ball)",
]


def test_phrases_end_with_their_noun_and_are_ranked_by_captions() -> None:
    words = from_captions(CAPTIONS, least=2)
    # "dog" ends a phrase of two captions; in the third, "dog's red ball", the noun is another.
    assert words.names == ("ball", "brown dog", "dog", "grass", "red ball")
    assert {concept.source for concept in words} == {"captions"}


def test_counts_decide_the_order_and_names_the_ties() -> None:
    words = from_captions(["a cat", "a cat", "cats and a hat", "the bat", "hat, bat"], least=1)
    assert words.names == ("cat", "bat", "hat"), "3, 2 and 2 captions"
    assert from_captions(["a cat", "a cat", "a hat"], least=1, most=1).names == ("cat",)


def test_a_caption_counts_once_and_phrases_have_a_longest() -> None:
    assert from_captions(["cat, cat, cat", "very old rusty red car", "hat", "hat"], least=2).names == ("hat",)
    assert from_captions(["old rusty red car"], least=1).names == ("car", "red car", "rusty red car")
    assert from_captions(["old rusty red car"], least=1, n_words=1).names == ("car",)


def test_numbers_and_function_words_cut() -> None:
    assert from_captions(["12 sheep behind 3.5 fences"], least=1).names == ("fences", "sheep")


def test_too_little_is_told_with_the_most_frequent() -> None:
    with pytest.raises(InputError, match="in 5 of 3 captions; the most frequent, '.*', in 2"):
        from_captions(CAPTIONS)
    with pytest.raises(InputError, match="in 5 of 0 captions"):
        from_captions([])
    with pytest.raises(InputError, match="captions are one text"):
        from_captions("a cat")
    with pytest.raises(InputError, match="least=0"):
        from_captions(CAPTIONS, least=0)
