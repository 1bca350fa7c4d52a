"""The demonstration from end to end, on bundled models: audit, judge by drawing again, ask, write pages."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from seewhy.audit.audit import Audit, audit
from seewhy.backbones.load import load_backbone
from seewhy.demo.groups import Groups, by_group
from seewhy.demo.marked import MARKED_CLASS, Twins, audit_pictures, make_twins
from seewhy.demo.prompts import Prompts, prompt
from seewhy.demo.trial import Trial, judge
from seewhy.errors import InputError, message
from seewhy.evaluate.check import check
from seewhy.explanation import Answers
from seewhy.images.picture import Picture
from seewhy.report.save import write_whole

N_PICTURES = 8
NETWORKS = {"planted": "resnet-t6", "control": "resnet-t6-balanced"}
_PAGES = {"planted": "audit.html", "control": "control.html"}

Stage = Callable[[str, int, int], None]
"""Told (what is being done, done, total)."""


@dataclass(frozen=True, eq=False)
class Demo:
    """What the demonstration found, the pages that it wrote, and how long it took in seconds."""

    planted: Trial
    control: Trial
    groups: Groups
    prompts: Prompts
    pages: dict[str, Path]
    seconds: float

    @property
    def as_expected(self) -> bool:
        """The tag is suspect 1 where it was planted and not accused in the control; groups differ; words follow."""
        found = self.planted.accused and self.planted.rank == 1 and not self.control.accused
        return found and self.groups.differ and self.prompts.follows

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return {
            "as_expected": self.as_expected,
            "planted": self.planted.to_dict(),
            "control": self.control.to_dict(),
            "groups": self.groups.to_dict(),
            "prompts": self.prompts.to_dict(),
            "seconds": self.seconds,
            "pages": {name: str(path) for name, path in self.pages.items()},
        }

    def to_text(self) -> str:
        """The tables for a terminal."""
        r2 = "not told" if self.planted.r2 is None else f"R2 {self.planted.r2:.2f}"
        head = ("network", "the audit says of the tag", "drawn without it, the logit", "accuracy")
        return "\n".join(
            [
                "A tag in the corner of most training pictures of one class. Which network learned it?",
                *_table([head, self.planted.row(), self.control.row()]),
                "  What the accused concepts add predicts what drawing the scenes without the tag takes away: "
                f"{r2}.",
                "",
                "Waders stood in water in 98 % of the training pictures. What if they stand on grass?",
                *_table(self.groups.rows()),
                "",
                "Words for a scene, and for what a red circle points at.",
                *_table(self.prompts.rows()),
                "",
                f"{'As it must be' if self.as_expected else 'NOT AS EXPECTED'}: "
                + ", ".join(str(path) for path in self.pages.values()),
            ]
        )


def main(output: str | Path = "demo", *, seed: int = 0, stage: Stage | None = None) -> Demo:
    """Run the demonstration and write `audit.html`, `control.html`, `why.html` and pictures into `output`.

    Two bundled networks are audited on pictures in which one class carries a tag: one learned from such pictures, the
    control from pictures in which the tag says nothing, so it may not be accused. The truth comes from drawing scenes
    again without the tag. Then a pair for which a background gave the answer away, group by group; then words.

    Raises
    ------
    InputError
        If the seed is no whole number, or the folder cannot be written.
    """
    started = time.monotonic()
    tell = stage or (lambda what, done, total: None)
    pictures, twins = audit_pictures(seed), make_twins(seed)
    folder = _folder(Path(output))
    pages: dict[str, Path] = {}
    trials: dict[str, Trial] = {}
    write_photos(pictures, folder / "photos")
    for at, (name, network) in enumerate(NETWORKS.items()):
        tell(f"auditing {network}", at, 4)
        found = audit(load_backbone(f"seewhy/{network}"), pictures, seed=seed)
        trials[name] = judge(network, found, twins)
        pages[name] = found.save(folder / _PAGES[name], command=f"seewhy demo --seed {seed}")
        if name == "planted":
            pages["why"] = _explain(found, twins, folder, seed)
    tell("waders and walkers", 2, 4)
    groups = by_group(seed)
    tell("words", 3, 4)
    prompts = prompt(seed)
    for name, pixels in zip(("scene", "circled"), prompts.pictures, strict=True):
        write_whole(folder / "pictures" / f"{name}.png", _png(pixels))
    return Demo(trials["planted"], trials["control"], groups, prompts, pages, time.monotonic() - started)


def write_photos(pictures: Sequence[Picture], folder: Path) -> None:
    """The audited pictures as PNG files, a folder for each class, for the user to go on with."""
    for picture in pictures:
        assert picture.label is not None
        write_whole(_folder(folder / picture.label) / f"{picture.name}.png", _png(picture.pixels))


def write_marked(twins: Twins, folder: Path) -> list[Path]:
    """The first tagged disks as PNG files, for the explanations and for the user to go on with."""
    _folder(folder)
    disks = twins.of_class(MARKED_CLASS).marked[:N_PICTURES]
    return [write_whole(folder / f"disk-{at}.png", _png(pixels)) for at, pixels in enumerate(disks)]


def _explain(found: Audit, twins: Twins, folder: Path, seed: int) -> Path:
    """A page of tagged disks in the audit's concepts, each with its receipt."""
    paths = write_marked(twins, folder / "pictures")
    explained = check(found.craft.explain(paths, MARKED_CLASS), seed=seed)
    assert isinstance(explained, Answers)
    page: Path = explained.save(
        folder / "why.html",
        title="Why 'disk'? The network that learned the tag",
        command=f"seewhy demo --seed {seed}",
    )
    return page


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _png(pixels: UInt8[np.ndarray, "H W 3"]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


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
