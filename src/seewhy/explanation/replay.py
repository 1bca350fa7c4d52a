"""What an answer needs to be checked: functions that ask the network again with something changed.

Whoever makes an answer hands it over; it holds the network, so it is not saved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from seewhy.types import Size

ScaleConcepts = Callable[[Float[np.ndarray, "n m"]], Float[np.ndarray, " n"]]
HidePixels = Callable[[Bool[np.ndarray, "n H W"], str, str], Float[np.ndarray, " n"]]


@dataclass(frozen=True, eq=False)
class Replay:
    """The network behind one answer, asked about its one picture and target.

    Every call leaves the network as it was, and the same arguments give the same numbers.

    Parameters
    ----------
    size
        (height, width) of the model's input in pixels.
    pixels
        `pixels(keep, fill, score)`: the target's score, in double precision, for n versions of the input.
        A pixel whose `keep` is false is replaced by the `fill` ("mean", the picture's mean colour, or
        "blur"); `score` is "probability" or "logit".
    concepts
        `concepts(factors)`: the target's logit when concept m, in the order of the explanation, is multiplied
        by factors[n, m]. Factor 1 leaves it as it is; factor 0 moves it to where contributions are counted
        from, which is nothing, or what a blank picture has of it. None where an answer has no concepts.
    """

    size: Size
    pixels: HidePixels
    concepts: ScaleConcepts | None = None
