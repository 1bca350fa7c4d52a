"""The page's arithmetic equals Python's: Python writes vectors into one file, Node checks its modules on them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seewhy.viewer
from seewhy.explanation.schema import from_dict
from seewhy.images.geometry import Geometry
from seewhy.visualise.colours import Scale
from seewhy.visualise.overlay import overlay
from tests.made_answers import made_attribution, made_geometry

GEOMETRIES = [
    made_geometry((90, 120)),
    made_geometry((31, 17)),
    Geometry.stretch((7, 200), (224, 112)),
    # A picture padded into the input, then one that is turned upside down.
    Geometry((60, 120), (32, 32), 0.25, 0.25, 1.0, 8.5),
    Geometry((40, 30), (32, 32), -1.0, -0.8, 31.0, 32.5),
    Geometry.stretch((1, 1), (1, 1)),
]
GRIDS = [(7, 7), (3, 8), (1, 1), (1, 5), (14, 2), (1, 1)]


def vectors() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    cases = []
    for geometry, grid in zip(GEOMETRIES, GRIDS, strict=True):
        # Twelve orders of magnitude, so that half floats below the normal range occur too.
        values = rng.normal(0, 1, grid) * 10.0 ** rng.uniform(-12, 0, grid)
        data = made_attribution(map=values.astype(np.float32)).to_dict()["map"]
        unpacked = from_dict(made_attribution(map=values.astype(np.float32)).to_dict()).where
        size = (int(rng.integers(1, 40)), int(rng.integers(1, 40)))
        placed = geometry.place(unpacked, size)
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        blends = [
            {
                "scale": {"limit": scale.limit, "signed": scale.signed, "anchors": scale.anchors},
                "opacity": opacity,
                "drawn": overlay(pixels, placed, scale, opacity=opacity).ravel().tolist(),
            }
            for scale in (Scale(0.7, signed=True), Scale(1.3, signed=False))
            for opacity in (0.0, 0.35, 1.0)
        ]
        points = rng.uniform(-0.2, 1.2, (30, 2)) * np.array(geometry.original[::-1])
        cases.append(
            {
                "packed": data,
                "values": unpacked.ravel().tolist(),
                "geometry": {
                    "matrix": geometry.matrix,
                    "model_size": geometry.model,
                    "seen_box": geometry.seen_box,
                    "grid": grid,
                },
                "original": geometry.original,
                "size": size,
                "placed": [None if np.isnan(v) else v for v in placed.ravel().tolist()],
                "picture": pixels.ravel().tolist(),
                "blends": blends,
                "cells": [cell_of(geometry, grid, *map(float, point)) for point in points],
                "boxes": [
                    box_of(geometry, grid, row, column) for row in range(grid[0]) for column in range(grid[1])
                ],
            }
        )
    return {"cases": cases}


def cell_of(geometry: Geometry, grid: tuple[int, int], x: float, y: float) -> dict[str, Any]:
    """The cell whose box holds the point, found by looking at every box."""
    for row in range(grid[0]):
        for column in range(grid[1]):
            x0, y0, x1, y1 = box_of(geometry, grid, row, column)["box"]
            if x0 <= x < x1 and y0 <= y < y1:
                return {"x": x, "y": y, "cell": {"row": row, "column": column}}
    return {"x": x, "y": y, "cell": None}


def box_of(geometry: Geometry, grid: tuple[int, int], row: int, column: int) -> dict[str, Any]:
    high, wide = geometry.model[0] / grid[0], geometry.model[1] / grid[1]
    box = geometry.box_to_original((column * wide, row * high, (column + 1) * wide, (row + 1) * high))
    return {"row": row, "column": column, "box": box}


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        reason = "node is not on the PATH, so the page's arithmetic is not compared with Python's"
        if "node" in os.environ.get("SEEWHY_TEST_REQUIRE", "").split(","):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def test_the_arithmetic_of_the_page_equals_pythons(node: str, tmp_path: Path) -> None:
    path = tmp_path / "vectors.json"
    path.write_text(json.dumps(vectors()))
    done = subprocess.run(
        [node, "--test", str(Path(__file__).with_name("maths.test.mjs"))],
        env={
            "PATH": os.environ["PATH"],
            "SEEWHY_VECTORS": str(path),
            "SEEWHY_VIEWER": str(Path(seewhy.viewer.__file__).parent),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# pass 8" in done.stdout and "# skipped 0" in done.stdout, done.stdout
