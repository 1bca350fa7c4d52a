"""Answers as one page: a single file that needs nothing else, opens from disk and is readable without a script."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Any

from seewhy._version import __version__
from seewhy.errors import InputError, message
from seewhy.explanation.answer import Answer
from seewhy.explanation.answers import Answers
from seewhy.report.article import article
from seewhy.report.inline import script, styles
from seewhy.report.pictures import data_uri
from seewhy.visualise.overlay import display_size, picture_at
from seewhy.visualise.wording import clean, score_text

ONE, MANY = 1_000_000, 20_000_000
"""Bytes that a page of one answer, and of many, should keep below."""

SHELL, LINK = 60_000, 12_000
"""Of these, what styles, script and heading take, and each thumbnail of the strip."""


def page(
    answer: Answer | Answers[Any],
    *,
    title: str | None = None,
    command: str | None = None,
    top_k: int = 16,
) -> str:
    """Write a page.

    Parameters
    ----------
    answer
        One answer, or several, among which a strip of thumbnails chooses.
    title
        Of the page; None names the picture and the class.
    command
        How to make the page again, shown as it is.
    top_k
        Concepts kept per answer; the rest is one row of the sum. The data in the page can be read back by
        `load_answer` if all were kept.

    Returns
    -------
    html
        The same for the same answer. It asks for nothing from outside and its security policy forbids it.
        Pictures are shown at 1024 pixels at most and shrink further to keep a page of one answer under 1 MB
        and one of many under 20 MB; data is never shortened, so a map of more than about 400x400 cells
        makes the page larger.

    Raises
    ------
    InputError
        If there is no answer, or an answer holds NaN or infinity.
    """
    answers = list(answer) if isinstance(answer, Answers) else [answer]
    if not answers:
        raise InputError(
            message(
                "There is no answer in the list.", "A page shows at least one.", "Explain a picture first."
            )
        )
    many = len(answers) > 1
    budget = min(ONE - SHELL, (MANY - SHELL) // len(answers) - LINK)
    articles = [
        article(
            one,
            key=f"answer-{i + 1}",
            budget=budget,
            longest=640 if many else 1024,
            top_k=top_k,
            command=command,
        )
        for i, one in enumerate(answers)
    ]
    heading = escape(clean(title or _title(answers), 200))
    # The heading of a single answer says it already; a screen reader still finds the page's own.
    unseen = "" if title or many else ' class="unseen"'
    shown = f"<h1{unseen}>{heading}</h1>"
    body = f"""<div class="page"><header class="masthead"><span class="brand">Seewhy</span>{shown}</header>
<main>
{_strip(answers) if many else ""}
{chr(10).join(articles)}
</main>
<p class="foot">Made by Seewhy {__version__}. This file holds everything it shows and asks for nothing else.</p>
</div>"""
    return _document(heading, body)


def _document(heading: str, body: str, *more_styles: str, live: bool = True) -> str:
    """The file around a body; with further style sheets of the viewer, and without its script if not `live`."""
    css, code = f"\n{styles(*more_styles)}", f"\n{script()}"
    runs = _hash(code) if live else "'none'"
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(css)}; script-src {runs}; "
        "base-uri 'none'; form-action 'none'"
    )
    module = f'\n<script type="module">{code}</script>' if live else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{heading}</title>
<style>{css}</style>
</head>
<body>
{body}{module}
</body>
</html>
"""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def _title(answers: list[Any]) -> str:
    if len(answers) > 1:
        return f"{len(answers)} pictures explained"
    return f"{answers[0].image.name}: why {answers[0].target.name}?"


def _strip(answers: list[Any]) -> str:
    links = "".join(_link(one, i + 1) for i, one in enumerate(answers))
    return f'<nav class="strip" aria-label="Pictures">{links}</nav>'


def _link(answer: Answer, place: int) -> str:
    thumb = data_uri(
        picture_at(answer.image, display_size(answer.image.size, longest=160, shortest=80)), quality=70
    )
    name, target = escape(clean(answer.image.name, 60)), escape(clean(answer.target.name, 60))
    return (
        f'<a href="#answer-{place}" title="{name}"><span class="thumb"><img src="{thumb}" alt=""></span>'
        f'<span class="file"><bdi>{name}</bdi></span>'
        f'<span class="what"><bdi>{target}</bdi><span>{score_text(answer.target.score)}</span></span></a>'
    )
