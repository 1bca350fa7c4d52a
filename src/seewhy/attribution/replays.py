"""The network asked again about one picture: with pixels hidden, for every kind of answer.

An answer keeps the picture and makes the network's input again when asked, so that many answers do not keep
the device's memory.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seewhy.attribution.engine import Engine
from seewhy.attribution.fillers import filled
from seewhy.attribution.question import Question, Who
from seewhy.attribution.targets import ScoreKind
from seewhy.backbones.base import Backbone, Batch
from seewhy.errors import InputError, did_you_mean, message
from seewhy.explanation.replay import HidePixels, Replay
from seewhy.types import Size

Again = Callable[[], Float[Tensor, "1 c H W"]]
"""Makes the network's input of one picture again."""

FILLS = ("mean", "blur")
SCORES = ("probability", "logit")


def input_again(backbone: Backbone, batch: Batch, i: int, preprocess: bool) -> Again:
    """How to make input `i` of a batch again: from its picture, or a copy of the ready tensor."""
    if preprocess:
        picture = batch.pictures[i]
        return lambda: backbone.tensor([picture]).x
    x = batch.x[i : i + 1].cpu().clone()
    return lambda: x.to(backbone.device, backbone.dtype)


def pixel_replay(
    backbone: Backbone, again: Again, size: Size, row: int, batch_size: int | None = None
) -> Replay:
    """A replay for an answer without concepts."""
    return Replay(size, hide_pixels(backbone, again, row, batch_size))


def hide_pixels(backbone: Backbone, again: Again, row: int, batch_size: int | None = None) -> HidePixels:
    """`Replay.pixels` of one picture and class `row`."""

    def pixels(keep: Bool[np.ndarray, "n H W"], fill: str, score: str) -> Float[np.ndarray, " n"]:
        with torch.inference_mode(False), backbone.undisturbed(), torch.no_grad():
            x = again()
            kept = torch.from_numpy(np.ascontiguousarray(keep))
            if kept.shape[1:] != x.shape[2:]:
                raise InputError(
                    message(
                        f"The masks have shape {tuple(kept.shape)}.",
                        f"The model's input has {x.shape[2]} x {x.shape[3]} pixels.",
                        "Make masks of replay.size.",
                    )
                )
            engine = Engine.for_device(backbone.device, batch_size, size=(x.shape[2], x.shape[3]))
            rows = torch.tensor([row], device=x.device)
            # The logits of the picture as it is are not asked for again: no score here needs them.
            question = Question(backbone, x, rows, x.new_zeros(1, 1), engine)
            blank = filled(question, "blur" if _known("fill", fill, FILLS) == "blur" else "mean")
            kind: ScoreKind = "logit" if _known("score", score, SCORES) == "logit" else "probability"

            def change(who: Who, k: Int[Tensor, " m"]) -> Tensor:
                return torch.where(kept[k.cpu()].to(x.device)[:, None], x, blank)

            found = question.scores_of_changed(len(kept), change, kind)[0]
            scores: np.ndarray = found.double().cpu().numpy()
            return scores

    return pixels


def _known(what: str, name: str, known: tuple[str, ...]) -> str:
    if name not in known:
        raise InputError(message(f"The {what} is {name!r}.", did_you_mean(name, known)))
    return name
