"""Weights are read without running code, and fit exactly or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from seewhy.errors import BadArtefact, InputError
from seewhy.hub.weights import check_weights, fit, read_weights


def net(width: int = 3) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, width, 1), nn.BatchNorm2d(width))


class Harmful:
    """Unpickling this runs a command."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("harmed",)


@pytest.mark.parametrize(
    "wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model": s}]
)
def test_state_dicts_are_found_in_checkpoints(wrap: Any, tmp_path: Path) -> None:
    state = net().state_dict()
    torch.save(wrap(state), tmp_path / "a.pth")
    loaded = read_weights(tmp_path / "a.pth")
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[key], state[key]) for key in state)


def test_the_prefix_of_data_parallel_is_taken_off(tmp_path: Path) -> None:
    state = {f"module.{key}": value for key, value in net().state_dict().items()}
    safetensors.torch.save_file(state, tmp_path / "a.safetensors")
    assert read_weights(tmp_path / "a.safetensors").keys() == net().state_dict().keys()


def test_code_in_a_file_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": torch.zeros(1), "b": Harmful()}, tmp_path / "a.pth")
    with pytest.raises(BadArtefact, match="holds more than weights") as caught:
        read_weights(tmp_path / "a.pth")
    assert "could run code" in str(caught.value) and "safetensors" in str(caught.value)
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors", "a.bin"])
@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04broken"])
def test_damaged_files_are_bad_artefacts(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadArtefact, match="damaged"):
        read_weights(tmp_path / name)


def test_a_file_cut_short_is_a_bad_artefact(tmp_path: Path) -> None:
    for name, save in (("a.safetensors", safetensors.torch.save_file), ("a.pth", torch.save)):
        save(net().state_dict(), tmp_path / name)
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-40])
        with pytest.raises(BadArtefact, match="damaged"):
            read_weights(tmp_path / name)


def test_something_else_than_a_state_dict_is_named(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "lr": 0.1}, tmp_path / "a.pth")
    with pytest.raises(BadArtefact, match=r"holds epoch, lr\.") as caught:
        read_weights(tmp_path / "a.pth")
    assert "Save model.state_dict()." in str(caught.value)


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_weights(tmp_path / "none.pth")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_named(value: float) -> None:
    state = net().state_dict()
    state["1.weight"][1] = value
    with pytest.raises(InputError, match=r"'1.weight' in best.pth holds NaN or infinity"):
        check_weights(state, "best.pth")


def test_fitting_weights_are_loaded() -> None:
    source, target = net(), net()
    fit(target, source.state_dict(), "x")
    assert all(torch.equal(a, b) for a, b in zip(source.parameters(), target.parameters(), strict=True))


def test_what_does_not_fit_is_named_and_nothing_is_loaded() -> None:
    target = net()
    before = {key: value.clone() for key, value in target.state_dict().items()}
    state = net(4).state_dict() | {"head.weight": torch.zeros(1)}
    del state["1.running_mean"]
    with pytest.raises(BadArtefact) as caught:
        fit(target, state, "best.pth")
    text = str(caught.value)
    assert "The weights in best.pth do not fit Sequential" in text
    assert "1 missing: 1.running_mean" in text and "1 unexpected: head.weight" in text
    assert "0.weight (4, 3, 1, 1) for (3, 3, 1, 1)" in text
    assert all(torch.equal(before[key], value) for key, value in target.state_dict().items())
