"""Pinned scenes of every task: what is asked, shown and said of them is the same on every machine and Python.

If a change is meant, raise WORLD_VERSION and write the file anew: python tests/world/test_golden_tasks.py
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from seewhy.world.concepts import present
from seewhy.world.drawing.renderer import render
from seewhy.world.grammar import WORLD_VERSION
from seewhy.world.language.captions import captions
from seewhy.world.language.negatives import hard_negatives
from seewhy.world.tasks.tasks import TASKS

GOLDEN = Path(__file__).with_name("golden_tasks.json")
SPLITS = ("train", "test", "ood-compose", "ood-style")


def _sha256(name: str, split: str) -> str:
    """Of two scenes: their data, label, concepts, captions, negatives and picture."""
    digest = hashlib.sha256()
    for index in (0, 12_345):
        scene = TASKS[name].scene(split, index)
        said = [one.text for one in captions(scene)] + [one.false.text for one in hard_negatives(scene)]
        label = np.asarray(TASKS[name].label(scene)).tolist()
        about = [scene.to_dict(), label, present(scene).tolist(), said]
        digest.update(json.dumps(about, sort_keys=True).encode())
        digest.update(render(scene, 48).rgb.tobytes())
    return digest.hexdigest()


def _record() -> dict[str, object]:
    return {"world_version": WORLD_VERSION} | {
        name: {split: _sha256(name, split) for split in SPLITS} for name in TASKS
    }


@pytest.mark.parametrize("name", TASKS)
def test_pinned_scenes_of_each_task_have_not_changed(name: str) -> None:
    golden = json.loads(GOLDEN.read_text())
    assert golden["world_version"] == WORLD_VERSION
    assert {split: _sha256(name, split) for split in SPLITS} == golden[name]


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(_record(), indent=1) + "\n")
