"""In a notebook an answer is a closed frame with its text below."""

from __future__ import annotations

import re
from html import unescape

from seewhy.report.html import page
from seewhy.report.notebook import notebook
from seewhy.report.tables import text
from tests.made_answers import made_attribution, made_explanation


def test_the_frame_holds_the_page_and_can_reach_nothing() -> None:
    answer = made_explanation(3, names=['"><script>alert(1)</script>', "b", "c"])
    html = notebook(answer)
    (content,) = re.findall(r'srcdoc="([^"]*)"', html)
    assert unescape(content) == page(answer)
    assert 'sandbox="allow-scripts"' in html and "allow-same-origin" not in html


def test_the_text_stands_below() -> None:
    answer = made_attribution()
    (content,) = re.findall(r"<pre>(.*)</pre>", notebook(answer).replace("\n", "\\n"))
    assert unescape(content).replace("\\n", "\n") == text(answer)
