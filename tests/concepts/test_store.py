"""Stored features are the network's own, of every picture that could be read, wherever the shards end."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks._points import contents
from PIL import Image
from torch import nn

from seewhy.backbones.base import Backbone
from seewhy.concepts.store import FeatureStore, extract
from seewhy.errors import BadArtefact, InputError, LayerNotFound
from seewhy.images.preprocess import Preprocess
from seewhy.images.read import read_images
from seewhy.scale.job import Job, plan

SIZE = (24, 32)  # the grid is 6 x 8
PREPROCESS = Preprocess(size=SIZE, mean=0.4, std=0.3)
N = 7


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = nn.Sequential(
            nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 5, 3, 2, 1), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(5, 3),
        ).eval()  # fmt: skip
    return Backbone(module, preprocess=PREPROCESS, layer="2")


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (N, 30, 29, 3), np.uint8)


@pytest.fixture
def folder(tmp_path: Path, pixels: np.ndarray) -> Path:
    for i, one in enumerate(pixels):
        (tmp_path / "photos" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(one).save(tmp_path / "photos" / "ab"[i % 2] / f"{i}.png")
    return tmp_path / "photos"


@pytest.fixture
def store(backbone: Backbone, pixels: np.ndarray, tmp_path: Path) -> FeatureStore:
    return extract(backbone, pixels, tmp_path / "store", per_shard=3, batch_size=2, dtype="float32")


def features_of(backbone: Backbone, pixels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """By the modules themselves, one picture at a time."""
    x = torch.stack([PREPROCESS(picture)[0] for picture in read_images(pixels)])
    module: Any = backbone.module
    with torch.no_grad():
        return torch.cat([module[:3](one[None]) for one in x]), torch.cat([module(one[None]) for one in x])


def test_features_and_logits_are_those_of_the_network(
    store: FeatureStore, backbone: Backbone, pixels: np.ndarray
) -> None:
    features, logits = features_of(backbone, pixels)
    assert (store.n_images, store.channels, store.grid, store.layer) == (N, 5, (6, 8), "2")
    torch.testing.assert_close(store.features(0, N), features)
    torch.testing.assert_close(store.logits, logits)
    assert store.features().dtype == store.logits.dtype == torch.float32


def test_any_part_is_that_part_of_the_whole(store: FeatureStore) -> None:
    whole = store.features()
    for start in range(N + 1):
        for stop in range(start, N + 1):
            assert torch.equal(store.features(start, stop), whole[start:stop])
    for size in (1, 2, 3, 100):
        assert torch.equal(torch.cat(list(store.batches(size))), whole)


def test_float16_is_the_nearest_half_and_is_read_as_float32(
    store: FeatureStore, backbone: Backbone, pixels: np.ndarray, tmp_path: Path
) -> None:
    half = extract(backbone, pixels, tmp_path / "half", per_shard=3, batch_size=2)
    assert torch.equal(half.features(), store.features().half().float())
    assert torch.equal(half.logits, store.logits)


def test_rows_are_places_of_the_features_and_the_same_for_any_shards(
    store: FeatureStore, backbone: Backbone, pixels: np.ndarray, tmp_path: Path
) -> None:
    other = extract(backbone, pixels, tmp_path / "other", per_shard=1, batch_size=1, dtype="float32")
    rows = store.rows(50, seed=3)
    torch.testing.assert_close(other.rows(50, seed=3), rows)
    every = store.features().permute(0, 2, 3, 1).reshape(-1, 5)
    where = (rows[:, None] == every[None]).all(2)
    assert rows.shape == (50, 5) and where.sum(1).eq(1).all() and where.sum(0).le(1).all()
    assert not torch.equal(store.rows(50, seed=4), rows)
    assert torch.equal(store.rows(10**6), every)


def test_rows_of_some_pictures_are_of_those(store: FeatureStore) -> None:
    of_two = store.features()[[5, 1]].permute(0, 2, 3, 1).reshape(-1, 5)
    assert torch.equal(store.rows(1000, images=[5, 1]), of_two)
    some = store.rows(20, images=[5, 1])
    assert (some[:, None] == of_two[None]).all(2).any(1).all()
    with pytest.raises(InputError, match="images goes from 2 to 7"):
        store.rows(5, images=[2, 7])
    assert store.rows(5, images=[]).shape == (0, 5)


def test_names_labels_hashes_and_geometries_are_those_of_the_pictures(
    backbone: Backbone, folder: Path
) -> None:
    store = extract(backbone, folder, folder.parent / "store", per_shard=3)
    pictures = read_images(folder)
    assert store.names == tuple(picture.name for picture in pictures)
    assert store.labels == tuple("aaaabbb")
    assert store.sha256 == tuple(picture.sha256 for picture in pictures)
    assert store.geometries == tuple(PREPROCESS(picture)[1] for picture in pictures)


def test_a_name_that_comes_again_gets_a_number(
    backbone: Backbone, pixels: np.ndarray, tmp_path: Path
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        Image.fromarray(pixels[0]).save(tmp_path / name / "x.png")
    paths = [tmp_path / name / "x.png" for name in "abc"]
    names = extract(backbone, paths, tmp_path / "store", per_shard=2).names
    assert (
        names == tuple(picture.name for picture in read_images(paths)) == ("x.png", "x.png (2)", "x.png (3)")
    )


def test_extracting_again_opens_what_is_there_and_the_same_settings_give_the_same_bytes(
    store: FeatureStore, backbone: Backbone, pixels: np.ndarray, tmp_path: Path
) -> None:
    ran: list[int] = []
    settings: Any = {"per_shard": 3, "batch_size": 2, "dtype": "float32"}
    extract(backbone, pixels, store.folder, progress=lambda done, n: ran.append(done), **settings)
    assert ran == []
    again = extract(backbone, pixels, tmp_path / "b", progress=lambda done, n: ran.append(done), **settings)
    assert ran == [3, 6, 7]
    assert contents(again.folder) == contents(store.folder)


def test_pictures_are_read_when_their_turn_comes(
    backbone: Backbone, pixels: np.ndarray, tmp_path: Path
) -> None:
    class Stops:
        """A data set that breaks at its fifth picture until it is repaired."""

        broken, asked = True, list[int]()

        def __len__(self) -> int:
            return N

        def __getitem__(self, index: int) -> np.ndarray:
            self.asked.append(index)
            if index == 4 and self.broken:
                raise RuntimeError("the disk of the data set")
            return pixels[index]

    data = Stops()
    with pytest.raises(RuntimeError, match="the disk"):
        extract(backbone, data, tmp_path / "a", per_shard=2, batch_size=1)
    data.broken, data.asked[:] = False, []
    store = extract(backbone, data, tmp_path / "a", per_shard=2, batch_size=1)
    assert data.asked == [4, 5, 6] and store.n_images == N


def test_bad_pictures_are_left_out_recorded_and_told(backbone: Backbone, folder: Path) -> None:
    (folder / "a" / "2.png").write_bytes(b"not a picture")
    (folder / "b" / "1.png").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"(?s)2 of 7 pictures .*a/2.png.*failed attribute"):
        store = extract(backbone, folder, folder.parent / "store", per_shard=1, dtype="float32")
    assert [(failure.item, failure.name) for failure in store.failed] == [(1, "a/2.png"), (4, "b/1.png")]
    assert "2.png" in store.failed[0].error
    told = json.loads((store.folder / "manifest.json").read_text())["failed"]
    assert [failure["name"] for failure in told] == ["a/2.png", "b/1.png"]
    good = [picture for picture in read_images([p for p in sorted(folder.rglob("*.png"))
                                                if p.name not in ("1.png", "2.png")])]  # fmt: skip
    assert store.n_images == len(store.names) == 5
    x = torch.stack([PREPROCESS(picture)[0] for picture in good])
    torch.testing.assert_close(store.logits, backbone.module(x).detach())
    assert torch.equal(store.features(1, 3), store.features()[1:3])


def test_no_good_picture_at_all_is_an_error(backbone: Backbone, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(InputError, match="no picture in the folder"):
        extract(backbone, tmp_path / "photos", tmp_path / "store")
    (tmp_path / "photos" / "x.png").write_bytes(b"x")
    with pytest.raises(InputError, match=r"None of the 1 pictures could be used; the first, x.png: "):
        extract(backbone, tmp_path / "photos", tmp_path / "store")


@pytest.fixture
def overflowing(backbone: Backbone) -> Iterator[Backbone]:
    class Loud(nn.Module):
        """Dark pictures (below -1) give infinity, others features of a million."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.where(x.mean((1, 2, 3), keepdim=True) < -1, torch.inf, x * 1e6)

    yield Backbone(
        nn.Sequential(Loud(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), preprocess=PREPROCESS, layer="0"
    )


def test_features_beyond_float16_are_refused_before_they_become_infinite(
    overflowing: Backbone, tmp_path: Path
) -> None:
    white = np.full((2, 24, 32, 3), 255, np.uint8)
    with pytest.raises(InputError, match=r"is 2e\+06.\n  float16 ends at 65504.\n  Pass dtype='float32'"):
        extract(overflowing, white, tmp_path / "a")
    assert extract(overflowing, white, tmp_path / "b", dtype="float32").features().max() > 1e6


def test_a_picture_with_infinite_features_is_recorded(overflowing: Backbone, tmp_path: Path) -> None:
    pictures = np.zeros((3, 24, 32, 3), np.uint8)
    pictures[1] = 255
    with pytest.warns(UserWarning, match="2 of 3 pictures"):
        store = extract(overflowing, pictures, tmp_path / "a", dtype="float32")
    assert [failure.item for failure in store.failed] == [0, 2]
    assert "not finite" in store.failed[0].error
    assert store.features().isfinite().all() and store.names == ("image 1",)


def test_damage_is_found_and_only_that_shard_made_again(
    store: FeatureStore, backbone: Backbone, pixels: np.ndarray
) -> None:
    before = contents(store.folder)
    assert store.verify() == []
    damaged = bytearray(before["shard-000001.safetensors"])
    damaged[len(damaged) // 2] ^= 1
    (store.folder / "shard-000001.safetensors").write_bytes(bytes(damaged))
    assert store.verify() == ["shard-000001.safetensors has been changed (its SHA-256 differs)"]
    (store.folder / "shard-000002.safetensors").unlink()
    with pytest.raises(BadArtefact, match="(?s)shard-000002.* cannot be read .*verify=True"):
        store.features()
    ran: list[int] = []
    extract(backbone, pixels, store.folder, per_shard=3, batch_size=2, dtype="float32", verify=True,
            progress=lambda done, n: ran.append(done))  # fmt: skip
    assert len(ran) == 2 and contents(store.folder) == before


def test_other_settings_or_pictures_in_the_same_folder_are_refused(
    store: FeatureStore, backbone: Backbone, pixels: np.ndarray
) -> None:
    settings: dict[str, Any] = {"per_shard": 3, "batch_size": 2, "dtype": "float32"}
    for changed, said in (
        ({"dtype": "float16"}, "dtype is 'float32' there and 'float16' here"),
        ({"at": "0"}, "layer.name is '2' there and '0' here"),
        ({"per_shard": 7}, "3 shards of up to 3 items"),
    ):
        with pytest.raises(BadArtefact, match=said):
            extract(backbone, pixels, store.folder, **{**settings, **changed})
    with pytest.raises(BadArtefact, match="pictures.sha256 is"):
        extract(backbone, pixels[::-1], store.folder, **settings)
    other = Backbone(nn.Sequential(nn.Conv2d(3, 5, 4, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
                     preprocess=PREPROCESS)  # fmt: skip
    with pytest.raises(BadArtefact, match="backbone.sha256 is"):
        extract(other, pixels, store.folder, at="0", **settings)


def test_wrong_options_are_told_before_anything_is_written(
    backbone: Backbone, pixels: np.ndarray, tmp_path: Path
) -> None:
    for options, error, said in (
        ({"dtype": "flaot16"}, InputError, "Did you mean 'float16'"),
        ({"batch_size": 0}, InputError, "batch_size is 0"),
        ({"per_shard": 0}, InputError, "per_shard is 0"),
        ({"at": "nowhere"}, LayerNotFound, "nowhere"),
        ({"labels": ["a"]}, InputError, "1 labels for 7 pictures"),
    ):
        with pytest.raises(error, match=said):
            extract(backbone, pixels, tmp_path / "a", **options)
    with pytest.raises(InputError, match="without its preprocessing"):
        extract(Backbone(backbone.module), pixels, tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_what_is_not_a_store_is_told(store: FeatureStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Pictures 3 to 8 were asked for"):
        store.features(3, 8)
    with pytest.raises(InputError, match="n_max is 0"):
        store.rows(0)
    with pytest.raises(InputError, match="size is 0"):
        next(store.batches(0))
    with pytest.raises(InputError, match="has no manifest.json"):
        FeatureStore(tmp_path)
    Job(tmp_path / "job", {}, plan(1, 1), lambda shard: {"x": np.zeros(1)}).run()
    with pytest.raises(BadArtefact, match="holds 'the result of another job'"):
        FeatureStore(tmp_path / "job")


def test_the_network_is_left_as_it_was(backbone: Backbone, pixels: np.ndarray, tmp_path: Path) -> None:
    backbone.module.train()
    try:
        with warnings.catch_warnings():
            extract(backbone, pixels, tmp_path / "a")
        assert all(module.training for module in backbone.module.modules())
        assert all(p.grad is None and p.requires_grad for p in backbone.module.parameters())
    finally:
        backbone.module.eval()


def test_transformer_tokens_become_a_grid(pixels: np.ndarray, tmp_path: Path) -> None:
    import timm

    vit = timm.create_model(
        "vit_tiny_patch16_224", img_size=SIZE, patch_size=8, depth=2, num_classes=3
    ).eval()
    backbone = Backbone(vit, preprocess=PREPROCESS, layer="blocks.0")
    store = extract(backbone, pixels, tmp_path / "a", dtype="float32", per_shard=4)
    assert store.grid == (3, 4)
    x = torch.stack([PREPROCESS(picture)[0] for picture in read_images(pixels)])
    seen: list[torch.Tensor] = []
    handle = vit.blocks[0].register_forward_hook(lambda m, a, out: seen.append(out[:, 1:].detach()))
    vit(x)
    handle.remove()
    tokens = store.features().flatten(2).transpose(1, 2)
    torch.testing.assert_close(tokens, seen[0], atol=1e-5, rtol=1e-5)
