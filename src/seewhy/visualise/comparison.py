"""Two answers drawn side by side: the scales that make their colours comparable, and the figure."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.figure import Figure

from seewhy.explanation.agreement import Agreement, cell_area
from seewhy.explanation.answer import Answer
from seewhy.explanation.comparison import Comparison
from seewhy.explanation.side_by_side import why_not_subtract
from seewhy.visualise.colours import Scale
from seewhy.visualise.figures import MARGIN, QUIET, Sheet, drawn, fitted
from seewhy.visualise.overlay import OPACITY
from seewhy.visualise.scales import FINE, whole_scale
from seewhy.visualise.wording import clean, number, score_text

PANEL, GAP, LETTERS_PER_INCH = 2.9, 0.35, 14
SIDES = ("A", "B")
CHANGE = "B − A"


@dataclass(frozen=True)
class PairScales:
    """Scales of the two maps; None where there is no map. `words` says whether their colours mean the same."""

    first: Scale | None
    second: Scale | None
    shared: bool
    words: str


def pair_scales(comparison: Comparison) -> PairScales:
    """One scale for both maps where their numbers mean the same, else each its own.

    Shares on cells of different size share a scale by area: one colour means as much of the logit per area
    of the picture on either side, and so a different number per cell.
    """
    first, second = comparison.first, comparison.second
    own = [None if answer.can("where") else whole_scale(answer) for answer in (first, second)]
    one, other = own
    if one is None or other is None:
        return PairScales(one, other, False, "")
    ratio = _cell_ratio(first, second)
    reason = why_not_subtract(first, second)
    if reason is None and ratio is None:
        reason = "their cells differ in size"
    if reason or ratio is None:
        return PairScales(one, other, False, f"Each map has its own scale: {reason}.")
    limit, signed = max(one.limit, other.limit / ratio), one.signed or other.signed
    by_area = "" if ratio == 1 else ", by area: cells differ in size, so the numbers per cell do too"
    return PairScales(
        _scaled(first, one, limit, signed),
        _scaled(second, other, limit * ratio, signed),
        True,
        f"Both maps share one scale{by_area}.",
    )


def agreement_facts(agreement: Agreement) -> list[tuple[str, str]]:
    """Names and values of the measures, with the reason where there is none; one reason for all is said once."""
    named = (
        ("rank correlation (Spearman)", agreement.spearman, "{:.2f}"),
        ("correlation (Pearson)", agreement.pearson, "{:.2f}"),
        ("positive evidence in the same places", agreement.overlap, "{:.0%}"),
    )
    reasons = {measure.why_not for _, measure, _ in named}
    if len(reasons) == 1 and None not in reasons:
        return [("maps", f"not compared: {reasons.pop()}")]
    return [
        (name, f"not defined: {measure.why_not}")
        if measure.value is None
        else (name, form.format(measure.value).replace("%", " %"))
        for name, measure, form in named
    ]


def figure(comparison: Comparison, *, opacity: float = OPACITY) -> Figure:
    """Both maps on their pictures, and the second minus the first where that means something.

    Parameters
    ----------
    opacity
        Of the strongest colour, 0 to 1.
    """
    scales = pair_scales(comparison)
    panels: list[tuple[str, Answer, Scale | None]] = [
        (SIDES[0], comparison.first, scales.first),
        (SIDES[1], comparison.second, scales.second),
    ]
    if comparison.difference is not None:
        panels.append((CHANGE, comparison.difference, whole_scale(comparison.difference)))
    height = max(fitted(answer, PANEL, 3.4)[1] for _, answer, _ in panels)
    width = 2 * MARGIN + len(panels) * PANEL + (len(panels) - 1) * GAP
    lines = wrap_lines(_lines(comparison, scales, panels), int((width - 2 * MARGIN) * LETTERS_PER_INCH))
    sheet = Sheet(width, 1.65 + height + 0.2 * len(lines))
    for i, (title, answer, scale) in enumerate(panels):
        _panel(sheet, MARGIN + i * (PANEL + GAP), title, answer, scale, opacity)
    for i, line in enumerate(lines):
        sheet.text(MARGIN, 1.55 + height + 0.2 * i, line, 8.5, color=QUIET)
    return sheet.figure


def wrap_lines(lines: list[str], letters: int) -> list[str]:
    """Lines of at most so many letters."""
    return [part for line in lines for part in textwrap.wrap(clean(line), letters)]


def _lines(
    comparison: Comparison, scales: PairScales, panels: list[tuple[str, Answer, Scale | None]]
) -> list[str]:
    lines = [f"{name}: {value}" for name, value in agreement_facts(comparison.agreement)]
    if scales.words:
        lines.append(scales.words)
    lines += [f"{title}: {scale.note}." for title, _, scale in panels if scale and scale.note]
    if comparison.why_no_difference and comparison.agreement.grid is not None:
        lines.append(f"No map of the difference: {comparison.why_no_difference}.")
    return lines


def _panel(sheet: Sheet, x: float, title: str, answer: Answer, scale: Scale | None, opacity: float) -> None:
    width, height = fitted(answer, PANEL, 3.4)
    target, change = answer.target, title == CHANGE
    parts = [f"logit {number(target.logit, sign=change)}"]
    if not change:
        about = [clean(answer.image.name, 22), clean(answer.meta.model.get("id") or "", 26)]
        sheet.text(x, 0.73, "   ".join(part for part in about if part), 8, color=QUIET)
        parts = [f"score {score_text(target.score)}", *parts, clean(answer.meta.method.get("name", ""), 22)]
    sheet.text(x, 0.3, title if change else f"{title}  {clean(target.name, 24)}", 12, weight="bold")
    sheet.text(x, 0.53, "   ".join(part for part in parts if part), 9, color=QUIET)
    values = None if scale is None else answer.where
    sheet.image(drawn(answer, values, scale or Scale(1.0, signed=False), opacity, 900), x, 0.92, width)
    if scale is not None:
        # The notes stand below: beside a narrow bar they would run into its ends.
        sheet.scale(replace(scale, note=""), opacity, x, 0.92 + height + 0.1, max(width, 2.2))


def _cell_ratio(first: Answer, second: Answer) -> float | None:
    """Value per cell of the second map that the same colour means, for one per cell of the first."""
    if first.image.size == second.image.size:
        areas = [cell_area(answer.geometry, answer.grid) for answer in (first, second)]
        ratio = areas[1] / areas[0]
        if abs(ratio - 1) <= 1e-3:
            return 1.0
        # Only what adds up over an area can be told by area.
        return ratio if getattr(first, "kind", None) == "share" else None
    same = (first.grid, first.geometry.model) == (second.grid, second.geometry.model)
    return 1.0 if same else None


def _scaled(answer: Answer, scale: Scale, limit: float, signed: bool) -> Scale:
    note = ""
    if answer.where.size > FINE:
        beyond = 100 * float((np.abs(answer.where) > limit).mean())
        note = f"{beyond:.1f} % of the cells lie beyond" if beyond else ""
    return replace(scale, limit=limit, signed=signed, note=note)
