"""Small answers with known numbers, for tests of what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from seewhy.explanation import AttributionMap, ConceptEvidence, Elsewhere, Explanation, Meta, Prediction
from seewhy.images.geometry import Geometry
from seewhy.images.picture import Picture


def picture(height: int = 30, width: int = 50, seed: int = 0) -> Picture:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Picture(pixels, "test.png")


def explanation(n: int = 4, grid: tuple[int, int] = (3, 5), **changes: Any) -> Explanation:
    """Shares with a bias of 0.5, a way around of -0.25 and a remainder of 0.125."""
    rng = np.random.default_rng(1)
    shares = rng.normal(size=(n, *grid))
    concepts = tuple(
        ConceptEvidence(
            name=f"concept {m}",
            index=m,
            map=np.abs(rng.normal(size=grid)).astype(np.float32),
            contribution=float(shares[m].sum()),
            shares=shares[m],
            source="vocabulary",
        )
        for m in range(n)
    )
    logit = 0.5 + float(shares.sum()) - 0.25 + 0.125
    image = changes.pop("image", picture())
    fields: dict[str, Any] = {
        "image": image,
        "geometry": Geometry.stretch(image.size, (6, 10)),
        "prediction": (Prediction(1, "cat", logit, 0.9), Prediction(0, "dog", logit - 2, 0.1)),
        "target": Prediction(1, "cat", logit, 0.9),
        "meta": Meta(choices={"layer": "layer4"}, seed=0, versions={"seewhy": "0"}, warnings=("careful",)),
        "concepts": concepts,
        "kind": "share",
        "bias": 0.5,
        "elsewhere": (Elsewhere("already in the class token", -0.25),),
        "remainder": 0.125,
    }
    return Explanation(**(fields | changes))


def attribution(grid: tuple[int, int] = (3, 5), **changes: Any) -> AttributionMap:
    image = changes.pop("image", picture())
    fields: dict[str, Any] = {
        "image": image,
        "geometry": Geometry.stretch(image.size, (6, 10)),
        "prediction": (Prediction(1, "cat", 2.0, 0.9),),
        "target": Prediction(1, "cat", 2.0, 0.9),
        "meta": Meta(method={"name": "gradcam"}),
        "map": np.random.default_rng(2).normal(size=grid),
    }
    return AttributionMap(**(fields | changes))
