"""Files are looked for in order, the network comes last, and a warm cache never asks it."""

from __future__ import annotations

from pathlib import Path

import pytest

from seewhy.errors import InputError, Offline
from seewhy.hub.locate import HubFile, UrlFile, cached, locate, locate_folder, weights_in
from tests.hub.serving import Served, serve

ID = "timm/net.tag"
REVISION = "0" * 40


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("SEEWHY_HOME", "HF_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path


def in_hub_cache(home: Path, repo: str, name: str) -> Path:
    folder = home / "HF_HOME" / "hub" / f"models--{repo.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text(REVISION)
    file = folder / "snapshots" / REVISION / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"w")
    return file


def on_shelf(home: Path, shelf: str) -> Path:
    file = home / shelf / ID / "model.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"w")
    return file


def test_the_order_is_project_home_hub_cache_and_torch_cache(home: Path) -> None:
    url = UrlFile("http://x/net-0123.pth", home / "TORCH_HOME")
    origins = [HubFile("timm/net", ("model.safetensors", "pytorch_model.bin")), url]
    assert cached(ID, origins) is None
    url.folder.mkdir()
    url.path.write_bytes(b"w")
    assert cached(ID, origins) == url.path
    assert cached(ID, origins) != in_hub_cache(home, "timm/net", "pytorch_model.bin")
    assert (found := cached(ID, origins)) is not None and found.name == "pytorch_model.bin"
    in_hub_cache(home, "timm/net", "model.safetensors")
    assert (found := cached(ID, origins)) is not None and found.name == "model.safetensors"
    assert cached(ID, origins) != on_shelf(home, "SEEWHY_HOME/models")
    on_shelf(home, "models")
    assert cached(ID, origins) == Path("models") / ID / "model.safetensors"


def test_what_is_cached_is_found_offline_and_without_a_request(home: Path) -> None:
    file = in_hub_cache(home, "timm/net", "model.safetensors")
    found = locate(ID, [HubFile("timm/net", ("model.safetensors",))], local_files_only=True)
    assert found.resolve() == file.resolve()


def test_offline_says_why_and_how_large(monkeypatch: pytest.MonkeyPatch) -> None:
    origin = UrlFile("http://127.0.0.1:9/net.pth", Path("t"))
    with pytest.raises(Offline, match=r"'timm/net.tag' \(45 MB\) are not on this machine.*SEEWHY_OFFLINE=1"):
        locate(ID, [origin], megabytes=44.6)
    monkeypatch.delenv("SEEWHY_OFFLINE")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with pytest.raises(Offline, match="local_files_only=True"):
        locate(ID, [origin], local_files_only=True)
    with pytest.raises(Offline, match="Connection refused"):
        locate(ID, [origin])


def test_a_silent_hub_is_offline_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEEWHY_OFFLINE")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(Offline, match=r"http://127.0.0.1:9 does not answer"):
        locate(ID, [HubFile("timm/net", ("model.safetensors",))])
    with pytest.raises(Offline, match=r"http://127.0.0.1:9 does not answer"):
        locate_folder("hf/a/b", "a/b", ["config.json"], [["*.json"]])


def test_a_download_lands_in_the_cache_and_is_not_repeated(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEEWHY_OFFLINE")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with serve(Served(b"weights")) as served:
        origin = UrlFile(served.address, home / "cache")
        assert locate(ID, [origin]).read_bytes() == b"weights"
        assert locate(ID, [origin]) == origin.path
        assert served.asked == [None]


def test_a_folder_with_two_weights_files_asks_which(tmp_path: Path) -> None:
    assert weights_in(tmp_path) is None
    (tmp_path / "a.pth").write_bytes(b"")
    assert weights_in(tmp_path) == tmp_path / "a.pth"
    (tmp_path / "b.pth").write_bytes(b"")
    with pytest.raises(InputError, match=r"several weights files: a.pth, b.pth"):
        weights_in(tmp_path)
    (tmp_path / "c.safetensors").write_bytes(b"")
    assert weights_in(tmp_path) == tmp_path / "c.safetensors"


def test_a_repository_in_the_cache_is_taken_if_it_holds_what_is_needed(home: Path) -> None:
    need = ["config.json", "*.safetensors|*.bin"]
    file = in_hub_cache(home, "a/b", "config.json")
    with pytest.raises(Offline, match="'hf/a/b'"):
        locate_folder("hf/a/b", "a/b", need, [["*"]])
    in_hub_cache(home, "a/b", "pytorch_model.bin")
    assert locate_folder("hf/a/b", "a/b", need, [["*"]]).resolve() == file.parent.resolve()
