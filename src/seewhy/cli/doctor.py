"""`seewhy doctor`: what this machine has, in one page that can be pasted into a report."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from seewhy._version import __version__
from seewhy.cli.console import data_json, table, verb
from seewhy.cli.options import Debug, Json

LIBRARIES = (
    "torch",
    "torchvision",
    "timm",
    "open_clip_torch",
    "transformers",
    "numpy",
    "pillow",
    "safetensors",
    "huggingface-hub",
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@verb
def doctor(
    online: Annotated[
        bool, typer.Option("--online", help="Also ask whether the hub answers (the only request made).")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Print versions, devices, free disk, folders, and whether the hub and a browser are there."""
    found = examine(online=online)
    if as_json:
        data_json(found)
        return
    rows = []
    for key, value in found.items():
        if isinstance(value, dict):
            rows += [[f"{key} {name}", _said(item)] for name, item in value.items()]
        else:
            rows.append([key, _said(value)])
    table(["what", "found"], rows)


def examine(*, online: bool = False) -> dict[str, Any]:
    """Everything that `seewhy doctor` says; JSON-safe."""
    from seewhy.hub.offline import forbidden, home, hub_cache, shelves, torch_cache

    folders = {
        "project": shelves()[0],
        "home": home(),
        "hub cache": hub_cache(),
        "torch cache": torch_cache(),
    }
    return {
        "seewhy": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "version of": {name: _version(name) for name in LIBRARIES},
        "bundled models": _bundled(),
        "devices": _devices(),
        "cpu cores": os.cpu_count(),
        "free disk GB": {name: _free(path) for name, path in folders.items()},
        "folder": {name: str(path.absolute()) for name, path in folders.items()},
        "network": forbidden() or "allowed",
        "hub": _hub() if online else "not asked (--online asks)",
        "browser": _browser(),
        "terminal": f"{sys.stdout.encoding}, {'terminal' if sys.stdout.isatty() else 'no terminal'}",
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _bundled() -> list[str] | None:
    """The models that came with Seewhy; of one that is damaged, what is wrong."""
    from seewhy.bundled import cards
    from seewhy.errors import SeewhyError

    found = []
    for name in cards.names():
        try:
            cards.content(cards.card(name))
        except SeewhyError as error:
            found.append(f"{name} is damaged: {str(error).splitlines()[0]}")
        else:
            found.append(name)
    return found or None


def _devices() -> list[str]:
    try:
        import torch
    # A broken installation is what people run this verb for.
    except Exception as error:
        return [f"torch does not import ({type(error).__name__}: {error})"]
    devices = [f"cpu ({torch.get_num_threads()} threads)"]
    for i in range(torch.cuda.device_count()):
        memory = torch.cuda.get_device_properties(i).total_memory / 2**30
        devices.append(f"cuda:{i} ({torch.cuda.get_device_name(i)}, {memory:.0f} GiB)")
    if torch.backends.mps.is_available():
        devices.append("mps")
    return devices


def _free(path: Path) -> float | None:
    """Free GB on the disk where a folder is or would be."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        return round(shutil.disk_usage(path).free / 1e9, 1)
    except OSError:
        return None


def _hub() -> str:
    from seewhy.hub.offline import forbidden, hub_address, why_hub_is_silent

    if why := forbidden():
        return f"not asked: {why}"
    return why_hub_is_silent() or f"{hub_address()} answers"


def _browser() -> str | None:
    """The browser that page tests would use."""
    named = os.environ.get("SEEWHY_CHROMIUM")
    return next((path for name in ((named,) if named else BROWSERS) if (path := shutil.which(name))), None)


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "not found" if value is None else str(value)
