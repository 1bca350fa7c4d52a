"""When a map may be called shares: the identity of totals, to its tolerance."""

from __future__ import annotations

import pytest
import torch

from seewhy.attribution.shares import completeness


def test_gap_and_kind_follow_their_formulas() -> None:
    maps = torch.tensor([[[3.0, -1.0]], [[3.0, -1.0]], [[3.0, -1.0]]])
    bias = torch.tensor([0.5, 0.5, 0.5])
    # Allowed: 1e-4 * (0.5 + 4) = 4.5e-4.
    scores = torch.tensor([2.5, 2.5 + 4.4e-4, 2.5 + 4.6e-4])
    gaps, kinds = completeness(maps, scores, bias)
    assert kinds == ["share", "share", "effect"]
    assert gaps == pytest.approx([0.0, 4.4e-4 / 2.00044, 4.6e-4 / 2.00046], rel=1e-3)


def test_a_zero_map_shares_a_score_that_is_all_bias() -> None:
    gaps, kinds = completeness(torch.zeros(1, 2, 2), torch.tensor([0.0]), torch.tensor([0.0]))
    assert gaps == [0.0] and kinds == ["share"]
