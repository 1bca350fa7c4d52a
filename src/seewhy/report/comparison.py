"""Two answers side by side as one page, and as files: `Comparison.save` and its place in a notebook."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

from seewhy._version import __version__
from seewhy.explanation.answer import Answer
from seewhy.explanation.comparison import Comparison
from seewhy.report.comparison_tables import (
    A,
    B,
    comparison_text,
    contributions_html,
    facts_html,
    predictions_html,
    says,
    sides,
    title_of,
    warnings_of,
)
from seewhy.report.data import DATA_CLASS, dumps, to_dict
from seewhy.report.html import ONE, SHELL, _document
from seewhy.report.markup import definitions, minus, name, script_json, text
from seewhy.report.save import save_by
from seewhy.report.stage import Stage
from seewhy.visualise.colours import Scale
from seewhy.visualise.comparison import CHANGE, agreement_facts, figure, pair_scales
from seewhy.visualise.overlay import OPACITY
from seewhy.visualise.wording import clean, listing, number, place_words, score_text

LONGEST = 640
HEIGHT = 760
STYLES = "comparison.css"


def page(
    comparison: Comparison, *, title: str | None = None, command: str | None = None, top_k: int = 16
) -> str:
    """Write the page of a comparison: both maps on one scale where that is fair, what differs, and by how much.

    Parameters
    ----------
    title
        Of the page; None names what is compared.
    command
        How to make the page again, shown as it is.
    top_k
        Concepts shown, those that changed most first.

    Returns
    -------
    html
        One file that needs nothing else, readable without a script. It holds the two maps, not the concepts'
        own maps; save the answers themselves to keep these.
    """
    heading = escape(clean(title or title_of(comparison), 200))
    lines = "".join(f"<li>{text(line)}</li>" for line in warnings_of(comparison))
    facts, rows = facts_html(comparison), contributions_html(comparison, top_k)
    again = ""
    if command:
        again = f"<section><h3>How to reproduce</h3><pre><code>{text(command)}</code></pre></section>"
    body = f"""<div class="page"><header class="masthead"><span class="brand">Seewhy</span></header>
