"""A few scenes as arrays, drawn once."""

from __future__ import annotations

import pytest

from seewhy.training.scenes import Mixture, Scenes, scenes

FEW = Mixture("train", 36)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    """The first scenes of the image-text model's mixture."""
    return scenes(FEW, tmp_path_factory.mktemp("scenes"))
