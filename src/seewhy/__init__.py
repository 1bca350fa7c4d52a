"""Seewhy: see why a vision model decided - what it saw, where, and how much each thing counted.

>>> import seewhy as sw                                                                   # doctest: +SKIP
>>> model = sw.load("timm/resnet50.a1_in1k")                                              # doctest: +SKIP
>>> model.explain("cat.jpg").save("why.html")                                             # doctest: +SKIP

The names below are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

from seewhy._version import __version__
from seewhy.registry import VIEWS

if TYPE_CHECKING:
    from seewhy import errors
    from seewhy.attribution.methods import METHODS
    from seewhy.backbones.base import Backbone
    from seewhy.explanation import Answers, AttributionMap, Explanation, from_dict
    from seewhy.front import attribute, backbone, explain, layers, load, method
    from seewhy.images.picture import Picture
    from seewhy.images.preprocess import Preprocess
    from seewhy.images.read import read_images
    from seewhy.models.classifier import Classifier
    from seewhy.report.load import load_answer

_WHERE = {
    "Answers": "seewhy.explanation",
    "AttributionMap": "seewhy.explanation",
    "Backbone": "seewhy.backbones.base",
    "Classifier": "seewhy.models.classifier",
    "Explanation": "seewhy.explanation",
    "METHODS": "seewhy.attribution.methods",
    "Picture": "seewhy.images.picture",
    "Preprocess": "seewhy.images.preprocess",
    "attribute": "seewhy.front",
    "backbone": "seewhy.front",
    "explain": "seewhy.front",
    "from_dict": "seewhy.explanation",
    "layers": "seewhy.front",
    "load": "seewhy.front",
    "load_answer": "seewhy.report.load",
    "method": "seewhy.front",
    "read_images": "seewhy.images.read",
}

__all__ = [
    "METHODS",
    "Answers",
    "AttributionMap",
    "Backbone",
    "Classifier",
    "Explanation",
    "Picture",
    "Preprocess",
    "__version__",
    "attribute",
    "backbone",
    "errors",
    "explain",
    "from_dict",
    "layers",
    "load",
    "load_answer",
    "method",
    "read_images",
]

# What can be made of an answer, by name only: the floors above `explanation` are imported when asked for.
VIEWS.add_lazy("figure", "seewhy.visualise.figures:figure")
VIEWS.add_lazy("save", "seewhy.report.save:save")
VIEWS.add_lazy("text", "seewhy.report.tables:text")
VIEWS.add_lazy("notebook", "seewhy.report.notebook:notebook")

logging.getLogger("seewhy").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name == "errors":
        return importlib.import_module("seewhy.errors")
    if name not in _WHERE:
        raise AttributeError(f"module 'seewhy' has no attribute {name!r}")
    value = getattr(importlib.import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
