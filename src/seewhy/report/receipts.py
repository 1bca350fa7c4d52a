"""What a check found, on the page: a badge beside the numbers, and a section with both tests drawn."""

from __future__ import annotations

from collections.abc import Sequence

from seewhy.explanation.receipt import R2_HOLDS, VERDICT, Random, Receipt, amounts, percent, r2_text
from seewhy.report.markup import minus, name, text
from seewhy.visualise.wording import signed_column

MARK = {"holds": "✓", "partly": "≈", "fails": "✗"}
"""Said by form too, for those who do not see the colour."""

DO = {"holds": "hold", "partly": "hold in part", "fails": "fail"}

N_ALONE = 6
WIDTH, HEIGHT = 300, 220
LEFT, RIGHT, TOP, BOTTOM = 54, 14, 10, 26
MIDDLE = (LEFT + WIDTH - RIGHT) // 2


def badge(receipt: Receipt | None) -> str:
    """The verdict in the heading; nothing for an answer that was not checked."""
    if receipt is None:
        return ""
    state = receipt.state
    return f'<span class="badge {state}">{_mark(state)} checked: {VERDICT[state]}</span>'


def section(receipt: Receipt | None) -> str:
    """The section "Receipts"; nothing for an answer that was not checked."""
    if receipt is None:
        return ""
    notes = "".join(f"<li>Not tested: {text(note)}</li>" for note in receipt.notes)
    untested = f'<ul class="untested">{notes}</ul>' if notes else ""
    return (
        f'<section class="receipts"><h3>Receipts <span class="quiet">the network was asked again</span></h3>'
        f'<div class="pair">{_edits(receipt)}{_curves(receipt)}</div>'
        f'{untested}<p class="note">{text(_how(receipt))}</p></section>'
    )


def _edits(receipt: Receipt) -> str:
    if receipt.worst is None:
        return ""
    verdict = receipt.how_much
    title = f"The numbers {DO[verdict]}" if verdict else "The numbers: nothing changed"
    rows = ""
    alone = receipt.alone[:N_ALONE]
    values = signed_column([value for row in alone for value in (row.predicted, row.measured)])
    for i, row in enumerate(alone):
        rows += (
            f'<tr><th scope="row" class="names">{name(row.name, 60)}</th>'
            f'<td class="number">{minus(values[2 * i])}</td><td class="number">{minus(values[2 * i + 1])}</td></tr>'
        )
    table = (
        '<table><colgroup><col><col class="c-number"><col class="c-number"></colgroup><thead><tr>'
        '<th scope="col">without</th><th scope="col" class="number">predicted</th>'
        f'<th scope="col" class="number">measured</th></tr></thead><tbody>{rows}</tbody></table>'
    )
    r2 = "R² undefined" if receipt.r2 is None else f"R² <b>{minus(r2_text(receipt.r2))}</b>"
    miss = f"worst miss <b>{minus(f'{receipt.worst:.2g}')}</b>"
    if receipt.worst_relative is not None:
        miss += f", {percent(receipt.worst_relative)} of the largest change"
    return (
        f"<div>{_title(title, verdict)}"
        f'<p class="quiet">What {receipt.n_edits} edits of concepts change in the logit: '
        "each dot is an edit, on the dashed line if it did what was predicted.</p>"
        f'<div class="plate">{_scatter(receipt)}<div class="beside">'
        f'<p class="figures">{r2}<br>{miss}</p>{table if rows else ""}</div></div></div>'
    )


def _curves(receipt: Receipt) -> str:
    verdict = receipt.where
    hidden, shown = receipt.deletion_random, receipt.insertion_random
    if verdict is None or hidden is None or shown is None:
        return ""
    assert receipt.deletion is not None and receipt.insertion is not None
    rows = _curve_row("hidden", receipt.deletion, hidden, receipt.deletion_holds, "low is good")
    rows += _curve_row("shown", receipt.insertion, shown, receipt.insertion_holds, "high is good")
    return (
        f"<div>{_title(f'The map {VERDICT[verdict]}', verdict)}"
        f'<p class="quiet">The {"probability" if receipt.score == "probability" else "logit"} while the picture is '
        "hidden, and shown, strongest cells first; dashed: in random order.</p>"
        f'<div class="plate">{_plot(receipt)}<div class="beside">'
        '<table><colgroup><col><col class="c-narrow"><col class="c-number"></colgroup><thead><tr>'
        '<th scope="col">mean while</th><th scope="col" class="number">map</th>'
        f'<th scope="col" class="number">random</th></tr></thead><tbody>{rows}</tbody></table></div></div></div>'
    )


def _curve_row(kind: str, value: float, by_chance: Random, right: bool, wanted: str) -> str:
    own, mean, sd = amounts(value, by_chance)
    swatch = (
        f'<svg class="swatch" viewBox="0 0 18 8" aria-hidden="true"><line class="{kind}" x1="0" x2="18" y1="4" '
        'y2="4"/></svg>'
    )
    return (
        f'<tr><th scope="row">{swatch}{kind} {_mark("holds" if right else "fails")}<br>'
        f'<span class="quiet">{wanted}</span></th><td class="number strong">{minus(own)}</td>'
        f'<td class="number">{minus(mean)}<br><span class="quiet">± {sd}</span></td></tr>'
    )


