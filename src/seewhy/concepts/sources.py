"""Where a projection reads from: arrays of many pictures, a batch at a time, always by the pictures' numbers.

A source has `n` pictures of `channels` on a `grid` and gives any of them when asked by number. Features and
teacher are two sources of the same pictures; `Pairs` brings them together: by the pictures' identities where both
know them, on one grid, in one type, on one device. Nothing here holds more than a batch, unless it was given more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from seewhy.concepts.similarity import center_by_image, widened
from seewhy.concepts.store import FeatureStore
from seewhy.errors import InputError, message
from seewhy.types import Size

GAP = 16
"""Stores are read in spans: so many pictures that nobody asked for are read along rather than starting anew."""


@runtime_checkable
class Source(Protocol):
    """Arrays of n pictures, read in batches."""

    @property
    def n(self) -> int:
        """How many pictures."""

    @property
    def channels(self) -> int:
        """Values per place: channels of features, concepts of a teacher."""

    @property
    def grid(self) -> Size:
        """(height, width)."""

    @property
    def ids(self) -> tuple[str, ...] | None:
        """What each picture is, the same in every source that has it; None if unknown."""

    def batch(self, numbers: Int[Tensor, " b"]) -> Float[Tensor, "b c h w"]:
        """Of these pictures, in this order."""


@runtime_checkable
class HasWhole(Protocol):
    """A teacher that also knows each whole picture's values."""

    def whole(self, numbers: Int[Tensor, " b"]) -> Float[Tensor, "b m"]:
        """Of these pictures, without a prompt."""


class LocalStore(Protocol):
    """What a store of local image embeddings offers (`grounding`'s does)."""

    @property
    def n_images(self) -> int: ...
    @property
    def grid(self) -> Size: ...
    @property
    def sha256(self) -> tuple[str, ...]: ...
    @property
    def unprompted(self) -> Float[Tensor, "n d"]: ...
    @property
    def dim(self) -> int: ...
    def select(self, indices: np.ndarray) -> Float[Tensor, "b h w d"]: ...


class TensorSource:
    """An array (n, channels, height, width) in memory; it is not copied."""

    def __init__(self, values: Float[Tensor, "n c h w"], ids: Sequence[str] | None = None) -> None:
        if not isinstance(values, Tensor) or values.ndim != 4 or not values.is_floating_point():
            got = (
                f"{values.dtype} {tuple(values.shape)}"
                if isinstance(values, Tensor)
                else type(values).__name__
            )
            raise InputError(
                message(
                    f"Features or a teacher came as {got}.",
                    "They are floating-point tensors (pictures, channels, height, width), or stores.",
                    "Give pooled features a grid of 1 x 1 with x[:, :, None, None].",
                )
            )
        self.values = values.detach()
        self.n, self.channels = int(values.shape[0]), int(values.shape[1])
        self.grid: Size = (int(values.shape[2]), int(values.shape[3]))
        self.ids = None if ids is None else tuple(ids)

    def batch(self, numbers: Int[Tensor, " b"]) -> Float[Tensor, "b c h w"]:
        """Of these pictures, in this order."""
        return self.values.index_select(0, numbers.to(self.values.device))


class StoredFeatures:
    """The features of a store; pooled over places to 1 x 1 if wished, as Label-Free CBM takes them."""

    def __init__(self, store: FeatureStore, *, pooled: bool = False) -> None:
        self.store, self.pooled = store, pooled
        self.n, self.channels = store.n_images, store.channels
        self.grid: Size = (1, 1) if pooled else store.grid

    @property
    def ids(self) -> tuple[str, ...]:
        """SHA-256 of the pictures."""
        return self.store.sha256

    def batch(self, numbers: Int[Tensor, " b"]) -> Float[Tensor, "b c h w"]:
        """Of these pictures, in this order."""
        features = by_number(self.store.features, numbers)
        return features.mean((2, 3), keepdim=True) if self.pooled else features


