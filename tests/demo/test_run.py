"""The demonstration: what it concludes from made results, and one true run of it, judged by drawing again."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.demo.test_trial import SOUND, trial

from seewhy.demo.groups import Groups
from seewhy.demo.marked import audit_pictures
from seewhy.demo.prompts import Prompts
from seewhy.demo.run import Demo, main, write_photos
from seewhy.demo.trial import Trial
from seewhy.errors import InputError

GROUPS = Groups(
    {"wader on grass": 50, "wader on water": 40},
    {
        "resnet-t5-biased": {"wader on grass": 0.5, "wader on water": 1.0},
        "resnet-t5-balanced": {"wader on grass": 1.0, "wader on water": 1.0},
    },
)
BLANK = np.zeros((4, 4, 3), np.uint8)
PROMPTS = Prompts(("a red star", "a blue ring"), (0.3, 0.7), (0.9, 0.1), (BLANK, BLANK))


ALIKE = Groups(GROUPS.sizes, dict.fromkeys(GROUPS.accuracy, {"wader on grass": 0.9, "wader on water": 1.0}))


def demo(
    planted: Trial, control: Trial | None = None, prompts: Prompts = PROMPTS, groups: Groups = GROUPS
) -> Demo:
    clean = control or trial("control", rank=None, accused=False, truth=SOUND)
    return Demo(planted, clean, groups, prompts, {"planted": Path("a.html")}, 1.5)


# ---------------------------------------------------------------------- conclusions


def test_it_is_as_expected_when_the_mark_is_first_and_not_in_the_control_and_words_follow() -> None:
    found = demo(trial("resnet"))
    text = found.to_text()
    assert found.as_expected and text.splitlines()[-1] == "As it must be: a.html"
    assert "  resnet   suspect 1, score 0.120: a shortcut  falls by 4.00" in text
    assert "  control  not a suspect                       rises by 0.20" in text
    assert "  resnet-t5-biased    50% (worst)     100%" in text
    assert "  resnet-t5-balanced  100%            100%" in text
    assert "  a red star   30%        90%" in text and "with a red circle around the red star" in text
    assert f"R2 {found.planted.r2:.2f}." in text


@pytest.mark.parametrize(
    "bad",
    [
        demo(trial("resnet", rank=2)),
        demo(trial("resnet", accused=False)),
        demo(trial("resnet", rank=None, accused=False)),
        demo(trial("resnet"), control=trial("control")),
        demo(trial("resnet"), prompts=replace(PROMPTS, circled=(0.4, 0.6))),
        demo(trial("resnet"), prompts=replace(PROMPTS, circled=(0.5, 0.5))),
        demo(trial("resnet"), prompts=replace(PROMPTS, plain=(0.7, 0.3))),
        demo(trial("resnet"), groups=ALIKE),
    ],
)
def test_anything_else_is_not_as_expected(bad: Demo) -> None:
    assert not bad.as_expected and bad.to_dict()["as_expected"] is False
    assert "NOT AS EXPECTED: a.html" in bad.to_text()


def test_a_control_may_suspect_the_mark_without_accusing_it() -> None:
    assert demo(trial("resnet"), control=trial("control", rank=2, accused=False)).as_expected


def test_where_nothing_is_accused_r2_is_not_told() -> None:
    assert "takes away: not told." in demo(trial("resnet", rank=None, accused=False)).to_text()


def test_the_data_is_strict_json() -> None:
    found = json.loads(json.dumps(demo(trial("resnet")).to_dict(), allow_nan=False))
    assert found["planted"]["name"] == "resnet" and found["pages"] == {"planted": "a.html"}
    assert found["groups"]["accuracy"]["resnet-t5-biased"]["wader on grass"] == 0.5
    assert found["prompts"]["texts"] == ["a red star", "a blue ring"]


# ---------------------------------------------------------------------- pictures and places


def test_photos_are_written_by_class(tmp_path: Path) -> None:
    pictures = audit_pictures(0, n=6)
    write_photos(pictures, tmp_path)
    for picture in pictures:
        written = Image.open(tmp_path / str(picture.label) / f"{picture.name}.png")
        np.testing.assert_array_equal(np.asarray(written), picture.pixels)


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made: "):
        main(tmp_path / "file" / "demo")


# ---------------------------------------------------------------------- the run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Demo, Path, list[str]]:
    folder, told = tmp_path_factory.mktemp("demo") / "new" / "place", []
    found = main(folder, seed=0, stage=lambda what, done, total: told.append(what))
    return found, folder, told


@pytest.mark.slow
def test_the_planted_mark_is_found_first_and_the_control_is_not_accused(
    run: tuple[Demo, Path, list[str]],
) -> None:
    found, _, told = run
    assert found.as_expected and found.planted.rank == 1 and found.planted.accused
    assert found.planted.score > 0.1 and found.planted.others == found.control.others == 0
    assert found.planted.truth.logit_shift > 2 > abs(found.control.truth.logit_shift)
    assert told == ["auditing resnet-t6", "auditing resnet-t6-balanced", "waders and walkers", "words"]


@pytest.mark.slow
def test_the_accused_concept_predicts_what_drawing_again_takes_away(
    run: tuple[Demo, Path, list[str]],
) -> None:
    found, _, _ = run
    planted = found.planted
    assert len(planted.predicted) == len(planted.measured) == 300
    assert (planted.measured[150:] == 0).all() and planted.measured[:150].mean() == pytest.approx(
        planted.truth.logit_shift, rel=1e-6
    )
    assert planted.r2 is not None and 0.5 < planted.r2 <= 1
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.slow
def test_groups_and_words_come_out_as_the_cards_say(run: tuple[Demo, Path, list[str]]) -> None:
    found, _, _ = run
    biased, balanced = (found.groups.accuracy[name] for name in ("resnet-t5-biased", "resnet-t5-balanced"))
    assert min(biased, key=biased.__getitem__) in ("wader on grass", "walker on water")
    assert min(biased.values()) < 0.1 and min(balanced.values()) > 0.95
    assert sum(found.groups.sizes.values()) == 400
    assert len(found.prompts.texts) >= 3 and sum(found.prompts.circled) == pytest.approx(1)


@pytest.mark.slow
def test_pages_and_pictures_are_written(run: tuple[Demo, Path, list[str]]) -> None:
    found, folder, _ = run
    assert found.pages == {
        "planted": folder / "audit.html", "why": folder / "why.html", "control": folder / "control.html"
    }  # fmt: skip
    assert re.search(r"\d concepts? looks? like (a )?shortcut", found.pages["planted"].read_text())
    assert "No concept looks like a shortcut" in found.pages["control"].read_text()
    assert "seewhy demo --seed 0" in found.pages["why"].read_text()
    assert sorted(path.name for path in (folder / "pictures").iterdir()) == [
        "circled.png", *(f"disk-{i}.png" for i in range(8)), "scene.png"
    ]  # fmt: skip
    assert sum(len(list(kind.iterdir())) for kind in (folder / "photos").iterdir()) == 600
