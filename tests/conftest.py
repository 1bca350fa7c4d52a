"""Shared by all tests: no network, the real data where it is, and skips that say why."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ["SEEWHY_OFFLINE"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

REQUIRED = set(filter(None, os.environ.get("SEEWHY_TEST_REQUIRE", "").split(",")))


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Any connection that leaves the machine is an error; loopback and local sockets are allowed."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else "localhost"
        if self.family in (socket.AF_INET, socket.AF_INET6) and host not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test tried to reach {address!r}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    yield


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real networks and photographs; a skip where it is absent, unless it is required."""
    named = os.environ.get("SEEWHY_TEST_DATA")
    folder = Path(named) if named else None
    if folder is None or not (folder / "models").is_dir():
        reason = f"SEEWHY_TEST_DATA is {named!r}, not a folder with the real networks and photographs"
        if "data" in REQUIRED:
            pytest.fail(reason)
        pytest.skip(reason)
    assert folder is not None
    return folder


@pytest.fixture(scope="session")
def real_network(data: Path) -> Callable[[str], Any]:
    """`real_network(name)` gives (module in eval mode, its description) from the data folder."""
    cache: dict[str, Any] = {}

    def load(name: str) -> Any:
        if name not in cache:
            sys.path.insert(0, str(data))
            try:
                from load import load as load_network
            finally:
                sys.path.remove(str(data))
            cache[name] = load_network(name)
        return cache[name]

    return load
