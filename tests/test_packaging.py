"""What is built from a checkout holds every file that the package reads at run time."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a wheel and a source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder), "-t", "wheel", "-t", "sdist"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    yield folder


def sources() -> set[str]:
    """Every file of the package, as a path below src/."""
    files = {path.relative_to(SRC).as_posix() for path in SRC.rglob("*") if path.is_file()}
    return {name for name in files if "__pycache__" not in name}


def in_wheel(folder: Path) -> set[str]:
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return {name for name in wheel.namelist() if not name.partition("/")[0].endswith(".dist-info")}


def in_sdist(folder: Path) -> set[str]:
    with tarfile.open(next(folder.glob("*.tar.gz"))) as sdist:
        return {name.partition("/")[2] for name in sdist.getnames()}


def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    assert in_wheel(built) == sources()


def test_the_source_distribution_holds_the_package(built: Path) -> None:
    held = in_sdist(built)
    assert {name.removeprefix("src/") for name in held if name.startswith("src/")} == sources()
    assert {"LICENSE", "README.md", "pyproject.toml"} <= held


def test_the_bundled_models_are_among_them(built: Path) -> None:
    from seewhy.bundled import cards

    wanted = {
        f"seewhy/bundled/weights/{name}.{end}" for name in cards.names() for end in ("json", "safetensors")
    }
    assert wanted <= in_wheel(built) and {f"src/{name}" for name in wanted} <= in_sdist(built)
