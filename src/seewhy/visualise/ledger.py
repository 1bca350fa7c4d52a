"""What stands under a table of concepts so that its column adds up to the logit."""

from __future__ import annotations

from collections.abc import Sequence

from seewhy.explanation.evidence import ConceptEvidence
from seewhy.explanation.explanation import Explanation

SUM = "= logit"


def ledger(answer: Explanation, shown: Sequence[ConceptEvidence]) -> list[tuple[str, float]]:
    """Names and values: the concepts not shown, bias, ways around the features, remainder, and their sum.

    Empty for effects and variance, which do not add up. For shares the `shown` contributions and these rows
    but the last make the last, within the tolerance of `Explanation`.
    """
    if answer.kind != "share":
        return []
    assert answer.bias is not None and answer.remainder is not None
    n_others = len(answer.concepts) - len(shown)
    hidden = sum(c.contribution for c in answer.concepts) - sum(c.contribution for c in shown)
    others = [(f"other {n_others} concepts", hidden)] if n_others else []
    return [
        *others,
        ("bias", answer.bias),
        *((row.name, row.contribution) for row in answer.elsewhere),
        ("unexplained remainder", answer.remainder),
        (SUM, answer.target.logit),
    ]
