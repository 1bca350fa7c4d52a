"""`seewhy train`, `query`, `edit`, `contrast`: one small bottleneck of a bundled network, asked in every way."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seewhy.cli.app import run
from seewhy.world.drawing.renderer import render
from seewhy.world.tasks.tasks import find_task
from tests.cli.conftest import Seewhy

WORDS = "disk,square,triangle,cross,a red object,a blue object,water,grass"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos/CLASS/*.png, the bottleneck cbm, and what its training kept in work."""
    folder, task = tmp_path_factory.mktemp("bottleneck"), find_task("T6")
    for index in range(48):
        scene = task.scene("train", index)
        place = folder / "photos" / task.classes[task.label(scene)]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(render(scene, 96).rgb).save(place / f"{index}.png")
    arguments = [
        "train",
        "salf",
        folder / "photos",
        "-m",
        "seewhy/resnet-t6",
        "--words",
        WORDS,
        "--prompter",
        "dense",
    ]
    assert run([str(a) for a in [*arguments, "-o", folder / "cbm", "--work", folder / "work"]]) == 0
    return folder


@pytest.fixture
def photo(made: Path) -> Path:
    return sorted((made / "photos" / "disk").iterdir())[0]


def test_training_tells_what_it_made_and_goes_on_from_what_it_kept(made: Path, seewhy: Seewhy) -> None:
    before = (made / "cbm" / "seewhy.json").read_bytes()
    again = (
        "train",
        "salf",
        made / "photos",
        "-m",
        "seewhy/resnet-t6",
        "--words",
        WORDS,
        "--prompter",
        "dense",
    )
    result = seewhy(*again, "-o", made / "again", "--work", made / "work", "--json")
    assert result.code == 0
    told = json.loads(result.out)
    assert told["kind"] == "SALF-CBM" and set(told["classes"]) == {"disk", "square", "triangle", "cross"}
    assert told["concepts"][:2] == ["disk", "square"] and told["head"]["converged"]
    assert (made / "again" / "seewhy.json").read_bytes() == before
    table = seewhy(*again, "-o", made / "again", "--work", made / "work")
    assert "concepts per class" in table.out and f"wrote {made / 'again'}" in table.err


def test_a_query_names_what_is_there_and_halves_add_up(made: Path, photo: Path, seewhy: Seewhy) -> None:
    left, right = (
        json.loads(seewhy("query", photo, "-m", made / "cbm", "--box", box, "--top-k", 99, "--json").out)
        for box in ("0,0,48,96", "48,0,96,96")
    )
    assert [row["activation"] for row in left["concepts"]] == sorted(
        (row["activation"] for row in left["concepts"]), reverse=True
    )
    result = seewhy("contrast", photo, "-m", made / "cbm", "--why", left["target"], "--json")
    whole = {row["name"]: row["why"] for row in json.loads(result.out)["rows"]}
    parts = [{row["name"]: row["contribution"] for row in side["concepts"]} for side in (left, right)]
    for name, total in whole.items():
        assert parts[0][name] + parts[1][name] == pytest.approx(total, abs=1e-5)
    text = seewhy("query", photo, "-m", made / "cbm", "--point", "40,60").out
    assert text.split()[:3] == ["concept", "inside", "outside"]


def test_an_edit_moves_the_logit_by_weight_times_amount(made: Path, photo: Path, seewhy: Seewhy) -> None:
    from seewhy.models.bottleneck import ConceptBottleneck

    model = ConceptBottleneck.from_pretrained(made / "cbm")
    result = seewhy("edit", photo, "-m", made / "cbm", "-c", "disk=-2", "-c", "a red object=1", "--json")
    told = json.loads(result.out)
    assert told["edits"] == ["disk -2", "a red object +1"]
    for row in told["classes"]:
        w = model.head.weight[model.classes.index(row["class"])]
        expected = -2 * w[model.space.index("disk")] + w[model.space.index("a red object")]
        assert row["logit_after"] - row["logit_before"] == pytest.approx(float(expected), abs=1e-4)
    text = seewhy("edit", photo, "-m", made / "cbm", "-c", "disk=0", "--op", "scale", "--box", "0,0,9,9")
    assert text.code == 0 and "disk x0 in 1% of the picture: " in text.err


