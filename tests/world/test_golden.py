"""Pinned pictures: the bytes of one world version are the same on every machine and with every NumPy.

If a change of bytes is meant, raise WORLD_VERSION and write the file anew: python tests/world/test_golden.py
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from seewhy.world.drawing.renderer import render
from seewhy.world.grammar import CORNERS, DECOYS, WORLD_VERSION
from seewhy.world.sampling import sample_scene
from seewhy.world.scene import Decoy, Scene

GOLDEN = Path(__file__).with_name("golden.json")
SIZES = (64, 96, 224)
N_SCENES = 64


def _scene(index: int) -> Scene:
    """Every fourth scene has no decoy; the others have all kinds in all corners."""
    decoy = Decoy(CORNERS[index % 4], kind=DECOYS[index % 3]) if index % 4 else None
    return sample_scene(7, index).with_decoy(decoy)


def _sha256(scene: Scene, size: int) -> str:
    drawn = render(scene, size)
    return hashlib.sha256(drawn.rgb.tobytes() + drawn.id_map.tobytes() + drawn.part_map.tobytes()).hexdigest()


def _record() -> dict[str, object]:
    scenes = [_scene(index) for index in range(N_SCENES)]
    pictures = [{str(size): _sha256(scene, size) for size in SIZES} for scene in scenes]
    samples = [hashlib.sha256(json.dumps(scene.to_dict()).encode()).hexdigest() for scene in scenes]
    return {"world_version": WORLD_VERSION, "scenes": samples, "pictures": pictures}


@pytest.mark.parametrize("index", range(N_SCENES))
def test_pinned_scenes_and_pictures_have_not_changed(index: int) -> None:
    golden = json.loads(GOLDEN.read_text())
    scene = _scene(index)
    assert golden["world_version"] == WORLD_VERSION
    assert hashlib.sha256(json.dumps(scene.to_dict()).encode()).hexdigest() == golden["scenes"][index]
    assert {str(size): _sha256(scene, size) for size in SIZES} == golden["pictures"][index]


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(_record(), indent=1) + "\n")
