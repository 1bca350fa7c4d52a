"""`seewhy audit` on a folder whose shortcut is known: the verdict, its files, masks by name, and every mistake."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Seewhy
from tests.report.made_audit import made_pictures

NET = """
from tests.report.made_audit import CLASSES, SIZE, Colours

def build():
    preprocess = dict(size=SIZE, fit="stretch", mean=0.0, std=1.0)
    return Colours().eval(), dict(preprocess=preprocess, classes=list(CLASSES), layer="features")
"""
ASK = ("audit", "set", "-m", "colours.py:build", "--n-concepts", "3")


@pytest.fixture(autouse=True)
def colours(workplace: Path) -> Path:
    """colours.py, and set/ with a folder for each class, all red squares with a mark in the corner."""
    (workplace / "colours.py").write_text(NET)
    for picture in made_pictures(25, marked=True):
        folder = workplace / "set" / str(picture.label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.pixels).save(folder / picture.name)
    return workplace


def masks_in(folder: Path, value: int = 255, suffix: str = ".png") -> None:
    """A mask of the square for each picture, in folders as the pictures are."""
    for picture in made_pictures(25, marked=True):
        square = (picture.pixels.max(2) >= 200) & (picture.pixels.min(2) < 200)
        place = folder / str(picture.label) / Path(picture.name).with_suffix(suffix)
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.where(square, value, 0).astype(np.uint8)).save(place)


def test_the_verdict_is_on_stdout_and_nothing_else(seewhy: Seewhy) -> None:
    result = seewhy(*ASK)
    assert result.code == 0 and result.err == ""
    assert result.out.startswith("colours.py:build on 75 pictures: 3 classes, 3 concepts each (nmf)")
    assert len(re.findall("LOOKS LIKE A SHORTCUT", result.out)) == 1
    assert re.search(r"1\. LOOKS LIKE .*\n   red: concept \d \(upper left\) - ", result.out)
    assert "What this audit cannot know:" in result.out


def test_json_is_one_strict_document_with_top_k_suspects(seewhy: Seewhy) -> None:
    result = seewhy(*ASK, "--json", "--top-k", "1", "--seed", "3")
    found = json.loads(result.out)
    assert found["schema"] == "seewhy.audit/1" and found["seed"] == 3
    assert [one["class"] for one in found["shortcuts"]["suspects"]] == ["red"]


def test_a_page_and_its_data_are_written_and_told(seewhy: Seewhy, workplace: Path) -> None:
    result = seewhy(*ASK, "-o", "audit.html", "--top-k", "2", "--seed", "1")
    assert result.code == 0 and result.err == "wrote audit.html\n"
    page = (workplace / "audit.html").read_text()
    words = "audit set -m colours.py:build --n-concepts 3 --seed 1 --top-k 2 -o audit.html"
    assert f"<code>seewhy {words}</code>" in page
    seewhy(*words.split()[:-1], "again.JSON")
    data = json.loads((workplace / "again.JSON").read_text())
    assert data == json.loads(seewhy(*words.split()[:-2], "--json").out)


def test_a_page_is_written_whatever_the_case_of_its_suffix(seewhy: Seewhy, workplace: Path) -> None:
    assert seewhy(*ASK, "-o", "audit.HTML").code == 0
    assert "seewhy audit set -m colours.py:build" in (workplace / "audit.HTML").read_text()


def test_unreadable_files_and_few_pictures_are_told_on_stderr(seewhy: Seewhy, workplace: Path) -> None:
    shutil.rmtree(workplace / "set" / "blue")
    for i in range(7):
        (workplace / "set" / "red" / f"broken-{i}.png").write_bytes(b"no picture")
    result = seewhy(*ASK[:-1], "6")
    assert result.code == 0 and "left out" not in result.out
    said = result.err.splitlines()
    assert said[0].startswith("note: 2 of 2 groups have fewer than 5 pictures per concept")
    assert (
        said[1].startswith("left out red/broken-0.png: ") and said[-1] == "left out 2 more" and len(said) == 7
    )
    assert "what 7 unreadable files show: red/broken-0.png" in result.out


# ---------------------------------------------------------------------- masks


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_masks_go_by_name_up_to_the_suffix(suffix: str, seewhy: Seewhy, workplace: Path) -> None:
    masks_in(workplace / "masks", suffix=suffix)
    found = json.loads(seewhy(*ASK, "--masks", "masks", "--json").out)
    assert found["shortcuts"]["suspects"][0]["suspicion"]["outside"] > 0.9
    assert not any("where the object is" in line for line in found["shortcuts"]["unknown"])


def test_a_mask_with_the_pictures_whole_name_is_for_that_picture_alone(
    seewhy: Seewhy, workplace: Path
) -> None:
    masks_in(workplace / "masks")
    red = workplace / "set" / "red"
    # A second picture of another size with the same stem: the mask of picture-0.png would not fit it.
    Image.fromarray(np.full((9, 9, 3), 90, np.uint8)).save(red / "picture-0.jpg")
    said = json.loads(seewhy(*ASK, "--masks", "masks", "--json").out)["shortcuts"]["unknown"]
    assert said[0].startswith("where the object is in red/picture-0.jpg:")
    # A mask of another kind of file is for both, but each keeps the one that has its whole name.
    Image.fromarray(np.full((9, 9), 255, np.uint8)).save(workplace / "masks" / "red" / "picture-0.webp")
    said = json.loads(seewhy(*ASK, "--masks", "masks", "--json").out)["shortcuts"]["unknown"]
    assert not any("where the object is" in line for line in said)


def test_masks_of_another_size_are_refused(seewhy: Seewhy, workplace: Path) -> None:
    masks_in(workplace / "masks")
    Image.fromarray(np.full((5, 4), 255, np.uint8)).save(workplace / "masks" / "red" / "picture-0.png")
    result = seewhy(*ASK, "--masks", "masks")
    assert result.code == 1 and result.out == ""
    assert "InputError: The mask of 'red/picture-0.png' has shape (5, 4)" in result.err


def test_dark_masks_strange_names_and_missing_folders_are_refused(seewhy: Seewhy, workplace: Path) -> None:
    masks_in(workplace / "dark", value=1)
    assert "is dark all over: its largest value is 1." in seewhy(*ASK, "--masks", "dark").err
    masks_in(workplace / "masks")
    (workplace / "masks" / "red" / "picture-0.png").rename(workplace / "masks" / "red" / "pictur-0.png")
    result = seewhy(*ASK, "--masks", "masks")
    assert (
        result.code == 1 and "The mask red/pictur-0.png in masks is for none of the pictures." in result.err
    )
    assert "Did you mean" in result.err and "'red/picture-0'" in result.err
    assert "There is no file 'mask'" in seewhy(*ASK, "--masks", "mask").err
    (workplace / "empty").mkdir()
    assert "There is no picture in the folder empty" in seewhy(*ASK, "--masks", "empty").err


# ---------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["-o", "audit.pdf"],
            "output 'audit.pdf' ends in '.pdf'.\n  The suffix says what is written: .html, .json",
        ),
        (["-o", "audit"], "output 'audit' has no suffix.\n"),
        (["-o", "."], "output '.' has no suffix.\n"),
        (["-o", "nowhere/audit.html"], "The folder of 'nowhere/audit.html' does not exist."),
        (["-o", "site.html"], "output 'site.html' is a folder."),
        (["--dictionary", "nfm"], "There is no dictionary 'nfm'.\n  Did you mean 'nmf'"),
        (["--layer", "featurs"], "featurs"),
        (["--n-concepts", "4000"], "No group of classes can be fitted"),
    ],
)
def test_mistakes_are_1_in_three_parts(
    options: list[str], said: str, seewhy: Seewhy, workplace: Path
) -> None:
    (workplace / "site.html").mkdir()
    result = seewhy(*ASK, *options)
    assert result.code == 1 and result.out == "" and "Traceback" not in result.err
    assert said in result.err and "did not foresee" not in result.err


def test_a_folder_that_is_not_there_is_told_before_the_model_is_loaded(seewhy: Seewhy) -> None:
    result = seewhy("audit", "sets", "-m", "colours.py:build")
    assert result.code == 1 and "There is no file 'sets'.\n  Did you mean 'set'?" in result.err
    assert seewhy("audit", "set").code == seewhy(*ASK, "--top-k", "0").code == 2
