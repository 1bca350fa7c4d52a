"""Training that survives a kill: steps that depend on their number alone, and a checkpoint every few minutes.

A learner says what the loss of step i is. Which pictures step i sees follows from the seed and i, so that a
training that was killed goes on as if nothing had happened.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from seewhy.errors import BadArtefact, message
from seewhy.scale.disk import append, locked, make_folder, write_whole

Tell = Callable[[int, int, str], None]
"""Called with (done, in all, what is being done)."""

CHECKPOINT = "checkpoint.safetensors"
LOG = "log.jsonl"
_LOG_EVERY = 50


class Learner(Protocol):
    """What is trained, and on what.

    `identity` tells one training from another: a checkpoint of another identity is refused.
    """

    @property
    def module(self) -> nn.Module: ...

    @property
    def optimiser(self) -> torch.optim.Optimizer: ...

    @property
    def steps(self) -> int: ...

    @property
    def identity(self) -> dict[str, Any]: ...

    def loss(self, step: int) -> Tensor:
        """The loss of step `step`, counted from 0."""
        ...

    def rate(self, step: int) -> float:
        """The factor on every learning rate at that step."""
        ...


def train(
    learner: Learner,
    folder: Path,
    *,
    seconds_between: float = 120.0,
    stop_after: int | None = None,
    tell: Tell | None = None,
) -> float:
    """Train to the last step, from the folder's checkpoint if it has one.

    Parameters
    ----------
    learner
        What is trained; left in eval mode.
    folder
        Where checkpoint and log are; only one training at a time may write there.
    seconds_between
        How long training may go on without a checkpoint, in seconds.
    stop_after
        End early, with a checkpoint, after that many steps of this call (for tests and measurements).
    tell
        Told (steps done, steps in all, the last loss in words).

    Returns
    -------
    minutes
        Spent in steps, those before a kill included as far as they were kept.

    Raises
    ------
    BadArtefact
        If the checkpoint is damaged or of another training.
    InputError
        If the folder cannot be written, or another process trains there.
    """
    make_folder(folder)
    with locked(folder):
        step, spent = _restore(learner, folder)
        started = saved = time.monotonic()
        last = learner.steps if stop_after is None else min(learner.steps, step + stop_after)
        base = [group["lr"] for group in learner.optimiser.param_groups]
        learner.module.train()
        while step < last:
            for group, rate in zip(learner.optimiser.param_groups, base, strict=True):
                group["lr"] = rate * learner.rate(step)
            loss = _step(learner, step)
            step += 1
            now = time.monotonic()
            due = step == last or now - saved > seconds_between
            if due or step % _LOG_EVERY == 0:
                value = float(loss)
                _check_finite(learner, value, step, folder)
                minutes = (spent + now - started) / 60
                line = {"step": step, "loss": round(value, 5), "minutes": round(minutes, 3)}
                append(folder / LOG, (json.dumps(line) + "\n").encode())
                if tell:
                    tell(step, learner.steps, f"loss {value:.3f}")
            if due:
                _save(learner, folder, step, spent + now - started)
                saved = now
        for group, rate in zip(learner.optimiser.param_groups, base, strict=True):
            group["lr"] = rate
        learner.module.eval()
        return (spent + time.monotonic() - started) / 60


def cosine(step: int, steps: int, warm_up: int) -> float:
    """Linearly up to 1 in `warm_up` steps, then down to 0 along half a cosine."""
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


def fast_arithmetic(device: torch.device) -> Any:
    """Matrix products in bfloat16 where the hardware has units for it; elsewhere they would only be slower."""
    if device.type == "cuda" or (device.type == "cpu" and torch.cpu.get_capabilities().get("amx_bf16")):
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def _step(learner: Learner, step: int) -> Tensor:
    learner.optimiser.zero_grad(set_to_none=True)
    with torch.enable_grad():
        loss = learner.loss(step)
        torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(learner.module.parameters(), 5.0)
    learner.optimiser.step()
    return loss.detach()


def _check_finite(learner: Learner, loss: float, step: int, folder: Path) -> None:
    if not math.isfinite(loss) or not all(bool(p.isfinite().all()) for p in learner.module.parameters()):
        raise BadArtefact(
            message(
                f"The loss at step {step} is {loss}, or weights are not finite.",
                "Training has diverged; its weights are of no use.",
                f"Remove {folder} and start again with a lower rate or another seed.",
            )
        )


def _save(learner: Learner, folder: Path, step: int, seconds: float) -> None:
    from safetensors.torch import save

    tensors = {f"module.{name}": tensor for name, tensor in learner.module.state_dict().items()}
    for number, state in learner.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{key}": torch.as_tensor(value) for key, value in state.items()}
    about = {"step": step, "seconds": seconds, "identity": learner.identity}
    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_whole(folder / CHECKPOINT, save(whole, {"about": json.dumps(about)}))


def _restore(learner: Learner, folder: Path) -> tuple[int, float]:
    """Put the folder's checkpoint into the learner; (step, seconds), or zeros without a checkpoint."""
    from safetensors import SafetensorError, safe_open

    path = folder / CHECKPOINT
    if not path.is_file():
        return 0, 0.0
    try:
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["about"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise BadArtefact(
            message(
                f"{path} is damaged: {error}",
                "It must be a checkpoint that a training wrote.",
                f"Remove it to start again: rm {path}",
            )
        ) from error
    if about["identity"] != learner.identity:
        raise BadArtefact(
            message(
                f"{path} belongs to another training.",
                f"This one is {learner.identity}; that one was {about['identity']}.",
                "Choose another folder, or remove it to start again.",
            )
        )
    module = {name[7:]: tensor for name, tensor in tensors.items() if name.startswith("module.")}
    learner.module.load_state_dict(module)
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimiser."):
            _, number, key = name.split(".", 2)
            state.setdefault(int(number), {})[key] = tensor
    whole = learner.optimiser.state_dict()
    learner.optimiser.load_state_dict({**whole, "state": state})
    return int(about["step"]), float(about["seconds"])
