"""Random weights that are the same ones tomorrow, and leave no trace in the caller's own randomness."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def private_randomness(seed: int = 0) -> Iterator[None]:
    """While open, torch's CPU generator is seeded; afterwards it is where it was.

    Networks draw their first weights from the global generator, and random weights should be the same ones
    tomorrow.
    """
    state = torch.get_rng_state()
    try:
        torch.default_generator.manual_seed(seed)
        yield
    finally:
        torch.set_rng_state(state)
