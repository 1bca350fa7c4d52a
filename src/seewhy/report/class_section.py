"""A class on the audit's page: its concepts by importance with crops and regions, its strategies, its receipts."""

from __future__ import annotations

from seewhy.audit.audit import Audit
from seewhy.explanation.receipt import VERDICT, Receipt
from seewhy.models.class_report import ClassReport, ConceptSummary
from seewhy.report.audit_words import SPACE, counted, percent
from seewhy.report.concept_pictures import ConceptPictures, Detail
from seewhy.report.markup import minus, name, text
from seewhy.report.receipts import DO, MARK
from seewhy.report.strategy_plot import strategies_section
from seewhy.visualise.scales import CONTRIBUTION
from seewhy.visualise.wording import signed_column

N_OPEN = 5
"""Concepts shown at once; the rest is folded up."""

N_RECEIPTS = 6

MEANT = {
    "share": "Contributions are parts of the logit, means over the class's pictures.",
    "effect": "Contributions are effects, means over the class's pictures; they do not add up to the logit.",
    "variance": "Importance has no sign: how much of the logit's variation a concept causes.",
}


def class_section(
    audit: Audit, report: ClassReport, pictures: ConceptPictures, detail: Detail, accused: int
) -> str:
    """One class; `accused` of its concepts look like shortcuts."""
    warning = f'<ul class="warnings"><li>{text(report.warning)}</li></ul>' if report.warning else ""
    return f"""<section class="card one-class" id="class-{report.index}" aria-labelledby="class-{report.index}-title">
{_head(report, accused)}
{warning}
<div class="inside">
{_concepts(report, pictures, detail)}
{strategies_section(audit.strategies(report.index), pictures)}
{_receipts(receipts_of(audit, report))}
</div></section>"""


def receipts_of(audit: Audit, report: ClassReport) -> tuple[Receipt, ...]:
    """Receipts of the class's pictures, where the audit holds any."""
    return tuple(audit.receipts.get(report.index, ()))


def _head(report: ClassReport, accused: int) -> str:
    facts = [f"<b>{counted(len(report.pictures), 'picture')}</b> given this class"]
    if report.accuracy is not None:
        facts.append(f"<b>{percent(report.accuracy)}</b> of them right")
    if report.group != report.name:
        facts.append(f"concepts of <b>{name(report.group, 60)}</b>")
    spans = "".join(f"<span>{fact}</span>" for fact in facts)
    badge = ""
    if accused:
        badge = (
            '<span class="badge fails"><span class="mark" aria-hidden="true">✗</span> '
            f"{counted(accused, 'suspected shortcut')}</span>"
        )
    kept, lost = percent(report.fidelity.agreement), 100 * report.fidelity.remainder
    return (
        f'<header class="answer-head"><h2 id="class-{report.index}-title">{name(report.name)}</h2>'
        f'<p class="numbers">{spans}{badge}</p>'
        f'<p class="fidelity"><b>{kept}</b> keep their class on the concepts alone; <b>{lost:.1f}{SPACE}%</b> of the '
        "evidence is not explained by them (median over pictures).</p></header>"
    )


def _concepts(report: ClassReport, pictures: ConceptPictures, detail: Detail) -> str:
    concepts = report.concepts
    ends = [value for c in concepts for value in (c.contribution, c.low, c.high)]
    axis = (min(0.0, *ends), max(0.0, *ends)) if ends else (0.0, 0.0)
    written = signed_column(ends)
    cards = [
        _concept(report, concept, tuple(written[3 * i : 3 * i + 3]), axis, pictures, detail)
        for i, concept in enumerate(concepts)
    ]
    more = ""
    if len(cards) > N_OPEN:
        rest = "".join(cards[N_OPEN:])
        title = counted(len(cards) - N_OPEN, "more concept")
        more = f'<details class="more"><summary>{title}</summary>{rest}</details>'
    regions = ""
    if detail.regions:
        regions = (
            " Regions are drawn on one scale for each concept over all pictures of the class, and only where it is "
            "in the strongest tenth of all their cells: where it is absent nothing is painted."
        )
    return (
        f'<h3>Concepts <span class="quiet">{len(cards)}, most important first</span></h3>'
        f'{"".join(cards[:N_OPEN])}{more}<p class="note">{MEANT[report.kind]} The whisker is their '
        f"95{SPACE}% interval. A concept leads in a picture where it contributes most; right says how "
        f"many of those are labelled with the class.{regions}</p>"
    )


