"""Eigen-CAM: the strongest pattern of the features, whatever the class (arXiv 2008.00299).

M = A v1,  with A (cells x channels) and v1 its first right singular vector                            (1)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.attribution.base import METHODS, Method, Need, Question, Raw


@METHODS.register("eigencam", aliases=("eigen_cam",))
@dataclass(frozen=True)
class EigenCAM(Method):
    """Where the features are most alike and strong. It looks at no class and serves as a control.

    Parameters
    ----------
    centre
        Subtract each channel's mean first; the paper does not.

    Notes
    -----
    One forward pass. The sign of a singular vector is arbitrary; the map is turned so that it agrees with the
    mean over channels, sum_ij M_ij mean_d A_dij >= 0 (ours). The vector comes from the smaller of the two
    Gram matrices, cells x cells or channels x channels, in double precision.
    """

    centre: bool = False

    name: ClassVar[str] = "eigencam"
    paper: ClassVar[str] = "Muhammad and Yeasin, IJCNN 2020 (arXiv 2008.00299), eq. 2-4"
    needs: ClassVar[frozenset[Need]] = frozenset({"features"})
    unit: ClassVar[str] = "feature units"
    class_sensitive: ClassVar[bool] = False

    def attribute(self, question: Question) -> Raw:
        return Raw(first_component(question.features(), centre=self.centre))


def first_component(features: Float[Tensor, "b d h w"], *, centre: bool = False) -> Float[Tensor, "b h w"]:
    """Each cell's projection on the first right singular vector, turned to agree with the mean channel."""
    cells = features.double().flatten(2).transpose(1, 2)
    mean_channel = cells.mean(2)
    if centre:
        cells = cells - cells.mean(1, keepdim=True)
    n_cells, n_channels = cells.shape[1:]
    if n_cells <= n_channels:
        # A v1 = sigma1 u1, and u1 is the last eigenvector of A A^T, whose eigenvalue is sigma1 squared.
        values, vectors = torch.linalg.eigh(cells @ cells.transpose(1, 2))
        maps = values[:, -1:].clamp(min=0).sqrt() * vectors[:, :, -1]
    else:
        _, vectors = torch.linalg.eigh(cells.transpose(1, 2) @ cells)
        maps = (cells @ vectors[:, :, -1:]).squeeze(2)
    turn = torch.where((maps * mean_channel).sum(1, keepdim=True) < 0, -1.0, 1.0)
    turned: Tensor = (turn * maps).float()
    return turned.view(len(maps), *features.shape[2:])
