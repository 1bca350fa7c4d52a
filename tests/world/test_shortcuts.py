"""The shortcut audit finds what is planted, and lets pass what is fair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pytest
from scipy.stats import binom

from seewhy.errors import InputError
from seewhy.world.concepts import concept_names, present
from seewhy.world.drawing.renderer import render
from seewhy.world.sampling import Grammar, sample_scene
from seewhy.world.scene import Scene
from seewhy.world.shortcuts.audit import Audit, Sizes, audit
from seewhy.world.shortcuts.base import Information, Row, codes, exact, phi, wilson
from seewhy.world.shortcuts.features import colour_histogram, positions, thumbnail, total_area
from seewhy.world.shortcuts.nuisance import information_rows, nuisances
from seewhy.world.shortcuts.page import page
from seewhy.world.shortcuts.predictors import (
    AREA,
    BACKGROUND,
    COUNT,
    FILE,
    HISTOGRAM,
    PART,
    POSITIONS,
    THUMBNAIL,
    accuracy_rows,
    bar_of,
    by_table,
)
from seewhy.world.shortcuts.presence import (
    expected,
    is_exempt,
    joint,
    look,
    overall,
    phi_rows,
    prevalence_rows,
)
from seewhy.world.tasks.tasks import find_task

SPLITS = ("train", "val", "test")
PLAIN = Grammar(counts=(1, 2, 3), creatures=(0,), backgrounds=("plain",), noise=0.0, lighting=0.0)


def silent(_: int) -> None:
    pass


@dataclass(frozen=True)
class Fake:
    """Two classes; `plant` makes the scene of a class from an ordinary one."""

    plant: Callable[[Scene, int], Scene]
    rule: Callable[[Scene], int]
    name: str = "fake"
    classes: tuple[str, ...] = ("no", "yes")
    grammar: Grammar = PLAIN

    def scene(self, split: str = "train", index: int = 0) -> Scene:
        return self.plant(sample_scene(1000 + SPLITS.index(split), index, self.grammar), index % 2)

    def label(self, scene: Scene, /) -> int:
        return self.rule(scene)


def parity(scene: Scene) -> int:
    return scene.index % 2


def hue(scene: Scene, label: int) -> Scene:
    return replace(scene, background=replace(scene.background, rgb=((150, 136, 106), (98, 116, 142))[label]))


def shift(scene: Scene, label: int) -> Scene:
    first = scene.items[0]
    return scene.with_item(replace(first, x=(0.35, 0.65)[label]))


def noise(scene: Scene, label: int) -> Scene:
    return replace(scene, noise=(0.0, 3.0)[label])


def large(scene: Scene, label: int) -> Scene:
    return replace(scene, items=tuple(replace(item, radius=(0.1, 0.14)[label]) for item in scene.items))


def paint(scene: Scene, label: int) -> Scene:
    return replace(scene, items=tuple(replace(item, rgb=(255 * label,) * 3) for item in scene.items))


def fewer(scene: Scene, label: int) -> Scene:
    return replace(scene, items=scene.items[:1] if label else scene.items)


FAIR = Fake(lambda scene, _: scene, parity)


@lru_cache
def rows_of(task: Fake) -> dict[str, Row]:
    return {row.predictor: row for row in accuracy_rows(task, 120, 40, 120, silent)}


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (hue, {HISTOGRAM, THUMBNAIL, BACKGROUND}),
        (shift, {POSITIONS}),
        (noise, {FILE}),
        (large, {AREA}),
        (fewer, {COUNT, AREA}),
    ],
)
def test_a_planted_leak_is_found_by_the_predictors_that_can_see_it(
    plant: Callable[[Scene, int], Scene], found: set[str]
) -> None:
    missed = {name for name, row in rows_of(Fake(plant, parity)).items() if not row.passed}
    assert missed >= found


def test_a_label_that_goes_with_nothing_passes() -> None:
    assert all(row.passed for row in rows_of(FAIR).values())


def test_the_background_alone_does_not_see_the_items() -> None:
    rows = rows_of(Fake(paint, parity))
    assert rows[BACKGROUND].passed and not rows[HISTOGRAM].passed


def test_one_part_that_tells_the_class_is_found() -> None:
    columns = np.array([[0, 1], [1, 1], [0, 2], [1, 2]] * 5)
    labels = columns[:, 0] + 3
    assert by_table((columns, columns, columns), [labels] * 3) == 20
    assert by_table((columns[:, 1:],) * 3, [labels] * 3) == 10
    assert bar_of(PART, "T4", 24) == (0.35, None)


@pytest.mark.parametrize(
    ("plant", "named"),
    [
        (lambda scene, label: replace(scene, noise=(1.0, 5.0)[label]), "information in noise"),
        (fewer, "information in the number of objects"),
        (shift, "information in column of the object painted first"),
    ],
)
def test_information_names_the_factor_that_leaks(plant: Callable[[Scene, int], Scene], named: str) -> None:
    rows = information_rows(Fake(plant, parity), 150, silent)
    assert named in {row.predictor for row in rows if not row.passed}


def test_information_is_taken_given_the_number_of_objects() -> None:
    """Three objects of two colours have more red ones than one object: no leak beside that of the number."""
    grammar = replace(PLAIN, counts=(3,), colours=("red", "blue"))
    task = Fake(fewer, parity, grammar=grammar)
    rows = information_rows(task, 300, silent)
    names = [row.predictor for row in rows if not row.passed]
    assert "information in the number of objects" in names
    assert "information in number of red objects" not in names
    reds = [sum(o.colour == "red" for o in task.scene("test", i).objects) for i in range(300)]
    alone = Information(np.arange(300) % 2, np.zeros(300, np.int64))
    assert alone.bits(codes(reds))[0] > 0.1


def test_information_of_a_fair_task_shows_one_row_that_passes() -> None:
    rows = information_rows(FAIR, 200, silent)
    assert len(rows) == 1 and rows[0].passed and "most of" in rows[0].predictor


def test_information_of_a_copy_is_its_entropy_and_of_chance_is_none() -> None:
    rng = np.random.default_rng(0)
    labels, strata = rng.integers(0, 4, 4000), rng.integers(0, 3, 4000)
    measured = Information(labels, strata)
    copied, error = measured.bits(labels)
    assert copied == pytest.approx(2.0, abs=0.02) and error < 0.02
    # 0: chi-squared with 27 degrees of freedom is taken off; uncorrected it would be 27 / (2 n ln 2) = 0.005.
    bits, error = measured.bits(rng.integers(0, 4, 4000))
    assert abs(bits) < 4 * error and error < 0.004


def test_information_of_few_scenes_and_many_values_is_not_called_a_leak() -> None:
    """As many values as scenes: the plain estimate is all of the label's entropy."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 8, 300)
    bits, error = Information(labels, np.zeros(300, np.int64)).bits(np.arange(300))
    assert abs(bits) <= 4 * error + 1e-9


