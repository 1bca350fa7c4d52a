"""The demonstration from end to end: train, audit, judge against the truth, check by drawing again, write pages."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image

from seewhy.audit.audit import Audit, Suspect, audit
from seewhy.audit.plant_report import MarkUse
from seewhy.backbones.base import Backbone
from seewhy.demo.network import TinyNet, measure_mark
from seewhy.demo.planted import (
    CLASSES,
    CORNER_BOX,
    MARKED_CLASS,
    PREPROCESS,
    SIZE,
    Twins,
    build_control,
    build_planted,
    make_audit_set,
    make_twins,
)
from seewhy.errors import InputError, message
from seewhy.evaluate.check import check
from seewhy.explanation import Answers
from seewhy.images.picture import Picture
from seewhy.report.save import write_whole

N_PICTURES = 8
N_SEEDS = 5
N_TWINS = 150
"""Scenes of each seed that are drawn with the mark and without it."""

Stage = Callable[[str, int, int], None]
"""Told (what is being done, done, total)."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One network audited on marked pictures, and what is true of it.

    Attributes
    ----------
    rank
        Place of the first suspect that sits on the mark, 1 the most suspicious; None if none does.
    accused
        Whether a suspect on the mark is accused.
    others
        How many suspects elsewhere are accused.
    score
        Of that suspect, 0 without one.
    predicted, measured
        Per picture, with and without the mark: what the accused concepts add to the logit, and what drawing the
        scene without the mark takes from it.
    """

    name: str
    seed: int
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


@dataclass(frozen=True, eq=False)
class Demo:
    """All trials, the pages of the first seed, and how long it took in seconds."""

    planted: tuple[Trial, ...]
    control: tuple[Trial, ...]
    pages: dict[str, Path]
    seconds: float

    @property
    def as_expected(self) -> bool:
        """The mark is the first suspect and accused wherever it was planted, and in no control."""
        found = all(trial.accused and trial.rank == 1 for trial in self.planted)
        return found and not any(trial.accused for trial in self.control)

    @property
    def r2(self) -> float | None:
        """Over the pictures of all planted networks."""
        told = [trial for trial in self.planted if trial.accused]
        if not told:
            return None
        return r_squared(
            np.concatenate([t.predicted for t in told]), np.concatenate([t.measured for t in told])
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe."""

        def row(trial: Trial) -> dict[str, Any]:
            numbers = {k: getattr(trial, k) for k in ("seed", "rank", "accused", "others", "score", "r2")}
            return numbers | {"truth": asdict(trial.truth)}

        return {
            "as_expected": self.as_expected,
            "r2": self.r2,
            "seconds": self.seconds,
            "planted": [row(trial) for trial in self.planted],
            "control": [row(trial) for trial in self.control],
            "pages": {name: str(path) for name, path in self.pages.items()},
        }

    def to_text(self) -> str:
        """The table for a terminal."""
        head = ("seed", "network", "the audit says of the tag", "drawn without it, the logit", "accuracy")
        rows: list[tuple[str, ...]] = [head]
        for planted, control in zip(self.planted, self.control, strict=True):
            rows += [_row(planted), _row(control)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        lines = [
            "  " + "  ".join(f"{v:<{w}}" for v, w in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        n = len(self.planted)
        found = sum(trial.accused and trial.rank == 1 for trial in self.planted)
        wrong = sum(trial.accused for trial in self.control)
        r2 = "not told" if self.r2 is None else f"R2 {self.r2:.2f}"
        pages = ", ".join(str(path) for path in self.pages.values())
        return "\n".join(
            [
                *lines,
                "",
                f"  Found first where it was planted: {found} of {n}. Accused in a control: {wrong} of {n}.",
                "  What the accused concepts add predicts what drawing the scenes without the tag takes away: "
                f"{r2}.",
                f"  {'As it must be' if self.as_expected else 'NOT AS EXPECTED'}: {pages}",
            ]
        )


def _row(trial: Trial) -> tuple[str, ...]:
    said = "not a suspect"
    if trial.rank is not None:
        verdict = "a shortcut" if trial.accused else "not accused"
        said = f"suspect {trial.rank}, score {trial.score:.3f}: {verdict}"
    truth = trial.truth
    return (
        str(trial.seed),
        trial.name,
        said,
        f"{'falls' if truth.logit_shift >= 0 else 'rises'} by {abs(truth.logit_shift):.2f}",
        f"{truth.accuracy_plain:.0%} without, {truth.accuracy_marked:.0%} with it",
    )


def main(
    output: str | Path = "demo", *, seed: int = 0, n_seeds: int = N_SEEDS, stage: Stage | None = None
) -> Demo:
    """Run the demonstration and write `audit.html`, `control.html`, `why.html` and pictures into `output`.

    For each of `n_seeds` seeds two networks of 41,000 parameters are trained on generated pictures of three
    shapes, one of them with a small tag in the corner of most disks. Both are audited on pictures in which
    disks carry the tag; the control never learned it, so it may not be accused there. The truth comes from
    drawing scenes again without the tag.
    """
    if isinstance(n_seeds, bool) or not isinstance(n_seeds, int) or n_seeds < 1:
        raise InputError(
            message(f"n_seeds is {n_seeds!r}.", "It is a whole number from 1.", f"Pass n_seeds={N_SEEDS}.")
        )
    started = time.monotonic()
    folder = _folder(Path(output))
    tell = stage or (lambda what, done, total: None)
    pages: dict[str, Path] = {}
    trials: dict[str, list[Trial]] = {"planted": [], "control": []}
    for s in range(seed, seed + n_seeds):
        pictures, twins = audit_pictures(s), make_twins(s, n=N_TWINS)
        for name, build in (("planted", build_planted), ("control", build_control)):
            network = build(s, progress=partial(tell, f"seed {s}: training {name}"))
            tell(f"seed {s}: auditing {name}", 0, 1)
            found = audit(_backbone(network, name), pictures, seed=s)
            trials[name].append(_trial(name, s, network, found, twins))
            if s == seed:
                if name == "planted":
                    write_photos(pictures, folder / "photos")
                page = folder / ("audit.html" if name == "planted" else "control.html")
                pages[name] = found.save(page, command=f"seewhy demo --seed {seed}")
                if name == "planted":
                    pages["why"] = _explain(found, twins, folder, seed)
    return Demo(tuple(trials["planted"]), tuple(trials["control"]), pages, time.monotonic() - started)


def _trial(name: str, seed: int, network: TinyNet, found: Audit, twins: Twins) -> Trial:
    suspects = found.shortcuts()
    here = [suspect for suspect in suspects if on_mark(suspect)]
    accused = [suspect for suspect in here if suspect.accused]
    predicted, measured = against_drawing(found, accused, network, twins)
    return Trial(
        name=name,
        seed=seed,
        rank=suspects.suspects.index(here[0]) + 1 if here else None,
        accused=bool(accused),
        others=sum(s.accused and not on_mark(s) for s in suspects),
        score=here[0].suspicion.score if here else 0.0,
        truth=measure_mark(network, twins, MARKED_CLASS),
        predicted=predicted,
        measured=measured,
    )


def on_mark(suspect: Suspect) -> bool:
    """Whether a suspect is evidence for the marked class and its mean map is centred in the mark's corner."""
    x, y = suspect.suspicion.place
    _, _, right, bottom = CORNER_BOX
    # The centre of mass of a map is drawn inwards by what little lies elsewhere.
    inside = x <= 1.25 * right / SIZE and y <= 1.25 * bottom / SIZE
    return suspect.class_index == MARKED_CLASS and inside


def against_drawing(
    found: Audit, accused: Sequence[Suspect], network: TinyNet, twins: Twins
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """What the accused concepts add to the logit, and what drawing without the mark takes from it.

    For each scene with the mark and without it; without it, drawing it without the mark takes nothing.
    """
    backbone, concepts = found.craft.backbone, [suspect.concept.index for suspect in accused]
    adds, logits = [], []
    for pixels in (twins.marked, twins.plain):
        pictures = [Picture(one, f"scene {i}") for i, one in enumerate(pixels)]
        explained = found.craft.explain(pictures, MARKED_CLASS)
        assert isinstance(explained, Answers)
        adds.append([sum(e.concept(k).contribution for k in concepts) for e in explained])
        with backbone.undisturbed(), torch.no_grad():
            logits.append(backbone.logits(backbone.tensor(pictures).x)[:, MARKED_CLASS].double().numpy())
    fall = logits[0] - logits[1]
    return np.concatenate([np.array(a) for a in adds]), np.concatenate([fall, np.zeros_like(fall)])


def r_squared(predicted: Float[np.ndarray, " n"], measured: Float[np.ndarray, " n"]) -> float | None:
    """1 - sum (measured - predicted)^2 / sum (measured - mean)^2; None where all that is measured is the same."""
    spread = float(((measured - measured.mean()) ** 2).sum())
    return 1.0 - float(((measured - predicted) ** 2).sum()) / spread if spread > 0 else None


def _explain(found: Audit, twins: Twins, folder: Path, seed: int) -> Path:
    """A page of marked disks in the audit's concepts, each with its receipt."""
    paths = _write_pictures(twins, _folder(folder / "pictures"))
    explained = check(found.craft.explain(paths, MARKED_CLASS), seed=seed)
    assert isinstance(explained, Answers)
    page: Path = explained.save(
        folder / "why.html", title="Why 'disk'? The planted network", command=f"seewhy demo --seed {seed}"
    )
    return page


def _backbone(network: TinyNet, name: str) -> Backbone:
    return Backbone(network, name=f"{name} network", preprocess=PREPROCESS, classes=CLASSES)


def audit_pictures(seed: int, *, n: int = 600) -> list[Picture]:
    """What the audit looks at: labelled pictures from where the planted network's training set came from."""
    task = make_audit_set(seed, n=n)
    return [
        Picture(pixels, f"{CLASSES[label]}-{i}", label=CLASSES[label])
        for i, (pixels, label) in enumerate(zip(task.pictures, task.labels, strict=True))
    ]


def write_photos(pictures: Sequence[Picture], folder: Path) -> None:
    """The audited pictures as PNG files, a folder for each class, for the user to go on with."""
    for picture in pictures:
        assert picture.label is not None
        stream = io.BytesIO()
        Image.fromarray(picture.pixels).save(stream, "PNG")
        write_whole(_folder(folder / picture.label) / f"{picture.name}.png", stream.getvalue())


def _write_pictures(twins: Twins, folder: Path) -> list[Path]:
    """The marked disks as PNG files, for the explanations and for the user to go on with."""
    paths = []
    for i, pixels in enumerate(twins.of_class(MARKED_CLASS).marked[:N_PICTURES]):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        paths.append(write_whole(folder / f"disk-{i}.png", stream.getvalue()))
    return paths


def _folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            message(
                f"The folder {str(folder)!r} cannot be made: {error.strerror}.",
                "The demonstration writes its pages there.",
                "Pass --output with a place that can be written.",
            )
        ) from error
    return folder
