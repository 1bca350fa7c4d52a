"""`seewhy bench where`: does a map lie on the evidence?

Truth of the scene: the pixels that decide the label by the task's rule. It judges model and explainer together, so
that it is read beside `how_much`, unless the network is a glass box that reads the evidence and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain

import numpy as np

from seewhy.bench.explainers import Explainer, ask, blind, concepts, methods, oracles
from seewhy.bench.subject import Subject
from seewhy.bench.table import Row, Table
from seewhy.evaluate.anchors import FEWEST, self_check
from seewhy.evaluate.where.localisation import AUROC, AveragePrecision, CorrectedEPG, PointingGame
from seewhy.evaluate.where.map_metric import LocalisationMetric
from seewhy.evaluate.where.nra import NRA, HitRate

Progress = Callable[[str], None]
"""Called with the name of what is asked next."""

METRICS: tuple[LocalisationMetric, ...] = (
    NRA(),
    HitRate(),
    CorrectedEPG(),
    AUROC(),
    AveragePrecision(),
    PointingGame(),
)
"""The columns. All take the positive part of a map, except those that look at its order alone."""


def where(
    subject: Subject,
    *,
    seed: int = 0,
    explainers: Iterable[Explainer] | None = None,
    metrics: tuple[LocalisationMetric, ...] = METRICS,
    progress: Progress | None = None,
) -> Table:
    """Score every explainer's maps on the subject's evidence.

    Parameters
    ----------
    subject
        With 12 different scenes or more.
    seed
        Of random explainers, of methods that draw, and of intervals and tests.
    explainers
        Rows besides oracles and controls; default all methods, channels and dictionaries.
    metrics
        Columns. One that does not put made explainers in the right order on these scenes is left out, with the
        reason (`evaluate.anchors.self_check`).

    Raises
    ------
    InputError
        With fewer than 12 different scenes.
    """
    subject.check_enough(FEWEST)
    left_out: dict[str, str] = {}
    kept = []
    for metric in metrics:
        checked = self_check(metric, subject.evidence, subject.pixels, seed=seed, groups=subject.groups)
        if checked.passed:
            kept.append(metric)
        else:
            left_out[metric.label] = "; ".join(checked.why)
    given = chain(methods(subject, seed), concepts(subject, seed)) if explainers is None else explainers
    rows = []
    for explainer in chain(oracles(subject), given, blind(subject, seed)):
        if progress is not None:
            progress(explainer.name)
        answer = ask(explainer)
        if isinstance(answer, str):
            left_out[explainer.name] = answer
            continue
        maps, passes = answer
        scores = {metric.name: metric(maps, subject.evidence) for metric in kept}
        rows.append(Row(explainer.name, explainer.kind, scores, passes))
    area = subject.evidence.mean((1, 2))
    zero = np.zeros(len(area))
    chance = {"nra": zero, "epg_corrected": zero, "auroc": zero + 0.5, "pointing_game": area}
    columns = tuple(metric.name for metric in kept)
    return Table(
        asked="where",
        subject=subject.description,
        truth="scene: the pixels that decide the label by the task's rule"
        + (", and the network reads nothing else" if subject.exact else ""),
        columns=columns,
        rows=tuple(rows),
        seed=seed,
        chance={name: values for name, values in chance.items() if name in columns},
        left_out=left_out,
        groups=subject.groups,
        sizes=area,
        facts={
            "items": len(subject.scenes),
            "scenes": len(set(subject.groups.tolist())),
            "size": subject.size,
            "grid": list(subject.grid),
            "accuracy": subject.accuracy,
            "mean area": round(float(area.mean()), 4),
        },
    )
