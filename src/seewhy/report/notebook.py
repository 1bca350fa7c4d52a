"""An answer in a notebook: its page in a frame that can reach nothing, and its text below."""

from __future__ import annotations

from html import escape
from typing import Any

from seewhy.explanation.answer import Answer
from seewhy.explanation.answers import Answers
from seewhy.report.html import page
from seewhy.report.tables import text

HEIGHT = 760


def notebook(answer: Answer | Answers[Any]) -> str:
    """HTML for a notebook cell: the page of `report.html` in a sandboxed frame.

    No server, extension or network is needed. The text follows folded up, for viewers that drop frames.
    """
    frame = (
        f'<iframe sandbox="allow-scripts" width="100%" height="{HEIGHT}" frameborder="0" '
        f'title="Explanation" srcdoc="{escape(page(answer), quote=True)}"></iframe>'
    )
    return f"{frame}<details><summary>As text</summary><pre>{escape(text(answer))}</pre></details>"
