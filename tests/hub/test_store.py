"""A fetched folder carries its hashes, and what is not as it was written is found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seewhy.errors import BadArtefact, InputError
from seewhy.hub.store import MANIFEST, on_shelf, problems_in, read_manifest, write_folder

ID = "timm/resnet18.a1_in1k"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "source.bin").write_bytes(b"weights")
    return write_folder(ID, {"model.safetensors": tmp_path / "source.bin"}, tmp_path / "models")


def test_what_is_written_is_whole(folder: Path, tmp_path: Path) -> None:
    assert folder == tmp_path / "models" / ID
    assert read_manifest(folder).id == ID
    assert problems_in(folder) == []
    assert sorted(p.name for p in folder.iterdir()) == ["model.safetensors", MANIFEST]


def test_writing_again_repairs_and_copies_nothing_that_is_whole(folder: Path, tmp_path: Path) -> None:
    before = (folder / "model.safetensors").stat().st_mtime_ns
    files = {"model.safetensors": tmp_path / "source.bin"}
    write_folder(ID, files, tmp_path / "models")
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
    (folder / "model.safetensors").write_bytes(b"damaged")
    write_folder(ID, files, tmp_path / "models")
    assert problems_in(folder) == []


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: f.write_bytes(b"weighty"), "model.safetensors has been changed (its SHA-256 differs)"),
        (lambda f: f.write_bytes(b"w"), "model.safetensors has 1 bytes, not 7"),
        (lambda f: f.unlink(), "model.safetensors is missing"),
    ],
)
def test_damage_is_said(damage: object, said: str, folder: Path) -> None:
    damage(folder / "model.safetensors")  # type: ignore[operator]
    assert problems_in(folder) == [said]


def test_shelves_are_the_project_first_and_then_the_home(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEEWHY_HOME", str(tmp_path / "home"))
    assert on_shelf(ID) == Path("models") / ID
    assert on_shelf("timm/other") is None
    other = tmp_path / "home" / "models" / "timm" / "other"
    other.mkdir(parents=True)
    assert on_shelf("timm/other") == other


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no seewhy.json") as caught:
        read_manifest(tmp_path)
    assert "Pass the folder of one model" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"schema": "seewhy.files/1"}', "is damaged"),
        (json.dumps({"schema": "seewhy.files/9", "id": ID, "files": []}), "has the schema 'seewhy.files/9'"),
        (
            json.dumps(
                {
                    "schema": "seewhy.files/1",
                    "id": ID,
                    "files": [{"name": "../../etc/passwd", "size": 1, "sha256": "0"}],
                }
            ),
            "names the file '../../etc/passwd'",
        ),
    ],
)
def test_a_wrong_manifest_is_a_bad_artefact(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(BadArtefact) as caught:
        read_manifest(tmp_path)
    assert said in str(caught.value)


def test_a_place_that_cannot_be_written_is_an_input_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written") as caught:
        write_folder(ID, {}, tmp_path / "file")
    assert "Choose another one with --to." in str(caught.value)
