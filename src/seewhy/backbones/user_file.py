"""A user's own network from `file.py:factory`, run as if its folder were the program's, and then put away again.

While the file loads and its factory runs, its folder can be imported from. Afterwards `sys.path` is as it was, and
modules that came from the user's folders are gone from `sys.modules`: `load.py` or `utils.py` of one project must
not answer for another's.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import sysconfig
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from seewhy.backbones.base import Backbone
from seewhy.errors import InputError, SeewhyError, UnknownName, did_you_mean, message
from seewhy.hub.weights import check_weights
from seewhy.images.preprocess import Preprocess

OPTIONS = ("preprocess", "classes", "layer", "output", "name")
"""What a factory may say besides its network."""

_loading = threading.RLock()
_LIBRARIES = tuple(
    Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "platstdlib", "purelib", "platlib")
)


def load(path: Path, factory: str) -> tuple[nn.Module | Backbone, dict[str, Any]]:
    """Run a user's factory.

    Parameters
    ----------
    path
        The Python file.
    factory
        A function without required arguments, or the network itself. It gives a `torch.nn.Module`, a
        `Backbone`, or a pair of a module and a dictionary with some of `OPTIONS`.

    Returns
    -------
    network, options
        `options["preprocess"]` is a `Preprocess` if it is there.

    Raises
    ------
    UnknownName
        If the file defines no such name.
    InputError
        If the user's code fails (the message gives the file and line), or gives something else.
    """
    where = f"{path}:{factory}"
    with _loading, _as_program(path.resolve()) as module:
        with _user_code(path, f"loading {path.name}"):
            _execute(module, path)
        found = module
        for part in factory.split("."):
            if not hasattr(found, part):
                names = [name for name in vars(module) if not name.startswith("_")]
                own = [
                    name for name in names if getattr(vars(module)[name], "__module__", "") == module.__name__
                ]
                raise UnknownName(
                    message(
                        f"{path} defines no {factory!r}.",
                        did_you_mean(factory, own or names),
                        "Name the function that returns the network.",
                    )
                )
            found = getattr(found, part)
        result: Any = found
        if not isinstance(found, nn.Module | Backbone):
            if not callable(found):
                raise _wrong_result(where, found)
            with _user_code(path, f"calling {factory}()"):
                result = found()
    return _checked(result, where)


def _checked(result: Any, where: str) -> tuple[nn.Module | Backbone, dict[str, Any]]:
    network, options = result, {}
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping):
        network, options = result[0], dict(result[1])
    if isinstance(network, Backbone) and not options:
        return network, {}
    if not isinstance(network, nn.Module):
        raise _wrong_result(where, result)
    for name in options:
        if name not in OPTIONS:
            raise InputError(
                message(
                    f"{where} gives the option {name!r}.",
                    did_you_mean(str(name), OPTIONS),
                    f"Options are {', '.join(OPTIONS)}.",
                )
            )
    recipe = options.get("preprocess")
    if isinstance(recipe, Mapping):
        try:
            options["preprocess"] = Preprocess(**recipe)
        except TypeError as error:
            raise InputError(
                message(
                    f"The preprocess of {where} is {dict(recipe)!r:.200}.",
                    f"It does not make a Preprocess: {error}.",
                    "Give seewhy.Preprocess(size=..., mean=..., std=...).",
                )
            ) from error
    elif recipe is not None and not isinstance(recipe, Preprocess):
        raise InputError(
            message(
                f"The preprocess of {where} is a {type(recipe).__name__}.",
                "Seewhy must know it as data, so that maps find their place on the picture.",
                "Give seewhy.Preprocess(size=..., mean=..., std=...).",
            )
        )
    check_weights(network.state_dict(), where)
    return network, options


def _wrong_result(where: str, result: Any) -> InputError:
    what = type(result).__name__
    if isinstance(result, tuple):
        what = f"tuple of {', '.join(type(part).__name__ for part in result) or 'nothing'}"
    return InputError(
        message(
            f"{where} gives a {what}.",
            "It must give a torch.nn.Module, or a pair (module, dict(preprocess=..., classes=...)).",
            "Return the network from the function.",
        )
    )


def _execute(module: ModuleType, path: Path) -> None:
    # Not through a loader, which would write a __pycache__ into the user's folder.
    code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    exec(code, vars(module))


@contextmanager
def _user_code(path: Path, doing: str) -> Iterator[None]:
    """Turn whatever the user's code raises into an InputError with the place in their file."""
    try:
        yield
    except (SeewhyError, KeyboardInterrupt):
        raise
    except SyntaxError as error:
        place = f"{error.filename or path}, line {error.lineno}"
        raise _failed(place, doing, error, f"SyntaxError: {error.msg}") from error
    except BaseException as error:  # a script that calls sys.exit raises SystemExit
        frames = traceback.extract_tb(error.__traceback__)
        inside = [frame for frame in frames if frame.filename == str(path)]
        frame = inside[-1] if inside else frames[-1]
        first = (str(error).strip().splitlines() or [""])[0][:300]
        said = f"{type(error).__name__}: {first}" if first else type(error).__name__
        raise _failed(f"{frame.filename}, line {frame.lineno}", doing, error, said) from error


