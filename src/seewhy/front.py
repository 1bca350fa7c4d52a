"""The verbs of the front door: short ways to what the floors below do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seewhy.attribution.base import Method, as_backbone
from seewhy.attribution.engine import Progress
from seewhy.attribution.methods import METHODS
from seewhy.backbones.base import Backbone, Target
from seewhy.backbones.layers import Candidate
from seewhy.backbones.load import load_backbone
from seewhy.errors import UnknownName, did_you_mean, message
from seewhy.explanation import Answers, AttributionMap, Explanation
from seewhy.models.classifier import Classifier
from seewhy.models.craft import CRAFT


def load(model: Any, **options: Any) -> Classifier:
    """A classifier ready to explain.

    Parameters
    ----------
    model
        A name such as "seewhy/resnet-t4", which comes with Seewhy, "timm/resnet50.a1_in1k",
        "torchvision/resnet50", "open_clip/ViT-B-32/openai" or "hf/google/vit-base-patch16-224"; "file.py:factory" for
        your own; a `torch.nn.Module`; or a `Backbone`.
    options
        As in `backbones.load.load_backbone`: preprocess, classes, layer, weights, device, ...
    """
    return Classifier(load_backbone(model, **options))


def backbone(model: Any, **options: Any) -> Backbone:
    """The network alone, with its preprocessing, class names, layers and splits; options as in `load`."""
    return load_backbone(model, **options)


def explain(
    images: Any, model: Any, target: Target = "predicted", **options: Any
) -> Explanation | Answers[Explanation]:
    """`load(model).explain(images, target)`."""
    return Classifier(_coerce(model)).explain(images, target, **options)


def attribute(
    images: Any,
    model: Any,
    method: str | Method | None = None,
    target: Target = "predicted",
    **options: Any,
) -> AttributionMap | Answers[AttributionMap]:
    """A map by an attribution method; see `Classifier.attribute`."""
    return Classifier(_coerce(model)).attribute(images, method, target, **options)


def method(name: str, **parameters: Any) -> Method:
    """An attribution method by name, with its parameters: `method("rise", masks=4000)`."""
    return METHODS[name](**parameters)


def layers(model: Any, **options: Any) -> list[Candidate]:
    """Every layer of a model that keeps a place, in the order of computation, with what speaks for it."""
    return load_backbone(model, **options).layers()


def discover(
    model: Any,
    images: Any,
    *,
    method: str = "craft",
    labels: Sequence[str | int] | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> CRAFT:
    """Concepts that a network uses for its classes, found in pictures; `options` as in `models.craft.CRAFT`."""
    if method != "craft":
        raise UnknownName(message(f"There is no method {method!r}.", did_you_mean(method, ["craft"])))
    craft = CRAFT(_coerce(model), **options)
    return craft.fit(images, labels=labels, batch_size=batch_size, progress=progress)


def _coerce(model: Any) -> Backbone:
    return load_backbone(model) if isinstance(model, str) else as_backbone(model)
