"""What a model name means: which library, which network, which weights. Pure text, nothing heavy imported.

seewhy/NAME       one of the models that come with Seewhy
timm/NAME[.TAG]   torchvision/NAME[@WEIGHTS]   open_clip/ARCH[/TAG]   hf/ORG/NAME[@REVISION]
local:DIR or an existing path                  FILE.py:FACTORY
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from seewhy.errors import InputError, UnknownName, did_you_mean, message, nearest

Library = Literal["seewhy", "timm", "torchvision", "open_clip", "hf", "local", "file"]
Catalogue = Mapping[str, Sequence[str]]
"""Library -> its network names, without weights."""

LIBRARIES = ("seewhy", "timm", "torchvision", "open_clip", "hf")
FORMS = (
    "seewhy/NAME, timm/NAME[.TAG], torchvision/NAME[@WEIGHTS], open_clip/ARCH[/TAG], hf/ORG/NAME, local:DIR, "
    "FILE.py:FACTORY"
)

_FILE = re.compile(r"(?P<path>.+\.py):(?P<factory>[^:/\\]*)", re.DOTALL)
# Prefixes of other tools for the same things, so that a pasted name gets the right correction.
_FOREIGN = {"hf-hub": "hf/", "hf_hub": "hf/", "hf": "hf/", "huggingface": "hf/", "local-dir": "local:"}


@dataclass(frozen=True)
class ModelName:
    """A model name taken apart.

    `id` is the network's name, a folder or a file; `tag` says which weights (timm tag, torchvision weights,
    open_clip tag, revision) or which factory; `note` tells a choice that was made for the user. Models
    that come with Seewhy have one set of weights and no tag.
    """

    library: Library
    id: str
    tag: str | None = None
    note: str = ""

    def __str__(self) -> str:
        if self.library == "local":
            return f"local:{self.id}"
        if self.library == "file":
            return f"{self.id}:{self.tag}"
        if self.tag is None:
            return f"{self.library}/{self.id}"
        mark = {"timm": ".", "torchvision": "@", "open_clip": "/", "hf": "@"}[self.library]
        return f"{self.library}/{self.id}{mark}{self.tag}"


def resolve(
    name: str, catalogue: Callable[[], Catalogue] | None = None, *, prefer: str | None = None
) -> ModelName:
    """Take a model name apart.

    Parameters
    ----------
    name
        In one of `FORMS`; a bare network name is accepted if only one library has it.
    catalogue
        Asked for the names of each library when the name is bare; it may be slow.
    prefer
        The library to take where several have a bare name. Only sensible where no weights are meant, because
        libraries differ in weights and preprocessing under the same name.

    Raises
    ------
    UnknownName
        If no library has it, or several have; the message spells out what can be written instead.
    InputError
        If it names a file that is not a model by itself.

    Examples
    --------
    >>> resolve("timm/resnet50.a1_in1k")
    ModelName(library='timm', id='resnet50', tag='a1_in1k', note='')
    """
    if match := _FILE.fullmatch(name):
        return _file(match["path"], match["factory"])
    prefix, colon, place = name.partition(":")
    if colon and prefix == "local":
        if not place:
            raise _unknown(name, "A folder follows 'local:'.")
        return ModelName("local", place)
    library, slash, rest = name.partition("/")
    if slash and library in LIBRARIES:
        return _in_library(name, library, rest)
    if _exists(name):
        return _path(name)
    if colon and prefix.lower() in _FOREIGN:
        corrected = _FOREIGN[prefix.lower()] + place
        raise _unknown(name, f"Seewhy writes it {corrected!r}.")
    if any(mark in name for mark in "/\\:") or name.startswith((".", "~")) or not name.strip():
        raise _looks_like_a_path(name, library)
    return _bare(name, catalogue() if catalogue is not None else {}, prefer)


def factories_in(path: Path) -> list[str]:
    """Names of the functions, classes and variables that a Python file defines, without running it."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    names: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
    return [name for name in names if not name.startswith("_")]


