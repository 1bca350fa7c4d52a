"""The eight outlines of the world as signed distances, and the 64 rotations.

Every outline is drawn in its own coordinates: u to the right, v down, inside the unit disk that it touches.
A value is negative inside, positive outside, and its size is the distance to the outline, or (near outer
corners, where half-planes meet) a lower bound of it. Only + - * sqrt min max abs are used, which IEEE 754
rounds correctly everywhere, so that the same scene is the same bytes on every machine.
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
