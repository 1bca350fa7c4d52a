"""A web server on this machine for tests of downloads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """What the server gives, how it behaves, and what was asked of it."""

    content: bytes
    address: str = ""
    status: int = 200
    ranges: bool = True
    cut_at: int | None = None
    asked: list[str | None] = field(default_factory=list)


@contextmanager
def serve(served: Served) -> Iterator[Served]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(served.status)
            self.end_headers()

        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            served.asked.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and served.ranges else 0
            if start >= len(served.content) and start:
                self.send_error(416)
                return
            body = served.content[start:]
            self.send_response(206 if start else served.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: None if served.cut_at is None else max(0, served.cut_at - start)])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        served.address = f"http://127.0.0.1:{server.server_port}/net-{'0' * 8}.pth"
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
