"""`seewhy discover`: every class in its concepts, kept for later, and every mistake in words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seewhy.backbones.load import load_backbone
from seewhy.models.craft import CRAFT
from tests.cli.conftest import Seewhy

# Its layer has no ReLU, so its features have signs.
ASK = ("discover", "photos", "-m", "net.py:build", "--n-concepts", "2", "--dictionary", "semi_nmf")


@pytest.fixture(autouse=True)
def photos(workplace: Path) -> None:
    """Twelve more pictures, of noise in three colours, so that several classes are given."""
    rng = np.random.default_rng(0)
    for i in range(12):
        pixels = rng.integers(0, 256, (30, 40, 3)) * (0.2 + 0.8 * (np.arange(3) == i % 3))
        Image.fromarray(pixels.astype(np.uint8)).save(workplace / "photos" / f"more-{i}.png")


def test_each_class_is_told_in_its_concepts(seewhy: Seewhy) -> None:
    result = seewhy(*ASK)
    assert result.code == 0
    tables = result.out.split("\n\n")
    assert len(tables) >= 2 and sum(int(one.split(": ")[1].split()[0]) for one in tables) == 14
    assert all("concept 0" in one and "95 % interval" in one for one in tables)
    assert result.err.startswith("note: ") and "pictures per concept" in result.err


def test_json_is_one_strict_document(seewhy: Seewhy) -> None:
    found = json.loads(seewhy(*ASK, "--json").out)
    assert set(found) == {"classes", "skipped"} and found["skipped"] == {}
    for one in found["classes"]:
        assert one["schema"] == "seewhy.class/1" and len(one["concepts"]) == 2


def test_groups_all_is_one_dictionary_for_every_class(seewhy: Seewhy) -> None:
    found = json.loads(seewhy(*ASK, "--groups", "all", "--json").out)
    assert {one["group"] for one in found["classes"]} == {"all"} and len(found["classes"]) >= 2


def test_crops_may_be_fitted_on(seewhy: Seewhy) -> None:
    assert seewhy(*ASK, "--fit-on", "crops", "--groups", "all").code == 0


def test_the_concepts_are_kept_for_from_pretrained(seewhy: Seewhy, workplace: Path) -> None:
    result = seewhy(*ASK, "-o", "kept/concepts")
    assert result.code == 0 and result.err.endswith("wrote kept/concepts\n")
    craft = CRAFT.from_pretrained(workplace / "kept" / "concepts", load_backbone("net.py:build"))
    told = {one.split(": ")[0] for one in result.out.split("\n\n")}
    assert set(craft.groups) == told


def test_what_is_left_out_is_told_on_stderr(seewhy: Seewhy, workplace: Path) -> None:
    (workplace / "photos" / "broken.png").write_bytes(b"no picture")
    result = seewhy(*ASK)
    assert result.code == 0 and "left out broken.png: " in result.err and "broken" not in result.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--method", "kraft"], "There is no method 'kraft'.\n  Did you mean 'craft'?"),
        (["--dictionary", "nfm"], "There is no dictionary 'nfm'.\n  Did you mean 'nmf'"),
        (["--fit-on", "corps"], "fit_on is 'corps'.\n  Did you mean 'crops'?"),
        (["--groups", "every"], "groups is 'every'."),
        (["-o", "cat.png"], "output 'cat.png' cannot be a folder: 'cat.png' is a file."),
        (["-o", "cat.png/concepts"], "cannot be a folder: "),
    ],
)
def test_mistakes_are_1_in_words(options: list[str], said: str, seewhy: Seewhy) -> None:
    result = seewhy(*ASK, *options)
    assert result.code == 1 and result.out == "" and said in result.err and "Traceback" not in result.err


def test_a_missing_folder_or_model_is_told(seewhy: Seewhy) -> None:
    assert "There is no file 'photo'" in seewhy("discover", "photo", "-m", "net.py:build").err
    assert seewhy("discover", "photos").code == 2
