"""The chunk loop: everything once, smaller when memory runs out, and the same answer."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from seewhy.attribution.engine import CPU_BATCH, CPU_PIXELS, CUDA_BATCH, Cost, Engine
from seewhy.attribution.occlusion import Occlusion
from seewhy.errors import InputError
from tests.attribution.small_networks import LinearPicture, draw, explain


@pytest.mark.parametrize(("n", "size"), [(0, 3), (1, 3), (7, 3), (6, 3), (5, 100)])
def test_chunks_cover_everything_once_in_order(n: int, size: int) -> None:
    chunks: list[range] = []
    Engine(size).run(n, lambda start, stop: chunks.append(range(start, stop)))
    assert [i for chunk in chunks for i in chunk] == list(range(n))
    assert all(len(chunk) <= size for chunk in chunks)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("not enough memory: you tried to allocate 1 byte"),
        MemoryError(),
    ],
)
def test_chunks_are_halved_until_they_fit_and_the_size_is_kept(error: Exception) -> None:
    done: list[int] = []
    tried: list[int] = []

    def work(start: int, stop: int) -> None:
        tried.append(stop - start)
        if stop - start > 3:
            raise error
        done.extend(range(start, stop))

    engine = Engine(16)
    engine.run(10, work)
    assert done == list(range(10))
    assert tried == [10, 5, 2, 2, 2, 2, 2]
    assert engine.used == 2
    engine.run(3, work)
    assert tried[-2:] == [2, 1], "the size that fitted is kept for the next run"


def test_a_chunk_of_one_that_does_not_fit_raises_what_torch_raised() -> None:
    def work(start: int, stop: int) -> None:
        raise torch.OutOfMemoryError("no room at all")

    with pytest.raises(torch.OutOfMemoryError, match="no room at all"):
        Engine(8).run(5, work)


def test_other_errors_are_not_retried() -> None:
    calls = []

    def work(start: int, stop: int) -> None:
        calls.append(start)
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        Engine(8).run(20, work)
    assert calls == [0]


def test_progress_counts_up_to_the_total() -> None:
    told: list[tuple[int, int]] = []
    Engine(4, lambda done, total: told.append((done, total))).run(10, lambda start, stop: None)
    assert told == [(4, 10), (8, 10), (10, 10)]


def test_default_chunks_hold_fewer_large_pictures_on_the_cpu() -> None:
    cpu = torch.device("cpu")
    assert Engine.for_device(cpu, size=(32, 32)).batch_size == CPU_BATCH
    assert Engine.for_device(cpu, size=(224, 224)).batch_size == CPU_PIXELS // 224**2 == 8
    assert Engine.for_device(cpu, size=(4000, 4000)).batch_size == 1
    assert Engine.for_device(torch.device("cuda"), size=(224, 224)).batch_size == CUDA_BATCH
    assert Engine.for_device(cpu, 5, size=(224, 224)).batch_size == 5


def test_a_batch_size_below_one_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"batch_size is 0\.\n  It is at least 1\."):
        Engine.for_device(torch.device("cpu"), 0)


def test_cost_lists_only_what_occurred() -> None:
    assert Cost(forwards=3, tail_backwards=2).to_dict() == {"forwards": 3, "tail_backwards": 2}


class _Cramped(nn.Module):
    """Runs out of memory above `room` pictures."""

    def __init__(self, network: nn.Module, room: int) -> None:
        super().__init__()
        self.network, self.room = network, room

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.room:
            raise torch.OutOfMemoryError("out of memory")
        return self.network(x)


def test_a_method_on_a_cramped_device_gives_the_same_map_and_tells_the_chunk() -> None:
    network, x = LinearPicture((9, 7)), draw(2, 3, 9, 7)
    method = Occlusion(window=2)
    easy = explain(method, network, x)
    cramped = explain(method, _Cramped(network, 5), x, batch_size=16)
    for one, other in zip(easy, cramped, strict=True):
        torch.testing.assert_close(torch.tensor(one.map), torch.tensor(other.map))
    assert cramped[0].meta.choices["batch size"] == "4, halved from 16: memory ran out"
    assert cramped[0].meta.cost["forwards"] == easy[0].meta.cost["forwards"]
