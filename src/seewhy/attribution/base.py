"""What an attribution method is: parameters, what it needs, and one function from a question to maps.

Reading pictures, choosing targets, chunking, seeding, leaving the model as it was and building results are done
here once; a method's file holds its formula.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy._version import __version__
from seewhy.attribution.engine import Engine, Progress
from seewhy.attribution.question import Question
from seewhy.attribution.replays import input_again, pixel_replay
from seewhy.backbones.base import Backbone, Batch, Target
from seewhy.backbones.outputs import check_finite
from seewhy.errors import InputError, NotSupported, message
from seewhy.explanation.answers import Answers
from seewhy.explanation.attribution_map import AttributionMap
from seewhy.explanation.evidence import Meta
from seewhy.images.geometry import Geometry
from seewhy.images.picture import Picture
from seewhy.images.read import is_single, read_images
from seewhy.registry import Registry
from seewhy.types import Kind, Size

Need = Literal["gradient", "features", "attention"]


@dataclass
class Raw:
    """What a method returns: maps on its own grid, and per picture the completeness gap and kind if any.

    `signed` is given where it depends on the method's settings.
    """

    maps: Float[Tensor, "b h w"]
    gaps: Sequence[float | None] | None = None
    kinds: Sequence[Kind | None] | None = None
    signed: bool | None = None


@dataclass(frozen=True)
class Method(ABC):
    """Base of attribution methods. Subclasses are frozen dataclasses whose fields are their parameters.

    A method is stateless: calling it twice with the same arguments gives the same bytes. `exempt` names the
    public checks of `seewhy.testing` that cannot hold by its definition, each with the reason.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    needs: ClassVar[frozenset[Need]] = frozenset()
    signed: ClassVar[bool] = True
    kind: ClassVar[Kind | None] = None
    unit: ClassVar[str] = "logit per cell"
    random: ClassVar[bool] = False
    class_sensitive: ClassVar[bool] = True
    expensive: ClassVar[bool] = False
    exempt: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def attribute(self, question: Question) -> Raw:
        """The maps for a question; runs inside `torch.no_grad` on a model in eval mode."""

    def why_not(self, backbone: Backbone, size: Size | None = None) -> str | None:
        """None if the method works on this network, else the reason."""
        return None

    def __call__(
        self,
        model: Any,
        images: Any,
        target: Target = "predicted",
        *,
        at: str | None = None,
        seed: int = 0,
        preprocess: bool = True,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> AttributionMap | Answers[AttributionMap]:
        """Attribute a class score to places of the picture.

        Parameters
        ----------
        model
            A `Backbone`, what `seewhy.load` returns, or a plain `nn.Module` (then `preprocess=False`).
        images
            Anything `seewhy.read_images` reads; with `preprocess=False` a ready (C, H, W) or (B, C, H, W)
            tensor.
        target
            Class index or name, "predicted", or a list with one per picture.
        at
            Feature layer, for methods that need one; default the backbone's.
        seed
            For methods that draw; every picture gets the same draws, so that a batch equals its parts.
        batch_size
            At most so many pictures or perturbations at once; halved when memory runs out.
        progress
            Called with (done, total).

        Returns
        -------
        map
            One `AttributionMap` for one picture, `Answers` for several.
        """
        backbone = as_backbone(model)
        with torch.inference_mode(False):  # what is made under inference mode cannot enter a gradient
            batch, single = as_batch(backbone, images, preprocess)
        size = batch.x.shape[2], batch.x.shape[3]
        engine = Engine.for_device(backbone.device, batch_size, progress, size)
        with backbone.undisturbed(), torch.no_grad():
            logits = plain_logits(backbone, batch.x, Engine(engine.batch_size))
            rows = torch.tensor(backbone.targets(target, logits), device=logits.device)
            question = Question(backbone, batch.x, rows, logits, engine, at, seed)
            question.cost.forwards = len(batch)
            self._refuse(backbone, question.size)
            raw = self.attribute(question)
        answers = self._answers(question, batch, raw, preprocess)
        return answers[0] if single else Answers(answers)

    def parameters(self) -> dict[str, Any]:
        """The method's settings, JSON-safe."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    def _refuse(self, backbone: Backbone, size: Size) -> None:
        reason = self.why_not(backbone, size)
        if reason:
            raise NotSupported(
                message(
                    f"{self.name!r} does not work on {backbone.name}: {reason}",
                    "",
                    "seewhy models --methods lists what each method needs.",
                )
            )

    def _answers(self, question: Question, batch: Batch, raw: Raw, preprocess: bool) -> list[AttributionMap]:
        n = len(batch)
        assert raw.maps.shape[0] == n, f"{self.name} returned {raw.maps.shape[0]} maps for {n} pictures"
        maps = raw.maps.detach().float().cpu().numpy()
        cost = {name: count / n for name, count in question.cost.to_dict().items()}
        choices = describe_choices(question.backbone, question.engine) | question.choices
        meta = Meta(
            model=question.backbone.describe(),
            method={"name": self.name, "paper": self.paper, "unit": self.unit, **self.parameters()},
            choices=choices,
            seed=question.seed if self.random else None,
            cost=cost,
            versions=versions(),
            warnings=tuple(question.warnings) + model_warnings(question.backbone),
        )
        answers = []
        for i in range(n):
            logits, row = question.logits[i].cpu(), int(question.rows[i])
            again = input_again(question.backbone, batch, i, preprocess)
            answers.append(
                AttributionMap(
                    image=batch.pictures[i],
                    geometry=batch.geometries[i],
                    prediction=question.backbone.predictions(logits),
                    target=question.backbone.prediction(logits, row),
                    meta=meta,
                    replay=pixel_replay(question.backbone, again, question.size, row, question.engine.used),
                    map=maps[i],
                    kind=self.kind if raw.kinds is None else raw.kinds[i],
                    signed=self.signed if raw.signed is None else raw.signed,
                    gap=None if raw.gaps is None else raw.gaps[i],
                )
            )
        return answers


METHODS: Registry[type[Method]] = Registry("attribution method")
"""Every method by name; filled by one line per method in `attribution.methods`."""


def as_backbone(model: Any) -> Backbone:
    """A `Backbone` from itself, from something that holds one as `.backbone`, or from a module."""
    if isinstance(model, Backbone):
        return model
    held = getattr(model, "backbone", None)
    if isinstance(held, Backbone):
        return held
    if isinstance(model, nn.Module):
        return Backbone(model)
    raise InputError(
        message(
            f"The model is {model!r:.80}.",
            "It is a Backbone, what seewhy.load returns, or a torch.nn.Module.",
            "Load names with seewhy.load first.",
        )
    )


def as_batch(backbone: Backbone, images: Any, preprocess: bool = True) -> tuple[Batch, bool]:
    """Pictures through the network's own preprocessing, or ready tensors as they are; and if it was one."""
    if preprocess:
        return backbone.tensor(read_images(images)), is_single(images)
    if not isinstance(images, Tensor) or images.ndim not in (3, 4) or not images.is_floating_point():
        shape = tuple(images.shape) if isinstance(images, (Tensor, np.ndarray)) else type(images).__name__
        raise InputError(
            message(
                f"With preprocess=False images is {shape}.",
                "It is a floating tensor (C, H, W) or (B, C, H, W), normalised as the model wants it.",
                "Leave preprocess=True to pass pictures.",
            )
        )
    x = images.detach().clone().to(backbone.device, backbone.dtype)
    single = x.ndim == 3
    x = x.unsqueeze(0) if single else x
    if len(x) == 0 or not torch.isfinite(x).all():
        raise InputError(
            message(
                f"The tensor of shape {tuple(x.shape)} is empty or holds NaN.",
                "Inputs are finite.",
                "Check how it was made.",
            )
        )
    pictures = tuple(_drawable(tensor, backbone, i) for i, tensor in enumerate(x))
    size = x.shape[2], x.shape[3]
    return Batch(x, pictures, tuple(Geometry.stretch(size, size) for _ in x)), single


def plain_logits(backbone: Backbone, x: Tensor, engine: Engine) -> Float[Tensor, "b k"]:
    """Logits of a batch, in chunks, checked to be finite."""
    parts: list[Tensor] = []
    engine.run(len(x), lambda start, stop: parts.append(backbone.logits(x[start:stop])))
    logits = torch.cat(parts)
    check_finite(logits)
    return logits


def describe_choices(backbone: Backbone, engine: Engine | None = None) -> dict[str, str]:
    """What was decided for the user, in words."""
    choices = {}
    if backbone.preprocess is not None:
        choices["preprocess"] = f"{backbone.preprocess.describe()} ({backbone.preprocess.source})"
    if engine is not None:
        halved = (
            "" if engine.used == engine.batch_size else f", halved from {engine.batch_size}: memory ran out"
        )
        choices["batch size"] = f"{engine.used}{halved}"
    return choices


def model_warnings(backbone: Backbone) -> tuple[str, ...]:
    """What every result of this model must say."""
    return ("untrained: random weights",) if backbone.untrained else ()


def versions() -> dict[str, str]:
    """Of what the numbers depend on."""
    return {"seewhy": __version__, "torch": str(torch.__version__)}


def _drawable(x: Tensor, backbone: Backbone, index: int) -> Picture:
    """A picture to draw under the map of a ready tensor: normalisation undone if it is known."""
    pixels = x.detach().float().cpu()
    recipe = backbone.preprocess
    if recipe is not None and len(recipe.mean) == len(pixels):
        mean, std = (torch.tensor(v)[:, None, None] for v in (recipe.mean, recipe.std))
        pixels = pixels * std + mean
        pixels = pixels.flip(0) if recipe.bgr else pixels
        note = "drawn from the model's input, normalisation undone"
    else:
        low, high = float(pixels.min()), float(pixels.max())
        pixels = (pixels - low) / max(high - low, 1e-12)
        note = "drawn from the model's input, its range stretched to black and white"
    pixels = pixels[:1].expand(3, -1, -1) if len(pixels) != 3 else pixels
    array = (pixels.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    return Picture(array, f"tensor {index}", notes=(note,))


__all__ = ["METHODS", "Method", "Need", "Question", "Raw", "as_backbone", "as_batch"]
