"""Colours say the same number everywhere: zero stays zero, nothing is rescaled behind the user's back."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.visualise.colours import DIVERGING, SEQUENTIAL, Scale, rgb_of, shared_scale
from seewhy.visualise.scales import concept_scale, whole_scale
from tests.made_answers import made_attribution, made_explanation


def luminance(rgb: np.ndarray) -> np.ndarray:
    """Relative luminance of sRGB colours (WCAG 2.2)."""
    linear = np.where(rgb / 255 <= 0.04045, rgb / 255 / 12.92, ((rgb / 255 + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def test_the_sequential_scale_is_viridis() -> None:
    from matplotlib import colormaps

    values = np.linspace(0, 1, 256)
    ours = Scale(1.0, signed=False).colours(values)
    theirs = colormaps["viridis"](values)[:, :3] * 255
    # Straight lines between 17 points of a curve.
    assert np.abs(ours - theirs).max() < 6


def test_lightness_rises_along_viridis_and_falls_to_both_sides_of_zero() -> None:
    assert (np.diff(luminance(rgb_of(SEQUENTIAL))) > 0).all()
    light = luminance(rgb_of(DIVERGING))
    middle = len(light) // 2
    assert (np.diff(light[: middle + 1]) > 0).all() and (np.diff(light[middle:]) < 0).all()


def test_zero_is_white_on_the_signed_scale_and_the_lowest_colour_on_the_unsigned_one() -> None:
    assert Scale(3.0, signed=True).colours(np.zeros(1)).tolist() == [[255, 255, 255]]
    assert np.array_equal(Scale(3.0, signed=False).colours(np.zeros(1)), rgb_of(SEQUENTIAL)[:1])


def test_values_beyond_the_limit_are_drawn_as_the_limit() -> None:
    for signed in (True, False):
        scale = Scale(2.0, signed)
        assert np.array_equal(scale.colours(np.array([5.0])), scale.colours(np.array([2.0])))
        assert np.array_equal(scale.colours(np.array([-5.0])), scale.colours(np.array([scale.low])))


def test_strength_is_the_share_of_the_limit() -> None:
    values = np.array([-4.0, -1.0, 0.0, 0.5, 2.0, 4.0])
    assert Scale(2.0, signed=True).strength(values).tolist() == [1, 0.5, 0, 0.25, 1, 1]
    assert Scale(2.0, signed=False).strength(values).tolist() == [0, 0, 0, 0.25, 1, 1]


def test_one_scale_is_shared_so_that_a_weak_map_looks_weak() -> None:
    strong, weak = np.full((2, 3), 4.0), np.full((2, 3), 0.04)
    scale = shared_scale([weak, strong], signed=False)
    assert scale.limit == 4.0
    assert scale.strength(weak).max() == pytest.approx(0.01)


def test_an_empty_map_has_a_scale_all_the_same() -> None:
    assert shared_scale([np.zeros((2, 2))], signed=True).limit == 1.0
    assert shared_scale([], signed=True).limit == 1.0


def test_the_rounding_errors_of_an_empty_map_of_shares_do_not_fill_the_scale() -> None:
    noise = np.random.default_rng(0).normal(0, 1e-7, (5, 7)).astype(np.float32)
    scale = whole_scale(made_attribution(map=noise, kind="share"))
    assert scale.strength(noise).max() < 0.01


def test_a_limit_must_be_a_positive_number() -> None:
    for limit in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(InputError, match=r"(?s)limit of a colour scale is.*Leave limit out"):
            Scale(limit, signed=True)


def test_concepts_share_one_scale_and_it_is_centred_only_if_an_activation_is_negative() -> None:
    answer = made_explanation(6)
    scale = concept_scale(answer.concepts)
    assert not scale.signed
    assert scale.limit == pytest.approx(max(float(c.map.max()) for c in answer.concepts))
    object.__setattr__(answer.concepts[2], "map", -answer.concepts[2].map)
    assert concept_scale(answer.concepts).signed


def test_the_unit_of_a_method_stands_on_its_scale() -> None:
    answer = made_attribution()
    answer.meta.method["unit"] = "score lost"
    assert whole_scale(answer).unit == "score lost"
    assert whole_scale(made_explanation()).unit == "logit per cell"


def test_a_map_that_came_out_negative_is_never_drawn_as_empty() -> None:
    assert whole_scale(made_attribution(map=-np.ones((2, 3), np.float32), signed=False)).signed


def test_single_pixels_do_not_take_the_scale_of_a_fine_map_and_it_is_said() -> None:
    values = np.random.default_rng(0).normal(0, 1, (100, 130)).astype(np.float32)
    values[7, 9] = 30
    scale = whole_scale(made_attribution(map=values))
    # The 99.5th percentile of |normal| is 2.81.
    assert scale.limit == pytest.approx(2.81, abs=0.1)
    assert scale.words == "in the method's own unit; 0.5 % of the cells lie beyond"
    assert whole_scale(made_attribution(map=values[:32, :32])).limit == 30, "coarse maps keep their peak"


def test_a_small_spot_on_a_fine_empty_map_is_not_drowned_in_its_noise() -> None:
    values = np.full((224, 224), 1e-7, np.float32)
    values[:10, :10] = 1
    scale = whole_scale(made_attribution(map=values))
    assert scale.limit == pytest.approx(1 / 50)
    assert scale.strength(values)[50:].max() < 1e-5
