"""Offline is said in time, with what was needed, where it was looked for and what can be done."""

from __future__ import annotations

from pathlib import Path

import pytest

from seewhy.hub import offline


@pytest.fixture(autouse=True)
def _no_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SEEWHY_OFFLINE", "HF_HUB_OFFLINE", "SEEWHY_HOME", "HF_HOME", "HF_HUB_CACHE", "TORCH_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_nothing_forbids_the_network_by_itself() -> None:
    assert offline.forbidden() is None


@pytest.mark.parametrize("value", ["0", "", "false", "No"])
def test_a_switch_that_is_off_forbids_nothing(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEWHY_OFFLINE", value)
    assert offline.forbidden() is None


@pytest.mark.parametrize("switch", ["SEEWHY_OFFLINE", "HF_HUB_OFFLINE"])
def test_either_switch_forbids_the_network(switch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(switch, "1")
    assert offline.forbidden() == f"{switch}=1"
    assert offline.forbidden(local_files_only=True) == "local_files_only=True"


def test_folders_follow_the_libraries_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEWHY_HOME", "/s")
    monkeypatch.setenv("HF_HOME", "/h")
    monkeypatch.setenv("TORCH_HOME", "/t")
    assert [place for _, place in offline.looked_in()] == [
        Path("models"),
        Path("/s/models"),
        Path("/h/hub"),
        Path("/t/hub/checkpoints"),
    ]
    monkeypatch.setenv("HF_HUB_CACHE", "/elsewhere")
    assert offline.hub_cache() == Path("/elsewhere")


def test_without_variables_the_cache_folder_holds_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert offline.home() == Path("/c/seewhy")
    assert offline.hub_cache() == Path("/c/huggingface/hub")
    assert offline.torch_cache() == Path("/c/torch/hub/checkpoints")


def test_the_folders_are_those_of_the_libraries_themselves() -> None:
    import torch

    assert offline.torch_cache() == Path(torch.hub.get_dir()) / "checkpoints"


def test_the_message_has_need_places_and_three_ways_forward() -> None:
    text = str(offline.not_here("timm/resnet50.a1_in1k", "SEEWHY_OFFLINE=1", megabytes=97.8))
    assert text == (
        "Weights 'timm/resnet50.a1_in1k' (98 MB) are not on this machine and the hub cannot be reached: "
        "SEEWHY_OFFLINE=1.\n"
        "  Looked in: ./models, $SEEWHY_HOME/models, $HF_HOME, $TORCH_HOME.\n"
        "  1) seewhy models fetch timm/resnet50.a1_in1k --to models on a connected machine, and copy the folder "
        "here; 2) weights='local:/path' (--weights PATH); 3) weights=None (--weights none) for random weights; "
        "results will be marked 'untrained'."
    )


def test_a_hub_that_refuses_connections_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    why = offline.why_hub_is_silent()
    assert why is not None and "http://127.0.0.1:9 does not answer" in why


def test_a_wrong_address_of_the_hub_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "file:///etc/passwd")
    assert offline.why_hub_is_silent() == "HF_ENDPOINT is 'file:///etc/passwd', which is no web address"
