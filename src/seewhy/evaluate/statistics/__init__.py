"""From values of single items to what may be said: intervals, paired tests, size terciles, and how many items.

Metrics give one number per item (`base.Values`); everything that is averaged, compared or split is so here.
"""

from __future__ import annotations

from seewhy.evaluate.statistics.intervals import Interval, Items, Kind, interval
from seewhy.evaluate.statistics.paired import Comparison, Paired, compare_all, holm, paired, sign_flip
from seewhy.evaluate.statistics.terciles import TERCILES, by_tercile, sample_size, terciles

__all__ = [
    "TERCILES",
    "Comparison",
    "Interval",
    "Items",
    "Kind",
    "Paired",
    "by_tercile",
    "compare_all",
    "holm",
    "interval",
    "paired",
    "sample_size",
    "sign_flip",
    "terciles",
]
