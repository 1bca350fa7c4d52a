"""Where a model's files are: the folders people fill, the libraries' caches, and only then the network.

Caches are asked first and without a request, so that a warm cache never waits for a server.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seewhy.errors import InputError, Offline, message
from seewhy.hub.download import Progress, download
from seewhy.hub.offline import CONNECT_SECONDS, forbidden, hub_cache, not_here, why_hub_is_silent
from seewhy.hub.store import MANIFEST, on_shelf
from seewhy.hub.weights import SUFFIXES


@dataclass(frozen=True)
class HubFile:
    """A file in a repository of the Hugging Face hub; of `names` the first that is there."""

    repo: str
    names: tuple[str, ...]
    revision: str | None = None


@dataclass(frozen=True)
class UrlFile:
    """A file on the web, kept in `folder` under its own name; `sha256` holds the first digits of its hash."""

    url: str
    folder: Path
    sha256: str = ""

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return self.folder / self.url.rpartition("/")[2]


Origin = HubFile | UrlFile


def locate(
    model_id: str,
    origins: Sequence[Origin],
    *,
    local_files_only: bool = False,
    megabytes: float | None = None,
    progress: Progress | None = None,
) -> Path:
    """The weights file of a model.

    Parameters
    ----------
    model_id
        Full name with its tag, as folders and messages call it.
    origins
        Where it can come from, the preferred one first.
    local_files_only
        Forbid the network, as SEEWHY_OFFLINE and HF_HUB_OFFLINE do.
    megabytes
        Its size if known, for messages.
    progress
        Told (bytes there, bytes in all) during a transfer.

    Raises
    ------
    Offline
        If it is not on this machine and the network is forbidden or fails.
    InputError
        If the hub has no such file.
    """
    found = cached(model_id, origins)
    if found is not None:
        return found
    why = forbidden(local_files_only)
    for origin in origins if why is None else ():
        try:
            if isinstance(origin, UrlFile):
                return download(origin.url, origin.path, sha256=origin.sha256, progress=progress)
            return _from_hub(origin)
        except (_Unreachable, Offline) as error:
            why = str(error).splitlines()[0].rstrip(".")
    raise not_here(model_id, why or "it has no known origin", megabytes=megabytes)


def cached(model_id: str, origins: Sequence[Origin]) -> Path | None:
    """The same without the network; None if it is not on this machine."""
    shelf = on_shelf(model_id)
    if shelf is not None and (file := weights_in(shelf)) is not None:
        return file
    for origin in origins:
        if isinstance(origin, UrlFile):
            if origin.path.is_file():
                return origin.path
        elif (file := _in_hub_cache(origin)) is not None:
            return file
    return None


def weights_in(folder: Path) -> Path | None:
    """The one weights file of a folder, safetensors first; None if there is none."""
    for suffix in SUFFIXES:
        files = sorted(folder.glob(f"*{suffix}"))
        if len(files) > 1:
            raise InputError(
                message(
                    f"{folder} holds several weights files: {', '.join(f.name for f in files[:4])}.",
                    "One of them must be meant.",
                    f"Pass the file itself: weights={str(files[0])!r}.",
                )
            )
        if files:
            return files[0]
    return None


def locate_folder(
    model_id: str,
    repo: str,
    required: Sequence[str],
    patterns: Sequence[Sequence[str]],
    *,
    revision: str | None = None,
    local_files_only: bool = False,
) -> Path:
    """A folder with files of a hub repository.

    Parameters
    ----------
    model_id
        As for `locate`.
    repo, revision
        Of the Hugging Face hub.
    required
        Patterns that a file must match each; alternatives are separated by "|".
    patterns
        Sets of files to download, tried in order until all that is required is there.
    local_files_only
        Forbid the network.

    Raises
    ------
    Offline, InputError
        As `locate`.
    """
    shelf = on_shelf(model_id)
    if shelf is not None and _holds(shelf, required):
        return shelf
    folder = _snapshot_in_cache(repo, revision)
    if folder is not None and _holds(folder, required):
        return folder
    why = forbidden(local_files_only)
    if why is None:
        try:
            for wanted in patterns:
                folder = _snapshot_from_hub(repo, revision, wanted)
                if _holds(folder, required):
                    return folder
        except _Unreachable as error:
            raise not_here(model_id, str(error)) from error
        raise InputError(
            message(
                f"{repo!r} on the hub lacks {', '.join(required)}.",
                "Seewhy loads networks from their configuration and weights.",
                "Check that it is a model of this kind.",
            )
        )
    raise not_here(model_id, why)


def files_of(folder: Path) -> dict[str, Path]:
    """Every file of a folder by its name there, hidden ones and the manifest left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not any(part.startswith(".") for part in name.split("/")) and name != MANIFEST:
            found[name] = path
    return found


