"""The side of the page with the numbers: classes, concepts, what they add up to, or the facts of a map."""

from __future__ import annotations

from collections.abc import Sequence

from seewhy.explanation.answer import Answer
from seewhy.explanation.evidence import ConceptEvidence
from seewhy.explanation.explanation import Explanation
from seewhy.explanation.query import where_in_words
from seewhy.report.markup import bar, definitions, minus, name, text
from seewhy.report.stage import concept_sentence
from seewhy.visualise.ledger import SUM, ledger
from seewhy.visualise.scales import CONTRIBUTION, MEANING, kind_of, whole_scale
from seewhy.visualise.wording import listing, number, score_text, signed_column

N_CLASSES = 5


def prediction_table(answer: Answer) -> str:
    """The strongest classes and the explained one."""
    rows = list(answer.prediction[:N_CLASSES])
    if all(row.index != answer.target.index for row in rows):
        rows = [*rows[: N_CLASSES - 1], answer.target]
    logits = signed_column([row.logit for row in rows], sign=False)
    body = ""
    for row, logit in zip(rows, logits, strict=True):
        explained = row.index == answer.target.index
        tag = '<span class="tag">explained</span>' if explained else ""
        body += (
            f'<tr><th scope="row" class="names{" strong" if explained else ""}">{name(row.name)}{tag}</th>'
            f"<td>{bar(max(0.0, min(1.0, row.score)), low=0.0)}</td>"
            f'<td class="number">{score_text(row.score)}</td><td class="number quiet">{minus(logit)}</td></tr>'
        )
    return (
        '<h3>Prediction</h3><table class="predictions"><colgroup><col>'
        '<col class="c-bar"><col class="c-narrow"><col class="c-number"></colgroup>'
        '<thead><tr><th scope="col">class</th><th scope="col"><span class="unseen">score as a bar</span></th>'
        f"{_head('score', 'logit')}</tr></thead><tbody>{body}</tbody></table>"
    )


def concept_table(answer: Explanation, shown: Sequence[ConceptEvidence], minis: Sequence[str]) -> str:
    """A row for each concept in `shown`, and for shares the rows that make them add up."""
    rows = ledger(answer, shown)
    values = signed_column([c.contribution for c in shown] + [value for _, value in rows])
    if not shown:
        facts = [(title, minus(value)) for (title, _), value in zip(rows, values, strict=True)]
        return (
            '<h3>Concepts</h3><p class="quiet">There are none.</p>'
            f'<div class="map-facts">{definitions(facts)}</div>'
        )
    ranked = any(concept.percentile is not None for concept in shown)
    body = _concept_rows(answer, shown, minis, values, ranked)
    foot = ""
    for (title, _), value in zip(rows, values[len(shown) :], strict=True):
        kind = ' class="sum"' if title == SUM else ""
        foot += (
            f'<tr{kind}><th scope="row" colspan="2">{text(title, 60)}</th>'
            f'<td class="number">{minus(value)}</td><td colspan="{3 if ranked else 2}"></td></tr>'
        )
    count = (
        f"{len(shown)} of {len(answer.concepts)}" if len(answer.concepts) > len(shown) else f"{len(shown)}"
    )
    narrow = '<col class="c-narrow">' if ranked else ""
    heads = _head(CONTRIBUTION[answer.kind], "activation", *(["strength"] if ranked else []))
    return (
        f'<h3>Concepts <span class="quiet">{count}, strongest first</span></h3>'
        '<div class="scroll"><table class="concepts"><colgroup><col class="c-mini"><col>'
        f'<col class="c-number"><col class="c-number">{narrow}<col class="c-place"></colgroup>'
        '<thead><tr><th scope="col"><span class="unseen">map</span></th><th scope="col">concept</th>'
        f'{heads}<th scope="col">where</th></tr></thead><tbody>{body}</tbody>'
        f"{f'<tfoot>{foot}</tfoot>' if foot else ''}</table></div>"
        f'<p class="note">{MEANING[answer.kind]} Activation is the mean of the concept\'s map.</p>'
    )


def _concept_rows(
    answer: Explanation,
    shown: Sequence[ConceptEvidence],
    minis: Sequence[str],
    values: Sequence[str],
    ranked: bool,
) -> str:
    activations = signed_column([c.activation for c in shown], sign=False)
    peak = max(abs(concept.contribution) for concept in shown) or 1.0
    body = ""
    for i, concept in enumerate(shown):
        where, _, coverage = where_in_words(concept.map, answer.geometry).partition(", ")
        strength = "uncalibrated" if concept.percentile is None else f"p{concept.percentile:.0f}"
        body += (
            f'<tr data-concept="{i}" data-sentence="{text(concept_sentence(answer, concept))}">'
            f'<td class="mini"><img src="{minis[i]}" alt=""></td>'
            f'<th scope="row" class="name"><span>{name(concept.name)}</span>{bar(concept.contribution / peak)}</th>'
            f'<td class="number strong">{minus(values[i])}</td>'
            f'<td class="number quiet">{minus(activations[i])}</td>'
            + (f'<td class="number quiet">{strength}</td>' if ranked else "")
            + f'<td class="place">{where}<br>{coverage.removesuffix(" of the image")}</td></tr>'
        )
    return body


def map_facts(answer: Answer) -> str:
    """What there is to say about a map without concepts."""
    values = answer.where
    scale = whole_scale(answer)
    low, high = signed_column([float(values.min()), float(values.max())], sign=scale.signed)
    gap = getattr(answer, "gap", None)
    facts = [
        ("range", f"{minus(low)} to {minus(high)}, {scale.unit}"),
        ("grid", f"{values.shape[0]} × {values.shape[1]} cells"),
        ("sum of cells", minus(number(float(values.sum()), sign=True))),
        ("completeness gap", None if gap is None else f"{gap:.2g} of the expected sum"),
    ]
    return (
        f'<h3>Map</h3><div class="map-facts">{definitions(listing(facts))}</div>'
        f'<p class="note">{MEANING[kind_of(answer)]}</p>'
    )


def _head(*titles: str) -> str:
    return "".join(f'<th scope="col" class="number">{title}</th>' for title in titles)
