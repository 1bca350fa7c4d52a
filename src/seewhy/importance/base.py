"""What an importance method is: parameters, and one function from a cube function to numbers per concept.

Every method sees a network's tail through one question: what are the logits of these pictures when the codes of
concept k are multiplied by m_k? A method's file holds its formula; checking what the function gives back, the two
ends of the cube, counting and building results are done here once.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, cast, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.errors import InputError, NotSupported, message
from seewhy.explanation.explanation import TOLERANCE
from seewhy.registry import Registry
from seewhy.types import Kind

Array = Float[np.ndarray, "..."]

REPEATS = 1e-4
"""How far two answers to the same question may lie apart, relative to the larger end of the cube, at least 1:
rounding in single precision stays far below it, dropout far above."""


@runtime_checkable
class CubeFunction(Protocol):
    """Logits of b pictures on the cube [0, 1]^k of masks: 1 keeps a concept as it is, 0 removes it.

    Masks arrive as float64 tensors on the CPU, all that a method wants to know in one call; the function splits
    them as its memory allows, moves them to its device, and gives each row the same answer whatever rows come
    with it. All pictures are asked about every mask.

    A function may also have `each(masks: (b, n, k)) -> (b, n)`, which asks picture i only about its own masks;
    without it the curves ask all pictures about all masks.
    """

    @property
    def affine(self) -> bool:
        """Whether F(m) = F(0) + sum_k m_k c_k, known for certain; methods then use their closed form."""
        ...

    def __call__(self, masks: Float[Tensor, "n k"], /) -> Float[Tensor, "n b"]:
        """The logit of each picture's own target under each mask."""
        ...

    def gradient(self, masks: Float[Tensor, "n k"], /) -> Float[Tensor, "n b k"]:
        """d F_b / d m_k at each mask."""
        ...


Plain = Callable[[Tensor], Tensor]
"""A plain function from masks (n, k) to logits (n, b), differentiable by torch where a gradient is wanted."""


@dataclass(frozen=True)
class from_callable:
    """A `CubeFunction` of a plain function: its gradient by autograd, one backward pass a picture.

    Parameters
    ----------
    function
        From masks (n, k) to logits (n, b); rows must not depend on each other.
    affine
        Whether it is known to be affine.

    Examples
    --------
    >>> F = from_callable(lambda m: m @ torch.tensor([[2.0], [1.0]], dtype=m.dtype))
    >>> F.gradient(torch.ones(1, 2)).tolist()
    [[[2.0, 1.0]]]
    """

    function: Plain
    affine: bool = False

    def __call__(self, masks: Float[Tensor, "n k"]) -> Float[Tensor, "n b"]:
        with torch.no_grad():
            return self.function(masks)

    def gradient(self, masks: Float[Tensor, "n k"]) -> Float[Tensor, "n b k"]:
        with torch.inference_mode(False), torch.enable_grad():
            masks = masks.detach().clone().requires_grad_()
            logits = self.function(masks)
            if not logits.requires_grad:
                raise NotSupported(
                    message(
                        "The function's logits do not depend on the masks through torch.",
                        "Methods with gradients differentiate it.",
                        "Compute it with torch operations without no_grad or detach, or take method='occlusion'.",
                    )
                )
            columns = [
                torch.autograd.grad(logits[:, i].sum(), masks, retain_graph=True)[0]
                for i in range(logits.shape[1])
            ]
        return torch.stack(columns, 1) if columns else masks.new_zeros(len(masks), 0, masks.shape[1])


def as_cube_function(function: CubeFunction | Plain) -> CubeFunction:
    """Itself, or a plain function with a gradient by autograd."""
    if isinstance(function, CubeFunction):
        return function
    return from_callable(function)


