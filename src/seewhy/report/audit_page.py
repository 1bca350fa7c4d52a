"""An audit as one page, as data, and in a notebook: `Audit.save` and its place in a cell.

The page is read from the top: the verdict, the suspects with what speaks for them, what cannot be known, and then
every class in its concepts. It needs no script: what is long is folded up by the browser itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

from seewhy._version import __version__
from seewhy.attribution.base import versions
from seewhy.audit.audit import Audit, Shortcuts
from seewhy.report.audit_words import SPACE, accuracy, counted, data_name, notes, percent, verdict
from seewhy.report.class_section import class_section
from seewhy.report.concept_pictures import ConceptPictures, Detail
from seewhy.report.data import dumps
from seewhy.report.html import MANY, _document
from seewhy.report.markup import definitions, name, script_json, text
from seewhy.report.picture_store import PictureStore
from seewhy.report.save import save_by
from seewhy.report.suspect_card import suspect_card
from seewhy.visualise.wording import clean, listing

DATA_CLASS = "seewhy-audit"
"""Class of the script block that holds `Audit.to_dict`."""

STYLES = "audit.css"
HEIGHT = 860

DETAILS = (Detail(10, 3), Detail(10, 1), Detail(5, 1), Detail(3, 0), Detail(1, 0), Detail(0, 0))
"""How much may be shown of each concept, most first."""

CROP_BYTES, REGION_BYTES, TEXT_BYTES = 2_000, 10_000, 4_500
"""What a crop, a region, and the words and data of a concept take: nine in ten take less on photographs."""

HOW = (
    "score = the larger of weight there × exclusive there × min(1, 4 × fixed × edge) and weight × exclusive × "
    "max(tied, outside), each part from 0 to 1. A concept is accused if the "
    f"lower end of the 95{SPACE}% interval of its score, over resampled pictures, is above the threshold. Decides "
    "and logit drop are measured: the concept is taken out of the features and the rest of the network runs again."
)


def page(audit: Audit, *, title: str | None = None, command: str | None = None, top_k: int = 10) -> str:
    """Write the page of an audit.

    Parameters
    ----------
    title
        Of the page; None is the verdict.
    command
        How to make the page again, shown as it is; None shows the Python.
    top_k
        Suspects shown.

    Returns
    -------
    html
        One file that needs nothing else and holds `audit.to_dict()`. It stays below 20 MB for up to about 4,000
        concepts: with more than 300 fewer crops and regions are shown of each.

    Raises
    ------
    InputError
        If a number is NaN or infinite.
    """
    shortcuts, reports = audit.shortcuts(top_k), [audit.report(row) for row in audit.rows]
    detail = detail_for(sum(len(report.concepts) for report in reports))
    store = PictureStore()
    painters = {report.index: ConceptPictures(audit, report, store) for report in reports}
    accused = [suspect.class_index for suspect in shortcuts.accused]
    cards = "\n".join(
        suspect_card(suspect, i + 1, shortcuts.threshold, painters[suspect.class_index], detail)
        for i, suspect in enumerate(shortcuts)
    )
    classes = "\n".join(
        class_section(audit, report, painters[report.index], detail, accused.count(report.index))
        for report in reports
    )
    unknown = "".join(f"<li>{text(line[:1].upper() + line[1:])}.</li>" for line in shortcuts.unknown)
    nav = _contents(audit, accused)
    data = script_json(audit.to_dict(top_k))
    body = f"""<div class="page audit"><header class="masthead"><span class="brand">Seewhy</span></header>