class LocalSimilarity:
    """The teacher P = <E, T>: cosines of local image embeddings and texts, made per batch and never stored.

    Parameters
    ----------
    store
        Local embeddings of the pictures.
    text
        Unit embeddings of the concepts.
    """

    def __init__(self, store: LocalStore, text: Float[Tensor, "m d"]) -> None:
        self.store, self.text = store, _unit(text, store.dim)
        self.n, self.channels = store.n_images, int(text.shape[0])
        self.grid: Size = store.grid

    @property
    def ids(self) -> tuple[str, ...]:
        """SHA-256 of the pictures."""
        return self.store.sha256

    def batch(self, numbers: Int[Tensor, " b"]) -> Float[Tensor, "b m h w"]:
        """Of these pictures, in this order."""
        local = widened(self.store.select(numbers.cpu().numpy()))
        return (local @ self.text.to(local).T).permute(0, 3, 1, 2)

    def whole(self, numbers: Int[Tensor, " b"]) -> Float[Tensor, "b m"]:
        """The same of the whole pictures, without a prompt."""
        embeddings = widened(self.store.unprompted[numbers])
        return embeddings @ self.text.to(embeddings).T


class WholeSimilarity(LocalSimilarity):
    """The teacher of Label-Free CBM: the whole pictures' cosines, on a grid of 1 x 1."""

    def __init__(self, store: LocalStore, text: Float[Tensor, "m d"]) -> None:
        super().__init__(store, text)
        self.grid = (1, 1)

    def batch(self, numbers: Int[Tensor, " b"]) -> Float[Tensor, "b m h w"]:
        """Of these pictures, in this order."""
        return self.whole(numbers)[:, :, None, None]


def as_source(x: Tensor | FeatureStore | Source) -> Source:
    """A tensor or a feature store as a source; a source as it is."""
    if isinstance(x, FeatureStore):
        return StoredFeatures(x)
    return x if isinstance(x, Source) and not isinstance(x, Tensor) else TensorSource(x)


def by_number(read: Callable[[int, int], Tensor], numbers: Int[Tensor, " b"]) -> Tensor:
    """Rows by number, in the order asked for, from something that reads spans: near ones in one reading."""
    wanted, back = torch.unique(numbers.cpu(), return_inverse=True)
    cuts = (torch.nonzero(wanted.diff() > GAP)[:, 0] + 1).tolist()
    parts = []
    for span in torch.tensor_split(wanted, cuts):
        first = int(span[0])
        rows = read(first, int(span[-1]) + 1)
        parts.append(rows[span - first])
    return torch.cat(parts)[back]


def parts_of(numbers: Int[Tensor, " n"], size: int) -> Iterator[Int[Tensor, " b"]]:
    """`size` at a time, the last with what is left."""
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def resampling(source: Size, target: Size) -> Float[Tensor, "t s"] | None:
    """The matrix that resamples maps from one grid to another, row-major places; None if they are equal.

    Bilinear with `align_corners=False`, as SALF-CBM's maps are brought to the teacher's grid; being linear, it may
    be applied before or after the projection, and its transpose brings gradients back.
    """
    if source == target:
        return None
    places = source[0] * source[1]
    one_hot = torch.eye(places, dtype=torch.float64).view(places, 1, *source)
    out = functional.interpolate(one_hot, target, mode="bilinear", align_corners=False)
    return out.flatten(1).T.contiguous()