def _how(receipt: Receipt) -> str:
    parts = []
    if receipt.worst is not None:
        parts.append(
            "Predicted: the contributions times what an edit takes away. R² is 1 for a perfect prediction; "
            f"{R2_HOLDS:g} holds."
        )
    if receipt.where is not None:
        parts.append(
            f"Hidden pixels show {receipt.fill}; {receipt.n_random} random orders of the same cells, ± one "
            "standard deviation of a single order."
        )
    passes = f"{receipt.forwards} passes of the network"
    if receipt.tail_forwards:
        passes += f" and {receipt.tail_forwards} from the features on"
    return " ".join([*parts, f"{passes}; seed {receipt.seed}."])


def _title(title: str, state: str | None) -> str:
    return f'<h4 class="{state or "none"}">{_mark(state) if state else ""} {title}</h4>'


def _mark(state: str) -> str:
    return f'<span class="mark {state}" aria-hidden="true">{MARK[state]}</span>'


# ---------------------------------------------------------------------- drawings


def _scatter(receipt: Receipt) -> str:
    """Measured over predicted, both on one scale, with the line where they are equal."""
    values = [*receipt.predicted, *receipt.measured, 0.0]
    low, high = min(values), max(values)
    pad = 0.06 * (high - low) or 1.0
    low, high = low - pad, high + pad
    dots = "".join(
        f'<circle class="dot" cx="{_across(p, low, high):.1f}" cy="{_up(m, low, high):.1f}" r="3"/>'
        for p, m in zip(receipt.predicted, receipt.measured, strict=True)
    )
    line = (
        f'<line class="equal" x1="{_across(low, low, high):.1f}" y1="{_up(low, low, high):.1f}" '
        f'x2="{_across(high, low, high):.1f}" y2="{_up(high, low, high):.1f}"/>'
    )
    words = f"{receipt.n_edits} edits, measured change of the logit over the predicted one"
    ticks = "".join(
        f'<text x="{_across(value, low, high):.1f}" y="{HEIGHT - 10}" text-anchor="middle">{_tick(value)}</text>'
        f'<text x="{LEFT - 6}" y="{_up(value, low, high) + 4:.1f}" text-anchor="end">{_tick(value)}</text>'
        for value in (low + pad, high - pad)
    )
    names = f'<text x="{MIDDLE}" y="{HEIGHT - 10}" text-anchor="middle">predicted</text>{_upward("measured")}'
    return _drawing(words, f"{line}{dots}{ticks}{names}")


def _plot(receipt: Receipt) -> str:
    """The score over the share of the picture that is hidden or shown."""
    chance = receipt.random_curve
    curves = {
        "random": chance,
        "random shown-back": chance[::-1],
        "hidden": receipt.deletion_curve,
        "shown": receipt.insertion_curve,
    }
    values = [value for curve in curves.values() for value in curve]
    low, high = min(0.0, *values), max(values)
    high = high + 0.05 * (high - low) if high > low else low + 1.0
    lines = "".join(_line(kind, curve, low, high) for kind, curve in curves.items())
    ticks = f'<text x="{LEFT}" y="{HEIGHT - 10}" text-anchor="middle">0 %</text>'
    ticks += f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 10}" text-anchor="end">100 %</text>'
    ticks += f'<text x="{MIDDLE}" y="{HEIGHT - 10}" text-anchor="middle">of the picture</text>'
    ticks += _upward(receipt.score)
    for value in (low, max(values)):
        ticks += (
            f'<text x="{LEFT - 6}" y="{_up(value, low, high) + 4:.1f}" text-anchor="end">'
            f"{_tick(value)}</text>"
        )
    words = f"The {receipt.score} while the picture is hidden and shown in the order of the map and at random"
    return _drawing(words, lines + ticks)


def _line(kind: str, curve: Sequence[float], low: float, high: float) -> str:
    points = " ".join(
        f"{_across(i, 0, len(curve) - 1):.1f},{_up(value, low, high):.1f}" for i, value in enumerate(curve)
    )
    return f'<polyline class="{kind}" points="{points}"/>'


def _drawing(words: str, inside: str) -> str:
    frame = f'<path class="frame" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>'
    return (
        f'<svg class="drawing" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{text(words)}">{frame}{inside}</svg>'
    )


def _tick(value: float) -> str:
    """A number at an axis, in at most eight letters."""
    size = abs(value)
    form = ".3g" if size == 0 or 1e-3 <= size < 1e3 else ".0f" if 1e3 <= size < 1e5 else ".0e"
    return minus(f"{value:{form}}")


def _upward(words: str) -> str:
    """The name of the upright axis, between its two numbers."""
    return (
        f'<text x="{-(TOP + HEIGHT - BOTTOM) // 2}" y="{LEFT - 14}" text-anchor="middle" '
        f'transform="rotate(-90)">{text(words)}</text>'
    )


def _across(value: float, low: float, high: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (high - low)


def _up(value: float, low: float, high: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low)
