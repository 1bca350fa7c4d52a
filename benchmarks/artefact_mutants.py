"""Claim: of 1,000,000 damaged copies of a fitted model none is read as something else.

Each is the model's JSON or its tensors, one to three times with a byte changed, bytes dropped or added, a piece moved
or cut off. It must be refused, or (a space more in the JSON) have the very content. `ours` counts those with another.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save

from seewhy.scale import artefact

NAME = "reliability.artefacts"
REFUSED = (ValueError, KeyError, TypeError, AttributeError, IndexError, SafetensorError)
"""What `artefact.damaged` turns into one error."""


def run(n: int = 1_000_000, seed: int = 0) -> dict[str, Any]:
    """Counts over the mutants."""
    text, numbers, expected = _model()
    draw = np.random.default_rng(seed)
    counts = {"refused": 0, "the same": 0, "another": 0, "other errors": 0}
    for _ in range(n):
        of_text = bool(draw.integers(2))
        mutant = _mutated(text if of_text else numbers, draw)
        counts[_fate(mutant if of_text else text, numbers if of_text else mutant, expected)] += 1
    return {
        "name": NAME,
        "ours": counts["another"] + counts["other errors"],
        "limit": 0,
        "ratio": None,
        "unit": f"of {n} mutants read as something else, or ending in another error",
        "runs": n,
        "seed": seed,
        "counts": counts,
        "bytes": {"json": len(text), "tensors": len(numbers)},
        "versions": {name: version(name) for name in ("torch", "safetensors", "numpy")},
    }


def _model() -> tuple[bytes, bytes, str]:
    """A small bottleneck's two files, and what is in them."""
    import tempfile
    from pathlib import Path

    generator = torch.Generator().manual_seed(0)
    tensors = {
        "projection.weight": torch.randn(4, 6, generator=generator),
        "head.weight": torch.randn(3, 4, generator=generator),
    }
    content = {
        "classes": ["wader", "walker", "flyer"],
        "concepts": [{"name": f"c{i}", "quality": i / 8} for i in range(4)],
    }
    with tempfile.TemporaryDirectory() as folder:
        artefact.write(folder, "SALF-CBM", content, tensors)
        found = artefact.read(folder)
        (file,) = Path(folder).glob("tensors-*")
        return (Path(folder) / artefact.NAME).read_bytes(), file.read_bytes(), _digest(found)


def _digest(found: artefact.Artefact) -> str:
    return json.dumps([found.kind, found.content], sort_keys=True) + save(found.tensors).hex()


def _mutated(data: bytes, draw: np.random.Generator) -> bytes:
    new = bytearray(data)
    for _ in range(draw.integers(1, 4)):
        how, at = draw.integers(6), int(draw.integers(len(new))) if new else 0
        if how == 0 and new:
            new[at] ^= 1 << int(draw.integers(8))
        elif how == 1 and new:
            new[at] = int(draw.integers(256))
        elif how == 2:
            del new[at : at + int(draw.integers(1, 9))]
        elif how == 3:
            new[at:at] = draw.bytes(int(draw.integers(1, 9)))
        elif how == 4:
            del new[at:]
        else:
            to = int(draw.integers(len(new))) if new else 0
            new[at : at + 4], new[to : to + 4] = new[to : to + 4], new[at : at + 4]
    return bytes(new)


def _fate(text: bytes, numbers: bytes, expected: str) -> str:
    try:
        content = json.loads(text)
        if content.get("schema") != artefact.SCHEMA:
            return "refused"
        found = artefact.checked(content, lambda name: numbers)
    except REFUSED:
        return "refused"
    except Exception:
        return "other errors"
    return "the same" if _digest(found) == expected else "another"
