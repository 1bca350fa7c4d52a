"""Vocabularies on the disk: .txt, .csv and .json, read as they were written."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from seewhy.errors import BadArtefact, InputError
from seewhy.vocabulary.dropped import Drop, Dropped
from seewhy.vocabulary.files import canonical, read
from seewhy.vocabulary.vocabulary import Concept, Vocabulary

FULL = Vocabulary(
    (
        Concept("hooked beak", ("a beak", "a hook"), "part", ("beak",), ("eagle", "owl"), 1, "llm:m"),
        Concept("blue, pale", group="colour"),
        Concept("赤い", polarity=-1),
    ),
    Dropped((Drop("x", "length", "has 9 words", 9, 4),)),
)


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_json_holds_everything_and_is_the_same_twice(tmp_path: Path) -> None:
    path = FULL.save(tmp_path / "words.json")
    again = Vocabulary.load(path)
    assert again == FULL and again.dropped == FULL.dropped and again.sha256 == FULL.sha256
    assert again.save(tmp_path / "again.json").read_bytes() == path.read_bytes()
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []


def test_txt_holds_names_and_groups(tmp_path: Path) -> None:
    words = Vocabulary(
        (Concept("blue, pale", group="colour"), Concept("red", group="colour"), Concept("赤い"))
    )
    path = words.save(tmp_path / "words.txt")
    assert path.read_text() == "# == colour ==\nblue, pale\nred\n# ==  ==\n赤い\n"
    assert Vocabulary.load(path) == words


def test_csv_holds_names_groups_and_prompts(tmp_path: Path) -> None:
    words = Vocabulary((Concept("blue, pale", ('so "blue"', "pale"), "colour"), Concept("red")))
    path = words.save(tmp_path / "words.csv")
    assert Vocabulary.load(path) == words
    plain = written(tmp_path, "plain.csv", '\ufeffred\n\n"sky, blue",  place ,,wide sky\n')
    assert Vocabulary.load(plain).concepts == (Concept("red"), Concept("sky, blue", ("wide sky",), "place"))


@pytest.mark.parametrize(
    ("ending", "words", "told"),
    [
        ("txt", [Concept("red", ("scarlet",))], "have prompts: 'red'"),
        ("txt", [Concept("red", polarity=-1)], "polarity of -1: 'red'"),
        ("txt", ["#red"], "a # in front: '#red'"),
        ("csv", [Concept("red", polarity=-1)], "polarity of -1"),
        ("yaml", ["red"], "ends in '.yaml'"),
    ],
)
def test_a_format_that_would_lose_the_identity_is_refused(
    tmp_path: Path, ending: str, words: list[Concept], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        Vocabulary.from_list(words).save(tmp_path / f"words.{ending}")
    assert list(tmp_path.iterdir()) == []


def test_comments_empty_lines_and_headings_are_no_concepts(tmp_path: Path) -> None:
    path = written(tmp_path, "w.words", "# my list\n\n red \r\n#sky\n# == part ==\nbeak, hooked\n")
    assert Vocabulary.load(path).concepts == (Concept("red"), Concept("beak, hooked", group="part"))


def test_json_by_hand_is_a_list_or_a_dictionary_of_classes(tmp_path: Path) -> None:
    assert Vocabulary.load(written(tmp_path, "a.json", '["red", "sky"]')).names == ("red", "sky")
    words = Vocabulary.load(written(tmp_path, "b.json", '{"owl": ["beak", "wing"], "duck": ["Beak"]}'))
    assert words.names == ("beak", "wing") and words["beak"].classes == ("owl", "duck")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.txt", "red\nsky\nRed\n", "a.txt: 1 names occur more than once: 'red'"),
        ("a.txt", "# nothing\n", "holds no concept"),
        ("a.json", "[", "is not JSON"),
        ("a.json", '{"a": 3}', "neither a list of names"),
        ("a.csv", 'a,"b\n', "is not a CSV file"),
        ("a.csv", ",colour\n", "row without a name"),
    ],
)
def test_files_that_hold_no_vocabulary_are_refused(tmp_path: Path, name: str, text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Vocabulary.load(written(tmp_path, name, text))


def test_missing_and_binary_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.txt' cannot be read \(No such file"):
        Vocabulary.load(tmp_path / "none.txt")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not text in UTF-8"):
        Vocabulary.load(tmp_path / "b.txt")
    with pytest.raises(InputError, match="cannot be written"):
        FULL.save(tmp_path / "none" / "w.json")


def test_another_schema_or_hash_is_refused(tmp_path: Path) -> None:
    path = FULL.save(tmp_path / "w.json")
    content = json.loads(path.read_text())
    for change, told in [
        ({"schema": "seewhy.vocabulary/2"}, "has the schema"),
        ({"concepts": content["concepts"][:2]}, "checksum differs"),
    ]:
        path.write_text(json.dumps(content | change))
        with pytest.raises(BadArtefact, match=told):
            Vocabulary.load(path)


def test_an_identity_that_is_not_that_of_the_concepts_is_refused(tmp_path: Path) -> None:
    path = FULL.save(tmp_path / "w.json")
    content = json.loads(path.read_text()) | {"sha256": "0" * 64}
    del content["checksum"]
    content["checksum"] = hashlib.sha256(canonical(content)).hexdigest()
    path.write_text(json.dumps(content))
    with pytest.raises(BadArtefact, match="says 000000000000... of itself, but is"):
        Vocabulary.load(path)


def test_a_damaged_json_never_loads_as_something_else(tmp_path: Path) -> None:
    path = FULL.save(tmp_path / "w.json")
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(400):
        damaged = bytearray(whole)
        damaged[generator.integers(len(whole))] ^= 1 << generator.integers(8)
        path.write_bytes(damaged)
        try:
            found = Vocabulary.load(path)
        except (BadArtefact, InputError):
            continue
        assert (found, found.dropped) == (FULL, FULL.dropped), "white space may change, and nothing else"


@pytest.mark.real
def test_published_lists_are_read_whole(data: Path) -> None:
    for name, n in [("cub", 370), ("imagenet", 4751), ("places365", 2544)]:
        words = read(data / "concepts" / "label_free_cbm" / f"{name}_filtered.txt")
        assert len(words) == n and len(words.dropped) == 0
    with pytest.raises(InputError, match="2 names occur more than once: 'missile', 'sunglasses'"):
        read(data / "concepts" / "classes" / "imagenet_classes.txt")
