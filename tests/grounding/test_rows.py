"""What is read back is a unit row, as near as its type allows."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seewhy.grounding.rows import decoded, encoded, parts


def rows(*shape: int) -> torch.Tensor:
    return nn.functional.normalize(torch.randn(shape, generator=torch.Generator().manual_seed(0)), dim=-1)


@pytest.mark.parametrize("d", [1, 3, 128, 512])
def test_bytes_stay_within_their_bound_and_cosines_within_a_thousandth(d: int) -> None:
    made = rows(50, 7, d)
    arrays = encoded("e", made, "int8")
    assert tuple(arrays) == parts("e", "int8") == ("e", "e.scales")
    assert arrays["e"].dtype == torch.int8 and arrays["e.scales"].shape == (50, 7)
    raw = arrays["e"].float() * arrays["e.scales"][..., None]
    bound = arrays["e.scales"] / 2 * d**0.5
    assert ((raw - made).norm(dim=-1) <= bound * (1 + 1e-5)).all()
    found = decoded("e", arrays)
    assert (1 - (found * made).sum(-1)).max() < 1e-3  # the cosine of a row with itself
    words = rows(20, d)
    wrong = (found @ words.T - made @ words.T).abs()
    assert wrong.max() < 0.006 and wrong.square().mean().sqrt() < 0.0015


def test_the_largest_number_of_a_row_is_kept_and_signs_are() -> None:
    found = decoded("e", encoded("e", torch.tensor([[0.6, -0.8], [1.0, 0.0], [-1.0, 0.0]]), "int8"))
    torch.testing.assert_close(found, torch.tensor([[0.6, -0.8], [1, 0], [-1, 0]]), atol=0.003, rtol=0)
    assert found[1].tolist() == [1, 0] and found[2].tolist() == [-1, 0]


@pytest.mark.parametrize(("dtype", "distance"), [("float32", 1e-6), ("float16", 5e-4)])
def test_floats_are_the_nearest_of_their_kind(dtype: str, distance: float) -> None:
    made = rows(40, 512)
    arrays = encoded("e", made, dtype)  # type: ignore[arg-type]
    assert torch.equal(arrays["e"], made.to(getattr(torch, dtype)))
    found = decoded("e", arrays)
    assert (found - made).norm(dim=-1).max() < distance
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(40))
