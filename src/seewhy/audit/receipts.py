"""Receipts of an audit: the explanation of a typical picture of each class, put to the test."""

from __future__ import annotations

import numpy as np

from seewhy.evaluate.check import check
from seewhy.explanation import Explanation, Receipt
from seewhy.models.class_report import ClassReport
from seewhy.models.craft import CRAFT

N_EDITS, N_RANDOM, STEPS = 32, 8, 16
"""Of each receipt: about 150 passes of the network, a quarter of what `seewhy.check` takes by itself."""

MAX_CLASSES = 10
"""Classes with receipts, the accused first."""


def receipt_of(craft: CRAFT, report: ClassReport) -> Receipt:
    """The receipt of the picture whose logit for the class is the middle one of those that are given it."""
    logits = craft.survey.logits[report.pictures, report.index].numpy()
    middle = int(report.pictures[np.argsort(logits, kind="stable")[len(logits) // 2]])
    explained = craft.explain(craft.survey.seen[middle].picture(), report.index)
    assert isinstance(explained, Explanation)
    checked = check(explained, n_edits=N_EDITS, n_random=N_RANDOM, steps=STEPS, seed=craft.seed)
    assert checked.receipt is not None
    return checked.receipt
