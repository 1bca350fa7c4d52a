"""Words from a language model: what can be seen of each class, asked of any OpenAI-compatible server.

Never asked unless called, and no question twice: every answer is kept in a folder under the hash of its question
(model, messages, parameters), so that a run can be repeated without the server, and belongs to the run.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seewhy.errors import BadArtefact, InputError, Offline, message
from seewhy.vocabulary.files import canonical, write_whole
from seewhy.vocabulary.sources.answers import pairs
from seewhy.vocabulary.sources.endpoint import BrokenAnswer, Endpoint
from seewhy.vocabulary.vocabulary import Concept, Vocabulary
from seewhy.vocabulary.words import tidy

SCHEMA = "seewhy.llm/1"

QUESTIONS: dict[str, str] = {
    "part": "the visible parts by which someone would recognise it",
    "look": "colours, textures and surface patterns that it typically has, each with what has them",
    "shape": "shapes and outlines, of the whole and of its parts",
    "surroundings": "places where it is photographed, and things that are usually seen around it",
    "kind": "more general kinds of thing that it belongs to, from near to far",
}
"""What is asked about each class; the key becomes the group. For fine-grained classes (birds, cars) leave out the
surroundings and kinds, which they share."""

_ROLE = (
    "You help to describe photographs. You name things that a camera can see, in plain words, and you reply with a"
    " single JSON object and nothing around it."
)
_TASK = """For every class in the list, write down {what}.{domain}

What counts as an entry:
- it can be seen in a single photo;
- it has at most four words, in lower case and in the singular;
- it contains no class name, and no word that only says the class name differently;
- it is neither a sentence nor an explanation.

Give up to ten entries for each class, the most telling first. Reply in this form:
{{"concepts": [{{"class": "the class as it is written in the list", "names": ["entry", "entry"]}}]}}

