"""One class in its concepts: what its pictures are recognised by, shown by crops, with how often and how reliably.

    share_k = sum_x c_k(x) / sum_x sum_j c_j(x)                                                         (1)

over the pictures x that are given the class, c_k(x) the contribution of concept k to its logit.

After the pages of LENS (serre-lab.github.io/Lens) and Fel et al., NeurIPS 2023 (arXiv 2306.07304), section 4:
importance as a share of the summed logits, prevalence and reliability. Positive and negative parts beside the
share, intervals over pictures, and None instead of 0 for an empty group are ours.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64

from seewhy.models.craft import CRAFT
from seewhy.models.crops import Crop, best_crops
from seewhy.types import Kind

_RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class ConceptSummary:
    """A concept of a class.

    Attributes
    ----------
    contribution, low, high
        Mean over the pictures, with its 95 % bootstrap interval over pictures, in units of the logit.
    share
        (1); with negative contributions it can leave 0 to 1.
    positive, negative
        The means of the positive and of the negative contributions.
    prevalence
        Share of the pictures in which it contributes most, 0 to 1.
    reliability
        Share of those whose label is the class; None where there is none, or no labels.
    strength
        Mean code.
    mean_map
        (h, w) mean code at each place.
    crops
        Pieces of pictures in which it is strongest.
    """

    index: int
    name: str
    contribution: float
    low: float
    high: float
    share: float
    positive: float
    negative: float
    prevalence: float
    reliability: float | None
    strength: float
    mean_map: Float[np.ndarray, "h w"]
    crops: tuple[Crop, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe, without pixels."""
        numbers = {k: v for k, v in vars(self).items() if k not in ("mean_map", "crops")}
        crops = [
            {"picture": c.name, "box": [round(v, 2) for v in c.box], "strength": c.strength}
            for c in self.crops
        ]
        return numbers | {"mean_map": self.mean_map.round(6).tolist(), "crops": crops}


@dataclass(frozen=True, eq=False)
class Fidelity:
    """How much of the network's answer the concepts hold.

    Attributes
    ----------
    agreement
        Share of pictures that keep their class when features are replaced by what the concepts decode to.
    remainder
        Median over pictures of |remainder| / sum |contributions|.
    """

    agreement: float
    remainder: float


@dataclass(frozen=True, eq=False)
class ClassReport:
    """A class; `concepts` largest |contribution| first, `contributions` (pictures, k) in the dictionary's order."""

    index: int
    name: str
    group: str
    kind: Kind
    method: str
    pictures: Int64[np.ndarray, " n"]
    contributions: Float[np.ndarray, "n k"]
    accuracy: float | None
    bias: float
    fidelity: Fidelity
    concepts: tuple[ConceptSummary, ...]
    warning: str | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return {
            "schema": "seewhy.class/1",
            "index": self.index,
            "name": self.name,
            "group": self.group,
            "kind": self.kind,
            "method": self.method,
            "n_pictures": len(self.pictures),
            "accuracy": self.accuracy,
            "bias": self.bias,
            "fidelity": asdict(self.fidelity),
            "concepts": [concept.to_dict() for concept in self.concepts],
            "warning": self.warning,
        }

    def to_text(self) -> str:
        """The table for a terminal."""
        head = (
            f"{self.name}: {len(self.pictures)} pictures, {self.fidelity.agreement:.0%} keep their class on "
        )
        head += f"concepts alone, {self.fidelity.remainder:.1%} of the evidence is not explained (median)"
        lines = [
            head,
            f"  {'concept':<24} {'adds':>7}  {'95 % interval':>17} {'share':>6} {'leads':>6} {'right':>6}",
        ]
        for c in self.concepts:
            right = "-" if c.reliability is None else f"{c.reliability:.0%}"
            lines.append(
                f"  {c.name[:24]:<24} {c.contribution:>+7.2f}  {f'{c.low:+.2f} to {c.high:+.2f}':>17} "
                f"{c.share:>6.0%} {c.prevalence:>6.0%} {right:>6}"
            )
        return "\n".join([*lines, f"  {self.warning}"] if self.warning else lines)


