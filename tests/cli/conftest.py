"""A command line in this process, a small network in a user's file, and two photographs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.conv, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 3)
        for p in self.parameters():
            p.data = torch.randn(p.shape, generator=generator)

    def forward(self, x):
        return self.head(self.conv(x).relu().mean((2, 3)))

def build():
    return Net(), dict(preprocess=dict(size=(16, 24)), classes=["cat", "dog", "7"])
"""


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Seewhy = Callable[..., Result]


@pytest.fixture
def seewhy(capsys: pytest.CaptureFixture[str]) -> Seewhy:
    """`seewhy("layers", "net.py:build")` runs that command line."""
    from seewhy.cli.app import run

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        code = run([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return Result(code, out, err)

    return call


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: net.py, cat.png, photos/a.png and photos/b.png; empty caches."""
    monkeypatch.chdir(tmp_path)
    for name in ("SEEWHY_HOME", "HF_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "caches" / name))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    for name, size in (("cat.png", (40, 31)), ("photos/a.png", (24, 16)), ("photos/b.png", (50, 90))):
        Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(tmp_path / name)
    return tmp_path