def _holds(folder: Path, required: Sequence[str]) -> bool:
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return all(
        any(fnmatch.fnmatch(name, pattern) for name in names for pattern in alternatives.split("|"))
        for alternatives in required
    )


def _snapshot_in_cache(repo: str, revision: str | None) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import IncompleteSnapshotError

    try:
        return Path(snapshot_download(repo, revision=revision, cache_dir=hub_cache(), local_files_only=True))
    except IncompleteSnapshotError as error:
        # Files that nobody needs here may be missing; `_holds` decides.
        return Path(error.snapshot_path)
    except (OSError, ValueError):
        return None  # not in the cache, or no valid name: the hub says so


def _snapshot_from_hub(repo: str, revision: str | None, patterns: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download

    if why := why_hub_is_silent():
        raise _Unreachable(why)
    try:
        return Path(
            snapshot_download(
                repo,
                revision=revision,
                cache_dir=hub_cache(),
                allow_patterns=list(patterns),
                etag_timeout=CONNECT_SECONDS,
            )
        )
    except Exception as error:
        raise _hub_error(error, repo) from error


def _in_hub_cache(origin: HubFile) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    for name in origin.names:
        path = try_to_load_from_cache(origin.repo, name, cache_dir=hub_cache(), revision=origin.revision)
        if isinstance(path, str):
            return Path(path)
    return None


def _from_hub(origin: HubFile) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import RemoteEntryNotFoundError

    if why := why_hub_is_silent():
        raise _Unreachable(why)
    for name in origin.names:
        try:
            return Path(
                hf_hub_download(
                    origin.repo,
                    name,
                    revision=origin.revision,
                    cache_dir=hub_cache(),
                    etag_timeout=CONNECT_SECONDS,
                )
            )
        except RemoteEntryNotFoundError:
            continue
        except Exception as error:
            raise _hub_error(error, origin.repo) from error
    raise InputError(
        message(
            f"{origin.repo!r} on the hub has none of {', '.join(origin.names)}.",
            "A weights file has one of these names.",
            "Download the file that it has, and pass it with weights=.",
        )
    )


class _Unreachable(Exception):
    """Why the hub gave no answer, as the end of a sentence."""


def _hub_error(error: Exception, repo: str) -> Exception:
    """What the hub's client raised, as ours: refusals are the user's, everything else is a connection."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, InputError):
        return error
    if isinstance(error, GatedRepoError):
        return InputError(
            message(
                f"{repo!r} on the hub asks for its terms to be accepted.",
                "Its files are given to accounts that did.",
                "Accept them on its page, then log in with: hf auth login.",
            )
        )
    if isinstance(error, RepositoryNotFoundError | RevisionNotFoundError | HFValidationError):
        return InputError(
            message(
                f"The hub has no model {repo!r}, or it is private.",
                str(error).strip().splitlines()[0][:200],
                "Check its name; log in with hf auth login if it is yours.",
            )
        )
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return _Unreachable(first[:200].rstrip("."))
