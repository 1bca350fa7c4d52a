"""The score: one number a picture, made from logits."""

from __future__ import annotations

import pytest
import torch

from seewhy.attribution.targets import score_of
from seewhy.errors import InputError
from tests.attribution.small_networks import draw

LOGITS = draw(5, 4).double()
ROWS = torch.tensor([0, 3, 1, 1, 2])


def test_logit_is_the_entry_of_the_row() -> None:
    wanted = [float(LOGITS[i, row]) for i, row in enumerate(ROWS)]
    assert score_of(LOGITS, ROWS).tolist() == wanted


def test_probability_is_softmax_and_log_odds_are_of_it() -> None:
    e = LOGITS.exp()
    p = torch.stack([e[i, row] / e[i].sum() for i, row in enumerate(ROWS)])
    torch.testing.assert_close(score_of(LOGITS, ROWS, "probability"), p)
    torch.testing.assert_close(score_of(LOGITS, ROWS, "log_odds"), torch.log(p / (1 - p)))


def test_log_odds_stay_finite_where_the_probability_rounds_to_one() -> None:
    logits = torch.tensor([[200.0, 0.0, 0.0]])
    log_odds = score_of(logits, torch.tensor([0]), "log_odds")
    torch.testing.assert_close(log_odds, 200.0 - torch.tensor([2.0]).log())


def test_a_single_class_has_a_sigmoid() -> None:
    logits, rows = torch.tensor([[0.0], [2.0]]), torch.tensor([0, 0])
    torch.testing.assert_close(score_of(logits, rows, "probability"), torch.tensor([0.5, 0.880797]))
    assert torch.equal(score_of(logits, rows, "log_odds"), logits[:, 0])


def test_an_unknown_score_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match=r"The score is 'logits'\.\n  Did you mean 'logit'"):
        score_of(LOGITS, ROWS, "logits")  # type: ignore[arg-type]
