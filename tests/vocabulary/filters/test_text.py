"""Filters that read names alone."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.errors import InputError, UnknownName
from seewhy.vocabulary.filters.text import length, names_of, spellings
from seewhy.vocabulary.vocabulary import Concept, Vocabulary

of = Vocabulary.from_list


def test_length_counts_characters_and_words() -> None:
    words = of(["red", "x" * 30, "y" * 31, "a b c d", "a b c d e"])
    kept, dropped = length(words)
    assert kept.names == ("red", "x" * 30, "a b c d")
    assert [(d.filter, d.value, d.threshold) for d in dropped] == [("length", 31, 30), ("length", 5, 4)]
    assert length(words, characters=None, n_words=None)[0] == words


def test_spellings_keep_the_plain_one_in_its_place_with_all_classes() -> None:
    words = of(
        [
            Concept("a Beak", classes=("owl",)),
            "red",
            Concept("beak", classes=("duck",)),
            "Beaks",
            "black-and-white",
            "black and white",
        ]
    )
    kept, dropped = spellings(words)
    assert kept.names == ("red", "beak", "black and white")
    assert kept["beak"].classes == ("duck", "owl")
    assert dropped.names == ("a Beak", "Beaks", "black-and-white") and "'beak'" in dropped.entries[0].reason


@pytest.mark.parametrize(
    ("name", "leaks"),
    [
        ("cat", True), ("Cats", True), ("the cats' ears", True), ("caterpillar", False), ("long cat-like tail", True),
        ("red fox", True), ("fox", False), ("kite string", True), ("bird", False), ("tench scale", True),
    ],
)  # fmt: skip
def test_names_that_contain_a_class_are_dropped(name: str, leaks: bool) -> None:
    classes = ["cat", "red fox", "kite (bird of prey)", "tench, Tinca tinca"]
    kept, dropped = names_of(of([name, "sky"]), classes)
    assert (name in dropped.names) == leaks and (name in kept) != leaks


def test_equal_names_alone_are_dropped_on_request() -> None:
    kept, dropped = names_of(of(["an orange", "orange beak", "sky"]), ["orange"], match="equals")
    assert (
        kept.names == ("orange beak", "sky")
        and dropped.entries[0].reason == "is the name of the class 'orange'"
    )


def test_names_of_agrees_with_a_slow_search() -> None:
    generator = np.random.default_rng(0)
    letters = [f"w{i}" for i in range(4)]
    draw = lambda n: [" ".join(generator.choice(letters, generator.integers(1, 4))) for _ in range(n)]  # noqa: E731
    words, classes = of(["sky", *dict.fromkeys(draw(60))]), draw(5)
    expected = [name for name in words.names if not any(f" {class_} " in f" {name} " for class_ in classes)]
    assert list(names_of(words, classes)[0].names) == expected and len(expected) > 1


def test_lfcbm_compares_strings() -> None:
    words = of(["cat", "A dog", "a cat", "CAT2", "cats", "cat ear", "THE cat"])
    kept, dropped = names_of(words, ["cat", "dog"], compat="lfcbm")
    assert dropped.names == ("cat", "A dog", "a cat") and kept.names == ("CAT2", "cats", "cat ear", "THE cat")
    assert names_of(of(["DOG", "sky"]), ["dog"], compat="lfcbm")[1].names == ("DOG",)


def test_dropping_everything_is_an_error_that_names_the_filter() -> None:
    with pytest.raises(
        InputError, match="All 2 concepts would be dropped by the filter 'class name', such as 'cat'"
    ):
        names_of(of(["cat", "cats"]), ["cat"])
    with pytest.raises(InputError, match="All 1 concepts would be dropped by the filter 'length'"):
        length(of(["red"]), characters=2)


def test_one_concept_passes_every_filter_of_text() -> None:
    one = of(["red"])
    kept, dropped = one.filter(length, spellings, lambda words: names_of(words, ["cat"]))
    assert kept == one and len(dropped) == 0


def test_wrong_arguments_are_told() -> None:
    with pytest.raises(InputError, match="characters is 0"):
        length(of(["red"]), characters=0)
    with pytest.raises(InputError, match="classes are 'cat'"):
        names_of(of(["red"]), "cat")
    with pytest.raises(InputError, match=r"classes are \['cat', ' '\]"):
        names_of(of(["red"]), ["cat", " "])
    with pytest.raises(UnknownName, match="match is 'contain'.\n  Did you mean 'contains'"):
        names_of(of(["red"]), ["cat"], match="contain")  # type: ignore[arg-type]
