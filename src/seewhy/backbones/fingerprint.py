"""What a module is, as a hash: the names, shapes and values of everything in its state."""

from __future__ import annotations

import hashlib

from torch import Tensor, nn


def state_digest(module: nn.Module) -> str:
    """SHA-256 over the names, shapes, types and single-precision values of parameters and buffers, in hex."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        data = tensor.detach().to("cpu").float().contiguous().numpy()
        digest.update(data.tobytes())
    return digest.hexdigest()


def state_versions(module: nn.Module) -> tuple[tuple[int, int], ...]:
    """Changes whenever a parameter or buffer is replaced or changed in place."""
    return tuple((id(t), _version(t)) for t in (*module.parameters(), *module.buffers()))


def _version(tensor: Tensor) -> int:
    """How often a tensor was changed in place (those made in inference mode do not count)."""
    return -1 if tensor.is_inference() else tensor._version