def test_phi_within_strata_is_the_correlation_of_what_is_left() -> None:
    rng = np.random.default_rng(2)
    strata = rng.integers(0, 2, 3000)
    # Both follow the stratum and nothing else: correlated over all, not within.
    has = rng.random((3000, 3)) < np.where(strata, 0.9, 0.1)[:, None]
    has[:, 2] = has[:, 0]
    found, errors = phi(has, strata)
    assert np.corrcoef(has[:, 0], has[:, 1])[0, 1] > 0.5
    assert abs(found[0, 1]) < 4 * errors[0, 1] and found[0, 2] == pytest.approx(1.0)
    constant, _ = phi(np.ones((5, 2), np.bool_), np.zeros(5, np.int64))
    assert np.isnan(constant).all()


def test_concepts_that_go_together_are_found_and_exclusive_ones_are_exempt() -> None:
    has, objects, creatures = look(find_task("T8"), 300, silent)
    names = concept_names("atomic")
    has[:, names.index("red")] = has[:, names.index("bricks")]
    rows = phi_rows("T8", has, objects, creatures)
    assert [row.predictor.split(" (")[0] for row in rows if not row.passed] == ["red and bricks together"]
    assert is_exempt("grass", "water") and is_exempt("orange", "disk") and is_exempt("red", "blue")
    assert not is_exempt("red", "star") and not is_exempt("hooked beak", "forked tail")


def test_a_concept_that_is_too_rare_is_found() -> None:
    has, objects, _ = look(find_task("T8"), 300, silent)
    assert all(row.passed for row in prevalence_rows("T8", has, objects))
    has[::2, concept_names("atomic").index("striped")] = False
    missed = [row.predictor for row in prevalence_rows("T8", has, objects) if not row.passed]
    assert len(missed) == 1 and missed[0].startswith("prevalence of striped")


