"""A model of pictures and words: both become directions in one space, and their cosine says how well they fit.

    logit = scale * <image, text> + shift                                                              (1)

`scale` and `shift` are those of the model's own loss (softmax for CLIP, sigmoid for SigLIP); everything above this
floor works on the cosine. What every model needs is done here once: inputs are checked, the modules are left as they
were, and embeddings come out as finite unit rows in single precision. A model of one's own implements `_images` and
`_texts` (`vlms.function.FunctionVLM` wraps two functions), and `_dense`, `_reattend` and `_why_not` if it can.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, Self, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.backbones.fingerprint import state_digest, state_versions
from seewhy.backbones.taps import undisturbed
from seewhy.errors import InputError, NotSupported, UnknownName, did_you_mean, message
from seewhy.images.preprocess import Preprocess
from seewhy.types import Size

Operation = Literal["dense", "reattend"]
"""What not every image tower can do."""

_IN_WORDS = {"dense": "dense tokens", "reattend": "re-attention"}

MODES = ("maskclip", "clearclip", "naclip", "tokens")
"""Ways to get an embedding for each place; see `vlms.dense`."""

_TEXTS_AT_ONCE = 64


class VLM(ABC):
    """Pictures and words in one space. Its modules are never changed, moved or left in another mode.

    Parameters
    ----------
    name
        What to call it in results and stores.
    preprocess
        From a picture to its input; inputs have this size and three channels.
    dim
        Size of the common space, d.
    scale, shift
        Of its own loss, equation (1); the scale is not its logarithm.
    untrained
        Marks random weights.
    notes
        What was decided while loading and a user should know, in sentences.
    """

    def __init__(
        self,
        *,
        name: str,
        preprocess: Preprocess,
        dim: int,
        scale: float = 1.0,
        shift: float = 0.0,
        untrained: bool = False,
        notes: Sequence[str] = (),
    ) -> None:
        self.name, self.preprocess, self.dim = name, preprocess, dim
        self.scale, self.shift, self.untrained = scale, shift, untrained
        self.notes = tuple(notes)
        self._fingerprint: tuple[Any, str] | None = None

    # ------------------------------------------------------------------ what a model implements

    @abstractmethod
    def _images(self, x: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b d"]:
        """Embeddings of any norm and floating type."""

    @abstractmethod
    def _texts(self, texts: list[str]) -> Float[Tensor, "n d"]:
        """Embeddings of any norm and floating type; an InputError for words that it does not know."""

    def _dense(self, x: Float[Tensor, "b 3 H W"], mode: str) -> Float[Tensor, "b d gh gw"]:
        """An embedding for each place, of any norm."""
        raise NotImplementedError  # `_why_not` says so before

    def _reattend(self, x: Float[Tensor, "b 3 H W"], bias: Float[Tensor, "g t"]) -> Float[Tensor, "b g d"]:
        """An embedding for each row of `bias`, of any norm."""
        raise NotImplementedError

    def _why_not(self, operation: Operation, mode: str | None) -> str | None:
        """None if it can (with this dense mode, if one is named), else the reason, as the end of a sentence."""
        return "it has no view into its image tower"

    def _grid(self) -> Size:
        """Rows and columns of its patches; asked only where `_why_not` allows an operation."""
        raise NotImplementedError

    def _modules(self) -> Sequence[nn.Module]:
        """The modules that run, all on one device, the image tower first."""
        return ()

    def _identity(self) -> dict[str, Any]:
        """What decides embeddings beside the weights, JSON-safe."""
        return {}

    # ------------------------------------------------------------------ what a user asks

    @property
    def device(self) -> torch.device:
        """Where inputs go and embeddings come out."""
        for module in self._modules():
            for tensor in (*module.parameters(), *module.buffers()):
                return tensor.device
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        """The floating type that the image tower wants its pictures in."""
        for module in self._modules():
            convolutions = (child.weight for child in module.modules() if isinstance(child, nn.Conv2d))
            for tensor in (*convolutions, *module.parameters()):
                if tensor.is_floating_point():
                    return tensor.dtype
        return torch.float32

    @property
    def token_grid(self) -> Size:
        """(rows, columns) of `dense`, and of the places that a row of `reattend`'s bias lists.

        Raises
        ------
        NotSupported
            If the model has neither.
        """
        reasons = [self.why_not(operation) for operation in get_args(Operation)]
        if None not in reasons:
            raise self._refusal("a grid of patches", str(reasons[0]))
        return self._grid()

    def why_not(self, operation: Operation, mode: str | None = None) -> str | None:
        """None if "dense" (with this `mode`, if one is named) or "reattend" works, else the reason.

        Raises
        ------
        UnknownName
            If there is no such operation or mode.
        """
        _known("operation", operation, get_args(Operation))
        if mode is not None:
            _known("dense mode", mode, MODES)
        return self._why_not(operation, mode)

    def encode_images(self, x: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b d"]:
        """Unit embeddings of pictures, in single precision, without gradients.

        Parameters
        ----------
        x
            Preprocessed pictures (`preprocess`), on any device and of any floating type.

        Raises
        ------
        InputError
            If `x` is not such a batch, or an embedding is zero or not finite.
        """
        x = self._checked(x)
        with self._running():
            return self._units(self._images(x), (len(x), self.dim), "picture")

    def encode_texts(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        """Unit embeddings of texts, in single precision, without gradients.

        Raises
        ------
        InputError
            If there is no text, one is blank, or one holds words that the model does not know.
        """
        texts = _checked_texts(texts)
        with self._running():
            parts = [
                self._texts(texts[start : start + _TEXTS_AT_ONCE])
                for start in range(0, len(texts), _TEXTS_AT_ONCE)
            ]
            return self._units(torch.cat(parts), (len(texts), self.dim), "text")

    def dense(self, x: Float[Tensor, "b 3 H W"], mode: str = "naclip") -> Float[Tensor, "b d gh gw"]:
        """A unit embedding for each patch, by another last block; see `vlms.dense`.

        Parameters
        ----------
        x
            As for `encode_images`.
        mode
            "maskclip", "clearclip", "naclip" or "tokens".

        Raises
        ------
        NotSupported
            If the image tower cannot; the message says why.
        UnknownName
            If there is no such mode.
        InputError
            As `encode_images`.
        """
        _known("dense mode", mode, MODES)
        self._require("dense", mode)
        x = self._checked(x)
        with self._running():
            places = self._dense(x, mode).movedim(1, -1)
            units = self._units(places, (len(x), *self._grid(), self.dim), "patch")
        return units.movedim(-1, 1)

    def reattend(self, x: Float[Tensor, "b 3 H W"], bias: Float[Tensor, "g t"]) -> Float[Tensor, "b g d"]:
        """One unit embedding of each picture for each row of `bias`, its attention steered by that row.

        Parameters
        ----------
        x
            As for `encode_images`.
        bias
            Added to the attention logits over the patches, row by row of the grid; a row of zeros gives
            `encode_images`. Use large negative numbers, not infinity, to exclude patches.

        Raises
        ------
        NotSupported
            If the image tower cannot; the message says why.
        InputError
            If `bias` does not fit the grid or is not finite, or as `encode_images`.
        """
        self._require("reattend")
        x, bias = self._checked(x), self._checked_bias(bias)
        with self._running():
            return self._units(self._reattend(x, bias), (len(x), len(bias), self.dim), "row of the bias")

    def to(self, device: str | torch.device) -> Self:
        """Move the modules; returns the model itself."""
        for module in self._modules():
            module.to(device)
        return self

    # ------------------------------------------------------------------ identity

    def fingerprint(self) -> str:
        """SHA-256 over the weights and what else decides embeddings: preprocessing, tokenizer, activation.

        Computed again only when a tensor was replaced or changed in place.
        """
        modules = self._modules()
        versions = tuple(state_versions(module) for module in modules), json.dumps(self._decides())
        if self._fingerprint is None or self._fingerprint[0] != versions:
            digest = hashlib.sha256(versions[1].encode())
            for module in modules:
                digest.update(state_digest(module).encode())
            self._fingerprint = versions, digest.hexdigest()
        return self._fingerprint[1]

    def describe(self) -> dict[str, Any]:
        """What results and stores say about the model; JSON-safe."""
        supports = [operation for operation in get_args(Operation) if self.why_not(operation) is None]
        return {
            "id": self.name,
            "sha256": self.fingerprint(),
            "untrained": self.untrained,
            "dim": self.dim,
            "scale": self.scale,
            "shift": self.shift,
            "preprocess": self.preprocess.to_dict(),
            "token_grid": list(self._grid()) if supports else None,
            "supports": supports,
            **self._identity(),
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, d={self.dim})"

    # ------------------------------------------------------------------ done once for all

    def _decides(self) -> dict[str, Any]:
        # Where the recipe was found does not change what it does.
        recipe = {key: value for key, value in self.preprocess.to_dict().items() if key != "source"}
        return {"preprocess": recipe, "dim": self.dim, **self._identity()}

    @contextmanager
    def _running(self) -> Iterator[None]:
        with ExitStack() as stack:
            for module in self._modules():
                stack.enter_context(undisturbed(module))
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.no_grad())
            yield

    def _checked(self, x: Tensor) -> Float[Tensor, "b 3 H W"]:
        size = self.preprocess.size
        fits = (
            isinstance(x, Tensor)
            and x.is_floating_point()
            and x.ndim == 4
            and len(x) > 0
            and tuple(x.shape[1:]) == (self.preprocess.channels, *size)
        )
        if not fits:
            got = f"{str(x.dtype)[6:]} {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
            raise InputError(
                message(
                    f"{self.name} got pictures as {got}.",
                    f"It takes a floating batch (b, {self.preprocess.channels}, {size[0]}, {size[1]}), b at least 1.",
                    "Make it with its preprocess: torch.stack([vlm.preprocess(p)[0] for p in pictures]).",
                )
            )
        if not torch.isfinite(x).all():
            raise InputError(
                message(
                    "The pictures hold NaN or infinity.",
                    "Inputs are finite numbers.",
                    "Check what was done to them before.",
                )
            )
        return x.detach().to(self.device, self.dtype)

    def _checked_bias(self, bias: Tensor) -> Float[Tensor, "g t"]:
        rows, columns = self._grid()
        fits = (
            isinstance(bias, Tensor) and bias.ndim == 2 and len(bias) > 0 and bias.shape[1] == rows * columns
        )
        if not fits:
            got = tuple(bias.shape) if isinstance(bias, Tensor) else type(bias).__name__
            raise InputError(
                message(
                    f"The bias is {got}.",
                    f"{self.name} has {rows} x {columns} patches: a tensor (g, {rows * columns}), g at least 1.",
                    "List the patches row by row from the top left.",
                )
            )
        if not torch.isfinite(bias).all():
            raise InputError(
                message(
                    "The bias holds NaN or infinity.",
                    "It is added to attention logits, so it must be finite.",
                    "Use -1e4 to exclude a patch.",
                )
            )
        return bias.detach().to(self.device, torch.float32)

    def _units(self, raw: Any, shape: tuple[int, ...], what: str) -> Tensor:
        """Unit vectors along the last axis; what is no direction is refused."""
        if not isinstance(raw, Tensor) or tuple(raw.shape) != shape:
            got = tuple(raw.shape) if isinstance(raw, Tensor) else type(raw).__name__
            raise InputError(
                message(
                    f"{self.name} returned {got} as embeddings.",
                    f"They must be a tensor {shape}, one for each {what}.",
                    "Check its dim and what its functions return.",
                )
            )
        raw = raw.detach().float()
        norms = raw.norm(dim=-1, keepdim=True)
        wrong = ~(torch.isfinite(norms) & (norms > 0))
        if wrong.any():
            first = tuple(torch.nonzero(wrong)[0].tolist()[:-1])
            raise InputError(
                message(
                    f"{self.name} returned an embedding that is zero or not finite, for {what} {first}.",
                    "A direction needs a finite length above zero.",
                    "Check its weights, and half precision for overflow: module.float().",
                )
            )
        units: Tensor = raw / norms
        return units

    def _require(self, operation: Operation, mode: str | None = None) -> None:
        reason = self.why_not(operation, mode)
        if reason is not None:
            raise self._refusal(_IN_WORDS[operation] + (f" of mode {mode!r}" if mode else ""), reason)

    def _refusal(self, what: str, reason: str) -> NotSupported:
        can = [operation for operation in get_args(Operation) if self.why_not(operation) is None]
        return NotSupported(
            message(
                f"{self.name} has no {what}: {reason.rstrip('.')}.",
                f"It does encode_images, encode_texts{''.join(f', {name}' for name in can)}.",
                "For places use prompts that draw on the picture, such as red circles or crops.",
            )
        )


def _known(kind: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise UnknownName(
            message(f"There is no {kind} {name!r}.", did_you_mean(name, names), f"Known: {', '.join(names)}.")
        )


def _checked_texts(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise InputError(
            message(
                f"The texts are the single text {texts!r}.",
                "A list of texts is needed.",
                f"Pass [{texts!r}].",
            )
        )
    texts = list(texts)
    if not texts:
        raise InputError(
            message("There are no texts.", "At least one is needed.", "Pass a list of words or phrases.")
        )
    for at, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise InputError(
                message(
                    f"Text {at} is {text!r}.",
                    "A text is a string with at least one letter.",
                    "Remove it from the list.",
                )
            )
    return texts
