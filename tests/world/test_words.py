"""The vocabulary is closed, small, and keeps textures and backgrounds apart."""

from __future__ import annotations

import pytest

from seewhy.errors import InputError
from seewhy.world.grammar import BACKGROUNDS, TEXTURES
from seewhy.world.language.words import NUMBERS, PLACES, TOKEN_LIMIT, VOCABULARY, listed, tokens, with_article


def test_the_vocabulary_is_closed_and_small() -> None:
    assert len(set(VOCABULARY)) == len(VOCABULARY) <= 150
    assert all(word.isalpha() and word.islower() for word in VOCABULARY)
    assert TOKEN_LIMIT == 38


def test_textures_and_backgrounds_have_words_of_their_own() -> None:
    said = {word for phrase in PLACES.values() for word in phrase.split()}
    assert not said & set(TEXTURES) and set(BACKGROUNDS) <= said


def test_tokens_are_words_without_punctuation() -> None:
    assert tokens("A red star, nothing. one") == ["a", "red", "star", "nothing", "one"]
    assert tokens("") == []


def test_a_strange_word_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="word 'stripy'.*\n.*VOCABULARY.*\n.*'striped'"):
        tokens("a stripy star")


def test_small_words() -> None:
    assert (with_article("orange star"), with_article("star")) == ("an orange star", "a star")
    assert [listed(list("abc")[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
    assert NUMBERS.index("twelve") == 12
