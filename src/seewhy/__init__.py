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
    from seewhy import errors, world
    from seewhy.attribution.methods import METHODS
    from seewhy.audit.marks import Mark
    from seewhy.audit.plant import plant
    from seewhy.backbones.base import Backbone
    from seewhy.evaluate.check import check
    from seewhy.explanation import Answers, AttributionMap, Explanation, from_dict
    from seewhy.explanation.comparison import Comparison, compare
    from seewhy.front import attribute, backbone, discover, explain, layers, load, method
    from seewhy.images.picture import Picture
    from seewhy.images.preprocess import Preprocess
    from seewhy.images.read import read_images
    from seewhy.models.bottleneck import ConceptBottleneck
    from seewhy.models.class_report import class_report
    from seewhy.models.classifier import Classifier
    from seewhy.models.craft import CRAFT
    from seewhy.models.labelfree_cbm import LabelFreeCBM
    from seewhy.models.labelled_cbm import LabelledCBM
    from seewhy.models.posthoc_cbm import PostHocCBM
    from seewhy.models.recursion import recurse
    from seewhy.models.salf_cbm import SALFCBM
    from seewhy.report.load import load_answer
    from seewhy.vlms.load import load_vlm
    from seewhy.vocabulary.vocabulary import Vocabulary

_WHERE = {
    "Answers": "seewhy.explanation",
    "AttributionMap": "seewhy.explanation",
    "Backbone": "seewhy.backbones.base",
    "CRAFT": "seewhy.models.craft",
    "Classifier": "seewhy.models.classifier",
    "Comparison": "seewhy.explanation.comparison",
    "ConceptBottleneck": "seewhy.models.bottleneck",
    "Explanation": "seewhy.explanation",
    "LabelFreeCBM": "seewhy.models.labelfree_cbm",
    "LabelledCBM": "seewhy.models.labelled_cbm",
    "METHODS": "seewhy.attribution.methods",
    "Mark": "seewhy.audit.marks",
    "Picture": "seewhy.images.picture",
    "PostHocCBM": "seewhy.models.posthoc_cbm",
    "Preprocess": "seewhy.images.preprocess",
    "SALFCBM": "seewhy.models.salf_cbm",
    "Vocabulary": "seewhy.vocabulary.vocabulary",
    "attribute": "seewhy.front",
    "backbone": "seewhy.front",
    "check": "seewhy.evaluate.check",
    "class_report": "seewhy.models.class_report",
    "compare": "seewhy.explanation.comparison",
    "discover": "seewhy.front",
    "explain": "seewhy.front",
    "from_dict": "seewhy.explanation",
    "layers": "seewhy.front",
    "load": "seewhy.front",
    "load_answer": "seewhy.report.load",
    "load_vlm": "seewhy.vlms.load",
    "method": "seewhy.front",
    "plant": "seewhy.audit.plant",
    "read_images": "seewhy.images.read",
    "recurse": "seewhy.models.recursion",
}

__all__ = [
    "METHODS",
    "Answers",
    "AttributionMap",
    "Backbone",
    "CRAFT",
    "Classifier",
    "Comparison",
    "ConceptBottleneck",
    "Explanation",
    "LabelFreeCBM",
    "LabelledCBM",
    "Mark",
    "Picture",
    "PostHocCBM",
    "Preprocess",
    "SALFCBM",
    "Vocabulary",
    "__version__",
    "attribute",
    "backbone",
    "check",
    "class_report",
    "compare",
    "discover",
    "errors",
    "explain",
    "from_dict",
    "layers",
    "load",
    "load_answer",
    "load_vlm",
    "method",
    "plant",
    "read_images",
    "recurse",
    "world",
]

# What can be made of an answer, by name only: the floors above `explanation` are imported when asked for.
VIEWS.add_lazy("figure", "seewhy.visualise.figures:figure")
VIEWS.add_lazy("save", "seewhy.report.save:save")
VIEWS.add_lazy("text", "seewhy.report.tables:text")
VIEWS.add_lazy("notebook", "seewhy.report.notebook:notebook")
VIEWS.add_lazy("audit", "seewhy.audit.audit:audit")
VIEWS.add_lazy("comparison_figure", "seewhy.visualise.comparison:figure")
VIEWS.add_lazy("comparison_save", "seewhy.report.comparison:save")
VIEWS.add_lazy("comparison_text", "seewhy.report.comparison_tables:comparison_text")
VIEWS.add_lazy("comparison_notebook", "seewhy.report.comparison:notebook")
VIEWS.add_lazy("save_audit", "seewhy.report.audit_page:save")
VIEWS.add_lazy("notebook_audit", "seewhy.report.audit_page:notebook")

logging.getLogger("seewhy").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name in ("errors", "world"):
        return importlib.import_module(f"seewhy.{name}")
    if name not in _WHERE:
        raise AttributeError(f"module 'seewhy' has no attribute {name!r}")
    value = getattr(importlib.import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
