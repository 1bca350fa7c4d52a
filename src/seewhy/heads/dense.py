"""Dense heads: multinomial regression with a ridge, certified.

min over W, b of  (1/n) sum_i CE(softmax(W z_i + b), y_i) + lam / 2 |W|_2^2                               (1)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from seewhy.heads.choose import choose_ridge
from seewhy.heads.fitting import as_head, check_between, held_out
from seewhy.heads.inputs import check_examples
from seewhy.heads.linear import Head
from seewhy.heads.objective import Penalty
from seewhy.heads.solver import solve


@dataclass(frozen=True)
class DenseLinear:
    """Makes heads that use every concept for every class.

    Parameters
    ----------
    lam
        Strength of the ridge, for concepts in standard deviations. None: of `choose.RIDGES` the one with the least
        cross-entropy on `validation` or, without it, on a fifth of each class set aside with `seed`, after which
        the head is fitted on all examples.
    tol
        Relative duality gap from which on the head counts as converged.
    seed
        Of the examples set aside.

    Examples
    --------
    >>> z = torch.tensor([[-1.0], [0.0], [1.0], [0.5]])
    >>> DenseLinear(lam=0.1).fit(z, [0, 0, 1, 1]).converged
    True
    """

    lam: float | None = None
    tol: float = 1e-6
    seed: int = 0

    def __post_init__(self) -> None:
        check_between("tol", self.tol, 0, 1)
        if self.lam is not None:
            check_between("lam", self.lam, 0, math.inf)

    def fit(
        self, z: Any, y: Any, n_classes: int | None = None, validation: tuple[Any, Any] | None = None
    ) -> Head:
        """The best head of (1) for features (n, m) and classes (n), each of which must occur.

        Constant concepts are dropped: weight 0, listed in the head's `constant`.

        Raises
        ------
        InputError
            As `check_examples`, for either examples.

        Warns
        -----
        RuntimeWarning
            If the gap could not be proven to `tol`.
        """
        data = check_examples(z, y, n_classes)
        lam, start, record = self.lam, None, dict[str, Any]()
        if lam is None:
            train, held, record = held_out(data, validation, 0.2, self.seed)
            chosen, how = choose_ridge(train, held)
            lam, record = chosen.certificate.lam, record | how
            if chosen.weight.shape[1] == len(data.varies):
                start = (chosen.weight, chosen.bias)
        found = solve(data.used, data.y, data.n_classes, Penalty(lam, 0.0), tol=self.tol, start=start)
        return as_head(found, data, record, lam=lam, alpha=0.0)
