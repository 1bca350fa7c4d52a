"""What a dictionary of concepts is: atoms in feature space, codes over them, and one fit for every method.

    features (n, c)  --encode-->  codes (n, k)  --decode-->  mean + codes @ atoms (n, c)                (1)

Checking what comes, sampling rows, reporting, maps of pictures, names and files are done here once; a method's
class holds how it finds atoms (`_solve`) and codes (`_encode`). The common form is that of Fel et al., NeurIPS
2023 (arXiv 2306.07304): k-means, PCA, NMF and sparse autoencoders differ in what they demand of codes and atoms.
"""

from __future__ import annotations

import inspect
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.concepts import saving
from seewhy.concepts.dictionaries import DICTIONARIES
from seewhy.concepts.quality import rel_l2, sparsity
from seewhy.errors import BadArtefact, InputError, NotFitted, UnknownConcept, did_you_mean, message


@dataclass(frozen=True)
class FitReport:
    """How a fit went.

    `rows` were used of `rows_given`; `rel_l2` and `sparsity` are of those used. `dead_channels` never change,
    `unused_concepts` are never active. `seconds` is wall time, and None once loaded from a file, so that the
    same fit gives the same file.
    """

    rows: int
    rows_given: int
    rel_l2: float
    sparsity: float
    iterations: int
    solver: str
    converged: bool
    dead_channels: tuple[int, ...] = ()
    unused_concepts: tuple[int, ...] = ()
    seconds: float | None = field(default=None, compare=False)


@dataclass(frozen=True, eq=False)
class Solution:
    """What a method found; `problem` says in words why it has not converged."""

    atoms: Float[Tensor, "k c"]
    mean: Float[Tensor, " c"]
    iterations: int
    solver: str
    problem: str | None = None


@dataclass(frozen=True, eq=False)
class _Fitted:
    atoms: Float[Tensor, "k c"]
    mean: Float[Tensor, " c"]
    scales: Float[Tensor, " k"]
    report: FitReport


_BLANK = FitReport(0, 0, 0.0, 0.0, 0, "", True)


