"""What is in a region of a scene, three-valued: surely there, surely not, or neither.

For each thing two sets of bits come out: those that are surely true of what the region shows of it, and those that
might be. A text is true if it is contained in the first, false if it is not even contained in the second, and says
nothing otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt64

from seewhy.training.said import BIT, GROUPS
from seewhy.world.grammar import PARTS, SLOTS

_BITS = np.uint64
_PART_CODES = 2 + len(SLOTS)
_SLOT_BITS = np.array(
    [BIT[slot] | sum(BIT[f"{variant} {slot}"] for variant in PARTS[slot]) for slot in SLOTS], _BITS
)
_NO_PARTS = _BITS(~int(np.bitwise_or.reduce(_SLOT_BITS)) & (2**63 - 1))
SIZES = _BITS(sum(BIT[name] for name in GROUPS["size"]))
_OBJECT = _BITS(BIT["object"])
_NOTHING = _BITS(BIT["nothing"])


@dataclass(frozen=True)
class Limits:
    """From which shares on a thing is surely in a region, or might be.

    `of_region`: share of the region that shows the thing; `of_thing`: share of the seen thing that is in the region.
    Each is (might be, surely); either is enough. `background`: the same for the background, of the region.
    `nothing`: up to which share of things a region (surely, might) hold nothing.
    """

    of_region: tuple[float, float]
    of_thing: tuple[float, float]
    background: tuple[float, float]
    nothing: tuple[float, float] = (0.04, 0.3)
    part: tuple[float, float] = (0.15, 0.6)


CIRCLE = Limits(of_region=(0.1, 0.4), of_thing=(0.2, 0.65), background=(0.15, 0.6))
CROP = Limits(of_region=(0.06, 0.3), of_thing=(0.15, 0.75), background=(0.05, 0.25))
WHOLE = Limits(
    of_region=(0.0, 0.0), of_thing=(0.0, 0.0), background=(0.0, 0.0), nothing=(0.0, 0.0), part=(0.0, 0.0)
)
_SEEN = 0.35


def counts(
    owner: UInt8[np.ndarray, "b g g"],
    part: UInt8[np.ndarray, "b g g"],
    region: Bool[np.ndarray, "b g g"] | None,
    things: int,
) -> Float[np.ndarray, "b t p"]:
    """Places of the region by thing and part code (0 none, 1 body, k + 2 slot k)."""
    b = len(owner)
    code = owner.astype(np.int64).clip(0, things - 1) * _PART_CODES + part
    code += (np.arange(b) * things * _PART_CODES)[:, None, None]
    weights = None if region is None else region.ravel().astype(np.float64)
    found = np.bincount(code.ravel(), weights, b * things * _PART_CODES)
    return found.reshape(b, things, _PART_CODES).astype(np.float64)


def truths(
    things: UInt64[np.ndarray, "b t"],
    seen: Float[np.ndarray, "b t"],
    inside: Float[np.ndarray, "b t p"],
    whole: Float[np.ndarray, "b t p"],
    limits: Limits,
    *,
    sizes_show: bool,
) -> tuple[UInt64[np.ndarray, "b t2"], UInt64[np.ndarray, "b t2"]]:
    """Bits that are surely, and possibly, true of each thing in each region; a last column is for "nothing".

    Parameters
    ----------
    things, seen
        What is true of each thing (0: none; column 0 the background), and how much of it is seen at all.
    inside, whole
        `counts` in the region and in the whole picture.
    limits
        From which shares on.
    sizes_show
        Whether a region shows how large a thing is; a cut-out that is enlarged does not.
    """
    here, everywhere = inside.sum(2), whole.sum(2)
    area = np.maximum(here.sum(1, keepdims=True), 1.0)
    of_region, of_thing = here / area, here / np.maximum(everywhere, 1.0)
    surely = ((of_region >= limits.of_region[1]) | (of_thing >= limits.of_thing[1])) & (seen >= _SEEN)
    might = (of_region >= limits.of_region[0]) | (of_thing >= limits.of_thing[0])
    surely[:, 0] = of_region[:, 0] >= limits.background[1]
    might[:, 0] = of_region[:, 0] >= limits.background[0]
    parts_in = inside[:, :, 2:] / np.maximum(whole[:, :, 2:], 1.0)
    there = whole[:, :, 2:] > 0
    sure_bits = _bits(things, surely, there & (parts_in >= limits.part[1]))
    # A part that the coarse map lacks is hidden or tiny: it might be in any region that its creature touches.
    might_bits = _bits(things, might | surely, ~there | (parts_in >= limits.part[0]))
    if not sizes_show:
        sure_bits &= ~SIZES
        might_bits |= np.where(might_bits & _OBJECT, SIZES, _BITS(0))
    filled = 1.0 - of_region[:, 0]
    none = np.stack([filled <= limits.nothing[0], filled <= limits.nothing[1]], 1)
    extra = np.where(none, _NOTHING, _BITS(0))
    return np.concatenate([sure_bits, extra[:, :1]], 1), np.concatenate([might_bits, extra[:, 1:]], 1)


def _bits(
    things: UInt64[np.ndarray, "b t"], there: Bool[np.ndarray, "b t"], parts: Bool[np.ndarray, "b t s"]
) -> UInt64[np.ndarray, "b t"]:
    slots = np.bitwise_or.reduce(np.where(parts, _SLOT_BITS, _BITS(0)), axis=2)
    return np.where(there, things & (_NO_PARTS | slots), _BITS(0))


def cells(
    things: UInt64[np.ndarray, "b t"],
    owner: UInt8[np.ndarray, "b g g"],
    part: UInt8[np.ndarray, "b g g"],
    grid: int,
) -> tuple[UInt64[np.ndarray, "b n"], UInt64[np.ndarray, "b n"]]:
    """Bits that are surely, and possibly, true of each cell of a coarser grid, cells row by row.

    Surely: of a thing that fills half of the cell, of a part that fills a quarter, of the background where it fills
    all but a sixteenth. Possibly: of whatever one of its places shows (a sliver between places counts as not there).
    """
    b, g, _ = owner.shape
    step, n = g // grid, grid * grid

    def split(maps: np.ndarray) -> np.ndarray:
        return maps.reshape(b, grid, step, grid, step).transpose(0, 1, 3, 2, 4).reshape(b * n, step, step)

    found = counts(split(owner), split(part), None, things.shape[1]) / step**2
    each = np.repeat(things, n, axis=0)
    share, parts = found.sum(2), found[:, :, 2:]
    surely, might = share >= 0.5, share > 0
    surely[:, 0] = share[:, 0] >= 15 / 16
    sure = np.bitwise_or.reduce(_bits(each, surely, parts >= 0.25), axis=1)
    sure |= np.bitwise_or.reduce(_bits(each, might, parts >= 0.25) & ~_NO_PARTS, axis=1)
    might_bits = np.bitwise_or.reduce(_bits(each, might, parts > 0), axis=1)
    empty = share[:, 0] >= 15 / 16
    sure |= np.where(empty, _NOTHING, _BITS(0))
    might_bits |= sure | np.where(share[:, 0] > 0.5, _NOTHING, _BITS(0))
    return sure.reshape(b, n), might_bits.reshape(b, n)
