"""Two maps drawn side by side: one scale where their numbers mean the same, else each its own, and it says so."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from seewhy.explanation.comparison import compare
from seewhy.visualise.comparison import agreement_facts, figure, pair_scales
from seewhy.visualise.scales import whole_scale
from tests.made_answers import made_attribution, made_effects, made_explanation, made_meta, made_picture

RISE = {"name": "rise", "unit": "score per visibility"}


def times(answer: Any, by: float) -> Any:
    return replace(answer, map=by * answer.map)


def test_maps_of_one_unit_share_the_larger_limit() -> None:
    weak, strong = made_attribution(), times(made_attribution(), 3.0)
    for pair in ((weak, strong), (strong, weak)):
        scales = pair_scales(compare(*pair))
        assert scales.first == scales.second == whole_scale(strong)
        assert scales.shared and scales.words == "Both maps share one scale."


def test_shares_on_other_cells_share_a_scale_by_area() -> None:
    coarse, fine = made_explanation(4, (7, 7)), made_explanation(4, (14, 14))
    scales = pair_scales(compare(coarse, fine))
    assert scales.first is not None and scales.second is not None and scales.shared
    # A cell of the finer grid has a quarter of the area.
    assert scales.first.limit == pytest.approx(4 * scales.second.limit)
    assert scales.first.limit >= whole_scale(coarse).limit * (1 - 1e-9)
    assert scales.second.limit >= whole_scale(fine).limit * (1 - 1e-9)
    assert "by area" in scales.words


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (made_attribution(), made_attribution(meta=replace(made_meta(), method=RISE)), "differ in meaning"),
        (made_attribution(), made_attribution((14, 14)), "cells differ in size"),
        (made_attribution(), made_attribution((5, 7), made_picture(20, 30)), "cells differ in size"),
    ],
)
def test_other_units_keep_their_own_scales_and_say_why(first: Any, second: Any, why: str) -> None:
    scales = pair_scales(compare(first, second))
    assert not scales.shared and why in scales.words
    assert (scales.first, scales.second) == (whole_scale(first), whole_scale(second))


def test_two_pictures_share_a_scale_if_their_grids_are_one() -> None:
    scales = pair_scales(compare(made_attribution(), made_attribution(picture=made_picture(50, 90))))
    assert scales.shared


def test_fine_maps_say_how_much_lies_beyond_the_shared_scale() -> None:
    spiky = np.zeros((40, 40), np.float32)
    spiky[3, :9] = 5.0
    spiky += np.linspace(0, 1, 1600, dtype=np.float32).reshape(40, 40)
    flat, other = made_attribution(map=spiky), made_attribution(map=np.minimum(spiky, 1))
    scales = pair_scales(compare(flat, other))
    assert scales.first is not None and scales.second is not None
    beyond = 100 * float((np.abs(flat.where) > scales.first.limit).mean())
    assert scales.first.note == f"{beyond:.1f} % of the cells lie beyond" and scales.second.note == ""


def test_one_reason_for_all_measures_is_said_once() -> None:
    apart = compare(made_attribution(), made_attribution(picture=made_picture(20, 30))).agreement
    assert [name for name, _ in agreement_facts(apart)] == ["maps"]
    against = made_attribution(map=-np.ones((7, 7), np.float32))
    facts = dict(agreement_facts(compare(made_attribution(), against).agreement))
    assert facts["correlation (Pearson)"] == "not defined: the second map is the same everywhere"
    assert facts["positive evidence in the same places"].startswith(
        "not defined: the second map has no positive"
    )
    same = dict(agreement_facts(compare(made_attribution(), made_attribution()).agreement))
    assert same["positive evidence in the same places"] == "100 %"


def test_figures_are_the_same_each_time_and_differ_by_answer() -> None:
    def drawn(seed: int) -> bytes:
        stream = io.BytesIO()
        comparison = compare(made_explanation(2), made_explanation(2, seed=seed))
        figure(comparison).savefig(stream, format="svg", dpi=30)
        return stream.getvalue()

    first = drawn(1)
    assert first == drawn(1) != drawn(2)


def test_the_figure_has_a_third_panel_only_with_a_difference() -> None:
    with_it = figure(compare(made_attribution(), made_attribution()))
    without = figure(compare(made_attribution(), made_attribution(picture=made_picture(30, 20))))
    assert with_it.get_figwidth() > without.get_figwidth()
    assert len(with_it.axes) == 6 and len(without.axes) == 4
    bare = figure(compare(made_effects(), made_effects()))
    assert len(bare.axes) == 2, "pictures alone where there is no map"