class Dictionary(ABC):
    """Base of dictionaries.

    Parameters
    ----------
    n_concepts
        How many atoms, 1 or more.
    seed
        For everything drawn; the global generators are neither read nor moved.
    max_rows
        Fit on so many rows at most, drawn with `seed`; None for all.

    Attributes
    ----------
    needs_nonnegative, nonnegative_codes
        What the method asks of features, and promises of codes.
    differentiable
        Whether codes move with the features; where not, their gradient is zero.

    Examples
    --------
    >>> from seewhy.concepts.factorise import PCA
    >>> line = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    >>> PCA(1).fit(line).report.rel_l2 < 1e-6
    True
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    needs_nonnegative: ClassVar[bool] = False
    nonnegative_codes: ClassVar[bool] = True
    differentiable: ClassVar[bool] = True

    def __init__(self, n_concepts: int = 10, *, seed: int = 0, max_rows: int | None = None) -> None:
        self.n_concepts = count("n_concepts", n_concepts)
        self.seed = count("seed", seed, least=0)
        self.max_rows = None if max_rows is None else count("max_rows", max_rows)
        self._fitted: _Fitted | None = None
        self._names = tuple(f"concept {k}" for k in range(self.n_concepts))

    @abstractmethod
    def _solve(self, rows: Float[Tensor, "n c"]) -> Solution:
        """Find atoms for checked rows; runs without gradients."""

    @abstractmethod
    def _encode(self, features: Float[Tensor, "n c"]) -> Float[Tensor, "n k"]:
        """Codes for checked features."""

    def fit(self, features: Float[Tensor, "n c"]) -> Self:
        """Find the atoms of these rows.

        Parameters
        ----------
        features
            Rows of features, finite, in any floating type and on any device, where the atoms then stay (as
            float32). The same features, seed and machine give the same bytes.

        Raises
        ------
        InputError
            If there are fewer rows than concepts, values are not finite or all equal, or the method demands
            what they are not.

        Warns
        -----
        RuntimeWarning
            If the method did not converge.
        """
        started = time.perf_counter()
        features = _floating(features, 2, "fit", "(rows, channels)").detach()
        self._check_rows(features)
        with torch.inference_mode(False), torch.no_grad():  # atoms may enter a gradient later
            rows = self._sample(features)
            constant = rows.amax(0) == rows.amin(0)
            if constant.all():
                raise InputError(
                    message(
                        f"All {rows.shape[1]} channels are constant over the {len(rows):,} rows.",
                        "Concepts are found in what differs between places.",
                        "Check the layer, and that different pictures reached it.",
                    )
                )
            found = self._solve(rows)
            atoms, mean = found.atoms.float().contiguous(), found.mean.float().contiguous()
            assert atoms.shape == (self.n_concepts, features.shape[1]), f"{self.name} found {atoms.shape}"
            self._fitted = _Fitted(atoms, mean, torch.ones(len(atoms)), _BLANK)  # enough to encode
            try:
                codes = self.encode(rows)
                report = FitReport(
                    rows=len(rows),
                    rows_given=len(features),
                    rel_l2=rel_l2(rows, self.decode(codes)),
                    sparsity=sparsity(codes),
                    iterations=found.iterations,
                    solver=found.solver,
                    converged=found.problem is None,
                    dead_channels=_indices(constant),
                    unused_concepts=_indices((codes == 0).all(0)),
                    seconds=time.perf_counter() - started,
                )
            except BaseException:
                self._fitted = None
                raise
            self._fitted = _Fitted(atoms, mean, _scales(codes).to(atoms), report)
        if found.problem is not None:
            warnings.warn(
                message(
                    f"{self.name} did not converge: {found.problem}",
                    "Its concepts may change with the seed.",
                    "Fit fewer concepts or more rows, and compare seeds with quality.stability.",
                ),
                RuntimeWarning,
                stacklevel=2,
            )
        return self

    def encode(self, features: Float[Tensor, "n c"]) -> Float[Tensor, "n k"]:
        """Codes of rows, on their device and in their type; differentiable if the method is."""
        fitted = self._require()
        features = _floating(features, 2, "encode", "(rows, channels)")
        self._check_channels(features.shape[1], fitted)
        return self._encode(features)

    def decode(self, codes: Float[Tensor, "n k"]) -> Float[Tensor, "n c"]:
        """mean + codes @ atoms, (1)."""
        self._require()
        codes = _floating(codes, 2, "decode", "(rows, concepts)")
        self._check_concepts(codes.shape[1])
        return self.mean.to(codes) + codes @ self.atoms.to(codes)

    def maps(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k h w"]:
        """Codes at every place of feature maps."""
        self._require()
        features = _floating(features, 4, "maps", "(images, channels, height, width)")
        b, c, h, w = features.shape
        codes = self.encode(features.permute(0, 2, 3, 1).reshape(b * h * w, c))
        return codes.reshape(b, h, w, self.n_concepts).permute(0, 3, 1, 2)

    def rebuild(self, maps: Float[Tensor, "b k h w"]) -> Float[Tensor, "b c h w"]:
        """Feature maps from concept maps, (1) at every place."""
        self._require()
        maps = _floating(maps, 4, "rebuild", "(images, concepts, height, width)")
        self._check_concepts(maps.shape[1])
        b, _, h, w = maps.shape
        atoms, mean = self.atoms.to(maps), self.mean.to(maps)
        # In one product and channels first: moving axes about cost more than small tails themselves.
        features = torch.baddbmm(mean[:, None].expand(b, -1, 1), atoms.T.expand(b, -1, -1), maps.flatten(2))
        return features.reshape(b, len(mean), h, w)

    @property
    def atoms(self) -> Float[Tensor, "k c"]:
        """Directions of the concepts in feature space."""
        return self._require().atoms

    @property
    def mean(self) -> Float[Tensor, " c"]:
        """What is decoded from zero codes; zero unless the method centres or shifts."""
        return self._require().mean

    @property
    def scales(self) -> Float[Tensor, " k"]:
        """99.5th percentile of each concept's positive codes in the fit, to draw maps by; 1 if it has none."""
        return self._require().scales

    @property
    def report(self) -> FitReport:
        """How the fit went."""
        return self._require().report

    @property
    def names(self) -> tuple[str, ...]:
        """One name per concept, at first "concept 0" and so on."""
        return self._names

    def rename(self, names: Mapping[str | int, str]) -> Self:
        """Give concepts other names: `{"concept 3": "beak"}` or `{3: "beak"}`.

        Raises
        ------
        UnknownConcept
            If there is no such concept.
        InputError
            If two concepts would have one name, or one none.
        """
        new = list(self._names)
        for old, name in names.items():
            new[self.index(old)] = name
        empty = [name for name in new if not isinstance(name, str) or not name.strip()]
        double = sorted({name for name in new if new.count(name) > 1}) if not empty else []
        if empty or double:
            raise InputError(
                message(
                    f"Two concepts would be named {double[0]!r}." if double else f"A name is {empty[0]!r}.",
                    "Each concept has a name of its own.",
                    "Choose another.",
                )
            )
        self._names = tuple(new)
        return self

    def parameters(self) -> dict[str, Any]:
        """The settings, JSON-safe."""
        return {
            name: getattr(self, name)
            for name in inspect.signature(type(self).__init__).parameters
            if name != "self"
        }

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write the dictionary as JSON and safetensors with their hashes; returns the folder.

        The same fit gives the same bytes.
        """
        fitted = self._require()
        return saving.write(
            Path(folder),
            dictionary=self.name,
            parameters=self.parameters(),
            names=self._names,
            report=fitted.report,
            tensors={"atoms": fitted.atoms, "mean": fitted.mean, "scales": fitted.scales},
        )

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Read what `save_pretrained` wrote; on `Dictionary` itself the file says which class it is.

        Raises
        ------
        InputError
            If there is no dictionary in the folder.
        BadArtefact
            If it is damaged, of another format, or of another class than this.
        """
        saved = saving.read(Path(folder))
        known: Any = cls if saved.dictionary == getattr(cls, "name", None) else None
        if known is None and saved.dictionary in DICTIONARIES:
            known = DICTIONARIES[saved.dictionary]
        if known is None or not issubclass(known, cls):
            raise BadArtefact(
                message(
                    f"{folder} holds a dictionary of the kind {saved.dictionary!r}.",
                    f"{cls.__name__} reads {', '.join(DICTIONARIES) if cls is Dictionary else cls.name}.",
                    "Use Dictionary.from_pretrained, or the class that wrote it.",
                )
            )
        with saving.damaged(Path(folder)):
            made: Self = known(**saved.parameters)
            k, tensors = made.n_concepts, saved.tensors
            shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
            c = shapes["mean"][0]
            if shapes != {"atoms": (k, c), "mean": (c,), "scales": (k,)} or len(saved.names) != k:
                raise ValueError(f"shapes {shapes} for {k} concepts and {len(saved.names)} names")
            made._fitted = _Fitted(**tensors, report=FitReport(**saved.report))
            made._names = saved.names
        return made

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.parameters().items())
        state = "not fitted" if self._fitted is None else f"rel_l2 {self._fitted.report.rel_l2:.3f}"
        return f"<{type(self).__name__}({settings}): {state}>"

    def _require(self) -> _Fitted:
        if self._fitted is None:
            raise NotFitted(
                message(
                    f"This {type(self).__name__} has not been fitted.",
                    "Its concepts are found from features first.",
                    "Call fit(features), or load one with from_pretrained.",
                )
            )
        return self._fitted

    def index(self, concept: str | int) -> int:
        """Number of a concept, by name or number. UnknownConcept if there is none."""
        if isinstance(concept, str) and concept in self._names:
            return self._names.index(concept)
        if isinstance(concept, int) and not isinstance(concept, bool) and 0 <= concept < self.n_concepts:
            return concept
        raise UnknownConcept(
            message(
                f"There is no concept {concept!r}.",
                did_you_mean(str(concept), self._names),
                f"Concepts are numbered 0 to {self.n_concepts - 1}.",
            )
        )

    def _check_rows(self, features: Tensor) -> None:
        n, c = features.shape
        if n < self.n_concepts or c == 0:
            raise InputError(
                message(
                    f"There are {n} rows of {c} channels for {self.n_concepts} concepts.",
                    "A fit needs as many rows as concepts at least, and a channel.",
                    "Pass more images or places, or ask for fewer concepts.",
                )
            )
        finite = torch.isfinite(features)
        if not finite.all():
            bad = int((~finite).sum())
            raise InputError(
                message(
                    f"{bad:,} of {features.numel():,} feature values are NaN or infinite.",
                    "Features are finite.",
                    "Look for a picture or a layer that overflows, perhaps in half precision.",
                )
            )

    def _check_channels(self, c: int, fitted: _Fitted) -> None:
        if c != fitted.atoms.shape[1]:
            raise InputError(
                message(
                    f"The features have {c} channels.",
                    f"This dictionary was fitted on {fitted.atoms.shape[1]}.",
                    "Take them from the layer it was fitted at, with the channels where they belong.",
                )
            )

    def _check_concepts(self, k: int) -> None:
        if k != self.n_concepts:
            raise InputError(
                message(
                    f"The codes have {k} columns.",
                    f"This dictionary has {self.n_concepts} concepts.",
                    "Pass what encode returned.",
                )
            )

    def _sample(self, features: Tensor) -> Tensor:
        if self.max_rows is None or len(features) <= self.max_rows:
            return features
        if self.max_rows < self.n_concepts:
            raise InputError(
                message(
                    f"max_rows is {self.max_rows} for {self.n_concepts} concepts.",
                    "A fit needs as many rows as concepts at least.",
                    "Raise max_rows.",
                )
            )
        generator = torch.Generator().manual_seed(self.seed)
        chosen = torch.randperm(len(features), generator=generator)[: self.max_rows].sort().values
        return features[chosen.to(features.device)]


def count(name: str, value: int, least: int = 1) -> int:
    """A setting that counts something, or an error."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(
            message(
                f"{name} is {value!r}.", f"It is a whole number, {least} or more.", f"Pass {name}=10, say."
            )
        )
    return int(value)


def _floating(tensor: Tensor, ndim: int, where: str, axes: str) -> Tensor:
    """The tensor if it fits, half precision widened; else what came instead."""
    fits = isinstance(tensor, Tensor) and tensor.ndim == ndim and tensor.is_floating_point()
    if not fits:
        came = (
            f"{tensor.dtype} {tuple(tensor.shape)}" if isinstance(tensor, Tensor) else type(tensor).__name__
        )
        raise InputError(
            message(
                f"{where} got {came}.",
                f"It takes a floating tensor {axes}.",
                "Use torch.from_numpy on arrays and .float() on integers.",
            )
        )
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def _indices(flags: Tensor) -> tuple[int, ...]:
    return tuple(int(i) for i in flags.nonzero()[:, 0])


def _scales(codes: Float[Tensor, "n k"]) -> Float[Tensor, " k"]:
    columns = codes.float().cpu().numpy().T
    return torch.tensor([np.percentile(u[u > 0], 99.5) if (u > 0).any() else 1.0 for u in columns])
