"""Files back into answers: the .json, or the data that a page carries."""

from __future__ import annotations

import json
import os
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from seewhy.errors import BadArtefact, InputError, message
from seewhy.explanation.answer import Answer
from seewhy.explanation.answers import Answers
from seewhy.explanation.schema import from_dict
from seewhy.images.picture import Picture
from seewhy.report.data import DATA_CLASS


def load_answer(path: str | os.PathLike[str], *, image: Picture | None = None) -> Answer:
    """Read back one answer that was saved as .json or .html.

    Parameters
    ----------
    path
        A file with exactly one answer; see `load_answers` for more.
    image
        The original picture; without it a grey one stands in, because the files do not hold it exactly.

    Raises
    ------
    InputError
        If there is no such file, or it holds several answers.
    BadArtefact
        If it is damaged, of another version, or a page that kept only the strongest of the concepts.
    """
    data = _read(path)
    if len(data) != 1:
        raise InputError(
            message(
                f"{str(path)!r} holds {len(data)} answers.",
                "load_answer reads exactly one.",
                "Use load_answers, which returns all.",
            )
        )
    return from_dict(data[0], image=image)


def load_answers(path: str | os.PathLike[str]) -> Answers[Any]:
    """Read back every answer of a file, in order; errors as `load_answer`."""
    return Answers(from_dict(data) for data in _read(path))


def _read(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    place = Path(path)
    if place.suffix.lower() not in (".json", ".html"):
        raise InputError(
            message(
                f"{str(path)!r} is neither .json nor .html.",
                "Answers are read back from these two.",
                "Save the answer with e.save('why.json').",
            )
        )
    try:
        content = place.read_bytes().decode()
    except OSError as error:
        raise InputError(message(f"{str(path)!r} cannot be read: {error.strerror or error}.")) from error
    except UnicodeDecodeError as error:
        raise _damaged(path, "it is not UTF-8 text") from error
    blocks = [content] if place.suffix.lower() == ".json" else _blocks(content)
    try:
        parsed = [json.loads(block) for block in blocks]
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its JSON breaks off or is malformed ({error})") from error
    answers = [answer for data in parsed for answer in _unwrapped(data)]
    if not answers or not all(isinstance(answer, dict) for answer in answers):
        raise _damaged(path, "it holds no answer")
    return answers


def _unwrapped(data: Any) -> list[Any]:
    if isinstance(data, dict) and data.get("schema") == "seewhy.answers/1":
        answers = data.get("answers")
        return answers if isinstance(answers, list) else []
    return [data]


def _blocks(content: str) -> list[str]:
    reader = _Blocks()
    reader.feed(content)
    reader.close()
    return reader.blocks


class _Blocks(HTMLParser):
    """Collects the text of the page's data blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "script" and ("class", DATA_CLASS) in attrs
        if self._inside:
            self.blocks.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.blocks[-1] += data


def _damaged(path: object, why: str) -> BadArtefact:
    return BadArtefact(
        message(
            f"{str(path)!r} cannot be read: {why}.",
            "It must be what e.save('why.json') or e.save('why.html') wrote.",
            "Save the answer again.",
        )
    )
