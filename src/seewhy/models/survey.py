"""One pass of a network over a data set: features, logits and a thumbnail of every picture.

What looks at whole data sets (CRAFT, class pages, the audit) starts from a survey, so that the network's front
part runs once over each picture, whatever is asked afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image
from torch import Tensor

from seewhy.attribution.engine import Engine, Progress
from seewhy.backbones import tree
from seewhy.backbones.base import Backbone, Batch
from seewhy.backbones.outputs import check_finite
from seewhy.backbones.split import Cut, Rest, Split
from seewhy.errors import InputError, UnknownName, did_you_mean, message
from seewhy.images.geometry import Geometry
from seewhy.images.picture import Picture
from seewhy.images.read import iter_images, read_images
from seewhy.importance.shares import is_affine
from seewhy.models.stored import StoredFeatures, stored_features, thumbnail_side
from seewhy.types import Size

THUMBNAIL = 256
"""Longest side in pixels of what is kept of a picture to show it."""

Measure = Callable[[Picture], Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class Seen:
    """What is kept of one picture.

    Attributes
    ----------
    label
        Its class where the data set says so, by name.
    measured
        What `measure` said of it.
    held
        The picture itself, where it cannot be read again from a file.
    label_index
        The class where it was given with `labels`; two classes may share a name.
    """

    name: str
    label: str | None
    sha256: str
    geometry: Geometry
    thumbnail: UInt8[np.ndarray, "H W 3"]
    measured: Mapping[str, float]
    held: Picture | None
    path: Any = None
    label_index: int | None = None

    def picture(self) -> Picture:
        """The picture, read again if need be. InputError if its file is gone or holds another one."""
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
    seen
        What is kept of each picture.
    affine
        Whether the tail is affine.
    plain
        Whether the tail needs nothing of a picture besides its features.
    failed
        Pictures that could not be read, with the reason.
    template
        The cut of one picture, whose rest serves all of them where the tail is plain.
    """

    backbone: Backbone
    split: Split
    layer: str
    features: Float[Tensor, "n c h w"] | StoredFeatures
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
        """The class of each picture by its label, -1 where its label is no class; None if none is labelled.

        Names match as they are, else without case; a number is an index. Of classes with the same name the
        first is meant.
        """
        n = self.logits.shape[1]
        index: dict[str, int] = {}
        for names in (
            [self.backbone.class_name(i) for i in range(n)],
            [self.backbone.class_name(i).lower() for i in range(n)],
            [str(i) for i in range(n)],
        ):
            for i, name in enumerate(names):
                index.setdefault(name, i)
        found = np.array([_label_of(one, index) for one in self.seen], np.int64)
        return found if (found >= 0).any() else None

    def cut(self, index: Sequence[int] | np.ndarray, *, batch_size: int | None = None) -> Cut:
        """Features and rest of some pictures; reads them again where the tail needs more than features."""
        chosen = [int(i) for i in index]
        if self.plain:
            rest = self.template.rest.take(torch.zeros(len(chosen), dtype=torch.long))
            return Cut(self.features[chosen].to(self.template.features), rest)
        engine = Engine.for_device(self.backbone.device, batch_size, size=self.backbone.input_size)
        cuts: list[Cut] = []

        def work(start: int, stop: int) -> None:
            x = self.backbone.tensor([self.seen[i].picture() for i in chosen[start:stop]]).x
            cuts.append(self.split.cut(x))

        with self.backbone.undisturbed(), torch.no_grad():
            engine.run(len(chosen), work)
        return joined(cuts)


