"""Asking a language model: one POST to an OpenAI-compatible server, with patience but without insistence.

The key is read from an environment variable when a question is sent; it is never stored, cached or shown.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import urlsplit

from seewhy.errors import InputError, Offline, SeewhyError, message

MAX_BYTES = 10_000_000
LONGEST_PAUSE = 60.0
"""A server that asks for a longer pause is told about instead of waited for."""

_BUSY = (429, 500, 502, 503, 504)
_OPTIONAL = ("response_format", "seed")
"""Parameters that some servers refuse; asked once more without them."""


class BrokenAnswer(InputError):
    """The server answered something that holds no answer."""


@dataclass(frozen=True)
class Endpoint:
    """A server that speaks OpenAI's chat completions, on this machine or elsewhere, and a model of it.

    Attributes
    ----------
    base_url
        Up to the version, such as "http://localhost:8000/v1"; "/chat/completions" is added.
    model
        The model's name there.
    key_variable
        The environment variable that holds the key; if it is not set, none is sent.
    seconds
        Longest wait for an answer.
    attempts
        Times that a busy server (429, 5xx) or a broken answer is asked again, the first included.
    pause
        Called with seconds between two attempts: what the server's Retry-After says, else 1, 2, 4, ...
    """

    base_url: str
    model: str
    key_variable: str = "SEEWHY_LLM_KEY"
    seconds: float = 60.0
    attempts: int = 3
    pause: Callable[[float], None] = field(default=time.sleep, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.base_url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname)
            secret = parts.username is not None or parts.password is not None or bool(parts.query)
        except ValueError:
            usable = secret = False
        if secret:
            raise InputError(
                message(
                    "The base_url holds a user name, a password or a query.",
                    "It would stand in messages and logs; keys are read from the environment.",
                    f"Put the key into {self.key_variable}, and pass the plain address.",
                )
            )
        if not usable:
            raise InputError(
                message(
                    f"The base_url {self.base_url[:80]!r} is no web address.",
                    "It starts with http:// or https:// and names a host.",
                    "Pass something like base_url='http://localhost:8000/v1'.",
                )
            )
        if not self.model.strip() or self.attempts < 1 or not self.seconds > 0:
            raise InputError(
                message(
                    f"model={self.model!r}, attempts={self.attempts}, seconds={self.seconds}.",
                    "A model has a name; attempts are 1 or more, seconds above 0.",
                )
            )

    @property
    def url(self) -> str:
        """Where questions go."""
        return self.base_url.rstrip("/") + "/chat/completions"

    def ask(self, messages: list[dict[str, str]], parameters: dict[str, Any]) -> list[str]:
        """The texts of the answers, at least one (servers may give fewer than the n that was asked for).

        Raises
        ------
        Offline
            If the server cannot be reached or takes too long.
        InputError
            If it refuses: a wrong key, an unknown model, too many questions.
        BrokenAnswer
            If what it answers cannot be read, as often as it is asked.
        """
        body = {"model": self.model, "messages": messages, **parameters}
        for attempt in range(1, self.attempts + 1):
            last = attempt == self.attempts
            try:
                return _texts(self._post(body), self.url)
            except urllib.error.HTTPError as error:
                with error:
                    told = _told(error)
                    if error.code in (400, 422) and any(name in body for name in _OPTIONAL):
                        return self.ask(messages, {k: v for k, v in parameters.items() if k not in _OPTIONAL})
                    wait = _retry_after(error, attempt)
                    if error.code not in _BUSY or last or wait > LONGEST_PAUSE:
                        raise self._refused(error, told, wait) from None
            except BrokenAnswer:
                if last:
                    raise
                wait = 0.0
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise self._unreachable(error) from None
            if wait:
                self.pause(wait)
        raise AssertionError("the last attempt returns or raises")

    def _post(self, body: dict[str, Any]) -> bytes:
        request = urllib.request.Request(
            self.url,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "User-Agent": "seewhy", **self._authorization()},
        )
        # A redirect would carry the key to another host.
        opener = urllib.request.build_opener(_NoRedirect())
        deadline = time.monotonic() + self.seconds
        content = bytearray()
        with opener.open(request, timeout=self.seconds) as response:
            try:
                while part := response.read1(65536):
                    content += part
                    if len(content) > MAX_BYTES:
                        raise _broken(self.url, f"is larger than {MAX_BYTES / 1e6:.0f} MB")
                    if time.monotonic() > deadline:
                        raise TimeoutError("it was still sending")
            except http.client.IncompleteRead as error:
                raise _broken(self.url, "broke off") from error
            length = response.headers.get("Content-Length", "")
        if length.isdecimal() and len(content) < int(length):
            raise _broken(self.url, f"broke off after {len(content)} of {length} bytes")
        return bytes(content)

    def _authorization(self) -> dict[str, str]:
        key = os.environ.get(self.key_variable, "").strip()
        if not key:
            return {}
        if not (key.isascii() and key.isprintable()):
            raise InputError(
                message(
                    f"The key in {self.key_variable} holds characters that no key has.",
                    "A key is one line of plain letters, digits and signs.",
                    "Copy it again.",
                )
            )
        return {"Authorization": f"Bearer {key}"}

    def _refused(self, error: urllib.error.HTTPError, told: str, wait: float) -> InputError:
        key = os.environ.get(self.key_variable, "").strip()
        if key:
            told = told.replace(key, "***")
        do = {
            401: f"{self.key_variable} is {'set, but not accepted' if key else 'not set'}; put the key into it.",
            403: f"The key in {self.key_variable} may not do this.",
            404: f"Check base_url and the model's name, {self.model!r}.",
            429: f"Try again in {wait:.0f} seconds; what has been answered is kept.",
        }.get(error.code, "Try again later; what has been answered is kept." if error.code >= 500 else "")
        return InputError(
            message(
                f"{self.url} answered {error.code} {error.reason}." + (f" It says: {told}" if told else ""),
                "It must speak OpenAI's chat completions.",
                do,
            )
        )

    def _unreachable(self, error: Exception) -> SeewhyError:
        if isinstance(error, SeewhyError):
            return error
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, TimeoutError | socket.timeout):
            why = f"did not answer within {self.seconds:g} seconds"
            do = "Raise seconds, or ask about fewer classes at once."
        else:
            why = f"cannot be reached ({reason or type(reason).__name__})"
            do = "Check the address and that the server runs."
        return Offline(
            message(
                f"{self.url} {why}.",
                "A language model is asked over the network.",
                f"{do} What has been answered is kept.",
            )
        )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        return None  # becomes the HTTPError that it is


def _texts(body: bytes, url: str) -> list[str]:
    try:
        choices = json.loads(body)["choices"]
        found = [choice["message"]["content"] for choice in choices]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _broken(url, f"is no chat completion ({body[:60].decode('utf-8', 'replace')!r}...)") from error
    texts = [text for text in found if isinstance(text, str) and text.strip()]
    if not texts:
        raise _broken(url, "holds no text")
    return texts


def _broken(url: str, what: str) -> BrokenAnswer:
    return BrokenAnswer(
        message(
            f"The answer of {url} {what}.",
            "It must be JSON of the form that OpenAI's chat completions have.",
            "Try again; if it stays so, look at the server's log.",
        )
    )


def _told(error: urllib.error.HTTPError) -> str:
    """What the server says about its refusal, short and printable."""
    try:
        text = error.read(4096).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""
    try:
        content = json.loads(text)
        inner = content.get("error", content)
        text = inner.get("message", text) if isinstance(inner, dict) else str(inner)
    except (ValueError, AttributeError):
        pass
    return "".join(letter if letter.isprintable() else " " for letter in str(text))[:200].strip()


def _retry_after(error: urllib.error.HTTPError, attempt: int) -> float:
    given = (error.headers.get("Retry-After") or "").strip()
    if given.isdecimal():
        return float(given)
    date = email.utils.parsedate_tz(given)
    if date is not None:
        return max(0.0, email.utils.mktime_tz(date) - time.time())
    return float(2 ** (attempt - 1))
