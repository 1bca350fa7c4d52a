"""What every verb shares: data on stdout, talk on stderr, errors as messages and exit codes, a bar for long work.

Exit codes: 0 ok, 1 the user's error (or a mistake of ours), 2 wrong usage, 3 model or network not to be had,
130 interrupted.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ParamSpec

import typer

from seewhy.errors import SeewhyError

P = ParamSpec("P")

LONG_SECONDS = 2.0
"""Work that is expected to take longer than this gets a bar."""

INTERRUPTED = 130


def verb(function: Callable[P, int | None]) -> Callable[P, None]:
    """Make a function a verb: its errors become messages and exit codes, `debug` shows where they came from."""
    debug_at = list(inspect.signature(function).parameters).index("debug")

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        debug = bool(kwargs["debug"] if "debug" in kwargs else args[debug_at])
        code = guarded(lambda: function(*args, **kwargs), debug=debug)
        if code:
            raise typer.Exit(code)

    return run


def guarded(work: Callable[[], int | None], *, debug: bool = False) -> int:
    """Run `work`; its exit code, or that of what it raised, which is told on stderr."""
    try:
        with _logging(debug):
            code = work() or 0
        sys.stdout.flush()
        return code
    except SeewhyError as error:
        _show_traceback(debug)
        talk(f"{type(error).__name__}: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        talk("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read stdout (a pager, head) has seen enough. Python would complain once more at its end.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        if _is_usage(error):
            raise
        _show_traceback(debug)
        first = (str(error).strip().splitlines() or [""])[0]
        talk(
            f"{type(error).__name__}: {first}\n  Seewhy did not foresee this; --debug shows where it happened."
        )
        return 1


def data(text: str) -> None:
    """A line (or several) of results, on stdout."""
    sys.stdout.write(text + "\n")


def data_json(content: Any) -> None:
    """Results as one JSON document on stdout."""
    data(json.dumps(content, indent=1, allow_nan=False))


def talk(text: str) -> None:
    """Anything that is not a result, on stderr."""
    with contextlib.suppress(OSError):
        sys.stderr.write(_printable(text, sys.stderr) + "\n")
        sys.stderr.flush()


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """Aligned columns on stdout, as wide as they need where nobody looks at a terminal."""
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, show_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in head:
        drawn.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        # Names come from models and files: never read them as markup.
        drawn.add_row(*(Text(_printable(cell, sys.stdout)) for cell in row))
    needed = sum(max(cell_len(row[i]) for row in [head, *rows]) + 2 for i in range(len(head)))
    width = None if sys.stdout.isatty() else needed
    console = Console(file=sys.stdout, width=width, highlight=False, emoji=False)
    with console.capture() as capture:
        console.print(drawn)
    data("\n".join(line.rstrip() for line in capture.get().rstrip("\n").split("\n")))


@contextlib.contextmanager
def progress(doing: str) -> Iterator[Callable[..., None] | None]:
    """A callback (done, total, doing=...) that draws a bar on stderr, or None where nobody would see it.

    The bar appears once the work is expected to take more than `LONG_SECONDS` in all. SEEWHY_PROGRESS=0 turns
    it off.
    """
    wanted = os.environ.get("SEEWHY_PROGRESS", "1").lower() not in ("0", "false", "no", "off")
    if not (wanted and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, TimeRemainingColumn

    bar = Progress(
        *Progress.get_default_columns()[:-1],
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task(doing)
    started, shown = time.monotonic(), False

    def tell(done: int, total: int, doing: str = doing) -> None:
        nonlocal shown
        elapsed = time.monotonic() - started
        expected = elapsed * total / done if done else 0.0
        if not shown and max(expected, elapsed) > LONG_SECONDS:
            bar.start()
            shown = True
        bar.update(task, completed=done, total=total or None, description=doing)

    try:
        yield tell
    finally:
        if shown:
            bar.stop()


@contextlib.contextmanager
def _logging(debug: bool) -> Iterator[None]:
    """With --debug, Seewhy's log on stderr while the verb runs."""
    if not debug:
        yield
        return
    from rich.console import Console
    from rich.logging import RichHandler

    logger = logging.getLogger("seewhy")
    handler, level = RichHandler(console=Console(stderr=True), show_path=False), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _show_traceback(debug: bool) -> None:
    if debug:
        talk(traceback.format_exc().rstrip())


def _is_usage(error: Exception) -> bool:
    """Errors of the argument parser, which shows them itself and exits with 2."""
    return any(kind.__name__ == "ClickException" for kind in type(error).__mro__)


def _printable(text: str, stream: Any) -> str:
    """The text as the stream can hold it, and without control characters that file names may bring along."""
    clean = "".join(c if c in "\n\t" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return clean.encode(encoding, "replace").decode(encoding, "replace")
