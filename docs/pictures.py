"""Make the pictures of the documentation again: `python docs/pictures.py` (needs Chromium, takes a minute)."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from seewhy.demo.run import main as run_demo

HERE = Path(__file__).parent


def chromium() -> str:
    for name in (os.environ.get("SEEWHY_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        if name and shutil.which(name):
            return str(shutil.which(name))
    sys.exit("Chromium was not found; set SEEWHY_CHROMIUM to it.")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        demo = run_demo(Path(folder))
        print(demo.to_text())
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1200, "height": 860}, color_scheme="light")
        page.goto(demo.pages["planted"].as_uri())
        page.wait_for_timeout(500)
        (HERE / "images").mkdir(exist_ok=True)
        page.screenshot(path=HERE / "images" / "page.png")
        browser.close()


if __name__ == "__main__":
    main()
