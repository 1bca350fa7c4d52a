"""SALF-CBM: any network made to say what it sees, where, and how much each thing counts, without labels of concepts.

    P[n,m,u]  = <embedding of picture n with a circle around cell u, embedding of word m>      the teacher    (1)
    w_m       = argmax sum_u sim(q_m[u], P_m[u]),   q = w F,   sim the cubic cosine over pictures             (2)
    logit_k   = b_k + sum_m W[k,m] mean_u z[m,u],   W sparse                                                  (3)

Source: Benou and Riklin-Raviv, Show and Tell, CVPR 2025 (arXiv 2502.20134). What we could read of it names neither
grid nor radius; here they are 7 x 7 and a seventh of the shorter side. Ours: embeddings are stored and not
similarities, so that words can change later; the ridge start; the certificate of the head.
"""

from __future__ import annotations

from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from seewhy.concepts.sources import LocalSimilarity, Source
from seewhy.grounding.base import Prompter
from seewhy.grounding.red_circle import RedCircle
from seewhy.grounding.store import LocalEmbeddingStore
from seewhy.models.gathered import Gathered
from seewhy.models.taught import TaughtBottleneck


class SALFCBM(TaughtBottleneck):
    """Spatially aware, label-free concept bottleneck; parameters as `TaughtBottleneck`.

    >>> import seewhy as sw
    >>> model = sw.SALFCBM("seewhy/resnet-t4", prompter=RedCircle((5, 5)))
    >>> model
    SALFCBM(<Backbone seewhy/resnet-t4>): not fitted
    """

    kind: ClassVar[str] = "SALF-CBM"
    paper: ClassVar[str] = "Benou and Riklin-Raviv, CVPR 2025, arXiv 2502.20134"

    def __init__(
        self, model: Any, vlm: Any = "seewhy/clip", *, prompter: Prompter | None = None, **options: Any
    ) -> None:
        super().__init__(model, vlm, prompter=prompter or RedCircle(), **options)

    def _sources(
        self, gathered: Gathered, local: LocalEmbeddingStore, text: Float[Tensor, "m d"]
    ) -> tuple[Source, Source]:
        return gathered.source, LocalSimilarity(local, text)
