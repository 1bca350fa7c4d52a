"""The one way in: every kind of input, names, labels, order and limits."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from seewhy.errors import InputError
from seewhy.images.picture import Picture
from seewhy.images.read import is_single, iter_images, read_images
from tests.images.made_pictures import noise, saved

PIXELS = noise(5, 8)
PNG = saved(Image.fromarray(PIXELS))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "bird.png"
    path.write_bytes(PNG)
    return path


def test_every_kind_of_single_input_gives_the_same_picture(file: Path) -> None:
    with file.open("rb") as opened:
        kinds: list[Any] = [
            *(str(file), file, opened, PNG, bytearray(PNG), memoryview(PNG), io.BytesIO(PNG), PIXELS),
            *(
                Image.fromarray(PIXELS),
                Image.open(file),
                torch.from_numpy(PIXELS).permute(2, 0, 1),
                Picture(PIXELS),
            ),
        ]
        for kind in kinds:
            assert is_single(kind)
        pictures = read_images(kinds)
    for picture in pictures:
        np.testing.assert_array_equal(picture.pixels, PIXELS)
    kinds[9].close()


def test_names_come_from_files_or_are_numbered(file: Path) -> None:
    with Image.open(file) as image, file.open("rb") as opened:
        names = [picture.name for picture in read_images([file, PIXELS, image, PNG, opened, PIXELS])]
    assert names == ["bird.png", "image 1", "bird.png (2)", "image 3", "bird.png (3)", "image 5"]
    taken = [Picture(PIXELS, name) for name in ("a", "a (2)", "a", "a")]
    assert [picture.name for picture in read_images(taken)] == ["a", "a (2)", "a (3)", "a (4)"]


def test_only_pictures_from_paths_keep_a_path(file: Path) -> None:
    assert [picture.path for picture in read_images([file, PNG])] == [file, None]


def test_a_picture_goes_through_with_all_it_has() -> None:
    picture = Picture(PIXELS, "mine", Path("x"), ("note",), "bird")
    assert read_images(picture) == [picture]


def test_nested_lists_and_batches_are_read_in_order() -> None:
    batch = np.stack([np.full((5, 6, 3), i, np.uint8) for i in range(3)])
    pictures = read_images([batch[0], [batch[1:], (batch[0],)]])
    assert [int(picture.pixels[0, 0, 0]) for picture in pictures] == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("images", "single"),
    [
        ("cat.jpg", True),
        (Path("cat.jpg"), True),
        ("https://example.org/*.jpg", True),
        (["cat.jpg"], False),
        ("photos/*.jpg", False),
        (".", False),
        (np.zeros((5, 6)), True),
        (np.zeros((5, 6, 3)), True),
        (np.zeros((1, 5, 6, 3)), False),
        (torch.zeros(3, 5, 6), True),
        (torch.zeros(1, 3, 5, 6), False),
        ((), False),
        (None, False),
        (iter([]), False),
    ],
)
def test_one_picture_is_told_from_a_collection(images: Any, single: bool) -> None:
    assert is_single(images) is single


def test_pictures_are_read_when_asked_for_and_no_earlier() -> None:
    asked = []

    def endless() -> Iterator[np.ndarray]:
        for i in itertools.count():
            asked.append(i)
            yield np.full((5, 6), i, np.uint8)

    pictures = iter_images(endless())
    assert [next(pictures).name, next(pictures).name] == ["image 0", "image 1"]
    assert asked == [0, 1]
    assert len(read_images(endless(), limit=3)) == 3


def test_a_missing_path_is_reported_before_the_first_picture_is_read(file: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)no file '.*brid.png'.*Did you mean 'bird.png'\?"):
        iter_images([file, file.with_name("brid.png")])


def test_limit_takes_the_first(file: Path) -> None:
    for i in range(4):
        file.with_name(f"{i}.png").write_bytes(PNG)
    assert [picture.name for picture in read_images(file.parent, limit=2)] == ["0.png", "1.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"limit": 0}, "limit is 0.*whole number from 1.*Leave it out"),
        ({"limit": 1.5}, "limit is 1.5"),
        ({"limit": True}, "limit is True"),
        ({"max_pixels": -1}, "max_pixels is -1"),
        ({"max_pixels": "big"}, "max_pixels is 'big'"),
    ],
)
def test_wrong_limits_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match="(?s)" + words):
        read_images(PNG, **arguments)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([], "empty list.*at least one picture.*where it was filled"),
        ((), "empty tuple"),
        (iter([]), "empty list_iterator"),
        (None, r"images is of type NoneType\..*paths, addresses, bytes.*Convert it"),
        (3.5, "images is of type float"),
        ({"pixels": PIXELS}, "images is of type dict with the keys 'pixels'.*Pass the entry"),
        ({1, 2}, "images is of type set"),
        ([PIXELS, None], r"images\[1\] is of type NoneType"),
        ([PIXELS, [b"junk"]], r"images\[1\]\[0\] is a text file"),
        (io.StringIO("text"), "a file that gives str.*bytes.*'rb'"),
        (io.BytesIO(), r"a file at its end.*hold a picture.*seek\(0\)"),
    ],
)
def test_what_is_not_a_picture_is_refused_in_words(images: Any, words: str) -> None:
    with pytest.raises(InputError, match="(?s)" + words):
        read_images(images)


def test_a_closed_file_is_refused() -> None:
    closed = io.BytesIO(PNG)
    closed.close()
    with pytest.raises(InputError, match=r"(?s)cannot be read \(.*closed file.*must be open"):
        read_images(closed)