def _concept(
    report: ClassReport,
    concept: ConceptSummary,
    written: tuple[str, ...],
    axis: tuple[float, float],
    pictures: ConceptPictures,
    detail: Detail,
) -> str:
    value, low, high = (minus(one) for one in written)
    share = f'<span class="share">{percent(concept.share)}</span>' if report.kind == "share" else ""
    adds = CONTRIBUTION[report.kind]
    right = "–" if concept.reliability is None else percent(concept.reliability)
    regions = ""
    if detail.regions and concept.crops:
        wanted = list(pictures.spread(concept).items())[: detail.regions]
        figures = "".join(
            f"<figure>{pictures.region(concept, at)}<figcaption>{words}</figcaption></figure>"
            for words, at in wanted
        )
        regions = f'<div class="tiles">{figures}</div>'
    return (
        f'<article class="concept"><div><h4>{name(concept.name, 120)}{share}</h4>{_whisker(concept, axis)}'
        f'<dl><dt>{adds}</dt><dd><b>{value}</b> <span class="quiet">{low} to {high}</span></dd>'
        f"<dt>leads in</dt><dd>{percent(concept.prevalence)}</dd><dt>right</dt><dd>{right}</dd></dl></div>"
        f"{pictures.crops(concept, detail.crops)}{regions}</article>"
    )


def _whisker(concept: ConceptSummary, axis: tuple[float, float]) -> str:
    """The contribution as a bar from zero, its interval as a whisker, on the axis of the class."""
    width = (axis[1] - axis[0]) or 1.0
    zero, end, low, high = (
        100 * (value - axis[0]) / width for value in (0.0, concept.contribution, concept.low, concept.high)
    )
    side = "for" if concept.contribution >= 0 else "against"
    return (
        '<svg class="bar-box whisker" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="{side}" x="{min(zero, end):.2f}" y="1" width="{abs(end - zero):.2f}" height="8"/>'
        f'<path d="M{low:.2f} 5H{high:.2f}M{low:.2f} 2V8M{high:.2f} 2V8"/>'
        f'<line class="axis" x1="{zero:.2f}" x2="{zero:.2f}" y1="0" y2="10"/></svg>'
    )


def _receipts(receipts: tuple[Receipt, ...]) -> str:
    """How predicted and measured agree, picture by picture; nothing where none was checked."""
    if not receipts:
        return ""
    held = sum(receipt.passed for receipt in receipts)
    rows = [
        f'<li><span class="mark {receipt.state}" aria-hidden="true">{MARK[receipt.state]}</span> '
        f"{text(receipt.sentence())}</li>"
        for receipt in receipts
    ]
    states = {state: sum(receipt.state == state for receipt in receipts) for state in VERDICT}
    badges = "".join(
        f'<span class="badge {state}"><span class="mark" aria-hidden="true">{MARK[state]}</span> '
        f"{n} {VERDICT[state] if n == 1 else DO[state]}</span>"
        for state, n in states.items()
        if n
    )
    more = "".join(rows[N_RECEIPTS:])
    folded = (
        f'<details class="more"><summary>{len(rows) - N_RECEIPTS} more</summary><ul>{more}</ul></details>'
    )
    return (
        f'<h3>Receipts <span class="quiet">the network was asked again about '
        f"{counted(len(receipts), 'picture')}, {held} of which hold</span></h3>"
        f'<p class="numbers">{badges}</p><ul class="receipt-list">{"".join(rows[:N_RECEIPTS])}</ul>'
        f"{folded if more else ''}"
    )