<main>
{_head(audit, shortcuts, title)}
{nav}
<section class="card" id="shortcuts" aria-labelledby="shortcuts-title">
<header class="answer-head"><h2 id="shortcuts-title">Shortcuts</h2><p class="quiet">Concepts of one class that sit in
one place at the border, go with a property of the picture, or lie off the object; most suspicious first.</p></header>
{cards or '<p class="inside">There is no suspect.</p>'}
<p class="note how">{HOW}</p>
</section>
<section class="card" id="unknown" aria-labelledby="unknown-title">
<header class="answer-head"><h2 id="unknown-title">What this audit cannot know</h2></header>
<ul class="unknown inside">{unknown}</ul>
</section>
{classes}
{_facts(audit, command)}
</main>
<p class="foot">Made by Seewhy {__version__}. This file holds everything it shows and asks for nothing else.</p>
</div>
{store.markup()}
<script type="application/json" class="{DATA_CLASS}">{data}</script>"""
    heading = text(title or f"{verdict(audit, shortcuts)}: {audit.craft.backbone.name}", 200)
    return _document(heading, body, STYLES, live=False)


def detail_for(n_concepts: int) -> Detail:
    """The most that can be shown of each of so many concepts within the size of a page."""
    for detail in DETAILS:
        each = detail.crops * CROP_BYTES + detail.regions * REGION_BYTES + TEXT_BYTES
        if n_concepts * each <= 0.9 * MANY:
            return detail
    return DETAILS[-1]


def save(audit: Audit, output: str | os.PathLike[str], **options: Any) -> Path:
    """Write an audit to `output`: .html (title, command, top_k) or .json (top_k).

    Errors as `report.save.save`.
    """
    return save_by(WRITERS, audit, output, options)


def notebook(audit: Audit) -> str:
    """HTML for a notebook cell: the page in a frame that can reach nothing, and its text below."""
    frame = (
        f'<iframe sandbox="" width="100%" height="{HEIGHT}" frameborder="0" '
        f'title="Audit" srcdoc="{escape(page(audit), quote=True)}"></iframe>'
    )
    return f"{frame}<details><summary>As text</summary><pre>{escape(audit.to_text())}</pre></details>"


def _head(audit: Audit, shortcuts: Shortcuts, title: str | None) -> str:
    craft, data = audit.craft, audit.craft.survey
    where = data_name(audit)
    about = (
        f"Audit of <b>{name(craft.backbone.name, 120)}</b>{f' on <b>{name(where, 120)}</b>' if where else ''}"
    )
    right = accuracy(audit)
    facts = [
        f"<b>{counted(len(data), 'picture')}</b>",
        f"<b>{counted(len(audit.rows), 'class')}</b>",
        f"<b>{counted(craft.n_concepts, 'concept')}</b> each, {text(craft.dictionary.name, 60)}",
        f"layer <b>{text(data.layer, 80)}</b>",
        *([] if right is None else [f"<b>{percent(right)}</b> right"]),
    ]
    spans = "".join(f"<span>{fact}</span>" for fact in facts)
    said = "".join(f"<li>{text(line)}</li>" for line in notes(audit))
    warned = f'<ul class="warnings" aria-label="Please note">{said}</ul>' if said else ""
    n = len(shortcuts.accused)
    state, mark = ("fails", "✗") if n else ("none", "○")
    heading = text(clean(title, 200)) if title else text(verdict(audit, shortcuts))
    says = ""
    if n:
        names = "; ".join(
            f"{name(s.class_name, 60)}: {name(s.concept.name, 60)}" for s in shortcuts.accused[:5]
        )
        says = f'<p class="accused-names">{names}{"; and more" if n > 5 else ""}</p>'
    return (
        f'<section class="card verdict {state}"><header class="answer-head"><p class="file">{about}</p>'
        f'<h1><span class="mark {state}" aria-hidden="true">{mark}</span> {heading}</h1>{says}'
        f'<p class="numbers">{spans}</p></header>{warned}</section>'
    )


def _contents(audit: Audit, accused: list[int]) -> str:
    links = '<a href="#shortcuts">Shortcuts</a><a href="#unknown">Not known</a>'
    cross = (
        '<span class="mark fails" aria-hidden="true">✗</span><span class="unseen">suspected shortcut</span>'
    )
    for row in audit.rows:
        mark = f" {cross}" if row in accused else ""
        links += f'<a href="#class-{row}">{name(audit.craft.backbone.class_name(row), 40)}{mark}</a>'
    links += '<a href="#facts">How it was made</a>'
    return f'<nav class="contents" aria-label="Contents">{links}</nav>'


def _facts(audit: Audit, command: str | None) -> str:
    craft, data = audit.craft, audit.craft.survey
    groups = {
        "Choices made": {
            "layer": data.layer,
            "dictionary": craft.dictionary.name,
            "concepts of each class": craft.n_concepts,
            "fitted on": "crops" if craft.fit_on == "crops" else "places of whole pictures",
            "contributions": "exact: the tail is affine"
            if data.affine
            else "integrated gradients of the tail",
            "seed": craft.seed,
        },
        "Model": craft.backbone.describe(),
        "Versions": versions(),
    }
    sections = "".join(
        f"<section><h3>{title}</h3>{definitions(listing(facts.items()))}</section>"
        for title, facts in groups.items()
    )
    again = command or _python(audit)
    return (
        '<section class="card" id="facts" aria-labelledby="facts-title"><header class="answer-head">'
        '<h2 id="facts-title">How it was made</h2></header>'
        f'<div class="facts"><div class="columns">{sections}</div>'
        f"<section><h3>How to reproduce</h3><pre><code>{text(again)}</code></pre></section></div></section>"
    )


def _python(audit: Audit) -> str:
    craft = audit.craft
    where = data_name(audit) or "images"
    at = f", at={craft.at!r}" if craft.at else ""
    return (
        f"model.audit({where!r}, n_concepts={craft.n_concepts}, dictionary={craft.dictionary.name!r}{at}, "
        f"seed={craft.seed}).save('audit.html')"
    )


def _html(audit: Audit, *, title: str | None = None, command: str | None = None, top_k: int = 10) -> bytes:
    return page(audit, title=title, command=command, top_k=top_k).encode()


def _json(audit: Audit, *, top_k: int | None = 10) -> bytes:
    return (dumps(audit.to_dict(top_k), indent=1) + "\n").encode()


WRITERS: dict[str, Callable[..., bytes]] = {".html": _html, ".json": _json}
"""Suffix -> what makes the bytes of the file; its keyword arguments are the options of `save`."""
