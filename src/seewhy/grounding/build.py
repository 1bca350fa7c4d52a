"""Pictures, a VLM and a prompter become a store of local embeddings: a job that can be killed."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seewhy.errors import InputError, message
from seewhy.grounding.base import Prompter
from seewhy.grounding.extraction import Extraction, embed
from seewhy.grounding.rows import StoredType
from seewhy.grounding.store import (
    KIND,
    LocalEmbeddingStore,
    check_dtype,
    per_shard_of,
    told_of_view,
    told_of_vlm,
)
from seewhy.images.catalogue import Catalogue
from seewhy.images.picture import Picture
from seewhy.images.preprocess import Preprocess
from seewhy.scale.job import Executor, Job, Progress, plan
from seewhy.scale.record import MANIFEST
from seewhy.vlms.base import VLM

BATCH_PICTURES = 32
BATCH_PIXELS = 32 * 112 * 112
"""On the CPU as many pictures at once as have so many pixels: more cost more time there, not less."""


def build(
    vlm: VLM,
    prompter: Prompter,
    images: Any,
    folder: Path | str,
    *,
    view: Preprocess | None = None,
    labels: Sequence[object] | None = None,
    batch_size: int | None = None,
    per_shard: int | None = None,
    dtype: StoredType = "float16",
    verify: bool = False,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> LocalEmbeddingStore:
    """Store the local embeddings of pictures, or go on with it, or open what is there.

    Costs the prompter's passes of the VLM for each picture (for a prompter that draws, one a cell) and one more.
    Killed at any moment and called again with the same arguments, it makes at most one shard again, and the folder
    is, byte for byte, that of an undisturbed run on the same machine and number of threads.

    Parameters
    ----------
    vlm
        The model of pictures and words.
    prompter
        How it is pointed at cells, for instance `RedCircle()`.
    images
        As for `read_images`. Generators, data loaders and open files are read into memory first.
    folder
        New, empty, or that of the same store.
    view
        From a picture to the VLM's input; `common_view(backbone.preprocess, vlm.preprocess)` shows it what the
        backbone sees. Default: the VLM's own.
    labels
        One per picture (None: unknown); default what folders and data sets say.
    batch_size
        Pictures at once; default 32, fewer for large inputs on the CPU. Their prompts are cut by the prompter's
        `at_once`.
    per_shard
        Pictures per shard; default about 64 MB, at most 1024.
    dtype
        Of the embeddings: "float16", "int8" (half of it; similarities are off by about .001) or "float32".
    verify
        Look at the SHA-256 of every shard that is there, and make those that differ again.
    executor
        Who works; default this process.
    progress
        Told (done, total) pictures after each shard.

    Raises
    ------
    InputError
        If there is no picture, none can be used, an option is wrong, `view` is not for this VLM, or the folder
        cannot be written.
    NotSupported
        If the VLM cannot do what the prompter asks for.
    BadArtefact
        If the folder holds something else, for instance the store of another VLM, prompter or view; the message
        names what differs.

    Notes
    -----
    A picture that cannot be read, or whose embeddings are refused (not finite, say), is left out, recorded in
    `failed` and in the manifest, and counted in a warning. Other pictures are told from those of an interrupted call
    as in `concepts.store.extract`.
    """
    catalogue = Catalogue(images, labels)
    check_dtype(dtype)
    if batch_size is not None and batch_size < 1:
        raise InputError(
            message(f"batch_size is {batch_size}.", "It is at least 1.", "Leave it out for a default.")
        )
    view = vlm.preprocess if view is None else view
    _check_view(view, vlm)
    grid = prompter.grid or vlm.token_grid
    if batch_size is None:
        batch_size = _batch_size(vlm)
    if per_shard is None:
        per_shard = per_shard_of(grid, vlm.dim, dtype)
    key = {
        "kind": KIND,
        "vlm": told_of_vlm(vlm),
        "prompter": prompter.describe(),
        "view": told_of_view(view),
        "grid": list(grid),
        "dim": vlm.dim,
        "dtype": dtype,
        "batch_size": batch_size,
        "pictures": {"n": len(catalogue), "sha256": catalogue.digest()},
    }
    work = Extraction(vlm, prompter, view, grid, catalogue, dtype, batch_size)
    job = Job(Path(folder), key, plan(len(catalogue), per_shard), work)
    if not (job.folder / MANIFEST).exists():
        # Once before anything is written, so that what cannot work is told now and not for every picture.
        embed(vlm, prompter, view, grid, [_sample()])
    job.run(executor, progress, verify=verify)
    store = LocalEmbeddingStore(folder)
    _tell_failures(store, len(catalogue))
    return store


def _check_view(view: Preprocess, vlm: VLM) -> None:
    wants = vlm.preprocess
    for name in ("size", "mean", "std", "channels", "bgr"):
        have, want = getattr(view, name), getattr(wants, name)
        if have != want:
            raise InputError(
                message(
                    f"The view has {name}={have}.",
                    f"{vlm.name} takes pictures with {name}={want}.",
                    "Make it with common_view(backbone.preprocess, vlm.preprocess).",
                )
            )


def _batch_size(vlm: VLM) -> int:
    if vlm.device.type != "cpu":
        return BATCH_PICTURES
    return min(BATCH_PICTURES, max(1, BATCH_PIXELS // math.prod(vlm.preprocess.size)))


def _sample() -> Picture:
    """A picture of no meaning on which everything can be tried."""
    return Picture(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8), "a picture of noise")


def _tell_failures(store: LocalEmbeddingStore, n: int) -> None:
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