Classes: {classes}"""


def from_llm(
    classes: Sequence[str],
    endpoint: Endpoint,
    cache: str | Path,
    *,
    questions: Mapping[str, str] = QUESTIONS,
    domain: str = "",
    batch: int = 20,
    n: int = 2,
    temperature: float = 0.7,
    seed: int = 0,
    offline: bool = False,
) -> Vocabulary:
    """Ask a language model what can be seen of classes.

    One request for each question and `batch` classes, one after the other. Interrupted or failed, it goes on where it
    stopped: what has been answered is in the cache.

    Parameters
    ----------
    classes
        Names of the classes.
    endpoint
        The server and model.
    cache
        Folder for the answers; made if it is not there.
    questions
        Group of the concepts -> what to ask, as the end of "For every class in the list, write down ...".
    domain
        What the pictures show, if names of classes alone could mislead ("birds of North America").
    batch
        Classes in one request.
    n, temperature, seed
        Of the sampling: n answers to each request (some servers give one), whose concepts are put together; servers
        without seeds are asked without.
    offline
        Only read the cache. SEEWHY_OFFLINE does the same.

    Returns
    -------
    words
        Lower case, without repetitions, with the question's key as group and the classes for which they were named.
        Not filtered: models do name the class and write too long, see `filters`.

    Raises
    ------
    Offline
        If something is not in the cache and may not, or cannot, be asked; says what.
    InputError
        If the server refuses, or some answers hold no concepts after all the others were asked; says which.
    BadArtefact
        If a file of the cache is damaged.

    Notes
    -----
    Temperature and two answers are LF-CBM's (arXiv 2304.06129), as are the kinds of features, things around and
    superclasses; looks and shapes as kinds, the wording, and batches are ours.
    """
    requests = _requests(classes, endpoint.model, questions, domain, batch, n, temperature, seed)
    folder = Path(cache).expanduser()
    answers = {request: kept for request in requests if (kept := _kept(folder, request)) is not None}
    missing = [request for request in requests if request not in answers]
    if missing:
        _refuse_offline(offline, missing, len(requests), folder)
        _make_folder(folder)
    broken = []
    for request in missing:
        try:
            texts = endpoint.ask(request.messages(), request.parameters())
        except BrokenAnswer as error:
            broken.append((request, str(error)))
            continue
        # An answer without a concept is not kept: asked again, the model may do better.
        texts = [text for text in texts if pairs(text)]
        if texts:
            answers[request] = texts
            _keep(folder, request, texts)
        else:
            broken.append((request, "No answer holds a concept."))
    if broken:
        raise InputError(
            message(
                f"{len(broken)} of {len(requests)} requests came to nothing: {_named(r for r, _ in broken)}.",
                broken[0][1],
                f"The others are kept in {folder}; call again to ask only for these.",
            )
        )
    concepts = [concept for request in requests for concept in request.concepts(answers[request])]
    words = Vocabulary.from_list(concepts, duplicates="drop")
    # That several classes and both answers name the same is what is wanted, and no loss to tell of.
    return Vocabulary(words.concepts)


@dataclass(frozen=True)
class _Request:
    """One question about some classes."""

    model: str
    group: str
    text: str
    classes: tuple[str, ...]
    n: int
    temperature: float
    seed: int

    def messages(self) -> list[dict[str, str]]:
        return [{"role": "system", "content": _ROLE}, {"role": "user", "content": self.text}]

    def parameters(self) -> dict[str, Any]:
        return {
            "temperature": self.temperature,
            "n": self.n,
            "seed": self.seed,
            "response_format": {"type": "json_object"},
        }

    def content(self) -> dict[str, Any]:
        return {"model": self.model, "messages": self.messages(), "parameters": self.parameters()}

    def sha256(self) -> str:
        return hashlib.sha256(canonical(self.content())).hexdigest()

    def concepts(self, answers: Iterable[str]) -> list[Concept]:
        own = {tidy(class_).casefold(): class_ for class_ in self.classes}
        found = []
        for answer in answers:
            for told, name in pairs(answer):
                # Of one class it is clear whom an answer without class means.
                class_ = own.get(tidy(told).casefold()) or (
                    self.classes[0] if len(self.classes) == 1 else None
                )
                classes = (class_,) if class_ else ()
                found.append(Concept(name, group=self.group, classes=classes, source=f"llm:{self.model}"))
        return found


def _requests(
    classes: Sequence[str],
    model: str,
    questions: Mapping[str, str],
    domain: str,
    batch: int,
    n: int,
    temperature: float,
    seed: int,
) -> list[_Request]:
    if isinstance(classes, str) or not classes or not questions or batch < 1 or n < 1 or temperature < 0:
        raise InputError(
            message(
                f"classes={classes!r:.60}, {len(questions)} questions, {batch=}, {n=}, {temperature=}.",
                "Classes are a list of names; there is a question; batch and n are 1 or more, temperature 0 or more.",
            )
        )
    names = list(dict.fromkeys(map(tidy, classes)))
    about = f" The photos show {domain.strip().rstrip('.')}." if domain.strip() else ""
    parts = [tuple(names[at : at + batch]) for at in range(0, len(names), batch)]
    return [
        _Request(
            model,
            group,
            _TASK.format(what=what, domain=about, classes=json.dumps(part, ensure_ascii=False)),
            part,
            n,
            float(temperature),
            seed,
        )
        for group, what in questions.items()
        for part in parts
    ]


def _kept(folder: Path, request: _Request) -> list[str] | None:
    path = folder / f"{request.sha256()}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        answers = content.pop("answers")
        whole = (
            content.pop("sha256") == hashlib.sha256(canonical(answers)).hexdigest()
            and content == {"schema": SCHEMA, **request.content()}
            and all(isinstance(answer, str) for answer in answers)
        )
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(
            message(f"{path} cannot be read ({error.strerror or error}).", "", "Check the cache's rights.")
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise BadArtefact(
            message(
                f"{path} is not the answer that was kept there.",
                "A kept answer holds its question, and the hash of what was answered.",
                "Restore it, or remove it to ask again.",
            )
        )
    return list(answers)


def _keep(folder: Path, request: _Request, answers: list[str]) -> None:
    content = {
        "schema": SCHEMA,
        **request.content(),
        "answers": answers,
        "sha256": hashlib.sha256(canonical(answers)).hexdigest(),
    }
    data = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    write_whole(folder / f"{request.sha256()}.json", data.encode())


def _refuse_offline(offline: bool, missing: list[_Request], n: int, folder: Path) -> None:
    switch = os.environ.get("SEEWHY_OFFLINE", "")
    if not offline and switch.lower() in ("", "0", "false", "no", "off"):
        return
    raise Offline(
        message(
            f"{len(missing)} of {n} answers of {missing[0].model!r} are not in {folder}: {_named(missing)}.",
            f"{'offline=True' if offline else f'SEEWHY_OFFLINE={switch}'} forbids to ask for them.",
            "Run once with the network and the same arguments, and keep the folder with the run.",
        )
    )


def _named(requests: Iterable[_Request]) -> str:
    told = [f"{request.group!r} of {request.classes[0]!r} to {request.classes[-1]!r}" for request in requests]
    return ", ".join(told[:4]) + (f" and {len(told) - 4} more" if len(told) > 4 else "")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            message(
                f"{folder} cannot be made ({error.strerror or error}).",
                "The cache is a folder.",
                "Choose another.",
            )
        ) from error
