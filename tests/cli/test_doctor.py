"""`seewhy doctor`: what is there, and no request unless asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seewhy.bundled import cards
from tests.bundled import made
from tests.cli.conftest import Seewhy


def test_everything_is_told(seewhy: Seewhy, workplace: Path) -> None:
    import torch

    found = json.loads(seewhy("doctor", "--json").out)
    assert found["version of"]["torch"].startswith(torch.__version__.split("+")[0])
    assert found["devices"][0].startswith("cpu (")
    assert found["folder"]["torch cache"] == str(workplace / "caches" / "TORCH_HOME" / "hub" / "checkpoints")
    assert found["free disk GB"]["home"] > 0
    assert found["hub"] == "not asked (--online asks)" and found["network"] == "SEEWHY_OFFLINE=1"


def test_the_hub_is_asked_only_where_the_network_is_allowed(
    seewhy: Seewhy, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert json.loads(seewhy("doctor", "--online", "--json").out)["hub"] == "not asked: SEEWHY_OFFLINE=1"
    monkeypatch.delenv("SEEWHY_OFFLINE")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    found = json.loads(seewhy("doctor", "--online", "--json").out)
    assert "http://127.0.0.1:9 does not answer" in found["hub"]


def test_a_hub_that_answers_is_told(seewhy: Seewhy, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.hub.serving import Served, serve

    monkeypatch.delenv("SEEWHY_OFFLINE")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve(Served(b"")) as served:
        address = served.address.rpartition("/")[0]
        monkeypatch.setenv("HF_ENDPOINT", address)
        assert json.loads(seewhy("doctor", "--online", "--json").out)["hub"] == f"{address} answers"


def test_a_named_browser_wins(seewhy: Seewhy, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = workplace / "browser"
    browser.write_text("#!/bin/sh\n")
    browser.chmod(0o755)
    monkeypatch.setenv("SEEWHY_CHROMIUM", str(browser))
    assert json.loads(seewhy("doctor", "--json").out)["browser"] == str(browser)
    monkeypatch.setenv("SEEWHY_CHROMIUM", "no-such-browser")
    assert "not found" in next(
        line for line in seewhy("doctor").out.splitlines() if line.startswith("browser")
    )


def test_a_damaged_bundled_model_is_told(
    seewhy: Seewhy, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = workplace / "weights"
    folder.mkdir()
    monkeypatch.setattr(cards, "FOLDER", folder)
    assert json.loads(seewhy("doctor", "--json").out)["bundled models"] is None
    for name in ("a", "b"):
        made.write(folder, made.card(name=name))
    (folder / "b.safetensors").write_bytes(b"damaged")
    whole, damaged = json.loads(seewhy("doctor", "--json").out)["bundled models"]
    assert whole == "a"
    assert damaged.startswith("b is damaged: ") and "its SHA-256 is" in damaged
