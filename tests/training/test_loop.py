"""A training that was killed goes on as if nothing had happened, and no damage goes unnoticed."""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from seewhy.errors import BadArtefact, InputError
from seewhy.scale.disk import locked
from seewhy.training.loop import CHECKPOINT, LOG, cosine, train
from tests.training.small import STEPS, Tiny, run, same


@pytest.fixture
def whole(tmp_path: Path) -> Callable[[str], Tiny]:
    """A learner that was trained without interruption."""

    def trained(kind: str) -> Tiny:
        learner = Tiny(kind)
        train(learner, tmp_path / "whole")
        return learner

    return trained


def kept(folder: Path) -> tuple[int, dict[str, Tensor]]:
    """The checkpoint's step and tensors, read without the loop."""
    with safe_open(folder / CHECKPOINT, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return json.loads(file.metadata()["about"])["step"], tensors


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
@pytest.mark.parametrize("stops", [(1,), (5, 1, 3), (11,)])
def test_a_resumed_training_has_the_weights_of_an_uninterrupted_one(
    kind: str, stops: tuple[int, ...], whole: Callable[[str], Tiny], tmp_path: Path
) -> None:
    for stop in (*stops, None):
        learner = Tiny(kind)
        train(learner, tmp_path / "a", stop_after=stop)
    expected = whole(kind)
    assert same(learner.module, expected.module)
    state, other = learner.optimiser.state_dict()["state"], expected.optimiser.state_dict()["state"]
    assert set(state) == set(other) and len(state) == 6
    for number, entries in other.items():
        assert (
            set(entries) == set(state[number]) >= ({"momentum_buffer"} if kind == "sgd" else {"exp_avg_sq"})
        )
        assert all(torch.equal(value, state[number][key]) for key, value in entries.items())


def test_a_killed_process_is_resumed_to_the_same_weights(
    whole: Callable[[str], Tiny], tmp_path: Path
) -> None:
    done = run("killed at 7", tmp_path / "a")
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert kept(tmp_path / "a")[0] == 7
    learner = Tiny()
    train(learner, tmp_path / "a")
    assert same(learner.module, whole("adamw").module) and len(learner.rates) == STEPS - 7


def test_killed_at_every_call_that_touches_the_folder_it_goes_on(tmp_path: Path) -> None:
    done = run("trained", tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40  # fewer would mean that the calls are not seen


def test_rates_follow_the_step_whether_or_not_it_was_resumed(tmp_path: Path) -> None:
    first, second = Tiny(), Tiny()
    train(first, tmp_path, stop_after=5)
    train(second, tmp_path)
    found = torch.tensor(first.rates + second.rates, dtype=torch.float64)
    factors = [(i + 1) / 3 if i < 3 else (1 + math.cos(math.pi * (i - 3) / 9)) / 2 for i in range(STEPS)]
    expected = torch.tensor(factors, dtype=torch.float64)[:, None] * torch.tensor([0.05, 0.02])
    assert torch.allclose(found, expected, atol=1e-9)
    assert [group["lr"] for group in second.optimiser.param_groups] == [0.05, 0.02]


def test_cosine_rises_in_a_line_and_falls_to_nothing() -> None:
    assert [cosine(i, 100, 4) for i in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert cosine(52, 100, 4) == pytest.approx(0.5)
    assert cosine(100, 100, 4) == pytest.approx(0.0, abs=1e-12)
    assert cosine(0, 1, 1) == 1.0 and cosine(1, 1, 1) == 1.0


def test_a_finished_training_takes_no_step_and_gives_its_minutes(tmp_path: Path) -> None:
    first, second = Tiny(), Tiny()
    assert train(first, tmp_path) > 0
    before = (tmp_path / CHECKPOINT).read_bytes()
    assert train(second, tmp_path) > 0
    assert second.rates == [] and same(first.module, second.module) and not second.module.training
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_the_log_and_the_callback_tell_the_last_loss(tmp_path: Path) -> None:
    learner, told = Tiny(), []
    train(learner, tmp_path, tell=lambda *words: told.append(words))
    line = json.loads((tmp_path / LOG).read_text())
    assert line["step"] == STEPS and line["minutes"] >= 0
    assert told == [(STEPS, STEPS, f"loss {line['loss']:.3f}")]


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b[:4], lambda b: b"", lambda b: b[::-1]])
def test_a_damaged_checkpoint_is_refused_in_words(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    train(Tiny(), tmp_path, stop_after=2)
    path = tmp_path / CHECKPOINT
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BadArtefact) as caught:
        train(Tiny(), tmp_path)
    came, needed, do = str(caught.value).split("\n")[0], "checkpoint that a training wrote", f"rm {path}"
    assert came.startswith(f"{path} is damaged") and needed in str(caught.value) and do in str(caught.value)


def test_a_checkpoint_of_another_training_is_refused_and_kept(tmp_path: Path) -> None:
    train(Tiny("sgd"), tmp_path, stop_after=2)
    before = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(BadArtefact, match=r"another training(.|\n)*adamw(.|\n)*sgd(.|\n)*another folder"):
        train(Tiny("adamw"), tmp_path)
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_one_training_at_a_time_in_a_folder(tmp_path: Path) -> None:
    learner = Tiny()
    with locked(tmp_path), pytest.raises(InputError, match="is being written by someone else"):
        train(learner, tmp_path)
    assert learner.rates == []
    train(learner, tmp_path)


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_loss_that_diverges_is_an_error_and_the_last_good_checkpoint_stays(
    what: str, tmp_path: Path
) -> None:
    class Diverging(Tiny):
        def loss(self, step: int) -> Tensor:
            loss = super().loss(step)
            if step == 6 and what == "loss":
                return loss * math.nan
            # The root of nothing is nothing, but its slope is not a number.
            return loss + (loss * 0).sqrt() if step == 6 else loss

    with pytest.raises(BadArtefact, match=r"step 7 (.|\n)*diverged(.|\n)*lower rate"):
        train(Diverging(), tmp_path, seconds_between=0)
    step, tensors = kept(tmp_path)
    assert step == 6 and all(bool(tensor.isfinite().all()) for tensor in tensors.values())
