"""The one loop behind everything that needs many forward passes: chunks that fit the memory, counted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from seewhy.errors import InputError, message
from seewhy.types import Size

Progress = Callable[[int, int], None]
"""Told (done, total) after each chunk."""

CPU_BATCH = 32
CPU_PIXELS = 32 * 112 * 112
"""At most so many on the CPU at once: above it, activations of tens of megabytes are given back to the system
and asked for again in each layer, which cost MobileNetV2 at 224 px 1.7 times its CPU time."""
CUDA_BATCH = 256


@dataclass
class Cost:
    """What a result took, in passes of one picture through the network (`tail_` from a split on)."""

    forwards: int = 0
    backwards: int = 0
    tail_forwards: int = 0
    tail_backwards: int = 0

    def to_dict(self) -> dict[str, float]:
        """Only what occurred."""
        return {name: count for name, count in vars(self).items() if count}


@dataclass
class Engine:
    """Runs work in chunks of at most `batch_size`, halved when memory runs out.

    The size is kept for the next run, so that memory runs out at most a few times; `used` is the smallest one
    that was needed. Results do not depend on it.
    """

    batch_size: int
    progress: Progress | None = None
    used: int = field(init=False)

    def __post_init__(self) -> None:
        self.used = self.batch_size

    @classmethod
    def for_device(
        cls,
        device: torch.device,
        batch_size: int | None = None,
        progress: Progress | None = None,
        size: Size | None = None,
    ) -> Engine:
        """`batch_size`, or one that keeps the device busy without filling it, for pictures of `size`.

        Raises
        ------
        InputError
            If `batch_size` is less than 1.
        """
        if batch_size is not None and batch_size < 1:
            raise InputError(
                message(f"batch_size is {batch_size}.", "It is at least 1.", "Leave it out for a default.")
            )
        if batch_size is None and device.type == "cuda":
            batch_size = CUDA_BATCH
        elif batch_size is None:
            batch_size = CPU_BATCH if size is None else min(CPU_BATCH, max(1, CPU_PIXELS // math.prod(size)))
        return cls(batch_size, progress)

    def run(self, n: int, work: Callable[[int, int], None]) -> None:
        """Call `work(start, stop)` on consecutive chunks that cover 0..n.

        `work` must store its result only at its end: it is called again on a smaller chunk if memory ran out.
        A chunk of one that does not fit raises what torch raised.
        """
        start = 0
        while start < n:
            stop = min(start + self.used, n)
            out_of_memory = False
            try:
                work(start, stop)
            except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error) or self.used == 1:
                    raise
                out_of_memory = True
            if out_of_memory:
                # Outside the handler: a held exception would keep the chunk's tensors alive.
                self.used = max(1, min(self.used, stop - start) // 2)
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
                continue
            start = stop
            if self.progress is not None:
                self.progress(start, n)


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error)
    return "out of memory" in text or "not enough memory" in text or "can't allocate memory" in text
