"""Chromium for the pages: Debian's, found on this machine, never downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]


def chromium() -> str | None:
    """The browser named by SEEWHY_CHROMIUM, else the first one on the PATH."""
    names = [os.environ.get("SEEWHY_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    return next((found for name in names if name and (found := shutil.which(name))), None)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A headless browser; a skip that says why where there is none, unless it is required."""
    path = chromium()
    if path is None:
        reason = "no Chromium: set SEEWHY_CHROMIUM or apt-get install chromium; pages are not looked at"
        if "browser" in os.environ.get("SEEWHY_TEST_REQUIRE", "").split(","):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield started
        started.close()


class Opened:
    """A page with everything that it asked for and complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda line: self.complaints.append(line.text) if line.type != "log" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def go(self, where: str) -> Page:
        self.page.goto(where)
        return self.page

    def pixels(self, index: int = 0) -> list[int]:
        """RGB of the canvas, row by row."""
        found: list[int] = self.page.evaluate(
            """async (index) => {
                await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
                const canvas = document.querySelectorAll("seewhy-explanation")[index].querySelector("canvas");
                const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
                return Array.from(data).filter((_, i) => i % 4 !== 3);
            }""",
            index,
        )
        return found


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """`opened(html, **context)` writes a page to disk and opens it by file://."""
    with ExitStack() as stack:

        def open_page(html: str, **options: Any) -> Opened:
            context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
            stack.callback(context.close)
            path = tmp_path / "why.html"
            path.write_text(html, encoding="utf-8")
            view = Opened(context.new_page())
            view.go(path.as_uri())
            if options.get("java_script_enabled", True) and "<seewhy-explanation" in html:
                view.page.wait_for_selector("seewhy-explanation[ready]", timeout=15_000)
            return view

        yield open_page
