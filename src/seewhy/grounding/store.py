"""A VLM's embedding of each cell of many pictures, on the disk: made once, asked with any words.

Embeddings are kept and not similarities: another vocabulary is then one matrix product and no pass of a picture, and
the room does not depend on how many words there are. Shards of whole pictures in order (`scale.job`), each with
embeddings (n, gh, gw, d), those of the whole pictures (n, d), the share of red pixels, and per picture its name,
label, SHA-256 and geometry. Pictures that could not be used stand in the manifest with the reason.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.errors import BadArtefact, InputError, did_you_mean, message
from seewhy.grounding.base import Prompter
from seewhy.grounding.extraction import about, check_units, embed
from seewhy.grounding.rows import StoredType, decoded, encoded, half, parts
from seewhy.grounding.stored import StoredPictures, size_of
from seewhy.images.catalogue import Catalogue
from seewhy.images.preprocess import Preprocess
from seewhy.scale.job import Job, Piece, Shard, plan
from seewhy.scale.record import Content, differences
from seewhy.types import Size
from seewhy.vlms.base import VLM

KIND = "local embeddings"
SHARD_BYTES = 64_000_000
"""A shard holds about this much, so that little is lost with one and a folder does not fill with thousands."""
SHARD_PICTURES = 1024

_BYTES = {"float16": 2, "int8": 1, "float32": 4}
_NOT_TOLD = ("notes", "supports", "sha256", "preprocess")
"""What a VLM says of itself that a key does not need: its fingerprint and the view stand there as they are."""


def told_of_vlm(vlm: VLM) -> dict[str, Any]:
    """What tells a VLM from others, as a store's key has it."""
    return {
        **{name: value for name, value in vlm.describe().items() if name not in _NOT_TOLD},
        "fingerprint": vlm.fingerprint(),
    }


def told_of_view(view: Preprocess) -> dict[str, Any]:
    """What a view does; where its recipe was found does not change that."""
    return {name: value for name, value in view.to_dict().items() if name != "source"}


