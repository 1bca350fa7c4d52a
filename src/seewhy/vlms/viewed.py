"""A model of pictures and words whose image tower can be looked into: dense tokens and re-attention, once for all."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from jaxtyping import Float
from torch import Tensor

from seewhy.errors import NotSupported
from seewhy.types import Size
from seewhy.vlms import dense, reattend
from seewhy.vlms.base import VLM, Operation
from seewhy.vlms.tower import Tower, replays

# Lengths of the difference of unit embeddings; a wrong view is about 1 away. Half precision loses 3 to 4 of 7 digits.
_EXACT, _HALF = 1e-4, 0.1


class ViewedVLM(VLM):
    """A `VLM` with a view into its image tower, which is believed only if it replays the tower's own embedding."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._found: Tower | str | None = None

    @abstractmethod
    def _look(self) -> Tower | str:
        """A view into the image tower, or the reason why there is none."""

    def _view(self) -> Tower | str:
        if self._found is None:
            found = self._look()
            if isinstance(found, Tower):
                found = self._believed(found)
            self._found = found
        return self._found

    def _believed(self, tower: Tower) -> Tower | str:
        grid = tower.grid[0] * tower.grid[1]
        with self._running():
            like = self.preprocess.blank().to(self.device, self.dtype)
            off = replays(tower, self._images, self.preprocess.size, like)
        if off > (_EXACT if self.dtype.itemsize >= 4 else _HALF):
            return f"the view into its image tower of {grid} patches is {off:.2g} away from its own embedding"
        return tower

    def _why_not(self, operation: Operation, mode: str | None) -> str | None:
        view = self._view()
        if isinstance(view, str):
            return view
        if operation == "reattend":
            return reattend.why_not(view)
        return None if mode is None else dense.why_not(view, mode)

    def _grid(self) -> Size:
        return self._tower().grid

    def _dense(self, x: Float[Tensor, "b 3 H W"], mode: str) -> Float[Tensor, "b d gh gw"]:
        return dense.dense(self._tower(), x, mode)

    def _reattend(self, x: Float[Tensor, "b 3 H W"], bias: Float[Tensor, "g t"]) -> Float[Tensor, "b g d"]:
        return reattend.reattend(self._tower(), x, bias)

    def _tower(self) -> Tower:
        view = self._view()
        if isinstance(view, str):
            raise NotSupported(view)
        return view
