"""A fitted model on disk: one JSON file that can be read, one of safetensors, and the hash of both.

    folder/seewhy.json                    {"schema": ..., "kind": ..., ..., "tensors": {...}, "sha256": ...}
    folder/tensors-1a2b3c4d.safetensors   the numbers; named after their hash

The JSON file is written last and replaced at once, and it names its tensors: killed at any moment, a folder holds
what it held before or what it was to hold. safetensors has no checksum of its own, and a changed digit in JSON is
still JSON; so nothing is used before its hash was checked. Never pickle.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from seewhy.errors import BadArtefact, InputError, message
from seewhy.scale.disk import make_folder, remove, write_whole

NAME = "seewhy.json"
SCHEMA = "seewhy.model/1"


@dataclass(frozen=True, eq=False)
class Artefact:
    """What a folder holds, hashes checked: what kind of model, what it says of itself, and its numbers."""

    kind: str
    content: dict[str, Any]
    tensors: dict[str, Tensor]


def write(folder: str | Path, kind: str, content: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Path:
    """Write a model; the same content gives the same bytes.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    folder = Path(folder).expanduser()
    numbers = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    sha256 = _sha256(numbers)
    told: dict[str, Any] = {
        "schema": SCHEMA,
        "kind": kind,
        **content,
        "tensors": {"file": f"tensors-{sha256[:8]}.safetensors", "size": len(numbers), "sha256": sha256},
    }
    text = (
        json.dumps({**told, "sha256": _hash_of(told)}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    )
    make_folder(folder)
    here = told["tensors"]["file"]
    write_whole(folder / here, numbers)
    write_whole(folder / NAME, text.encode())
    for old in sorted(folder.glob("tensors-????????.safetensors")):
        if old.name != here:
            remove(old)
    return folder


def read(folder: str | Path) -> Artefact:
    """Read a model back.

    Raises
    ------
    InputError
        If there is none.
    BadArtefact
        If it is damaged, or of another format.
    """
    folder = Path(folder).expanduser()
    if not (folder / NAME).is_file():
        raise InputError(
            message(
                f"{folder} has no {NAME}.",
                "A folder that save_pretrained wrote has one.",
                "Pass that folder.",
            )
        )
    with damaged(folder):
        content = json.loads((folder / NAME).read_bytes())
        schema = content.get("schema")
    if schema != SCHEMA:
        raise BadArtefact(
            message(
                f"{folder / NAME} has the schema {schema!r}.",
                f"A fitted model has {SCHEMA}.",
                "Pass the folder of a model, or save it again with this version.",
            )
        )
    with damaged(folder):
        return checked(content, lambda name: (folder / name).read_bytes())


def checked(content: dict[str, Any], read_file: Callable[[str], bytes]) -> Artefact:
    """What the parsed JSON and the file that it names hold, once both hashes agree.

    Raises
    ------
    ValueError, KeyError, TypeError, SafetensorError
        If something is damaged (`damaged` makes one error of them).
    """
    content = dict(content)
    claimed = content.pop("sha256")
    if claimed != _hash_of(content):
        raise ValueError(f"the SHA-256 of {NAME} differs")
    content.pop("schema")
    kind, about = str(content.pop("kind")), content.pop("tensors")
    numbers = read_file(about["file"])
    if _sha256(numbers) != about["sha256"]:
        raise ValueError(f"the SHA-256 of {about['file']} differs")
    return Artefact(kind, content, load(numbers))


@contextmanager
def damaged(folder: Path) -> Iterator[None]:
    """Whatever goes wrong while a folder is read becomes one error that says so."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, SafetensorError) as error:
        raise BadArtefact(
            message(
                f"The model in {folder} is damaged ({type(error).__name__}: {error}).",
                f"It is {NAME} and its tensors, as save_pretrained wrote them.",
                "Fit or copy it again.",
            )
        ) from error


def _hash_of(content: Mapping[str, Any]) -> str:
    return _sha256(json.dumps(content, sort_keys=True).encode())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
