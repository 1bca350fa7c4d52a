"""What is put in for a hidden part."""

from __future__ import annotations

import math

import pytest
import torch

from seewhy.attribution.engine import Engine
from seewhy.attribution.fillers import blurred, filled
from seewhy.attribution.question import Question
from seewhy.backbones.base import Backbone
from seewhy.errors import InputError
from seewhy.images.preprocess import Preprocess
from tests.attribution.small_networks import LinearPicture, draw

RECIPE = Preprocess(size=(8, 6), mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.5))


def _question(preprocess: Preprocess | None = RECIPE) -> Question:
    backbone = Backbone(LinearPicture((8, 6)), preprocess=preprocess)
    x = draw(2, 3, 8, 6)
    return Question(backbone, x, torch.zeros(2, dtype=torch.long), torch.zeros(2, 3), Engine(4))


def test_black_and_white_are_no_and_full_light_after_normalisation() -> None:
    black, white = (filled(_question(), fill) for fill in ("black", "white"))
    torch.testing.assert_close(black[0, :, 0, 0], torch.tensor([-0.5 / 0.2, -0.4 / 0.25, -0.3 / 0.5]))
    torch.testing.assert_close(white[0, :, 0, 0], torch.tensor([0.5 / 0.2, 0.6 / 0.25, 0.7 / 0.5]))


def test_mean_is_each_pictures_own_colour_and_a_number_is_itself() -> None:
    question = _question()
    torch.testing.assert_close(filled(question, "mean")[1, 2, 0, 0], question.x[1, 2].mean())
    assert torch.equal(filled(question, -1.5).expand(2, 3, 8, 6), torch.full((2, 3, 8, 6), -1.5))


def test_blur_keeps_constants_and_is_a_normalised_gaussian() -> None:
    torch.testing.assert_close(blurred(torch.full((1, 2, 5, 7), 3.0), 2.0), torch.full((1, 2, 5, 7), 3.0))
    point = torch.zeros(1, 1, 41, 61)
    point[0, 0, 20, 30] = 1
    spread = blurred(point, 3.0)[0, 0]
    # Far from the border: exp(-r^2 / 2 sigma^2) / (2 pi sigma^2).
    for dy, dx in ((0, 0), (2, -1), (-4, 3)):
        wanted = math.exp(-(dy**2 + dx**2) / 18) / (2 * math.pi * 9)
        assert float(spread[20 + dy, 30 + dx]) == pytest.approx(wanted, rel=1e-4)


def test_black_is_refused_where_the_normalisation_is_not_known() -> None:
    with pytest.raises(
        InputError, match=r"(?s)The fill is 'black', but how LinearPicture normalises.*preprocess="
    ):
        filled(_question(None), "black")


def test_an_unknown_fill_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match=r"The fill is 'blurr'\.\n  Did you mean 'blur'"):
        filled(_question(), "blurr")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="The fill is nan"):
        filled(_question(), math.nan)
