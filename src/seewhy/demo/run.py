"""The demonstration from end to end: train, explain, judge, check against the truth, write the pages."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from seewhy.backbones.base import Backbone
from seewhy.demo.network import MarkUse, TinyNet, measure_mark
from seewhy.demo.planted import (
    CLASSES,
    CORNER_BOX,
    MARKED_CLASS,
    PREPROCESS,
    Twins,
    build_control,
    build_planted,
    make_twins,
)
from seewhy.demo.verdict import Verdict, judge_corner
from seewhy.errors import InputError, message
from seewhy.explanation import Answers, Explanation
from seewhy.models.classifier import Classifier
from seewhy.report.save import write_whole

N_PICTURES = 8

Stage = Callable[[str, int, int], None]
"""Told (what is being done, done, total)."""


@dataclass(frozen=True, eq=False)
class Examined:
    """One network: what its explanations say, and what is true of it."""

    name: str
    explanations: Answers[Explanation]
    verdict: Verdict
    truth: MarkUse
    page: Path


@dataclass(frozen=True, eq=False)
class Demo:
    """The planted network and its control, and how long it took in seconds."""

    planted: Examined
    control: Examined
    seconds: float

    @property
    def as_expected(self) -> bool:
        """The mark is found where it was planted, and nothing is accused where it was not."""
        return self.planted.verdict.accuses and not self.control.verdict.accuses

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return {
            "as_expected": self.as_expected,
            "seconds": self.seconds,
            **{
                examined.name: {
                    "verdict": asdict(examined.verdict),
                    "truth": asdict(examined.truth),
                    "page": str(examined.page),
                }
                for examined in (self.planted, self.control)
            },
        }

    def to_text(self) -> str:
        """The table for a terminal."""
        rows = [("", "planted", "control"), *_rows(self.planted, self.control)]
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [f"  {a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}".rstrip() for a, b, c in rows]
        found = "found where it was planted, nothing accused where it was not"
        verdict = found if self.as_expected else "NOT AS EXPECTED"
        return "\n".join([*lines, "", f"  {verdict}: {self.planted.page}, {self.control.page}"])


def _rows(*columns: Examined) -> list[tuple[str, ...]]:
    verdicts, truths = [e.verdict for e in columns], [e.truth for e in columns]
    return [
        ("trained with the mark on 95 % of the disks", "yes", "no"),
        ("corner's share of the evidence", *(f"{v.corner:.0%}" for v in verdicts)),
        ("the other corners', on average", *(f"{v.elsewhere:.0%}" for v in verdicts)),
        ("excess, 95 % interval", *(f"{v.excess:+.2f} ({v.low:+.2f} to {v.high:+.2f})" for v in verdicts)),
        ("the maps accuse the corner", *("YES" if v.accuses else "no" for v in verdicts)),
        ("truth: accuracy without the mark", *(f"{t.accuracy_plain:.0%}" for t in truths)),
        ("truth: accuracy with it on every picture", *(f"{t.accuracy_marked:.0%}" for t in truths)),
        ("truth: others called disk once marked", *(f"{t.fooled_marked:.0%}" for t in truths)),
        ("truth: logit of disk rises with the mark by", *(f"{t.logit_shift:+.2f}" for t in truths)),
    ]


def main(output: str | Path = "demo", *, seed: int = 0, stage: Stage | None = None) -> Demo:
    """Run the demonstration and write `why.html`, `control.html` and the pictures into `output`.

    Two networks of 41,000 parameters are trained on generated pictures of three shapes, one of them with a
    small tag in the corner of most disks. Both are explained on the same eight marked disks; the accounts of
    their logits say how much of each came from the corner. The truth comes from drawing the scenes again
    without the tag.
    """
    started = time.monotonic()
    folder = _folder(Path(output))
    tell = stage or (lambda what, done, total: None)
    twins = make_twins(seed)
    pictures = _write_pictures(twins, _folder(folder / "pictures"))

    def examine(name: str, build: Callable[..., TinyNet], page: str) -> Examined:
        network = build(seed, progress=lambda done, total: tell(f"training {name}", done, total))
        tell(f"explaining {name}", 0, 1)
        examined = _examine(name, network, twins, pictures, folder / page, seed)
        tell(f"explaining {name}", 1, 1)
        return examined

    planted = examine("planted", build_planted, "why.html")
    control = examine("control", build_control, "control.html")
    return Demo(planted, control, seconds=time.monotonic() - started)


def _examine(
    name: str, network: TinyNet, twins: Twins, pictures: list[Path], page: Path, seed: int
) -> Examined:
    model = Classifier(Backbone(network, name=f"{name} network", preprocess=PREPROCESS, classes=CLASSES))
    explanations = model.explain(pictures, MARKED_CLASS)
    assert isinstance(explanations, Answers)
    maps = np.stack([explanation.where for explanation in explanations])
    corner = explanations[0].region_weights(box=CORNER_BOX)
    verdict = judge_corner(maps, corner, seed=seed)
    explanations.save(page, title=f"Why 'disk'? The {name} network", command=f"seewhy demo --seed {seed}")
    return Examined(name, explanations, verdict, measure_mark(network, twins, MARKED_CLASS), page)


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
                "The demonstration writes two pages there.",
                "Pass --output with a place that can be written.",
            )
        ) from error
    return folder
