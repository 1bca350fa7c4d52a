"""Weight files: read without running anything in them, and put into a network only if they fit exactly."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seewhy.errors import BadArtefact, InputError, message

if TYPE_CHECKING:
    from torch import Tensor, nn

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")

_WRAPPERS = ("state_dict", "model", "model_state_dict", "net")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Names to tensors, on the CPU.

    Parameters
    ----------
    path
        A safetensors file, or what `torch.save` wrote if it holds nothing but tensors and plain containers
        (a state dict, or a checkpoint with one under "state_dict", "model" or the like).

    Raises
    ------
    BadArtefact
        If it is damaged, holds code, or holds no state dict.
    InputError
        If it cannot be opened, or a weight is NaN or infinite.
    """
    import safetensors.torch
    import torch

    try:
        if path.suffix == ".safetensors":
            loaded: Any = safetensors.torch.load_file(path)
        else:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BadArtefact(
            message(
                f"{path} holds more than weights, or is damaged: {_first_line(error)}",
                "Loading it could run code, so only files of tensors are read.",
                "Save it again as safetensors: safetensors.torch.save_file(model.state_dict(), "
                "'model.safetensors').",
            )
        ) from error
    except OSError as error:
        raise InputError(
            message(
                f"{path} cannot be read ({error.strerror or error}).",
                "It must be a file that you may read.",
                "Check the path and its permissions.",
            )
        ) from error
    # Damaged archives end in whatever error the bytes lead to.
    except Exception as error:
        if _is_torchscript(path):
            raise _holds_code(path) from error
        raise _damaged(path, _first_line(error)) from error
    state = _state_dict(loaded, path)
    check_weights(state, str(path))
    return state


def check_weights(state: Mapping[str, Tensor], where: str) -> None:
    """Refuse NaN and infinity, naming the first tensor that has them."""
    import torch

    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(
                message(
                    f"{name!r} in {where} holds NaN or infinity.",
                    "Weights are finite numbers.",
                    "The training diverged or the file is damaged; take an earlier checkpoint.",
                )
            )


def fit(module: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Load weights into a network; all names and shapes must agree.

    Raises
    ------
    BadArtefact
        If they do not; the message names the first that are missing, unexpected or of another shape.
    """
    own = module.state_dict()
    missing = [name for name in own if name not in state]
    unexpected = [name for name in state if name not in own]
    reshaped = [
        f"{name} {tuple(state[name].shape)} for {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    wrong = [
        f"{len(names)} {kind}: {_some(names)}"
        for kind, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", reshaped))
        if names
    ]
    if wrong:
        raise BadArtefact(
            message(
                f"The weights in {where} do not fit {type(module).__name__}: {'; '.join(wrong)}.",
                f"They must hold the {len(own)} tensors of the network.",
                "Name the network that they were saved from, or write FILE.py:FACTORY, which builds it.",
            )
        )
    module.load_state_dict(state)


def _state_dict(loaded: Any, path: Path) -> dict[str, Tensor]:
    import torch

    for key in _WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    tensors = (
        isinstance(loaded, Mapping) and loaded and all(isinstance(v, torch.Tensor) for v in loaded.values())
    )
    if not tensors:
        holds = (
            ", ".join(map(str, list(loaded)[:5])) if isinstance(loaded, Mapping) else type(loaded).__name__
        )
        raise BadArtefact(
            message(
                f"{path} holds {holds or 'nothing'}.",
                "A weights file holds names and tensors (a state dict).",
                "Save model.state_dict().",
            )
        )
    return {str(name).removeprefix("module."): tensor for name, tensor in loaded.items()}


def _damaged(path: Path, why: str) -> BadArtefact:
    return BadArtefact(
        message(
            f"{path} is damaged or not a weights file: {why}",
            f"Weights are read from {', '.join(SUFFIXES)}.",
            "Copy or download it again.",
        )
    )


def _is_torchscript(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _holds_code(path: Path) -> BadArtefact:
    return BadArtefact(
        message(
            f"{path} is a TorchScript archive, code and weights in one (OpenAI publishes CLIP so).",
            "Loading it could run code, so only files of tensors are read.",
            "If you trust it, save its weights alone: safetensors.torch.save_file(torch.jit.load(FILE)"
            ".state_dict(), 'model.safetensors').",
        )
    )


def _some(names: Iterable[str], n: int = 3) -> str:
    names = list(names)
    return ", ".join(names[:n]) + (", ..." if len(names) > n else "")


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__).rstrip(".")[:200] + "."
