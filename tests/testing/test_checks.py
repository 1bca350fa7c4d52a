"""Every public check passes an honest method and fails one that breaks its promise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from seewhy.attribution.base import Method
from seewhy.attribution.rise import RISE
from seewhy.testing import CHECKS, CheckFailed, CheckResult, check_method, default_networks, run_check
from seewhy.testing.family import SMALL, small
from tests.testing.faulty import FAULTS, Good, changed


def results_of(check: str, method: Method) -> Iterator[CheckResult]:
    return (run_check(check, method, network) for network in default_networks())


def test_honest_method_fails_nothing() -> None:
    results = check_method(Good())
    assert [result for result in results if result.status == "failed"] == []
    assert {result.check for result in results if result.status == "passed"} >= set(CHECKS) - {
        "cuda_equals_cpu"
    }


@pytest.mark.parametrize(
    ("check", "method"), FAULTS, ids=[f"{i} {check}" for i, (check, _) in enumerate(FAULTS)]
)
def test_broken_promise_is_found(check: str, method: Method) -> None:
    failed = [result for result in results_of(check, method) if result.status == "failed"]
    assert failed and failed[0].message
    # A fault must be found by the comparison, not end in a traceback of the check's own.
    assert not any(
        result.message.startswith(("KeyError", "IndexError", "AttributeError")) for result in failed
    )


def test_every_check_is_seen_failing() -> None:
    needs_a_device = {"cuda_equals_cpu"}
    assert {check for check, _ in FAULTS} == set(CHECKS) - needs_a_device


def test_exemption_is_skipped_with_its_reason() -> None:
    method = changed(
        lambda maps, _: maps / maps.abs().max(), exempt={"scales_with_logit": "because I say so"}
    )
    result = next(results_of("scales_with_logit", method))
    assert (result.status, result.message) == ("skipped", "because I say so")


def test_method_that_works_nowhere_has_failed() -> None:
    class Nowhere(Good):
        def why_not(self, backbone: object, size: object = None) -> str:
            return "it is Tuesday"

    results = check_method(Nowhere())
    assert [result.status for result in results] == ["skipped"] * 4 + ["failed"]
    assert "it is Tuesday" in results[0].message and "works on none" in results[-1].message


def test_only_the_networks_given_are_used() -> None:
    network = default_networks()[1]
    assert {result.network for result in check_method(Good, networks=[network])} == {"tiny transformer"}


def test_single_checks_raise() -> None:
    check, method = FAULTS[4]
    with pytest.raises(CheckFailed, match="Picture 0 in a batch against alone"):
        CHECKS[check](method, default_networks()[0])


def test_unexpected_error_becomes_a_failure_with_its_type() -> None:
    def crash(*_: object) -> None:
        raise ZeroDivisionError("by zero")

    result = next(results_of("answer", changed(crash)))  # type: ignore[arg-type]
    assert (result.status, result.message) == ("failed", "ZeroDivisionError: by zero")


def test_expensive_settings_are_lowered_and_others_kept() -> None:
    assert small(RISE(masks=4000, p=0.3)) == RISE(masks=SMALL["masks"], p=0.3)
    assert small(RISE(masks=10)) == RISE(masks=10)


def test_networks_follow_the_seed_and_leave_torchs_alone() -> None:
    import torch

    before = torch.get_rng_state()
    one, same, other = (default_networks(seed)[0].backbone.fingerprint() for seed in (0, 0, 1))
    assert one == same != other
    assert torch.equal(torch.get_rng_state(), before)
