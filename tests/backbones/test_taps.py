from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seewhy.backbones.taps import tapped, undisturbed


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Linear(2, 2, bias=False)
        nn.init.eye_(self.step.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.step(self.step(x) + 1)


def in_another_thread(work: Any) -> Any:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(work()))
    thread.start()
    thread.join()
    return answers[0]


def test_every_call_of_a_module_is_counted_and_can_be_replaced() -> None:
    module, x, seen = Twice(), torch.zeros(1, 2), []

    def on_output(name: str, call: int, inputs: Any, output: Tensor) -> Tensor | None:
        seen.append((name, call, inputs[0].tolist()))
        return output + 10 if call == 0 else None

    with tapped({"step": module.step}, on_output):
        replaced = module(x)
    assert seen == [("step", 0, [[0, 0]]), ("step", 1, [[11, 11]])]
    assert replaced.tolist() == [[11, 11]]
    assert module(x).tolist() == [[1, 1]]


def test_other_threads_neither_see_a_tap_nor_are_seen_by_it() -> None:
    module, x, seen = Twice(), torch.zeros(1, 2), []

    def on_output(name: str, call: int, inputs: Any, output: Tensor) -> Tensor:
        seen.append(call)
        return output + 10

    with tapped({"step": module.step}, on_output):
        elsewhere = in_another_thread(lambda: module(x))
    assert elsewhere.tolist() == [[1, 1]]
    assert seen == []


def test_taps_are_gone_after_an_exception() -> None:
    module = Twice()
    with pytest.raises(ZeroDivisionError), tapped({"step": module.step}, lambda *_: 1 // 0):
        module(torch.zeros(1, 2))
    assert len(module.step._forward_hooks) == 0


def test_taps_leave_the_users_own_hooks() -> None:
    module, users = Twice(), []
    handle = module.step.register_forward_hook(lambda *_: users.append(1))
    with tapped({"step": module.step}, lambda *_: None):
        module(torch.zeros(1, 2))
    assert users == [1, 1] and len(module.step._forward_hooks) == 1
    handle.remove()


def mixed() -> nn.Sequential:
    """A network in train mode of which one part was set to eval by its owner."""
    module = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2), nn.Dropout()).train()
    module[1].eval()
    return module


def test_undisturbed_runs_in_eval_mode_and_gives_every_flag_back() -> None:
    module = mixed()
    with undisturbed(module):
        assert not any(child.training for child in module.modules())
        with undisturbed(module):
            pass
        assert not any(child.training for child in module.modules())
    assert [child.training for child in module.modules()] == [True, True, False, True]


def test_undisturbed_gives_flags_and_random_state_back_after_an_exception() -> None:
    module, state = mixed(), torch.get_rng_state()
    with pytest.raises(KeyError), undisturbed(module):
        torch.rand(3)
        raise KeyError
    assert module[0].training and not module[1].training
    assert torch.equal(torch.get_rng_state(), state)


def test_undisturbed_does_not_call_overridden_eval_or_train() -> None:
    class Stubborn(nn.Linear):
        def train(self, mode: bool = True) -> Stubborn:
            raise AssertionError("the flags are set directly")

    module = Stubborn(1, 1)
    with undisturbed(module):
        assert not module.training
    assert module.training


def test_calls_that_overlap_in_two_threads_give_the_flags_back_after_the_last() -> None:
    module = mixed()
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with undisturbed(module):
            entered.set()
            assert leave.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(30)
    with undisturbed(module):
        pass
    assert not module.training, "the other thread still runs the network"
    leave.set()
    thread.join()
    assert [child.training for child in module.modules()] == [True, True, False, True]
