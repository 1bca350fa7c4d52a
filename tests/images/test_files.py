"""Paths, folders and patterns: found once each, in natural order, and missed helpfully."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from PIL import Image

from seewhy.errors import InputError
from seewhy.images.files import find_pictures, is_pattern, natural, read_file
from seewhy.images.read import read_images
from tests.images.made_pictures import noise, saved

PNG = saved(Image.fromarray(noise(2, 3)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = ["10.png", "9.PNG", "cat/a2.jpg", "cat/a10.jpeg", "dog/deep/x.webp", "dog/b.png"]
    for name in [*names, "notes.txt", ".hidden.png", ".cache/y.png", "dog/.DS_Store"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(PNG)
    return tmp_path


def test_a_folder_is_read_with_its_subfolders_in_natural_order(folder: Path) -> None:
    names = [name for _, name, _ in find_pictures(str(folder))]
    assert names == ["9.PNG", "10.png", "cat/a2.jpg", "cat/a10.jpeg", "dog/b.png", "dog/deep/x.webp"]


def test_the_first_folder_below_is_the_label(folder: Path) -> None:
    labels = [picture.label for picture in read_images(folder)]
    assert labels == [None, None, "cat", "cat", "dog", "dog"]


def test_a_link_to_a_folder_is_followed_once(folder: Path) -> None:
    (folder / "cat" / "loop").symlink_to(folder)
    (folder / "zebra").symlink_to(folder / "dog")
    names = [name for _, name, _ in find_pictures(str(folder))]
    assert len(names) == len(set(names)) == 6


def test_a_pattern_reads_each_picture_once(folder: Path) -> None:
    assert [p.name for p in read_images(f"{folder}/*")] == [
        *("9.PNG", "10.png", "a2.jpg", "a10.jpeg", "b.png", "deep/x.webp")
    ]
    assert len(find_pictures(f"{folder}/**/*.png")) == 2
    assert len(find_pictures(f"{folder}/**")) == 6


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "what[1].png"
    file.write_bytes(PNG)
    assert not is_pattern(str(file)) and is_pattern(f"{tmp_path}/what?.png")
    assert read_images(str(file))[0].path == file


def test_tilde_is_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert read_images("~/10.png")[0].path == folder / "10.png"
    assert len(read_images("~/cat")) == len(read_images("~/cat/*")) == 2


def test_natural_order_does_not_depend_on_the_order_of_arrival() -> None:
    ordered = ["", "1", "02", "2", "2b", "02c", "10", "a", "a1b2", "A1b10", "a02", "B"]
    for seed in range(5):
        shuffled = random.Random(seed).sample(ordered, len(ordered))
        assert sorted(shuffled, key=natural) == ordered


def test_a_missing_file_is_answered_with_its_neighbours(folder: Path) -> None:
    words = r"(?s)There is no file '.*/cat/a3.jpg'.*Did you mean 'a2.jpg', 'a10.jpeg'\?.*working folder is"
    with pytest.raises(InputError, match=words):
        read_images(folder / "cat" / "a3.jpg")


def test_a_missing_folder_is_answered_with_its_neighbours(folder: Path) -> None:
    with pytest.raises(
        InputError, match=r"(?s)no folder '.*/cta' for the file '.*/cta/a2.jpg'.*mean 'cat'\?"
    ):
        read_images(folder / "cta" / "a2.jpg")


@pytest.mark.parametrize("path", ["no/such/place.png", "x" * 5000, "a\0b", "", "~nobody-of-that-name/x.png"])
def test_names_that_cannot_exist_are_missing_files(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if path:
        with pytest.raises(InputError, match="(?s)There is no .*working folder is"):
            read_images(path)
    else:
        with pytest.raises(InputError, match="(?s)no picture in the folder.*is empty"):
            read_images(path)


def test_a_folder_without_pictures_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "one.gif").write_bytes(b"GIF89a")
    words = r"(?s)no picture in the folder .*; it holds one.gif\..*\.png, \.jpg.*convert"
    with pytest.raises(InputError, match=words):
        read_images(tmp_path)
    with pytest.raises(InputError, match=r"(?s)matches no picture, only 1 other entries such as 'one.gif'"):
        read_images(f"{tmp_path}/*")
    with pytest.raises(InputError, match=r"(?s)pattern '.*' matches no picture\..*\.webp.*Check the pattern"):
        read_images(f"{tmp_path}/*.png")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InputError, match="(?s)neither a file nor a folder.*plain files"):
        read_images(tmp_path / "pipe.png")


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)secret.png cannot be read \(.+\)\..*permissions"):
        read_file(tmp_path, "secret.png")


def test_a_file_of_more_than_128_mb_is_not_decoded(tmp_path: Path) -> None:
    file = tmp_path / "huge.png"
    with file.open("wb") as out:
        out.truncate(300_000_000)  # sparse: takes no room
    with pytest.raises(InputError, match=r"(?s)huge.png has 300 MB.*up to 128 MB"):
        read_images(file)
