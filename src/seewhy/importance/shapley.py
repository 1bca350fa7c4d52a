"""Shapley values: a concept's marginal contribution, averaged over all orders in which concepts may come.

phi_k = sum_S |S|! (K - |S| - 1)! / K! (F(S + k) - F(S)),   S without k                                (1)
F(1) = F(0) + sum_k phi_k                                                                              (2)

Exact over all 2^K sets for few concepts, else over random orders, each taken forwards and backwards: within one
order the marginals telescope, so (2) holds for any number of orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.stats import t as student

from seewhy.errors import InputError, message
from seewhy.importance.base import IMPORTANCES, Asked, Found, ImportanceMethod
from seewhy.types import Kind


@IMPORTANCES.register("shapley")
@dataclass(frozen=True)
class Shapley(ImportanceMethod):
    """The one division of F(1) - F(0) that is symmetric, additive and gives nothing to concepts without effect.

    Parameters
    ----------
    exact_up_to
        Concepts for which all 2^K sets are evaluated; at most 16.
    n_orders
        Random orders for more concepts, an even number of at least 4: K - 1 evaluations each.

    Notes
    -----
    The 95 % interval of sampled values is Student's over pairs of opposite orders. Concepts that interact only in
    pairs are exact in every pair of orders (the two errors cancel).
    """

    exact_up_to: int = 12
    n_orders: int = 64

    name: ClassVar[str] = "shapley"
    paper: ClassVar[str] = "Shapley 1953; antithetic orders: Mitchell et al., JMLR 2022 (arXiv 2104.12199)"
    kind: ClassVar[Kind] = "share"
    random: ClassVar[bool] = True
    adds_up: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.exact_up_to <= 16 or self.n_orders < 4 or self.n_orders % 2:
            came = f"Shapley got exact_up_to={self.exact_up_to}, n_orders={self.n_orders}."
            needed = "exact_up_to is 0 to 16, n_orders an even number of at least 4."
            raise InputError(message(came, needed, "Try exact_up_to=12, n_orders=64."))

    def closed_form(self, ask: Asked, seed: int) -> Found:
        return Found(ask.coefficients())

    def find(self, ask: Asked, seed: int) -> Found:
        if ask.n_concepts <= self.exact_up_to:
            return Found(exact_values(ask), exact=True)
        pairs = self.n_orders // 2
        generator = np.random.default_rng(seed)
        forwards = generator.permuted(np.tile(np.arange(ask.n_concepts), (pairs, 1)), axis=1)
        marginals = (order_marginals(ask, forwards) + order_marginals(ask, forwards[:, ::-1])) / 2
        values = marginals.mean(0)
        half = student.ppf(0.975, pairs - 1) * marginals.std(0, ddof=1) / np.sqrt(pairs)
        return Found(values, values - half, values + half)


def exact_values(ask: Asked) -> Float[np.ndarray, "b k"]:
    """(1) as one matrix product over all sets."""
    k = ask.n_concepts
    sets = (np.arange(2**k)[:, None] >> np.arange(k)) & 1
    logits = ask(torch.from_numpy(sets.astype(np.float64))) - ask.base
    size = sets.sum(1)
    # A set's logit counts for its members as F(S + k) with |S| one less, and against all others as F(S).
    weight = np.array([1 / (k * comb(k - 1, s)) for s in range(k)])
    gained = weight[np.maximum(size - 1, 0)][:, None] * sets
    lost = weight[np.minimum(size, k - 1)][:, None] * (1 - sets)
    return np.asarray(logits.T @ (gained - lost))


def order_marginals(ask: Asked, orders: Int[np.ndarray, "p k"]) -> Float[np.ndarray, "p b k"]:
    """What each concept adds when concepts come in each of the orders."""
    p, k = orders.shape
    rank = np.argsort(orders, 1)
    masks = (rank[:, None, :] <= np.arange(k - 1)[None, :, None]).astype(np.float64)
    inner = ask(torch.from_numpy(masks.reshape(-1, k))).reshape(p, k - 1, -1)
    ends = np.broadcast_to(ask.base, (p, 1, len(ask.base))), np.broadcast_to(ask.full, (p, 1, len(ask.full)))
    steps = np.diff(np.concatenate([ends[0], inner, ends[1]], 1), axis=1)
    return np.asarray(np.take_along_axis(steps, rank[:, :, None], 1).transpose(0, 2, 1))
