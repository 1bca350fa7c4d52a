"""`seewhy bench how-much`: does what a map says of each thing agree with what the network does without it?

Truth of the model: the exact Shapley value of every object, creature, decoy and the background, found by drawing
every coalition of them. What a map says of each thing is read from where the thing is seen (`explainers.read_out`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np
from jaxtyping import Float

from seewhy.bench.explainers import Explainer, Maps, ask, blind, concepts, methods, read_out
from seewhy.bench.subject import Subject
from seewhy.bench.table import Row, Table
from seewhy.bench.where import Progress
from seewhy.evaluate.anchors import FEWEST, self_check_contributions
from seewhy.evaluate.base import Values
from seewhy.evaluate.how_much.agreement import (
    ContributionMetric,
    FalseContribution,
    NormalisedL1,
    Pearson,
    SignAgreement,
    Spearman,
    Top1,
)
from seewhy.world.truth.factors import MAX_FACTORS, factor_masks
from seewhy.world.truth.models import Truth, causal_map, model_function, shapley

METRICS: tuple[ContributionMetric, ...] = (
    Spearman(),
    Pearson(),
    SignAgreement(),
    Top1(),
    NormalisedL1(),
    FalseContribution(),
)


ONE_SCALE = (
    "normalised_l1: each row's contributions have a unit of their own, and are brought to logits by one number for "
    "all scenes, fitted by least squares on magnitudes"
)


@dataclass(frozen=True, eq=False)
class Account:
    """The truth about every item: Shapley values by factor, (n, 8), NaN where a scene has fewer factors.

    `masks` say where each factor is seen, and last where a plain background is, which is no factor: what a map puts
    there belongs to nothing.
    """

    truths: tuple[Truth, ...]
    values: Float[np.ndarray, "n m"]
    masks: tuple[np.ndarray, ...]

    def of(self, maps: Maps) -> Float[np.ndarray, "n m"]:
        """What maps say of the same factors."""
        said = np.full(self.values.shape, np.nan)
        for at, masks in enumerate(self.masks):
            n = int((~np.isnan(self.values[at])).sum())
            said[at, :n] = read_out(maps, masks, at)[:n]
        return said


def account(subject: Subject, progress: Progress | None = None) -> Account:
    """Draw every coalition of every scene and ask the network."""
    ask_model = model_function(subject.model)
    truths = []
    for at, (scene, target) in enumerate(zip(subject.scenes, subject.targets, strict=True)):
        if progress is not None:
            progress(f"truth of scene {at + 1} of {len(subject.scenes)}")
        truths.append(shapley(ask_model, scene, int(target), size=subject.size, parts=subject.parts))
    values = np.full((len(truths), MAX_FACTORS), np.nan)
    masks = []
    for at, truth in enumerate(truths):
        values[at, : len(truth.factors)] = truth.values
        seen = factor_masks(truth.scene, subject.rendered[at], truth.factors)
        rest = np.asarray(~seen.any(axis=0))
        masks.append(np.concatenate([seen, rest[None]]) if rest.any() else seen)
    return Account(tuple(truths), values, tuple(masks))


def how_much(
    subject: Subject,
    *,
    seed: int = 0,
    explainers: Iterable[Explainer] | None = None,
    metrics: tuple[ContributionMetric, ...] = METRICS,
    progress: Progress | None = None,
) -> Table:
    """Compare every explainer's account of the factors with the exact one; options as for `where`."""
    subject.check_enough(FEWEST)
    true = account(subject, progress)
    left_out: dict[str, str] = {}
    kept = []
    for metric in metrics:
        checked = self_check_contributions(metric, true.values, seed=seed, groups=subject.groups)
        if checked.passed:
            kept.append(metric)
        else:
            left_out[metric.label] = "; ".join(checked.why)
    rows = [Row("oracle", "ceiling", _scores(kept, true.values, true.values), None)]
    height, width = subject.grid
    at_grid = np.stack(
        [causal_map(truth, subject.rendered[at], subject.grid) for at, truth in enumerate(true.truths)]
    )
    said = true.of(at_grid)
    rows.append(Row(f"oracle@{height}x{width}", "ceiling", _scores(kept, said, true.values)))
    given = chain(methods(subject, seed), concepts(subject, seed)) if explainers is None else explainers
    # Random numbers for each factor, so that the floor owes nothing to how large a thing is; the random map does.
    noise = np.random.default_rng([seed, 2]).standard_normal(true.values.shape)
    rows_below = [Row("random", "control", _scores(kept, noise, true.values), 0.0)]
    for explainer in chain(given, blind(subject, seed)):
        if progress is not None:
            progress(explainer.name)
        answer = ask(explainer)
        if isinstance(answer, str):
            left_out[explainer.name] = answer
            continue
        maps, passes = answer
        scores = _scores(kept, true.of(maps), true.values)
        name = "random map" if explainer.name == "random" else explainer.name
        row = Row(name, explainer.kind, scores, passes)
        (rows_below if explainer.kind == "control" else rows).append(row)
    columns = tuple(metric.name for metric in kept)
    zero = np.zeros(len(true.values))
    n_factors = (~np.isnan(true.values)).sum(1)
    chance = {"spearman": zero, "pearson": zero, "sign_agreement": zero + 0.5, "top1": 1 / n_factors}
    gaps = [truth.gap for truth in true.truths]
    return Table(
        asked="how-much",
        subject=subject.description,
        truth="model: exact Shapley values by drawing every coalition of a scene's factors",
        columns=columns,
        rows=(*rows, *rows_below),
        seed=seed,
        chance={name: values for name, values in chance.items() if name in columns},
        left_out=left_out,
        groups=subject.groups,
        remarks=(ONE_SCALE,) if NormalisedL1.name in columns else (),
        facts={
            "items": len(subject.scenes),
            "scenes": len(set(subject.groups.tolist())),
            "size": subject.size,
            "grid": list(subject.grid),
            "accuracy": subject.accuracy,
            "factors": round(float(n_factors.mean()), 2),
            "largest efficiency gap": float(max(gaps)),
        },
    )


def _scores(
    metrics: Iterable[ContributionMetric], said: Float[np.ndarray, "n m"], true: Float[np.ndarray, "n m"]
) -> dict[str, Values]:
    """Every column's values; maps have no unit in common, so that each explainer gets a scale (`ONE_SCALE`)."""
    return {
        metric.name: (metric.fitted(said, true) if isinstance(metric, NormalisedL1) else metric)(said, true)
        for metric in metrics
    }
