"""Claim: `seewhy world train NAME --preset smoke` reaches its stated level, in minutes of one processor thread.

`ours` is the least margin by which a level was passed; details have, for each model, the level, what was reached,
minutes of training steps, and CPU minutes of everything, drawing and measuring included.
"""

from __future__ import annotations

import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from seewhy.training.measure import measure_smoke
from seewhy.training.recipes import SMOKE, find_recipe
from seewhy.training.run import train_named

NAME = "accuracy.smoke"


def run(names: tuple[str, ...] = tuple(SMOKE)) -> dict[str, Any]:
    """Each smoke test once, from nothing."""
    details = {name: _smoke(name) for name in names}
    margins = [one["reached"] - one["level"] for one in details.values()]
    return {
        "name": NAME,
        "ours": round(min(margins), 4),
        "limit": 0.0,
        "ratio": None,
        "unit": "least margin over a stated level",
        "runs": 1,
        "details": details,
        "versions": {name: version(name) for name in ("torch", "timm", "open_clip_torch")},
    }


def _smoke(name: str) -> dict[str, Any]:
    what, level = SMOKE[name]
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        card = train_named(find_recipe(name, "smoke"), Path(folder), threads=1, measure=measure_smoke)
    (reached,) = (one for one in card.measured if one.what == what)
    return {
        "measure": what,
        "level": level,
        "reached": reached.value,
        "n": reached.n,
        "pictures_seen": card.seen,
        "training_minutes": card.minutes,
        "cpu_minutes_in_all": round((time.process_time() - began) / 60, 1),
        "hardware": card.hardware,
        "seed": card.seed,
    }
