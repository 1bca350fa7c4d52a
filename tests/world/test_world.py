"""The names of the package are what they say, and none of them is a module's."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import seewhy as sw
from seewhy import world


@pytest.mark.parametrize("name", world.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(world, name) is not None
    assert name in dir(world)


def test_no_name_is_that_of_a_module() -> None:
    # A module that is imported by someone would take the place of the function.
    modules = {info.name for info in pkgutil.iter_modules(world.__path__)}
    assert not modules & set(world.__all__)


def test_importing_the_world_loads_nothing_heavy() -> None:
    code = "import sys, seewhy.world; print([m for m in ('torch', 'numpy') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_front_door_has_the_world_and_a_wrong_name_is_an_attribute_error() -> None:
    assert sw.world is world
    with pytest.raises(AttributeError, match="no attribute 'renderr'"):
        _ = world.renderr  # type: ignore[attr-defined]
    assert importlib.import_module("seewhy.world.drawing.renderer").render is world.render


def test_scene_edit_is_the_operation_by_name() -> None:
    scene = world.find_task("T8").scene("test", 1)
    thing = scene.objects[0]
    colour = "blue" if thing.colour != "blue" else "red"
    edited = scene.edit("recolour", item=thing.id, colour=colour)
    assert {t.id: t.colour for t in edited.objects} == {t.id: t.colour for t in scene.objects} | {
        thing.id: colour
    }
    with pytest.raises(sw.errors.InputError, match="Did you mean 'recolour'"):
        scene.edit("recolor", item=thing.id, colour=colour)
