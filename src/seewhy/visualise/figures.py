"""Answers as matplotlib figures, for papers and slides: `answer.figure()` and the .png and .svg files.

Only the object interface is used, so nothing of pyplot's state is touched and figures may be made in threads.
Positions are inches on a sheet: every row lands where it was put, and the same answer gives the same bytes.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from seewhy.explanation.answer import Answer
from seewhy.explanation.answers import Answers
from seewhy.explanation.evidence import ConceptEvidence
from seewhy.explanation.explanation import Explanation
from seewhy.visualise.colours import DIVERGING, Scale
from seewhy.visualise.ledger import SUM, ledger
from seewhy.visualise.overlay import OPACITY, display_size, draw, picture_at
from seewhy.visualise.scales import CONTRIBUTION, MEANING, concept_scale, kind_of, whole_scale
from seewhy.visualise.wording import clean, number, score_text, sentence, signed_column

INK, QUIET, LINE = "#1b1f24", "#59636e", "#c9d1d9"
NEGATIVE, POSITIVE = DIVERGING[1], DIVERGING[-2]
MARGIN, PICTURE, GAP, ROW, SIDE = 0.3, 3.3, 0.45, 0.5, 4.6
MOST_ROWS = 12


def figure(
    answer: Answer | Answers[Any], *, top_k: int = 6, opacity: float = OPACITY, limit: float | None = None
) -> Figure:
    """Draw an answer.

    Parameters
    ----------
    answer
        An attribution map gives the picture and the map on it; an explanation also its strongest concepts with
        their maps, signed bars and what they add up to; several answers give one row each, at most 12.
    top_k
        Concepts shown.
    opacity
        Of the strongest colour, 0 to 1.
    limit
        Value of the full colour of the target's map; None is its largest absolute value. Pass one limit to
        compare figures.

    Returns
    -------
    figure
        With a scale beside every map. `figure.savefig` writes 300 dots per inch, text as text in SVG, and
        the same bytes every time.
    """
    if isinstance(answer, Answers):
        return _many(answer, opacity, limit)
    if isinstance(answer, Explanation):
        return _explanation(answer, top_k, opacity, limit)
    return _map_only(answer, opacity, limit)


class AnswerFigure(Figure):
    """A figure that is saved the same way each time; see `figure`."""

    def savefig(self, fname: Any, **options: Any) -> None:
        """`Figure.savefig` with 300 dpi, SVG text as text, and neither dates nor random names inside."""
        options.setdefault("dpi", 300)
        suffix = str(options.get("format") or str(fname).rpartition(".")[2]).lower()
        if suffix == "svg":
            options.setdefault("metadata", {"Date": None})
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": "seewhy"}), warnings.catch_warnings():
            # Names are others' text; a script that the font lacks shows as boxes and is no fault of the figure.
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            super().savefig(fname, **options)


class Sheet:
    """A figure addressed in inches from its upper left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = AnswerFigure(figsize=(width, height), facecolor="white")
        FigureCanvasAgg(self.figure)

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        bottom = 1 - (y + height) / self.height
        axes = self.figure.add_axes(
            (x / self.width, bottom, width / self.width, height / self.height), frameon=False
        )
        axes.set_xticks([])
        axes.set_yticks([])
        return axes

    def text(self, x: float, y: float, text: str, size: float = 9, **options: Any) -> None:
        options = {"color": INK, "va": "center", "parse_math": False, **options}
        self.figure.text(x / self.width, 1 - y / self.height, text, fontsize=size, **options)

    def image(self, pixels: np.ndarray, x: float, y: float, width: float) -> float:
        """Draw pixels `width` inches wide; returns their height in inches."""
        height = width * float(pixels.shape[0] / pixels.shape[1])
        axes = self.axes(x, y, width, height)
        axes.imshow(pixels, aspect="auto", interpolation="nearest")
        return height

    def scale(self, scale: Scale, opacity: float, x: float, y: float, width: float) -> None:
        """A colour bar as the map shows it over white, with its limits and unit."""
        values = np.linspace(scale.low, scale.limit, 256)
        alpha = (opacity * np.sqrt(scale.strength(values)))[:, None]
        strip = ((1 - alpha) * 255 + alpha * scale.colours(values)) / 255
        axes = self.axes(x, y, width, 0.1)
        axes.imshow(strip[None], aspect="auto")
        axes.add_patch(Rectangle((-0.5, -0.5), 256, 1, fill=False, edgecolor=LINE, linewidth=0.8))
        low, high = signed_column([scale.low, scale.limit], sign=scale.signed)
        self.text(x, y + 0.21, "0" if scale.low == 0 else low, 7.5, color=QUIET)
        self.text(x + width / 2, y + 0.21, scale.words, 7.5, color=QUIET, ha="center")
        self.text(x + width, y + 0.21, high, 7.5, color=QUIET, ha="right")


