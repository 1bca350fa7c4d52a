"""What a bottleneck is trained on: a network's features of pictures, and what the pictures are said to show."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from seewhy.backbones.base import Backbone
from seewhy.concepts.sources import Source, StoredFeatures, parts_of
from seewhy.concepts.space import ConceptSpace
from seewhy.concepts.store import FeatureStore, extract
from seewhy.errors import InputError, message
from seewhy.scale.job import Progress

NETWORK = "network"
"""Labels that are the network's own predictions."""

_AT_ONCE = 512


@dataclass(frozen=True, eq=False)
class Gathered:
    """Features of the training pictures, and their classes.

    Attributes
    ----------
    features
        The store.
    labels
        Index in `classes` of each picture's class; None without labels.
    classes
        Those that some picture has, in the network's order if they are the network's.
    absent
        Classes of the network that no picture has: a head cannot know them.
    """

    features: FeatureStore
    labels: Int64[np.ndarray, " n"] | None
    classes: tuple[str, ...]
    absent: tuple[str, ...] = ()

    @property
    def source(self) -> Source:
        """The features with their places."""
        return StoredFeatures(self.features)

    def pooled(self, space: ConceptSpace) -> Float[Tensor, "n m"]:
        """The space's concepts of every picture, averaged over places."""
        source = self.source
        return torch.cat(
            [space.pooled(source.batch(part)) for part in parts_of(torch.arange(source.n), _AT_ONCE)]
        )


def gather(
    backbone: Backbone,
    images: Any,
    labels: Sequence[object] | str | None,
    folder: Path,
    *,
    at: str | None,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Gathered:
    """Extract features (or open what was extracted before), and find the classes.

    Parameters
    ----------
    labels
        One per picture; "network" for the network's predictions; None for what folders and data sets say, if they
        say something of every picture.
    folder
        Of the features.

    Raises
    ------
    InputError
        If some pictures have a label and others none, or all have the same.
    """
    own = isinstance(labels, str)
    if own and labels != NETWORK:
        raise InputError(
            message(
                f"labels is {labels!r}.",
                "It is one label per picture, or 'network' for what the network predicts.",
                "Pass a list, or leave it out where folders name the classes.",
            )
        )
    given = None if own or labels is None else [None if x is None else str(x) for x in labels]
    features = extract(
        backbone, images, folder, at=at, labels=given, batch_size=batch_size, progress=progress
    )
    if own:
        best = features.logits.argmax(1).tolist()
        said: Sequence[str | None] = [backbone.class_name(index) for index in best]
    else:
        said = features.labels
    return classified(features, said, _names(backbone, features.logits.shape[1]))


def classified(features: FeatureStore, said: Sequence[str | None], known: Sequence[str]) -> Gathered:
    """Give labels their numbers: in the order of the network's classes if they are among them, else by name."""
    named = {label for label in said if label is not None}
    if not named:
        return Gathered(features, None, ())
    missing = [name for name, label in zip(features.names, said, strict=True) if label is None]
    if missing:
        raise InputError(
            message(
                f"{len(missing)} of {len(said)} pictures have no label, {missing[0]!r} for one.",
                "A head is trained on labels of all pictures, or of none.",
                "Label them, leave them out, or pass labels='network'.",
            )
        )
    if len(named) < 2:
        raise InputError(
            message(
                f"All pictures are labelled {next(iter(named))!r}.",
                "A head tells at least two classes apart.",
                "Add pictures of another class, or fit without labels for the concepts alone.",
            )
        )
    same = named <= set(known)
    # Networks may call two classes the same; their pictures cannot be told apart by name.
    classes = tuple(name for name in dict.fromkeys(known) if name in named) if same else tuple(sorted(named))
    number = {name: index for index, name in enumerate(classes)}
    labels = np.array([number[str(label)] for label in said], np.int64)
    return Gathered(features, labels, classes, tuple(n for n in known if n not in named) if same else ())


def _names(backbone: Backbone, n: int) -> list[str]:
    return [backbone.class_name(index) for index in range(n)]


@contextmanager
def kept(folder: str | Path | None) -> Iterator[Path]:
    """A folder of the user's, which stays, or one that is gone afterwards."""
    if folder is not None:
        yield Path(folder).expanduser()
        return
    with tempfile.TemporaryDirectory(prefix="seewhy-") as made:
        yield Path(made)
