"""A network with everything needed to ask it: its preprocessing, its class names, its feature layer and splits."""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, SupportsIndex, TypeVar, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.backbones.fingerprint import state_digest, state_versions
from seewhy.backbones.layers import Candidate, FeatureLayer, Probe, choose_layer, find_layers, named_layer
from seewhy.backbones.outputs import OutputAdapter, as_logits, check_finite
from seewhy.backbones.split import Split
from seewhy.backbones.taps import undisturbed
from seewhy.errors import InputError, NotSupported, SeewhyError, UnknownName, did_you_mean, message
from seewhy.explanation.evidence import Prediction
from seewhy.images.geometry import Geometry
from seewhy.images.picture import Picture
from seewhy.images.preprocess import Preprocess
from seewhy.types import Size

T = TypeVar("T")

Target = int | str | Sequence[int | str]
"""A class by index or name, "predicted", or one of these per picture."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures ready for the network: the normalised input and how each picture was brought to it."""

    x: Float[Tensor, "b c H W"]
    pictures: tuple[Picture, ...]
    geometries: tuple[Geometry, ...]

    def __len__(self) -> int:
        return len(self.pictures)


class Backbone:
    """Any classifier, as it is. The module is never changed, moved or left in another mode.

    Parameters
    ----------
    module
        A network from (B, C, H, W) to logits; other outputs through `output`.
    name
        What to call it in results.
    preprocess
        From a picture to its input; without it only ready tensors are accepted (`preprocess=False`).
    classes
        Names in the order of the logits; default "class 0", ...
    layer
        Where maps are read; default: found by running the network once (`layers.choose_layer`).
    output
        From what the module returns to (B, K) logits, where that is not plain.
    untrained
        Marks every result as coming from random weights.
    prefix_hint
        Number of class and register tokens, where the library states it.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        name: str | None = None,
        preprocess: Preprocess | None = None,
        classes: Sequence[str] | None = None,
        layer: str | None = None,
        output: OutputAdapter | None = None,
        untrained: bool = False,
        prefix_hint: int | None = None,
    ) -> None:
        if not isinstance(module, nn.Module):
            raise InputError(
                message(
                    f"The model is {type(module).__name__} {module!r:.80}.",
                    "A backbone wraps a torch.nn.Module.",
                    "Pass the module itself, or a name to seewhy.load.",
                )
            )
        if isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            raise InputError(
                message(
                    f"The model is wrapped in {type(module).__name__}.",
                    "Seewhy runs a plain module on one device.",
                    "Pass model.module.",
                )
            )
        self.module = module
        self.name = name or type(module).__name__
        self.preprocess = preprocess
        self.classes = None if classes is None else tuple(str(c) for c in classes)
        self.untrained = untrained
        self._layer_name = layer
        self._output = output
        self._prefix_hint = prefix_hint
        self._lock = threading.RLock()
        self._candidates: dict[Size, list[Candidate]] = {}
        self._chosen: dict[tuple[str | None, Size], Candidate] = {}
        self._splits: dict[FeatureLayer, Split] = {}
        self._kept: dict[Hashable, Any] = {}
        self._fingerprint: tuple[tuple[tuple[int, int], ...], str] | None = None

    # ------------------------------------------------------------------ running

    @property
    def device(self) -> torch.device:
        """Where the parameters are (all on one device)."""
        for tensor in (*self.module.parameters(), *self.module.buffers()):
            return tensor.device
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        """The floating type of the parameters."""
        return next((p.dtype for p in self.module.parameters() if p.is_floating_point()), torch.float32)

    def undisturbed(self) -> AbstractContextManager[None]:
        """Eval mode while open, everything as it was afterwards."""
        return undisturbed(self.module)

    def logits(self, x: Float[Tensor, "b c H W"]) -> Float[Tensor, "b k"]:
        """Run the network; gradients flow if they are enabled and asked for.

        The network gets a copy, because it may normalise its input in place.

        Raises
        ------
        NotSupported
            If the network does not return one row of logits per picture.
        """
        logits = self.read_logits(self.module(x.clone()))
        if len(logits) != len(x):
            raise NotSupported(
                message(
                    f"{self.name} returned {len(logits)} rows of logits for {len(x)} pictures.",
                    "Seewhy needs one row of class logits per picture.",
                    "Pass output=lambda y: ... which gives (pictures, classes), for one picture too.",
                )
            )
        return logits

    def read_logits(self, output: Any) -> Float[Tensor, "b k"]:
        """The logits in what the module returned."""
        return as_logits(output, self._output)

    def tensor(self, pictures: Sequence[Picture]) -> Batch:
        """Preprocess pictures as the network's own recipe says."""
        if self.preprocess is None:
            raise InputError(
                message(
                    f"{self.name} came without its preprocessing.",
                    "Pictures must be resized and normalised as in its training.",
                    "Pass preprocess=seewhy.Preprocess(size=..., mean=..., std=...) with the model, or ready "
                    "tensors with preprocess=False.",
                )
            )
        done = [self.preprocess(picture) for picture in pictures]
        x = torch.stack([tensor for tensor, _ in done]).to(self.device, self.dtype)
        return Batch(x, tuple(pictures), tuple(geometry for _, geometry in done))

    # ------------------------------------------------------------------ classes

    def class_name(self, index: int) -> str:
        """Name of a class, or 'class 7'."""
        if self.classes is not None and index < len(self.classes):
            return self.classes[index]
        return f"class {index}"

    def targets(self, target: Target, logits: Float[Tensor, "b k"]) -> list[int]:
        """Class indices, one per picture.

        Raises
        ------
        UnknownName
            If there is no such class; the nearest names are given.
        InputError
            If the number of targets is not the number of pictures.
        """
        n, n_classes = logits.shape
        one = isinstance(target, str) or not isinstance(target, (Sequence, Tensor, np.ndarray))
        if isinstance(target, (Tensor, np.ndarray)) and target.ndim == 0:
            one = True
        each = [_class_of(target)] * n if one else [_class_of(t) for t in cast(Sequence[int | str], target)]
        if len(each) != n:
            raise InputError(
                message(
                    f"There are {len(each)} targets for {n} pictures.",
                    "One target for all, or one per picture.",
                    "Pass a single class to use it for every picture.",
                )
            )
        predicted = logits.argmax(1).tolist()
        return [self._target_index(t, predicted[i], n_classes) for i, t in enumerate(each)]

    def _target_index(self, target: int | str, predicted: int, n_classes: int) -> int:
        if target == "predicted":
            return predicted
        if isinstance(target, int):
            if not -n_classes <= target < n_classes:
                raise UnknownName(
                    message(
                        f"There is no class {target}.",
                        f"{self.name} has {n_classes} classes, 0 to {n_classes - 1}.",
                        "Pass an index in that range or a class name.",
                    )
                )
            return target % n_classes
        names = [self.class_name(i) for i in range(n_classes)]
        if target in names:
            return names.index(target)
        folded = [name.lower() for name in names]
        if target.lower() in folded:
            return folded.index(target.lower())
        raise UnknownName(
            message(
                f"{target!r} is not among the {n_classes} classes of {self.name}.",
                did_you_mean(target, names),
                "Pass one of its class names or an index."
                if self.classes
                else "It came without class names.",
            )
        )

    def predictions(self, logits: Float[Tensor, " k"], top_k: int = 5) -> tuple[Prediction, ...]:
        """The `top_k` classes, largest logit first."""
        order = logits.argsort(descending=True)[:top_k].tolist()
        return tuple(self.prediction(logits, index) for index in order)

    def prediction(self, logits: Float[Tensor, " k"], index: int) -> Prediction:
        """One class; with a single class the score is its sigmoid, else the softmax."""
        logits = logits.detach().double()
        scores = logits.sigmoid() if len(logits) == 1 else logits.softmax(0)
        return Prediction(index, self.class_name(index), float(logits[index]), float(scores[index]))

    # ------------------------------------------------------------------ layers

    @property
    def given_layer(self) -> str | None:
        """The layer the user named, if any."""
        return self._layer_name

    def layer(self, name: str | None = None, *, size: Size | None = None) -> Candidate:
        """The feature layer called `name` (default: the user's, else the chosen one) for inputs of `size`."""
        size = size or self.input_size
        name = name or self._layer_name
        with self._lock:
            key = (name, size)
            if key not in self._chosen:
                probe = self.probe(size)
                candidates = self.layers(size=size)
                with self.undisturbed():
                    self._chosen[key] = (
                        choose_layer(probe, candidates)
                        if name is None
                        else named_layer(probe, candidates, name)
                    )
            return self._chosen[key]

    def layers(self, *, size: Size | None = None) -> list[Candidate]:
        """Every output that keeps a place, in the order of computation."""
        size = size or self.input_size
        with self._lock:
            if size not in self._candidates:
                probe = self.probe(size)
                with self.undisturbed():
                    self._try_out(probe)
                    self._candidates[size] = find_layers(probe)
            return self._candidates[size]

    def split(self, at: str | None = None, *, size: Size | None = None) -> Split:
        """Run up to a layer and replay from there; see `split.Split`."""
        size = size or self.input_size
        candidate = self.layer(at, size=size)
        with self._lock:
            key = candidate.layer
            if key not in self._splits:
                with self.undisturbed():
                    self._splits[key] = Split.at(self.probe(size), key, sealed=bool(candidate.sealed))
            return self._splits[key]

    @property
    def input_size(self) -> Size:
        """(height, width) that the preprocessing makes, else what the module states, else 224 x 224."""
        if self.preprocess is not None:
            return self.preprocess.size
        for owner in (self.module, getattr(self.module, "config", None)):
            match getattr(owner, "image_size", None):
                case int(side):
                    return side, side
                case (int(height), int(width)) | [int(height), int(width)]:
                    return height, width
        return 224, 224

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` finds out about this network, found out once and kept as long as the network."""
        with self._lock:
            if key not in self._kept:
                with self.undisturbed():
                    self._kept[key] = make()
            return cast(T, self._kept[key])

    def probe(self, size: Size) -> Probe:
        """Two made-up pictures of `size` and what it takes to find things out with them."""
        channels = self.preprocess.channels if self.preprocess else self._input_channels(size)
        # Smooth random pictures: white noise is unlike anything a network was trained on.
        generator = torch.Generator().manual_seed(0)
        coarse = torch.randn(2, channels, 7, 7, generator=generator)
        x = nn.functional.interpolate(coarse, size=size, mode="bilinear", align_corners=False)
        x = x + 0.3 * torch.randn(2, channels, *size, generator=generator)
        return Probe(self.module, x.to(self.device, self.dtype), self.read_logits, self._prefix_hint)

    def _try_out(self, probe: Probe) -> None:
        """Run the network once, so that what is wrong with it or with the input is said before anything else."""
        try:
            with torch.no_grad():
                logits = self.logits(probe.inputs)
        except (SeewhyError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            height, width = probe.size
            said = str(error).strip().splitlines() or [""]
            raise InputError(
                message(
                    f"{self.name} does not run on pictures of {height} x {width} pixels and "
                    f"{probe.inputs.shape[1]} channels ({type(error).__name__}: {said[0]:.120}).",
                    "Its feature layer is found by running it.",
                    "Pass preprocess=seewhy.Preprocess(size=(height, width), ...) with the size that it takes.",
                )
            ) from error
        check_finite(logits)

    def _input_channels(self, size: Size) -> int:
        """Input channels of the first convolution, if the network takes that many, else 3."""
        first = next((child for child in self.module.modules() if isinstance(child, nn.Conv2d)), None)
        if first is None or first.in_channels in (1, 3):
            return 3 if first is None else first.in_channels

        def tried() -> int:
            blank = torch.zeros(1, first.in_channels, *size, device=self.device, dtype=self.dtype)
            try:
                with torch.no_grad():
                    self.module(blank)
            except Exception:  # a convolution that comes first in the list but not in the network
                return 3
            return first.in_channels

        return self.once(("input channels", size), tried)

    # ------------------------------------------------------------------ identity

    def fingerprint(self) -> str:
        """SHA-256 over the names, shapes and values of parameters and buffers (first 16 hex digits).

        Computed again only when a tensor was replaced or changed in place.
        """
        state = state_versions(self.module)
        if self._fingerprint is None or self._fingerprint[0] != state:
            self._fingerprint = state, state_digest(self.module)[:16]
        return self._fingerprint[1]

    def describe(self) -> dict[str, Any]:
        """What results say about the model; JSON-safe."""
        return {
            "id": self.name,
            "architecture": type(self.module).__name__,
            "sha256": self.fingerprint(),
            "untrained": self.untrained,
            "preprocess": None if self.preprocess is None else self.preprocess.to_dict(),
        }

    def __repr__(self) -> str:
        n = sum(p.numel() for p in self.module.parameters())
        return f"Backbone({self.name!r}, {type(self.module).__name__}, {n / 1e6:.1f} M parameters)"


def _class_of(target: object) -> int | str:
    """A class by index or name; truth values and fractions are no classes."""
    if isinstance(target, str):
        return target
    try:
        if not isinstance(target, (bool, np.bool_)):
            return operator.index(cast(SupportsIndex, target))
    except TypeError:
        pass
    raise InputError(
        message(
            f"The target is {target!r}.",
            "It is a class name, an index, 'predicted', or a list of these.",
            "Pass target='predicted' for the class with the largest logit.",
        )
    )


__all__ = ["Backbone", "Batch", "FeatureLayer", "Target"]
