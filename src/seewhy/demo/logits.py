"""What a network says of pixels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float64, UInt8

from seewhy.backbones.base import Backbone
from seewhy.images.picture import Picture


def logits_of(backbone: Backbone, pixels: Iterable[UInt8[np.ndarray, "S S 3"]]) -> Float64[np.ndarray, "n k"]:
    """One row of logits for each picture, without gradients and with the network as it was afterwards."""
    with backbone.undisturbed(), torch.no_grad():
        out: np.ndarray = backbone.logits(backbone.tensor(as_pictures(pixels)).x).double().numpy()
    return out


def as_pictures(pixels: Iterable[UInt8[np.ndarray, "S S 3"]]) -> list[Picture]:
    """Each under the name of its place."""
    return [Picture(one, f"scene {at}") for at, one in enumerate(pixels)]
