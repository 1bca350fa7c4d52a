"""The page of a comparison in a real browser: two live stages, no request, no complaint, narrow and dark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import seewhy as sw
from seewhy.report.comparison import page
from seewhy.visualise.comparison import pair_scales
from seewhy.visualise.overlay import display_size, draw
from tests.browser.test_pages import CONTRASTS, difference
from tests.made_answers import made_attribution, made_explanation, made_picture

if TYPE_CHECKING:
    from tests.browser.conftest import Opened

pytestmark = pytest.mark.browser
Open = Callable[..., "Opened"]


def two(picture: Any = None) -> sw.Comparison:
    picture = picture or made_picture()
    return sw.compare(made_explanation(6, picture=picture), made_explanation(6, picture=picture, seed=1))


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (900, "light"), (1280, "dark")])
def test_it_opens_at_any_width_without_a_request_or_a_complaint(
    opened: Open, width: int, scheme: str
) -> None:
    view = opened(page(two()), viewport={"width": width, "height": 800}, color_scheme=scheme)
    view.page.wait_for_selector("#side-change[ready]")
    assert view.complaints == []
    assert [url for url in view.requests if not url.startswith("data:")] == [view.page.url]
    assert view.page.evaluate("document.documentElement.scrollWidth") <= width
    assert view.page.evaluate(CONTRASTS) == []


def test_the_sides_stand_beside_each_other_and_one_below_the_other_when_narrow(opened: Open) -> None:
    for width, beside in ((1280, True), (360, False)):
        view = opened(page(two()), viewport={"width": width, "height": 800})
        one, other = (view.page.locator(f"#side-{side} canvas").bounding_box() for side in "ab")
        assert one is not None and other is not None
        assert (one["y"] == other["y"]) is beside and (one["x"] == other["x"]) is not beside


def test_both_stages_have_pythons_pixels_on_the_shared_scale(opened: Open) -> None:
    # A narrow picture that is drawn is stored without loss.
    comparison = two(made_picture(560, 3))
    scales = pair_scales(comparison)
    view = opened(page(comparison))
    for i, (answer, scale) in enumerate(
        ((comparison.first, scales.first), (comparison.second, scales.second), (comparison.difference, None))
    ):
        assert answer is not None
        view.page.locator("seewhy-explanation").nth(i).locator("canvas").wait_for()
        wanted = draw(answer, scale=scale, size=display_size(answer.image.size, longest=640))
        assert difference(view.pixels(i), wanted) <= 2


def test_pointing_reads_a_cell_of_each_side(opened: Open) -> None:
    other = made_attribution(meta=replace(made_attribution().meta, method={"name": "rise", "unit": "u"}))
    view = opened(page(sw.compare(made_attribution(), other)))
    for side in "ab":
        view.page.locator(f"#side-{side} canvas").hover()
        words = view.page.locator(f"#side-{side} .here").inner_text()
        assert words.startswith("Row 4, column 4: "), words
