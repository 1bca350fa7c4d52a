"""`python -m benchmarks [NAME ...] [--json] [--write]`: run the claims and print ours, the limit or peer, the ratio.

Every module here that has NAME and run() is a claim. CPU time is measured, because wall time on a shared
machine says nothing; ratios are taken within one run.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import sys
from pathlib import Path
from types import ModuleType

# Two busy threads that wait by spinning slow each other down; it must be set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

HERE = Path(__file__).parent


def claims() -> dict[str, ModuleType]:
    """Every claim by name."""
    found = {}
    for info in pkgutil.iter_modules([str(HERE)]):
        if not info.name.startswith("_"):
            module = importlib.import_module(f"benchmarks.{info.name}")
            if hasattr(module, "NAME"):
                found[module.NAME] = module
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="claims to run; default all")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/NAME.json")
    parser.add_argument("--list", action="store_true", help="only list the claims")
    arguments = parser.parse_args()
    known = claims()
    unknown = set(arguments.names) - set(known)
    if unknown:
        print(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}", file=sys.stderr)
        return 2
    for name, module in known.items():
        if arguments.names and name not in arguments.names:
            continue
        if arguments.list:
            print(f"{name:28s} {(module.__doc__ or '').strip().splitlines()[0]}")
            continue
        result = module.run()
        if arguments.write:
            text = json.dumps(result, indent=1, allow_nan=False) + "\n"
            (HERE / "results" / f"{name}.json").write_text(text)
        if arguments.json:
            print(json.dumps(result, allow_nan=False), flush=True)
        else:
            against = result.get("peer", result.get("limit"))
            print(f"{name:28s} ours {result['ours']}  against {against}  ratio {result.get('ratio')} "
                  f"{result['unit']} (runs {result['runs']})", flush=True)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
