"""The first tables: every method and dictionary on a glass box and two trained networks, where and how much.

`ours` is the number of tables that fail their own test (an oracle below its ceiling, a random row off its floor).
The tables themselves are printed on docs/bench.md.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
import torch

from seewhy.bench.run import run as tables_of

NAME = "accuracy.bench"

N, SEED = int(os.environ.get("SEEWHY_BENCH_N", "200")), 0


def run() -> dict[str, Any]:
    torch.set_num_threads(1)
    started = time.process_time()
    found = [table for asked in ("where", "how-much") for table in tables_of(asked, n=N, seed=SEED)]
    wrong = [table for table in found if table.problems()]
    return {
        "ours": len(wrong),
        "limit": 0,
        "ratio": None,
        "unit": "tables that fail their own test",
        "runs": len(found),
        "n": N,
        "seed": SEED,
        "cpu_seconds": round(time.process_time() - started, 1),
        "versions": {"torch": str(torch.__version__), "numpy": np.__version__},
        "tables": [table.to_dict() | {"title": table.title(), "notes": table.notes()} for table in found],
    }
