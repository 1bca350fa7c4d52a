"""Every registered method passes every public check: being registered is what puts it here."""

from __future__ import annotations

import pytest

from seewhy.attribution.methods import METHODS
from seewhy.testing import CHECKS, check_method

ALWAYS = set(CHECKS) - {
    "cuda_equals_cpu",  # no device here
    "scales_with_logit",  # not for methods whose definition is not linear
    "ignores_constant",  # for methods with gradients or differences
    "constant_model",  # for methods about the score
    "translation",  # on the convolutional network, for methods that draw nothing
    "points_at_the_truth",  # for methods about the class
}
"""Checks that no method may skip on every network."""


@pytest.mark.parametrize("name", METHODS)
def test_method_keeps_every_promise(name: str) -> None:
    results = check_method(METHODS[name])
    failed = [f"{r.check} on {r.network}: {r.message}" for r in results if r.status == "failed"]
    assert not failed, "\n".join(failed)
    assert {result.check for result in results if result.status == "passed"} >= ALWAYS
    if METHODS[name].class_sensitive:
        assert any(result.check == "points_at_the_truth" and result.status == "passed" for result in results)


@pytest.mark.parametrize("name", METHODS)
def test_exemptions_name_checks_that_exist(name: str) -> None:
    assert set(METHODS[name].exempt) <= set(CHECKS)