def test_the_answer_after_an_edit_is_written(
    made: Path, photo: Path, seewhy: Seewhy, workplace: Path
) -> None:
    result = seewhy("edit", photo, "-m", made / "cbm", "-c", "disk=-2", "-o", "after.json")
    assert result.code == 0
    assert json.loads((workplace / "after.json").read_text())["edits"] == ["disk -2"]


def test_a_contrast_is_the_difference_of_two_logits_for_any_model(
    made: Path, photo: Path, seewhy: Seewhy
) -> None:
    for model in (made / "cbm", "seewhy/resnet-t6"):
        told = json.loads(
            seewhy("contrast", photo, "-m", model, "--why", "disk", "--against", "cross", "--json").out
        )
        sums = sum(row["difference"] for row in told["rows"]) + told["constant"]
        assert sums == pytest.approx(told["why"]["logit"] - told["against"]["logit"], abs=1e-3)
    text = seewhy("contrast", photo, "-m", made / "cbm", "--top-k", 2)
    assert "leads by" in text.err and "6 other concepts" in text.err


def test_label_free_without_places(made: Path, seewhy: Seewhy) -> None:
    result = seewhy(
        "train", "lfcbm", made / "photos", "-m", "seewhy/resnet-t6", "--words", "disk,cross", "--labels", "network",
        "--head", "dense", "-o", made / "lf", "--json",
    )  # fmt: skip
    told = json.loads(result.out)
    assert told["kind"] == "LF-CBM" and told["concepts"] == ["disk", "cross"] and told["head"]["nec"] == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["query", "PHOTO", "-m", "CBM"], "No region is given"),
        (["query", "PHOTO", "-m", "CBM", "--point", "1,2", "--box", "0,0,9,9"], "Both --point and --box"),
        (["query", "PHOTO", "-m", "CBM", "--box", "1,2,x"], r"--box is '1,2,x'(.|\n)*4 numbers"),
        (["query", "PHOTOS", "-m", "CBM", "--point", "1,2"], "stands for 48 pictures"),
        (["edit", "PHOTO", "-m", "CBM", "-c", "disk"], r"--concept is 'disk'(.|\n)*hooked beak=-2"),
        (["edit", "PHOTO", "-m", "CBM", "-c", "disc=1"], r"'disc' is not among 8(.|\n)*disk"),
        (["edit", "PHOTO", "-m", "seewhy/resnet-t6", "-c", "disk=1"], "not linear in concepts"),
        (["train", "salf", "PHOTOS", "-m", "seewhy/resnet-t6", "-w", "dog,cat", "-o", "OUT"], "has the word 'dog'"),
        (["train", "salf", "PHOTOS", "-m", "seewhy/resnet-t6", "-w", "disk", "-o", "OUT", "--prompter", "red"],
         r"no prompter 'red'(.|\n)*red-circle"),
        (["train", "salf", "PHOTOS", "-m", "seewhy/resnet-t6", "-w", "disk", "-o", "OUT", "--head", "many"],
         "--head is 'many'"),
        (["train", "lfcbm", "PHOTOS", "-m", "seewhy/resnet-t6", "-w", "disk", "-o", "OUT", "--labels", "net"],
         r"--labels is 'net'(.|\n)*network"),
    ],
)  # fmt: skip
def test_mistakes_are_told(arguments: list[str], words: str, made: Path, photo: Path, seewhy: Seewhy) -> None:
    import re

    names = {"PHOTO": photo, "PHOTOS": made / "photos", "CBM": made / "cbm", "OUT": made / "never"}
    result = seewhy(*(names.get(a, a) for a in arguments))
    assert result.code == 1 and re.search(words, result.err)
    assert not (made / "never").exists()


def test_another_network_is_refused(made: Path, photo: Path, seewhy: Seewhy) -> None:
    result = seewhy(
        "query", photo, "-m", made / "cbm", "--point", "1,2", "--network", "seewhy/resnet-t6-balanced"
    )
    assert result.code == 1 and "fingerprint" in result.err


def test_pictures_of_noise_are_what_everybody_can_draw() -> None:
    from seewhy.models.bottleneck_files import noise

    first = noise()[0].pixels
    assert (
        first.shape == (96, 96, 3)
        and first[0, 0].tolist()
        == np.random.default_rng(20250227).integers(0, 256, (96, 96, 3), np.uint8)[0, 0].tolist()
    )
