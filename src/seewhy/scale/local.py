"""The executor that needs nothing: shard after shard in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from seewhy.scale.shards import Shard


@dataclass(frozen=True)
class Local:
    """One shard at a time, in order, in this process."""

    def run(self, work: Callable[[Shard], None], shards: Sequence[Shard]) -> Iterator[Shard]:
        """Yield each shard when its work is done."""
        for shard in shards:
            work(shard)
            yield shard
