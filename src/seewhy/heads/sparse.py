"""Sparse heads: multinomial regression with an elastic net, so that few concepts speak for each class, certified.

    min over W, b of  (1/n) sum_i CE(softmax(W z_i + b), y_i) + lam alpha |W|_1 + lam (1 - alpha) / 2 |W|_2^2  (1)

Label-Free CBM and its followers fit this with GLM-SAGA at alpha = 0.99 (Wong, Santurkar and Madry 2021, arXiv
2105.04857) and stop when steps get small, where many more weights are left than at the optimum. Ours ends with a
proof. A given NEC follows VLG-CBM (arXiv 2408.01432): the path's first head with enough weights, then the largest
over all classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seewhy.errors import InputError, message
from seewhy.heads.certificate import certify
from seewhy.heads.choose import choose_sparse
from seewhy.heads.fitting import as_head, check_between, held_out, on_all_columns
from seewhy.heads.inputs import Examples, check_examples
from seewhy.heads.linear import Head
from seewhy.heads.nec import NECS, refit, truncate
from seewhy.heads.objective import Penalty
from seewhy.heads.path import at_necs
from seewhy.heads.solver import Solution, solve


@dataclass(frozen=True)
class SparseLinear:
    """Makes heads with few weights.

    Parameters
    ----------
    alpha
        Part of the penalty that is L1, more than 0 to 1; 0.99 is the common choice.
    lam
        Strength of the penalty. None: chosen on `validation` or, without it, on a fifth of each class set aside
        from the training examples with `seed`: the largest lam whose accuracy is within one standard error of
        the best. The head is then fitted on all training examples.
    nec
        Concepts per class on average, instead of a strength: exactly round(nec * k) weights are kept.
    refit
        With `nec`: fit the kept weights again under a light ridge, which undoes the shrinkage and what truncation
        broke. Without it weights and bias are those of the path, as in VLG-CBM, and the certificate is that of the
        truncated head under the path's penalty: seldom converged, and it says by how much.
    group
        Penalise the length of each concept's column: a concept serves all classes or none; `nec` then counts those.
    tol
        Relative duality gap from which on a head counts as converged.
    seed
        Of the examples set aside.

    Examples
    --------
    >>> head = SparseLinear(lam=0.1).fit(z, y)
    >>> head.nec, head.certificate.relative_gap < 1e-6
    (3.5, True)
    """

    alpha: float = 0.99
    lam: float | None = None
    nec: float | None = None
    refit: bool = True
    group: bool = False
    tol: float = 1e-6
    seed: int = 0

    def __post_init__(self) -> None:
        check_between("alpha", self.alpha, 0, 1)
        check_between("tol", self.tol, 0, 1)
        if self.lam is not None:
            check_between("lam", self.lam, 0, math.inf)
        if self.nec is not None:
            check_between("nec", self.nec, 0, math.inf)
        if self.lam is not None and self.nec is not None:
            raise InputError(
                message(
                    f"Both lam={self.lam:g} and nec={self.nec:g} are given.",
                    "Each of them sets how many weights there are.",
                    "Leave one of them out.",
                )
            )

    def fit(
        self, z: Any, y: Any, n_classes: int | None = None, validation: tuple[Any, Any] | None = None
    ) -> Head:
        """The head for features (n, m), in standard deviations, and classes (n), each of which must occur.

        Constant concepts are dropped: weight 0, listed in the head's `constant`; they can add nothing that the
        bias does not, so that the certificate holds with them too.

        Raises
        ------
        InputError
            As `check_examples`, for either examples; and if `nec` is more than can be reached.

        Warns
        -----
        RuntimeWarning
            If the gap could not be proven to `tol`.

        Notes
        -----
        A strength costs 100 to 300 products of (k, n) by m; choosing one, or an NEC, ten to twenty of these, most
        of them cheap. `validation` is not used where `lam` or `nec` is given.
        """
        data = check_examples(z, y, n_classes)
        if self.nec is not None:
            return self._at_necs(data, [self.nec])[self.nec]
        lam, start, record = self.lam, None, dict[str, Any]()
        if lam is None:
            train, held, record = held_out(data, validation, 0.2, self.seed)
            chosen, how = choose_sparse(train, held, self.alpha, self.group)
            lam, record = chosen.certificate.lam, record | how
            if chosen.weight.shape[1] == len(data.varies):
                start = (chosen.weight, chosen.bias)
        penalty = Penalty(lam, self.alpha, self.group)
        found = solve(data.used, data.y, data.n_classes, penalty, tol=self.tol, start=start)
        return as_head(found, data, record, lam=lam, alpha=self.alpha)

    def fit_necs(
        self, z: Any, y: Any, n_classes: int | None = None, *, necs: Sequence[float] = NECS
    ) -> dict[float, Head]:
        """A head for each NEC, from one walk down the path; `lam` and `nec` are not used."""
        return self._at_necs(check_examples(z, y, n_classes), necs)

    def _at_necs(self, data: Examples, necs: Sequence[float]) -> dict[float, Head]:
        found = at_necs(data, necs, self.alpha, group=self.group, tol=self.tol)
        return {target: self._truncated(data, target, solution) for target, solution in found.items()}

    def _truncated(self, data: Examples, target: float, solution: Solution) -> Head:
        weight, bias, lam = solution.weight, solution.bias, solution.certificate.lam
        kept = truncate(weight, target, group=self.group)
        record = {
            "rule": "largest weights of the path's head",
            "nec": target,
            "nec_before_truncation": int((weight != 0).sum()) / len(weight),
            "refit": self.refit,
        }
        if self.refit:
            again = refit(data.used, data.y, kept != 0, lam, tol=self.tol, start=(kept, bias))
            return as_head(again, data, record, lam=lam, alpha=self.alpha)
        proof = certify(kept, bias, data.used, data.y, lam, self.alpha, group=self.group, tol=self.tol)
        return Head(on_all_columns(kept, data), bias, proof, lam, self.alpha, data.constant, record)
