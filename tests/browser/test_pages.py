"""The page in a real browser: it opens from disk, asks for nothing, answers pointer and keys, and is right."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import seewhy.viewer
from seewhy.explanation import Answers
from seewhy.report.article import article
from seewhy.report.html import page
from seewhy.report.notebook import notebook
from seewhy.visualise.overlay import display_size, draw
from seewhy.visualise.scales import concept_scale
from tests.made_answers import made_attribution, made_effects, made_explanation, made_picture

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.conftest import Opened

pytestmark = pytest.mark.browser
Open = Callable[..., "Opened"]

HOSTILE = ("</script><img src=x onerror=alert(1)>", '"><svg onload=alert(1)>', "مرحبا\u202eabc", "y" * 300)


def difference(found: list[int], wanted: np.ndarray) -> int:
    return int(np.abs(np.array(found, int).reshape(wanted.shape) - wanted.astype(int)).max())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "make",
    [
        made_explanation,
        made_attribution,
        made_effects,
        lambda: made_explanation(0),
        lambda: made_explanation(1, (1, 1), made_picture(1, 1)),
        lambda: made_attribution((224, 224), made_picture(9, 300)),
        lambda: Answers([made_explanation(2), made_attribution(), made_explanation(0)]),
    ],
)
def test_it_opens_from_disk_without_a_request_or_a_complaint(opened: Open, make: Any, scheme: str) -> None:
    view = opened(page(make()), color_scheme=scheme)
    assert view.complaints == []
    # Chromium reports data: addresses as requests too; they lie in the file.
    assert [url for url in view.requests if not url.startswith("data:")] == [view.page.url]
    background = view.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(245, 246, 248)", "dark": "rgb(14, 17, 22)"}[scheme]


@pytest.mark.parametrize(
    "make",
    [
        lambda: made_attribution((5, 3), made_picture(90, 561)),
        lambda: made_attribution((1, 1), made_picture(40, 2), signed=False),
        lambda: made_explanation(4, (7, 7), made_picture(560, 3)),
    ],
)
def test_the_map_in_the_page_has_pythons_pixels(opened: Open, make: Any) -> None:
    # These pictures are drawn, so that they are stored without loss.
    answer = make()
    view = opened(page(answer))
    assert "image/png" in str(view.page.locator(".picture").get_attribute("src"))[:20]
    # Maps travel as half floats, and browsers keep colours to one step.
    assert difference(view.pixels(), draw(answer, size=display_size(answer.image.size))) <= 2


def test_pointing_at_a_row_shows_the_map_of_its_concept_and_a_click_keeps_it(opened: Open) -> None:
    answer = made_explanation(4, (5, 6), made_picture(560, 3))
    view = opened(page(answer))
    whole = view.pixels()
    strongest = answer.top(4)
    view.page.locator('[data-concept="2"]').hover()
    wanted = draw(answer, strongest[2].map, scale=concept_scale(strongest))
    assert difference(view.pixels(), wanted) <= 2
    assert strongest[2].name in view.page.locator(".showing").inner_text()
    assert "activation, per cell" in view.page.locator(".legend .unit").inner_text()
    view.page.mouse.move(2, 2)
    assert view.pixels() == whole
    view.page.locator('[data-concept="1"] button').click()
    view.page.mouse.move(2, 2)
    pinned = draw(answer, strongest[1].map, scale=concept_scale(strongest))
    assert difference(view.pixels(), pinned) <= 2
    assert view.page.locator('[aria-pressed="true"]').count() == 1


def test_pointing_at_the_picture_reads_the_cell_under_it(opened: Open) -> None:
    answer = made_explanation(3, (4, 5))
    view = opened(page(answer))
    box = view.page.locator("canvas").bounding_box()
    assert box is not None
    height, width = answer.image.size
    x0, y0, x1, y1 = answer.geometry.seen_box
    # The middle of cell (1, 3) of 4x5.
    x, y = x0 + 3.5 / 5 * (x1 - x0), y0 + 1.5 / 4 * (y1 - y0)
    view.page.mouse.move(box["x"] + x / width * box["width"], box["y"] + y / height * box["height"])
    words = view.page.locator(".here").inner_text()
    value = f"{answer.where[1, 3]:+.3g}".replace("-", "−")
    assert words.startswith(f"Row 2, column 4: {value} (logit per cell)"), words
    best = max(answer.concepts, key=lambda c: abs(float(c.shares[1, 3])))  # type: ignore[index]
    assert f"Most here: {best.name} " in words
    view.page.mouse.move(box["x"] + 2, box["y"] + 2)
    assert view.page.locator(".here").inner_text() == "The model did not see this part of the picture."


def test_everything_works_by_keyboard_alone(opened: Open) -> None:
    answer = made_explanation(3, (4, 5), made_picture(40, 560))
    view = opened(page(answer))
    whole = view.pixels()
    keys = view.page.keyboard
    keys.press("Tab")
    assert view.page.evaluate("document.activeElement.className") == "stage"
    assert view.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    keys.press("ArrowRight")
    assert view.page.locator(".spoken").inner_text().startswith("Row 3, column 3:")
    for _ in range(9):
        keys.press("ArrowLeft")
    keys.press("ArrowUp")
    assert view.page.locator(".spoken").inner_text().startswith("Row 2, column 1:")
    keys.press("Tab")
    for _ in range(75):
        keys.press("ArrowLeft")
    assert view.page.locator(".opacity-value").inner_text() == "0 %"
    assert difference(view.pixels(), draw(answer, opacity=0.0)) <= 2
    for _ in range(75):
        keys.press("ArrowRight")
    keys.press("Tab")
    keys.press("Space")
    assert view.page.locator(".marks .grid").get_attribute("d") != ""
    keys.press("Tab")
    keys.press("Tab")
    assert view.pixels() != whole, "focus on a row tries its map on"
    keys.press("Enter")
    assert view.page.locator('[aria-pressed="true"]').count() == 1
    assert view.page.locator(".spoken").inner_text().endswith("Pinned.")
    keys.press("Escape")
    assert view.page.locator('[aria-pressed="true"]').count() == 0


def test_without_a_script_the_map_and_the_table_can_be_read(opened: Open) -> None:
    answer = made_explanation(5)
    view = opened(page(answer), java_script_enabled=False)
    assert view.page.locator(".drawn").is_visible() and view.page.locator(".picture").is_visible()
    assert not view.page.locator(".controls").is_visible()
    text = view.page.locator("body").inner_text()
    for concept in answer.concepts:
        assert concept.name in text
    assert "= logit" in text and "logit per cell" in text


def test_a_map_on_its_own_scale_fills_it_and_says_so(opened: Open) -> None:
    answer = made_explanation(4, (5, 6), made_picture(560, 3))
    view = opened(page(answer))
    view.page.get_by_label("Own scale").check()
    view.page.locator('[data-concept="3"]').hover()
    weakest = answer.top(4)[3]
    assert difference(view.pixels(), draw(answer, weakest.map, scale=concept_scale([weakest]))) <= 2
    assert "(own scale of this map)" in view.page.locator(".legend .unit").inner_text()
    assert view.page.locator(".legend .high").inner_text() == f"{weakest.map.max():.3g}"


def test_names_of_others_do_nothing(opened: Open) -> None:
    answer = made_explanation(4, names=HOSTILE, picture=made_picture(name=HOSTILE[0]))
    view = opened(page(Answers([answer, answer]), title=HOSTILE[1], command=HOSTILE[0]))
    box = view.page.locator("canvas").first.bounding_box()
    assert box is not None
    view.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert "onerror" in view.page.locator(".here").first.inner_text()
    assert view.page.locator("img[onerror], svg[onload], img[src='x']").count() == 0
    assert view.complaints == []
    wide = view.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 1280, "a long name does not push the page sideways"


def test_a_batch_shows_one_answer_at_a_time_and_the_address_keeps_it(opened: Open) -> None:
    view = opened(page(Answers([made_explanation(2, seed=i) for i in range(3)])))
    shown = view.page.locator("seewhy-explanation:visible")
    assert shown.count() == 1 and shown.get_attribute("id") == "answer-1"
    view.page.locator(".strip a").nth(2).click()
    view.page.wait_for_selector("#answer-3[ready]")
    assert shown.get_attribute("id") == "answer-3" and view.page.url.endswith("#answer-3")
    assert view.page.locator("[aria-current]").count() == 1
    view.page.reload()
    view.page.wait_for_selector("#answer-3[ready]")
    assert shown.get_attribute("id") == "answer-3"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_and_targets_are_large_enough(opened: Open, scheme: str) -> None:
    view = opened(page(made_explanation(4), command="seewhy explain bird.png"), color_scheme=scheme)
    view.page.locator('[data-concept="1"] button').click()
    weak = view.page.evaluate(CONTRASTS)
    assert weak == []
    for target in view.page.locator("button:visible, .controls label:visible").all():
        box = target.bounding_box()
        assert box is not None and min(box["width"], box["height"]) >= 24


CONTRASTS = """() => {
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const weak = [];
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.offsetParent) continue;
    if (e.closest("script, .unseen")) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) weak.push(e.className + ": " + e.textContent.slice(0, 40));
  }
  return weak;
}"""


def test_narrow_screens_and_large_text_do_not_push_the_page_sideways(opened: Open) -> None:
    for width in (390, 640, 1024):
        view = opened(page(made_explanation(4)), viewport={"width": width, "height": 800})
        assert view.page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_frame_of_a_notebook_works_in_its_sandbox(opened: Open) -> None:
    both = Answers([made_explanation(3), made_attribution()])
    view = opened(f"<!doctype html><title>notebook</title>{notebook(both)}")
    frame = view.page.frame_locator("iframe")
    frame.locator("#answer-1[ready]").wait_for(timeout=15_000)
    frame.locator(".strip a").nth(1).click()
    frame.locator("#answer-2[ready]").wait_for(timeout=15_000)
    assert frame.locator("#answer-2 canvas").is_visible()
    assert view.complaints == []


@pytest.fixture
def served() -> Iterator[str]:
    """The viewer's folder on a loopback server, as a studio would serve it."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    folder = str(Path(seewhy.viewer.__file__).parent)
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=folder)
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_the_same_modules_work_served_one_by_one(browser: Browser, served: str) -> None:
    answer = made_explanation(3, (4, 4), made_picture(560, 5))
    context = browser.new_context()
    try:
        view = context.new_page()
        body = article(answer, key="answer-1", budget=900_000, longest=1024)
        head = f'<script type="module" src="{served}/main.js"></script><link rel="icon" href="data:,">'
        head += f'<link rel="stylesheet" href="{served}/viewer.css">'
        view.route(
            f"{served}/page",
            lambda route: route.fulfill(body=head + body, content_type="text/html; charset=utf-8"),
        )
        view.goto(f"{served}/page")
        view.wait_for_selector("seewhy-explanation[ready]", timeout=15_000)
        assert view.locator("canvas").is_visible()
    finally:
        context.close()
