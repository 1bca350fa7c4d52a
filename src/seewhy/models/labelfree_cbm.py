"""Label-Free CBM: concepts that an image-text model sees in whole pictures, and a sparse head.

    P[n,m] = <embedding of picture n, embedding of word m>,   w_m = argmax sim(w_m . mean_u F[n,u], P[:,m])    (1)

with the cubic cosine over pictures; the head as for SALF-CBM. Its layer is linear and its pooling a mean, so that
it has maps too (w_m . F[n,u], which Grad-CAM of a concept would give), but nothing taught it where a concept is.

Source: Oikarinen et al., ICLR 2023 (arXiv 2304.06129). Ours: early stopping and cut-offs on held-out *training*
pictures (the public code uses the test set), the ridge start, the certificate of the head.
"""

from __future__ import annotations

from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from seewhy.concepts.sources import Source, StoredFeatures, WholeSimilarity
from seewhy.grounding.store import LocalEmbeddingStore
from seewhy.grounding.whole import Whole
from seewhy.models.gathered import Gathered
from seewhy.models.taught import TaughtBottleneck


class LabelFreeCBM(TaughtBottleneck):
    """Label-free concept bottleneck without places; parameters as `TaughtBottleneck`, without a prompter."""

    kind: ClassVar[str] = "LF-CBM"
    paper: ClassVar[str] = "Oikarinen et al., ICLR 2023, arXiv 2304.06129"

    def __init__(self, model: Any, vlm: Any = "seewhy/clip", **options: Any) -> None:
        super().__init__(model, vlm, prompter=Whole(), **options)

    def _sources(
        self, gathered: Gathered, local: LocalEmbeddingStore, text: Float[Tensor, "m d"]
    ) -> tuple[Source, Source]:
        return StoredFeatures(gathered.features, pooled=True), WholeSimilarity(local, text)
