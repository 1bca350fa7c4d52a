"""Receipts in a real browser: readable without a script, in both colour schemes, on narrow screens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seewhy.explanation import Explanation, Receipt
from seewhy.report.html import page
from tests.browser.test_pages import CONTRASTS, Open
from tests.explanation.test_receipt import BAD_MAP, NO_EDITS, receipt
from tests.made_answers import made_attribution, made_explanation

pytestmark = pytest.mark.browser
NOTED = {"notes": ("map: no concept tells its contribution by place.",)}


def explained(made: Receipt) -> Explanation:
    return replace(made_explanation(4), receipt=made)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("changes", [{}, NOTED | BAD_MAP, {"predicted": (2.0, -1.0, 0.5)}])
def test_text_stands_out_and_nothing_is_complained_about(opened: Open, scheme: str, changes: dict) -> None:
    view = opened(page(explained(receipt(**changes))), color_scheme=scheme)
    assert view.complaints == [] and view.page.evaluate(CONTRASTS) == []
    box = view.page.locator(".badge").bounding_box()
    assert box is not None and box["height"] < 30


def test_without_a_script_all_of_it_can_be_read(opened: Open) -> None:
    view = opened(page(explained(receipt(**NOTED))), java_script_enabled=False)
    words = view.page.locator(".receipts").inner_text()
    for part in ("The numbers hold", "The map holds", "1.000", "stripes", "0.35", "Not tested: map"):
        assert part in words, part
    for drawing in view.page.locator(".receipts .drawing").all():
        assert drawing.is_visible() and drawing.get_attribute("role") == "img"
    line = view.page.locator("polyline.hidden").evaluate("e => getComputedStyle(e).stroke")
    assert line != view.page.locator("polyline.shown").evaluate("e => getComputedStyle(e).stroke") != "none"


@pytest.mark.parametrize("width", [390, 700, 1024, 1280])
def test_it_fits_its_width_and_no_letter_is_cut_off(opened: Open, width: int) -> None:
    large, small = (tuple(scale * value for value in (-1.2345, 1.0, 0.5)) for scale in (1e4, 1e-7))
    for answer in (
        explained(receipt(predicted=large, measured=large)),
        explained(receipt(predicted=small, measured=small)),
        made_attribution(receipt=receipt(**NO_EDITS)),
    ):
        view = opened(page(answer), viewport={"width": width, "height": 800})
        assert view.page.evaluate("document.documentElement.scrollWidth") <= width
        outside = view.page.evaluate(
            """() => [...document.querySelectorAll(".drawing text")].filter((letters) => {
                const inner = letters.getBoundingClientRect();
                const outer = letters.ownerSVGElement.getBoundingClientRect();
                return inner.left < outer.left - 1 || inner.right > outer.right + 1
                    || inner.bottom > outer.bottom + 1;
            }).map((letters) => letters.textContent)"""
        )
        assert outside == []