<main><article class="card comparison">
<header class="answer-head"><h1>{heading}</h1><p>{text(says(comparison))}</p></header>
{f'<ul class="warnings" aria-label="Please note">{lines}</ul>' if lines else ""}
{_stages(comparison)}
<div class="body"><div class="look">{_agreement(comparison)}{predictions_html(comparison)}
{facts if rows else ""}</div>
<div class="why">{rows or facts}</div></div>
<div class="facts"><div class="columns">{_choices(comparison)}</div>{again}</div>
</article></main>
<p class="foot">Made by Seewhy {__version__}. This file holds everything it shows and asks for nothing else.</p>
</div>"""
    return _document(heading, body, STYLES)


def save(comparison: Comparison, output: str | os.PathLike[str], **options: Any) -> Path:
    """Write a comparison to `output`: .html (title, command, top_k), .json (top_k), .png or .svg (opacity).

    Errors as `report.save.save`.
    """
    return save_by(WRITERS, comparison, output, options)


def notebook(comparison: Comparison) -> str:
    """HTML for a notebook cell: the page in a frame that can reach nothing, and its text below."""
    frame = (
        f'<iframe sandbox="allow-scripts" width="100%" height="{HEIGHT}" frameborder="0" '
        f'title="Comparison" srcdoc="{escape(page(comparison), quote=True)}"></iframe>'
    )
    shown = escape(comparison_text(comparison))
    return f"{frame}<details><summary>As text</summary><pre>{shown}</pre></details>"


def _stages(comparison: Comparison) -> str:
    scales = pair_scales(comparison)
    panels = [
        _panel(letter, answer, scale, key=f"side-{letter.lower()}")
        for letter, answer, scale in zip(
            (A, B), sides(comparison), (scales.first, scales.second), strict=True
        )
    ]
    words = [scales.words] if scales.words else []
    if comparison.difference is not None:
        panels.append(_change(comparison))
    elif comparison.why_no_difference and comparison.why_no_difference in scales.words:
        words.append("For the same reason there is no map of the difference.")
    elif comparison.why_no_difference:
        words.append(f"There is no map of the difference: {comparison.why_no_difference}.")
    note = f'<p class="note">{text(" ".join(words))}</p>' if words else ""
    return f'<div class="stages n{len(panels)}">{"".join(panels)}</div>{note}'


def _panel(letter: str, answer: Answer, scale: Scale | None, key: str) -> str:
    target = answer.target
    facts = [
        f"score <b>{score_text(target.score)}</b>",
        f"logit <b>{minus(number(target.logit))}</b>",
        name(answer.meta.method.get("name", ""), 60),
    ]
    model = answer.meta.model.get("id")
    about = ", ".join(name(part, 60) for part in (answer.image.name, model) if part)
    head = (
        f'<h2><span class="letter">{letter}</span> {name(target.name)}</h2>'
        f'<p class="numbers">{"".join(f"<span>{fact}</span>" for fact in facts)}</p><p class="file">{about}</p>'
    )
    return _stage(head, answer, Stage(answer, (), LONGEST, scale=scale), key)


def _change(comparison: Comparison) -> str:
    difference = comparison.difference
    assert difference is not None
    logit, score = difference.target.logit, difference.target.score
    head = (
        f'<h2><span class="letter">{CHANGE}</span> what changed</h2><p class="numbers">'
        f"<span>score <b>{minus(f'{score:+.2f}')}</b></span>"
        f'<span>logit <b>{minus(number(logit, sign=True))}</b></span></p><p class="file">on its own scale</p>'
    )
    where = difference.describe_where()
    words = (
        f"Nowhere does {B} count more than {A}."
        if where == "nowhere"
        else f"{B} counts more than {A} most {place_words(where)}."
    )
    return _stage(head, difference, Stage(difference, (), LONGEST, words=words), "side-change")


def _stage(head: str, answer: Answer, stage: Stage, key: str) -> str:
    data, view = script_json(to_dict(answer, top_k=0)), script_json(stage.view())
    budget = (ONE - SHELL) // 3 - len(data) - len(view) - 3_000
    return (
        f'<section class="side"><div class="side-head">{head}</div><seewhy-explanation id="{key}">'
        f"{stage.markup(budget)}"
        f'<script type="application/json" class="{DATA_CLASS}">{data}</script>'
        f'<script type="application/json" class="seewhy-view">{view}</script></seewhy-explanation></section>'
    )


def _agreement(comparison: Comparison) -> str:
    agreement = comparison.agreement
    grid = f"{agreement.grid[0]} × {agreement.grid[1]} cells" if agreement.grid else ""
    facts = [(key, minus(value)) for key, value in agreement_facts(agreement)]
    note = (
        '<p class="note">Correlations go from −1 to 1, 0 for unrelated maps. The last is the share of the '
        "positive evidence, each map's taken as 100 %, that both put in the same cells.</p>"
    )
    return (
        f'<h3>How far the maps agree <span class="quiet">{grid}</span></h3>'
        f'<div class="map-facts">{definitions(facts)}</div>{note if agreement.grid else ""}'
    )


def _choices(comparison: Comparison) -> str:
    """How either answer came about; said once where it is the same."""
    one, other = (answer.meta for answer in sides(comparison))
    sections = ""
    for title, first, second in (
        ("choices made", one.choices, other.choices),
        ("method", one.method, other.method),
    ):
        told = [(f"{A} and {B}", first)] if first == second else [(A, first), (B, second)]
        for letter, facts in told:
            if listed := listing(facts.items()):
                sections += f"<section><h3>{letter}: {title}</h3>{definitions(listed)}</section>"
    return sections


def _html(
    comparison: Comparison, *, title: str | None = None, command: str | None = None, top_k: int = 16
) -> bytes:
    return page(comparison, title=title, command=command, top_k=top_k).encode()


def _json(comparison: Comparison, *, top_k: int | None = None) -> bytes:
    return (dumps(comparison.to_dict(top_k=top_k), indent=1) + "\n").encode()


def _drawn(format_: str) -> Callable[..., bytes]:
    def write(comparison: Comparison, *, opacity: float = OPACITY) -> bytes:
        stream = io.BytesIO()
        figure(comparison, opacity=opacity).savefig(stream, format=format_)
        return stream.getvalue()

    return write


WRITERS: dict[str, Callable[..., bytes]] = {
    ".html": _html,
    ".json": _json,
    ".png": _drawn("png"),
    ".svg": _drawn("svg"),
}
"""Suffix -> what makes the bytes of the file; its keyword arguments are the options of `save`."""
