"""One word is one token, and nothing is dropped in silence."""

from __future__ import annotations

import pytest
import torch

from seewhy.bundled.words import WordTokenizer
from seewhy.errors import InputError
from seewhy.world.language.words import VOCABULARY

TOKENIZER = WordTokenizer(("a", "red", "star", "grass"), 7)


def test_words_stand_between_start_and_end_and_padding_follows() -> None:
    rows = TOKENIZER(["a red star", "grass", ""])
    assert rows.tolist() == [[1, 2, 3, 4, 6, 0, 0], [1, 5, 6, 0, 0, 0, 0], [1, 6, 0, 0, 0, 0, 0]]
    assert rows.dtype == torch.int64


def test_the_end_has_the_largest_number_so_that_open_clip_finds_it() -> None:
    assert TOKENIZER.end == max(TOKENIZER.number.values()) + 1 == TOKENIZER.vocab_size - 1
    rows = TOKENIZER(["a red star", "grass", "star star star star star"])
    assert rows.argmax(1).tolist() == [4, 2, 6]


def test_case_and_punctuation_say_nothing() -> None:
    assert TOKENIZER.encode("A red, STAR!") == TOKENIZER.encode("a red star") == [2, 3, 4]
    assert TOKENIZER.encode("red-star") == [3, 4]
    assert TOKENIZER("a star").tolist() == TOKENIZER(["a star"]).tolist()


def test_an_unknown_word_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match="The text 'a red stra' has the word 'stra'") as caught:
        TOKENIZER(["grass", "a red stra"])
    assert "knows 4 words" in str(caught.value) and "Did you mean 'star'" in str(caught.value)


def test_an_unknown_word_like_no_other_leads_to_the_list() -> None:
    with pytest.raises(InputError, match="has the word 'qqq'") as caught:
        WordTokenizer(VOCABULARY, 7)("qqq")
    assert str(caught.value).endswith("\n  seewhy models info seewhy/clip lists them.")


def test_a_long_text_is_not_cut() -> None:
    assert TOKENIZER("star " * 5).shape == (1, 7)
    with pytest.raises(InputError, match="has 6 words") as caught:
        TOKENIZER("star " * 6)
    assert "At most 5 fit." in str(caught.value)


def test_a_shorter_row_can_be_asked_for() -> None:
    assert TOKENIZER("a star", context_length=4).tolist() == [[1, 2, 4, 6]]
    with pytest.raises(InputError, match="At most 1 fit"):
        TOKENIZER("a star", context_length=3)


def test_no_texts_are_no_rows() -> None:
    assert TOKENIZER([]).shape == (0, 7)
