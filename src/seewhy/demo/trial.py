"""One network audited on tagged pictures, and what drawing the scenes again says of the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from seewhy.audit.audit import Audit, Suspect
from seewhy.audit.plant_report import MarkUse
from seewhy.audit.shortcuts import where
from seewhy.demo.logits import as_pictures, logits_of
from seewhy.demo.marked import CORNER, MARKED_CLASS, Twins
from seewhy.explanation import Answers


@dataclass(frozen=True, eq=False)
class Trial:
    """What an audit said, and what is true.

    Attributes
    ----------
    name
        The network's.
    rank
        Place of the first suspect that sits on the tag, 1 the most suspicious; None if none does.
    accused
        Whether a suspect on the tag is accused.
    others
        How many suspects elsewhere are accused.
    score
        Of that suspect, 0 without one.
    predicted, measured
        Per picture, with and without the tag: what the accused concepts add to the logit, and what drawing the
        scene without the tag takes from it.
    """

    name: str
    rank: int | None
    accused: bool
    others: int
    score: float
    truth: MarkUse
    predicted: Float[np.ndarray, " n"]
    measured: Float[np.ndarray, " n"]

    @property
    def r2(self) -> float | None:
        """As `r_squared`; None where nothing is accused."""
        return r_squared(self.predicted, self.measured) if self.accused else None

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe, without the rows of single pictures."""
        numbers = {key: getattr(self, key) for key in ("name", "rank", "accused", "others", "score", "r2")}
        return numbers | {"truth": asdict(self.truth)}

    def row(self) -> tuple[str, ...]:
        """The trial as cells of a table: network, verdict, fall of the logit, accuracies."""
        said = "not a suspect"
        if self.rank is not None:
            verdict = "a shortcut" if self.accused else "not accused"
            said = f"suspect {self.rank}, score {self.score:.3f}: {verdict}"
        shift = self.truth.logit_shift
        accuracy = f"{self.truth.accuracy_plain:.0%} without, {self.truth.accuracy_marked:.0%} with it"
        return self.name, said, f"{'falls' if shift >= 0 else 'rises'} by {abs(shift):.2f}", accuracy


def judge(name: str, found: Audit, twins: Twins) -> Trial:
    """The trial of a network that was audited."""
    suspects = found.shortcuts()
    here = [suspect for suspect in suspects if on_mark(suspect)]
    accused = [suspect for suspect in here if suspect.accused]
    plain, marked = (logits_of(found.craft.backbone, pictures) for pictures in (twins.plain, twins.marked))
    predicted = [_added(found, accused, pictures) for pictures in (twins.marked, twins.plain)]
    fall = marked[:, MARKED_CLASS] - plain[:, MARKED_CLASS]
    return Trial(
        name=name,
        rank=suspects.suspects.index(here[0]) + 1 if here else None,
        accused=bool(accused),
        others=sum(s.accused and not on_mark(s) for s in suspects),
        score=here[0].suspicion.score if here else 0.0,
        truth=MarkUse.measure(plain, marked, twins.labels, MARKED_CLASS),
        predicted=np.concatenate(predicted),
        # Where there is no tag, drawing without it takes nothing.
        measured=np.concatenate([fall, np.zeros_like(fall)]),
    )


def on_mark(suspect: Suspect) -> bool:
    """Whether a suspect is evidence for the tagged class, in what the audit calls the tag's corner."""
    return suspect.class_index == MARKED_CLASS and where(suspect.suspicion.place) == CORNER


def r_squared(predicted: Float[np.ndarray, " n"], measured: Float[np.ndarray, " n"]) -> float | None:
    """1 - sum (measured - predicted)^2 / sum (measured - mean)^2; None where all that is measured is the same."""
    spread = float(((measured - measured.mean()) ** 2).sum())
    return 1.0 - float(((measured - predicted) ** 2).sum()) / spread if spread > 0 else None


def _added(found: Audit, accused: Sequence[Suspect], pixels: np.ndarray) -> Float[np.ndarray, " n"]:
    """What the accused concepts add to the tagged class's logit, picture by picture."""
    concepts = [suspect.concept.index for suspect in accused]
    if not concepts:
        return np.zeros(len(pixels))
    explained = found.craft.explain(as_pictures(pixels), MARKED_CLASS)
    assert isinstance(explained, Answers)
    return np.array([sum(e.concept(k).contribution for k in concepts) for e in explained])
