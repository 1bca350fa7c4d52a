from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor, nn

from seewhy.backbones.graph import CannotCut, cut_graph


class Skipping(nn.Module):
    """A stem, a block with a skip around it, and a head; an optional argument and a loop, as real code has."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.body = nn.ModuleList([nn.Conv2d(4, 4, 3, padding=1) for _ in range(2)])
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor, scale: float | None = None) -> Tensor:
        x = self.stem(x)
        skip = torch.relu(x)
        for layer in self.body:
            x = layer(x)
        if scale is not None:
            x = x * scale
        return self.head((x + skip).mean((2, 3)))


class Undecided(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x)
        return y.mean((2, 3)) if bool(y.sum() > 0) else y.amax((2, 3))


class Repeating(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Conv2d(3, 3, 3, padding=1)
        self.unused = nn.Conv2d(3, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        self.unused(x)
        return self.step(self.step(x)).mean((2, 3))


def test_head_and_tail_together_are_the_network() -> None:
    torch.manual_seed(0)
    module, x = Skipping().eval(), torch.randn(2, 3, 6, 9)
    graph = cut_graph(module, "body.0")
    output, live = graph.head.forward(x)
    assert torch.equal(output, module.body[0](module.stem(x)))
    assert graph.live == ("relu",) and torch.equal(live[0], torch.relu(module.stem(x)))
    assert torch.equal(graph.tail.forward(output, *live), module(x))


def test_only_what_comes_after_the_cut_runs_in_the_tail() -> None:
    module, ran = Skipping().eval(), []
    for name, child in module.named_modules():
        child.register_forward_hook(lambda *_, name=name: ran.append(name))
    graph = cut_graph(module, "body.0")
    output, live = graph.head.forward(torch.randn(1, 3, 5, 5))
    ran.clear()
    graph.tail.forward(output, *live)
    assert ran == ["body.1", "head"]


def test_a_cut_shares_the_users_modules_and_changes_none() -> None:
    module = Skipping().train()
    children, values = dict(module.named_modules()), {k: v.clone() for k, v in module.state_dict().items()}
    graph = cut_graph(module, "body.1")
    assert dict(module.named_modules()) == children and module.training
    assert all(torch.equal(v, values[k]) for k, v in module.state_dict().items())
    assert graph.head.get_submodule("network.stem") is module.stem
    with torch.no_grad():
        module.head.bias.add_(100)
        output, live = graph.head.forward(torch.zeros(1, 3, 4, 4))
        assert float(graph.tail.forward(output, *live).min()) > 50, "a later change of weights is seen"


@pytest.mark.parametrize(
    ("module", "name", "reason"),
    [
        (Undecided(), "stem", "its code cannot be traced"),
        (Repeating(), "step", "called 2 times in one pass"),
        (Repeating(), "unused", "the output does not depend on it"),
        (Skipping(), "body", "called 0 times in one pass"),
    ],
)
def test_what_cannot_be_cut_says_why(module: nn.Module, name: str, reason: str) -> None:
    with pytest.raises(CannotCut, match=reason):
        cut_graph(module.eval(), name)


def test_another_thread_runs_the_same_network_undisturbed_while_it_is_traced() -> None:
    torch.manual_seed(0)
    module, x = Skipping().eval(), torch.randn(1, 3, 8, 8)
    wanted, stop, wrong, n_runs = module(x).detach(), threading.Event(), [], [0]

    def hammer() -> None:
        while not stop.is_set():
            try:
                n_runs[0] += 1
                if not torch.equal(module(x), wanted):
                    wrong.append("another answer")
            except Exception as error:
                wrong.append(repr(error))

    thread = threading.Thread(target=hammer)
    thread.start()
    graphs = [cut_graph(module, "body.0")]
    while len(graphs) < 60 or (
        n_runs[0] <= 10 and len(graphs) < 5000
    ):  # a loaded machine may run one at a time
        graphs.append(cut_graph(module, "body.0"))
    stop.set()
    thread.join()
    assert wrong == [] and n_runs[0] > 10
    for graph in graphs:
        output, live = graph.head.forward(x)
        assert torch.allclose(graph.tail.forward(output, *live), wanted)