def class_report(craft: CRAFT, target: int | str, *, n_crops: int = 10) -> ClassReport:
    """The report of a class from the pictures that a fitted CRAFT was found in.

    Raises
    ------
    NotFitted
        If no picture was given the class.
    """
    data = craft.survey
    row = craft.row_of(target)
    group, pictures = craft.group_of(row), craft.pictures_of(row)
    found = craft.importance(row, pictures=[int(i) for i in pictures])
    values = np.asarray(found.values, np.float64)
    maps = group.dictionary.maps(data.features[torch.from_numpy(pictures)]).cpu().numpy()
    labels = data.labels
    right = None if labels is None else labels[pictures] == row
    known = None if labels is None else labels[pictures] >= 0
    accuracy = None if right is None or known is None or not known.any() else float(right[known].mean())
    top = values.argmax(1)
    low, high = interval(values, craft.seed)
    total = float(values.sum())
    summaries = []
    for k in range(values.shape[1]):
        leads = top == k
        judged = leads if known is None else leads & known
        c = values[:, k]
        summaries.append(
            ConceptSummary(
                index=k,
                name=group.dictionary.names[k],
                contribution=float(c.mean()),
                low=float(low[k]),
                high=float(high[k]),
                share=float(c.sum() / total) if total else 0.0,
                positive=float(np.maximum(c, 0).mean()),
                negative=float(np.minimum(c, 0).mean()),
                prevalence=float(leads.mean()),
                reliability=float(right[judged].mean()) if right is not None and judged.any() else None,
                strength=float(maps[:, k].mean(dtype=np.float64)),
                mean_map=maps[:, k].mean(0, dtype=np.float64),
                crops=best_crops(data, maps[:, k], pictures, n=n_crops),
            )
        )
    return ClassReport(
        index=row,
        name=craft.backbone.class_name(row),
        group=group.name,
        kind=found.kind,
        method=found.method,
        pictures=pictures,
        contributions=values,
        accuracy=accuracy,
        bias=float(np.mean(np.asarray(found.base))),
        fidelity=fidelity(craft, row, pictures, values),
        concepts=tuple(sorted(summaries, key=lambda s: -abs(s.contribution))),
        warning=craft.warnings.get(group.name),
    )


def fidelity(
    craft: CRAFT, row: int, pictures: Int64[np.ndarray, " n"], contributions: Float[np.ndarray, "n k"]
) -> Fidelity:
    """Run the tail on what the concepts of class `row` decode to."""
    data, dictionary = craft.survey, craft.group_of(row).dictionary
    logits = []
    with craft.backbone.undisturbed(), torch.no_grad():
        for start in range(0, len(pictures), 64):
            cut = data.cut(pictures[start : start + 64])
            rebuilt = dictionary.rebuild(dictionary.maps(cut.features)).to(cut.features)
            logits.append(data.split.tail(rebuilt, cut.rest).double().cpu())
    named, whole = torch.cat(logits).numpy(), data.logits[torch.from_numpy(pictures)].double().numpy()
    agreement = float((named.argmax(1) == whole.argmax(1)).mean())
    mass = np.abs(contributions).sum(1)
    missing = np.abs(whole - named)[:, row]
    return Fidelity(agreement, float(np.median(missing / np.maximum(mass, 1e-12))))


def interval(values: Float[np.ndarray, "n k"], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """95 % percentile bootstrap interval of the mean over rows."""
    generator = np.random.default_rng(seed)
    n = len(values)
    counts = generator.multinomial(n, np.full(n, 1 / n), _RESAMPLES)
    means = counts @ values / n
    low, high = np.quantile(means, (0.025, 0.975), axis=0)
    return low, high
