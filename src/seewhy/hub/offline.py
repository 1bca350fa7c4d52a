"""Whether the network may be used, where files are looked for, and the one error when they are nowhere."""

from __future__ import annotations

import os
import queue
import threading
import urllib.error
import urllib.request
from pathlib import Path

from seewhy.errors import Offline, message

CONNECT_SECONDS = 5.0
"""Longest wait for a server to answer at all; a transfer that runs may take longer."""

_SWITCHES = ("SEEWHY_OFFLINE", "HF_HUB_OFFLINE")


def forbidden(local_files_only: bool = False) -> str | None:
    """What forbids the network, in words; None if nothing does."""
    if local_files_only:
        return "local_files_only=True"
    for switch in _SWITCHES:
        if os.environ.get(switch, "").lower() not in ("", "0", "false", "no", "off"):
            return f"{switch}={os.environ[switch]}"
    return None


def home() -> Path:
    """Seewhy's own folder: SEEWHY_HOME, else `seewhy` in the user's cache folder."""
    given = os.environ.get("SEEWHY_HOME")
    if given:
        return Path(given).expanduser()
    return _cache_root() / "seewhy"


def hub_cache() -> Path:
    """Where Hugging Face's libraries keep their files."""
    if given := os.environ.get("HF_HUB_CACHE"):
        return Path(given).expanduser()
    given = os.environ.get("HF_HOME")
    return (Path(given).expanduser() if given else _cache_root() / "huggingface") / "hub"


def torch_cache() -> Path:
    """Where torch.hub and torchvision keep their files."""
    given = os.environ.get("TORCH_HOME")
    root = Path(given).expanduser() if given else _cache_root() / "torch"
    return root / "hub" / "checkpoints"


def shelves() -> tuple[Path, ...]:
    """Folders with models that `seewhy models fetch` wrote or a person copied, in the order of look-up."""
    return (Path("models"), home() / "models")


def looked_in() -> list[tuple[str, Path]]:
    """Every place in the order of look-up, with the name under which people know it."""
    project, own = shelves()
    return [
        ("./models", project),
        ("$SEEWHY_HOME/models", own),
        ("$HF_HOME", hub_cache()),
        ("$TORCH_HOME", torch_cache()),
    ]


def hub_address() -> str:
    """Where the Hugging Face hub is asked."""
    return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"


def why_hub_is_silent(seconds: float = CONNECT_SECONDS) -> str | None:
    """One request to the hub: None if it answers anything, else what went wrong.

    The hub's own client tries for half a minute before it gives up, which nobody offline wants to wait.
    """
    # A name look-up has no time-out of its own, so the limit is kept here and the thread is left to end.
    answer: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=lambda: answer.put(_ask(hub_address(), seconds)), daemon=True).start()
    try:
        return answer.get(timeout=seconds)
    except queue.Empty:
        return f"{hub_address()} did not answer within {seconds:g} seconds"


def _ask(address: str, seconds: float) -> str | None:
    if not address.startswith(("http://", "https://")):
        return f"HF_ENDPOINT is {address!r}, which is no web address"
    request = urllib.request.Request(address, method="HEAD", headers={"User-Agent": "seewhy"})
    try:
        with urllib.request.urlopen(request, timeout=seconds):
            return None
    except urllib.error.HTTPError as error:
        error.close()
        return None  # it answers; what it says about a model is another question
    except (OSError, ValueError) as error:
        return f"{address} does not answer ({getattr(error, 'reason', None) or error})"


def not_here(what: str, why: str, *, megabytes: float | None = None) -> Offline:
    """The error for files that are neither on this machine nor to be had.

    Parameters
    ----------
    what
        The model's id, with revision or file where it matters.
    why
        What stands in the way: what forbids the network, or what the connection said.
    megabytes
        Size, if known.
    """
    size = f" ({megabytes:.0f} MB)" if megabytes else ""
    places = ", ".join(name for name, _ in looked_in())
    return Offline(
        message(
            f"Weights {what!r}{size} are not on this machine and the hub cannot be reached: {why}.",
            f"Looked in: {places}.",
            f"1) seewhy models fetch {what} --to models on a connected machine, and copy the folder here; "
            "2) weights='local:/path' (--weights PATH); "
            "3) weights=None (--weights none) for random weights; results will be marked 'untrained'.",
        )
    )


def _cache_root() -> Path:
    given = os.environ.get("XDG_CACHE_HOME")
    return Path(given).expanduser() if given else Path.home() / ".cache"
