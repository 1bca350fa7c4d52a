"""Folders of model files that carry their own hashes: what `seewhy models fetch` writes and `verify` re-checks.

models/timm/resnet50.a1_in1k/seewhy.json        {"schema": "seewhy.files/1", "id": ..., "files": [...]}
models/timm/resnet50.a1_in1k/model.safetensors
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from seewhy.errors import BadArtefact, InputError, message
from seewhy.hub.offline import shelves

MANIFEST = "seewhy.json"
SCHEMA = "seewhy.files/1"

_PLAIN = re.compile(r"[\w.@+-]+(/[\w.@+-]+)*")


@dataclass(frozen=True)
class Entry:
    """One file of a folder: its name, size in bytes and SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a folder holds, and for which model."""

    id: str
    files: tuple[Entry, ...]


def on_shelf(model_id: str) -> Path | None:
    """The folder of a model in ./models or SEEWHY_HOME/models, if there is one."""
    return next((shelf / model_id for shelf in shelves() if (shelf / model_id).is_dir()), None)


def write_folder(model_id: str, files: Mapping[str, Path], to: Path) -> Path:
    """Copy files into `to / model_id` with their hashes; what is already there and whole is not copied again.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    folder = to / model_id
    entries = []
    try:
        for name, source in files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            digest = sha256_of(source)
            if not target.is_file() or sha256_of(target) != digest:
                part = target.with_name(f".{target.name}.part")
                shutil.copyfile(source, part)
                part.replace(target)
            entries.append(Entry(name, target.stat().st_size, digest))
        # Last, so that a folder with a manifest is whole.
        content = {"schema": SCHEMA, "id": model_id, "files": [asdict(entry) for entry in entries]}
        part = folder / f".{MANIFEST}.part"
        part.write_text(json.dumps(content, indent=1) + "\n")
        part.replace(folder / MANIFEST)
    except OSError as error:
        raise InputError(
            message(
                f"{folder} cannot be written ({error.strerror or error}).",
                "The folder must be writable and have room for the weights.",
                "Choose another one with --to.",
            )
        ) from error
    return folder


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder.

    Raises
    ------
    InputError
        If the folder has none.
    BadArtefact
        If it is damaged or of another format.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(
            message(
                f"{folder} has no {MANIFEST}.",
                "Folders that seewhy models fetch writes have one, with the hashes of their files.",
                "Pass the folder of one model, such as models/timm/resnet50.a1_in1k.",
            )
        )
    try:
        content = json.loads(path.read_text())
        schema = content["schema"]
        files = tuple(
            Entry(str(f["name"]), int(f["size"]), str(f["sha256"])) for f in content.get("files", [])
        )
        manifest = Manifest(str(content["id"]), files)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadArtefact(
            message(
                f"{path} is damaged ({type(error).__name__}: {error}).",
                f"It is JSON of the schema {SCHEMA}.",
                "Fetch the model again.",
            )
        ) from error
    unsafe = [e.name for e in manifest.files if not _PLAIN.fullmatch(e.name) or ".." in e.name.split("/")]
    if schema != SCHEMA or unsafe:
        came = f"has the schema {schema!r}" if schema != SCHEMA else f"names the file {unsafe[0]!r}"
        raise BadArtefact(
            message(
                f"{path} {came}.",
                f"This version reads {SCHEMA}, whose files lie in the folder itself.",
                "Fetch the model again.",
            )
        )
    return manifest


def problems_in(folder: Path) -> list[str]:
    """What is wrong with the files of a folder, in words; empty if every hash agrees."""
    found = []
    for entry in read_manifest(folder).files:
        path = folder / entry.name
        if not path.is_file():
            found.append(f"{entry.name} is missing")
        elif path.stat().st_size != entry.size:
            found.append(f"{entry.name} has {path.stat().st_size} bytes, not {entry.size}")
        elif sha256_of(path) != entry.sha256:
            found.append(f"{entry.name} has been changed (its SHA-256 differs)")
    return found


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