class Pairs:
    """Features and teacher of the same pictures.

    Products with features cost more than resampling, so they are made on the grid with fewer places: finer features
    are resampled when they are read, coarser ones give coarse maps, which `up` then brings to the teacher's grid.

    Attributes
    ----------
    n
        Pictures that both have.
    left_out
        Pictures that only one of them has.
    """

    def __init__(
        self,
        features: Source,
        teacher: Source,
        *,
        center: str | None = None,
        unprompted: Float[Tensor, "n m"] | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        self.features, self.teacher = features, teacher
        self.channels, self.concepts, self.grid = features.channels, teacher.channels, teacher.grid
        if min(self.channels, self.concepts) < 1:
            raise InputError(
                message(
                    f"There are {self.channels} channels and {self.concepts} concepts.",
                    "There is one of each at least.",
                    "Check the layer and the vocabulary.",
                )
            )
        self._feature_numbers, self._teacher_numbers, self.left_out = _matched(features, teacher)
        self.n = len(self._feature_numbers)
        self._whole = _whole(teacher, center, unprompted)
        first = torch.zeros(min(1, self.n), dtype=torch.long)
        probe_f, probe_t = features.batch(first), teacher.batch(first)
        self.dtype = torch.promote_types(widened(probe_f).dtype, widened(probe_t).dtype)
        self.device = torch.device(device) if device is not None else probe_f.device
        matrix = resampling(features.grid, teacher.grid)
        coarse = features.grid[0] * features.grid[1] < teacher.grid[0] * teacher.grid[1]
        matrix = None if matrix is None else matrix.to(self.device, self.dtype)
        self._down = None if coarse else matrix
        self.up = matrix if coarse else None

    def batch(self, numbers: Int[Tensor, " b"]) -> tuple[Float[Tensor, "b c s"], Float[Tensor, "b m gh gw"]]:
        """Features (places in one row) and teacher of pictures 0 to n - 1."""
        f = self._here(self.features.batch(self._feature_numbers[numbers])).flatten(2)
        if self._down is not None:
            f = f @ self._down.T
        of = self._teacher_numbers[numbers]
        p = self._here(self.teacher.batch(of))
        if self._whole is not None:
            p = center_by_image(p, self._here(self._whole(of)))
        return f, p

    def batches(
        self, numbers: Int[Tensor, " n"], size: int
    ) -> Iterator[tuple[Float[Tensor, "b c s"], Float[Tensor, "b m gh gw"]]]:
        """All of these, `size` pictures at a time."""
        for part in parts_of(numbers, size):
            yield self.batch(part)

    def _here(self, x: Tensor) -> Tensor:
        return x.to(self.device, self.dtype)


def _unit(text: Tensor, dim: int) -> Tensor:
    text = widened(text)
    if text.ndim != 2 or text.shape[1] != dim or not bool(((text.norm(dim=1) - 1).abs() < 1e-3).all()):
        raise InputError(
            message(
                f"Text embeddings are {tuple(text.shape)}, of lengths {text.norm(dim=-1).min():.3g} and more.",
                f"They are (concepts, {dim}), each of length 1, so that products are cosines.",
                "Embed the texts with the store's own image-text model, and divide each row by its norm.",
            )
        )
    return text


def _matched(features: Source, teacher: Source) -> tuple[Tensor, Tensor, int]:
    """Numbers of the same pictures in both."""
    if features.ids is None or teacher.ids is None or features.ids == teacher.ids:
        if features.n != teacher.n:
            raise InputError(
                message(
                    f"Features are of {features.n} pictures, the teacher of {teacher.n}.",
                    "Both are of the same pictures in the same order, or know their pictures' identities.",
                    "Make both from one list, or pass stores, which match pictures by content.",
                )
            )
        return torch.arange(features.n), torch.arange(teacher.n), 0
    where = {id_: number for number, id_ in enumerate(teacher.ids)}
    kept = [(i, where[id_]) for i, id_ in enumerate(features.ids) if id_ in where]
    if not kept:
        raise InputError(
            message(
                f"None of the {features.n} pictures of the features is among the teacher's {teacher.n}.",
                "Both are of the same pictures.",
                "Make both stores from one list of pictures.",
            )
        )
    both = {features.ids[i] for i, _ in kept}
    left_out = len(set(features.ids) | set(teacher.ids)) - len(both)
    f, t = torch.tensor(kept).unbind(1)
    return f, t, left_out


def _whole(
    teacher: Source, center: str | None, unprompted: Tensor | None
) -> Callable[[Tensor], Tensor] | None:
    if center not in (None, "image"):
        raise InputError(
            message(
                f"center is {center!r}.",
                "It is 'image' (subtract each whole picture's similarity) or None.",
                "Leave it out.",
            )
        )
    if center is None:
        return None
    if unprompted is not None:
        if unprompted.shape != (teacher.n, teacher.channels):
            raise InputError(
                message(
                    f"unprompted is {tuple(unprompted.shape)}.",
                    f"It is ({teacher.n}, {teacher.channels}): one value per picture and concept.",
                    "Take it from the same teacher.",
                )
            )
        return lambda numbers: unprompted.index_select(0, numbers.to(unprompted.device))
    if isinstance(teacher, HasWhole):
        return teacher.whole
    raise InputError(
        message(
            "center='image' was asked for, and the teacher does not know its whole pictures.",
            "Each whole picture's similarity is subtracted.",
            "Pass unprompted of shape (pictures, concepts), or a LocalSimilarity.",
        )
    )
