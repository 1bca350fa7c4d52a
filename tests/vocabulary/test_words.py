"""One spelling per word, and phrases without their trimmings."""

from __future__ import annotations

import pytest

from seewhy.vocabulary.words import key, phrase, singular, tidy, tokens


@pytest.mark.parametrize(
    ("plural", "one"),
    [
        ("wings", "wing"), ("berries", "berry"), ("brushes", "brush"), ("boxes", "box"), ("teeth", "tooth"),
        ("leaves", "leaf"), ("houses", "house"), ("shoes", "shoe"), ("eyes", "eye"), ("people", "person"),
    ],
)  # fmt: skip
def test_a_plural_has_its_singular(plural: str, one: str) -> None:
    assert singular(plural) == one and singular(one) == one


@pytest.mark.parametrize(
    "word", ["grass", "cactus", "iris", "lens", "gas", "sunglasses", "tie", "bus", "canvas"]
)
def test_words_that_end_like_plurals_stay(word: str) -> None:
    assert singular(word) == word


def test_white_space_composition_and_invisible_characters_do_not_matter() -> None:
    assert tidy("\ufeff  cafe\u0301\u00a0\n wall\u200b ") == "caf\u00e9 wall"


def test_keys_ignore_articles_plurals_hyphens_possessives_and_case() -> None:
    assert key("The Zebra's black-and-white stripes") == key("zebra black and white stripe")
    assert tokens("an") == ("an",), "a name of articles alone keeps them"
    assert key("!?") == "!?"


def test_vowel_signs_belong_to_their_word() -> None:
    assert tokens("हाथी की सूंड") == ("हाथी", "की", "सूंड")
    assert key("की") != key("का")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ('3. "A hooked beak",', "hooked beak"), ("- Red  Crown.", "red crown"), ("• the tail", "tail"),
        ("(2) wings", "wings"), ("**webbed feet**", "webbed feet"), ("a", "a"), ("3.5 cm wide", "3.5 cm wide"),
        ("...", ""),
    ],
)  # fmt: skip
def test_a_phrase_is_freed_of_bullets_quotes_and_articles(written: str, name: str) -> None:
    assert phrase(written) == name
