"""Masks that hide parts of a picture: drawn small, kept small, and rendered to pixels a few at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seewhy.errors import InputError, message
from seewhy.types import Size

Sampler = Literal["sobol", "bernoulli"]


@dataclass(frozen=True)
class RandomGrids:
    """Masks of random grids, enlarged bilinearly and shifted by less than a cell.

    m = R_y[dy] z R_x[dx]^T                                                                            (1)

    Each of the n masks is a grid z of `cells` zeros and ones and a shift; the tables R hold, for each shift,
    the bilinear weights of the picture's rows and columns in a canvas one cell larger than the picture, so
    that a shifted mask is two small matrix products, and n masks take n * cells numbers.

    Parameters
    ----------
    grids
        1 keeps a cell, 0 hides it.
    shifts
        Rows and columns by which each canvas is cut off at its top left.
    size
        (height, width) of the picture.
    """

    grids: Float[Tensor, "n g k"]
    shifts: Int[Tensor, "n 2"]
    rows: Float[Tensor, "s H g"]
    columns: Float[Tensor, "t k W"]

    @classmethod
    def draw(
        cls,
        n: int,
        cells: Size,
        size: Size,
        keep: float,
        sampler: Sampler,
        seed: int,
        device: torch.device | None = None,
    ) -> RandomGrids:
        """`n` grids whose cells are kept with probability `keep`; drawn on the CPU, the same everywhere.

        "bernoulli" draws cells and shifts independently. "sobol" thresholds a scrambled Sobol sequence with
        one axis a cell and two for the shift: each cell is kept in its share of the masks, and at keep = 1/2
        and n = 2^k of at least about 4 masks a cell any two cells are kept together in a quarter of them, so
        that the other cells add no noise to a cell's estimate.

        Raises
        ------
        InputError
            If there are more cells than a Sobol sequence has axes.
        """
        cells = min(cells[0], size[0]), min(cells[1], size[1])
        n_axes = 2 + cells[0] * cells[1]
        if sampler == "sobol":
            if n_axes > torch.quasirandom.SobolEngine.MAXDIM:
                raise InputError(
                    message(
                        f"The grid has {cells[0]} x {cells[1]} cells.",
                        f"A Sobol sequence has {torch.quasirandom.SobolEngine.MAXDIM - 2} axes for them.",
                        "Take a coarser grid or sampler='bernoulli'.",
                    )
                )
            sequence = torch.quasirandom.SobolEngine(n_axes, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
            draws = sequence.draw(n, dtype=torch.float32)
        else:
            draws = torch.rand(n, n_axes, generator=torch.Generator().manual_seed(seed))
        steps = [-(-extent // count) for extent, count in zip(size, cells, strict=True)]
        limits = torch.tensor(steps)
        shifts = (draws[:, :2] * limits).long().minimum(limits - 1)
        rows, columns = (
            bilinear(count, (count + 1) * step).unfold(0, extent, 1)[:step]
            for count, step, extent in zip(cells, steps, size, strict=True)
        )
        return cls(
            (draws[:, 2:] < keep).float().view(n, *cells).to(device),
            shifts.to(device),
            rows.transpose(1, 2).contiguous().to(device),
            columns.contiguous().to(device),
        )

    def __len__(self) -> int:
        return len(self.grids)

    def render(self, index: Int[Tensor, " m"]) -> Float[Tensor, "m H W"]:
        """Pixels of some of the masks, 0 to 1."""
        dy, dx = self.shifts[index].T
        return self.rows[dy] @ self.grids[index] @ self.columns[dx]


@dataclass(frozen=True)
class Windows:
    """Windows on a regular grid of places, row by row; the last ones are cut at the border.

    `rows[i]` and `columns[j]` are true where window (i, j) lies; place number i * len(columns) + j.
    """

    rows: Bool[Tensor, "i H"]
    columns: Bool[Tensor, "j W"]

    @classmethod
    def slide(cls, size: Size, window: Size, stride: Size, device: torch.device | None = None) -> Windows:
        """Every `stride` pixels until a window reaches the border."""
        rows, columns = (_covered(extent, window[i], stride[i]).to(device) for i, extent in enumerate(size))
        return cls(rows, columns)

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    def render(self, index: Int[Tensor, " m"]) -> Bool[Tensor, "m H W"]:
        """True inside each of these windows."""
        i, j = index // len(self.columns), index % len(self.columns)
        return self.rows[i][:, :, None] & self.columns[j][:, None, :]

    def spread(self, values: Float[Tensor, "b n"]) -> Float[Tensor, "b H W"]:
        """Each pixel's mean over the windows that cover it; 0 where none does."""
        rows, columns = self.rows.to(values.dtype), self.columns.to(values.dtype)
        total = rows.T @ values.view(-1, len(rows), len(columns)) @ columns
        count = rows.sum(0)[:, None] * columns.sum(0)[None]
        return total / count.clamp(min=1)


def bilinear(n: int, size: int) -> Float[Tensor, "size n"]:
    """Weights that enlarge n cells to `size` pixels as `align_corners=False` does; rows sum to 1."""
    at = ((torch.arange(size, dtype=torch.float64) + 0.5) * n / size - 0.5).clamp(0, n - 1)
    low = at.floor().long()
    share = at - low
    weights = torch.zeros(size, n, dtype=torch.float64)
    weights.scatter_add_(1, low[:, None], (1 - share)[:, None])
    weights.scatter_add_(1, (low + 1).clamp(max=n - 1)[:, None], share[:, None])
    return weights.float()


def _covered(extent: int, window: int, stride: int) -> Bool[Tensor, "places extent"]:
    n = 1 + max(0, -(-(extent - window) // stride))
    starts = torch.arange(n)[:, None] * stride
    at = torch.arange(extent)[None]
    return (at >= starts) & (at < starts + window)
