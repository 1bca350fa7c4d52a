"""The rest of a network as a function of how much of each concept there is: what importance methods ask.

    F_b(m) = tail_y( decode( U_b * m ) ),   m in [0, 1]^k                                              (1)

U_b are the codes of picture b at all places, y its class; m = 1 is the picture as the dictionary sees it, m = 0
no concept at all. What reaches the tail around the features stays as the picture gives it.

Fel et al., CVPR 2023 (arXiv 2211.10154), section 3.3. Running many masks of many pictures in one batch, and the
closed form on affine tails, are ours:

    F_b(m) = F_b(0) + sum_k m_k c_bk,   c_bk = sum_u U_bk(u) <W_k, dtail_y/dA(u)>                     (2)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.attribution.engine import Engine
from seewhy.backbones.split import Cut, Rest, Split


class Space(Protocol):
    """What is needed of a dictionary: codes of features, and features of codes, linear in the codes."""

    def maps(self, features: Float[Tensor, "b c h w"], /) -> Float[Tensor, "b k h w"]: ...
    def rebuild(self, maps: Float[Tensor, "b k h w"], /) -> Float[Tensor, "b c h w"]: ...


class ConceptTail:
    """(1) for some pictures, a class for each.

    Parameters
    ----------
    split, cut
        Where the network is split, and the features and rest of the pictures.
    space
        A fitted dictionary.
    rows
        The class of each picture.
    affine
        Whether the tail is affine (`shares.is_affine`); then nothing but one forward and one backward pass
        runs, whatever is asked.
    engine
        Sizes batches; a batch mixes pictures and masks.

    Attributes
    ----------
    codes
        (b, k, h, w).
    n_evaluations
        Passes of the tail so far, of one picture each.
    """

    def __init__(
        self, split: Split, cut: Cut, space: Space, rows: list[int], *, affine: bool, engine: Engine
    ) -> None:
        self.split, self.cut, self.space, self.affine, self.engine = split, cut, space, affine, engine
        self.rows = torch.tensor(rows, device=cut.features.device)
        self.n_evaluations = 0
        with torch.no_grad():
            self.codes = space.maps(cut.features).detach()
        self._line: tuple[Tensor, Tensor] | None = None
        self._plain = split.realisation == "graph" and not split.ways_around(cut)
        self._kept: Rest | None = None

    @property
    def n_concepts(self) -> int:
        """k."""
        return self.codes.shape[1]

    def __call__(self, masks: Float[Tensor, "n k"]) -> Float[Tensor, "n b"]:
        """F at each mask for each picture, in float64."""
        if self.affine:
            base, coefficients = self.line()
            return base + masks.double() @ coefficients.T
        n, b = len(masks), len(self.codes)
        out = torch.empty(n * b, dtype=torch.float64)

        def work(start: int, stop: int) -> None:
            pairs = torch.arange(start, stop)
            with torch.no_grad():
                out[start:stop] = self._scores(masks[pairs // b], pairs % b).double().cpu()

        self.engine.run(n * b, work)
        self.n_evaluations += n * b
        return out.view(n, b)

    def each(self, masks: Float[Tensor, "b n k"]) -> Float[Tensor, "b n"]:
        """F of each picture at its own masks only, in float64."""
        if self.affine:
            base, coefficients = self.line()
            return base[:, None] + (masks.double() * coefficients[:, None]).sum(2)
        b, n, k = masks.shape
        flat, out = masks.reshape(b * n, k), torch.empty(b * n, dtype=torch.float64)

        def work(start: int, stop: int) -> None:
            with torch.no_grad():
                found = self._scores(flat[start:stop], torch.arange(start, stop) // max(1, n))
            out[start:stop] = found.double().cpu()

        self.engine.run(b * n, work)
        self.n_evaluations += b * n
        return out.view(b, n)

    def gradient(self, masks: Float[Tensor, "n k"]) -> Float[Tensor, "n b k"]:
        """dF / dm at each mask for each picture, in float64."""
        if self.affine:
            return self.line()[1].expand(len(masks), -1, -1)
        n, b = len(masks), len(self.codes)
        out = torch.empty(n * b, self.n_concepts, dtype=torch.float64)

        def work(start: int, stop: int) -> None:
            pairs = torch.arange(start, stop)
            with torch.enable_grad():
                chosen = masks[pairs // b].to(self.codes).detach().requires_grad_()
                (found,) = torch.autograd.grad(self._scores(chosen, pairs % b).sum(), chosen)
            out[start:stop] = found.double().cpu()

        self.engine.run(n * b, work)
        self.n_evaluations += n * b
        return out.view(n, b, self.n_concepts)

    def line(self) -> tuple[Float[Tensor, " b"], Float[Tensor, "b k"]]:
        """F(0) and the coefficients of (2), in float64; affine tails only."""
        assert self.affine
        if self._line is None:
            # With no way around the features, F(0) depends on the class alone.
            alike = not self.split.ways_around(self.cut)
            self._line = self._by_class(self._nothing, alike), self.by_place().sum((2, 3))
        return self._line

    def by_place(self) -> Float[Tensor, "b k h w"]:
        """The terms of (2) at each place: shares on an affine tail, gradient x input on another; float64."""
        return self._by_class(self._slope, self.affine) * self.codes.double().cpu()

    def _nothing(self, pictures: Tensor) -> Tensor:
        with torch.no_grad():
            return self._scores(torch.zeros(len(pictures), self.n_concepts), pictures)

    def _slope(self, pictures: Tensor) -> Tensor:
        codes = self.codes[pictures.to(self.codes.device)].clone().requires_grad_()
        with torch.enable_grad():
            (found,) = torch.autograd.grad(self._tail(codes, pictures).sum(), codes)
        return found

    def _by_class(self, ask: Callable[[Tensor], Tensor], alike: bool) -> Tensor:
        """What `ask` says of each picture, in float64; asked once a class where its pictures are alike."""
        first, which = np.arange(len(self.rows)), np.arange(len(self.rows))
        if alike:
            _, first, which = np.unique(self.rows.cpu().numpy(), return_index=True, return_inverse=True)
        found: list[Tensor] = []
        chosen = torch.from_numpy(first)
        self.engine.run(
            len(chosen), lambda start, stop: found.append(ask(chosen[start:stop]).detach().double().cpu())
        )
        self.n_evaluations += len(chosen)
        return torch.cat(found)[torch.from_numpy(which)]

    def remainder(self) -> Float[Tensor, " b"]:
        """Tail on the features minus tail on their reconstruction, in float64."""
        out = torch.empty(len(self.codes), dtype=torch.float64)

        def work(start: int, stop: int) -> None:
            pairs = torch.arange(start, stop)
            with torch.no_grad():
                cut = self.cut.take(pairs)
                whole = self.split.tail(cut.features, cut.rest).double()
                rebuilt = self.space.rebuild(self.codes[start:stop]).to(cut.features)
                named = self.split.tail(rebuilt, cut.rest).double()
            rows = self.rows[start:stop, None]
            out[start:stop] = (whole - named).gather(1, rows)[:, 0].cpu()

        self.engine.run(len(self.codes), work)
        return out

    def _scores(self, masks: Float[Tensor, "p k"], pictures: Tensor) -> Float[Tensor, " p"]:
        """F of pairs of a mask and a picture."""
        codes = self.codes[pictures.to(self.codes.device)]
        return self._tail(codes * masks.to(codes)[:, :, None, None], pictures)

    def _tail(self, codes: Float[Tensor, "p k h w"], pictures: Tensor) -> Float[Tensor, " p"]:
        features = self.space.rebuild(codes).to(self.cut.features)
        logits = self.split.tail(features, self._rest_of(pictures))
        return logits.gather(1, self.rows[pictures.to(self.rows.device)][:, None])[:, 0]

    def _rest_of(self, pictures: Tensor) -> Rest:
        """What the tail needs besides features; one for all pictures, kept, where it holds nothing of theirs."""
        if not self._plain:
            return self.cut.rest.take(pictures)
        n = len(pictures)
        if self._kept is None or self._kept.n != n:
            self._kept = self.cut.rest.take(torch.zeros(n, dtype=torch.long))
        return self._kept
