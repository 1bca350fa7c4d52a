"""Checks that a method leaves no trace: on the model, on its hooks and gradients, on anything global."""

from __future__ import annotations

import copy
import hashlib
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seewhy.attribution.base import Method
from seewhy.backbones.base import Backbone
from seewhy.errors import UnknownName
from seewhy.testing.asking import leaves_in_order, maps_of
from seewhy.testing.networks import Network
from seewhy.testing.outcome import CheckFailed, CheckSkipped

_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_state_dict_hooks",
)


class Planted(RuntimeError):
    """Raised by a check inside the network."""


def snapshot(module: nn.Module) -> dict[str, Any]:
    """Everything of a model and of the process that a method must leave as it was, as comparable values."""
    state: dict[str, Any] = {}
    for name, child in module.named_modules():
        where = name or "the model"
        state[f"identity of {where}"] = id(child)
        state[f"class of {where}"] = type(child)
        state[f"training flag of {where}"] = child.training
        state[f"attributes of {where}"] = sorted(vars(child))
        state[f"hooks of {where}"] = {kind: len(getattr(child, kind, ())) for kind in _HOOKS}
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        state[f"identity of {name}"] = id(tensor), tensor.data_ptr()
        state[f"values of {name}"] = _digest(tensor)
        state[f"requires_grad of {name}"] = tensor.requires_grad
        state[f"version of {name}"] = tensor._version
        state[f"gradient of {name}"] = (
            None if tensor.grad is None else (id(tensor.grad), _digest(tensor.grad))
        )
        state[f"hooks of {name}"] = len(tensor._backward_hooks or ())
    return state | _of_process()


def _of_process() -> dict[str, Any]:
    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002 (the global state is what is looked at)
    assert isinstance(numpy_state, dict)
    state = {
        "torch's random state": _digest(torch.get_rng_state()),
        "numpy's random state": hashlib.sha256(repr(numpy_state).encode()).hexdigest(),
        "Python's random state": hashlib.sha256(repr(random.getstate()).encode()).hexdigest(),
        "grad mode": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "default dtype": torch.get_default_dtype(),
        "number of threads": torch.get_num_threads(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn settings": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "warning filters": len(warnings.filters),
    }
    if torch.cuda.is_available():
        state["CUDA's random state"] = [_digest(each) for each in torch.cuda.get_rng_state_all()]
    return state


def _digest(tensor: Tensor) -> str:
    plain = tensor.detach().cpu().contiguous()
    return hashlib.sha256(plain.flatten().view(torch.uint8).numpy().tobytes()).hexdigest()


@contextmanager
def untouched(module: nn.Module, after: str) -> Iterator[None]:
    """Fail if what `snapshot` sees is not the same afterwards."""
    before = snapshot(module)
    yield
    now = snapshot(module)
    changed = [name for name in before if name not in now or now[name] != before[name]]
    changed += [f"{name} (new)" for name in now if name not in before]
    if changed:
        more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        raise CheckFailed(f"After {after} these have changed: {', '.join(changed[:5])}{more}.")


def lived_in(network: Network) -> Network:
    """A copy in the middle of its life: half in train mode, half frozen, with gradients of its own."""
    module = copy.deepcopy(network.backbone.module)
    for i, child in enumerate(module.modules()):
        child.training = i % 2 == 0
    for i, parameter in enumerate(module.parameters()):
        parameter.requires_grad_(i % 3 > 0)
        if i % 2 and parameter.requires_grad:
            parameter.grad = torch.full_like(parameter, 0.5)
    return Network(network.name, Backbone(module, name=network.backbone.name), network.size)


def check_model_untouched(method: Method, network: Network) -> None:
    """A model in any mode, with frozen parameters and gradients, is as before; so is every random state."""
    network = lived_in(network)
    x = network.pictures(2)
    for model in (network.backbone, network.backbone.module):
        with untouched(network.backbone.module, "a call"):
            method(model, x, 1, preprocess=False)


def check_untouched_after_wrong_target(method: Method, network: Network) -> None:
    """A class that does not exist is refused by name, and nothing has changed."""
    network = lived_in(network)
    x = network.pictures(1)
    with untouched(network.backbone.module, "a wrong target"):
        try:
            method(network.backbone, x, 10**6, preprocess=False)
        except UnknownName:
            return
        raise CheckFailed("A target of 1000000 was not refused with UnknownName.")


def check_untouched_after_error(method: Method, network: Network) -> None:
    """An error inside the network reaches the caller as it is, and nothing has changed."""
    network = lived_in(network)
    module, x = network.backbone.module, network.pictures(2)
    last = leaves_in_order(module, x)[-1]

    def call() -> None:
        method(network.backbone, x, 1, preprocess=False)

    call()
    n_calls = _calls_of(last, call)
    for at in sorted({1, (n_calls + 1) // 2, n_calls}):
        with _failing(last, at), untouched(module, f"an error in call {at} of the last layer"):
            try:
                call()
            except Planted:
                continue
            raise CheckFailed(
                f"An error in call {at} of {n_calls} of the last layer did not reach the caller."
            )


def check_untouched_after_cancel(method: Method, network: Network) -> None:
    """Ctrl-C between two chunks ends the call, and nothing has changed."""
    network = lived_in(network)
    told: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        told.append((done, total))
        raise KeyboardInterrupt

    with untouched(network.backbone.module, "a cancellation"):
        try:
            method(network.backbone, network.pictures(2), 1, preprocess=False, batch_size=1, progress=stop)
        except KeyboardInterrupt:
            return
    if not told:
        raise CheckSkipped("it reports no progress")
    raise CheckFailed("KeyboardInterrupt raised by progress did not reach the caller.")


def check_works_without_gradients(method: Method, network: Network) -> None:
    """Called under no_grad or inference_mode, with inputs made there, it gives the same bytes."""
    x = network.pictures(2)
    wanted = maps_of(method, network.backbone, x).tobytes()
    for mode in (torch.no_grad, torch.inference_mode):
        for backbone in (network.backbone, Backbone(network.backbone.module)):
            with mode():
                found = maps_of(method, backbone, x.clone())
            if found.tobytes() != wanted:
                raise CheckFailed(f"Under torch.{mode.__name__} the maps are others.")


def _calls_of(leaf: nn.Module, call: Callable[[], None]) -> int:
    n_calls = 0

    def count(*_: Any) -> None:
        nonlocal n_calls
        n_calls += 1

    handle = leaf.register_forward_pre_hook(count)
    try:
        call()
    finally:
        handle.remove()
    return n_calls


@contextmanager
def _failing(leaf: nn.Module, at: int) -> Iterator[None]:
    calls = 0

    def fail(*_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise Planted("an error planted by seewhy.testing")

    handle = leaf.register_forward_pre_hook(fail)
    try:
        yield
    finally:
        handle.remove()
