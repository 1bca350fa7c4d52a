"""Answers as JSON: schemas `seewhy.explanation/1` and `seewhy.attribution/1`, written and read back.

Within a major number fields are only added. Numbers are finite or null. Maps are float16 with a scale in
float32, base64, so a round trip keeps about three digits of each map and every other number exactly.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from seewhy.errors import BadArtefact, message
from seewhy.explanation.answer import Answer
from seewhy.explanation.attribution_map import AttributionMap
from seewhy.explanation.evidence import ConceptEvidence, Elsewhere, Meta, Prediction
from seewhy.explanation.explanation import Explanation
from seewhy.explanation.query import centre_and_coverage
from seewhy.explanation.receipt import Receipt
from seewhy.images.geometry import Geometry
from seewhy.images.picture import Picture

MAJOR = 1
MAX_PIXELS = 50_000_000


def attribution_to_dict(answer: AttributionMap) -> dict[str, Any]:
    """`AttributionMap.to_dict`."""
    return {
        "schema": answer.schema,
        **_common(answer),
        "kind": answer.kind,
        "signed": answer.signed,
        "gap": answer.gap,
        "map": _pack(answer.map),
    }


def explanation_to_dict(
    answer: Explanation, *, top_k: int | None = None, maps: bool = True
) -> dict[str, Any]:
    """`Explanation.to_dict`. Concepts beyond `top_k` are summed in `others`, so that the rows still add up."""
    kept = answer.concepts if top_k is None else answer.top(top_k)
    rest = {id(concept) for concept in answer.concepts} - {id(concept) for concept in kept}
    others = [concept for concept in answer.concepts if id(concept) in rest]
    return {
        "schema": answer.schema,
        **_common(answer),
        "kind": answer.kind,
        "bias": answer.bias,
        "remainder": answer.remainder,
        "elsewhere": [asdict(row) for row in answer.elsewhere],
        "concepts": [_concept(concept, answer.geometry, maps) for concept in kept],
        "edits": [str(edit) for edit in answer.edits],
        "others": {"n": len(others), "contribution": float(sum(c.contribution for c in others))},
        "where": None if answer.can("where") else _pack(answer.where),
    }


def from_dict(data: Mapping[str, Any], *, image: Picture | None = None) -> Explanation | AttributionMap:
    """Read back what `to_dict` wrote.

    Parameters
    ----------
    data
        With every concept and map (written without `top_k`, with `maps`).
    image
        The picture, which JSON does not hold; without it a grey one of the right size stands in.

    Raises
    ------
    BadArtefact
        If the schema is unknown, a field is missing or of the wrong form, or the picture is another one.
    """
    name, _, major = str(data.get("schema")).partition("/")
    if name not in ("seewhy.explanation", "seewhy.attribution") or major != str(MAJOR):
        raise BadArtefact(
            message(
                f"The schema is {data.get('schema')!r}.",
                f"This version reads seewhy.explanation/{MAJOR} and seewhy.attribution/{MAJOR}.",
                "Save the answer again, or install the version of Seewhy that wrote it.",
            )
        )
    try:
        common = _read_common(data, image)
        if name == "seewhy.attribution":
            return AttributionMap(
                **common,
                map=_unpack(data["map"]),
                kind=data["kind"],
                signed=bool(data["signed"]),
                gap=data["gap"],
            )
        if data["others"]["n"]:
            raise BadArtefact(
                message(
                    f"The file holds {len(data['concepts'])} concepts and only the sum of "
                    f"{data['others']['n']} others.",
                    "To be read back it must hold all of them.",
                    "Save it without top_k.",
                )
            )
        return Explanation(
            **common,
            kind=data["kind"],
            bias=data["bias"],
            remainder=data["remainder"],
            elsewhere=tuple(Elsewhere(**row) for row in data["elsewhere"]),
            concepts=tuple(_read_concept(row) for row in data["concepts"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, BadArtefact):
            raise
        raise BadArtefact(
            message(
                f"The data cannot be read as {data['schema']}: {type(error).__name__} {error}.",
                "Every field of the schema is present and well-formed.",
                "Save the answer again.",
            )
        ) from error


def _common(answer: Answer) -> dict[str, Any]:
    geometry, image = answer.geometry, answer.image
    grid = answer.grid
    return {
        "image": {
            "name": image.name,
            "sha256": image.sha256,
            "width": image.size[1],
            "height": image.size[0],
            "notes": list(image.notes),
        },
        "geometry": {
            "matrix": geometry.matrix,
            "model_size": list(geometry.model),
            "seen_box": list(geometry.seen_box),
            "grid": list(grid),
        },
        "prediction": [asdict(row) for row in answer.prediction],
        "target": asdict(answer.target),
        "model": dict(answer.meta.model),
        "method": dict(answer.meta.method),
        "choices": dict(answer.meta.choices),
        "seed": answer.meta.seed,
        "cost": dict(answer.meta.cost),
        "versions": dict(answer.meta.versions),
        "warnings": list(answer.meta.warnings),
        "faithfulness": None if answer.receipt is None else answer.receipt.to_dict(),
    }


def _read_common(data: Mapping[str, Any], image: Picture | None) -> dict[str, Any]:
    about = data["image"]
    size = int(about["height"]), int(about["width"])
    if min(size) < 1 or size[0] * size[1] > MAX_PIXELS:
        raise BadArtefact(
            message(
                f"The picture is said to be {size[1]}x{size[0]}.",
                f"It has at least one and at most {MAX_PIXELS} pixels.",
                "Save the answer again.",
            )
        )
    if image is None:
        notes = (*about["notes"], "the picture itself was not saved; grey stands in")
        image = Picture(np.full((*size, 3), 128, np.uint8), about["name"], notes=notes)
    elif image.sha256 != about["sha256"]:
        raise BadArtefact(
            message(
                f"The picture {image.name!r} is not the one that was explained ({about['name']!r}).",
                "Their SHA-256 must agree.",
                "Pass the original picture, or none.",
            )
        )
    geometry = data["geometry"]
    # Files written before there were receipts lack the field.
    found = data.get("faithfulness")
    return {
        "receipt": None if found is None else Receipt.from_dict(found),
        "image": image,
        "geometry": Geometry.from_matrix(size, tuple(geometry["model_size"]), geometry["matrix"]),
        "prediction": tuple(Prediction(**row) for row in data["prediction"]),
        "target": Prediction(**data["target"]),
        "meta": Meta(
            model=data["model"],
            method=data["method"],
            choices=data["choices"],
            seed=data["seed"],
            cost=data["cost"],
            versions=data["versions"],
            warnings=tuple(data["warnings"]),
        ),
    }


def _concept(concept: ConceptEvidence, geometry: Geometry, maps: bool) -> dict[str, Any]:
    threshold = 0.5
    centre, coverage = centre_and_coverage(concept.map, geometry, threshold)
    cx, cy = centre if centre else (None, None)
    row: dict[str, Any] = {
        "index": concept.index,
        "name": concept.name,
        "source": concept.source,
        "activation": concept.activation,
        "percentile": concept.percentile,
        "contribution": concept.contribution,
        "region": {"cx": cx, "cy": cy, "coverage": coverage, "threshold": threshold},
    }
    if maps:
        row["map"] = _pack(concept.map)
        row["shares"] = None if concept.shares is None else _pack(concept.shares)
    return row


def _read_concept(row: Mapping[str, Any]) -> ConceptEvidence:
    shares = None
    contribution = float(row["contribution"])
    if row["shares"] is not None:
        shares = _unpack(row["shares"]).astype(np.float64)
        # float16 rounds each cell; the contribution itself was kept exactly, so the cells are brought to it.
        shares = shares + (contribution - shares.sum()) / shares.size
    return ConceptEvidence(
        name=row["name"],
        index=row["index"],
        map=_unpack(row["map"]),
        contribution=contribution,
        shares=shares,
        source=row["source"],
        percentile=row["percentile"],
    )


def _pack(map_hw: np.ndarray) -> dict[str, Any]:
    scale = float(np.abs(map_hw).max()) or 1.0
    half = np.ascontiguousarray(map_hw / scale, "<f2")
    return {
        "dtype": "float16",
        "scale": scale,
        "shape": list(map_hw.shape),
        "base64": base64.b64encode(half.tobytes()).decode("ascii"),
    }


def _unpack(packed: Mapping[str, Any]) -> np.ndarray:
    raw = base64.b64decode(packed["base64"], validate=True)
    half = np.frombuffer(raw, "<f2").reshape(packed["shape"])
    return half.astype(np.float32) * np.float32(packed["scale"])
