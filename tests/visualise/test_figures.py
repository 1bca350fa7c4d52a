"""Figures: the same bytes each time, readable text, a scale beside every map, no global state."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image

from seewhy.errors import InputError
from seewhy.explanation import Answers
from seewhy.visualise.figures import MOST_ROWS, figure
from tests.made_answers import made_attribution, made_effects, made_explanation, made_picture

HOSTILE = ("$\\frac{broken$", "</text><script>x</script>", "كلب\u202eevil", "x" * 300, "new\nline\x00")


def svg_of(answer: object, **options: object) -> str:
    stream = io.BytesIO()
    figure(answer, **options).savefig(stream, format="svg")  # type: ignore[arg-type]
    return stream.getvalue().decode()


EVERY = {
    "map": made_attribution,
    "explanation": made_explanation,
    "effects": made_effects,
    "no concepts": lambda: made_explanation(0),
    "one cell": lambda: made_explanation(1, (1, 1), made_picture(1, 1)),
    "thin": lambda: made_attribution((1, 9), made_picture(300, 9)),
    "several": lambda: Answers([made_explanation(2, seed=1), made_attribution()]),
    "none": lambda: Answers([]),
}


@pytest.mark.parametrize("name", EVERY)
def test_every_answer_is_drawn_the_same_each_time(name: str) -> None:
    assert svg_of(EVERY[name]()) == svg_of(EVERY[name]())


def test_pixels_are_the_same_each_time_at_300_dots_per_inch() -> None:
    streams = [io.BytesIO(), io.BytesIO()]
    for stream in streams:
        figure(made_attribution()).savefig(stream, format="png")
    assert streams[0].getvalue() == streams[1].getvalue()
    width, height = figure(made_attribution()).get_size_inches()
    with Image.open(streams[0]) as image:
        assert image.size == (round(width * 300), round(height * 300))


def test_svg_text_is_text_and_there_is_no_date() -> None:
    svg = svg_of(made_explanation(8))
    assert ">painted bunting<" in svg and ">already in the class token<" in svg
    assert "<dc:date>" not in svg


def test_the_rows_of_a_figure_are_the_ledger_of_the_logit() -> None:
    answer = made_explanation(9)
    svg = svg_of(answer, top_k=4)
    for word in (
        "other 5 concepts",
        "bias",
        "unexplained remainder",
        "= logit",
        f"+{answer.target.logit:.2f}",
    ):
        assert f">{word}<" in svg
    assert ">= logit<" not in svg_of(made_effects())


def test_every_map_has_its_unit_and_limits_beside_it() -> None:
    svg = svg_of(made_attribution(kind="effect"))
    assert ">change of the logit, per cell<" in svg and ">+0.967<" in svg and ">-0.967<" in svg
    assert ">logit per cell<" in svg_of(made_explanation()) and ">activation, per cell<" in svg_of(
        made_explanation()
    )


def test_a_limit_is_the_end_of_the_scale() -> None:
    assert ">+2.00<" in svg_of(made_attribution(), limit=2.0)
    with pytest.raises(InputError, match="limit of a colour scale"):
        figure(made_attribution(), limit=-1.0)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_others_cannot_break_a_figure(name: str) -> None:
    import xml.etree.ElementTree as ElementTree

    svg = svg_of(made_explanation(1, names=[name], picture=made_picture(name=name)))
    ElementTree.fromstring(svg)
    assert "<script>" not in svg and "\u202e" not in svg
    figure(made_explanation(1, names=[name])).savefig(io.BytesIO(), format="png", dpi=40)


def test_many_answers_are_cut_and_it_is_said() -> None:
    answer = made_attribution((3, 3), made_picture(8, 9))
    svg = svg_of(Answers([answer] * (MOST_ROWS + 3)))
    assert ">3 more are not drawn.<" in svg


def test_pyplot_is_neither_used_nor_changed() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    loaded = "matplotlib.pyplot" in sys.modules
    svg_of(made_explanation(2))
    assert dict(matplotlib.rcParams) == before
    assert ("matplotlib.pyplot" in sys.modules) == loaded


def test_the_picture_in_the_figure_is_the_overlay() -> None:
    from seewhy.visualise.overlay import display_size, draw

    answer = made_attribution()
    drawn = [axes.images[0].get_array() for axes in figure(answer).axes if axes.images]
    size = display_size(answer.image.size, longest=1000)
    assert any(a.shape == (*size, 3) and np.array_equal(a, draw(answer, size=size)) for a in drawn)