def test_the_expectation_is_what_the_sampler_gives() -> None:
    task = find_task("T8")
    shares = np.mean([present(task.scene("val", index)) for index in range(600)], 0)
    assert sum(joint().values()) == pytest.approx(1.0)
    for name, share in zip(concept_names("atomic"), shares, strict=True):
        # 53 comparisons: false alarm one in a thousand of all seeds, and this seed is fixed.
        low, high = binom.interval(1 - 1e-3 / 53, 600, overall(name))
        assert low <= round(600 * share) <= high, name
    assert expected("red", 1) > expected("orange", 1) and expected("solid", 2) == pytest.approx(1 - 0.8**2)


def test_a_bar_is_missed_only_beyond_chance() -> None:
    low, high = wilson(52, 100)
    assert Row("T", "p", 0.52, low, high, 0.5).passed and not Row("T", "p", 0.52, low, high, 0.5).sure
    assert not Row("T", "p", 0.7, *wilson(70, 100), 0.5).passed
    below = Row("T", "p", 0.2, *wilson(20, 100), 0.52, 0.48)
    assert not below.passed and "0.480 to 0.520" in str(below)
    assert Row("T", "p", 0.9, *wilson(90, 100)).passed


def test_wilson_bounds_are_where_the_score_test_turns() -> None:
    low, high = wilson(7, 40)
    for bound in (low, high):
        assert abs(7 / 40 - bound) / np.sqrt(bound * (1 - bound) / 40) == pytest.approx(1.959964, abs=1e-6)
    assert wilson(0, 5)[0] == 0.0 and wilson(5, 5)[1] == 1.0


def test_exact_bounds_are_where_a_tail_has_its_share() -> None:
    low, high = exact(3, 11, intervals=2)
    assert binom.sf(2, 11, low) == pytest.approx(0.0125) and binom.cdf(3, 11, high) == pytest.approx(0.0125)
    # One scene that has a concept of one in twenty is no news among 318 comparisons.
    assert exact(1, 1, 318)[0] < 0.05 and exact(0, 4)[0] == 0.0 and exact(4, 4)[1] == 1.0


def test_features_of_a_picture_are_its_colours_and_means() -> None:
    rgb = np.zeros((17, 17, 3), np.uint8)
    rgb[:, 8:] = (255, 0, 0)
    histogram = colour_histogram(rgb)
    assert histogram[7 * 64] ** 2 == pytest.approx(9 / 17) and histogram[0] ** 2 == pytest.approx(8 / 17)
    small = thumbnail(rgb).reshape(8, 8, 3)
    assert (small[:, 4:, 0] == 1).all() and (small[:, :4] == 0).all() and (small[..., 1:] == 0).all()


def test_features_of_a_scene_are_its_places_and_area() -> None:
    scene = sample_scene(3, 4, PLAIN)
    row = positions(scene)
    first = scene.objects[0]
    assert row[:3] == pytest.approx([1, first.x - 0.5, first.y - 0.5])
    # The coordinates of 6 objects and 2 creatures, 2 x 36 cells, 7 + 3 counts.
    assert len(row) == 3 * 8 + 72 + 10 and row[24:96].sum() == len(scene.items)
    drawn = render(scene, 64)
    assert total_area(drawn) == pytest.approx(1 - drawn.background.mean())
    assert set(nuisances(scene, "T1x")) >= {"noise", "mean column", "number of red objects"}


def test_codes_are_equal_where_values_are() -> None:
    assert codes(["b", 1, "b", None]).tolist() == [0, 1, 0, 2]


def test_an_audit_goes_through_json_and_names_its_problems() -> None:
    found = audit(
        Sizes(40, 20, 40, 60),
        predicted=[Fake(hue, parity)],
        informed=[Fake(noise, parity)],
        counted=[],
        progress=None,
    )
    assert Audit.from_dict(found.to_dict()) == found
    assert any(problem.startswith(f"fake: {HISTOGRAM}: accuracy") for problem in found.problems)
    assert found.to_markdown().count("**no**") == len(found.problems)
    assert "missed their bar" in page(found) and page(replace(found, rows=())).count("All 0 rows passed")
    with pytest.raises(InputError, match="It has world_version, sizes and rows"):
        Audit.from_dict({"rows": []})


def test_sizes_are_checked() -> None:
    with pytest.raises(InputError, match="number of val scenes"):
        Sizes(val=3)
