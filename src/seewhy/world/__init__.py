"""What is true? A generated picture world in which the cause of every pixel is known.

The names below are loaded when first used.

>>> from seewhy import world
>>> scene = world.find_task("T2").scene("test", 3)
>>> world.render(scene, size=96).rgb.shape
(96, 96, 3)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seewhy.world.concepts import concept_names, masks, present
    from seewhy.world.drawing.renderer import render
    from seewhy.world.edits.choice import valid_edits
    from seewhy.world.edits.edits import apply, changed_mask, inverse
    from seewhy.world.export.export import export as make
    from seewhy.world.grammar import WORLD_VERSION
    from seewhy.world.language.captions import caption
    from seewhy.world.language.negatives import hard_negatives
    from seewhy.world.sampling import Grammar, sample_scene
    from seewhy.world.scene import Decoy, Scene
    from seewhy.world.tasks.dataset import draw
    from seewhy.world.tasks.splits import SPLITS
    from seewhy.world.tasks.tasks import TASKS, find_task
    from seewhy.world.truth.models import causal_map, model_function, shapley, single_removal_effects
    from seewhy.world.truth.rules import label_changes, minimal_necessary, minimal_sufficient

_WHERE = {
    "Decoy": "scene",
    "Grammar": "sampling",
    "SPLITS": "tasks.splits",
    "Scene": "scene",
    "TASKS": "tasks.tasks",
    "WORLD_VERSION": "grammar",
    "apply": "edits.edits",
    "caption": "language.captions",
    "causal_map": "truth.models",
    "changed_mask": "edits.edits",
    "concept_names": "concepts",
    "draw": "tasks.dataset",
    "find_task": "tasks.tasks",
    "hard_negatives": "language.negatives",
    "inverse": "edits.edits",
    "label_changes": "truth.rules",
    "make": "export.export:export",
    "masks": "concepts",
    "minimal_necessary": "truth.rules",
    "minimal_sufficient": "truth.rules",
    "model_function": "truth.models",
    "present": "concepts",
    "render": "drawing.renderer",
    "sample_scene": "sampling",
    "shapley": "truth.models",
    "single_removal_effects": "truth.models",
    "valid_edits": "edits.choice",
}

__all__ = [
    "Decoy",
    "Grammar",
    "SPLITS",
    "Scene",
    "TASKS",
    "WORLD_VERSION",
    "apply",
    "caption",
    "causal_map",
    "changed_mask",
    "concept_names",
    "draw",
    "find_task",
    "hard_negatives",
    "inverse",
    "label_changes",
    "make",
    "masks",
    "minimal_necessary",
    "minimal_sufficient",
    "model_function",
    "present",
    "render",
    "sample_scene",
    "shapley",
    "single_removal_effects",
    "valid_edits",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'seewhy.world' has no attribute {name!r}")
    module, _, attribute = _WHERE[name].partition(":")
    value = getattr(importlib.import_module(f"seewhy.world.{module}"), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
