"""Answers into files: the suffix says what is written, and a file is there whole or not at all."""

from __future__ import annotations

import inspect
import io
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from seewhy.errors import InputError, did_you_mean, message
from seewhy.explanation.answer import Answer
from seewhy.explanation.answers import Answers
from seewhy.report.data import json_bytes
from seewhy.report.html import page
from seewhy.visualise.figures import figure
from seewhy.visualise.overlay import OPACITY


def save(answer: Answer | Answers[Any], output: str | os.PathLike[str], **options: Any) -> Path:
    """Write an answer to `output`.

    Parameters
    ----------
    answer
        One answer or several.
    output
        .html is the page, .json the data, .png (300 dots per inch) and .svg the figure.
    options
        Of the kind of file: title, command, top_k for .html; top_k for .json of explanations; top_k, opacity,
        limit for .png and .svg.

    Returns
    -------
    path
        Of the file.

    Raises
    ------
    InputError
        If the suffix or an option is unknown, or the file cannot be written; nothing is left behind then.
    """
    return save_by(WRITERS, answer, output, options)


def save_by(
    writers: Mapping[str, Callable[..., bytes]], thing: Any, output: Any, options: dict[str, Any]
) -> Path:
    """Write anything by its own table of writers (suffix -> bytes from the thing and options); as `save`."""
    path = _path(output)
    writer = _writer(writers, path, options)
    return write_whole(path, writer(thing, **options))


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file beside its place and move it there, so that no reader ever sees half of it.

    Raises
    ------
    InputError
        If the folder is missing or not writable, the disk is full, or the path is a folder.
    """
    try:
        # A link is written through, as open() would do.
        place = Path(os.path.realpath(path))
        beside = place.with_name(f".seewhy-{secrets.token_hex(6)}.part")
        if place.is_dir():
            raise IsADirectoryError("it is a folder")
        try:
            with beside.open("xb") as stream:
                stream.write(content)
            beside.replace(place)
        finally:
            beside.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(
            message(
                f"output {str(path)!r} cannot be written: {why}.",
                "Its folder must exist and be writable.",
                "Make the folder first, or choose another place.",
            )
        ) from error
    return path


def _html(
    answer: Answer | Answers[Any], *, title: str | None = None, command: str | None = None, top_k: int = 16
) -> bytes:
    return page(answer, title=title, command=command, top_k=top_k).encode()


def _figure(format_: str) -> Callable[..., bytes]:
    def write(
        answer: Answer | Answers[Any],
        *,
        top_k: int = 6,
        opacity: float = OPACITY,
        limit: float | None = None,
    ) -> bytes:
        stream = io.BytesIO()
        figure(answer, top_k=top_k, opacity=opacity, limit=limit).savefig(stream, format=format_)
        return stream.getvalue()

    return write


WRITERS: dict[str, Callable[..., bytes]] = {
    ".html": _html,
    ".json": json_bytes,
    ".png": _figure("png"),
    ".svg": _figure("svg"),
}
"""Suffix -> what makes the bytes of the file; its keyword arguments are the options of `save`."""


def _path(output: Any) -> Path:
    try:
        return Path(output)
    except TypeError:
        raise InputError(
            message(f"output is a {type(output).__name__}.", "It is a path.", 'Pass output="why.html".')
        ) from None


def _writer(
    writers: Mapping[str, Callable[..., bytes]], path: Path, options: dict[str, Any]
) -> Callable[..., bytes]:
    writer = writers.get(path.suffix.lower())
    if writer is None:
        came = f"ends in {path.suffix!r}" if path.suffix else "has no suffix"
        raise InputError(
            message(
                f"output {str(path)!r} {came}.",
                f"The suffix says what is written: {', '.join(writers)}.",
                f"Pass for example {str(path.with_suffix('.html')) if path.name else 'why.html'!r}.",
            )
        )
    known = [*inspect.signature(writer).parameters][1:]
    for name in options:
        if name not in known:
            raise InputError(
                message(
                    f"save has no option {name!r} for {path.suffix} files.",
                    f"Its options there are: {', '.join(known)}.",
                    did_you_mean(name, known) if len(known) > 1 else "",
                )
            )
    return writer
