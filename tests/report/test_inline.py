"""The viewer's modules become one script: ordered, whole, and with names that do not meet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import seewhy.viewer
from seewhy.report.inline import inlined, module_order, script, source, styles

VIEWER = Path(seewhy.viewer.__file__).parent


def test_every_module_is_in_the_script_once_after_its_imports() -> None:
    order = module_order("main.js")
    files = {path.relative_to(VIEWER).as_posix() for path in VIEWER.rglob("*.js")}
    assert set(order) == files and len(order) == len(files)
    for place, name in enumerate(order):
        for target in re.findall(r'from "\./([^"]+)"', source(name)):
            path = f"maths/{target}" if name.startswith("maths/") else target
            assert order.index(path) < place


def test_names_at_the_top_of_the_modules_are_unique() -> None:
    found: dict[str, str] = {}
    for name in module_order("main.js"):
        pattern = r"^(?:export )?(?:async )?(?:function|class|const|let|var) (\w+)"
        for top in re.findall(pattern, source(name), re.MULTILINE):
            assert top not in found, f"{top} is in {found[top]} and {name}"
            found[top] = name
    assert {"placeMap", "blendMap", "SeewhyExplanation"} <= set(found)


def test_no_import_or_export_is_left_and_nothing_is_fetched() -> None:
    assert not re.search(r"^\s*(import|export)\b", script(), re.MULTILINE)
    for word in ("fetch(", "XMLHttpRequest", "WebSocket", "innerHTML", "eval(", "http:", "https:", "url("):
        text = (script() + styles()).replace("http://www.w3.org/2000/svg", "")
        assert word not in text, word


def test_maths_modules_do_not_touch_a_document() -> None:
    for path in (VIEWER / "maths").glob("*.js"):
        assert not re.search(r"\b(document|window|HTMLElement|querySelector)\b", path.read_text()), path.name


@pytest.mark.parametrize("body", ["import x from './y.js';\n", "export default 3;\n", 'a = "</script>";\n'])
def test_forms_that_cannot_be_inlined_are_noticed(body: str) -> None:
    with pytest.raises(AssertionError, match=r"bad\.js"):
        inlined({"bad.js": body})