def fitted(answer: Answer, width: float, tallest: float) -> tuple[float, float]:
    """(width, height) in inches of a picture at most so wide and so tall."""
    height, long = answer.image.size
    ratio = height / long
    return (width, width * ratio) if width * ratio <= tallest else (tallest / ratio, tallest)


def _heading(sheet: Sheet, answer: Answer, x: float, y: float, letters: int) -> None:
    target = answer.target
    sheet.text(x, y, clean(target.name, letters), 13, weight="bold")
    method = answer.meta.method.get("name")
    parts = [f"score {score_text(target.score)}", f"logit {number(target.logit)}", method]
    sheet.text(x, y + 0.23, "   ".join(clean(part, letters) for part in parts if part), 9, color=QUIET)


def drawn(
    answer: Answer, values: np.ndarray | None, scale: Scale, opacity: float, longest: int
) -> np.ndarray:
    """The picture of an answer with `values` on it, or alone: a scale belongs to the values."""
    size = display_size(answer.image.size, longest=longest)
    if values is None:
        return picture_at(answer.image, size)
    return draw(answer, values, scale=scale, opacity=opacity, size=size)


def _map_only(answer: Answer, opacity: float, limit: float | None) -> Figure:
    width, height = fitted(answer, PICTURE, 4.2)
    scale = _limited(whole_scale(answer), limit)
    sheet = Sheet(2 * MARGIN + 2 * PICTURE + GAP, height + 2.0)
    _heading(sheet, answer, MARGIN, 0.32, 60)
    second = MARGIN + PICTURE + GAP
    sheet.image(drawn(answer, None, scale, opacity, 1000), MARGIN, 0.8, width)
    sheet.image(drawn(answer, answer.where, scale, opacity, 1000), second, 0.8, width)
    below = 0.8 + height + 0.12
    sheet.text(MARGIN, below + 0.05, clean(answer.image.name, 50), 8, color=QUIET)
    sheet.scale(scale, opacity, second, below, max(width, 2.6))
    sheet.text(MARGIN, below + 0.6, sentence(answer), 8.5)
    sheet.text(MARGIN, below + 0.82, MEANING[kind_of(answer)], 7.5, color=QUIET)
    return sheet.figure


def _explanation(answer: Explanation, top_k: int, opacity: float, limit: float | None) -> Figure:
    concepts = answer.top(top_k)
    placed = answer.can("where") is None
    width, height = fitted(answer, PICTURE, 3.0)
    left = 0.8 + height + 0.35 + (height + 0.55 if placed else 0)
    rows = ledger(answer, concepts)
    right = 0.8 + 0.3 + len(concepts) * ROW + len(rows) * 0.24 + 0.75
    sheet = Sheet(2 * MARGIN + PICTURE + GAP + SIDE, max(left, right) + 0.55)
    _heading(sheet, answer, MARGIN, 0.32, 80)
    sheet.image(drawn(answer, None, concept_scale(concepts), opacity, 1000), MARGIN, 0.8, width)
    y = 0.8 + height + 0.15
    sheet.text(MARGIN, y, clean(answer.image.name, 50), 8, color=QUIET)
    if placed:
        scale = _limited(whole_scale(answer), limit)
        sheet.image(drawn(answer, answer.where, scale, opacity, 1000), MARGIN, y + 0.2, width)
        sheet.scale(scale, opacity, MARGIN, y + 0.32 + height, max(width, 2.6))
    _concept_rows(sheet, answer, concepts, rows, opacity)
    sheet.text(MARGIN, sheet.height - 0.3, sentence(answer), 8.5)
    return sheet.figure


