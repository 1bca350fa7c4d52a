from __future__ import annotations

import subprocess
import sys

import pytest

import seewhy as sw


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_after("import seewhy") & {"torch", "numpy", "matplotlib", "PIL", "timm", "rich"} == set()


def test_the_check_would_see_a_heavy_import() -> None:
    assert "numpy" in loaded_after("import seewhy; seewhy.Picture")


@pytest.mark.parametrize("name", sw.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    thing = getattr(sw, name)
    assert name in dir(sw)
    assert isinstance(thing, str) or thing.__doc__ or name == "METHODS"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'expalin'"):
        _ = sw.expalin
