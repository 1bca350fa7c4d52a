"""Pictures are told apart by number and content, whatever order they are asked for, and grids are made one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from seewhy.backbones.base import Backbone
from seewhy.concepts.sources import (
    LocalSimilarity,
    Pairs,
    StoredFeatures,
    TensorSource,
    WholeSimilarity,
    as_source,
    by_number,
    resampling,
)
from seewhy.concepts.store import FeatureStore, extract
from seewhy.errors import InputError
from seewhy.images.preprocess import Preprocess


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Embeddings:
    """Local embeddings in memory, as a store on the disk has them."""

    def __init__(self, n: int = 60, grid: tuple[int, int] = (2, 3)) -> None:
        self.local = functional.normalize(draw(n, *grid, 8), dim=-1)
        self.unprompted = functional.normalize(draw(n, 8, seed=1), dim=-1)
        self.n_images, self.grid, self.dim = n, grid, 8
        self.sha256 = tuple(f"picture {i}" for i in range(n))
        self.spans: list[tuple[int, int]] = []

    def span(self, start: int, stop: int) -> Tensor:
        self.spans.append((start, stop))
        return self.local[start:stop]

    def select(self, indices: np.ndarray) -> Tensor:
        return self.local[torch.from_numpy(indices)]


@pytest.fixture
def stored(tmp_path: Path) -> FeatureStore:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = nn.Sequential(nn.Conv2d(3, 5, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    backbone = Backbone(module.eval(), preprocess=Preprocess(size=(12, 16), mean=0.4, std=0.3), layer="1")
    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 16, 3), np.uint8)
    return extract(backbone, pixels, tmp_path / "store", per_shard=4, dtype="float32")


def test_a_feature_store_is_a_source_of_its_pictures(stored: FeatureStore) -> None:
    numbers = torch.tensor([8, 0, 5, 5])
    source = as_source(stored)
    assert (source.n, source.channels, source.grid, source.ids) == (9, 5, (6, 8), stored.sha256)
    assert torch.equal(source.batch(numbers), stored.features()[numbers])
    pooled = StoredFeatures(stored, pooled=True)
    assert pooled.grid == (1, 1)
    torch.testing.assert_close(pooled.batch(numbers), stored.features()[numbers].mean((2, 3), keepdim=True))


TEXT = functional.normalize(draw(5, 8, seed=2), dim=-1)


def test_rows_come_in_the_order_asked_for_and_near_ones_in_one_reading() -> None:
    store = Embeddings()
    numbers = torch.tensor([50, 3, 4, 3, 0, 59])
    assert torch.equal(by_number(store.span, numbers), store.local[numbers])
    assert store.spans == [(0, 5), (50, 60)]


def test_a_teacher_is_made_of_the_pictures_asked_for() -> None:
    store = Embeddings()
    numbers = torch.tensor([41, 7, 8])
    expected = torch.einsum("nhwd,md->nmhw", store.local[numbers], TEXT)
    torch.testing.assert_close(LocalSimilarity(store, TEXT).batch(numbers), expected)
    whole = (store.unprompted @ TEXT.T)[numbers]
    torch.testing.assert_close(LocalSimilarity(store, TEXT).whole(numbers), whole)
    torch.testing.assert_close(WholeSimilarity(store, TEXT).batch(numbers), whole[:, :, None, None])
    assert WholeSimilarity(store, TEXT).grid == (1, 1)


def test_texts_that_are_not_unit_are_refused() -> None:
    with pytest.raises(InputError, match="of length 1"):
        LocalSimilarity(Embeddings(), 2 * TEXT)
    with pytest.raises(InputError, match=r"\(concepts, 8\)"):
        LocalSimilarity(Embeddings(), TEXT[:, :7])


def test_pictures_are_matched_by_content_where_both_know_it() -> None:
    values = draw(6, 2, 1, 1)
    features = TensorSource(values, ids="abcdef")
    order = [4, 2, 0, 5, 1]  # d is missing, x is new
    teacher = TensorSource(torch.cat([values[order], values[:1]]), ids=[*("abcdef"[i] for i in order), "x"])
    pairs = Pairs(features, teacher)
    f, p = pairs.batch(torch.tensor([3, 0, 4, 1, 2]))
    assert (pairs.n, pairs.left_out) == (5, 2)
    assert torch.equal(f[..., None], p)


def test_other_pictures_or_numbers_of_them_are_refused() -> None:
    values = draw(6, 2, 1, 1)
    with pytest.raises(InputError, match="6 pictures, the teacher of 5"):
        Pairs(TensorSource(values), TensorSource(values[:5]))
    with pytest.raises(InputError, match="None of the 6 pictures"):
        Pairs(TensorSource(values, ids="abcdef"), TensorSource(values, ids="uvwxyz"))


@pytest.mark.parametrize(
    ("of", "to"), [((3, 5), (7, 4)), ((7, 4), (3, 5)), ((1, 1), (2, 3)), ((6, 6), (1, 1))]
)
def test_resampling_before_and_after_the_projection_is_the_same(
    of: tuple[int, int], to: tuple[int, int]
) -> None:
    features, weight = draw(4, 6, *of).double(), draw(2, 6, seed=1).double()
    teacher = draw(4, 2, *to, seed=2).double()
    pairs = Pairs(TensorSource(features), TensorSource(teacher))
    f, _ = pairs.batch(torch.arange(4))
    maps = weight @ f
    maps = (maps if pairs.up is None else maps @ pairs.up.T).view(4, 2, *to)
    before = functional.interpolate(features, to, mode="bilinear", align_corners=False)
    after = functional.interpolate(
        torch.einsum("mc,nchw->nmhw", weight, features), to, mode="bilinear", align_corners=False
    )
    torch.testing.assert_close(maps, after)
    torch.testing.assert_close(maps, torch.einsum("mc,nchw->nmhw", weight, before))
    assert f.shape[2] == min(of[0] * of[1], to[0] * to[1])  # the product is made on the smaller grid


def test_equal_grids_are_not_resampled() -> None:
    assert resampling((3, 5), (3, 5)) is None


def test_centring_by_picture_takes_the_same_pictures() -> None:
    store = Embeddings()
    numbers = torch.tensor([41, 7, 8])
    features = TensorSource(draw(60, 3, 2, 3), ids=store.sha256)
    expected = torch.einsum("nhwd,md->nmhw", store.local - store.unprompted[:, None, None], TEXT)[numbers]
    pairs = Pairs(features, LocalSimilarity(store, TEXT), center="image")
    torch.testing.assert_close(pairs.batch(numbers)[1], expected)
    teacher = TensorSource(torch.einsum("nhwd,md->nmhw", store.local, TEXT))
    given = Pairs(features, teacher, center="image", unprompted=store.unprompted @ TEXT.T)
    torch.testing.assert_close(given.batch(numbers)[1], expected)


def test_centring_without_whole_pictures_is_refused() -> None:
    features = TensorSource(draw(6, 2, 1, 1))
    with pytest.raises(InputError, match="does not know its whole pictures"):
        Pairs(features, features, center="image")
    with pytest.raises(InputError, match=r"unprompted is \(5, 2\)"):
        Pairs(features, features, center="image", unprompted=draw(5, 2))
    with pytest.raises(InputError, match="center is 'picture'"):
        Pairs(features, features, center="picture")


def test_what_is_no_source_is_said() -> None:
    with pytest.raises(InputError, match=r"torch.float32 \(3, 4\)"):
        TensorSource(draw(3, 4))
    with pytest.raises(InputError, match="came as list"):
        TensorSource([1, 2])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="0 channels"):
        Pairs(TensorSource(draw(3, 0, 1, 1)), TensorSource(draw(3, 2, 1, 1)))
