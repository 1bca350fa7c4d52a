"""The page of an audit in a real browser: it opens without a script, shows its pictures, fits a phone."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from seewhy.audit.audit import Audit
from seewhy.report.audit_page import notebook, page
from tests.report.made_audit import made_audit
from tests.report.test_html import HOSTILE

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from tests.browser.conftest import Opened

pytestmark = pytest.mark.browser
Open = Callable[..., "Opened"]


@pytest.fixture(scope="module")
def marked() -> Audit:
    return made_audit(marked=True)


@pytest.fixture(scope="module")
def html(marked: Audit) -> str:
    return page(marked)


def seen(place: Locator) -> np.ndarray:
    """The pixels of an element as they are on the screen."""
    return np.asarray(Image.open(io.BytesIO(place.screenshot())).convert("RGB")).astype(int)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("script", [True, False])
def test_it_opens_from_disk_without_a_request_or_a_complaint(
    opened: Open, html: str, scheme: str, width: int, script: bool
) -> None:
    size = {"width": width, "height": 900}
    view = opened(html, color_scheme=scheme, viewport=size, java_script_enabled=script)
    assert view.complaints == []
    assert [url for url in view.requests if not url.startswith("data:")] == [view.page.url]
    assert view.page.evaluate("document.documentElement.scrollWidth") <= width
    background = view.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(245, 246, 248)", "dark": "rgb(14, 17, 22)"}[scheme]


@pytest.mark.parametrize("width", [360, 1280])
def test_long_and_hostile_names_do_not_widen_it(opened: Open, width: int) -> None:
    view = opened(
        page(made_audit(names=("y" * 300, HOSTILE[0], HOSTILE[3]))), viewport={"width": width, "height": 900}
    )
    assert view.complaints == []
    assert view.page.evaluate("document.documentElement.scrollWidth") <= width
    assert view.page.locator("h1").count() == 1 and view.page.locator("body img").count() == 0


def test_crops_whole_pictures_and_maps_are_painted(opened: Open, html: str, marked: Audit) -> None:
    view = opened(html, java_script_enabled=False)
    card = view.page.locator(".suspect.accused")
    (suspect,) = marked.shortcuts().accused
    crop = seen(card.locator(".crop").first)
    wanted = suspect.concept.crops[0].pixels.astype(int)
    # The page shows the crop's pixels as squares: its corner is the mark, its far corner the ground.
    assert np.abs(crop[12, 12] - wanted[0, 0]).max() <= 12
    assert np.abs(crop[-12, -12] - wanted[-1, -1]).max() <= 40
    plain, region = (seen(card.locator(".whole").nth(i)) for i in (0, 1))
    height, width = np.minimum(plain.shape, region.shape)[:2]
    changed = np.abs(plain[:height, :width] - region[:height, :width]).max(-1) > 60
    rows, columns = np.nonzero(changed)
    assert rows.size and rows.mean() < changed.shape[0] / 3 and columns.mean() < changed.shape[1] / 3


def test_the_mean_map_shows_the_corner(opened: Open, html: str) -> None:
    view = opened(html, java_script_enabled=False)
    drawn = seen(view.page.locator(".suspect.accused .whole.grid"))
    height, width = drawn.shape[:2]
    cells = drawn[height // 16 :: height // 8, width // 24 :: width // 12].sum(-1)
    assert cells.argmax() == 0 and cells[0, 0] > 2 * np.median(cells)


def test_a_suspect_that_is_not_accused_opens_by_key_and_without_a_script(opened: Open, html: str) -> None:
    view = opened(html, java_script_enabled=False)
    folded = view.page.locator("details.suspect").first
    assert not folded.locator(".crop").first.is_visible()
    folded.locator("summary").focus()
    view.page.keyboard.press("Enter")
    assert folded.locator(".crop").first.is_visible() and folded.locator(".gauge").is_visible()


def test_the_contents_lead_to_each_section_and_stay_in_sight(opened: Open, html: str, marked: Audit) -> None:
    view = opened(html)
    row = marked.rows[-1]
    view.page.locator(f'.contents a[href="#class-{row}"]').click()
    bar = view.page.locator(".contents").bounding_box()
    heading = view.page.locator(f"#class-{row}-title").bounding_box()
    assert bar is not None and heading is not None
    assert bar["y"] >= 0 and bar["y"] + bar["height"] <= heading["y"] < 900


def test_it_works_in_the_frame_of_a_notebook(opened: Open, marked: Audit) -> None:
    view = opened(f"<!doctype html><title>cell</title>{notebook(marked)}")
    frame = view.page.frame_locator("iframe")
    assert frame.locator("h1").inner_text().endswith("1 concept looks like a shortcut")
    crop = seen(frame.locator(".suspect.accused .crop").first)
    assert crop.max() - crop.min() > 100
    assert view.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(opened: Open, html: str, scheme: str) -> None:
    view = opened(html, color_scheme=scheme)
    found = view.page.evaluate(CONTRAST)
    assert len(found) > 100
    assert [one for one in found if one[0] < 4.5] == []


CONTRAST = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (c) => {
    const [r, g, b] = c.slice(0, 3).map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("main *")].filter((e) => !e.closest("svg") && e.checkVisibility()
      && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())).map((e) => {
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), e.tagName, e.className, e.textContent.slice(0, 30)];
  });
}"""
"""Contrast of every visible text with the ground behind it."""
