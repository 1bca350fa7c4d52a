"""The user's pictures with their classes: nothing silently dropped, nothing guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seewhy.audit.labelled import read_labelled
from seewhy.errors import InputError, UnknownName

GREY = np.zeros((5, 6, 3), np.uint8)


def folders(where: Path) -> Path:
    for name in ("cat", "dog"):
        (where / name).mkdir()
        for i in range(2):
            Image.fromarray(GREY).save(where / name / f"{i}.png")
    return where


def test_folders_name_the_classes_and_a_broken_file_is_left_out_and_told(tmp_path: Path) -> None:
    (folders(tmp_path) / "cat" / "broken.png").write_bytes(b"not a picture")
    data = read_labelled(tmp_path, None)
    assert data.classes == ("cat", "dog") and data.labels.tolist() == [0, 0, 1, 1]
    assert [name for name, _ in data.unread] == ["cat/broken.png"] and "is a text file" in data.unread[0][1]


def test_labels_stay_with_their_pictures_when_one_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"")
    data = read_labelled([GREY, tmp_path / "broken.png", GREY, GREY], ["a", "x", "b", "a"])
    assert [picture.label for picture in data.pictures] == ["a", "b", "a"] and data.classes == ("a", "b")
    assert [picture.name for picture in data.pictures] == ["image 0", "image 2", "image 3"]


def test_numbers_get_names_and_both_are_understood_as_target() -> None:
    data = read_labelled(np.stack([GREY] * 3), np.array([10, 2, 10]), None)
    assert data.classes == ("class 2", "class 10") and data.labels.tolist() == [1, 0, 1]
    assert data.index_of(np.int64(10)) == data.index_of("class 10") == 1
    assert read_labelled([GREY] * 2, [0, 1], "ab".__getitem__).classes == ("a", "b")


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        ([GREY] * 3, ["a", "b"], "There are 2 labels for 3 pictures"),
        ([GREY] * 3, ["a", "a", "a"], "of one class, 'a'"),
        ([GREY] * 2, [0.5, 1], "A label is 0.5"),
        ([GREY] * 2, [True, False], "A label is True"),
        ([GREY] * 2, None, "A label is None"),
        ([b"broken", b"too"], ["a", "b"], "None of the 2 pictures can be read"),
    ],
)
def test_bad_input_is_refused_in_words(images: Any, labels: Any, words: str) -> None:
    with pytest.raises(InputError) as error:
        read_labelled(images, labels)
    assert words in str(error.value) and str(error.value).count("\n") == 2


def test_an_unknown_target_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'cat'"):
        read_labelled([GREY] * 2, ["cat", "dog"]).index_of("cap")
