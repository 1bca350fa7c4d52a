"""Concepts and the ordered list of them: identity, uniqueness, choosing, merging, embedding."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seewhy.errors import InputError, UnknownConcept
from seewhy.vlms.load import load_vlm
from seewhy.vocabulary.dropped import Drop, Dropped
from seewhy.vocabulary.filters.text import length
from seewhy.vocabulary.vocabulary import Concept, Vocabulary

WORDS = Vocabulary(
    (Concept("red", group="colour"), Concept("hooked beak", ("a beak like a hook",)), Concept("sky"))
)


def test_the_hash_is_that_of_ordered_names_prompts_and_polarities() -> None:
    text = '["seewhy.vocabulary/1",[["red",[],1],["hooked beak",["a beak like a hook"],1],["sky",[],1]]]'
    assert WORDS.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_the_hash_changes_with_order_names_prompts_and_polarity() -> None:
    red, beak, sky = WORDS
    others = [
        (beak, red, sky),
        (red, beak),
        (replace(red, name="Red"), beak, sky),
        (red, replace(beak, prompts=("a hook",)), sky),
        (red, replace(beak, prompts=()), sky),
        (red, beak, replace(sky, polarity=-1)),
    ]
    hashes = {Vocabulary(concepts).sha256 for concepts in others}
    assert len(hashes) == len(others) and WORDS.sha256 not in hashes


def test_the_hash_does_not_change_with_what_is_no_content(tmp_path: Path) -> None:
    red, beak, sky = WORDS
    same = Vocabulary(
        (replace(red, group=None, classes=("fox",), source="x"), beak, sky), Dropped((Drop("a", "b", "c"),))
    )
    assert same.sha256 == WORDS.sha256
    one, other = WORDS.save(tmp_path / "one.json"), WORDS.save(tmp_path / "other.json")
    assert Vocabulary.load(one).sha256 == Vocabulary.load(other).sha256 == WORDS.sha256
    assert Vocabulary.from_list([Concept("red", ("red",))]).sha256 == Vocabulary.from_list(["red"]).sha256


def test_names_are_composed_and_their_white_space_single() -> None:
    assert Vocabulary.from_list(["  cafe\u0301 \t wall "]).names == ("café wall",)


@pytest.mark.parametrize("names", [["Red", "sky", "red "], ["caf\u00e9", "CAFE\u0301"], ["sky", "s\u200bky"]])
def test_repeated_names_are_named(names: list[str]) -> None:
    with pytest.raises(
        InputError, match=r"1 names occur more than once: '(red|café|sky)'.*\n.*\n.*duplicates='drop'"
    ):
        Vocabulary.from_list(names)


def test_dropped_repetitions_are_stated_and_leave_their_classes() -> None:
    first, again = (
        Concept("beak", classes=("duck",), parents=("part",)),
        Concept("Beak", classes=("swan",), parents=("beak",)),
    )
    words = Vocabulary.from_list([first, "sky", again], duplicates="drop")
    assert words.names == ("beak", "sky") and words["beak"].classes == ("duck", "swan")
    assert words["beak"].parents == ("part",), "nothing is its own parent"
    assert [(drop.concept, drop.reason) for drop in words.dropped] == [("Beak", "is there already as 'beak'")]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], "holds no concept"),
        (["red", " \u200b "], "name is empty"),
        (["red", None], "name is None"),
        ("red", "one text, 'red'"),
        (["a\x07b"], "cannot be printed"),
        (["a\udc80b"], "cannot be printed"),
    ],
)
def test_what_is_no_list_of_names_is_refused(names: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        Vocabulary.from_list(names)


def test_a_concept_has_a_polarity_of_one_or_minus_one_and_lists_of_prompts() -> None:
    assert Concept("sky", polarity=-1.0).polarity == -1  # type: ignore[arg-type]
    with pytest.raises(InputError, match="polarity of 'sky' is 0"):
        Concept("sky", polarity=0)
    with pytest.raises(InputError, match="prompts of 'sky' are one text"):
        Concept("sky", "blue sky")  # type: ignore[arg-type]


def test_names_of_any_script_are_kept() -> None:
    names = ("rouge vif", "赤い", "हाथी", "می‌خواهم", "🦊")
    assert Vocabulary.from_list(names).names == names


def test_concepts_are_found_without_their_case_and_near_names_are_told() -> None:
    assert (
        WORDS.index("HOOKED  beak") == 1
        and WORDS["Sky"].name == "sky"
        and "Red" in WORDS
        and "cat" not in WORDS
    )
    with pytest.raises(
        UnknownConcept, match="no concept 'hooked beek' among these 3.\n  Did you mean 'hooked beak'"
    ):
        WORDS.index("hooked beek")


def test_select_keeps_the_order_that_is_asked_for() -> None:
    assert WORDS.select(["sky", "red"]).concepts == (WORDS[2], WORDS[0])
    assert WORDS.indices(["sky", "red"]) == [2, 0] and WORDS.select("sky").names == ("sky",)
    with pytest.raises(InputError, match="more than once: 'sky'"):
        WORDS.select(["sky", "Sky"])


def test_groups_partition_the_names() -> None:
    assert WORDS.groups() == {"colour": ("red",), "": ("hooked beak", "sky")}


def test_merge_adds_what_is_new() -> None:
    merged = WORDS.merge(
        Vocabulary.from_list([Concept("SKY", classes=("gull",)), "sea"]), Vocabulary.from_list(["Sea", "sun"])
    )
    assert merged.names == ("red", "hooked beak", "sky", "sea", "sun") and merged["sky"].classes == ("gull",)
    assert merged.dropped.names == ("SKY", "Sea")


def test_filters_are_applied_in_turn_and_the_table_grows() -> None:
    earlier = Vocabulary.from_list(["red", "RED", "a very very very long one", "sky"], duplicates="drop")
    kept, dropped = earlier.filter(
        length, lambda words: (words.select(["sky"]), Dropped((Drop("red", "mine", "why"),)))
    )
    assert kept.names == ("sky",) and dropped.names == ("a very very very long one", "red")
    assert kept.dropped.names == ("RED", "a very very very long one", "red")
    assert earlier.filter() == (earlier, Dropped())


def test_embeddings_of_several_prompts_are_the_unit_mean_of_theirs() -> None:
    vlm = load_vlm("seewhy/clip")
    words = Vocabulary((Concept("red"), Concept("disk", ("red disk", "blue disk"))))
    found = words.embed(vlm)
    alone = vlm.encode_texts(["red", "red disk", "blue disk"])
    expected = torch.stack([alone[0], torch.nn.functional.normalize(alone[1] + alone[2], dim=0)])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(Vocabulary.from_list(["red"]).embed(vlm), alone[:1])


@pytest.mark.parametrize("name", ["赤い", "hooked beek"])
def test_words_that_a_closed_vocabulary_lacks_are_named(name: str) -> None:
    with pytest.raises(InputError, match="赤い|beek"):
        Vocabulary.from_list(["red", name]).embed(load_vlm("seewhy/clip"))