def _failed(place: str, doing: str, error: BaseException, said: str) -> InputError:
    need = "The file is run to get the network, so it must load without errors."
    if isinstance(error, SystemExit):
        need = "The file ended the program; put what it does as a script under if __name__ == '__main__'."
    elif isinstance(error, TypeError) and "required positional argument" in str(error):
        need = "The function is called without arguments."
    return InputError(
        message(f"{place}: {said} (while {doing}).", need, "--debug shows the whole traceback.")
    )


@contextmanager
def _as_program(path: Path) -> Iterator[ModuleType]:
    """A private module for `path`, while its folder is the first to import from."""
    folder = path.parent
    name = f"_seewhy_user_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    old_path, old_bytecode = list(sys.path), sys.dont_write_bytecode
    before = set(sys.modules)
    hidden = {key: sys.modules.pop(key) for key in _others_of_the_same_name(folder)}
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    sys.modules[name] = module  # dataclasses look their module up
    try:
        yield module
    finally:
        added = [Path(entry).resolve() for entry in sys.path if entry and entry not in old_path]
        for key in set(sys.modules) - (before - set(hidden)):
            if key == name or (_comes_from(sys.modules[key], [folder, *added])):
                del sys.modules[key]
        sys.modules.update(hidden)
        sys.path[:] = old_path
        sys.dont_write_bytecode = old_bytecode


def _others_of_the_same_name(folder: Path) -> list[str]:
    """Loaded modules that would answer for a file of this folder, though they come from elsewhere."""
    own = {entry.stem for entry in folder.iterdir() if entry.suffix == ".py" or entry.is_dir()}
    found = []
    for key, module in list(sys.modules.items()):
        name = key.partition(".")[0]
        top = sys.modules.get(name, module)
        file = _file_of(top)
        if name not in own or file is None or _is_library(top):
            continue
        if file != folder / f"{name}.py" and not file.is_relative_to(folder / name):
            found.append(key)
    return found


def _comes_from(module: ModuleType | None, folders: list[Path]) -> bool:
    file = _file_of(module)
    if file is None or _is_library(module):
        return False
    return any(file.is_relative_to(folder) for folder in folders)


def _is_library(module: ModuleType | None) -> bool:
    """Installed modules, built-in ones and Seewhy itself stay where they are."""
    file = _file_of(module)
    if file is None or getattr(module, "__name__", "").partition(".")[0] == "seewhy":
        return True
    return any(file.is_relative_to(library) for library in _LIBRARIES)


def _file_of(module: ModuleType | None) -> Path | None:
    file = getattr(module, "__file__", None)
    if not isinstance(file, str):
        # A folder without __init__.py has no file of its own.
        file = next(iter(getattr(module, "__path__", None) or ()), None)
    return Path(file).resolve() if isinstance(file, str) else None
