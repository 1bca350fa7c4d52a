"""What number is explained: one scalar per picture, made from the logits."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.errors import InputError, did_you_mean, message

ScoreKind = Literal["logit", "probability", "log_odds"]


def score_of(
    logits: Float[Tensor, "b k"], rows: Int[Tensor, " b"], kind: ScoreKind = "logit"
) -> Float[Tensor, " b"]:
    """The score of class `rows[b]` for each picture.

    "logit" before softmax; "probability" after it; "log_odds" log(p / (1 - p)). With a single class the
    probability is the sigmoid of the logit, whose log odds are the logit itself.

    Raises
    ------
    InputError
        If there is no such score.
    """
    if kind not in get_args(ScoreKind):
        known = get_args(ScoreKind)
        raise InputError(
            message(f"The score is {kind!r}.", did_you_mean(str(kind), known), f"Known: {', '.join(known)}.")
        )
    index = rows.to(logits.device).unsqueeze(1)
    if kind == "logit" or (kind == "log_odds" and logits.shape[1] == 1):
        return logits.gather(1, index).squeeze(1)
    if kind == "probability":
        scores = logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(1)
        return scores.gather(1, index).squeeze(1)
    others = logits.scatter(1, index, -torch.inf).logsumexp(1)
    return logits.gather(1, index).squeeze(1) - others
