"""The outlines of the world as signed distances, and the 64 rotations: eight shapes of objects, and creatures.

Every outline is drawn in its own coordinates: u to the right, v down, inside the unit disk that it touches.
A value is negative inside, positive outside, and its size is the distance to the outline or a lower bound of it
(near outer corners, where half-planes meet, and inside unions). Only + - * sqrt min max abs are used, which
IEEE 754 rounds correctly everywhere, so that the same scene is the same bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Plane = Float[np.ndarray, "h w"]

# (cos, sin) of k * 360 / 64 degrees for the first eighth of a turn; the rest follows exactly by symmetry.
_EIGHTH = (
    (1.0, 0.0),
    (0.99518472667219693, 0.098017140329560604),
    (0.98078528040323043, 0.19509032201612828),
    (0.95694033573220882, 0.29028467725446239),
    (0.92387953251128674, 0.38268343236508978),
    (0.88192126434835505, 0.47139673682599764),
    (0.83146961230254524, 0.55557023301960218),
    (0.77301045336273699, 0.63439328416364549),
    (0.70710678118654757, 0.70710678118654757),
)
_QUARTER = _EIGHTH + tuple((s, c) for c, s in _EIGHTH[7:0:-1])


def rotation(turn: int) -> tuple[float, float]:
    """(cos, sin) of `turn` sixty-fourths of a full turn; clockwise on the picture, whose y points down."""
    quarter, step = divmod(turn % 64, 16)
    c, s = _QUARTER[step]
    for _ in range(quarter):
        c, s = -s, c
    return c, s


_COS36, _SIN36 = 0.80901699437494745, 0.58778525229247314
_COS72, _SIN72 = 0.30901699437494745, 0.95105651629515353
_COS30, _COS45 = 0.8660254037844386, 0.70710678118654757

# Outward normals of the pentagram's five lines; each tip, one of them straight up, lies opposite to one.
_FIVE = ((0.0, -1.0), (_SIN72, -_COS72), (-_SIN72, -_COS72), (_SIN36, _COS36), (-_SIN36, _COS36))


def disk(u: Plane, v: Plane) -> Plane:
    """The unit disk."""
    return _length(u, v) - 1.0


def square(u: Plane, v: Plane) -> Plane:
    """The square with corners on the unit circle."""
    return _box(u, v, _COS45, _COS45)


def triangle(u: Plane, v: Plane) -> Plane:
    """The regular triangle, one corner up."""
    distance: Plane = np.maximum(np.abs(u) * _COS30 - v * 0.5, v) - 0.5
    return distance


def pentagon(u: Plane, v: Plane) -> Plane:
    """The regular pentagon, one corner up."""
    across = np.abs(u)
    sides = np.maximum(across * _SIN72 + v * _COS72, across * _SIN36 - v * _COS36)
    distance: Plane = np.maximum(sides, v) - _COS36
    return distance


def star(u: Plane, v: Plane) -> Plane:
    """The pentagram with tips on the unit circle, one up: the points inside at least four of its five lines."""
    largest = np.full(np.broadcast_shapes(u.shape, v.shape), -np.inf)
    second = largest.copy()
    for nu, nv in _FIVE:
        line = u * nu + v * nv
        np.maximum(second, np.minimum(largest, line), out=second)
        np.maximum(largest, line, out=largest)
    distance: Plane = second - _COS72
    return distance


def cross(u: Plane, v: Plane) -> Plane:
    """The plus sign with corners just inside the unit circle."""
    distance: Plane = np.minimum(_box(u, v, 0.95, 0.31), _box(u, v, 0.31, 0.95))
    return distance


def ring(u: Plane, v: Plane) -> Plane:
    """The band between radius 0.55 and 1."""
    distance: Plane = np.abs(_length(u, v) - 0.775) - 0.225
    return distance


def crescent(u: Plane, v: Plane) -> Plane:
    """The unit disk without a disk of radius 0.8 to its right."""
    distance: Plane = np.maximum(_length(u, v) - 1.0, 0.8 - _length(u - 0.45, v))
    return distance


OUTLINES: dict[str, Callable[[Plane, Plane], Plane]] = {
    "disk": disk,
    "square": square,
    "triangle": triangle,
    "pentagon": pentagon,
    "star": star,
    "cross": cross,
    "ring": ring,
    "crescent": crescent,
}


def wedge(u: Plane, v: Plane) -> Plane:
    """A slim triangle, tip up."""
    distance: Plane = np.maximum(np.abs(u) * 0.91381154862025715 - (v + 0.95) * 0.40613846605344767, v - 0.85)
    return distance


def bumps(u: Plane, v: Plane) -> Plane:
    """Three disks side by side."""
    across = np.abs(u)
    distance: Plane = np.minimum(_length(u, v), _length(across - 0.62, v)) - 0.38
    return distance


def fork(u: Plane, v: Plane) -> Plane:
    """The letter V, open upwards."""
    # One arm, by symmetry: a bar along the direction (0.4, -0.9165), from the middle of the bottom.
    across, up = np.abs(u), 0.75 - v
    along = across * 0.4 + up * 0.91651513899116799
    aside = across * 0.91651513899116799 - up * 0.4
    distance: Plane = np.maximum(np.abs(along - 0.8) - 0.85, np.abs(aside) - 0.2)
    return distance


def comb(u: Plane, v: Plane) -> Plane:
    """A bar with three teeth, pointing up."""
    teeth = np.minimum(_box(np.abs(u) - 0.68, v + 0.2, 0.17, 0.7), _box(u, v + 0.2, 0.17, 0.7))
    distance: Plane = np.minimum(_box(u, v - 0.3, 0.85, 0.25), teeth)
    return distance


def drop(u: Plane, v: Plane) -> Plane:
    """A disk that runs out into a tip on the right."""
    cone = np.maximum(np.abs(v) * 0.92 + (u - 0.95) * 0.391918358845308, -u - 0.35)
    distance: Plane = np.minimum(_length(u + 0.4, v) - 0.55, np.maximum(cone, -u - 0.2))
    return distance


def arch(u: Plane, v: Plane) -> Plane:
    """The upper half of a thick ring."""
    distance: Plane = np.maximum(np.abs(_length(u, v - 0.4) - 0.72) - 0.27, v - 0.4)
    return distance


def half(u: Plane, v: Plane) -> Plane:
    """The upper half of a disk."""
    distance: Plane = np.maximum(_length(u, v - 0.45) - 0.95, v - 0.45)
    return distance


def hourglass(u: Plane, v: Plane) -> Plane:
    """Two triangles that meet at their tips, side by side."""
    across = np.abs(u)
    distance: Plane = np.maximum(np.abs(v) * 0.8 - (across + 0.08) * 0.6, across - 0.8)
    return distance


def chevron(u: Plane, v: Plane) -> Plane:
    """A thick bent band, its corner up."""
    band = (np.abs(u) * 0.6 - v * 0.8) + 0.12
    distance: Plane = np.maximum(np.abs(band) - 0.33, np.abs(u) - 0.82)
    return distance


def lens(u: Plane, v: Plane) -> Plane:
    """What two disks share: pointed left and right."""
    distance: Plane = _length(u, np.abs(v) + 0.55) - 1.1
    return distance


def bar(u: Plane, v: Plane) -> Plane:
    """A straight band."""
    return _box(u, v, 0.95, 0.3)


def twins(u: Plane, v: Plane) -> Plane:
    """Two disks side by side."""
    distance: Plane = _length(np.abs(u) - 0.52, v) - 0.47
    return distance


def tee(u: Plane, v: Plane) -> Plane:
    """The letter T, its bar on the left."""
    distance: Plane = np.minimum(_box(u + 0.55, v, 0.25, 0.8), _box(u - 0.2, v, 0.7, 0.23))
    return distance


def ell(u: Plane, v: Plane) -> Plane:
    """The letter L."""
    distance: Plane = np.minimum(_box(u + 0.4, v, 0.25, 0.85), _box(u - 0.1, v - 0.6, 0.75, 0.25))
    return distance


PART_OUTLINES: dict[str, Callable[[Plane, Plane], Plane]] = {
    "wedge": wedge,
    "bumps": bumps,
    "fork": fork,
    "comb": comb,
    "drop": drop,
    "arch": arch,
    "half": half,
    "hourglass": hourglass,
    "chevron": chevron,
    "lens": lens,
    "bar": bar,
    "twins": twins,
    "tee": tee,
    "ell": ell,
}


def long_body(u: Plane, v: Plane) -> Plane:
    """A capsule."""
    distance: Plane = _length(np.maximum(np.abs(u) - 0.3, 0.0), v) - 0.7
    return distance


def blocky_body(u: Plane, v: Plane) -> Plane:
    """A rounded square."""
    return _box(u, v, 0.62, 0.55) - 0.2


def pear_body(u: Plane, v: Plane) -> Plane:
    """Two disks, the larger one at the back."""
    distance: Plane = np.minimum(_length(u + 0.18, v) - 0.82, _length(u - 0.45, v) - 0.6)
    return distance


BODY_OUTLINES: dict[str, Callable[[Plane, Plane], Plane]] = {
    "round": lambda u, v: _length(u, v) - 0.9,
    "long": long_body,
    "blocky": blocky_body,
    "pear": pear_body,
}


def coverage(distance: Plane) -> Plane:
    """Share of each pixel inside an outline, from the distance in pixels of the pixel's centre.

    Exact for a straight edge along the pixel grid, within 0.09 for any other straight edge.
    """
    share: Plane = np.minimum(np.maximum(0.5 - distance, 0.0), 1.0)
    return share


def _length(u: Plane, v: Plane) -> Plane:
    # Not hypot: its last bit differs between C libraries.
    root: Plane = np.sqrt(u * u + v * v)
    return root


def _box(u: Plane, v: Plane, half_u: float, half_v: float) -> Plane:
    du, dv = np.abs(u) - half_u, np.abs(v) - half_v
    outside = _length(np.maximum(du, 0.0), np.maximum(dv, 0.0))
    distance: Plane = outside + np.minimum(np.maximum(du, dv), 0.0)
    return distance
