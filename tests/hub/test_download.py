"""A download is resumed, checked, and there whole or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from seewhy.errors import BadArtefact, InputError, Offline
from seewhy.hub.download import download
from tests.hub.serving import Served, serve

CONTENT = bytes(range(256)) * 40
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_a_file_arrives_whole_and_progress_ends_at_its_size(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with serve(Served(CONTENT)) as served:
        path = download(
            served.address,
            tmp_path / "deep" / "net.pth",
            sha256=DIGEST[:8],
            progress=lambda *t: told.append(t),
        )
    assert path.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [p.name for p in path.parent.iterdir()] == ["net.pth"]


def test_a_transfer_that_broke_off_goes_on_where_it_was(tmp_path: Path) -> None:
    with serve(Served(CONTENT, cut_at=3000)) as served:
        with pytest.raises(Offline, match="broke off after 3000 of 10240 bytes"):
            download(served.address, tmp_path / "net.pth")
        assert not (tmp_path / "net.pth").exists()
        served.cut_at = None
        download(served.address, tmp_path / "net.pth", sha256=DIGEST)
        assert served.asked == [None, "bytes=3000-"]
    assert (tmp_path / "net.pth").read_bytes() == CONTENT


def test_a_server_that_cannot_resume_starts_over(tmp_path: Path) -> None:
    (tmp_path / "net.pth.part").write_bytes(CONTENT[:100])
    with serve(Served(CONTENT, ranges=False)) as served:
        download(served.address, tmp_path / "net.pth", sha256=DIGEST)


def test_a_part_longer_than_the_file_starts_over(tmp_path: Path) -> None:
    (tmp_path / "net.pth.part").write_bytes(CONTENT + b"more")
    with serve(Served(CONTENT)) as served:
        download(served.address, tmp_path / "net.pth", sha256=DIGEST)


def test_another_hash_is_refused_and_the_file_removed(tmp_path: Path) -> None:
    with serve(Served(CONTENT)) as served, pytest.raises(BadArtefact, match="must start with 0123abcd"):
        download(served.address, tmp_path / "net.pth", sha256="0123abcd")
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_is_the_users_error_and_says_the_code(tmp_path: Path) -> None:
    with serve(Served(b"", status=404)) as served, pytest.raises(InputError, match="answered 404 Not Found"):
        download(served.address, tmp_path / "net.pth")


def test_no_server_is_offline(tmp_path: Path) -> None:
    with pytest.raises(Offline, match="could not be fetched") as caught:
        download("http://127.0.0.1:9/net.pth", tmp_path / "net.pth")
    assert "what has arrived is kept" in str(caught.value)


def test_only_the_web_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no web address"):
        download("file:///etc/passwd", tmp_path / "net.pth")
