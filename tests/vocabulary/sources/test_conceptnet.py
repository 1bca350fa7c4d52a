"""A ConceptNet dump, of a few lines written here after the published format."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from seewhy.errors import BadArtefact, InputError, UnknownName
from seewhy.vocabulary.sources.conceptnet import from_conceptnet

EDGES = [
    ("HasA", "en/house_cat/n", "en/whiskers", 1.0),
    ("HasA", "en/house_cat", "en/whisker/n/wn/body", 1.0),
    ("HasA", "en/house_cat", "fr/moustache", 1.0),
    ("HasA", "fr/house_cat", "en/collar", 1.0),
    ("IsA", "en/house_cat", "en/feline", 2.0),
    ("IsA", "en/house_cat", "en/machine", 1.0),
    ("IsA", "en/tiger", "en/house_cat", 3.0),
    ("PartOf", "en/paw/n", "en/house_cat", 1.0),
    ("PartOf", "en/house_cat", "en/family", 1.0),
    ("HasProperty", "en/house_cat", "en/very_soft_indeed", 1.0),
    ("MadeOf", "en/chair", "en/wood", 1.0),
    ("AtLocation", "en/chair", "en/kitchen", 1.0),
    ("RelatedTo", "en/chair", "en/table", 9.0),
    ("HasA", "en/chair", "en/chairs", 1.0),
    ("HasProperty", "en/chair", "en/whisker", 1.0),
]


def lines(edges: list[tuple[str, str, str, float]]) -> bytes:
    rows = [
        f"/a/[/r/{relation}/,/c/{start}/,/c/{end}/]\t/r/{relation}\t/c/{start}\t/c/{end}\t"
        + json.dumps({"weight": weight})
        + "\n"
        for relation, start, end, weight in edges
    ]
    return "".join(rows).encode()


@pytest.fixture(params=["dump.csv", "dump.csv.gz"])
def dump(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / request.param
    path.write_bytes(gzip.compress(lines(EDGES)) if path.suffix == ".gz" else lines(EDGES))
    return path


def test_relations_are_followed_in_their_direction(dump: Path) -> None:
    words = from_conceptnet(["House Cats", "chair"], dump)
    assert words.groups() == {
        "HasA": ("whisker",),
        "IsA": ("feline",),
        "PartOf": ("paw",),
        "MadeOf": ("wood",),
    }
    assert words["whisker"].classes == ("House Cats", "chair"), "the singular stays, for both classes"


def test_long_concepts_and_silent_classes_are_stated(dump: Path) -> None:
    words = from_conceptnet(["house cat", "zeppelin"], dump)
    assert [(drop.concept, drop.reason) for drop in words.dropped] == [
        ("very soft indeed", "has 3 words"),
        ("zeppelin", "is a class of which the dump says nothing"),
    ]
    assert "very soft indeed" in from_conceptnet(["house cat"], dump, n_words=3)


def test_surroundings_are_asked_for(dump: Path) -> None:
    assert from_conceptnet(["chair"], dump, relations=["AtLocation"]).names == ("kitchen",)
    with pytest.raises(UnknownName, match="no relation 'Has'.\n  Did you mean 'HasA'"):
        from_conceptnet(["chair"], dump, relations=["Has"])


def test_a_dump_without_the_classes_is_told(dump: Path) -> None:
    with pytest.raises(InputError, match="says nothing of 'zeppelin' that could be kept"):
        from_conceptnet(["zeppelin"], dump)


def test_other_files_and_damaged_dumps_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("name,group\nred,colour\n")
    with pytest.raises(InputError, match="holds no assertion of ConceptNet"):
        from_conceptnet(["chair"], other)
    with pytest.raises(InputError, match=r"cannot be read \(No such file"):
        from_conceptnet(["chair"], tmp_path / "none.csv")
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(lines(EDGES * 50))[:-40])
    with pytest.raises(BadArtefact, match="is damaged"):
        from_conceptnet(["chair"], cut)
    cut.write_bytes(lines(EDGES))
    with pytest.raises(BadArtefact, match="is damaged"):
        from_conceptnet(["chair"], cut)


def test_lines_that_are_broken_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "dump.csv"
    path.write_bytes(
        b"\xff\xfe\n" + lines(EDGES[10:11]) + b"/a/x\t/r/IsA\t/c/en/chair\t/c/en/seat\t{broken\n"
    )
    assert from_conceptnet(["chair"], path).names == ("wood",)
