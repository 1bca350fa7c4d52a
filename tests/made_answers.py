"""Answers made by hand for the tests of drawing, saving and pages: generated pictures and smooth maps."""

from __future__ import annotations

import numpy as np

from seewhy.explanation import (
    AttributionMap,
    ConceptEvidence,
    Elsewhere,
    Explanation,
    Meta,
    Prediction,
)
from seewhy.images.geometry import Geometry
from seewhy.images.picture import Picture

NAMES = (
    *("blue head", "red belly", "green back", "brown wing", "thin branch", "soft background"),
    *("forked tail", "round eye", "short beak", "grey sky", "water", "spotted breast"),
    *("leaf edge", "dark stripe", "bright rim", "fence", "shadow", "petal"),
)


def made_picture(height: int = 90, width: int = 120, name: str = "bird.png", seed: int = 0) -> Picture:
    """A soft landscape with a disc and a bar, different for each seed."""
    rng = np.random.default_rng(seed)
    y, x = (
        np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
        if min(height, width) > 1
        else np.zeros((2, height, width))
    )
    sky = np.stack([150 + 60 * y, 180 + 30 * x, 225 - 60 * y], -1)
    ground = np.stack([90 + 40 * x, 130 + 20 * y, 70 + 20 * x], -1)
    pixels = np.where((y > 0.62 + 0.06 * np.sin(7 * x + seed))[..., None], ground, sky)
    cx, cy = rng.uniform(0.3, 0.7, 2)
    disc = (x - cx) ** 2 * (width / height) ** 2 + (y - cy) ** 2 < 0.05
    pixels[disc] = rng.uniform(40, 220, 3)
    pixels[(abs(x - cx) < 0.02) & (y > cy)] = (70, 45, 30)
    return Picture(np.clip(pixels, 0, 255).astype(np.uint8), name)


def made_geometry(original: tuple[int, int], model: int = 224, resize: int = 256) -> Geometry:
    """Short side to `resize`, centre crop of `model`, as most classifiers do it."""
    height, width = original
    scale = resize / min(original)
    return Geometry(
        original, (model, model), scale, scale, (model - width * scale) / 2, (model - height * scale) / 2
    )


def bump(h: int, w: int, cy: float, cx: float, spread: float = 0.2) -> np.ndarray:
    """A smooth hill of height 1, centre and spread in shares of the grid."""
    y, x = (np.arange(h) + 0.5) / h, (np.arange(w) + 0.5) / w
    return np.exp(-((y[:, None] - cy) ** 2 + (x[None, :] - cx) ** 2) / (2 * spread**2)).astype(np.float32)


def made_meta(**changes: object) -> Meta:
    return Meta(
        model={"id": "timm/resnet18", "sha256": "5d" * 32, "layer": "layer4", "grid": [7, 7], "stride": 32},
        method={"name": "gradient_x_input"},
        choices={"layer": "layer4 7x7, the last one that keeps place", "target": "predicted"},
        seed=0,
        cost={"forward": 1.0, "backward": 1.0},
        versions={"seewhy": "0.1.0", "torch": "2.15.0"},
        **changes,  # type: ignore[arg-type]
    )


def made_predictions(logit: float) -> tuple[Prediction, ...]:
    return (
        Prediction(15, "painted bunting", logit, 0.94),
        Prediction(14, "indigo bunting", logit - 3.4, 0.03),
        Prediction(17, "jay", logit - 4.6, 0.01),
        Prediction(11, "goldfinch", logit - 5.1, 0.006),
    )


def made_explanation(
    n: int = 12,
    grid: tuple[int, int] = (7, 7),
    picture: Picture | None = None,
    seed: int = 0,
    names: object = None,
) -> Explanation:
    """Shares of `n` concepts with places; they add up to the logit with a bias, a detour and a remainder."""
    rng = np.random.default_rng(seed)
    picture = picture or made_picture(seed=seed)
    concepts = []
    for index in range(n):
        cy, cx = rng.uniform(0.15, 0.85, 2)
        activation = bump(*grid, cy, cx, rng.uniform(0.1, 0.25)) * np.float32(rng.uniform(0.3, 2.0))
        shares = activation.astype(np.float64) * rng.normal(0.15, 0.25)
        name = (
            str(names[index])
            if names
            else NAMES[index % len(NAMES)] + (f" {index}" if index >= len(NAMES) else "")
        )  # type: ignore[index]
        concepts.append(
            ConceptEvidence(
                name=name,
                index=index,
                map=activation,
                contribution=float(shares.sum()),
                shares=shares,
                source="vocabulary",
                percentile=float(rng.uniform(40, 99.5)),
            )
        )
    elsewhere = (Elsewhere("already in the class token", 0.21),)
    bias, remainder = -0.11, 0.034
    logit = bias + remainder + 0.21 + sum(concept.contribution for concept in concepts)
    predictions = made_predictions(logit)
    return Explanation(
        image=picture,
        geometry=made_geometry(picture.size),
        prediction=predictions,
        target=predictions[0],
        meta=made_meta(),
        concepts=tuple(concepts),
        kind="share",
        bias=bias,
        elsewhere=elsewhere,
        remainder=remainder,
    )


def made_effects(n: int = 5, kind: str = "effect") -> Explanation:
    """Concepts that do not add up and cannot be told by place."""
    rng = np.random.default_rng(3)
    picture = made_picture()
    concepts = tuple(
        ConceptEvidence(NAMES[i], i, bump(5, 6, *rng.uniform(0.2, 0.8, 2)), float(rng.uniform(0, 2)))
        for i in range(n)
    )
    predictions = made_predictions(5.48)
    return Explanation(
        image=picture,
        geometry=made_geometry(picture.size),
        prediction=predictions,
        target=predictions[0],
        meta=made_meta(),
        concepts=concepts,
        kind=kind,  # type: ignore[arg-type]
    )


def made_attribution(
    grid: tuple[int, int] = (7, 7), picture: Picture | None = None, signed: bool = True, **changes: object
) -> AttributionMap:
    """A signed hill and hollow, or an unsigned hill."""
    picture = picture or made_picture()
    values = bump(*grid, 0.35, 0.45)
    if signed:
        values = values - 0.6 * bump(*grid, 0.8, 0.75, 0.15)
    predictions = made_predictions(5.48)
    fields: dict[str, object] = {
        "image": picture,
        "geometry": made_geometry(picture.size),
        "prediction": predictions,
        "target": predictions[0],
        "meta": made_meta(),
        "map": values,
        "signed": signed,
        **changes,
    }
    return AttributionMap(**fields)  # type: ignore[arg-type]
