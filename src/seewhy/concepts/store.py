"""A network's features of many pictures, on the disk: made once by a job that can be killed, read in any part.

Shards of whole pictures in order (`scale.job`), each with features (n, c, h, w), logits (n, classes), and per
picture its name, label, SHA-256 and geometry. Pictures that could not be read stand in the manifest with the
reason.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import numpy as np
import safetensors
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.backbones.base import Backbone
from seewhy.concepts.extraction import Extraction, StoredType
from seewhy.errors import BadArtefact, InputError, did_you_mean, message
from seewhy.images.catalogue import Catalogue
from seewhy.images.geometry import Geometry
from seewhy.scale.job import Executor, Failure, Job, Progress, finished, plan
from seewhy.types import Size

SHARD_BYTES = 64_000_000
"""A shard holds about this much, so that little is lost with one and a folder does not fill with thousands."""
SHARD_PICTURES = 1024
BATCH_PICTURES = 32
BATCH_PIXELS = 32 * 112 * 112
"""On the CPU as many pictures at once as have so many pixels: more cost more time there, not less."""


def extract(
    backbone: Backbone,
    images: Any,
    folder: Path | str,
    *,
    at: str | None = None,
    labels: Sequence[object] | None = None,
    batch_size: int | None = None,
    per_shard: int | None = None,
    dtype: StoredType = "float16",
    verify: bool = False,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> FeatureStore:
    """Store the features of pictures at a layer of a network, or go on with it, or open what is there.

    Costs one forward pass per picture (two where the network's graph cannot be cut); one batch of pictures is in
    memory at a time. Killed at any moment and called again with the same arguments, it makes at most one shard
    again, and the folder is, byte for byte, that of an undisturbed run on the same machine and number of threads.

    Parameters
    ----------
    backbone
        The network, with its preprocessing.
    images
        As for `read_images`. Generators, data loaders and open files are read into memory first.
    folder
        New, empty, or that of the same extraction.
    at
        The layer; default the one where maps are read.
    labels
        One per picture (None: unknown); default what folders and data sets say.
    batch_size
        Pictures at once; default 32, fewer for large inputs on the CPU. Not lowered by itself when memory runs
        out, because another batch rounds otherwise.
    per_shard
        Pictures per shard; default about 64 MB, at most 1024.
    dtype
        Of the stored features; logits are float32.
    verify
        Look at the SHA-256 of every shard that is there, and make those that differ again.
    executor
        Who works; default this process.
    progress
        Told (done, total) pictures after each shard.

    Raises
    ------
    InputError
        If there is no picture, none can be used, an option is wrong, features do not fit into float16, or the
        folder cannot be written.
    LayerNotFound
        If there is no such layer.
    BadArtefact
        If the folder holds something else, for instance features of another layer or of other pictures.

    Notes
    -----
    A picture that cannot be read, or whose features are not finite, is left out, recorded in `failed` and in
    the manifest, and counted in a warning. Other pictures are told from those of an interrupted call by number,
    names, labels and sizes of files, and by the pixels of what was in memory; the entries of a data set only by
    their number.
    """
    catalogue = Catalogue(images, labels)
    _check(dtype, batch_size)
    if backbone.preprocess is None:
        backbone.tensor(())  # says what is missing
    split = backbone.split(at)
    layer = split.layer
    shape = (layer.channels, *layer.grid)
    if batch_size is None:
        batch_size = _batch_size(backbone)
    if per_shard is None:
        bytes_each = math.prod(shape) * (2 if dtype == "float16" else 4)
        per_shard = min(SHARD_PICTURES, max(1, SHARD_BYTES // bytes_each))
    key = {
        "kind": "features",
        "backbone": backbone.describe(),
        "layer": asdict(layer),
        "dtype": dtype,
        "batch_size": batch_size,
        "pictures": {"n": len(catalogue), "sha256": catalogue.digest()},
    }
    work = Extraction(backbone, split, catalogue, dtype, batch_size)
    job = Job(Path(folder), key, plan(len(catalogue), per_shard), work)
    job.run(executor, progress, verify=verify)
    store = FeatureStore(folder)
    _tell_failures(store, len(catalogue))
    return store


class FeatureStore:
    """The features that `extract` stored. Opening it reads the manifest only; parts are read when asked for.

    Parameters
    ----------
    folder
        Of a finished extraction.

    Raises
    ------
    InputError
        If there is none, or it is not finished.
    BadArtefact
        If its manifest is damaged, or it holds something else.
    """

    def __init__(self, folder: Path | str) -> None:
        self._job = finished(folder)
        self.folder = self._job.folder
        self.key: Mapping[str, Any] = self._job.key
        if self.key.get("kind") != "features":
            raise BadArtefact(
                message(
                    f"{self.folder} holds {self.key.get('kind', 'the result of another job')!r}.",
                    "A feature store holds features.",
                    "Pass a folder that extract has filled.",
                )
            )
        layer = self.key["layer"]
        self.channels, self.grid = int(layer["channels"]), _size(layer["grid"])
        self._starts = np.cumsum([0, *(done.n for done in self._job.shards)])

    @property
    def n_images(self) -> int:
        """How many pictures are stored; those that failed are not counted."""
        return int(self._starts[-1])

    def __len__(self) -> int:
        return self.n_images

    @property
    def layer(self) -> str:
        """The module whose features these are."""
        return str(self.key["layer"]["name"])

    @property
    def failed(self) -> tuple[Failure, ...]:
        """The pictures that are not here: number and name in what was asked for, and why."""
        return self._job.failed

    @cached_property
    def logits(self) -> Float[Tensor, "n k"]:
        """What the network said, float32."""
        return self._all("logits")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the pictures; a name that comes again gets a number."""
        found: dict[str, int] = {}
        for wanted in self._texts("names"):
            name, n = wanted, 1
            while name in found:
                n = found[wanted] = found[wanted] + 1
                name = f"{wanted} ({n})"
            found[name] = 1
        return tuple(found)

    @cached_property
    def labels(self) -> tuple[str | None, ...]:
        """Of the pictures, where they had one."""
        return tuple(self._texts("labels"))

    @cached_property
    def sha256(self) -> tuple[str, ...]:
        """Of the pictures' sizes and pixels (`Picture.sha256`)."""
        return tuple(self._texts("sha256"))

    @cached_property
    def geometries(self) -> tuple[Geometry, ...]:
        """How each picture was brought to the input: from there regions of the grid lie on the picture."""
        model = _size(self.key["layer"]["model_size"])
        return tuple(
            Geometry((int(h), int(w)), model, sx, sy, tx, ty)
            for h, w, sx, sy, tx, ty in self._all("geometry").tolist()
        )

    def features(self, start: int = 0, stop: int | None = None) -> Float[Tensor, "b c h w"]:
        """Features of the pictures `start` to `stop` (half-open), float32.

        Raises
        ------
        InputError
            If there are no such pictures.
        BadArtefact
            If a shard is missing or damaged.
        """
        stop = self.n_images if stop is None else stop
        if not 0 <= start <= stop <= self.n_images:
            raise InputError(
                message(
                    f"Pictures {start} to {stop} were asked for.",
                    f"The store holds {self.n_images}, and start is not beyond stop.",
                    f"Pass numbers from 0 to {self.n_images}.",
                )
            )
        out = torch.empty(stop - start, self.channels, *self.grid)
        for index, first in enumerate(self._starts[:-1].tolist()):
            a, b = max(start, first), min(stop, int(self._starts[index + 1]))
            if a < b:
                out[a - start : b - start] = self._read(index, "features", slice(a - first, b - first))
        return out

    def batches(self, size: int = 256) -> Iterator[Float[Tensor, "b c h w"]]:
        """All features in order, `size` pictures at a time, float32."""
        if size < 1:
            raise InputError(message(f"size is {size}.", "It is at least 1.", "Leave it out for 256."))
        for start in range(0, self.n_images, size):
            yield self.features(start, min(start + size, self.n_images))

    def rows(self, n_max: int, seed: int = 0, *, images: Sequence[int] | None = None) -> Float[Tensor, "n c"]:
        """Features at up to `n_max` places, drawn at random without repetition, float32.

        The places depend on the seed and the number of pictures only, not on shards. If there are no more than
        `n_max`, all of them are given, picture after picture and row after row of the grid.

        Parameters
        ----------
        n_max
            At most so many, from 1.
        seed
            Of the draw.
        images
            Numbers of the pictures to draw from; default all.
        """
        if n_max < 1:
            raise InputError(message(f"n_max is {n_max}.", "It is at least 1.", "Pass n_max=100000."))
        pool = np.arange(self.n_images) if images is None else np.asarray(images, np.int64).reshape(-1)
        if len(pool) and not 0 <= pool.min() <= pool.max() < self.n_images:
            raise InputError(
                message(
                    f"images goes from {pool.min()} to {pool.max()}.",
                    f"The store holds the pictures 0 to {self.n_images - 1}.",
                    "Pass numbers in that range.",
                )
            )
        n_cells = math.prod(self.grid)
        total = len(pool) * n_cells
        drawn = np.arange(total)
        if total > n_max:
            drawn = np.random.default_rng(seed).choice(total, n_max, replace=False)
        image, cell = pool[drawn // n_cells], drawn % n_cells
        out = torch.empty(len(drawn), self.channels)
        shards = np.searchsorted(self._starts, image, side="right") - 1
        for index in np.unique(shards).tolist():
            here = np.flatnonzero(shards == index)
            of = torch.from_numpy(image[here] - self._starts[index])
            y, x = (torch.from_numpy(at) for at in np.divmod(cell[here], self.grid[1]))
            out[torch.from_numpy(here)] = self._read(index, "features")[of, :, y, x].float()
        return out

    def verify(self) -> list[str]:
        """Which shards are missing or not as they were written, in words; empty if all SHA-256 agree.

        `extract(..., verify=True)` makes those again.
        """
        return self._job.problems()

    def __repr__(self) -> str:
        height, width = self.grid
        return f"FeatureStore({self.n_images} pictures, {self.layer}: {self.channels} x {height} x {width})"

    def _read(self, index: int, name: str, part: slice | None = None) -> Tensor:
        """An array of a shard, or some rows of it."""
        done = self._job.shards[index]
        path = self.folder / done.shard.name
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                array: Tensor = file.get_tensor(name) if part is None else file.get_slice(name)[part]
        except (OSError, safetensors.SafetensorError) as error:
            raise BadArtefact(
                message(
                    f"{path} cannot be read ({error}).",
                    f"It holds the pictures {done.shard.start} to {done.shard.stop}.",
                    "Run the same extract with verify=True, which makes missing and damaged shards again.",
                )
            ) from error
        return array

    def _all(self, name: str) -> Tensor:
        return torch.cat([self._read(index, name) for index in range(len(self._job.shards))])

    def _texts(self, name: str) -> list[Any]:
        found: list[Any] = []
        for index in range(len(self._job.shards)):
            found += json.loads(self._read(index, "about").numpy().tobytes())[name]
        return found


def _check(dtype: str, batch_size: int | None) -> None:
    if dtype not in get_args(StoredType):
        raise InputError(
            message(
                f"dtype is {dtype!r}.",
                did_you_mean(str(dtype), get_args(StoredType)),
                "Pass 'float16' (half the room) or 'float32'.",
            )
        )
    if batch_size is not None and batch_size < 1:
        raise InputError(
            message(f"batch_size is {batch_size}.", "It is at least 1.", "Leave it out for a default.")
        )


def _batch_size(backbone: Backbone) -> int:
    if backbone.device.type != "cpu":
        return BATCH_PICTURES
    return min(BATCH_PICTURES, max(1, BATCH_PIXELS // math.prod(backbone.input_size)))


def _tell_failures(store: FeatureStore, n: int) -> None:
    if not store.failed:
        return
    first = store.failed[0]
    if store.n_images == 0:
        raise InputError(
            message(
                f"None of the {n} pictures could be used; the first, {first.name}: {first.error}",
                "At least one is needed.",
                "Check what the pictures are, and choose another folder.",
            )
        )
    warnings.warn(
        f"{len(store.failed)} of {n} pictures could not be used and are left out; the first, {first.name}: "
        f"{first.error}\n  All of them stand in the failed attribute of the store.",
        stacklevel=3,
    )


def _size(sides: Sequence[int]) -> Size:
    height, width = sides
    return int(height), int(width)
