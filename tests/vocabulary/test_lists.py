"""The lists that come with Seewhy are clean."""

from __future__ import annotations

import pytest

from seewhy.errors import UnknownName
from seewhy.vocabulary.lists import LISTS, shipped, single_words
from seewhy.vocabulary.words import ARTICLES, key, tokens

EVERY = [(name, concept) for name in LISTS for concept in shipped(name)]


def test_no_word_stands_in_two_places() -> None:
    seen: dict[str, str] = {}
    for name, concept in EVERY:
        where = seen.setdefault(key(concept.name), name)
        assert where == name and list(shipped(name).names).count(concept.name) == 1, concept.name
    assert len(seen) == len(EVERY)


def test_every_entry_is_lower_case_short_singular_and_in_a_group() -> None:
    for name, concept in EVERY:
        assert concept.name.isascii() and concept.name == concept.name.lower(), concept.name
        assert len(concept.name.split()) <= 4 and len(concept.name) <= 30 and concept.group, concept.name
        plain = tuple(word for word in concept.name.replace("-", " ").split() if word not in ARTICLES)
        assert tokens(concept.name) == plain, f"{concept.name!r} in {name} has a plural"
        assert concept.source == f"shipped:{name}"


def test_the_generic_list_is_about_a_thousand_words_without_the_negatives() -> None:
    generic = shipped()
    assert 900 <= len(generic) <= 1300 and len(generic) == len(EVERY) - len(shipped("background"))
    assert {concept.polarity for concept in generic} == {1}
    assert {concept.polarity for concept in shipped("background")} == {-1}
    assert {"background", "sky", "ground", "empty wall", "blurred area"} <= set(shipped("background").names)


def test_groups_of_parts_are_there() -> None:
    groups = shipped("parts").groups()
    assert {
        "animal part",
        "vehicle part",
        "building part",
        "plant part",
        "furniture part",
        "clothing part",
    } <= set(groups)
    assert all(len(names) >= 10 for names in groups.values())


def test_an_unknown_list_is_met_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="no shipped list 'colors'.\n  Did you mean 'colours'"):
        shipped("colors")


def test_single_words_are_single_and_different() -> None:
    words = single_words()
    assert len(set(words)) == len(words) > 500 and all(word.isalpha() or "'" in word for word in words)