@dataclass(frozen=True, eq=False)
class Importance:
    """How much each concept counts for each picture's logit, and how well that is known.

    Parameters
    ----------
    values
        In logits for shares and effects; unitless for variance (of the total, or a dependence).
    kind
        "share" (adds up: base + sum = full), "effect" (what a change does) or "variance" (unsigned).
    signed
        Whether the sign of a value says for or against.
    low, high
        95 % interval of `values`, where they are estimated.
    interactions
        What pairs of concepts do together, in the unit of `values`; the diagonal is 0.
    n_evaluations
        Masks for which the function was computed, each gradient counted as one.
    exact
        True if nothing was sampled or integrated numerically.
    base, full
        The logits without any concept, F(0), and with all of them, F(1).
    gap
        full - base - sum of values, for methods that mean to add up.
    null
        What 95 % of concepts without any influence stay below, for dependences.
    notes
        What a careful reader must know, in words.
    """

    values: Float[np.ndarray, "b k"]
    kind: Kind
    signed: bool
    low: Float[np.ndarray, "b k"] | None
    high: Float[np.ndarray, "b k"] | None
    interactions: Float[np.ndarray, "b k k"] | None
    n_evaluations: int
    exact: bool
    base: Float[np.ndarray, " b"]
    full: Float[np.ndarray, " b"]
    gap: Float[np.ndarray, " b"] | None
    method: str
    parameters: dict[str, Any]
    seed: int | None
    null: Float[np.ndarray, "b k"] | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.values)


@dataclass
class Found:
    """What a method's formula gives back; the base class makes an `Importance` of it."""

    values: Float[np.ndarray, "b k"]
    low: Float[np.ndarray, "b k"] | None = None
    high: Float[np.ndarray, "b k"] | None = None
    interactions: Float[np.ndarray, "b k k"] | None = None
    null: Float[np.ndarray, "b k"] | None = None
    kind: Kind | None = None
    exact: bool = False
    told: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Asked:
    """A cube function with its answers checked, counted and in double precision; its two ends are known."""

    def __init__(self, function: CubeFunction | Plain, n_concepts: int) -> None:
        if isinstance(n_concepts, bool) or not isinstance(n_concepts, int) or n_concepts < 1:
            raise InputError(
                message(
                    f"n_concepts is {n_concepts!r}.",
                    "Importance is divided among at least one concept.",
                    "Pass the number of the dictionary's concepts.",
                )
            )
        self.function = as_cube_function(function)
        self.affine = self.function.affine is True
        self.n_concepts, self.n_evaluations, self.n_pictures = n_concepts, 0, -1
        ones = torch.ones(1, n_concepts, dtype=torch.float64)
        self.base, self.full = self(torch.cat([0 * ones, ones]))
        again = self(ones)[0]
        scale = np.maximum(np.abs(self.base), np.abs(self.full)).max(initial=1.0)
        off = np.abs(again - self.full).max(initial=0.0)
        if off > REPEATS * scale:
            raise NotSupported(
                message(
                    f"The same mask gave logits that differ by {off:.3g}, alone and beside another mask.",
                    "Importance needs a tail that gives the same answer each time, whatever it is batched with.",
                    "Put the model into eval mode (dropout, batch statistics) and fix its random numbers.",
                )
            )

    def __call__(self, masks: Float[Tensor, "n k"]) -> Float[np.ndarray, "n b"]:
        """Logits under each mask."""
        return self._checked(self.function(masks.double()), len(masks), ())

    def gradient(self, masks: Float[Tensor, "n k"]) -> Float[np.ndarray, "n b k"]:
        """Derivatives by each concept's mask."""
        return self._checked(self.function.gradient(masks.double()), len(masks), (self.n_concepts,))

    def each(self, masks: Float[Tensor, "b n k"]) -> Float[np.ndarray, "b n"]:
        """Logits of each picture under its own masks only."""
        b, n, k = masks.shape
        assert b == self.n_pictures, f"masks of {b} pictures for {self.n_pictures}"
        own = getattr(self.function, "each", None)
        if own is not None:
            return self._checked(own(masks.double()).T, n, ()).T
        everyone = self(masks.reshape(b * n, k)).reshape(b, n, b)
        return everyone[np.arange(b), :, np.arange(b)]

    def coefficients(self) -> Float[np.ndarray, "b k"]:
        """c of an affine function F(m) = F(0) + m c."""
        assert self.affine, "only affine functions have coefficients"
        return cast(Array, self.gradient(torch.ones(1, self.n_concepts, dtype=torch.float64))[0])

    def gap(self, values: Float[np.ndarray, "b k"]) -> Float[np.ndarray, " b"]:
        """What the values lack of the way from F(0) to F(1)."""
        return cast(Array, self.full - self.base - values.sum(1))

    def adds_up(self, values: Float[np.ndarray, "b k"], share: float = 1.0) -> bool:
        """Whether each picture's gap is within (a share of) the tolerance of an explanation's accounts."""
        allowed = TOLERANCE * (np.abs(self.base) + np.abs(values).sum(1))
        return bool((np.abs(self.gap(values)) <= share * allowed).all())

    def _checked(self, answer: Any, n: int, rest: tuple[int, ...]) -> Array:
        what = "logits" if not rest else "gradient"
        shape = tuple(getattr(answer, "shape", ()))
        wanted = (n, shape[1] if len(shape) > 1 and self.n_pictures < 0 else self.n_pictures, *rest)
        if not isinstance(answer, Tensor) or shape != wanted:
            came = f"For {n} masks the function's {what} are {shape or type(answer).__name__}."
            names = "(masks, pictures, concepts)" if rest else "(masks, pictures)"
            sizes = tuple("any" if size < 0 else size for size in wanted)
            raise InputError(
                message(came, f"They are a tensor {names}, here {sizes}.", "Check its last line.")
            )
        self.n_pictures = shape[1]
        self.n_evaluations += n
        found = answer.detach().double().cpu().numpy()
        bad = ~np.isfinite(found).all(tuple(range(2, found.ndim)))
        if bad.any():
            mask, picture = np.argwhere(bad)[0]
            raise InputError(
                message(
                    f"The function's {what} of picture {picture} under mask {mask} of {n} hold NaN or infinity.",
                    "Importance is made of finite numbers.",
                    "Look at the tail's answer to masks of zeros and ones; half precision may overflow.",
                )
            )
        return found


