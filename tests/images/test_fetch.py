"""Web addresses, against a server on this machine: limits of size and time, redirects, offline."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from seewhy.errors import InputError, Offline
from seewhy.images.fetch import fetch, name_of, scheme_of
from seewhy.images.read import read_images
from tests.images.made_pictures import noise, saved

PIXELS = noise(4, 6)
PNG = saved(Image.fromarray(PIXELS))


class Handler(BaseHTTPRequestHandler):
    release: ClassVar[threading.Event]
    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        step = self.path.split("?")[0]
        if step == "/slow-head":
            self.release.wait()
        if step == "/gone":
            self.send_error(404, "Not Found")
        elif step.startswith("/to/"):
            targets = {"png": "/a%20b.png", "file": "file:///etc/hostname", "ftp": "ftp://127.0.0.1/x"}
            self.send_response(302)
            self.send_header("Location", targets.get(step[4:], self.path))
            self.end_headers()
        else:
            self.send_response(200)
            lengths = {"/short": len(PNG) + 9, "/declared": 10**12}
            if step != "/endless":
                self.send_header("Content-Length", str(lengths.get(step, len(PNG))))
            self.end_headers()
            self.send_body(step)

    def send_body(self, step: str) -> None:
        if step == "/slow-body":
            self.wfile.write(PNG[:10])
            self.release.wait()
        try:
            for _ in range(1000 if step == "/endless" else 1):
                self.wfile.write(PNG)
        except OSError:
            pass  # the reader has hung up

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("SEEWHY_OFFLINE", raising=False)
    Handler.release, Handler.asked = threading.Event(), []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False  # so that closing waits for them
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Handler.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_picture_is_read_from_its_address(site: str) -> None:
    (picture,) = read_images(f"{site}/a b.png?size=1#top")
    np.testing.assert_array_equal(picture.pixels, PIXELS)
    assert (picture.name, picture.path) == ("a b.png", None)
    assert Handler.asked == ["/a%20b.png?size=1"]


def test_redirects_are_followed_on_the_web_only(site: str) -> None:
    assert fetch(f"{site}/to/png") == PNG
    for scheme in ("file", "ftp"):
        with pytest.raises(InputError, match=rf"(?is)/to/{scheme} .*redirect.* '{scheme}://.*one PNG, JPEG"):
            fetch(f"{site}/to/{scheme}")
    with pytest.raises(InputError, match="answered 302 .*infinite loop"):
        fetch(f"{site}/to/itself")


@pytest.mark.parametrize("page", ["endless", "declared"])
def test_a_body_over_the_limit_is_refused(site: str, page: str) -> None:
    size = "more than 0.02" if page == "endless" else r"1e\+06"
    with pytest.raises(InputError, match=rf"(?s)/{page} has {size} MB, the limit is 0.02.*download"):
        fetch(f"{site}/{page}", max_bytes=20_000)


@pytest.mark.parametrize("page", ["slow-head", "slow-body"])
def test_a_slow_server_is_left_after_the_time_limit(site: str, page: str) -> None:
    with pytest.raises(Offline, match=r"(?s)did not arrive within 0.2 seconds.*time limit.*Download it"):
        fetch(f"{site}/{page}", seconds=0.2)


def test_a_body_that_breaks_off_is_refused(site: str) -> None:
    with pytest.raises(InputError, match=rf"broke off after {len(PNG)} of {len(PNG) + 9} bytes"):
        fetch(f"{site}/short")


def test_an_error_status_is_told(site: str) -> None:
    with pytest.raises(InputError, match=r"(?s)/gone answered 404 Not Found\..*in a browser"):
        read_images([f"{site}/gone"])


def test_a_server_that_is_not_there_counts_as_offline(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Offline, match=r"(?s)could not be fetched \(.*refused.*Check the address"):
        fetch("http://127.0.0.1:1/x.png")


def test_offline_nothing_is_asked(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEWHY_OFFLINE", "1")
    with pytest.raises(
        Offline, match=r"(?s)x.png is on the network, and SEEWHY_OFFLINE is set.*pass its path"
    ):
        read_images(f"{site}/x.png")
    assert Handler.asked == []


@pytest.mark.parametrize(
    "address", ["ftp://a/b.png", "file:///a.png", "s3://a/b", "data:image/png;base64,AA", "http://"]
)
def test_other_addresses_are_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEEWHY_OFFLINE", raising=False)
    with pytest.raises(
        InputError, match="(?s)is not an address that can be fetched.*http:// or https://.*path"
    ):
        read_images(address)


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        ("HTTP://x/y", "http"),
        ("data:image/png,x", "data"),
        ("C:/x.png", ""),
        ("a/b.png", ""),
        ("x:y", ""),
        ("", ""),
    ],
)
def test_schemes_are_told_from_paths(text: str, scheme: str) -> None:
    assert scheme_of(text) == scheme


def test_a_name_is_the_last_part_of_the_address() -> None:
    assert name_of("https://a.org/b/c%20d.png?x=/y") == "c d.png"
    assert name_of("https://a.org/") == "a.org"
