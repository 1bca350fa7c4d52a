"""Class names from a file: one a line, or JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seewhy.errors import InputError, message


def read_classes(path: str | Path) -> list[str]:
    """Names in the order of the logits.

    Parameters
    ----------
    path
        A text file with one name a line (empty lines at the end are ignored), or a .json file with a list of
        names or a dictionary from index to name.

    Raises
    ------
    InputError
        If the file cannot be read, is empty, or holds something else.
    """
    path = Path(path).expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(
            message(
                f"The class names in {str(path)!r} cannot be read ({error.strerror or error}).",
                "classes is a list of names, or a text or JSON file with them.",
                "Check the path.",
            )
        ) from error
    except UnicodeDecodeError as error:
        raise _wrong(path, "is not text in UTF-8") from error
    names = _from_json(path, text) if path.suffix == ".json" else text.rstrip().split("\n")
    names = [name.strip() for name in names]
    if not any(names):
        raise _wrong(path, "is empty")
    if "" in names:
        raise _wrong(path, f"has an empty name in place {names.index('')}")
    return names


def _from_json(path: Path, text: str) -> list[str]:
    try:
        content: Any = json.loads(text)
    except ValueError as error:
        raise _wrong(path, f"is not JSON ({error})") from error
    if isinstance(content, dict):
        keys = [str(i) for i in range(len(content))]
        if sorted(content) != sorted(keys):
            raise _wrong(path, f"has the keys {', '.join(list(content)[:5])}")
        content = [content[key] for key in keys]
    if not isinstance(content, list) or not all(isinstance(name, str) for name in content):
        raise _wrong(path, "holds no list of names")
    return content


def _wrong(path: Path, why: str) -> InputError:
    return InputError(
        message(
            f"The file of class names {str(path)!r} {why}.",
            'It has one name a line, or is JSON: ["cat", "dog"] or {"0": "cat", "1": "dog"}.',
            "Write the names in the order of the network's outputs.",
        )
    )
