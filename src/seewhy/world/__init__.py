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
    from seewhy.world.captions import caption
    from seewhy.world.concepts import concept_names, masks, present
    from seewhy.world.dataset import draw
    from seewhy.world.edits import apply, changed_mask, inverse
    from seewhy.world.export import export as make
    from seewhy.world.grammar import WORLD_VERSION
    from seewhy.world.negatives import hard_negatives
    from seewhy.world.renderer import render
    from seewhy.world.rule_truth import label_changes, minimal_necessary, minimal_sufficient
    from seewhy.world.sampling import Grammar, sample_scene
    from seewhy.world.scene import Decoy, Scene
    from seewhy.world.splits import SPLITS
    from seewhy.world.tasks import TASKS, find_task
    from seewhy.world.truth import causal_map, model_function, shapley, single_removal_effects
    from seewhy.world.valid_edits import valid_edits

_WHERE = {
    "Decoy": "scene",
    "Grammar": "sampling",
    "SPLITS": "splits",
    "Scene": "scene",
    "TASKS": "tasks",
    "WORLD_VERSION": "grammar",
    "apply": "edits",
    "caption": "captions",
    "causal_map": "truth",
    "changed_mask": "edits",
    "concept_names": "concepts",
    "draw": "dataset",
    "find_task": "tasks",
    "hard_negatives": "negatives",
    "inverse": "edits",
    "label_changes": "rule_truth",
    "make": "export:export",
    "masks": "concepts",
    "minimal_necessary": "rule_truth",
    "minimal_sufficient": "rule_truth",
    "model_function": "truth",
    "present": "concepts",
    "render": "renderer",
    "sample_scene": "sampling",
    "shapley": "truth",
    "single_removal_effects": "truth",
    "valid_edits": "valid_edits",
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
