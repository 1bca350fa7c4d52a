"""The house: each package may import only from itself and the floors below it."""

from __future__ import annotations

import ast
from pathlib import Path

SRC = Path(__file__).parents[1] / "src" / "seewhy"

FLOORS = [
    "_version errors types registry",
    "images",
    "hub",
    "scale",
    "bundled",
    "explanation",
    "backbones",
    "vlms",
    "vocabulary",
    "grounding",
    "concepts",
    "attribution",
    "importance",
    "heads",
    "models",
    "visualise",
    "world",
    "evaluate",
    "training",
    "bench",
    "audit",
    "testing",
    "report viewer",
    "demo",
    "front",
    "cli",
    "__init__ __main__",
]
"""From the ground up; modules of one line share a floor but not each other, except the ground."""

LEVEL = {name: level for level, names in enumerate(FLOORS) for name in names.split()}


def package_of(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """First-level names of our package that a file imports, wherever in the file it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
            if node.module == "seewhy":
                names = [f"seewhy.{alias.name}" for alias in node.names]
        else:
            assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}: relative import"
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("seewhy.")}
    return found


def upward(files: dict[Path, set[str]]) -> list[str]:
    """Every arrow that does not point down, as 'from -> to'."""
    wrong = []
    for path, targets in files.items():
        own = package_of(path)
        for target in targets - {own}:
            ground = LEVEL[own] == LEVEL[target] == 0
            if not ground and LEVEL[target] >= LEVEL[own]:
                wrong.append(f"{path.relative_to(SRC)} -> seewhy.{target}")
    return wrong


def test_every_package_stands_on_a_floor() -> None:
    packages = {package_of(path) for path in SRC.rglob("*.py")}
    assert packages <= set(LEVEL), f"no floor for {packages - set(LEVEL)}"


def test_imports_only_point_down() -> None:
    files = {path: imports_of(path) for path in SRC.rglob("*.py")}
    assert upward(files) == []


def test_an_upward_import_is_named() -> None:
    assert upward({SRC / "images" / "read.py": {"report"}}) == ["images/read.py -> seewhy.report"]


def test_the_picture_in_the_docs_shows_these_floors() -> None:
    text = (SRC.parents[1] / "docs" / "house.md").read_text()
    drawn = [
        line.removeprefix("|").split("|")[0].replace("`", "").strip()
        for line in text.splitlines()
        if line.startswith("| `")
    ]
    shown = [" ".join(sorted(row.split(", "))) for row in reversed(drawn)]
    present = {package_of(path) for path in SRC.rglob("*.py")} - {"__init__", "__main__"}
    expected = [" ".join(sorted(set(names.split()) & present)) for names in FLOORS]
    assert shown == [names for names in expected if names]
