"""One file from the web into a cache: resumed where it broke off, checked, and there whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from seewhy.errors import BadArtefact, InputError, Offline, message
from seewhy.hub.offline import CONNECT_SECONDS

Progress = Callable[[int, int], None]
"""Told (bytes there, bytes in all; 0 if unknown) after each part."""

_PART = 1 << 20


def download(
    url: str,
    to: Path,
    *,
    sha256: str = "",
    seconds: float = CONNECT_SECONDS,
    progress: Progress | None = None,
) -> Path:
    """Fetch a file, going on from `to` + ".part" if an earlier attempt left it.

    Parameters
    ----------
    url
        http or https.
    to
        The file to make.
    sha256
        First hex digits of its hash, if known.
    seconds
        Longest silence of the server.
    progress
        See `Progress`.

    Raises
    ------
    Offline
        If the server cannot be reached, falls silent or breaks off.
    InputError
        If the server refuses, or the file cannot be written.
    BadArtefact
        If what arrived has another hash; it is removed.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise InputError(message(f"{url!r} is no web address.", "Weights come by http or https."))
    part = to.with_name(to.name + ".part")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        _transfer(url, part, seconds, progress)
    except urllib.error.HTTPError as error:
        with error:
            raise InputError(
                message(
                    f"{url} answered {error.code} {error.reason}.",
                    "The address must lead to the file.",
                    "Check the model's name; the file may have moved.",
                )
            ) from error
    except PermissionError as error:
        raise InputError(
            message(f"{part} cannot be written ({error.strerror}).", "", "Set TORCH_HOME to another folder.")
        ) from error
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "reason", None) or error
        raise Offline(
            message(
                f"{url} could not be fetched ({why or type(error).__name__}).",
                f"The server must answer within {seconds:g} seconds.",
                "Check the connection and try again; what has arrived is kept.",
            )
        ) from error
    if sha256 and (digest := _hash(part))[: len(sha256)] != sha256:
        part.unlink()
        raise BadArtefact(
            message(
                f"What {url} sent has the SHA-256 {digest[:16]}...",
                f"It must start with {sha256}.",
                "Try again; if it stays so, the file on the server was changed.",
            )
        )
    part.replace(to)
    return to


def _transfer(url: str, part: Path, seconds: float, progress: Progress | None) -> None:
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "seewhy"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=seconds)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        # The part is not a beginning of this file (or is all of it): start over.
        error.close()
        part.unlink()
        return _transfer(url, part, seconds, progress)
    with response:
        if response.status != 206:
            have = 0
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdecimal() else 0
        with part.open("ab" if have else "wb") as stream:
            while block := response.read(_PART):
                stream.write(block)
                have += len(block)
                if progress is not None:
                    progress(have, total)
    if total and have < total:
        raise ConnectionError(f"it broke off after {have} of {total} bytes")
    return None


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