class LocalEmbeddingStore(StoredPictures):
    """What `build` stored. Opening it reads the manifest only; parts are read when asked for.

    Parameters
    ----------
    folder
        Of a finished `build` or `write_slice`.

    Raises
    ------
    InputError
        If there is none, or it is not finished.
    BadArtefact
        If its manifest is damaged, or it holds something else.
    """

    def __init__(self, folder: Path | str) -> None:
        super().__init__(folder, KIND)
        self.grid, self.dim = size_of(self.key["grid"]), int(self.key["dim"])
        self.dtype: StoredType = self.key["dtype"]

    @property
    def view(self) -> Preprocess:
        """How pictures were brought to the VLM's input."""
        return Preprocess(**self.key["view"], source="the store")

    @cached_property
    def unprompted(self) -> Float[Tensor, "n d"]:
        """Unit embeddings of the whole pictures, float32."""
        return decoded("unprompted", {"unprompted": self._all("unprompted")})

    @cached_property
    def red(self) -> Float[Tensor, " n"]:
        """Share of red pixels in what the VLM saw of each picture, 0 to 1 (`red.is_red`)."""
        return self._all("red")

    # ------------------------------------------------------------------ parts

    def embeddings(self, start: int = 0, stop: int | None = None) -> Float[Tensor, "b gh gw d"]:
        """Unit embeddings of the cells of the pictures `start` to `stop` (half-open), float32.

        Raises
        ------
        InputError
            If there are no such pictures.
        BadArtefact
            If a shard is missing or damaged.
        """
        start, stop, found = self._parts(start, stop)
        out = torch.empty(stop - start, *self.grid, self.dim)
        names = parts("embeddings", self.dtype)
        for index, rows, to in found:
            out[to] = decoded("embeddings", {name: self._read(index, name, rows) for name in names})
        return out

    def select(self, indices: Sequence[int] | np.ndarray) -> Float[Tensor, "b gh gw d"]:
        """Unit embeddings of some pictures in the given order, float32; a number may come again.

        Raises
        ------
        InputError
            If there are no such pictures.
        BadArtefact
            If a shard is missing or damaged.
        """
        chosen = self._numbers(indices)
        names = parts("embeddings", self.dtype)
        return decoded("embeddings", {name: self._gather(name, chosen) for name in names})

    def batches(self, size: int = 256) -> Iterator[Float[Tensor, "b gh gw d"]]:
        """All embeddings in order, `size` pictures at a time, float32."""
        if size < 1:
            raise InputError(message(f"size is {size}.", "It is at least 1.", "Leave it out for 256."))
        for start in range(0, self.n_images, size):
            yield self.embeddings(start, min(start + size, self.n_images))

    def similarity(
        self, text: Float[Tensor, "m d"], start: int = 0, stop: int | None = None
    ) -> Float[Tensor, "b m gh gw"]:
        """Cosine of every cell with every text, float32: one matrix product and no pass of a picture.

        Parameters
        ----------
        text
            Unit embeddings by the VLM of this store (`require` tells whether it is).
        start, stop
            Of the pictures, half-open; default all.

        Raises
        ------
        InputError
            If `text` has another width, holds NaN, or its rows are not unit vectors, or as `embeddings`.
        BadArtefact
            As `embeddings`.
        """
        words = self._checked_text(text)
        local = self.embeddings(start, stop)
        return (local @ words.T).movedim(-1, 1).contiguous()

    def similarities(
        self, text: Float[Tensor, "m d"], size: int = 256
    ) -> Iterator[Float[Tensor, "b m gh gw"]]:
        """`similarity` of all pictures in order, `size` at a time."""
        for start in range(0, self.n_images, size):
            yield self.similarity(text, start, min(start + size, self.n_images))

    # ------------------------------------------------------------------ is it what it says

    def require(
        self, vlm: VLM | None = None, prompter: Prompter | None = None, view: Preprocess | None = None
    ) -> None:
        """Refuse the store unless it was made with these.

        Raises
        ------
        BadArtefact
            If it was not; the message names what differs.
        """
        told: dict[str, Any] = {}
        if vlm is not None:
            told["vlm"] = told_of_vlm(vlm)
        if prompter is not None:
            told["prompter"] = prompter.describe()
        if view is not None:
            told["view"] = told_of_view(view)
        there, here = Content.of({name: self.key[name] for name in told}, ()), Content.of(told, ())
        if differ := differences(there, here):
            raise BadArtefact(
                message(
                    f"The store in {self.folder} was made otherwise: {'; '.join(differ[:4])}.",
                    "Embeddings compare only within one VLM, one prompter and one view of the pictures.",
                    "Pass what it was made with, or build another store.",
                )
            )

    def recompute(self, vlm: VLM, prompter: Prompter, images: Any, *, k: int = 8, seed: int = 0) -> float:
        """Embed some of the pictures again, and give the largest distance to what is stored.

        Parameters
        ----------
        vlm, prompter
            Those that the store was made with; others are refused.
        images
            The pictures again, all of them and in the same order.
        k
            How many are drawn; at most all.
        seed
            Of the draw.

        Returns
        -------
        distance
            Largest distance of two unit vectors that should be equal; no similarity is off by more. Rounding to
            "float16" gives about .0003, to "int8" about .01.

        Raises
        ------
        BadArtefact
            If the store was made with another VLM or prompter, or as `embeddings`.
        InputError
            If these are not its pictures, or k is below 1.
        """
        if k < 1:
            raise InputError(message(f"k is {k}.", "At least one picture is needed.", "Pass k=8."))
        self.require(vlm, prompter)
        catalogue = Catalogue(images)
        n_asked = self.n_images + len(self.failed)
        if len(catalogue) != n_asked:
            raise InputError(
                message(
                    f"There are {len(catalogue)} pictures.",
                    f"The store was made of {n_asked}.",
                    "Pass the same pictures in the same order.",
                )
            )
        absent = {failure.item for failure in self.failed}
        items = [item for item in range(n_asked) if item not in absent]
        drawn = np.random.default_rng(seed).choice(self.n_images, min(k, self.n_images), replace=False)
        largest = 0.0
        for row in sorted(drawn.tolist()):
            picture = catalogue.read(items[row])
            if picture.sha256 != self.sha256[row]:
                raise InputError(
                    message(
                        f"{picture.name} is not the picture that is stored as {self.names[row]}.",
                        "Its pixels or size differ.",
                        "Pass the same pictures in the same order.",
                    )
                )
            found = embed(vlm, prompter, self.view, self.grid, [picture])
            local = (found.local - self.select([row])).norm(dim=-1).max()
            whole = (found.unprompted - self.unprompted[row]).norm()
            largest = max(largest, float(local), float(whole))
        return largest

    # ------------------------------------------------------------------ a part as a store of its own

    def write_slice(
        self,
        folder: Path | str,
        indices: Sequence[int] | np.ndarray,
        *,
        dtype: StoredType | None = None,
        per_shard: int | None = None,
    ) -> LocalEmbeddingStore:
        """Write some of the pictures as a smaller store.

        Parameters
        ----------
        folder
            New, empty, or that of the same slice.
        indices
            Numbers of the pictures, in the order that the slice shall have.
        dtype
            Of its embeddings; default that of this store. "int8" is for slices that are shipped.
        per_shard
            Pictures per shard; default as for `build`.

        Raises
        ------
        InputError
            If there are no such pictures, or none, or the folder cannot be written.
        BadArtefact
            If the folder holds something else, or a shard of this store is missing or damaged.
        """
        chosen = self._numbers(indices)
        if not len(chosen):
            raise InputError(message("indices is empty.", "A slice holds a picture.", "Pass at least one."))
        dtype = self.dtype if dtype is None else dtype
        check_dtype(dtype)
        sha256 = [self.sha256[i] for i in chosen]
        key = {
            **self.key,
            "dtype": dtype,
            "slice": {"of": self.content_key, "indices": _digest(chosen.tolist())},
            "pictures": {"n": len(chosen), "sha256": _digest(sha256)},
        }
        shards = plan(len(chosen), per_shard or per_shard_of(self.grid, self.dim, dtype))
        Job(Path(folder), key, shards, _Slice(self, tuple(chosen.tolist()), dtype)).run()
        return LocalEmbeddingStore(folder)

    def __repr__(self) -> str:
        height, width = self.grid
        return (
            f"LocalEmbeddingStore({self.n_images} pictures, {height} x {width} cells, {self.dim} numbers, "
            f"{self.key['vlm']['id']})"
        )

    def _checked_text(self, text: Tensor) -> Float[Tensor, "m d"]:
        if not isinstance(text, Tensor) or text.ndim != 2 or text.shape[1] != self.dim or not len(text):
            got = tuple(text.shape) if isinstance(text, Tensor) else type(text).__name__
            raise InputError(
                message(
                    f"The text embeddings are {got}.",
                    f"The embeddings of this store have {self.dim} numbers: a tensor (m, {self.dim}), m at least 1.",
                    f"Embed the texts with its VLM, {self.key['vlm']['id']}.",
                )
            )
        words = text.detach().cpu().float()
        check_units(words, tuple(words.shape), "Whoever embedded the texts")
        return words

    def _gather(self, name: str, chosen: np.ndarray) -> Tensor:
        """An array of some pictures as it is stored, in their order."""
        shards = np.searchsorted(self._starts, chosen, side="right") - 1
        out: Tensor | None = None
        for index in np.unique(shards).tolist():
            here = np.flatnonzero(shards == index)
            of = chosen[here] - self._starts[index]
            low, high = int(of.min()), int(of.max()) + 1
            rows = self._read(index, name, slice(low, high))[torch.from_numpy(of - low)]
            if out is None:
                out = rows.new_empty(len(chosen), *rows.shape[1:])
            out[torch.from_numpy(here)] = rows
        return self._read(0, name, slice(0, 0)) if out is None else out


