"""The side of the page with the picture: the map on it, its scale, and what the script needs to draw it live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seewhy.explanation.answer import Answer
from seewhy.explanation.evidence import ConceptEvidence
from seewhy.explanation.explanation import Explanation
from seewhy.explanation.query import where_in_words
from seewhy.report.markup import minus, text
from seewhy.report.pictures import data_uri, ladder, scale_bar
from seewhy.visualise.colours import Scale
from seewhy.visualise.overlay import OPACITY, display_size, draw, picture_at
from seewhy.visualise.scales import concept_scale, whole_scale
from seewhy.visualise.wording import clean, number, place_words, sentence

HINT = "Point at the picture, or focus it and use the arrow keys, to read one cell."
PLAIN_SIDE = 640
"""Longest side of the still image under the map, which only readers without a script see."""


class Stage:
    """The picture of one answer and the scales of its maps, drawn once and used all over its article.

    `scale` of the target's map may be shared with other stages, and `words` say what the map shows; by default
    both are the answer's own.
    """

    def __init__(
        self,
        answer: Answer,
        shown: Sequence[ConceptEvidence],
        longest: int,
        *,
        scale: Scale | None = None,
        words: str | None = None,
    ) -> None:
        self.answer = answer
        self.shown = shown
        self.longest = longest
        self.whole = None if answer.can("where") else scale or whole_scale(answer)
        self.words = words
        self.concept = concept_scale(shown) if shown else None
        # All smaller pictures are made from this one, so that a large photograph is read once.
        size = display_size(answer.image.size, longest=longest)
        self._small = replace(answer, image=replace(answer.image, pixels=picture_at(answer.image, size)))

    def minis(self) -> list[str]:
        """A small drawing of each concept's map as a data: address."""
        size = display_size(self.answer.image.size, longest=104, shortest=52)
        drawn = (draw(self._small, c.map, scale=self.concept, size=size) for c in self.shown)
        return [data_uri(pixels, quality=72) for pixels in drawn]

    def markup(self, budget: int) -> str:
        """The picture, its map, scale and controls in about `budget` bytes."""
        scale = self.whole or self.concept
        words = self.words or sentence(self.answer)
        if not self.whole and self.shown and isinstance(self.answer, Explanation):
            words = concept_sentence(self.answer, self.shown[0])
        picture, (height, width) = self._fitting(None, self.longest, int(0.65 * budget))
        drawn = picture
        if scale:
            values = self.answer.where if self.whole else self.shown[0].map
            drawn, _ = self._fitting((values, scale), min(self.longest, PLAIN_SIDE), budget - len(picture))
        size = f'width="{width}" height="{height}"'
        return f"""<div class="look"><div class="steady">
<div class="stage"><img class="drawn" src="{drawn}" {size} alt="{text(words)}">
<img class="picture" src="{picture}" {size} alt="The picture without the map"></div>
<p class="showing" data-whole="{text(words)}">{text(words)}</p>
{_legend(scale) if scale else ""}
{self._controls(scale is not None)}
<p class="spoken unseen" aria-live="polite"></p>
</div></div>"""

    def view(self) -> dict[str, Any]:
        """What the element needs beside the data: the scales that the page was drawn with."""
        return {"scales": {"whole": _scale_data(self.whole), "concept": _scale_data(self.concept)}}

    def _controls(self, has_map: bool) -> str:
        if not has_map:
            return ""
        percent = round(100 * OPACITY)
        own = ""
        if self.shown:
            own = (
                '<label><input class="own" type="checkbox"> Own scale</label>\n'
                '<button class="reset" type="button" hidden>Unpin</button>'
            )
        return f"""<div class="controls">
<label>Opacity <input class="opacity" type="range" min="0" max="100" value="{percent}">
<output class="opacity-value">{percent} %</output></label>
<label><input class="lines" type="checkbox"> Grid</label>
{own}
</div>
<p class="here" data-hint="{HINT}"></p>"""

    def _fitting(
        self, layer: tuple[np.ndarray, Scale] | None, longest: int, budget: int
    ) -> tuple[str, tuple[int, int]]:
        """The largest picture, plain or under a map, whose address fits in `budget`; else the smallest."""
        full = display_size(self.answer.image.size, longest=longest)
        drawn: dict[tuple[int, int], np.ndarray] = {}
        bytes_per_pixel = 0.0
        steps = ladder(full, longest)
        for side, quality in steps:
            size = display_size(self.answer.image.size, longest=side)
            # Halving a picture does not halve the bytes of a pixel, so what is far too large is not tried.
            if size[0] * size[1] * bytes_per_pixel > 2 * budget and (side, quality) != steps[-1]:
                continue
            if size not in drawn:
                drawn[size] = (
                    draw(self._small, layer[0], scale=layer[1], size=size)
                    if layer
                    else picture_at(self._small.image, size)
                )
            uri = data_uri(drawn[size], quality=quality, exact_up_to=min(24_000, budget // 2))
            if len(uri) <= budget:
                break
            bytes_per_pixel = len(uri) / (size[0] * size[1])
        return uri, size


def concept_sentence(answer: Explanation, concept: ConceptEvidence) -> str:
    """'blue head: strongest in the upper left (7 % of the image); adds 1.80 to the logit.'"""
    where = where_in_words(concept.map, answer.geometry)
    place = "nowhere in the picture" if where == "nowhere" else f"strongest {place_words(where)}"
    value = concept.contribution
    size = number(abs(value))
    does = {
        "share": f"adds {size} to the logit" if value >= 0 else f"takes {size} from the logit",
        "effect": f"effect {minus(number(value, sign=True))} on the prediction",
        "variance": f"importance {size}",
    }[answer.kind]
    return f"{clean(concept.name, 120)}: {place}; {does}."


def _legend(scale: Scale) -> str:
    low = "0" if scale.low == 0 else minus(number(scale.low, sign=True))
    high = minus(number(scale.limit, sign=scale.signed))
    return (
        f'<div class="legend"><span class="low">{low}</span>'
        f'<span class="frame"><img class="bar" src="{scale_bar(scale)}" alt="Colour scale from {low} to {high}">'
        f'</span><span class="high">{high}</span><span class="unit">{text(scale.words)}</span></div>'
    )


def _scale_data(scale: Scale | None) -> dict[str, Any] | None:
    if scale is None:
        return None
    return {
        "limit": scale.limit,
        "signed": scale.signed,
        "anchors": scale.anchors,
        "unit": scale.unit,
        "words": scale.words,
        "bar": scale_bar(scale),
    }
