"""A language model's server on this machine, for tests: it answers what it is told to, and writes down questions."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from seewhy.vocabulary.sources.endpoint import Endpoint


@dataclass(frozen=True)
class Reply:
    """One HTTP answer; `length` is what it says of its length, if not the truth."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    length: int | None = None


def saying(*texts: str) -> Reply:
    """A chat completion with these choices."""
    choices = [
        {"index": at, "message": {"role": "assistant", "content": text}} for at, text in enumerate(texts)
    ]
    return Reply(json.dumps({"object": "chat.completion", "choices": choices}).encode())


def naming(classes: list[str], *names: str) -> str:
    """What a model that does as it is told writes."""
    return json.dumps({"concepts": [{"class": class_, "names": list(names)} for class_ in classes]})


@dataclass
class Model:
    """What was asked, how the server answers, and the pauses that were made."""

    answer: Callable[[dict[str, Any], int], Reply]
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def endpoint(self, **changes: Any) -> Endpoint:
        return Endpoint(**{"base_url": self.url, "model": "m-1", "pause": self.pauses.append, **changes})


@contextmanager
def talking(answer: Callable[[dict[str, Any], int], Reply]) -> Iterator[Model]:
    """Serve; `answer(question, how many before it)` gives the reply."""
    model = Model(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            model.asked.append({"path": self.path, **body})
            model.headers.append(dict(self.headers.items()))
            reply = model.answer(body, len(model.asked) - 1)
            self.send_response(reply.status)
            for name, value in reply.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        model.url = f"http://127.0.0.1:{server.server_port}/v1"
        yield model
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
