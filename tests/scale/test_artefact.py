"""A model's folder: what was written comes back to the byte, and nothing damaged does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from seewhy.errors import BadArtefact, InputError
from seewhy.scale import artefact

CONTENT = {"classes": ["wader", "Läufer"], "at": "stages.3", "lam": 0.125, "none": None}
TENSORS = {"weight": torch.randn(3, 5, generator=torch.Generator().manual_seed(0)), "n": torch.tensor([3, 4])}


def made(folder: Path) -> Path:
    return artefact.write(folder, "SALF-CBM", CONTENT, TENSORS)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    found = artefact.read(made(tmp_path / "a"))
    assert found.kind == "SALF-CBM" and found.content == CONTENT and set(found.tensors) == set(TENSORS)
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in TENSORS.items())


def test_saved_loaded_and_saved_it_has_the_same_bytes(tmp_path: Path) -> None:
    found = artefact.read(made(tmp_path / "a"))
    artefact.write(tmp_path / "b", found.kind, found.content, found.tensors)
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


def test_another_model_in_the_folder_takes_its_place(tmp_path: Path) -> None:
    made(tmp_path)
    artefact.write(tmp_path, "LF-CBM", {}, {"weight": torch.ones(2)})
    assert artefact.read(tmp_path).kind == "LF-CBM"
    assert len(list(tmp_path.iterdir())) == 2


def test_killed_between_the_two_files_the_folder_holds_the_old_model(tmp_path: Path) -> None:
    before = bytes_of(made(tmp_path))
    artefact.write(tmp_path / "new", "LF-CBM", {}, {"weight": torch.ones(2)})
    (new,) = (tmp_path / "new").glob("tensors-*")
    new.rename(tmp_path / new.name)  # what is there when the tensors are written and the JSON is not
    assert artefact.read(tmp_path).kind == "SALF-CBM"
    made(tmp_path)
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == set(before)


def test_no_mutant_is_read_as_something_else(tmp_path: Path) -> None:
    """A byte changed, dropped or added: refused, or (space between the tokens of the JSON) the same content."""
    before, draw, same = bytes_of(made(tmp_path)), np.random.default_rng(0), 0
    for _ in range(400):
        name = sorted(before)[draw.integers(2)]
        data, how = bytearray(before[name]), draw.integers(3)
        at = int(draw.integers(len(data)))
        if how == 0:
            data[at] ^= 1 << int(draw.integers(8))
        elif how == 1:
            del data[at]
        else:
            data.insert(at, int(draw.integers(256)))
        (tmp_path / name).write_bytes(bytes(data))
        try:
            found = artefact.read(tmp_path)
        except BadArtefact:
            found = None
        (tmp_path / name).write_bytes(before[name])
        if found is not None:
            same += 1
            assert found.kind == "SALF-CBM" and found.content == CONTENT
            assert all(torch.equal(found.tensors[key], tensor) for key, tensor in TENSORS.items())
    assert same < 40


def test_errors_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no seewhy.json(.|\n)*save_pretrained"):
        artefact.read(tmp_path)
    made(tmp_path)
    (tensors,) = tmp_path.glob("tensors-*")
    tensors.unlink()
    with pytest.raises(BadArtefact, match="damaged"):
        artefact.read(tmp_path)
    (tmp_path / "seewhy.json").write_text(json.dumps({"schema": "seewhy.files/1"}))
    with pytest.raises(BadArtefact, match=r"schema 'seewhy.files/1'(.|\n)*seewhy.model/1"):
        artefact.read(tmp_path)
    with pytest.raises(InputError, match="cannot be written|is a file"):
        made(tensors.parent / "seewhy.json")
