"""Pictures in any form are listed once and read by number, again and again."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from seewhy.errors import InputError
from seewhy.images.catalogue import Catalogue
from seewhy.images.read import read_images

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3), np.uint8)


class Labelled:
    """A data set in the manner of torch, with class names."""

    classes = ("owl", "frog")

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return Image.fromarray(PIXELS[index]), index % 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i, name in enumerate(("a/1.png", "a/10.png", "b/2.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(PIXELS[i]).save(tmp_path / name)
    return tmp_path


def forms(folder: Path) -> dict[str, Any]:
    tensor = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)
    return {
        "folder": folder,
        "pattern": str(folder / "*/*.png"),
        "paths": [folder / "a/1.png", str(folder / "a/10.png"), folder / "b/2.png"],
        "array": PIXELS,
        "arrays": list(PIXELS),
        "tensor": tensor,
        "pil": [Image.fromarray(pixels) for pixels in PIXELS],
        "bytes": [(folder / name).read_bytes() for name in ("a/1.png", "a/10.png", "b/2.png")],
        "pictures": read_images(folder),
        "dataset": Labelled(),
        "tensors": TensorDataset(tensor),
        "loader": DataLoader(TensorDataset(tensor), batch_size=2),
        "generator": (pixels for pixels in PIXELS),
        "files": [io.BytesIO((folder / name).read_bytes()) for name in ("a/1.png", "a/10.png", "b/2.png")],
    }


@pytest.mark.parametrize("form", [
    "folder", "pattern", "paths", "array", "arrays", "tensor", "pil", "bytes", "pictures", "dataset", "tensors",
    "loader", "generator", "files",
])  # fmt: skip
def test_every_form_gives_the_same_pictures_by_number_and_again(form: str, folder: Path) -> None:
    catalogue = Catalogue(forms(folder)[form])
    assert len(catalogue) == 3
    for index in (2, 0, 1, 2):
        assert np.array_equal(catalogue.read(index).pixels, PIXELS[index])


@pytest.mark.parametrize("form", ["folder", "paths", "array", "pictures", "dataset"])
def test_names_and_labels_are_those_of_read_images(form: str, folder: Path) -> None:
    expected = read_images(forms(folder)[form])
    catalogue = Catalogue(forms(folder)[form])
    found = [catalogue.read(index) for index in range(3)]
    assert [(p.name, p.label) for p in found] == [(p.name, p.label) for p in expected]


def test_given_labels_replace_all_others(folder: Path) -> None:
    catalogue = Catalogue(folder, [7, None, "newt"])
    assert [catalogue.read(i).label for i in range(3)] == ["7", None, "newt"]
    with pytest.raises(InputError, match="2 labels for 3 pictures"):
        Catalogue(folder, [1, 2])


def test_the_digest_tells_other_pictures(folder: Path) -> None:
    digests = {Catalogue(images).digest() for images in (folder, PIXELS, PIXELS[:2], PIXELS[::-1])}
    assert len(digests) == 4
    assert Catalogue(folder).digest() == Catalogue(folder).digest() != Catalogue(folder, "abc").digest()
    before = Catalogue(folder).digest()
    Image.fromarray(PIXELS[0, :3]).save(folder / "a/1.png")
    assert Catalogue(folder).digest() != before


def test_a_bad_picture_is_an_error_when_its_turn_comes(folder: Path) -> None:
    (folder / "a/10.png").write_bytes(b"not a picture")
    catalogue = Catalogue(folder)
    assert catalogue.name(1) == "a/10.png"
    with pytest.raises(InputError, match="10.png"):
        catalogue.read(1)
    assert catalogue.read(2).name == "b/2.png"


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no picture in the folder"):
        Catalogue(tmp_path)
    with pytest.raises(InputError, match="empty list"):
        Catalogue([])
    with pytest.raises(InputError, match="of type dict"):
        Catalogue({"a": PIXELS})