def _concept_rows(
    sheet: Sheet,
    answer: Explanation,
    concepts: tuple[ConceptEvidence, ...],
    sums: list[tuple[str, float]],
    opacity: float,
) -> None:
    x, y = MARGIN + PICTURE + GAP, 0.8
    scale = concept_scale(concepts)
    texts = signed_column([c.contribution for c in concepts] + [value for _, value in sums])
    peak = max((abs(c.contribution) for c in concepts), default=0.0) or 1.0
    sheet.text(x + SIDE, y, CONTRIBUTION[answer.kind], 8, color=QUIET, ha="right")
    sheet.text(x, y, "concept", 8, color=QUIET)
    y += 0.2
    for concept, text in zip(concepts, texts, strict=False):
        thumb, high = fitted(answer, 0.62, ROW - 0.06)
        pixels = draw(answer, concept.map, scale=scale, opacity=opacity, size=_thumb_size(answer))
        sheet.image(pixels, x + (0.62 - thumb) / 2, y + (ROW - high) / 2, thumb)
        sheet.text(x + 0.75, y + ROW / 2, clean(concept.name, 22), 9)
        _bar(sheet, concept.contribution / peak, x + 2.5, y + ROW / 2 - 0.09, 1.45)
        sheet.text(x + SIDE, y + ROW / 2, text, 9, ha="right")
        y += ROW
    y += 0.1
    for (name, _), text in zip(sums, texts[len(concepts) :], strict=True):
        strong = {"weight": "bold"} if name == SUM else {"color": QUIET}
        sheet.text(x + 0.75, y + 0.12, clean(name, 40), 8.5, **strong)
        sheet.text(x + SIDE, y + 0.12, text, 8.5, ha="right", **strong)
        y += 0.24
    sheet.scale(scale, opacity, x, y + 0.15, SIDE)
    sheet.text(x, y + 0.6, MEANING[answer.kind], 7.5, color=QUIET)


def _bar(sheet: Sheet, share: float, x: float, y: float, width: float) -> None:
    axes = sheet.axes(x, y, width, 0.18)
    axes.set_xlim(-1.02, 1.02)
    axes.set_ylim(0, 1)
    axes.barh(0.5, share, height=0.7, color=POSITIVE if share > 0 else NEGATIVE)
    axes.axvline(0, color=LINE, linewidth=0.8)


def _thumb_size(answer: Answer) -> tuple[int, int]:
    return display_size(answer.image.size, longest=240, shortest=120)


def _many(answers: Answers[Any], opacity: float, limit: float | None) -> Figure:
    shown = answers[:MOST_ROWS]
    sizes = [fitted(answer, 2.2, 2.2) for answer in shown]
    heights = [max(height, 1.0) + 0.55 for _, height in sizes]
    more = len(answers) - len(shown)
    sheet = Sheet(2 * MARGIN + 2 * 2.2 + 2 * 0.3 + 3.2, 0.3 + sum(heights) + (0.3 if more else 0) or 1.0)
    y = 0.3
    for answer, (width, height), row in zip(shown, sizes, heights, strict=True):
        x = MARGIN
        placed = answer.can("where") is None
        scale = _limited(whole_scale(answer), limit) if placed else Scale(1.0, signed=False)
        sheet.image(drawn(answer, None, scale, opacity, 640), x, y, width)
        if placed:
            sheet.image(drawn(answer, answer.where, scale, opacity, 640), x + 2.5, y, width)
            sheet.scale(scale, opacity, x + 2.5, y + height + 0.08, 2.2)
        _heading(sheet, answer, x + 5.0, y + 0.15, 32)
        sheet.text(x + 5.0, y + 0.62, clean(answer.image.name, 40), 8, color=QUIET)
        if placed:
            sheet.text(x + 5.0, y + 0.84, answer.describe_where(), 8, color=QUIET)
        y += row
    if more:
        sheet.text(MARGIN, sheet.height - 0.25, f"{more} more are not drawn.", 8.5, color=QUIET)
    return sheet.figure


def _limited(scale: Scale, limit: float | None) -> Scale:
    return scale if limit is None else replace(scale, limit=limit, note="")