def survey(
    backbone: Backbone,
    images: Any,
    *,
    labels: Sequence[str | int] | None = None,
    at: str | None = None,
    measure: Measure | None = None,
    folder: str | Path | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Survey:
    """Run a network over pictures once.

    Parameters
    ----------
    images
        Anything `seewhy.read_images` reads. Folders are read picture by picture; those that cannot be read
        are noted in `failed` and left out. A `Survey` of the same network and layer comes back as it is,
        with `labels` in place of its own if there are any.
    labels
        Class names or indices, one a picture, those that cannot be read included or not; default the
        pictures' own (the names of their folders).
    at
        Layer; default the backbone's.
    measure
        What else to measure of each picture while it is at hand.
    folder
        Keep the features there, in shards, instead of in memory; a run that was killed goes on where it was, and
        one that ended is opened again (`concepts.store.extract`). Pictures are then read twice.
    progress
        Called with (done, done): how many there are is not known before.

    Raises
    ------
    InputError
        If nothing can be read, the number of labels is not the number of pictures, or a survey is of another
        network or layer.
    UnknownName
        If a label is no class.
    """
    if isinstance(images, Survey):
        _check_same(images, backbone, at)
        if labels is None:
            return images
        seen_before = _labelled(
            backbone, list(images.seen), labels, images.logits.shape[1], None, images.failed
        )
        return replace(images, seen=tuple(seen_before))
    if folder is not None:
        return _on_disk(backbone, images, Path(folder), labels, at, measure, batch_size, progress)
    size = backbone.input_size
    candidate, split = backbone.layer(at, size=size), backbone.split(at, size=size)
    engine = Engine.for_device(backbone.device, batch_size, size=size)
    failed: dict[str, str] = {}
    features: list[Tensor] = []
    logits: list[Tensor] = []
    seen: list[Seen] = []
    places: list[int] = []  # of the pictures among all that came, those that cannot be read included
    template: Cut | None = None
    plain = False
    pictures = _placed(iter_images(images, skipped=failed), places, failed)
    for batch in _batches(backbone, pictures, engine.batch_size):
        parts: list[tuple[Tensor, Tensor]] = []
        with backbone.undisturbed(), torch.no_grad():

            def work(start: int, stop: int, batch: Batch = batch, parts: list[Any] = parts) -> None:
                cut = split.cut(batch.x[start:stop])
                parts.append((cut.features.float().cpu(), split.tail(cut.features, cut.rest).float().cpu()))

            engine.run(len(batch), work)
            if template is None:
                template = split.cut(batch.x[:1])
                plain = split.realisation == "graph" and not split.ways_around(template)
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
        seen=tuple(
            seen if labels is None else _labelled(backbone, seen, labels, all_logits.shape[1], places, failed)
        ),
        affine=tail_is_affine(backbone, split, size),
        plain=plain,
        failed=failed,
        template=template,
    )


