"""Features on the disk: the same answers as from memory, whatever order they are asked for in."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import seewhy as sw
from seewhy.audit.audit import audit
from seewhy.backbones.base import Backbone
from seewhy.concepts.store import extract
from seewhy.errors import InputError
from seewhy.models.stored import StoredFeatures, thumbnail_side
from seewhy.models.survey import survey
from tests.report.made_audit import CLASSES, SIZE, Colours, made_pictures


def backbone() -> Backbone:
    preprocess = sw.Preprocess(size=SIZE, fit="stretch", mean=0.0, std=1.0)
    return Backbone(
        Colours().eval(), name="colours", preprocess=preprocess, classes=CLASSES, layer="features"
    )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for picture in made_pictures(25, marked=True):
        (tmp_path / "set" / str(picture.label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.pixels).save(tmp_path / "set" / str(picture.label) / picture.name)
    return tmp_path / "set"


def test_any_pictures_in_any_order_are_those_of_memory(photos: Path, tmp_path: Path) -> None:
    whole = survey(backbone(), photos)
    stored = StoredFeatures(extract(backbone(), photos, tmp_path / "store", per_shard=7, dtype="float32"))
    assert isinstance(whole.features, torch.Tensor) and stored.shape == whole.features.shape
    for index in ([3, 2, 2, 74, 0, 6, 7], [], np.arange(75)[::-1], torch.tensor([8, 30])):
        assert torch.equal(stored[index], whole.features[np.asarray(index, np.int64).copy()])


def test_a_survey_on_the_disk_says_what_one_in_memory_says(photos: Path, tmp_path: Path) -> None:
    (photos / "red" / "broken.png").write_bytes(b"no picture")
    whole = survey(backbone(), photos, measure=lambda picture: {"n": float(picture.size[0])})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the broken picture
        kept = survey(
            backbone(), photos, measure=lambda picture: {"n": float(picture.size[0])}, folder=tmp_path / "s"
        )
    assert [one.name for one in kept.seen] == [one.name for one in whole.seen]
    assert list(kept.failed) == list(whole.failed) == ["red/broken.png"]
    assert torch.allclose(kept.logits, whole.logits, atol=1e-5) and kept.plain == whole.plain
    assert kept.labels is not None and whole.labels is not None and (kept.labels == whole.labels).all()
    assert kept.seen[4].measured == whole.seen[4].measured
    assert torch.allclose(kept.cut([5, 1]).features, whole.cut([5, 1]).features, rtol=1e-3)


def test_an_audit_on_the_disk_accuses_the_same_mark(photos: Path, tmp_path: Path) -> None:
    def accused(folder: Path | None) -> list[tuple[str, float]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of few pictures
            found = audit(backbone(), photos, n_concepts=3, folder=folder)
        return [(one.class_name, round(one.suspicion.score, 2)) for one in found.shortcuts().accused]

    assert accused(tmp_path / "store") == accused(None) != []
    assert accused(tmp_path / "store") == accused(None), "opened again"


def test_generators_are_read_once(tmp_path: Path) -> None:
    kept = survey(backbone(), (one for one in made_pictures(2, marked=True)), folder=tmp_path / "store")
    assert len(kept) == 6 and len(kept.features) == 6


def test_pictures_that_changed_are_noticed(photos: Path, tmp_path: Path) -> None:
    survey(backbone(), photos, folder=tmp_path / "store")
    first = sorted((photos / "blue").iterdir())[0]
    size = first.stat().st_size
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(first)
    first.write_bytes(first.read_bytes().ljust(size, b"\0"))  # the name and the size stay
    with pytest.raises(InputError, match=r"75 pictures, of which \d are found again"):
        survey(backbone(), photos, folder=tmp_path / "store")


@pytest.mark.parametrize(("n", "side"), [(1, 256), (1000, 256), (100_000, 57), (10**9, 32)])
def test_thumbnails_of_many_pictures_are_small(n: int, side: int) -> None:
    assert thumbnail_side(n, 256) == side
