"""What every registered importance method keeps: being registered is what puts it here."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from seewhy.errors import InputError, NotSupported
from seewhy.importance.affine import affine_importance
from seewhy.importance.base import Importance, from_callable
from seewhy.importance.methods import IMPORTANCES
from tests.importance.functions import affine, network, positive

KINDS = {
    "gradient_x_input": ("effect", True),
    "integrated_gradients": ("share", True),
    "occlusion": ("effect", True),
    "rise": ("effect", True),
    "sobol": ("variance", False),
    "hsic": ("variance", False),
    "shapley": ("share", True),
}


def truth_for(found: Importance, name: str, c: np.ndarray, base: np.ndarray) -> np.ndarray:
    widths = np.array(found.parameters.get("bandwidths", np.ones(len(c))))
    return affine_importance(c, base, bandwidths=widths)[name]


def test_the_seven_methods_are_registered_and_no_others() -> None:
    assert set(IMPORTANCES) == set(KINDS)


@pytest.mark.parametrize("name", IMPORTANCES)
@pytest.mark.parametrize("k", [1, 5, 14])
def test_asking_an_affine_function_gives_its_closed_form(name: str, k: int) -> None:
    c, base = positive(k, 3, seed=k)
    c[0] *= np.random.default_rng(k).choice([-1, 1], k)
    found = IMPORTANCES[name]().measure(affine(c, base), k, seed=k)
    truth = truth_for(found, name, c, base)
    if name in ("rise", "hsic") and k == 14:  # sampled; 1.96 standard errors to the interval's ends
        assert found.low is not None and found.high is not None
        bias = 0 if found.null is None else found.null  # the statistic's own, of the order of the null's
        assert (np.abs(found.values - truth) <= 3 * (found.high - found.low) / 3.92 + bias).all()
        np.testing.assert_allclose(found.values, truth, atol=0.2 * np.abs(truth).max())
    else:
        np.testing.assert_allclose(found.values, truth, atol=1e-5)


@pytest.mark.parametrize("name", IMPORTANCES)
def test_a_known_affine_function_costs_one_gradient_and_gives_the_closed_form(name: str) -> None:
    c, base = positive(25, 2)
    known = from_callable(affine(c, base), affine=True)
    found = IMPORTANCES[name]().measure(known, 25)
    np.testing.assert_allclose(found.values, truth_for(found, name, c, base), atol=1e-9)
    assert found.exact and found.seed is None
    assert name == "occlusion" or found.n_evaluations == 4  # both ends, one again, one gradient
    assert (found.kind == "share") == (KINDS[name][0] == "share" or name == "gradient_x_input")


@pytest.mark.parametrize("known", [False, True])
def test_all_methods_order_the_concepts_of_a_positive_affine_function_alike(known: bool) -> None:
    c, base = positive(9, 2, seed=1)
    for name in IMPORTANCES:
        found = IMPORTANCES[name]().measure(from_callable(affine(c, base), affine=known), 9)
        for values, row in zip(found.values, c, strict=True):
            assert spearmanr(values, row).statistic == pytest.approx(1), name


@pytest.mark.parametrize("name", IMPORTANCES)
def test_results_tell_kind_sign_ends_and_settings(name: str) -> None:
    function = network(5, 3)
    found = IMPORTANCES[name]().measure(function, 5, seed=7)
    assert (found.kind, found.signed) == KINDS[name]
    assert found.values.shape == (3, 5) and found.values.dtype == np.float64
    np.testing.assert_allclose(found.base, function(torch.zeros(1, 5))[0])
    np.testing.assert_allclose(found.full, function(torch.ones(1, 5))[0])
    if found.low is not None and found.high is not None:
        assert (found.low <= found.values).all() and (found.values <= found.high).all()
    assert found.method == name and len(found) == 3


@pytest.mark.parametrize("name", IMPORTANCES)
def test_the_same_seed_gives_the_same_bytes_and_global_generators_are_left_alone(name: str) -> None:
    state = torch.get_rng_state(), np.random.get_state()[1].tobytes()  # noqa: NPY002
    first, second = (IMPORTANCES[name]().measure(network(14, 2), 14, seed=3).values for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert torch.equal(torch.get_rng_state(), state[0])
    assert np.random.get_state()[1].tobytes() == state[1]  # noqa: NPY002


@pytest.mark.parametrize("name", IMPORTANCES)
def test_swapping_pictures_swaps_rows(name: str) -> None:
    function = network(6, 4)
    straight = IMPORTANCES[name]().measure(function, 6).values
    swapped = IMPORTANCES[name]().measure(lambda m: function(m).flip(1), 6).values
    np.testing.assert_allclose(swapped, straight[::-1], atol=1e-12)


@pytest.mark.parametrize("name", IMPORTANCES)
def test_no_pictures_give_no_rows(name: str) -> None:
    found = IMPORTANCES[name]().measure(lambda m: m @ torch.zeros(3, 0).double(), 3)
    assert found.values.shape == (0, 3) and found.base.shape == (0,)


@pytest.mark.parametrize("name", IMPORTANCES)
def test_a_constant_function_gives_zeros(name: str) -> None:
    found = IMPORTANCES[name]().measure(lambda m: 0 * m.sum(1, keepdim=True) + 0.1, 4)
    np.testing.assert_array_equal(np.abs(found.values), np.zeros((1, 4)))
    if found.kind == "variance":
        assert found.notes == ("picture 0: no mask changes the logit, all values are 0",)


@pytest.mark.parametrize("name", IMPORTANCES)
def test_functions_in_single_precision_are_measured_in_double(name: str) -> None:
    c, base = positive(4, 2)
    double = IMPORTANCES[name]().measure(affine(c, base), 4).values
    single = IMPORTANCES[name]().measure(lambda m: affine(c, base)(m).float(), 4).values
    assert single.dtype == np.float64
    np.testing.assert_allclose(single, double, atol=1e-5)


def test_no_concepts_are_refused() -> None:
    with pytest.raises(InputError, match="n_concepts is 0.\n.*at least one concept.\n.*the dictionary's"):
        IMPORTANCES["occlusion"]().measure(network(2, 1), 0)


def test_a_function_that_answers_differently_is_refused() -> None:
    generator = torch.Generator().manual_seed(0)
    with pytest.raises(
        NotSupported, match="logits that differ by .*\n.*same answer each time.*\n.*eval mode"
    ):
        IMPORTANCES["occlusion"]().measure(
            lambda m: m.sum(1, keepdim=True) + 0.01 * torch.rand(len(m), 1, generator=generator), 3
        )
    with pytest.raises(NotSupported, match="alone and beside another mask"):  # batch statistics
        IMPORTANCES["occlusion"]().measure(lambda m: m.sum(1, keepdim=True) - 0.1 * m.mean(), 3)


@pytest.mark.parametrize("name", IMPORTANCES)
def test_a_logit_that_is_not_finite_is_refused(name: str) -> None:
    def broken(m: torch.Tensor) -> torch.Tensor:
        inside = (m.sum(1, keepdim=True) % 3 != 0).double()
        return m.sum(1, keepdim=True) / torch.where(inside > 0, 0.0, 1.0)

    def steep(m: torch.Tensor) -> torch.Tensor:
        return (1 - m).sqrt().sum(1, keepdim=True)  # finite at 1, but its slope is not

    with pytest.raises(InputError, match="of picture 0 under mask .* NaN or infinity.\n.*finite"):
        IMPORTANCES[name]().measure(steep if name == "gradient_x_input" else broken, 3)


def test_logits_of_a_wrong_shape_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"For 2 masks the function's logits are \(2,\).\n.*\(masks, pictures\)"
    ):
        IMPORTANCES["occlusion"]().measure(lambda m: m.sum(1), 3)
    with pytest.raises(InputError, match=r"logits are \(1, 3\)"):
        IMPORTANCES["occlusion"]().measure(lambda m: m[:1], 3)


def test_a_function_without_gradient_is_refused_where_one_is_needed() -> None:
    with pytest.raises(NotSupported, match="do not depend on the masks through torch.\n.*\n.*occlusion"):
        IMPORTANCES["gradient_x_input"]().measure(lambda m: m.detach().sum(1, keepdim=True), 3)


def test_gradients_of_plain_functions_are_per_picture() -> None:
    gradient = from_callable(lambda m: torch.stack([m[:, 0] ** 2, m[:, 0] * m[:, 1]], 1)).gradient(
        torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    )
    assert gradient.tolist() == [[[2, 0], [2, 1]], [[6, 0], [4, 3]]]