def _in_library(name: str, library: str, rest: str) -> ModelName:
    tag = ""
    if library == "timm":
        rest, _, tag = rest.partition(".")
    elif library == "open_clip":
        rest, _, tag = rest.partition("/")
    elif library != "seewhy":
        rest, _, tag = rest.partition("@")
    wrong = not rest or (library != "hf" and "/" in rest + tag) or (library == "hf" and rest.count("/") > 1)
    if wrong or any(part in ("", ".", "..") for part in rest.split("/")):
        raise _unknown(name, f"Names have the forms {FORMS}.")
    return ModelName(cast(Library, library), rest, tag or None)


def _file(path: str, factory: str) -> ModelName:
    file = Path(path).expanduser()
    if not file.is_file():
        close = did_you_mean(file.name, [p.name for p in _siblings(file)])
        raise UnknownName(
            message(f"There is no file {path!r}.", close, f"The working folder is {Path.cwd()}.")
        )
    if not factory:
        raise _needs_factory(path, file)
    return ModelName("file", path, factory)


def _path(name: str) -> ModelName:
    path = Path(name).expanduser()
    if path.is_dir():
        return ModelName("local", name)
    if path.suffix == ".py":
        raise _needs_factory(name, path)
    raise InputError(
        message(
            f"{name!r} is a single file.",
            "A weights file does not say which network it belongs to.",
            f"Name the network and its weights: -m timm/NAME --weights {name}, "
            f"in Python weights={name!r}; or write FILE.py:FACTORY.",
        )
    )


def _needs_factory(name: str, path: Path) -> InputError:
    names = factories_in(path)
    return InputError(
        message(
            f"{name!r} names no function.",
            "The function that returns the network follows the file after a colon.",
            f"Write for example {f'{name}:{names[0]}'!r}." if names else f"Write '{name}:build'.",
        )
    )


def _looks_like_a_path(name: str, library: str) -> UnknownName:
    close = nearest(library, LIBRARIES, 1) if "/" in name else []
    if close:
        corrected = f"{close[0]}/{name.partition('/')[2]}"
        return _unknown(name, f"Did you mean {corrected!r}?")
    if not name.strip():
        return _unknown(name, f"Names have the forms {FORMS}.")
    return UnknownName(
        message(
            f"{name!r} has no library in front and is not a folder here.",
            "It looks like a name on the Hugging Face hub or a path.",
            f"Write 'hf/{name}' for the hub, or 'local:{name}' for a folder.",
        )
    )


def _bare(name: str, catalogue: Catalogue, prefer: str | None) -> ModelName:
    spelled: dict[str, ModelName] = {}
    for library in catalogue:
        try:
            parsed = _in_library(name, library, name)
        except UnknownName:
            continue
        if parsed.id in catalogue[library]:
            spelled[library] = parsed
    told = " or ".join(repr(str(parsed)) for parsed in spelled.values())
    if len(spelled) == 1 or prefer in spelled:
        chosen = spelled[prefer] if prefer in spelled else next(iter(spelled.values()))
        others = [str(parsed) for parsed in spelled.values() if parsed is not chosen]
        note = f"{name!r} is read as {str(chosen)!r}" + (f" (not {', '.join(others)})" if others else "")
        return ModelName(chosen.library, chosen.id, chosen.tag, note)
    if spelled:
        raise UnknownName(
            message(
                f"{name!r} is in {' and '.join(spelled)}.",
                "Their weights and preprocessing differ under the same name.",
                f"Write {told}.",
            )
        )
    everywhere: dict[str, list[str]] = {}
    for library in catalogue:
        for entry in catalogue[library]:
            everywhere.setdefault(entry, []).append(f"{library}/{entry}")
    found = nearest(name.partition(".")[0], everywhere)
    close = [spelled for entry in found for spelled in everywhere[entry]][:3]
    hint = "Did you mean " + ", ".join(repr(entry) for entry in close) + "?" if close else ""
    raise UnknownName(
        message(
            f"There is no model {name!r}.",
            hint or f"Names have the forms {FORMS}.",
            "seewhy models list shows every name.",
        )
    )


def _unknown(name: str, hint: str) -> UnknownName:
    return UnknownName(message(f"There is no model {name!r}.", hint, "seewhy models list shows every name."))


def _exists(name: str) -> bool:
    try:
        return bool(name) and Path(name).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False


def _siblings(file: Path) -> list[Path]:
    try:
        return list(file.parent.iterdir())
    except OSError:
        return []
