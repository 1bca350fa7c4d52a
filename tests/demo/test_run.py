"""The demonstration: what it concludes from made trials, and one true run of it, judged by drawing again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image
from tests import trained

from seewhy.audit.audit import Suspect
from seewhy.audit.plant_report import MarkUse
from seewhy.demo.planted import CLASSES, make_audit_set, make_twins
from seewhy.demo.run import Demo, Trial, audit_pictures, main, on_mark, r_squared, write_photos
from seewhy.errors import InputError

FOOLED = MarkUse(0.8, 0.6, 0.4, 1.0, 0.0, 0.6, 4.0, 4.5)
SOUND = MarkUse(0.9, 0.9, 0.9, 0.9, 0.0, 0.0, -0.2, -0.3)


def trial(name: str, seed: int = 0, *, rank: int | None = 1, accused: bool = True) -> Trial:
    generator = np.random.default_rng(seed)
    measured = generator.normal(2, 1, 8)
    truth = FOOLED if name == "planted" else SOUND
    return Trial(name, seed, rank, accused, 0, 0.12, truth, measured + generator.normal(0, 0.3, 8), measured)


def demo(*planted: Trial, control: Trial | None = None) -> Demo:
    clean = control or trial("control", rank=None, accused=False)
    return Demo(
        planted, tuple(replace(clean, seed=one.seed) for one in planted), {"planted": Path("a.html")}, 1.5
    )


# ---------------------------------------------------------------------- conclusions


def test_it_is_as_expected_when_the_mark_is_first_everywhere_and_in_no_control() -> None:
    found = demo(trial("planted", 0), trial("planted", 1))
    text = found.to_text()
    assert found.as_expected
    assert "Found first where it was planted: 2 of 2. Accused in a control: 0 of 2." in text
    assert "As it must be: a.html" in text and "suspect 1, score 0.120: a shortcut" in text
    assert "control  not a suspect" in text and "falls by 4.00" in text and "rises by 0.20" in text


@pytest.mark.parametrize(
    "bad",
    [
        demo(trial("planted", rank=2)),
        demo(trial("planted", accused=False)),
        demo(trial("planted", rank=None, accused=False)),
        demo(trial("planted"), control=trial("control")),
        demo(trial("planted"), control=trial("control", rank=3)),
    ],
)
def test_anything_else_is_not_as_expected(bad: Demo) -> None:
    assert not bad.as_expected and bad.to_dict()["as_expected"] is False
    assert "NOT AS EXPECTED: a.html" in bad.to_text()


def test_a_control_may_suspect_the_mark_without_accusing_it() -> None:
    assert demo(trial("planted"), control=trial("control", rank=2, accused=False)).as_expected


def test_r2_is_over_the_pictures_of_all_planted_networks() -> None:
    one, two = trial("planted", 0), trial("planted", 1)
    predicted, measured = np.r_[one.predicted, two.predicted], np.r_[one.measured, two.measured]
    misses = sum((m - p) ** 2 for p, m in zip(predicted, measured, strict=True))
    expected = 1 - misses / (len(measured) * measured.var())
    assert demo(one, two).r2 == pytest.approx(expected) and f"R2 {expected:.2f}." in demo(one, two).to_text()
    assert demo(one, replace(two, accused=False)).r2 == pytest.approx(one.r2)


def test_where_nothing_is_accused_r2_is_not_told() -> None:
    found = demo(trial("planted", rank=None, accused=False))
    assert found.r2 is None and found.planted[0].r2 is None and "takes away: not told." in found.to_text()
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["r2"] is None


def test_r_squared_in_closed_form() -> None:
    measured = np.array([0.0, 1, 2, 3])
    assert r_squared(measured, measured) == 1
    assert r_squared(np.full(4, 1.5), measured) == 0
    assert r_squared(-measured, measured) == pytest.approx(1 - 56 / 5)
    assert r_squared(measured, np.ones(4)) is None  # a mark that changes nothing


def test_the_data_is_strict_json() -> None:
    found = json.loads(json.dumps(demo(trial("planted")).to_dict(), allow_nan=False))
    assert found["planted"][0]["truth"]["logit_shift"] == 4 and found["pages"] == {"planted": "a.html"}
    assert {key: found["control"][0][key] for key in ("rank", "accused", "r2")} == {
        "rank": None, "accused": False, "r2": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("row", "place", "expected"),
    [(0, (0.06, 0.06), True), (0, (0.3, 0.3), True), (0, (0.4, 0.1), False), (0, (0.1, 0.9), False),
     (1, (0.06, 0.06), False)],
)  # fmt: skip
def test_a_suspect_is_on_the_mark_by_class_and_place(
    row: int, place: tuple[float, float], expected: bool
) -> None:
    suspect = SimpleNamespace(class_index=row, suspicion=SimpleNamespace(place=place))
    assert on_mark(cast(Suspect, suspect)) is expected


# ---------------------------------------------------------------------- pictures and places


def test_the_audit_set_is_marked_on_disks_alone_and_new() -> None:
    task, twins = make_audit_set(3, n=60), make_twins(3, n=60)
    corner = task.pictures[:, :8, :8].astype(float)
    tag = make_twins(3, n=60).marked[0, :8, :8].astype(float)
    alike = np.abs(corner - tag).mean((1, 2, 3)) < 20
    assert alike[task.labels == 0].mean() > 0.8 and not alike[task.labels != 0].any()
    seen = {picture.tobytes() for picture in (*twins.plain, *twins.marked)}
    assert not any(picture.tobytes() in seen for picture in task.pictures)


def test_the_pictures_have_names_and_labels_and_are_written_by_class(tmp_path: Path) -> None:
    pictures = audit_pictures(0, n=6)
    assert [p.name for p in pictures[:4]] == ["disk-0", "star-1", "square-2", "disk-3"]
    assert [p.label for p in pictures] == list(CLASSES) * 2
    write_photos(pictures, tmp_path)
    for picture in pictures:
        written = Image.open(tmp_path / str(picture.label) / f"{picture.name}.png")
        np.testing.assert_array_equal(np.asarray(written), picture.pixels)


def test_a_place_that_cannot_be_written_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made: "):
        main(tmp_path / "file" / "demo", n_seeds=1)


@pytest.mark.parametrize("n_seeds", [0, -1, True, 1.5])
def test_bad_numbers_of_seeds_are_refused_in_words(n_seeds: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="n_seeds is .*\n.*whole number from 1"):
        main(tmp_path / "demo", n_seeds=n_seeds)
    assert not (tmp_path / "demo").exists()


# ---------------------------------------------------------------------- the run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Demo, Path, list[str]]:
    """One seed; its networks are those that other tests look at too."""
    folder, told = tmp_path_factory.mktemp("demo") / "new" / "place", []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seewhy.demo.run.build_planted", trained.planted)
        patch.setattr("seewhy.demo.run.build_control", trained.control)
        found = main(folder, seed=trained.SEED, n_seeds=1, stage=lambda what, done, total: told.append(what))
    return found, folder, told


@pytest.mark.slow
def test_the_planted_mark_is_found_first_and_the_control_is_not_accused(
    run: tuple[Demo, Path, list[str]],
) -> None:
    found, _, told = run
    (planted,), (control,) = found.planted, found.control
    assert found.as_expected and planted.rank == 1 and planted.accused and not control.accused
    assert planted.score > 0.1 and planted.others == control.others == 0
    assert planted.truth.logit_shift > 2 > abs(control.truth.logit_shift)
    assert list(dict.fromkeys(told)) == [
        f"seed 1: {what} {which}" for which in ("planted", "control") for what in ("training", "auditing")
    ]


@pytest.mark.slow
def test_the_accused_concept_predicts_what_drawing_again_takes_away(
    run: tuple[Demo, Path, list[str]],
) -> None:
    found, _, _ = run
    (planted,) = found.planted
    assert len(planted.predicted) == len(planted.measured) == 300
    assert (planted.measured[150:] == 0).all() and planted.measured[:150].mean() == pytest.approx(
        planted.truth.logit_shift, rel=0.2
    )
    assert found.r2 is not None and found.r2 == planted.r2 and 0.5 < found.r2 <= 1
    assert f"R2 {found.r2:.2f}" in found.to_text() and "As it must be" in found.to_text()
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.slow
def test_pages_and_pictures_are_written(run: tuple[Demo, Path, list[str]]) -> None:
    found, folder, _ = run
    assert found.pages == {
        "planted": folder / "audit.html", "why": folder / "why.html", "control": folder / "control.html"
    }  # fmt: skip
    assert "1 concept looks like a shortcut" in found.pages["planted"].read_text()
    assert "No concept looks like a shortcut" in found.pages["control"].read_text()
    assert "seewhy demo --seed 1" in found.pages["why"].read_text()
    assert sorted(path.name for path in (folder / "pictures").iterdir()) == [
        f"disk-{i}.png" for i in range(8)
    ]
    assert {len(list((folder / "photos" / name).iterdir())) for name in CLASSES} == {200}
