"""The viewer's modules in one script.

A page opened from disk may not import modules from its folder, so they are put one after the other, each
after those that it imports, without their import and export words. They share one scope then: names at their
top level are unique over all modules, which a test checks.
"""

from __future__ import annotations

import posixpath
import re
from functools import cache
from importlib.resources import files

ENTRY = "main.js"
_IMPORT = re.compile(r'^import\s+\{[^}]*\}\s+from\s+"(\.[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function|class|const)", re.MULTILINE)


@cache
def script() -> str:
    """All modules that the entry needs, as the text of one `<script type="module">`."""
    return inlined({name: source(name) for name in module_order(ENTRY)})


@cache
def styles(*more: str) -> str:
    """The viewer's style sheet, and the files in `more` after it."""
    return "\n".join(source(name) for name in ("viewer.css", *more))


def source(name: str) -> str:
    """Text of a file of the viewer; its path is relative to the viewer's folder."""
    return files("seewhy.viewer").joinpath(name).read_bytes().decode().replace("\r\n", "\n")


def module_order(entry: str) -> list[str]:
    """`entry` and all that it imports, each after its own imports; the same order every time."""
    order: list[str] = []
    _visit(entry, order, ())
    return order


def inlined(modules: dict[str, str]) -> str:
    """Join modules, given in order, without their import and export words."""
    parts = []
    for name, text in modules.items():
        body = _EXPORT.sub("", _IMPORT.sub("", text))
        assert not re.search(r"^(?:import|export)\b", body, re.MULTILINE), f"{name}: unknown import or export"
        assert "</script" not in body.lower() and "<!--" not in body, f"{name} would end or hide the script"
        parts.append(f"// {name}\n{body.strip()}\n")
    return "\n".join(parts)


def _visit(name: str, order: list[str], path: tuple[str, ...]) -> None:
    assert name not in path, f"modules import each other in a circle: {' -> '.join((*path, name))}"
    if name in order:
        return
    for target in _IMPORT.findall(source(name)):
        _visit(posixpath.normpath(posixpath.join(posixpath.dirname(name), target)), order, (*path, name))
    order.append(name)
