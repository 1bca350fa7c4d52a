"""A comparison in words and tables: for a terminal, and as the tables of its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from seewhy.explanation.answer import Answer
from seewhy.explanation.comparison import Comparison
from seewhy.explanation.explanation import Explanation
from seewhy.explanation.side_by_side import Fact
from seewhy.report.markup import bar, minus, name, text
from seewhy.report.tables import WIDTH, _aligned
from seewhy.visualise.comparison import CHANGE, agreement_facts, pair_scales
from seewhy.visualise.scales import CONTRIBUTION, MEANING, kind_of
from seewhy.visualise.wording import clean, score_text, signed_column

A, B = "A", "B"


def title_of(comparison: Comparison) -> str:
    """What stands side by side: 'bird.png: resnet18 and vit_small', 'a.png and b.png', 'bird.png: cat and dog'."""
    first, second = comparison.first, comparison.second
    differs = comparison.differs
    if "picture" in differs:
        return f"{clean(first.image.name, 60)} and {clean(second.image.name, 60)}"
    for fact in comparison.facts:
        if fact.name in ("model", "target", "method") and fact.name in differs:
            return f"{clean(first.image.name, 60)}: {clean(fact.first, 60)} and {clean(fact.second, 60)}"
    return f"{clean(first.image.name, 60)}: {clean(first.target.name, 60)}, twice"


def says(comparison: Comparison) -> str:
    """What the two models say, in a sentence."""
    one, other = (
        answer.prediction[0] if answer.prediction else answer.target for answer in sides(comparison)
    )
    names, scores = [clean(p.name, 60) for p in (one, other)], [score_text(p.score) for p in (one, other)]
    if names[0] == names[1]:
        return f"Both say {names[0]}: {A} with a score of {scores[0]}, {B} with {scores[1]}."
    return f"{A} says {names[0]} with a score of {scores[0]}, {B} says {names[1]} with {scores[1]}."


def sides(comparison: Comparison) -> tuple[Answer, Answer]:
    """The two answers."""
    return comparison.first, comparison.second


def has_concepts(comparison: Comparison) -> bool:
    """Whether either answer is told in concepts."""
    return any(isinstance(answer, Explanation) for answer in sides(comparison))


def warnings_of(comparison: Comparison) -> list[str]:
    """The notes of the comparison, then what either answer warns of."""
    own = [
        f"{side}: {warning}"
        for side, answer in zip((A, B), sides(comparison), strict=True)
        for warning in (*answer.meta.warnings, *answer.image.notes)
    ]
    return [*comparison.notes, *own]


def comparison_text(comparison: Comparison, *, top_k: int = 10) -> str:
    """The comparison as aligned tables of at most `top_k` concepts, without colours or control characters."""
    blocks = [
        [title_of(comparison), says(comparison)],
        _aligned([["", A, B], *([f.name, *_both(f)] for f in _telling(comparison))], ()),
        _aligned([["class", A, B, CHANGE], *_score_rows(comparison)], (1, 2, 3)),
        [f"{key}: {value}" for key, value in agreement_facts(comparison.agreement)],
    ]
    scales = pair_scales(comparison)
    if comparison.why_no_difference and comparison.agreement.grid is not None:
        blocks[-1].append(f"no map of the difference: {comparison.why_no_difference}")
    elif not scales.shared and scales.words:
        blocks[-1].append(clean(scales.words))
    blocks.append(_contributions(comparison, top_k))
    blocks.append([clean(f"note: {line}") for line in warnings_of(comparison)])
    return "\n\n".join("\n".join(clean(line) for line in block) for block in blocks if block)


def predictions_html(comparison: Comparison) -> str:
    """Scores of the classes that either lists."""
    body = ""
    for pair, (_, one, other, change) in zip(comparison.predictions, _score_rows(comparison), strict=True):
        cells = ""
        for row, score in ((pair.first, one), (pair.second, other)):
            shown = bar(max(0.0, min(1.0, row.score)), low=0.0) if row else ""
            cells += f'<td class="number">{score}{shown}</td>'
        tag = ' <span class="tag">explained</span>' if pair.name in _explained(comparison) else ""
        body += (
            f'<tr><th scope="row" class="names">{name(pair.name)}{tag}</th>{cells}'
            f'<td class="number strong">{minus(change)}</td></tr>'
        )
    missing = any(pair.first is None or pair.second is None for pair in comparison.predictions)
    note = '<p class="note">–: not among the classes that this answer lists.</p>' if missing else ""
    return (
        '<h3>Prediction <span class="quiet">scores</span></h3>'
        f'<table class="predictions changes">{_heads("class")}<tbody>{body}</tbody></table>{note}'
    )


def contributions_html(comparison: Comparison, top_k: int) -> str:
    """Concepts that both have, largest change first, and the rows with which both columns add up.

    Nothing for two attribution maps, which have none.
    """
    if not has_concepts(comparison):
        return ""
    entries = entries_of(comparison, top_k)
    pairs = comparison.concepts
    reason = f'<p class="quiet">Concepts are not matched: {text(pairs.why_not)}.</p>' if pairs.why_not else ""
    if not entries:
        return f"<h3>Concepts</h3>{reason}"
    peak = max((abs(entry.change) for entry in entries if entry.kind == "concept"), default=0.0) or 1.0
    body = foot = ""
    for entry, cells in zip(entries, _columns(entries), strict=True):
        numbers = "".join(f'<td class="number">{minus(cell)}</td>' for cell in cells[:2])
        numbers += f'<td class="number{" strong" if entry.kind == "concept" else ""}">{minus(cells[2])}</td>'
        if entry.kind == "concept":
            shown = f"<span>{name(entry.title)}</span>{bar(entry.change / peak)}"
            body += f'<tr><th scope="row" class="name">{shown}</th>{numbers}</tr>'
        else:
            kind = ' class="sum"' if entry.kind == "sum" else ""
            foot += f'<tr{kind}><th scope="row">{name(entry.title, 60)}</th>{numbers}</tr>'
    shown_n = sum(entry.kind == "concept" for entry in entries)
    count = f"{shown_n} of {len(pairs.rows)}" if len(pairs.rows) > shown_n else f"{shown_n}"
    quiet = f' <span class="quiet">{count}, largest change first</span>' if shown_n else ""
    kind_words = MEANING[kind_of(comparison.first)]
    return (
        f"<h3>Concepts{quiet}</h3>{reason}"
        f'<table class="changes">{_heads("concept")}'
        f"<tbody>{body}</tbody>{f'<tfoot>{foot}</tfoot>' if foot else ''}</table>"
        f'<p class="note">{kind_words}{text(_unmatched(comparison))}</p>'
    )


def facts_html(comparison: Comparison) -> str:
    """What is the same about the two answers, and what differs."""
    body = ""
    for fact in _telling(comparison):
        one, other = _both(fact, 200)
        cells = f"<td>{text(one)}</td><td>{text(other)}</td>"
        if fact.same:
            cells = f'<td colspan="2" class="quiet">{text(one)}</td>'
        body += f'<tr><th scope="row" class="quiet">{fact.name}</th>{cells}</tr>'
    return (
        '<h3>The two answers</h3><table class="sides"><colgroup><col class="c-place"><col><col></colgroup><thead><tr>'
        f'<th><span class="unseen">what</span></th><th scope="col">{A}</th><th scope="col">{B}</th></tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _heads(first: str) -> str:
    titles = "".join(f'<th scope="col" class="number">{title}</th>' for title in (A, B, CHANGE))
    columns = '<col class="c-number">' * 3
    return f'<colgroup><col>{columns}</colgroup><thead><tr><th scope="col">{first}</th>{titles}</tr></thead>'


@dataclass(frozen=True)
class Entry:
    """A row of the table of contributions."""

    title: str
    first: float
    second: float
    kind: Literal["concept", "rest", "sum"]

    @property
    def change(self) -> float:
        """Second minus first."""
        return self.second - self.first


def entries_of(comparison: Comparison, top_k: int) -> list[Entry]:
    """The `top_k` concepts that changed most; for shares also the rows with which all columns add up."""
    shown = comparison.concepts.rows[:top_k]
    entries = [Entry(row.name, row.first, row.second, "concept") for row in shown]
    if not comparison.totals:
        return entries
    concepts, *others, logit = comparison.totals
    if shown:
        left = max(len(getattr(answer, "concepts", ())) for answer in sides(comparison)) - len(shown)
        first, second = (
            total - sum(values)
            for total, values in (
                (concepts.first, (row.first for row in shown)),
                (concepts.second, (row.second for row in shown)),
            )
        )
        rest = [Entry(f"other {left} concepts", first, second, "rest")] if left else []
    else:
        rest = [Entry("all concepts", concepts.first, concepts.second, "rest")]
    rest += [Entry(row.name, row.first, row.second, "rest") for row in others]
    return [*entries, *rest, Entry(logit.name, logit.first, logit.second, "sum")]


def _contributions(comparison: Comparison, top_k: int) -> list[str]:
    pairs, entries = comparison.concepts, entries_of(comparison, top_k)
    reason = (
        [f"concepts are not matched: {pairs.why_not}"] if pairs.why_not and has_concepts(comparison) else []
    )
    if not entries:
        return reason
    does = CONTRIBUTION[kind_of(comparison.first)]
    rows = [[f"concept ({does})", A, B, CHANGE]]
    rows += [
        [clean(entry.title, WIDTH), *cells] for entry, cells in zip(entries, _columns(entries), strict=True)
    ]
    more = len(pairs.rows) - sum(entry.kind == "concept" for entry in entries)
    last = [f"{more} more concepts"] if more and not comparison.totals else []
    return [*reason, *_aligned(rows, (1, 2, 3)), *last, *filter(None, [_unmatched(comparison).strip()])]


def _unmatched(comparison: Comparison) -> str:
    """How many concepts only one of them has."""
    pairs = comparison.concepts
    if not pairs.only_first and not pairs.only_second:
        return ""
    return f" Only in {A}: {len(pairs.only_first)} concepts; only in {B}: {len(pairs.only_second)}."


def _columns(entries: Sequence[Entry]) -> list[list[str]]:
    """Numbers of all rows with one count of decimals."""
    cells = signed_column([value for e in entries for value in (e.first, e.second, e.change)])
    return [cells[i : i + 3] for i in range(0, len(cells), 3)]


def _score_rows(comparison: Comparison) -> list[list[str]]:
    """Class, its score in A and in B, and the change, '–' where an answer does not list it."""
    rows = []
    for pair in comparison.predictions:
        scores = [score_text(row.score) if row else "–" for row in (pair.first, pair.second)]
        change = f"{pair.second.score - pair.first.score:+.2f}" if pair.first and pair.second else "–"
        rows.append([clean(pair.name, WIDTH), *scores, "0.00" if change in ("+0.00", "-0.00") else change])
    return rows


def _both(fact: Fact, width: int = 60) -> tuple[str, str]:
    """Words of a fact on either side; said once if they are the same."""
    one, other = clean(fact.first, width), clean(fact.second, width)
    if fact.same:
        return one, "the same"
    return one, other + (" (not known if the same)" if fact.same is None else "")


def _telling(comparison: Comparison) -> list[Fact]:
    """The facts but for equal versions, which nobody asks about."""
    return [fact for fact in comparison.facts if not (fact.name == "versions" and fact.same)]


def _explained(comparison: Comparison) -> set[str]:
    return {answer.target.name for answer in sides(comparison)}
