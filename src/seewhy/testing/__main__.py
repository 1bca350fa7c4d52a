"""`python -m seewhy.testing check METHOD ...`: a table of checks on stdout, exit code 1 on a failure."""

from __future__ import annotations

import argparse
import importlib
import json
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seewhy.attribution.methods import METHODS, Method
from seewhy.errors import InputError, SeewhyError, did_you_mean, message
from seewhy.testing.family import check_method
from seewhy.testing.outcome import CheckResult


def method_class(name: str) -> type[Method]:
    """A registered method, or `file.py:Class`, or `package.module:Class`.

    Raises
    ------
    UnknownName, InputError
        If there is no such method, file or class, or it is not a subclass of `Method`.
    """
    where, _, attribute = name.rpartition(":")
    if not where:
        return METHODS[name]
    if where.endswith(".py"):
        if not Path(where).is_file():
            raise InputError(
                message(f"There is no file {where!r}.", "A method is NAME or FILE.py:CLASS.", "")
            )
        namespace: dict[str, Any] = runpy.run_path(where, run_name="seewhy_checked_method")
    else:
        try:
            namespace = vars(importlib.import_module(where))
        except ImportError as error:
            raise InputError(
                message(
                    f"{where!r} cannot be imported: {error}.", "", "Check the name, or pass FILE.py:CLASS."
                )
            ) from error
    found = namespace.get(attribute)
    if not (isinstance(found, type) and issubclass(found, Method)):
        methods = [
            n
            for n, v in namespace.items()
            if isinstance(v, type) and issubclass(v, Method) and v is not Method
        ]
        raise InputError(
            message(
                f"{where} has no method {attribute!r}.",
                did_you_mean(attribute, methods),
                "Name a subclass of seewhy.attribution.base.Method.",
            )
        )
    return found


def table(results: Sequence[CheckResult]) -> str:
    """The results in columns, failures last, with a line of totals."""
    order = {"passed": 0, "skipped": 1, "failed": 2}
    rows = sorted(results, key=lambda result: order[result.status])
    widths = [max(len(getattr(row, key)) for row in rows) for key in ("status", "method", "network", "check")]
    lines = []
    for row in rows:
        cells = (row.status, row.method, row.network, row.check)
        columns = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        lines.append(f"{columns}  {row.message}".rstrip().replace("\n", " "))
    totals = [f"{sum(row.status == status for row in rows)} {status}" for status in order]
    return "\n".join([*lines, ", ".join(totals)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 if every check passed or was skipped, 1 on a failure, 2 on a wrong argument."""
    parser = argparse.ArgumentParser(prog="python -m seewhy.testing", description=__doc__)
    check = parser.add_subparsers(dest="command", required=True).add_parser(
        "check", help="put attribution methods through every check"
    )
    check.add_argument(
        "methods", nargs="+", metavar="METHOD", help="a registered name, 'all', or FILE.py:CLASS"
    )
    check.add_argument("--seed", type=int, default=0, help="of the networks' weights (default 0)")
    check.add_argument("--json", action="store_true", help="print a list of results instead of a table")
    given = parser.parse_args(arguments)
    names = list(METHODS) if given.methods == ["all"] else given.methods
    try:
        classes = [method_class(name) for name in names]
    except SeewhyError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    results = [result for method in classes for result in check_method(method, seed=given.seed)]
    text = json.dumps([result.to_dict() for result in results], indent=1) if given.json else table(results)
    sys.stdout.write(f"{text}\n")
    return int(any(result.status == "failed" for result in results))


if __name__ == "__main__":
    sys.exit(main())
