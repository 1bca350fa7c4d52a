"""A picture from a web address, within a limit of size and of time.

Only the library and the command line fetch; a server that explains uploaded pictures never calls this.
"""

from __future__ import annotations

import http.client
import os
import queue
import re
import threading
import urllib.error
import urllib.request
from typing import IO, Any
from urllib.parse import quote, unquote, urlsplit

from seewhy.errors import InputError, Offline, SeewhyError, message

MAX_BYTES = 20_000_000
MAX_SECONDS = 10.0

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(//|(?<=data:))")
_SAFE = "%/:=&?~#+!$,;'@()*[]"


def scheme_of(text: str) -> str:
    """'http' of 'http://...', '' of a path ('data:...' counts too)."""
    match = _SCHEME.match(text)
    return match[1].lower() if match else ""


def name_of(url: str) -> str:
    """The last part of the address, as a picture's name."""
    parts = urlsplit(url)
    return unquote(parts.path).rstrip("/").rpartition("/")[2] or parts.netloc


def fetch(url: str, *, max_bytes: int = MAX_BYTES, seconds: float = MAX_SECONDS) -> bytes:
    """Read what a http or https address holds.

    Parameters
    ----------
    url
        The address. Redirects are followed as long as they stay with http and https.
    max_bytes, seconds
        Limits of the whole answer.

    Raises
    ------
    Offline
        If SEEWHY_OFFLINE is set, the server cannot be reached, or it takes too long.
    InputError
        If the address is not one of a picture: another scheme, an error status, too large.
    """
    if os.environ.get("SEEWHY_OFFLINE", "").lower() not in ("", "0", "false"):
        raise Offline(
            message(
                f"{url} is on the network, and SEEWHY_OFFLINE is set.",
                "Offline, pictures come from this machine.",
                "Unset SEEWHY_OFFLINE, or download the picture and pass its path.",
            )
        )
    _check_address(url)
    # A slow server can hold a socket far longer than its timeout, one byte at a time, and a name look-up has
    # no timeout at all. So the limit is kept here, and the thread is left to end by itself.
    answer: queue.SimpleQueue[bytes | SeewhyError] = queue.SimpleQueue()
    given_up = threading.Event()
    threading.Thread(target=_work, args=(url, max_bytes, seconds, given_up, answer), daemon=True).start()
    try:
        result = answer.get(timeout=seconds)
    except queue.Empty:
        given_up.set()
        raise _too_slow(url, seconds) from None
    if isinstance(result, SeewhyError):
        raise result
    return result


def _check_address(url: str) -> None:
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    if scheme_of(url) not in ("http", "https") or not host:
        raise InputError(
            message(
                f"{url[:80]!r} is not an address that can be fetched.",
                "Addresses start with http:// or https:// and name a host.",
                "Pass the path of a file on this machine, or download it first.",
            )
        )


def _work(
    url: str,
    max_bytes: int,
    seconds: float,
    given_up: threading.Event,
    answer: queue.SimpleQueue[bytes | SeewhyError],
) -> None:
    try:
        answer.put(_read(url, max_bytes, seconds, given_up))
    except SeewhyError as error:
        answer.put(error)
    except urllib.error.HTTPError as error:
        with error:
            answer.put(_refused(url, f"answered {error.code} {error.reason}"))
    except (http.client.InvalidURL, UnicodeError) as error:
        answer.put(_refused(url, f"is not a valid address ({error})"))
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, TimeoutError):
            # The socket's own limit, the same number of seconds, can run out just before ours.
            answer.put(_too_slow(url, seconds))
            return
        answer.put(
            Offline(
                message(
                    f"{url} could not be fetched ({reason or type(error).__name__}).",
                    "Pictures are fetched with one request, without a retry.",
                    "Check the address and the connection, or download it and pass its path.",
                )
            )
        )


def _too_slow(url: str, seconds: float) -> Offline:
    return Offline(
        message(
            f"{url} did not arrive within {seconds:g} seconds.",
            "Pictures are fetched within a time limit.",
            "Download it and pass its path.",
        )
    )


def _read(url: str, max_bytes: int, seconds: float, given_up: threading.Event) -> bytes:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _WebOnly(),
    ):
        opener.add_handler(handler)
    request = urllib.request.Request(quote(url, safe=_SAFE), headers={"User-Agent": "seewhy"})
    body = bytearray()
    with opener.open(request, timeout=seconds) as response:
        declared = response.headers.get("Content-Length", "")
        expected = int(declared) if declared.isdecimal() else None
        while not given_up.is_set():
            if max(len(body), expected or 0) > max_bytes:
                size = f"{expected / 1e6:.4g}" if expected else f"more than {max_bytes / 1e6:.4g}"
                raise _refused(url, f"has {size} MB, the limit is {max_bytes / 1e6:.4g}")
            part = response.read1(65536)
            if not part:
                break
            body += part
    if expected is not None and len(body) < expected:
        raise _refused(url, f"broke off after {len(body)} of {expected} bytes")
    return bytes(body)


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https only."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if scheme_of(newurl) not in ("http", "https"):
            fp.close()
            raise _refused(req.full_url, f"redirects to {newurl[:200]!r}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _refused(url: str, why: str) -> InputError:
    return InputError(
        message(
            f"{url} {why}.",
            "An address must lead to one PNG, JPEG or WEBP file.",
            "Check it in a browser, or download the picture and pass its path.",
        )
    )
