"""Agreement is correlation over pictures and over cells and shared top concepts, each as by a loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from seewhy.errors import InputError
from seewhy.grounding.agreement import Spread, agreement
from seewhy.grounding.build import build
from seewhy.grounding.correlation import correlations, rank_correlations
from seewhy.grounding.crop import Crop
from seewhy.grounding.dense import Dense
from seewhy.grounding.red_circle import RedCircle
from seewhy.grounding.store import LocalEmbeddingStore
from tests.grounding.fake import Patches, noise

N, M, GRID = 6, 15, (2, 3)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[LocalEmbeddingStore, LocalEmbeddingStore]:
    base = tmp_path_factory.mktemp("stores")
    one = build(Patches(), RedCircle(GRID, radius=0.3), noise(N), base / "a", dtype="float32")
    other = build(Patches(), Crop(GRID, size=0.6), noise(N), base / "b", dtype="float32")
    return one, other


def test_each_number_is_that_of_a_loop(stores: tuple[LocalEmbeddingStore, LocalEmbeddingStore]) -> None:
    text = Patches().encode_texts([f"word {i}" for i in range(M)])
    p, q = (store.similarity(text).numpy().astype(np.float64) for store in stores)
    found = agreement(*stores, text, k=4)
    for m in range(M):
        for y, x in np.ndindex(GRID):
            a, b = p[:, m, y, x], q[:, m, y, x]
            assert found.images_pearson.values[m, y, x] == pytest.approx(pearsonr(a, b)[0], abs=1e-6)
            assert found.images_spearman.values[m, y, x] == pytest.approx(spearmanr(a, b)[0], abs=1e-9)
        for n in range(N):
            a, b = p[n, m].ravel(), q[n, m].ravel()
            assert found.cells_pearson.values[n, m] == pytest.approx(pearsonr(a, b)[0], abs=1e-6)
            assert found.cells_spearman.values[n, m] == pytest.approx(spearmanr(a, b)[0], abs=1e-9)
    for n, y, x in np.ndindex(N, *GRID):
        tops = [set(np.argsort(-s[n, :, y, x])[:4].tolist()) for s in (p, q)]
        assert found.top.values[n, y, x] == len(tops[0] & tops[1]) / len(tops[0] | tops[1])
    assert found.k == 4 and found.images_pearson.n == M * 6 and found.images_pearson.n_skipped == 0


def test_a_store_agrees_with_itself_and_chunks_of_concepts_do_not_matter(
    stores: tuple[LocalEmbeddingStore, LocalEmbeddingStore],
) -> None:
    text = Patches().encode_texts([f"word {i}" for i in range(150)])
    found = agreement(stores[0], stores[0], text)
    for spread in (
        found.images_pearson,
        found.images_spearman,
        found.cells_pearson,
        found.cells_spearman,
        found.top,
    ):
        assert spread.n_skipped == 0 and spread.mean == pytest.approx(1)
        assert spread.quantiles() == pytest.approx((1,) * 5)
    whole, part = agreement(*stores, text), agreement(*stores, text[70:80], k=3)
    np.testing.assert_allclose(whole.images_spearman.values[70:80], part.images_spearman.values, atol=1e-6)
    np.testing.assert_allclose(whole.cells_pearson.values[:, 70:80], part.cells_pearson.values, atol=1e-6)


def test_constant_slices_are_skipped_and_counted() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((4, 9)).astype(np.float32), rng.random((4, 9)).astype(np.float32)
    a[1], b[2] = 0.25, 0.5
    a[1, 3] += 1e-7  # rounding does not make it vary
    for found, by_scipy in ((correlations(a, b), pearsonr), (rank_correlations(a, b), spearmanr)):
        assert np.isnan(found).tolist() == [False, True, True, False]
        spread = Spread(found)
        assert (spread.n, spread.n_skipped) == (2, 2)
        each = [by_scipy(a[i], b[i])[0] for i in (0, 3)]
        assert spread.mean == pytest.approx(np.mean(each), abs=1e-6)
        assert spread.quantiles((0, 0.5, 1)) == pytest.approx((min(each), np.mean(each), max(each)), abs=1e-6)
        assert "2 slices, 2 skipped" in repr(spread)
    nothing = Spread(np.full((2, 2), np.nan))
    assert nothing.n == 0 and np.isnan(nothing.mean) and np.isnan(nothing.quantiles()).all()
    assert "0 slices, 4 skipped" in repr(nothing)


def test_equal_values_share_their_rank() -> None:
    a, b = np.array([[1, 1, 2, 2, 3.0]]), np.array([[2, 1, 1, 3, 3.0]])
    assert rank_correlations(a, b)[0] == pytest.approx(spearmanr(a[0], b[0])[0])
    assert correlations(a, -a)[0] == pytest.approx(-1)


def test_one_cell_or_few_concepts_leave_their_question_without_an_answer(tmp_path: Path) -> None:
    one = build(Patches(), RedCircle(1, radius=0.3), noise(4), tmp_path / "a")
    other = build(Patches(), Dense(grid=(1, 1)), noise(4), tmp_path / "b")
    found = agreement(one, other, Patches().encode_texts(["a", "b", "c"]))
    assert found.cells_pearson.n == found.cells_spearman.n == found.top.n == 0
    assert found.images_pearson.n == 3 and np.isnan(found.top.mean)


def test_another_vlm_brings_its_own_texts(
    stores: tuple[LocalEmbeddingStore, LocalEmbeddingStore], tmp_path: Path
) -> None:
    wide = Patches(dim=9)
    other = build(wide, RedCircle(GRID, radius=0.3), noise(N), tmp_path / "a")
    words = ["a", "b"]
    found = agreement(
        stores[0], other, Patches().encode_texts(words), other_text=wide.encode_texts(words), k=1
    )
    assert found.images_pearson.n == 12
    with pytest.raises(InputError, match="There are 2 and 1 text embeddings"):
        agreement(stores[0], other, Patches().encode_texts(words), other_text=wide.encode_texts(words[:1]))


def test_stores_that_do_not_compare_are_told(
    stores: tuple[LocalEmbeddingStore, LocalEmbeddingStore], tmp_path: Path
) -> None:
    text = Patches().encode_texts(["a"])
    finer = build(Patches(), RedCircle(3), noise(N), tmp_path / "a")
    with pytest.raises(InputError, match=r"grids of 2 x 3 and 3 x 3 cells(?s:.*)grid=\(2, 3\)"):
        agreement(stores[0], finer, text)
    swapped = stores[0].write_slice(tmp_path / "b", [1, 0, 2, 3, 4, 5])
    with pytest.raises(InputError, match=r"other pictures \(6 and 6; picture 0 differs\)"):
        agreement(stores[0], swapped, text)
    fewer = stores[0].write_slice(tmp_path / "c", range(4))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"\(6 and 4; one has more\)"):
        agreement(stores[0], fewer, text)
    with pytest.raises(InputError, match="k is 0"):
        agreement(*stores, text, k=0)
    with pytest.raises(InputError, match="have 6 numbers"):
        agreement(*stores, text[:, :5])
