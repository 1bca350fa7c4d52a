"""Vocabularies on the disk: three formats to read and write.

.txt    one concept a line; empty lines and lines that start with # say nothing, but `# == colour ==` opens a group
.csv    name, group, prompts...; a first row "name,group,..." is a heading
.json   what `save` writes, with everything and two hashes: `sha256`, the vocabulary's identity, and `checksum` over
        all of the file; or, written by hand, a list of names, or a dictionary from class to names
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import os
import re
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from seewhy.errors import BadArtefact, InputError, message
from seewhy.vocabulary.dropped import Dropped
from seewhy.vocabulary.vocabulary import Concept, Duplicates, Vocabulary
from seewhy.vocabulary.words import tidy

SCHEMA = "seewhy.vocabulary/1"
_HEADING = re.compile(r"#\s*==\s*(.*?)\s*==\s*")
_FIELDS: dict[str, Any] = {
    "prompts": [],
    "group": None,
    "parents": [],
    "classes": [],
    "polarity": 1,
    "source": "given",
}


def read(path: Path, *, duplicates: Duplicates = "error", source: str = "given") -> Vocabulary:
    """Read any of the formats.

    Parameters
    ----------
    path
        A file; its ending says the format, and what ends otherwise is read as .txt.
    duplicates
        As for `Vocabulary.from_list`.
    source
        Of concepts from files that do not say.

    Raises
    ------
    InputError
        If the file cannot be read, holds no concept, or one that cannot be used.
    BadArtefact
        If a saved .json is of another version, or is not as it was saved.
    """
    path = path.expanduser()
    text = _text(path)
    ending = path.suffix.lower()
    if ending == ".json":
        content = _parsed(path, text)
        if isinstance(content, dict) and "schema" in content:
            return _saved(path, content)
        concepts = _by_hand(path, content, source)
    else:
        concepts = _rows(path, text, source) if ending == ".csv" else _lines(text, source)
    try:
        return Vocabulary.from_list(concepts, duplicates=duplicates)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def write(words: Vocabulary, path: Path) -> Path:
    """Write a vocabulary in the format that the file's ending says; whole or not at all.

    Raises
    ------
    InputError
        If the ending is another, the format cannot hold what identifies the concepts, or the file cannot be written.
    """
    path = path.expanduser()
    formats = {".json": _to_json, ".txt": _to_lines, ".csv": _to_rows}
    if path.suffix.lower() not in formats:
        raise InputError(
            message(
                f"{path.name!r} ends in {path.suffix!r}.",
                "Vocabularies are written as .json, .txt or .csv.",
                "Use .json, which holds everything.",
            )
        )
    write_whole(path, formats[path.suffix.lower()](words).encode())
    return path


def write_whole(path: Path, data: bytes) -> None:
    """Write a file such that it is there with all of its bytes, or not there (or as it was)."""
    part = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as stream:
            part = Path(stream.name)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        # Temporary files are for their owner only; this one is a file like any other.
        mask = os.umask(0)
        os.umask(mask)
        part.chmod(0o666 & ~mask)
        part.replace(path)
    except OSError as error:
        if part is not None:
            with suppress(OSError):
                part.unlink()
        raise InputError(
            message(
                f"{path} cannot be written ({error.strerror or error}).",
                "Its folder must be there and writable.",
                "Choose another place.",
            )
        ) from error


def canonical(content: Any) -> bytes:
    """The one way to write plain values as bytes, to hash them."""
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


# ---------------------------------------------------------------------- reading


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(
            message(
                f"The words in {str(path)!r} cannot be read ({error.strerror or error}).",
                "A vocabulary is a .txt, .json or .csv file.",
                "Check the path.",
            )
        ) from error
    except UnicodeDecodeError as error:
        raise _wrong(path, "is not text in UTF-8", "Save it as UTF-8.") from error


def _lines(text: str, source: str) -> list[Concept]:
    concepts: list[Concept] = []
    group = None
    for line in text.splitlines():
        bare = tidy(line)
        if bare.startswith("#"):
            heading = _HEADING.fullmatch(bare)
            group = (heading[1] or None) if heading else group
        elif bare:
            concepts.append(Concept(bare, group=group, source=source))
    return concepts


def _rows(path: Path, text: str, source: str) -> list[Concept]:
    try:
        rows = [[tidy(cell) for cell in row] for row in csv.reader(io.StringIO(text), strict=True)]
    except csv.Error as error:
        raise _wrong(
            path, f"is not a CSV file ({error})", "Put names with commas or quotes into quotes."
        ) from error
    if rows and [cell.casefold() for cell in rows[0][:2]] in (["name"], ["name", "group"]):
        del rows[0]
    concepts = []
    for row in rows:
        if not any(row):
            continue
        name, group, *prompts = [*row, ""]
        if not name:
            raise _wrong(
                path, f"has a row without a name ({','.join(row)[:60]!r})", "Write it, or remove the row."
            )
        concepts.append(Concept(name, tuple(filter(None, prompts)), group or None, source=source))
    return concepts


def _parsed(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _wrong(path, f"is not JSON ({error})", "Check it, or save it again.") from error


def _by_hand(path: Path, content: Any, source: str) -> list[Concept]:
    if _is_names(content):
        return [Concept(name, source=source) for name in content]
    if isinstance(content, dict) and all(map(_is_names, content.values())):
        # The same word for several classes is one concept of all of them, not a repetition.
        classes: dict[str, list[str]] = {}
        first: dict[str, Concept] = {}
        for class_, names in content.items():
            for concept in (Concept(name, source=source) for name in names):
                first.setdefault(concept.key, concept)
                classes.setdefault(concept.key, []).append(class_)
        return [replace(first[key], classes=tuple(dict.fromkeys(classes[key]))) for key in first]
    raise _wrong(
        path,
        "holds neither a list of names nor a dictionary from class to names",
        'Write ["red", "grass"] or {"robin": ["red breast"]}.',
    )


def _is_names(content: Any) -> bool:
    return isinstance(content, list) and all(isinstance(name, str) for name in content)


def _saved(path: Path, content: dict[str, Any]) -> Vocabulary:
    if content["schema"] != SCHEMA:
        raise BadArtefact(
            message(
                f"{path} has the schema {str(content['schema'])[:60]!r}.",
                f"This version reads {SCHEMA!r}.",
                "Update Seewhy, or save the vocabulary again.",
            )
        )
    given = content.pop("checksum", None)
    if given != hashlib.sha256(canonical(content)).hexdigest():
        raise _damaged(path, "is not as it was saved: its checksum differs")
    try:
        concepts = tuple(Concept(**entry) for entry in content["concepts"])
        words = Vocabulary(concepts, Dropped.from_json(content["dropped"]))
    except (KeyError, TypeError, InputError) as error:
        raise _damaged(path, f"does not hold a vocabulary ({error})") from error
    if words.sha256 != content.get("sha256"):
        raise _damaged(
            path, f"says {str(content.get('sha256'))[:12]}... of itself, but is {words.sha256[:12]}..."
        )
    return words


def _damaged(path: Path, what: str) -> BadArtefact:
    return BadArtefact(
        message(
            f"{path} {what}.",
            "A saved vocabulary is read only as it was written, because its hash stands for the concepts elsewhere.",
            "Restore it; to change a list by hand, save it as .txt or .csv and load that.",
        )
    )


def _wrong(path: Path, what: str, do: str) -> InputError:
    return InputError(
        message(f"{path} {what}.", "A vocabulary has one name a line (.txt), or is CSV or JSON.", do)
    )


# ---------------------------------------------------------------------- writing


def _to_json(words: Vocabulary) -> str:
    concepts = []
    for concept in words:
        entry = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(concept).items()
        }
        concepts.append({name: value for name, value in entry.items() if value != _FIELDS.get(name, "")})
    content = {
        "schema": SCHEMA,
        "sha256": words.sha256,
        "concepts": concepts,
        "dropped": words.dropped.to_json(),
    }
    checksum = hashlib.sha256(canonical(content)).hexdigest()
    return json.dumps({**content, "checksum": checksum}, ensure_ascii=False, indent=1) + "\n"


def _to_lines(words: Vocabulary) -> str:
    _refuse(".txt", "prompts", (concept.name for concept in words if concept.prompts))
    _refuse(".txt", "a polarity of -1", (concept.name for concept in words if concept.polarity != 1))
    _refuse(".txt", "a # in front", (concept.name for concept in words if concept.name.startswith("#")))
    lines: list[str] = []
    open_ = None
    for concept in words:
        if concept.group != open_:
            lines += [f"# == {concept.group or ''} =="]
            open_ = concept.group
        lines.append(concept.name)
    return "\n".join(lines) + "\n"


def _to_rows(words: Vocabulary) -> str:
    _refuse(".csv", "a polarity of -1", (concept.name for concept in words if concept.polarity != 1))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["name", "group", "prompts"])
    for concept in words:
        writer.writerow([concept.name, concept.group or "", *concept.prompts])
    return stream.getvalue()


def _refuse(ending: str, what: str, names: Iterable[str]) -> None:
    some = list(itertools.islice(names, 4))
    if some:
        raise InputError(
            message(
                f"Some concepts have {what}: {', '.join(map(repr, some))}.",
                f"A {ending} file cannot hold that, and the vocabulary read back would be another one.",
                "Save it as .json.",
            )
        )
