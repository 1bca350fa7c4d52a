"""How red a picture is: where much is red already, a red circle says little.

    red(pixel) = R - max(G, B) >= 1/2        (levels from 0 to 1)                                         (1)

holds for pure, dark and brick red and for tomato, not for orange, brown, pink or skin. The share p of such pixels has
a plain meaning: on average a share p of each circle's line lies on red and cannot be seen. A default circle covers
1.2 % of the input, so p = .1 is eight times the circle's own red.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seewhy.errors import InputError, message
from seewhy.grounding.correlation import correlations
from seewhy.images.preprocess import Preprocess

if TYPE_CHECKING:
    from seewhy.grounding.store import LocalEmbeddingStore

MARGIN = 0.5
"""Of equation (1); ours."""


def is_red(levels: Float[Tensor, "b 3 H W"]) -> Bool[Tensor, "b H W"]:
    """Equation (1), for red, green and blue from 0 to 1."""
    # Pure red that went through a normalisation and back is still red.
    return levels[:, 0] - levels[:, 1:].amax(1) >= MARGIN - 1e-4


def red_share(x: Float[Tensor, "b c H W"], preprocess: Preprocess) -> Float[Tensor, " b"]:
    """Share of red pixels in preprocessed pictures, padding counted; 0 where there are no colours."""
    if preprocess.channels != 3:
        return torch.zeros(len(x))
    mean, std = (torch.tensor(v, device=x.device)[:, None, None] for v in (preprocess.mean, preprocess.std))
    levels = x.float() * std + mean
    if preprocess.bgr:
        levels = levels.flip(1)
    return is_red(levels).float().mean((1, 2)).cpu()


@dataclass(frozen=True)
class RedAudit:
    """What red things do to a store that was made with red circles.

    Parameters
    ----------
    share
        Of red pixels, per picture.
    above
        The share beyond which a picture is flagged.
    flagged
        Numbers of those pictures, reddest first: leave them out (`LocalEmbeddingStore.write_slice`), or circle in
        another colour.
    local, unprompted
        Correlation over pictures, per concept, of the share with the concept's similarity: its mean over cells, and
        that of the picture without circles. NaN where one of the two does not vary.
    """

    share: Float[np.ndarray, " n"]
    above: float
    flagged: tuple[int, ...]
    local: Float[np.ndarray, " m"]
    unprompted: Float[np.ndarray, " m"]

    @property
    def rise(self) -> Float[np.ndarray, " m"]:
        """By how much the circles tie a concept to redness: |local| - |unprompted|, -1 to 1.

        "Red" itself is high in both; a concept that rises far above 0 is read off the red in the picture.
        """
        rise: np.ndarray = np.abs(self.local) - np.abs(self.unprompted)
        return rise


def red_audit(store: LocalEmbeddingStore, text: Float[Tensor, "m d"], *, above: float = 0.1) -> RedAudit:
    """Which pictures of a store are so red that a red circle means little, and which concepts follow redness.

    Parameters
    ----------
    store
        Its `red` was measured when it was made, whatever the prompter.
    text
        Unit embeddings of the concepts.
    above
        Flag pictures with a larger share of red; at the default a tenth of a circle cannot be seen, on average.

    Raises
    ------
    InputError
        If `above` is not from 0 to 1, or as `LocalEmbeddingStore.similarity`.
    """
    if not 0 <= above <= 1:
        raise InputError(
            message(f"above is {above!r}.", "It is a share of pixels, 0 to 1.", "Pass above=0.1.")
        )
    share = store.red.numpy().astype(np.float64)
    local = torch.cat([p.flatten(2).mean(2) for p in store.similarities(text)])
    unprompted = store.unprompted @ text.to(store.unprompted).T
    order = np.argsort(-share, kind="stable")
    return RedAudit(
        share=share,
        above=float(above),
        flagged=tuple(int(i) for i in order if share[i] > above),
        local=_with(share, local),
        unprompted=_with(share, unprompted),
    )


def _with(share: Float[np.ndarray, " n"], values: Float[Tensor, "n m"]) -> Float[np.ndarray, " m"]:
    each = values.numpy().T
    return correlations(each, np.broadcast_to(share, each.shape))
