"""An answer as plain text for a terminal or a log: what, how much, where, and how it came about."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from seewhy.explanation.answer import Answer
from seewhy.explanation.answers import Answers
from seewhy.explanation.evidence import ConceptEvidence
from seewhy.explanation.explanation import Explanation
from seewhy.explanation.query import where_in_words
from seewhy.explanation.receipt import VERDICT, Receipt, amounts, r2_text
from seewhy.visualise.ledger import SUM, ledger
from seewhy.visualise.scales import CONTRIBUTION, MEANING, kind_of, whole_scale
from seewhy.visualise.wording import clean, listing, number, score_text, sentence, signed_column

WIDTH = 28


def text(answer: Answer | Answers[Any], *, top_k: int = 10) -> str:
    """The answer as an aligned table of at most `top_k` concepts, without colours or control characters."""
    if isinstance(answer, Answers):
        return "\n\n".join(text(one, top_k=top_k) for one in answer)
    lines = [_heading(answer)]
    if isinstance(answer, Explanation):
        lines += _concepts(answer, top_k)
    else:
        lines += _map(answer)
    if answer.receipt is not None:
        lines += _receipt(answer.receipt)
    lines.append(MEANING[kind_of(answer)])
    lines += [f"{key}: {value}" for key, value in listing(answer.meta.choices.items())]
    lines += [f"warning: {clean(warning)}" for warning in (*answer.meta.warnings, *answer.image.notes)]
    return "\n  ".join(lines)


def _heading(answer: Answer) -> str:
    target = answer.target
    first = f"{clean(answer.image.name, 60)}  ->  {clean(target.name, 60)}  {score_text(target.score)}"
    others = [row for row in answer.prediction if row.index != target.index]
    if others:
        place = "2nd" if answer.prediction[0].index == target.index else "1st"
        first += f"   ({place}: {clean(others[0].name, 40)} {score_text(others[0].score)})"
    model = answer.meta.model.get("id") or answer.meta.model.get("name")
    about = [f"model {clean(model, 60)}"] if model else []
    about += [] if answer.meta.seed is None else [f"seed {answer.meta.seed}"]
    return "   ".join([first, *about])


def _concepts(answer: Explanation, top_k: int) -> list[str]:
    shown = answer.top(top_k)
    rest = len(answer.concepts) - len(shown)
    if not shown:
        return ["no concepts", *_sum(answer, shown)]
    adds = signed_column([concept.contribution for concept in shown])
    ranked = any(concept.percentile is not None for concept in shown)
    rows = [["concept", CONTRIBUTION[answer.kind], "strength", "where", "share of image"]]
    for concept, value in zip(shown, adds, strict=True):
        where, _, coverage = where_in_words(concept.map, answer.geometry).partition(", ")
        rows.append(
            [
                clean(concept.name, WIDTH),
                value,
                _strength(concept),
                where,
                coverage.removesuffix(" of the image"),
            ]
        )
    if not ranked:
        # A column that says "uncalibrated" in every row says it better once, below.
        rows = [[*row[:2], *row[3:]] for row in rows]
    lines = _aligned(rows, right=(1,))
    if answer.kind != "share":
        return lines + ([f"{rest} more concepts"] if rest else [])
    return lines + _sum(answer, shown)


def _sum(answer: Explanation, shown: Sequence[ConceptEvidence]) -> list[str]:
    rows = ledger(answer, shown)
    values = signed_column([value for _, value in rows])
    parts = [f"{clean(title, 40)} {value}" for (title, _), value in zip(rows[:-1], values, strict=False)]
    return [f"{'   '.join(parts)}   {SUM} {number(answer.target.logit)}"] if rows else []


def _map(answer: Answer) -> list[str]:
    values = answer.where
    rows, columns = values.shape
    low, high = signed_column([float(values.min()), float(values.max())])
    method = clean(answer.meta.method.get("name", "map"), 60)
    lines = [f"{method} {rows}x{columns}   from {low} to {high} {whole_scale(answer).unit}", sentence(answer)]
    gap = getattr(answer, "gap", None)
    return lines if gap is None else [*lines, f"completeness gap {gap:.2g}"]


def _receipt(receipt: Receipt) -> list[str]:
    """The verdict of a check, its edits, and the areas under its curves."""
    lines = [f"receipt: {VERDICT[receipt.state]}"]
    if receipt.worst is not None:
        r2 = "changed the logit alike" if receipt.r2 is None else f"predicted with R2 {r2_text(receipt.r2)}"
        lines[0] += f"; {receipt.n_edits} edits of concepts {r2}, worst miss {receipt.worst:.2g}"
    hidden, shown = receipt.deletion_random, receipt.insertion_random
    if hidden is not None and shown is not None:
        assert receipt.deletion is not None and receipt.insertion is not None
        deletion, by_hiding, _ = amounts(receipt.deletion, hidden)
        insertion, by_showing, _ = amounts(receipt.insertion, shown)
        lines.append(
            f"faithfulness: deletion {deletion} (random {by_hiding}), "
            f"insertion {insertion} (random {by_showing})"
        )
    return lines + [f"not tested: {clean(note)}" for note in receipt.notes]


def _strength(concept: ConceptEvidence) -> str:
    return "uncalibrated" if concept.percentile is None else f"p{concept.percentile:.0f}"


def _aligned(rows: list[list[str]], right: tuple[int, ...]) -> list[str]:
    """Columns of equal width, two spaces between them; the columns in `right` stand flush right."""
    widths = [max(_cells(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        padded = []
        for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - _cells(cell))
            padded.append(space + cell if column in right else cell + space)
        lines.append("   ".join(padded).rstrip())
    return lines


def _cells(line: str) -> int:
    """Columns of a terminal that a text takes: East Asian wide letters two, combining marks none."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in line)
    return len(line) + wide - sum(unicodedata.combining(letter) > 0 for letter in line)
