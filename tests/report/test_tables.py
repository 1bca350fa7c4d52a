"""The table in a terminal: aligned, complete, and safe to print."""

from __future__ import annotations

import dataclasses

import pytest

from seewhy.explanation import Answers, Explanation
from seewhy.report.tables import text
from tests.made_answers import made_attribution, made_effects, made_explanation, made_picture


def test_the_first_line_says_what_was_predicted_by_what() -> None:
    first = text(made_explanation()).splitlines()[0]
    assert first.startswith("bird.png  ->  painted bunting  0.94   (2nd: indigo bunting 0.03)")
    assert first.endswith("model timm/resnet18   seed 0")


def test_a_target_that_is_not_the_prediction_names_the_prediction() -> None:
    answer = made_attribution()
    other = dataclasses.replace(answer, target=answer.prediction[2])
    assert "->  jay  0.01   (1st: painted bunting 0.94)" in text(other)


def test_columns_are_aligned_and_strongest_first() -> None:
    answer = made_explanation(15)
    heading, *rows = text(answer, top_k=4).splitlines()[1:6]
    assert heading.split() == ["concept", "adds", "strength", "where", "share", "of", "image"]
    values = [f"{concept.contribution:+.2f}" for concept in answer.top(4)]
    assert {row.index(value) + len(value) for row, value in zip(rows, values, strict=True)} == {
        heading.index("adds") + len("adds")
    }
    assert {row.index(" p") + 1 for row in rows} == {heading.index("strength")}
    assert [row.startswith(f"  {c.name} ") for row, c in zip(rows, answer.top(4), strict=True)] == [True] * 4


def test_the_rows_of_the_sum_add_up_to_the_logit_as_printed() -> None:
    answer = made_explanation(15)
    line = next(line for line in text(answer, top_k=4).splitlines() if "= logit" in line)
    parts, _, logit = line.partition("= logit")
    numbers = [float(word) for word in parts.split() if word[0] in "+-"]
    shown = sum(concept.contribution for concept in answer.top(4))
    assert len(numbers) == 4
    # Each of the five printed numbers is rounded to two decimals.
    assert shown + sum(numbers) == pytest.approx(float(logit), abs=0.03)


def test_kinds_that_do_not_add_up_have_no_sum() -> None:
    for kind, heading in (("effect", "effect"), ("variance", "importance")):
        table = text(made_effects(kind=kind), top_k=3)
        assert "= logit" not in table
        assert heading in table.splitlines()[1] and "2 more concepts" in table
        assert "add up" in table


def test_without_calibration_there_is_no_strength() -> None:
    assert "strength" not in text(made_effects())


def test_a_map_says_its_range_unit_place_and_gap() -> None:
    table = text(made_attribution(gap=0.02, kind="share"))
    assert "gradient_x_input 7x7   from -0.558 to +0.967 logit per cell" in table
    assert "is strongest in the centre (11 % of the image)" in table and "completeness gap 0.02" in table


def test_choices_warnings_and_notes_are_told() -> None:
    answer = made_attribution(picture=made_picture())
    answer = dataclasses.replace(
        answer,
        image=dataclasses.replace(answer.image, notes=("alpha over white",)),
        meta=dataclasses.replace(answer.meta, warnings=("untrained",)),
    )
    table = text(answer)
    assert (
        "layer: layer4 7x7" in table
        and "warning: untrained" in table
        and "warning: alpha over white" in table
    )


def test_names_of_others_cannot_steer_the_terminal() -> None:
    answer = made_explanation(
        2, names=["\x1b[2Jgone", "two\nlines"], picture=made_picture(name="a\x1b]0;t\x07.png")
    )
    table = text(answer)
    assert all(line.isprintable() for line in table.splitlines())
    assert sum("lines" in line for line in table.splitlines()) == 1


def test_wide_letters_keep_the_columns() -> None:
    rows = text(made_explanation(3, names=["猫", "cat", "e\u0301te\u0301"])).splitlines()[2:5]
    ends = []
    for row in rows:
        value = next(word for word in row.split() if word[0] in "+-")
        before = row[: row.index(value) + len(value)]
        ends.append(len(before) + before.count("猫") - before.count("\u0301"))
    assert len(set(ends)) == 1


def test_no_concepts_and_several_answers() -> None:
    assert "no concepts" in text(made_explanation(0)) and "= logit" in text(made_explanation(0))
    both: Answers[Explanation] = Answers([made_explanation(2), made_explanation(3)])
    assert text(both).count("->") == 2
    assert text(Answers([])) == ""
