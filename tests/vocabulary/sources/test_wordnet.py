"""WordNet's database files, on a tiny folder written here after the published format wndb(5WN)."""

from __future__ import annotations

from pathlib import Path

import pytest

from seewhy.errors import BadArtefact, InputError, MissingExtra, UnknownName
from seewhy.vocabulary.sources.wordnet import WordNet, from_wordnet

LICENCE = "  1 This stands where the licence stands.  \n  2 Naïve bytes count as bytes.  \n"

# key: words, pointers as (symbol, key)
SYNSETS: dict[str, tuple[list[str], list[tuple[str, str]]]] = {
    "entity": (["entity"], []),
    "animal": (["animal", "beast"], [("@", "entity"), ("%s", "blood")]),
    "bird": (["bird"], [("@", "animal"), ("%p", "beak"), ("%p", "wing"), ("%m", "flock"), ("~", "robin")]),
    "thrush": (["thrush"], [("@", "bird")]),
    "robin": (
        ["robin", "Turdus_migratorius", *(f"robin_{i}" for i in range(9))],
        [("@", "thrush"), ("%p", "Red_Breast")],
    ),
    "machine": (["robin(a)"], [("@", "entity"), ("%p", "gear")]),
    "beak": (["beak", "bill"], [("#p", "bird")]),
    "wing": (["wing"], [("#p", "bird")]),
    "flock": (["flock"], []),
    "blood": (["blood"], []),
    "gear": (["gear"], []),
    "Red_Breast": (["Red_Breast"], []),
}
SENSES = {
    "robin": ["robin", "machine"],
    "bird": ["bird"],
    "entity": ["entity"],
    "thrush": ["thrush"],
    "flock": ["flock"],
}


def write(folder: Path) -> Path:
    """Both files: every line's length is known from its parts, so that offsets come before the lines."""
    offsets, at = {}, len(LICENCE.encode())
    for name in SYNSETS:
        offsets[name] = at
        at += len(line(name, dict.fromkeys(SYNSETS, 0)).encode())
    (folder / "data.noun").write_bytes((LICENCE + "".join(line(name, offsets) for name in SYNSETS)).encode())
    rows = [
        f"{lemma} n {len(keys)} 2 @ ~ {len(keys)} 0 {' '.join(f'{offsets[name]:08d}' for name in keys)}  \n"
        for lemma, keys in sorted(SENSES.items())
    ]
    (folder / "index.noun").write_bytes((LICENCE + "".join(rows)).encode())
    return folder


def line(name: str, offsets: dict[str, int]) -> str:
    words, pointers = SYNSETS[name]
    spelt = " ".join(f"{word} 0" for word in words)
    # A pointer to another part of speech counts bytes of another file, and must not be followed.
    found = [f"{symbol} {offsets[to]:08d} n 0000" for symbol, to in pointers] + ["@ 99999999 v 0101"]
    told = f"{len(words):02x} {spelt} {len(found):03d} {' '.join(found)}"
    return f"{offsets[name]:08d} 05 n {told} | a gloss | with a bar  \n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path)


def test_synsets_are_read_at_their_bytes(folder: Path) -> None:
    net = WordNet(folder)
    first, second = net.senses("Robins")
    synset = net.synset(first)
    assert len(synset.words) == 11 and synset.words[:2] == ("robin", "Turdus_migratorius"), (
        "the count is hexadecimal"
    )
    assert [net.synset(at).words[0] for at in synset.to("part")] == ["Red_Breast"]
    assert net.synset(second).words == ("robin(a)",) and net.senses("unicorn") == []


def test_kinds_go_up_to_the_depth_and_parts_come_from_them(folder: Path) -> None:
    words = from_wordnet(["robin"], folder, depth=3)
    assert words.groups() == {
        "part": ("red breast", "beak", "wing"),
        "hypernym": ("thrush", "bird", "animal"),
        "member": ("flock",),
        "substance": ("blood",),
    }
    assert words["beak"].classes == ("robin",) and {concept.source for concept in words} == {"wordnet"}
    assert from_wordnet(["robin"], folder, depth=1).names == ("red breast", "thrush")
    assert from_wordnet(["robin"], folder, depth=9).names == words.names, "'entity' is too general to see"


def test_relations_and_senses_are_chosen(folder: Path) -> None:
    assert from_wordnet(["robin"], folder, relations=["hypernym"]).names == ("thrush", "bird", "animal")
    assert from_wordnet(["robin"], folder, relations=["part"], depth=0, senses=2).names == (
        "red breast",
        "gear",
    )


def test_classes_share_concepts_and_unknown_ones_are_stated(folder: Path) -> None:
    words = from_wordnet(["robin", "bird", "unicorn"], folder, relations=["part"])
    assert words["beak"].classes == ("robin", "bird")
    assert [(drop.concept, drop.filter) for drop in words.dropped] == [("unicorn", "wordnet")]
    with pytest.raises(InputError, match="WordNet has nothing of 'unicorn'"):
        from_wordnet(["unicorn"], folder)


def test_the_folder_is_found_by_the_variables(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("WNSEARCHDIR", "WNHOME", "NLTK_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("WNSEARCHDIR", str(folder))
    assert WordNet().folder == folder
    home = tmp_path / "home"
    (home / "dict").mkdir(parents=True)
    monkeypatch.delenv("WNSEARCHDIR")
    monkeypatch.setenv("WNHOME", str(home))
    write(home / "dict")
    assert WordNet().folder == home / "dict"


def test_without_wordnet_the_places_and_the_package_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("seewhy.vocabulary.sources.wordnet._places", lambda: [tmp_path])
    with pytest.raises(MissingExtra, match="not installed on this machine.\n  Looked in: .*\n.*wordnet-base"):
        WordNet()
    with pytest.raises(InputError, match="has no index.noun and no data.noun"):
        WordNet(tmp_path)


def test_a_shifted_file_is_damaged_and_never_read_elsewhere(folder: Path) -> None:
    path = folder / "data.noun"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(BadArtefact, match="has no synset at byte"):
        from_wordnet(["robin"], folder)


def test_broken_lines_are_damage(folder: Path) -> None:
    path = folder / "data.noun"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b" n 0b robin", b" n 0c robin"))
    with pytest.raises(BadArtefact, match="has a broken line at byte"):
        from_wordnet(["robin"], folder)
    path.write_bytes(whole)
    (folder / "index.noun").write_text("robin n x 0\n")
    with pytest.raises(BadArtefact, match="index has a broken line"):
        from_wordnet(["robin"], folder)


def test_wrong_arguments_are_told(folder: Path) -> None:
    with pytest.raises(UnknownName, match="no relation 'hyponym'.\n  Did you mean 'hypernym'"):
        from_wordnet(["robin"], folder, relations=["hyponym"])
    with pytest.raises(InputError, match="Classes are a list of names"):
        from_wordnet("robin", folder)