@dataclass(frozen=True)
class _Slice:
    """What is done with one shard of a slice: rows are copied, and coded again only for another dtype."""

    store: LocalEmbeddingStore
    indices: tuple[int, ...]
    dtype: StoredType

    def __call__(self, shard: Shard) -> Piece:
        store, of = self.store, self.indices[shard.start : shard.stop]
        names = ["unprompted", "red", "geometry"]
        new: dict[str, Tensor] = {}
        if self.dtype == store.dtype:
            names += parts("embeddings", store.dtype)
        else:
            new |= encoded("embeddings", store.select(of), self.dtype)
            new |= encoded("unprompted", store.unprompted[list(of)], half(self.dtype))
        new = {name: store._gather(name, np.array(of)) for name in names} | new
        texts = about(*([getattr(store, name)[i] for i in of] for name in ("names", "labels", "sha256")))
        return Piece({**{name: array.numpy() for name, array in new.items()}, "about": texts})


def check_dtype(dtype: str) -> None:
    """Refuse a type that rows cannot be stored in."""
    if dtype not in get_args(StoredType):
        raise InputError(
            message(
                f"dtype is {dtype!r}.",
                did_you_mean(str(dtype), get_args(StoredType)),
                "Pass 'float16', 'int8' (half the room) or 'float32'.",
            )
        )


def per_shard_of(grid: Size, dim: int, dtype: StoredType) -> int:
    """Pictures that fill a shard."""
    return min(SHARD_PICTURES, max(1, SHARD_BYTES // (math.prod(grid) * dim * _BYTES[dtype])))


def _digest(values: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(list(values)).encode()).hexdigest()
