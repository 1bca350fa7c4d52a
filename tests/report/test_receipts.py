"""Receipts on the page and in the table: the badge, both drawings, numbers that are those of the receipt."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from seewhy.explanation import Answers, Explanation, Receipt
from seewhy.report.html import page
from seewhy.report.load import load_answer
from seewhy.report.receipts import badge, section
from seewhy.report.tables import text
from tests.explanation.test_receipt import BAD_MAP, CONSTANT, NO_EDITS, NO_MAP, receipt
from tests.made_answers import made_attribution, made_explanation
from tests.report.test_html import Page


def explained(made: Receipt) -> Explanation:
    return replace(made_explanation(4), receipt=made)


CHANGES: dict[str, dict[str, Any]] = {
    "all": {},
    "fails": {"predicted": (2.0, -1.0, 0.5)} | BAD_MAP,
    "no edits": NO_EDITS,
    "no map": NO_MAP | {"notes": ("map: none",)},
    "alike": CONSTANT,
    "nothing": NO_EDITS | NO_MAP,
    "dead": {"predicted": (0.0,) * 3, "measured": (0.0,) * 3, "alone": ()},
    "logit": {"score": "logit", "deletion_curve": (-5.0, -9.0, -7.0)},
    "flat": {"deletion_curve": (0.0,) * 3, "insertion_curve": (0.0,) * 3, "random_curve": (0.0,) * 3},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_every_receipt_has_a_well_formed_section(changes: dict[str, Any]) -> None:
    made = receipt(**changes)
    for answer in (explained(made), made_attribution(receipt=made)):
        html = page(answer)
        Page(html)
        assert html.count('class="receipts"') == 1 and "nan" not in section(made)
        assert f'class="badge {made.state}"' in html


def test_an_answer_that_was_not_checked_has_none() -> None:
    assert badge(None) == section(None) == ""
    html = page(made_explanation())
    assert 'class="badge' not in html and 'class="receipts"' not in html
    assert "receipt" not in text(made_explanation())


@pytest.mark.parametrize(
    ("changes", "words"),
    [({}, "holds"), (BAD_MAP, "holds in part"), ({"predicted": (9.0, 9.0, 0.0)}, "fails")],
)
def test_the_badge_says_the_verdict_in_words_and_form(changes: dict[str, Any], words: str) -> None:
    found = badge(receipt(**changes))
    assert re.sub("<[^>]*>", "", found) in {f"{mark} checked: {words}" for mark in "✓≈✗"}


def test_each_edit_is_a_dot_and_exact_ones_lie_on_the_line() -> None:
    exact, wrong = section(receipt()), section(receipt(measured=(-1.0, 2.0, 2.0)))
    assert exact.count("<circle") == 3
    (line,) = re.findall(r'class="equal" x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)"', exact)
    x1, y1, x2, y2 = map(float, line)

    def distances(html: str) -> list[float]:
        dots = re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', html)
        return [abs(float(y) - (y1 + (float(x) - x1) / (x2 - x1) * (y2 - y1))) for x, y in dots]

    assert max(distances(exact)) < 0.2
    assert sum(distance > 20 for distance in distances(wrong)) == 1


def test_curves_run_from_edge_to_edge_at_their_heights() -> None:
    html = section(receipt())
    wanted = {
        "hidden": (0.9, 0.2, 0.1),
        "shown": (0.1, 0.8, 0.9),
        "random": (0.9, 0.4, 0.1),
        "random shown-back": (0.1, 0.4, 0.9),
    }
    for kind, curve in wanted.items():
        (points,) = re.findall(f'<polyline class="{kind}" points="([^"]+)"', html)
        across, down = zip(*(map(float, point.split(",")) for point in points.split()), strict=True)
        assert across == (54.0, 170.0, 286.0)
        # From zero at the foot of the frame, 194, up; the largest is drawn a little below its head, 10.
        assert [(194 - y) / (194 - 10) * 0.9 * 1.05 for y in down] == pytest.approx(curve, abs=1e-3)


def test_the_numbers_of_the_page_are_those_of_the_receipt() -> None:
    seen = re.sub("<[^>]*>", " ", section(receipt(measured=(-1.0, 2.0, 0.4))))
    for words in (
        "R²",
        "0.99",
        "0.35",
        "0.45",
        "0.65",
        "± 0.05",
        "stripes",
        "−1.00",
        "16 random orders",
        "9 passes",
    ):
        assert words in seen, words


def test_names_in_a_receipt_stay_text() -> None:
    hostile = "</script><img src=x onerror=alert(1)>"
    rows = tuple(row._replace(name=hostile) for row in receipt().alone)
    html = page(explained(receipt(alone=rows, notes=(hostile,))))
    plain = page(explained(receipt(notes=("note",))))
    assert [tag for tag, _ in Page(html).elements] == [tag for tag, _ in Page(plain).elements]


def test_the_table_has_the_verdict_and_both_areas() -> None:
    lines = text(explained(receipt())).splitlines()
    assert "  receipt: holds; 3 edits of concepts predicted with R2 1.000, worst miss 0" in lines
    assert "  faithfulness: deletion 0.35 (random 0.45), insertion 0.65 (random 0.45)" in lines
    assert "receipt: fails" in text(made_attribution(receipt=receipt(**NO_EDITS, **BAD_MAP)))
    assert "  not tested: map: why" in text(explained(receipt(**NO_MAP, notes=("map: why",))))


def test_a_page_keeps_its_receipt(tmp_path: Any) -> None:
    made: Receipt = receipt()
    explained(made).save(tmp_path / "why.html")
    assert load_answer(tmp_path / "why.html").receipt == made
    both = page(Answers([explained(made), made_attribution()]))
    assert both.count('class="receipts"') == 1
