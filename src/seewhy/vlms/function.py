"""A model of one's own from two functions: pictures to embeddings, and words to embeddings."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.errors import InputError, message
from seewhy.images.preprocess import Preprocess
from seewhy.vlms.base import VLM

_OFF_UNIT = 1e-2
_PROBE = "a photo"


class FunctionVLM(VLM):
    """Two functions as a `VLM`. It has no dense tokens and no re-attention; prompts on pictures work.

    Parameters
    ----------
    encode_images
        From preprocessed pictures (b, 3, H, W) to embeddings (b, d); it is run without gradients.
    encode_texts
        From a list of texts to embeddings (n, d) in the same space.
    preprocess, dim, name
        As in `VLM`.
    modules
        The networks behind the functions, image tower first: they are put into eval mode while they run, and
        their weights make the fingerprint. Found by themselves where a function is a module or a method of one.
    version
        What tells this model from another where no weights are known. Without either, the fingerprint is taken
        from what the functions return for a made-up picture and a text, so a new machine may give another one.
    scale, shift
        As in `VLM`.

    Notes
    -----
    Embeddings need not have unit length, but a model that returns others may be missing its own normalisation
    (or what comes before it), so it is said once, as a warning; cosines are right either way.

    Examples
    --------
    >>> import torch
    >>> words = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}
    >>> colours = FunctionVLM(
    ...     lambda x: torch.nn.functional.normalize(x.mean((2, 3)), dim=1),
    ...     lambda texts: torch.tensor([words[text] for text in texts], dtype=torch.float32),
    ...     Preprocess(size=8, mean=0, std=1), 3, "colours",
    ... )
    >>> picture = torch.zeros(1, 3, 8, 8)
    >>> picture[:, 2] = 0.5
    >>> (colours.encode_images(picture) @ colours.encode_texts(["red", "blue"]).T).tolist()
    [[0.0, 1.0]]
    """

    def __init__(
        self,
        encode_images: Callable[[Float[Tensor, "b 3 H W"]], Float[Tensor, "b d"]],
        encode_texts: Callable[[list[str]], Float[Tensor, "n d"]],
        preprocess: Preprocess,
        dim: int,
        name: str,
        *,
        modules: Sequence[nn.Module] = (),
        version: str = "",
        scale: float = 1.0,
        shift: float = 0.0,
    ) -> None:
        super().__init__(name=name, preprocess=preprocess, dim=dim, scale=scale, shift=shift)
        for what, function in (("encode_images", encode_images), ("encode_texts", encode_texts)):
            if not callable(function):
                raise InputError(
                    message(
                        f"{what} is a {type(function).__name__}.",
                        "A function is needed.",
                        f"Pass {what}=lambda ...: ..., which returns embeddings.",
                    )
                )
        self._encode_images, self._encode_texts = encode_images, encode_texts
        self._runs = tuple(modules) or _modules_behind(encode_images, encode_texts)
        self._version = version
        self._warned: set[str] = set()
        self._behaviour: str | None = None

    def _images(self, x: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b d"]:
        return self._told(self._encode_images(x.clone()), "picture")

    def _texts(self, texts: list[str]) -> Float[Tensor, "n d"]:
        return self._told(self._encode_texts(texts), "text")

    def _modules(self) -> Sequence[nn.Module]:
        return self._runs

    def _identity(self) -> dict[str, Any]:
        found: dict[str, Any] = {"version": self._version} if self._version else {}
        if not self._version and not self._runs:
            found["behaviour"] = self._behaves()
        return found

    def _behaves(self) -> str:
        """A hash of what the functions return for fixed inputs."""
        if self._behaviour is None:
            generator = torch.Generator().manual_seed(0)
            x = torch.rand(1, self.preprocess.channels, *self.preprocess.size, generator=generator)
            digest = hashlib.sha256()
            for rows in (self.encode_images(x), self.encode_texts([_PROBE])):
                digest.update(rows.mul(1e4).round().to(torch.int32).cpu().numpy().tobytes())
            self._behaviour = digest.hexdigest()
        return self._behaviour

    def _told(self, rows: Any, what: str) -> Tensor:
        """The rows as they are, after one warning if they are no unit vectors."""
        if isinstance(rows, Tensor) and rows.ndim == 2 and len(rows) and what not in self._warned:
            norms = rows.detach().float().norm(dim=1)
            worst = float(norms[(norms - 1).abs().argmax()])
            if abs(worst - 1) > _OFF_UNIT:
                self._warned.add(what)
                warnings.warn(
                    f"{self.name}: the {what} embeddings have length {worst:.4g}, not 1; Seewhy divides by it. "
                    "If the model has a normalisation of its own, it is missing.",
                    stacklevel=4,
                )
        result: Tensor = rows
        return result


def _modules_behind(*functions: Any) -> tuple[nn.Module, ...]:
    """The modules among functions, and those whose methods they are, each once."""
    owners = (one if isinstance(one, nn.Module) else getattr(one, "__self__", None) for one in functions)
    return tuple(dict.fromkeys(owner for owner in owners if isinstance(owner, nn.Module)))
