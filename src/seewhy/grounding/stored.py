"""What was stored of pictures in shards: their names, labels, hashes and geometries, and any array by its name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from torch import Tensor

from seewhy.errors import BadArtefact, InputError, message
from seewhy.images.geometry import Geometry
from seewhy.scale.job import Failure, finished
from seewhy.scale.record import Content
from seewhy.types import Size


class StoredPictures:
    """A finished job whose shards hold arrays with one row a picture, and texts about the pictures.

    Opening it reads the manifest only; parts are read when asked for.

    Parameters
    ----------
    folder
        Of the job.
    kind
        What it must hold, as its key says.

    Raises
    ------
    InputError
        If there is none, or it is not finished.
    BadArtefact
        If its manifest is damaged, or it holds something else.
    """

    def __init__(self, folder: Path | str, kind: str) -> None:
        self._job = finished(folder)
        self.folder = self._job.folder
        self.key: Mapping[str, Any] = self._job.key
        if self.key.get("kind") != kind:
            raise BadArtefact(
                message(
                    f"{self.folder} holds {self.key.get('kind', 'the result of another job')!r}.",
                    f"Here {kind!r} is needed.",
                    "Pass the folder of such a store.",
                )
            )
        self._starts = np.cumsum([0, *(done.n for done in self._job.shards)])

    @property
    def n_images(self) -> int:
        """How many pictures are stored; those that failed are not counted."""
        return int(self._starts[-1])

    def __len__(self) -> int:
        return self.n_images

    @property
    def content_key(self) -> str:
        """SHA-256 of everything that was asked for: equal for stores of equal content."""
        return Content(self.key, tuple(done.shard for done in self._job.shards)).sha256

    @property
    def failed(self) -> tuple[Failure, ...]:
        """The pictures that are not here: number and name in what was asked for, and why."""
        return self._job.failed

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

    @property
    def geometries(self) -> tuple[Geometry, ...]:
        """How each picture was brought to the input: from there cells lie on the picture."""
        model = size_of(self.key["view"]["size"])
        return tuple(
            Geometry((int(h), int(w)), model, sx, sy, tx, ty)
            for h, w, sx, sy, tx, ty in self._geometry.tolist()
        )

    def verify(self) -> list[str]:
        """Which shards are missing or not as they were written, in words; empty if all SHA-256 agree.

        `build(..., verify=True)` makes those again.
        """
        return self._job.problems()

    # ------------------------------------------------------------------ reading

    @cached_property
    def _geometry(self) -> Tensor:
        return self._all("geometry")

    def _parts(self, start: int, stop: int | None) -> tuple[int, int, list[tuple[int, slice, slice]]]:
        """A range of pictures, and per shard that it touches which of its rows go where."""
        stop = self.n_images if stop is None else stop
        if not 0 <= start <= stop <= self.n_images:
            raise InputError(
                message(
                    f"Pictures {start} to {stop} were asked for.",
                    f"The store holds {self.n_images}, and start is not beyond stop.",
                    f"Pass numbers from 0 to {self.n_images}.",
                )
            )
        found = []
        for index, first in enumerate(self._starts[:-1].tolist()):
            a, b = max(start, first), min(stop, int(self._starts[index + 1]))
            if a < b:
                found.append((index, slice(a - first, b - first), slice(a - start, b - start)))
        return start, stop, found

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
                    "Run the same build with verify=True, which makes missing and damaged shards again.",
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

    def _numbers(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        chosen = np.asarray(indices)
        if chosen.dtype.kind not in "iu" and len(chosen):
            raise InputError(
                message(
                    f"indices is {chosen.dtype} of shape {chosen.shape}.",
                    "It lists numbers of pictures.",
                    "Pass whole numbers, np.flatnonzero(mask) for instance.",
                )
            )
        chosen = chosen.astype(np.int64).reshape(-1)
        if len(chosen) and not 0 <= chosen.min() <= chosen.max() < self.n_images:
            raise InputError(
                message(
                    f"indices goes from {chosen.min()} to {chosen.max()}.",
                    f"The store holds the pictures 0 to {self.n_images - 1}.",
                    "Pass numbers in that range.",
                )
            )
        return chosen


def size_of(sides: Sequence[int]) -> Size:
    """A pair of sides that came out of JSON."""
    height, width = sides
    return int(height), int(width)
