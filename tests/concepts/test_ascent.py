"""The drivers climb: Adam as torch's does, L-BFGS to the top of every row by itself."""

from __future__ import annotations

import torch
from torch import Tensor

from seewhy.concepts.ascent import Adam, RowLBFGS


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def hills(rows: int = 4, size: int = 6) -> tuple[Tensor, Tensor]:
    """For each row a matrix A and a direction t; w climbs the cosine of A w and t, whose top is known."""
    return draw(rows, 9, size), draw(rows, 9, seed=1)


def climb(weight: Tensor, a: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        w = weight.detach().requires_grad_()
        value = torch.cosine_similarity((a @ w[..., None])[..., 0], t, dim=1)
        (gradient,) = torch.autograd.grad(value.sum(), w)
    return value.detach(), gradient


def top(a: Tensor, t: Tensor) -> Tensor:
    fitted = (a @ torch.linalg.lstsq(a, t[..., None]).solution)[..., 0]
    return torch.cosine_similarity(fitted, t, dim=1)


def test_adam_steps_are_those_of_torch() -> None:
    a, t = hills()
    theirs = torch.nn.Parameter(draw(4, 6, seed=2))
    ours, peer = Adam(theirs.detach(), 0.03), torch.optim.Adam([theirs], lr=0.03, maximize=True)
    for _ in range(20):
        ours.tell(*climb(ours.ask(), a, t))
        theirs.grad = climb(theirs, a, t)[1]
        peer.step()
    torch.testing.assert_close(ours.here, theirs.detach())


def test_lbfgs_reaches_the_top_of_every_row() -> None:
    a, t = hills()
    driver = RowLBFGS(draw(4, 6, seed=2))
    steps = 0
    while not driver.finished and steps < 100:
        driver.tell(*climb(driver.ask(), a, t))
        steps += 1
    assert driver.finished and steps < 60
    torch.testing.assert_close(climb(driver.here, a, t)[0], top(a, t), rtol=0, atol=1e-8)


def test_lbfgs_never_goes_down() -> None:
    a, t = hills()
    driver = RowLBFGS(draw(4, 6, seed=2))
    before = climb(driver.here, a, t)[0]
    for _ in range(30):
        driver.tell(*climb(driver.ask(), a, t))
        now = climb(driver.here, a, t)[0]
        assert (now >= before - 1e-15).all()
        before = now


def test_rows_do_not_wait_for_or_change_each_other() -> None:
    a, t = hills()
    together, alone = RowLBFGS(draw(4, 6, seed=2)), RowLBFGS(draw(4, 6, seed=2)[1:2])
    for _ in range(12):
        together.tell(*climb(together.ask(), a, t))
        alone.tell(*climb(alone.ask(), a[1:2], t[1:2]))
    torch.testing.assert_close(together.here[1:2], alone.here)


def test_rows_without_weights_or_gradient_are_finished_at_once() -> None:
    driver = RowLBFGS(torch.zeros(2, 3))
    driver.tell(torch.zeros(2), torch.zeros(2, 3))
    assert driver.finished and not driver.here.any()
