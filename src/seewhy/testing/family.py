"""All checks on one method: what a method of this library must pass, and what yours can be put through."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from seewhy.attribution.base import Method
from seewhy.errors import LayerNotFound, NotSupported
from seewhy.testing import checks, state
from seewhy.testing.networks import Network, default_networks
from seewhy.testing.outcome import CheckFailed, CheckResult, CheckSkipped

Check = Callable[[Method, Network], None]

CHECKS: dict[str, Check] = {
    check.__name__.removeprefix("check_"): check
    for check in (
        checks.check_declaration,
        checks.check_answer,
        checks.check_batch_equals_loop,
        checks.check_batch_size_does_not_matter,
        checks.check_same_seed_same_bytes,
        checks.check_seed_matters_if_random,
        state.check_model_untouched,
        state.check_untouched_after_wrong_target,
        state.check_untouched_after_error,
        state.check_untouched_after_cancel,
        state.check_works_without_gradients,
        checks.check_scales_with_logit,
        checks.check_ignores_constant,
        checks.check_constant_model,
        checks.check_one_class,
        checks.check_odd_sizes,
        checks.check_double_precision,
        checks.check_cuda_equals_cpu,
        checks.check_cost_is_counted,
        checks.check_translation,
        checks.check_points_at_the_truth,
        checks.check_depends_on_class,
    )
}
"""Every check by name: a function of a method and a network that raises CheckFailed or CheckSkipped."""

OF_PLANTED = ("answer", "translation", "points_at_the_truth", "depends_on_class")
"""The checks that a network with a known truth is for; the others learn nothing from it."""

SMALL = {"masks": 256, "n": 8, "steps": 16}
"""Settings of expensive methods that are lowered for the checks."""


def check_method(
    method: Method | type[Method], *, networks: Sequence[Network] | None = None, seed: int = 0
) -> list[CheckResult]:
    """Put an attribution method through every check.

    Parameters
    ----------
    method
        A method, or its class for the default settings; the settings in `SMALL` are lowered.
    networks
        What to check it on; default `default_networks(seed)`: a convolutional network and a transformer, and
        two where the truth is known.
    seed
        For the weights of the default networks.

    Returns
    -------
    results
        One per check and network. A method that works on no network has failed. A check named in the
        method's `exempt` is skipped with the reason given there.

    Notes
    -----
    Seconds per method on one core.
    """
    made = small(method() if isinstance(method, type) else method)
    networks = default_networks(seed) if networks is None else networks
    results: list[CheckResult] = []
    n_refused = 0
    for network in networks:
        reason = refusal(made, network)
        if reason:
            n_refused += 1
            results.append(CheckResult(made.name, network.name, "supported", "skipped", reason))
            continue
        names = OF_PLANTED if network.planted else tuple(CHECKS)
        results += [run_check(name, made, network) for name in names]
    if n_refused == len(networks):
        message = "It works on none of the networks, so nothing was checked."
        results.append(CheckResult(made.name, "-", "supported", "failed", message))
    return results


def run_check(name: str, method: Method, network: Network) -> CheckResult:
    """One check by name; whatever it raises becomes a result."""

    def result(status: str, message: str = "") -> CheckResult:
        return CheckResult(method.name, network.name, name, status, message)  # type: ignore[arg-type]

    if name in method.exempt:
        return result("skipped", method.exempt[name])
    try:
        CHECKS[name](method, network)
    except CheckSkipped as skip:
        return result("skipped", str(skip))
    except CheckFailed as failure:
        return result("failed", str(failure))
    except Exception as error:
        return result("failed", f"{type(error).__name__}: {error}")
    return result("passed")


def refusal(method: Method, network: Network) -> str | None:
    """Why a method does not work on a network, in its own words, or None."""
    try:
        method(network.backbone, network.pictures(1), 0, preprocess=False)
    except (NotSupported, LayerNotFound) as reason:
        return str(reason)
    except Exception:  # what else is wrong is for the checks to find
        return None
    return None


def small(method: Method) -> Method:
    """The method with the settings in `SMALL` lowered, where it has them."""
    lowered = {
        field.name: SMALL[field.name]
        for field in dataclasses.fields(method)
        if field.name in SMALL and (getattr(method, field.name) or 0) > SMALL[field.name]
    }
    return dataclasses.replace(method, **lowered) if lowered else method
