"""GridPG, DiFull and DiPart: does a map lie in the cell that the score can, or does, come from?

Rao et al., CVPR 2022 (arXiv 2205.10435), from their description. Score of a cell: its part of the positive
relevance of the whole map at the grid's size; negative relevance counts for nothing. Ours: maps without positive
relevance are undefined (0 there); in DiPart the same two corners are scored as in DiFull; heads for one size of
features slide over the grid.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from seewhy.attribution.base import Method
from seewhy.attribution.methods import METHODS
from seewhy.backbones.base import Backbone
from seewhy.errors import InputError, NotSupported, message
from seewhy.evaluate.base import Metric, Truth, Values, chosen
from seewhy.evaluate.grids.networks import (
    GRID,
    GridNetwork,
    Head,
    Parts,
    Setting,
    refuse_misfit,
    whole_network,
)
from seewhy.evaluate.grids.pictures import Grids, make_grids, shares_of_cells
from seewhy.evaluate.where.resize import resize
from seewhy.explanation.answers import Answers

Undefined = Literal["nan", "zero"]

BLOCK = 16
"""Grids explained in one call of a method."""


@dataclass(frozen=True)
class GridMetric(Metric):
    """What the three settings share.

    Parameters
    ----------
    undefined
        What a map without positive relevance gets: "nan", or "zero" as published.
    native
        Score maps on their own grid where its sides divide by the cells'. As published, maps are enlarged
        bilinearly first, which carries relevance over the borders: a coarse map then cannot reach 1.
    """

    undefined: Undefined = "nan"
    native: bool = False

    direction: ClassVar[Literal[1, -1]] = 1
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    truth: ClassVar[Truth] = "model"
    needs: ClassVar[tuple[str, ...]] = ("model", "grids")
    chance: ClassVar[str] = "1 / cells of the grid, by a uniform map"
    setting: ClassVar[Setting]

    def __post_init__(self) -> None:
        chosen("undefined", self.undefined, get_args(Undefined))

    def __call__(
        self,
        model: Any,
        grids: Grids,
        method: str | Method = "input_x_gradient",
        *,
        at: str | None = None,
        batch_size: int | None = None,
        seed: int = 0,
    ) -> Values:
        """The score of every explained cell.

        Parameters
        ----------
        model
            `Parts(features, head)`; or a module, a `Backbone` or what `seewhy.load` returns, which is cut at
            its feature layer if it can be.
        grids
            From `make_grids`.
        method
            An attribution method, by name or object. Methods compare only at the same layer.
        at
            Where methods that need features read them: a layer of the grid's network, by default the one at
            which the network was cut ("grid"). Refused for methods that need none.

        Returns
        -------
        values
            Grid by grid, and in each the explained cells, `extras["cells"]`, in their order; `groups` says which
            grid an item belongs to.

        Raises
        ------
        NotSupported
            If the network, or the method on it, does not fit the setting.
        InputError
            If `at` is given to a method that looks at no layer.
        """
        asked = METHODS[method]() if isinstance(method, str) else method
        if at is not None and "features" not in asked.needs:
            raise InputError(
                message(
                    f"at is {at!r}, and the method {asked.name!r}.",
                    "A layer is for methods that read features; this one reads none.",
                    "Leave at= out, or take a method such as gradcam.",
                )
            )
        parts, whole = self._parts(model, grids, asked)
        cells = self._cells(grids)
        found = np.full((len(grids), len(cells)), np.nan)
        forwards = 0.0
        for made, scored in self._networks(parts, grids, asked, whole):
            layer = at or (None if whole else GRID)
            backbone = Backbone(made, name=f"{self.setting} network", layer=None if made.lone else layer)
            columns = [cells.index(cell) for cell in scored]
            for start in range(0, len(grids), BLOCK):
                block = np.arange(start, min(start + BLOCK, len(grids)))
                x = grids.picture(block).repeat_interleave(len(scored), 0)
                targets = grids.labels[block][:, list(scored)].ravel()
                answers = asked(
                    backbone, x, targets.tolist(), preprocess=False, batch_size=batch_size, seed=seed
                )
                assert isinstance(answers, Answers)
                maps = np.stack([self._scored_map(answer.map, grids) for answer in answers])
                shares = shares_of_cells(maps, grids.side, self.undefined)
                own = shares[np.arange(len(maps)), np.tile(scored, len(block))]
                found[block[:, None], columns] = own.reshape(len(block), len(scored))
                forwards += sum(float(answer.meta.cost.get("forwards", 0)) for answer in answers)
        return self.values(
            found.ravel(),
            forwards=round(forwards),
            groups=np.repeat(np.arange(len(grids)), len(cells)),
            settings={"side": grids.side},
            method=asked.name,
            method_options={one.name: getattr(asked, one.name) for one in dataclasses.fields(asked)},
            at=(at or GRID) if "features" in asked.needs else None,
            cells=cells,
            seed=seed,
        )

    @abstractmethod
    def _networks(
        self, parts: Parts, grids: Grids, method: Method, whole: bool
    ) -> Iterator[tuple[GridNetwork, tuple[int, ...]]]:
        """The networks to explain, each with the cells that it is asked about."""

    def _scored_map(self, map_hw: np.ndarray, grids: Grids) -> np.ndarray:
        fits = all(extent % grids.side == 0 for extent in map_hw.shape)
        return map_hw if self.native and fits else resize(map_hw[None].astype(np.float64), grids.size)[0]

    def _cells(self, grids: Grids) -> tuple[int, ...]:
        return grids.corners

    def _head(self) -> Head:
        return "whole"

    def _parts(self, network: Any, grids: Grids, method: Method) -> tuple[Parts, bool]:
        """The network in two parts; or, for DiFull and methods that need no features, in one."""
        if "attention" in method.needs:
            raise NotSupported(
                message(
                    f"{method.name!r} reads the attention of a transformer.",
                    "Grids need features that lie side by side as their pictures do.",
                    "Take a method that needs no attention, such as occlusion or input_x_gradient, in DiFull.",
                )
            )
        parts, whole = network, False
        if not isinstance(network, Parts):
            needless = self.setting == "difull" and not method.needs & {"features", "attention"}
            parts, whole = (
                (whole_network(network), True) if needless else (Parts.of(network, grids.cell), False)
            )
        made = GridNetwork(parts, grids.side, self.setting)
        backbone = Backbone(made)
        with backbone.undisturbed():
            first = grids.picture(slice(0, 1)).to(backbone.device, backbone.dtype)
            if not whole:
                refuse_misfit(parts, first, grids.side, self.setting, self._head())
        return parts, whole


@dataclass(frozen=True)
class GridPG(GridMetric):
    """The grid pointing game: one head over the whole grid; every class of it is explained in turn.

    What the network does on a grid is not known, only what it was trained for: a network that looks at
    another cell for a class is counted against the map.

    Parameters
    ----------
    head
        "whole": the head takes the features of the whole grid, as global pooling does. "slide": a head that
        only knows features of one size takes every window of it, and the mean is taken.
    """

    head: Head = "whole"

    name: ClassVar[str] = "gridpg"
    paper: ClassVar[str] = "Rao et al., CVPR 2022 (arXiv 2205.10435), after Boehle et al., CVPR 2021"
    truth: ClassVar[Truth] = "scene"
    setting: ClassVar[Setting] = "gridpg"

    def __post_init__(self) -> None:
        super().__post_init__()
        chosen("head", self.head, get_args(Head))

    def _head(self) -> Head:
        return self.head

    def _cells(self, grids: Grids) -> tuple[int, ...]:
        return tuple(range(grids.side**2))

    def _networks(
        self, parts: Parts, grids: Grids, method: Method, whole: bool
    ) -> Iterator[tuple[GridNetwork, tuple[int, ...]]]:
        yield GridNetwork(parts, grids.side, self.setting, head=self.head), self._cells(grids)


@dataclass(frozen=True)
class _Corners(GridMetric):
    """Settings in which the head of each scored cell is a network of its own."""

    def _networks(
        self, parts: Parts, grids: Grids, method: Method, whole: bool
    ) -> Iterator[tuple[GridNetwork, tuple[int, ...]]]:
        # Without a look at features the other cells need not be run: they reach no logit.
        lone = self.setting == "difull" and (whole or "features" not in method.needs)
        for cell in grids.corners:
            yield GridNetwork(parts, grids.side, self.setting, cell, lone=lone), (cell,)


@dataclass(frozen=True)
class DiFull(_Corners):
    """Every cell runs through the network apart, with a head of its own; two corners are explained.

    No other cell can reach the score, so that positive relevance outside is wrong beyond doubt. Transformers
    and heads of any kind do: they see ordinary pictures.
    """

    name: ClassVar[str] = "difull"
    paper: ClassVar[str] = "Rao et al., CVPR 2022 (arXiv 2205.10435)"
    setting: ClassVar[Setting] = "difull"


@dataclass(frozen=True)
class DiPart(_Corners):
    """The whole grid runs through the features, and the head sees those of one cell; two corners are explained.

    Other cells reach the score only as far as the features look over the border.
    """

    name: ClassVar[str] = "dipart"
    paper: ClassVar[str] = "Rao et al., CVPR 2022 (arXiv 2205.10435); scoring the corners alone is ours"
    setting: ClassVar[Setting] = "dipart"


__all__ = ["DiFull", "DiPart", "GridPG", "Grids", "Parts", "make_grids", "shares_of_cells"]
