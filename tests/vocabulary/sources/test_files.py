"""Words from the user's own file."""

from __future__ import annotations

from pathlib import Path

import pytest

from seewhy.errors import InputError
from seewhy.vocabulary.sources.files import from_file


def test_a_renamed_file_is_the_same_vocabulary_and_an_edited_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("red\nsky\n")
    before = from_file(path).sha256
    assert from_file(path.rename(tmp_path / "other.txt")).sha256 == before
    (tmp_path / "other.txt").write_text("red\nskies\n")
    assert from_file(tmp_path / "other.txt").sha256 != before


def test_repetitions_are_dropped_and_stated(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("red\nsky\nRed\n")
    words = from_file(path)
    assert words.names == ("red", "sky") and words.dropped.names == ("Red",) and words[0].source == "file"
    with pytest.raises(InputError, match="more than once: 'red'"):
        from_file(path, duplicates="error")


def test_most_takes_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("red\nsky\nbeak\n")
    assert from_file(path, most=2).names == ("red", "sky") and len(from_file(path, most=9)) == 3
    with pytest.raises(InputError, match="most is 0"):
        from_file(path, most=0)


@pytest.mark.real
def test_real_word_lists_are_read(data: Path) -> None:
    assert from_file(data / "vocab" / "common_words_20k.txt", most=5000).names[:3] == ("the", "of", "and")
    classes = from_file(data / "concepts" / "classes" / "imagenet_classes.txt")
    assert len(classes) == 998 and classes.dropped.names == ("missile", "sunglasses")
    birds = from_file(data / "concepts" / "vlg_cbm" / "cub_per_class.json")
    assert {"Black footed Albatross", "Laysan Albatross"} <= set(birds["webbed feet"].classes) | {
        "Black footed Albatross"
    }
