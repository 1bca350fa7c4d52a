"""The network asked again with concepts scaled, so that an explanation's numbers can be put to the test.

Any model whose concepts are an edit of the features at a split makes its replay here: it says what the
features become when concept m is multiplied by a factor, and the tail is run on them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.attribution.engine import Engine
from seewhy.attribution.replays import Again, hide_pixels
from seewhy.backbones.base import Backbone
from seewhy.backbones.split import Cut, Split
from seewhy.explanation.replay import Replay, ScaleConcepts
from seewhy.types import Size

Edit = Callable[[Float[Tensor, "n m"]], Float[Tensor, "n c h w"]]
"""Features of one picture when its concepts are multiplied by n rows of factors."""


def replay_of(
    backbone: Backbone,
    split: Split,
    again: Again,
    size: Size,
    row: int,
    edit_of: Callable[[Cut], Edit],
    batch_size: int | None = None,
) -> Replay:
    """A replay for an explanation of class `row` by concepts of the features at a split.

    Parameters
    ----------
    backbone, split
        The network and where its concepts are.
    again, size
        Makes the picture's input again, (height, width) pixels; see `attribution.replays.input_again`.
    edit_of
        From the picture's cut to the edit of its features; called once a check, under `no_grad`.
    batch_size
        Edits in one pass of the tail.
    """
    return Replay(
        size,
        hide_pixels(backbone, again, row, batch_size),
        scale_concepts(backbone, split, again, row, edit_of, batch_size),
    )


def scale_concepts(
    backbone: Backbone,
    split: Split,
    again: Again,
    row: int,
    edit_of: Callable[[Cut], Edit],
    batch_size: int | None = None,
) -> ScaleConcepts:
    """`Replay.concepts` of one picture and class `row`: the tail run on edited features."""

    def concepts(factors: Float[np.ndarray, "n m"]) -> Float[np.ndarray, " n"]:
        with torch.inference_mode(False), backbone.undisturbed(), torch.no_grad():
            cut = split.cut(again())
            edit, engine = edit_of(cut), Engine.for_device(backbone.device, batch_size)
            rows = torch.from_numpy(np.asarray(factors)).to(cut.features)
            logits = torch.empty(len(rows), dtype=torch.float64)

            def work(start: int, stop: int) -> None:
                rest = cut.take(torch.zeros(stop - start, dtype=torch.long)).rest
                found = split.tail(edit(rows[start:stop]), rest)[:, row]
                logits[start:stop] = found.double().cpu()

            engine.run(len(rows), work)
            return logits.numpy()

    return concepts


def scaled_channels(
    features: Float[Tensor, "1 c h w"], start: Float[Tensor, "1 c h w"] | None = None
) -> Edit:
    """Concept m is channel m; factor 0 puts it where contributions are counted from: `start`, or zero.

    A' + s (A - A') for features A and start A', channel by channel.
    """
    base = torch.zeros_like(features) if start is None else start
    return lambda factors: torch.lerp(base, features, factors[:, :, None, None])


def scaled_codes(
    features: Float[Tensor, "1 c h w"], codes: Float[Tensor, "m h w"], atoms: Float[Tensor, "m c"]
) -> Edit:
    """Concept m is code m times its atom; what is not decoded stays as it is.

    A + sum_m (s_m - 1) u_m a_m for features A, codes u and atoms a: factor 0 takes from the features what
    the concept decodes to, and nothing else.
    """
    return lambda factors: features + torch.einsum("nm,mhw,mc->nchw", factors - 1, codes, atoms)