@dataclass(frozen=True)
class ImportanceMethod(ABC):
    """Base of importance methods. Subclasses are frozen dataclasses whose fields are their parameters.

    A method is stateless: the same function and seed give the same bytes. All pictures see the same masks, so
    that a picture's values do not depend on its company unless the method says so.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    kind: ClassVar[Kind]
    signed: ClassVar[bool] = True
    random: ClassVar[bool] = False
    needs_gradient: ClassVar[bool] = False
    adds_up: ClassVar[bool] = False

    @abstractmethod
    def find(self, ask: Asked, seed: int) -> Found:
        """The formula, for any function."""

    def closed_form(self, ask: Asked, seed: int) -> Found | None:
        """The values on a function known to be affine, if there is a shorter way to them."""
        return None

    @property
    def sign_counts(self) -> bool:
        """Whether values are signed with these settings."""
        return self.signed

    def measure(self, function: CubeFunction | Plain, n_concepts: int, *, seed: int = 0) -> Importance:
        """How much each of `n_concepts` counts for each picture.

        Parameters
        ----------
        function
            A `CubeFunction`, or a plain function from masks (n, k) to logits (n, b).
        n_concepts
            Length of a mask.
        seed
            For methods that draw.

        Raises
        ------
        InputError
            If there is no concept, or the function's answers have a wrong shape or are not finite.
        NotSupported
            If the same mask gives different logits.
        """
        ask = Asked(function, n_concepts)
        found = self.closed_form(ask, seed) if ask.affine else None
        if found is None:
            found = self.find(ask, seed)
        else:
            found.exact = True
            found.told["closed_form"] = True
        wanted = (ask.n_pictures, n_concepts)
        assert found.values.shape == wanted, f"{self.name} gave {found.values.shape}, not {wanted}"
        return Importance(
            values=found.values,
            kind=found.kind or self.kind,
            signed=self.sign_counts,
            low=found.low,
            high=found.high,
            interactions=found.interactions,
            n_evaluations=ask.n_evaluations,
            exact=found.exact,
            base=ask.base,
            full=ask.full,
            gap=ask.gap(found.values) if self.adds_up else None,
            method=self.name,
            parameters={**self.parameters(), **found.told},
            seed=seed if self.random and not found.exact else None,
            null=found.null,
            notes=found.notes,
        )

    def parameters(self) -> dict[str, Any]:
        """The method's settings, JSON-safe."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}


IMPORTANCES: Registry[type[ImportanceMethod]] = Registry("importance method")
"""Every method by name; filled by one line per method in `importance.methods`."""


def check_choice(method: str, name: str, value: object, known: tuple[str, ...]) -> None:
    """Refuse a setting that is none of the `known` words."""
    if value not in known:
        words = ", ".join(repr(word) for word in known)
        raise InputError(
            message(f"{method} got {name}={value!r}.", f"It is one of {words}.", f"Take {known[0]!r}.")
        )
