"""One answer as markup: everything that can be read without a script. `viewer/element.js` wakes it up."""

from __future__ import annotations

from seewhy.explanation.answer import Answer
from seewhy.explanation.explanation import Explanation
from seewhy.report.data import DATA_CLASS, to_dict
from seewhy.report.markup import definitions, minus, name, script_json, text
from seewhy.report.receipts import badge, section
from seewhy.report.rows import concept_table, map_facts, prediction_table
from seewhy.report.stage import Stage
from seewhy.visualise.wording import listing, number, score_text


def article(
    answer: Answer, *, key: str, budget: int, longest: int, top_k: int = 16, command: str | None = None
) -> str:
    """`<seewhy-explanation>` for one answer.

    Parameters
    ----------
    key
        Identifier of the element in its page.
    budget
        Bytes that it should take; pictures shrink to keep it, data never does.
    longest
        Side of the picture in pixels, at most.
    top_k
        Concepts kept.
    command
        How to make the page again.
    """
    shown = answer.top(top_k) if isinstance(answer, Explanation) else ()
    stage = Stage(answer, shown, longest)
    table = (
        concept_table(answer, shown, stage.minis()) if isinstance(answer, Explanation) else map_facts(answer)
    )
    warnings = "".join(f"<li>{text(line)}</li>" for line in (*answer.meta.warnings, *answer.image.notes))
    before = f"""<seewhy-explanation id="{key}"><article class="card" aria-labelledby="{key}-title">
{_head(answer, key)}
{f'<ul class="warnings" aria-label="Please note">{warnings}</ul>' if warnings else ""}
<div class="body">
"""
    after = f"""
<div class="why">
{prediction_table(answer)}
{table}
</div></div>
{section(answer.receipt)}
{_facts(answer, command)}
<script type="application/json" class="{DATA_CLASS}">{script_json(to_dict(answer, top_k=top_k))}</script>
<script type="application/json" class="seewhy-view">{script_json(stage.view())}</script>
</article></seewhy-explanation>"""
    # The picture takes what the rest leaves; 3 kB is the markup around it.
    left = budget - len(before.encode()) - len(after.encode()) - 3_000
    return before + stage.markup(left) + after


def _head(answer: Answer, key: str) -> str:
    target, (height, width) = answer.target, answer.image.size
    facts = [
        f"score <b>{score_text(target.score)}</b>",
        f"logit <b>{minus(number(target.logit))}</b>",
        f"method <b>{text(answer.meta.method.get('name', 'unknown'), 60)}</b>",
    ]
    first = answer.prediction[0] if answer.prediction else target
    if first.index != target.index:
        facts.append(f"the model says <b>{name(first.name)}</b> {score_text(first.score)}")
    spans = "".join(f"<span>{fact}</span>" for fact in facts)
    return (
        f'<header class="answer-head"><p class="file">{name(answer.image.name)}, {width} × {height} px</p>'
        f'<h2 id="{key}-title"><span class="quiet">Why</span> {name(target.name)}<span class="quiet">?</span></h2>'
        f'<p class="numbers">{spans}{badge(answer.receipt)}</p></header>'
    )


def _facts(answer: Answer, command: str | None) -> str:
    meta, image, geometry = answer.meta, answer.image, answer.geometry
    x0, y0, x1, y1 = geometry.seen_box
    part = f"{x0:.0f}, {y0:.0f} to {x1:.0f}, {y1:.0f} px; the rest is hatched"
    picture = {
        "SHA-256": image.sha256,
        "seen by the model": "all of it" if geometry.seen().all() else part,
        "input": f"{geometry.model[1]} × {geometry.model[0]} px",
        "grid": f"{answer.grid[0]} × {answer.grid[1]} cells",
    }
    groups = {
        "Choices made": meta.choices,
        "Method": {**meta.method, "seed": meta.seed},
        "Cost, passes of one picture": meta.cost,
        "Model": meta.model,
        "Picture": picture,
        "Versions": meta.versions,
    }
    sections = ""
    for title, facts in groups.items():
        listed = listing(facts.items())
        sections += f"<section><h3>{title}</h3>{definitions(listed)}</section>" if listed else ""
    again = ""
    if command:
        again = f"<section><h3>How to reproduce</h3><pre><code>{text(command)}</code></pre></section>"
    return f'<div class="facts"><div class="columns">{sections}</div>{again}</div>'
