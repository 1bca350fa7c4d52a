"""How long `seewhy --help` and `import seewhy` take, as whole processes, against an empty Python."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

NAME = "startup"
GOAL_HELP, GOAL_IMPORT = 0.25, 0.05


def cpu_seconds(command: list[str]) -> float:
    """User and system time of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def run(runs: int = 15) -> dict[str, Any]:
    """Medians over `runs`, interleaved."""
    help_command = [str(Path(sys.executable).with_name("seewhy")), "--help"]
    commands = {
        "help": help_command,
        "import": [sys.executable, "-c", "import seewhy"],
        "python": [sys.executable, "-c", "pass"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            times[name].append(cpu_seconds(command))
    medians = {name: statistics.median(values) for name, values in times.items()}
    imported = medians["import"] - medians["python"]
    return {
        "name": NAME,
        "ours": round(medians["help"], 3),
        "limit": GOAL_HELP,
        "ratio": round(medians["help"] / GOAL_HELP, 2),
        "unit": "CPU s of seewhy --help (goal 0.25)",
        "runs": runs,
        "details": {
            "import_seewhy_beyond_python": round(imported, 4),
            "goal_import": GOAL_IMPORT,
            "python": round(medians["python"], 4),
            "spread_help": [round(min(times["help"]), 3), round(max(times["help"]), 3)],
        },
        "versions": {"python": sys.version.split()[0]},
    }
