"""Every code block of the documentation runs, in order, in an empty folder with a photograph and a network."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^( *)```(\w+)([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> Iterator[tuple[str, str, str]]:
    """(language, what follows it on the line, code) of each fenced block."""
    for indent, language, info, code in BLOCK.findall(page.read_text()):
        yield language, info.strip(), "\n".join(line.removeprefix(indent) for line in code.splitlines())


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the demonstration's pictures and a file that builds a network."""
    from PIL import Image

    from seewhy.demo.marked import audit_pictures, make_twins
    from seewhy.demo.run import write_marked, write_photos

    monkeypatch.chdir(tmp_path)
    twins = make_twins(0, n=48)
    write_marked(twins, tmp_path / "demo" / "pictures")
    Image.fromarray(twins.plain[0]).save(tmp_path / "demo" / "pictures" / "scene.png")
    write_photos(audit_pictures(0, n=240), tmp_path / "demo" / "photos")
    network = next(code for _, info, code in blocks(ROOT / "README.md") if "my_net.py" in info)
    (tmp_path / "my_net.py").write_text(network + "\n")
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_blocks_run(page: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from seewhy.attribution.methods import METHODS

    before = dict(METHODS._entries), dict(METHODS._aliases)
    # Dataclasses look their module up, so the blocks of a page are one.
    module = types.ModuleType("docs_page")
    monkeypatch.setitem(sys.modules, "docs_page", module)
    try:
        for language, info, code in blocks(page):
            if language == "python" and not info:
                exec(compile(code, f"{page.name}", "exec", dont_inherit=True), vars(module))
            elif language == "bash" and info != "not-run":
                for line in code.splitlines():
                    run_command(line)
    finally:
        METHODS._entries, METHODS._aliases = before


def run_command(line: str) -> None:
    """A `seewhy ...` line, in this process; other lines of a shell block are not ours to run."""
    words = shlex.split(line, comments=True)
    if not words or Path(words[0]).name != "seewhy":
        return
    from seewhy.cli.app import run

    expanded = [
        part
        for word in words[1:]
        for part in (sorted(map(str, Path().glob(word))) if "*" in word else [word])
    ]
    assert run(expanded) == 0, line


def test_the_finder_of_blocks_sees_indented_and_titled_ones() -> None:
    found = list(blocks(ROOT / "CONTRIBUTING.md"))
    assert [language for language, _, _ in found] == ["python"]
    assert found[0][2].startswith("from __future__")


def test_generated_pages_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_gallery_is_fresh() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "gallery.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_method_has_its_page() -> None:
    from seewhy.attribution.methods import METHODS

    pages = {path.stem for path in (ROOT / "docs" / "methods").glob("*.md")} - {"index"}
    assert pages == set(METHODS)


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
