"""A dictionary on disk: JSON that can be read, safetensors for the numbers, and the hash of both.

folder/dictionary.json          {"schema": "seewhy.dictionary/1", "dictionary": "nmf", ..., "sha256": ...}
folder/dictionary.safetensors   atoms, mean, scales

safetensors has no checksum of its own, and a changed digit in JSON is still JSON; so each file's hash is kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from seewhy.errors import BadArtefact, InputError, message

if TYPE_CHECKING:
    from seewhy.concepts.base import FitReport

SCHEMA = "seewhy.dictionary/1"
JSON_NAME = "dictionary.json"
TENSORS_NAME = "dictionary.safetensors"


@dataclass(frozen=True, eq=False)
class Saved:
    """What a folder holds, hashes checked."""

    dictionary: str
    parameters: dict[str, Any]
    names: tuple[str, ...]
    report: dict[str, Any]
    tensors: dict[str, Tensor]


def write(
    folder: Path,
    *,
    dictionary: str,
    parameters: Mapping[str, Any],
    names: tuple[str, ...],
    report: FitReport,
    tensors: Mapping[str, Tensor],
) -> Path:
    """Write both files, the JSON last, so that a folder that has one is whole."""
    numbers = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "dictionary": dictionary,
        "parameters": dict(parameters),
        "names": list(names),
        "report": {name: value for name, value in asdict(report).items() if name != "seconds"},
        "tensors": {"file": TENSORS_NAME, "size": len(numbers), "sha256": _sha256(numbers)},
    }
    content["sha256"] = _hash_of(content)
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in ((TENSORS_NAME, numbers), (JSON_NAME, text.encode())):
            part = folder / f".{name}.part"
            part.write_bytes(data)
            part.replace(folder / name)
    except OSError as error:
        raise InputError(
            message(
                f"{folder} cannot be written ({error.strerror or error}).",
                "It is a folder, and writable.",
                "Choose another one.",
            )
        ) from error
    return folder


def read(folder: Path) -> Saved:
    """Read both files and check their hashes."""
    path = folder / JSON_NAME
    if not path.is_file():
        raise InputError(
            message(
                f"{folder} has no {JSON_NAME}.",
                "A folder that save_pretrained wrote has one.",
                "Pass that folder.",
            )
        )
    with damaged(folder):
        content = json.loads(path.read_bytes())
        schema = content.get("schema")
    if schema != SCHEMA:
        raise BadArtefact(
            message(
                f"{path} has the schema {schema!r}.",
                f"This version reads {SCHEMA}.",
                "Save it again with this version.",
            )
        )
    with damaged(folder):
        claimed = content.pop("sha256")
        if claimed != _hash_of(content):
            raise ValueError(f"the SHA-256 of {JSON_NAME} differs")
        numbers = (folder / TENSORS_NAME).read_bytes()
        if _sha256(numbers) != content["tensors"]["sha256"]:
            raise ValueError(f"the SHA-256 of {TENSORS_NAME} differs")
        report = {k: tuple(v) if isinstance(v, list) else v for k, v in content["report"].items()}
        return Saved(
            content["dictionary"], content["parameters"], tuple(content["names"]), report, load(numbers)
        )


@contextmanager
def damaged(folder: Path) -> Iterator[None]:
    """Whatever goes wrong while reading a folder becomes one error that says so."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise BadArtefact(
            message(
                f"The dictionary in {folder} is damaged ({type(error).__name__}: {error}).",
                f"It is {JSON_NAME} and {TENSORS_NAME}, as save_pretrained wrote them.",
                "Fit or copy it again.",
            )
        ) from error


def _hash_of(content: Mapping[str, Any]) -> str:
    return _sha256(json.dumps(content, sort_keys=True).encode())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
