"""One pass of a network over a data set: features, logits and a thumbnail of every picture.

What looks at whole data sets (CRAFT, class pages, the audit) starts from a survey, so that the network's front
part runs once over each picture, whatever is asked afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image
from torch import Tensor

from seewhy.attribution.engine import Engine, Progress
from seewhy.backbones.base import Backbone, Batch
from seewhy.backbones.outputs import check_finite
from seewhy.backbones.split import Cut, Split
from seewhy.errors import InputError, message
from seewhy.images.geometry import Geometry
from seewhy.images.picture import Picture
from seewhy.images.read import iter_images, read_images
from seewhy.importance.shares import is_affine

THUMBNAIL = 256
"""Longest side in pixels of what is kept of a picture to show it."""

Measure = Callable[[Picture], Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class Seen:
    """What is kept of one picture. `label` is its class where the data set says so, `held` the picture itself
    where it cannot be read again from a file."""

    name: str
    label: str | None
    sha256: str
    geometry: Geometry
    thumbnail: UInt8[np.ndarray, "H W 3"]
    measured: Mapping[str, float]
    held: Picture | None
    path: Any = None

    def picture(self) -> Picture:
        """The picture, read again if need be."""
        if self.held is not None:
            return self.held
        again = read_images(self.path)[0]
        if again.sha256 != self.sha256:
            raise InputError(
                message(
                    f"{self.path} changed since it was surveyed.",
                    "A survey's pictures stay as they are.",
                    "Survey the folder again.",
                )
            )
        return Picture(again.pixels, self.name, again.path, again.notes, self.label)


@dataclass(frozen=True, eq=False)
class Survey:
    """A data set as a network sees it.

    Attributes
    ----------
    features
        (n, c, h, w) at the split.
    logits
        (n, k).
    affine
        Whether the tail is affine.
    plain
        Whether the tail needs nothing of a picture besides its features.
    failed
        Pictures that could not be read, with the reason.
    """

    backbone: Backbone
    split: Split
    layer: str
    features: Float[Tensor, "n c h w"]
    logits: Float[Tensor, "n k"]
    seen: tuple[Seen, ...]
    affine: bool
    plain: bool
    failed: Mapping[str, str]
    template: Cut

    def __len__(self) -> int:
        return len(self.seen)

    @property
    def predicted(self) -> Int64[np.ndarray, " n"]:
        """Class of the largest logit."""
        found: np.ndarray = self.logits.argmax(1).numpy()
        return found

    @property
    def labels(self) -> Int64[np.ndarray, " n"] | None:
        """The class of each picture by its label, -1 where its label is no class; None if none is labelled."""
        names = {self.backbone.class_name(i).lower(): i for i in range(self.logits.shape[1])}
        found = np.array([names.get((one.label or "").lower(), -1) for one in self.seen], np.int64)
        return found if (found >= 0).any() else None

    def cut(self, index: Sequence[int] | np.ndarray) -> Cut:
        """Features and rest of some pictures; reads them again where the tail needs more than features."""
        chosen = [int(i) for i in index]
        if self.plain:
            rest = self.template.rest.take(torch.zeros(len(chosen), dtype=torch.long))
            return Cut(self.features[chosen].to(self.template.features), rest)
        x = self.backbone.tensor([self.seen[i].picture() for i in chosen]).x
        with self.backbone.undisturbed(), torch.no_grad():
            return self.split.cut(x)


def survey(
    backbone: Backbone,
    images: Any,
    *,
    labels: Sequence[str | int] | None = None,
    at: str | None = None,
    measure: Measure | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Survey:
    """Run a network over pictures once.

    Parameters
    ----------
    images
        Anything `seewhy.read_images` reads. Folders are read picture by picture; those that cannot be read
        are noted in `failed` and left out.
    labels
        Class names or indices, one a picture; default the pictures' own (the names of their folders).
    at
        Layer; default the backbone's.
    measure
        What else to measure of each picture while it is at hand.
    progress
        Called with (done, done): how many there are is not known before.

    Raises
    ------
    InputError
        If nothing can be read, or the number of labels is not the number of pictures.
    """
    if isinstance(images, Survey):
        return images
    size = backbone.input_size
    candidate, split = backbone.layer(at, size=size), backbone.split(at, size=size)
    engine = Engine.for_device(backbone.device, batch_size, size=size)
    failed: dict[str, str] = {}
    features: list[Tensor] = []
    logits: list[Tensor] = []
    seen: list[Seen] = []
    template: Cut | None = None
    affine = plain = False
    for batch in _batches(backbone, iter_images(images, skipped=failed), engine.batch_size):
        parts: list[tuple[Tensor, Tensor]] = []
        with backbone.undisturbed(), torch.no_grad():

            def work(start: int, stop: int, batch: Batch = batch, parts: list[Any] = parts) -> None:
                cut = split.cut(batch.x[start:stop])
                parts.append((cut.features.float().cpu(), split.tail(cut.features, cut.rest).float().cpu()))

            engine.run(len(batch), work)
            if template is None:
                head = split.cut(batch.x[:2])
                affine = is_affine(split, head)
                plain = split.realisation == "graph" and not split.ways_around(head)
                template = head.take(torch.zeros(1, dtype=torch.long))
        features += [part[0] for part in parts]
        logits += [part[1] for part in parts]
        seen += [
            _seen(picture, geometry, measure)
            for picture, geometry in zip(batch.pictures, batch.geometries, strict=True)
        ]
        if progress is not None:
            progress(len(seen), len(seen))
    assert template is not None
    all_logits = torch.cat(logits)
    check_finite(all_logits)
    return Survey(
        backbone=backbone,
        split=split,
        layer=candidate.layer.describe(),
        features=torch.cat(features),
        logits=all_logits,
        seen=tuple(seen if labels is None else _labelled(backbone, seen, labels, all_logits.shape[1])),
        affine=affine,
        plain=plain,
        failed=failed,
        template=template,
    )


def _batches(backbone: Backbone, pictures: Iterator[Picture], n: int) -> Iterator[Batch]:
    held: list[Picture] = []
    for picture in pictures:
        held.append(picture)
        if len(held) == n:
            yield backbone.tensor(held)
            held = []
    if held:
        yield backbone.tensor(held)


def _seen(picture: Picture, geometry: Geometry, measure: Measure | None) -> Seen:
    return Seen(
        name=picture.name,
        label=picture.label,
        sha256=picture.sha256,
        geometry=geometry,
        thumbnail=thumbnail(picture.pixels),
        measured={} if measure is None else measure(picture),
        held=picture if picture.path is None else None,
        path=picture.path,
    )


def thumbnail(pixels: UInt8[np.ndarray, "H W 3"], longest: int = THUMBNAIL) -> UInt8[np.ndarray, "h w 3"]:
    """The picture at `longest` pixels a side at most; small ones stay as they are."""
    height, width = pixels.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def _labelled(
    backbone: Backbone, seen: list[Seen], labels: Sequence[str | int], n_classes: int
) -> list[Seen]:
    if len(labels) != len(seen):
        raise InputError(
            message(
                f"There are {len(labels)} labels for {len(seen)} pictures that can be read.",
                "One label per picture.",
                "Leave labels out to use the names of the pictures' folders.",
            )
        )
    blank = torch.zeros(1, n_classes)
    named = [backbone.class_name(backbone.targets(label, blank)[0]) for label in labels]
    return [
        Seen(s.name, name, s.sha256, s.geometry, s.thumbnail, s.measured, s.held, s.path)
        for s, name in zip(seen, named, strict=True)
    ]
