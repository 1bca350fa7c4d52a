"""Data sets: torch Datasets, DataLoaders and the interface of Hugging Face Datasets."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset
from torchvision.datasets import ImageFolder

from seewhy.errors import InputError
from seewhy.images.read import is_single, read_images
from tests.images.made_pictures import noise, saved

BATCH = torch.stack([torch.full((3, 5, 6), i, dtype=torch.uint8) for i in range(5)])


class Labelled(Dataset):  # type: ignore[type-arg]
    """Has a length, labels and names, and raises no IndexError at its end."""

    classes = ("cat", "dog")

    def __len__(self) -> int:
        return 5

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return BATCH[i % 5], i % 2


class Streamed(IterableDataset):  # type: ignore[type-arg]
    def __iter__(self) -> Iterator[torch.Tensor]:
        yield from BATCH


def levels(images: Any) -> list[int]:
    return [int(picture.pixels[0, 0, 0]) for picture in read_images(images)]


def labels(images: Any) -> list[str | None]:
    return [picture.label for picture in read_images(images)]


@pytest.mark.parametrize(
    "dataset",
    [
        Labelled(),
        Streamed(),
        TensorDataset(BATCH),
        TensorDataset(BATCH, torch.arange(5)),
        Subset(Labelled(), range(5)),
    ],
)
@pytest.mark.parametrize("batch_size", [0, None, 1, 2, 5])
def test_datasets_and_loaders_give_their_pictures_in_order(dataset: Any, batch_size: int | None) -> None:
    images = dataset if batch_size == 0 else DataLoader(dataset, batch_size=batch_size)
    assert not is_single(images)
    assert levels(images) == [0, 1, 2, 3, 4]


def test_labels_are_class_names_where_the_data_set_has_them() -> None:
    named = ["cat", "dog", "cat", "dog", "cat"]
    assert labels(Labelled()) == labels(DataLoader(Labelled(), batch_size=2)) == named
    assert labels(Subset(Labelled(), [1, 2])) == ["dog", "cat"]
    assert labels(TensorDataset(BATCH, torch.arange(5))) == ["0", "1", "2", "3", "4"]
    assert labels(Streamed()) == [None] * 5


def test_an_image_folder_and_its_path_agree(tmp_path: Path) -> None:
    for i, name in enumerate(["b/1.png", "a/10.png", "a/2.png"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(saved(Image.fromarray(noise(4, 5, seed=i))))
    by_torchvision, by_path = read_images(ImageFolder(tmp_path)), read_images(tmp_path)
    assert [p.label for p in by_torchvision] == [p.label for p in by_path] == ["a", "a", "b"]
    assert {p.sha256 for p in by_torchvision} == {p.sha256 for p in by_path}


def test_a_loader_of_pillow_pictures_is_read() -> None:
    images = [Image.fromarray(noise(4, 5, seed=i)) for i in range(4)]
    loader: Any = DataLoader(images, batch_size=3, collate_fn=list)  # type: ignore[arg-type]
    assert [p.sha256 for p in read_images(loader)] == [p.sha256 for p in read_images(images)]


def test_normalised_batches_of_a_loader_are_refused_with_their_place() -> None:
    loader: Any = DataLoader(TensorDataset(BATCH.float() - 1), batch_size=2)
    with pytest.raises(
        InputError, match=r"images\[0\] has values from -1 to -1, so it looks already normalised"
    ):
        read_images(loader)


class Image_:
    """A feature type; only its name matters."""


Image_.__name__ = "Image"


class ClassLabel:
    names = ("cat", "dog")


class Value:
    pass


class Columns:
    """The interface of a Hugging Face Dataset."""

    def __init__(self, features: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        self.features, self.rows, self.column_names = features, rows, list(features)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> dict[str, Any]:
        return self.rows[i]


def test_the_image_column_is_found_by_its_type(tmp_path: Path) -> None:
    pixels = noise(4, 5)
    image = Image.fromarray(pixels)
    (tmp_path / "a.png").write_bytes(saved(image))
    stored = [image, {"bytes": saved(image), "path": None}, {"bytes": None, "path": str(tmp_path / "a.png")}]
    rows = [{"text": "image", "photo": one, "kind": i % 2} for i, one in enumerate(stored)]
    pictures = read_images(Columns({"text": Value(), "photo": Image_(), "kind": ClassLabel()}, rows))
    assert [picture.label for picture in pictures] == ["cat", "dog", "cat"]
    for picture in pictures:
        np.testing.assert_array_equal(picture.pixels, pixels)


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ({"text": Value()}, "no image column among text.*feature type Image.*cast_column"),
        ({"a": Image_(), "b": Image_()}, r"2 image columns \(a, b\) among a, b.*remove_columns\('b'\)"),
    ],
)
def test_no_image_column_or_two_are_refused(features: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match="(?s)images is a data set with " + words):
        read_images(Columns(features, [{}]))


def test_a_real_hugging_face_dataset_is_read() -> None:
    datasets = pytest.importorskip("datasets", reason="the datasets package is not installed")
    features = datasets.Features(
        {"picture": datasets.Image(), "label": datasets.ClassLabel(names=["x", "y"])}
    )
    rows = {"picture": [Image.fromarray(noise(4, 5)), Image.fromarray(noise(6, 5))], "label": [1, 0]}
    pictures = read_images(datasets.Dataset.from_dict(rows, features=features))
    assert [(p.size, p.label) for p in pictures] == [((4, 5), "y"), ((6, 5), "x")]


def test_a_damaged_row_is_named_by_its_place() -> None:
    rows = [{"image": {"bytes": saved(Image.fromarray(noise(3, 5))), "path": None}}]
    rows.append({"image": {"bytes": b"\xff\xd8\xff", "path": None}})
    with pytest.raises(InputError, match=r"images\[1\] is cut short"):
        read_images(Columns({"image": Image_()}, rows))


def test_a_generator_of_files_is_read_lazily() -> None:
    data = saved(Image.fromarray(noise(3, 5)))
    assert [p.size for p in read_images(io.BytesIO(data) for _ in range(2))] == [(3, 5), (3, 5)]
