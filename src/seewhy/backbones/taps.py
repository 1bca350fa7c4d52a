"""Reading and replacing what a module returns, for one thread and one call only.

Hooks are visible to every thread that runs the model, so each one acts only in the thread that set it; they
are removed on the way out, also after an exception.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

OnOutput = Callable[[str, int, Any, Any], Any]
"""(module name, how often it was called before, inputs, output) -> replacement, or None to leave it."""


@contextmanager
def tapped(modules: Mapping[str, nn.Module], on_output: OnOutput) -> Iterator[None]:
    """While open, `on_output` sees what each module returns in this thread and may replace it."""
    owner = threading.get_ident()
    calls = dict.fromkeys(modules, 0)
    handles = []

    def hook_for(name: str) -> Callable[[nn.Module, Any, Any], Any]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
            if threading.get_ident() != owner:
                return None
            calls[name] += 1
            return on_output(name, calls[name] - 1, inputs, output)

        return hook

    try:
        for name, module in modules.items():
            handles.append(module.register_forward_hook(hook_for(name)))
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Modes:
    """How many calls hold a model in eval mode, and the training flags to give back after the last."""

    def __init__(self) -> None:
        self.holders = 0
        self.training: list[nn.Module] = []
        self.rng: Tensor | None = None


_modes: WeakKeyDictionary[nn.Module, _Modes] = WeakKeyDictionary()
_modes_lock = threading.Lock()


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Run a model in eval mode and leave it, and torch's global random state, as they were found.

    Calls may overlap, in one thread or several: the flags are given back when the last one ends. An
    `inference_mode` around it is suspended, for what is made under it cannot enter a gradient.
    """
    with _modes_lock:
        modes = _modes.setdefault(module, _Modes())
        if modes.holders == 0:
            modes.training = [child for child in module.modules() if child.training]
            modes.rng = torch.get_rng_state()
            for child in modes.training:
                child.training = False
        modes.holders += 1
    try:
        with torch.inference_mode(False):
            yield
    finally:
        with _modes_lock:
            modes.holders -= 1
            if modes.holders == 0:
                for child in modes.training:
                    child.training = True
                assert modes.rng is not None
                torch.set_rng_state(modes.rng)
                del _modes[module]
