"""Counter hash of the world: the only source of chance in sampling and rendering.

NumPy does not promise that its random streams stay the same, so the world draws from splitmix64 (Steele, Lea &
Flood, OOPSLA 2014) used as a hash: value i of a field is mix(key + (i + 1) * GOLDEN), where the key comes from
the seed, the scene's index and the field's *name*. Nothing depends on the order in which fields are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np
from jaxtyping import UInt64

T = TypeVar("T")

GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def mix(z: int) -> int:
    """The splitmix64 finaliser of one number below 2**64."""
    z = ((z ^ (z >> 30)) * _FIRST) & _MASK
    z = ((z ^ (z >> 27)) * _SECOND) & _MASK
    return z ^ (z >> 31)


def field_key(*parts: int | str) -> int:
    """One 64-bit key from seeds, indices and names; the order of the parts matters.

    >>> field_key(0, 7, "noise") == field_key(0, 7, "noise"), field_key(0, 7) == field_key(7, 0)
    (True, False)
    """
    key = 0
    for part in parts:
        value = _fnv1a(part) if isinstance(part, str) else part & _MASK
        key = mix(((key ^ value) + GOLDEN) & _MASK)
    return key


def bits(key: int, n: int) -> UInt64[np.ndarray, " n"]:
    """Values 0 to n - 1 of a field, 64 random bits each."""
    # Wrap-around is what uint64 arrays do; scalars of the same type would warn, so all operands are arrays.
    z = np.arange(1, n + 1, dtype=np.uint64)
    z *= np.array([GOLDEN], np.uint64)
    z += np.array([key], np.uint64)
    for shift, factor in ((30, _FIRST), (27, _SECOND)):
        z ^= z >> np.uint64(shift)
        z *= np.array([factor], np.uint64)
    z ^= z >> np.uint64(31)
    return z


def bit(key: int, index: int) -> int:
    """Value `index` of a field: the same 64 bits as `bits(key, n)[index]`."""
    return mix((key + (index + 1) * GOLDEN) & _MASK)


@dataclass(frozen=True)
class Draws:
    """The named random fields of one scene.

    >>> draws = Draws(seed=1, index=5)
    >>> draws.pick("shape", ("disk", "star"), 0) == draws.pick("shape", ("disk", "star"), 0)
    True
    """

    seed: int
    index: int

    def uniform(self, name: str, at: int = 0, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high): 53 bits, exact in float64 before it is stretched."""
        return low + (high - low) * ((bit(self._key(name), at) >> 11) * 2.0**-53)

    def below(self, name: str, n: int, at: int = 0) -> int:
        """An integer 0 to n - 1 (bias below n / 2**32)."""
        return ((bit(self._key(name), at) >> 32) * n) >> 32

    def pick(self, name: str, options: Sequence[T], at: int = 0) -> T:
        """One of `options`, all equally likely."""
        return options[self.below(name, len(options), at)]

    def _key(self, name: str) -> int:
        return field_key(self.seed, self.index, name)


@cache
def _fnv1a(text: str) -> int:
    """64-bit FNV-1a of the UTF-8 bytes (Python's own hash of text changes from run to run)."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & _MASK
    return value