def _on_disk(
    backbone: Backbone,
    images: Any,
    folder: Path,
    labels: Sequence[str | int] | None,
    at: str | None,
    measure: Measure | None,
    batch_size: int | None,
    progress: Progress | None,
) -> Survey:
    """A survey whose features are stored in a folder; the pictures are read once more for what is kept of them."""
    images = list(iter_images(images)) if isinstance(images, Iterator) else images
    features = stored_features(backbone, images, folder, at=at, batch_size=batch_size, progress=progress)
    store, size = features.store, backbone.input_size
    side = thumbnail_side(store.n_images, THUMBNAIL)
    failed: dict[str, str] = {}
    unusable: dict[str, str] = {}
    places: list[int] = []
    seen: list[Seen] = []
    first: Picture | None = None
    for picture in _placed(iter_images(images, skipped=failed), places, failed):
        k = len(seen)
        if k < store.n_images and picture.sha256 == store.sha256[k]:
            first = first or picture
            seen.append(_seen(picture, store.geometries[k], measure, side))
        else:
            places.pop()
            unusable[picture.name] = "its features are not finite"
    if len(seen) != store.n_images or first is None:
        raise InputError(
            message(
                f"{folder} holds features of {store.n_images} pictures, of which {len(seen)} are found again.",
                "The pictures stay as they are while their features are kept.",
                "Choose another folder, or put the pictures back.",
            )
        )
    failed |= unusable
    split = backbone.split(at, size=size)
    with backbone.undisturbed(), torch.no_grad():
        template = split.cut(backbone.tensor([first]).x)
        plain = split.realisation == "graph" and not split.ways_around(template)
    n_classes = store.logits.shape[1]
    return Survey(
        backbone=backbone,
        split=split,
        layer=backbone.layer(at, size=size).layer.describe(),
        features=features,
        logits=store.logits,
        seen=tuple(seen if labels is None else _labelled(backbone, seen, labels, n_classes, places, failed)),
        affine=tail_is_affine(backbone, split, size),
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


def _seen(picture: Picture, geometry: Geometry, measure: Measure | None, longest: int = THUMBNAIL) -> Seen:
    return Seen(
        name=picture.name,
        label=picture.label,
        sha256=picture.sha256,
        geometry=geometry,
        thumbnail=thumbnail(picture.pixels, longest),
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


def tail_is_affine(backbone: Backbone, split: Split, size: Size) -> bool:
    """Whether the tail is affine for inputs of `size`, tested once on made-up pictures.

    Not on the user's: a black picture may leave every feature at zero, where any tail looks affine.
    """

    def test() -> bool:
        return is_affine(split, split.cut(backbone.probe(size).inputs))

    return backbone.once(("affine", split.layer, size), test)


def class_index(backbone: Backbone, target: int | str, n_classes: int) -> int:
    """Index of one class, by index or name, for pictures in general.

    Raises
    ------
    UnknownName
        If there is no such class; "predicted" is none, because it is another one for each picture.
    """
    if isinstance(target, str) and target == "predicted":
        names = [backbone.class_name(i) for i in range(n_classes)]
        raise UnknownName(
            message(
                "'predicted' is another class for each picture.",
                "One class by name or index is needed here.",
                did_you_mean(target, names),
            )
        )
    return backbone.targets(target, torch.zeros(1, n_classes))[0]


def joined(cuts: Sequence[Cut]) -> Cut:
    """The cuts of several batches as that of one."""
    if len(cuts) == 1:
        return cuts[0]
    rests = [cut.rest for cut in cuts]
    wholes = [_parts(rest) for rest in rests]

    def cat(path: tree.Path, leaf: Tensor) -> Tensor:
        # What does not belong to pictures is told apart as in `tree.take`.
        if path in rests[0].fixed or leaf.ndim == 0 or leaf.shape[0] == 0 or leaf.shape[0] % rests[0].n:
            return leaf
        return torch.cat([tree.at(whole, path) for whole in wholes])

    rest = replace(rests[0], n=sum(one.n for one in rests), **tree.map_leaves(wholes[0], cat))
    return Cut(torch.cat([cut.features for cut in cuts]), rest)


def _parts(rest: Rest) -> dict[str, Any]:
    return {"output": rest.output, "prefix": rest.prefix, "live": rest.live, "images": rest.images}


def _placed(pictures: Iterator[Picture], places: list[int], failed: Mapping[str, str]) -> Iterator[Picture]:
    """The same pictures; notes in `places` where each stands among all that came."""
    for i, picture in enumerate(pictures):
        places.append(i + len(failed))
        yield picture


def _check_same(data: Survey, backbone: Backbone, at: str | None) -> None:
    """Refuse a survey of another network or layer."""
    other = data.backbone
    if other.module is not backbone.module and other.fingerprint() != backbone.fingerprint():
        raise InputError(
            message(
                f"The survey was made with {other.name}, and the network is {backbone.name} with other weights.",
                "Concepts are found in what the network itself computes.",
                "Survey the pictures with this network.",
            )
        )
    layer = backbone.layer(at).layer
    if layer != data.split.layer:
        raise InputError(
            message(
                f"The survey was made at {data.layer}, and {layer.describe()} is asked for.",
                "Features are those of one layer.",
                f"Pass at={data.split.layer.name!r}, or survey the pictures at the other layer.",
            )
        )


def _label_of(seen: Seen, index: Mapping[str, int]) -> int:
    if seen.label_index is not None:
        return seen.label_index
    label = seen.label or ""
    return index.get(label, index.get(label.lower(), -1))


def _labelled(
    backbone: Backbone,
    seen: list[Seen],
    labels: Sequence[str | int],
    n_classes: int,
    places: Sequence[int] | None,
    failed: Mapping[str, str],
) -> list[Seen]:
    given = list(labels)
    if places is not None and failed and len(given) == len(seen) + len(failed):
        given = [given[place] for place in places]
    if len(given) != len(seen):
        lost = f", {len(failed)} more cannot be read ({', '.join(list(failed)[:3])})" if failed else ""
        raise InputError(
            message(
                f"There are {len(labels)} labels for {len(seen)} pictures{lost}.",
                "One label per picture.",
                "Leave labels out to use the names of the pictures' folders.",
            )
        )
    rows = [class_index(backbone, label, n_classes) for label in given]
    return [
        replace(one, label=backbone.class_name(row), label_index=row)
        for one, row in zip(seen, rows, strict=True)
    ]
