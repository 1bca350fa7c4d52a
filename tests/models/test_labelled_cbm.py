"""Concepts from marks on pictures: planted ones are found where they are, and marks stay with their pictures."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from seewhy.backbones.base import Backbone
from seewhy.concepts.sources import TensorSource
from seewhy.errors import InputError
from seewhy.heads.sparse import SparseLinear
from seewhy.images.preprocess import Preprocess
from seewhy.images.read import read_images
from seewhy.models.labelled_cbm import LabelledCBM, correlation, coverage, ridge_weights
from tests.models import detectors
from tests.models.bottlenecks import correlations, truth

PICTURES = detectors.pictures(40, seed=3)
FRESH = detectors.pictures(15, seed=4)
SHOWN = [("warm", "cold")[i % 3 == 2] for i in range(len(PICTURES))]
HEAD = SparseLinear(lam=1e-3)


def masks(number: int) -> np.ndarray:
    """How strong each colour is at each pixel: what the channels see, times a known factor."""
    amounts = detectors.amounts(PICTURES[number])
    return amounts.repeat(detectors.CELL, 1).repeat(detectors.CELL, 2)


def model(**options: Any) -> LabelledCBM:
    return LabelledCBM(detectors.backbone(), head=HEAD, **options)


def test_planted_concepts_are_recovered_where_they_are() -> None:
    made = model().fit(PICTURES, SHOWN, detectors.COLOURS, masks)
    assert min(correlations(made.maps(FRESH), truth(FRESH))) > 0.99
    assert made.space.quality.min() > 0.99 and made.fitted.record["places"] is True
    directions = made.space.weight / made.space.weight.norm(dim=1, keepdim=True)
    torch.testing.assert_close(directions, torch.eye(3), atol=0.05, rtol=0)
    said = [rows[0].name for rows in made.predict(FRESH)]
    assert np.mean([one == ("warm", "cold")[i % 3 == 2] for i, one in enumerate(said)]) > 0.8


def test_labels_without_places_are_learned_from_means() -> None:
    has = np.stack([detectors.amounts(p).mean((1, 2)) > 0.02 for p in PICTURES])
    made = model().fit(PICTURES, SHOWN, detectors.COLOURS, has)
    assert made.fitted.record["places"] is False and made.maps(FRESH).shape == (15, 3, 4, 6)
    assert np.abs(made.space.weight.numpy()).argmax(1).tolist() == [0, 1, 2]


def test_the_ridge_is_the_least_squares_solution_with_an_intercept() -> None:
    generator = torch.Generator().manual_seed(0)
    f = torch.randn(9, 4, 2, 3, generator=generator) + 3
    t = torch.rand(9, 2, 2, 3, generator=generator)
    train = torch.tensor([0, 2, 3, 5, 8])
    x = f[train].double().permute(0, 2, 3, 1).reshape(-1, 4)
    y = t[train].double().permute(0, 2, 3, 1).reshape(-1, 2)
    ones = torch.cat([x, torch.ones(len(x), 1, dtype=torch.float64)], 1)
    want = torch.linalg.lstsq(ones, y).solution[:4].T.float()
    torch.testing.assert_close(ridge_weights(TensorSource(f), t, train, 0.0), want, rtol=1e-4, atol=1e-5)
    e = 0.3 * float((x - x.mean(0)).square().sum(0).mean())
    xc, yc = x - x.mean(0), y - y.mean(0)
    want = torch.linalg.solve(xc.T @ xc + e * torch.eye(4, dtype=torch.float64), xc.T @ yc).T.float()
    torch.testing.assert_close(ridge_weights(TensorSource(f), t, train, 0.3), want, rtol=1e-4, atol=1e-6)


def test_quality_is_pearson_s_correlation_and_zero_where_nothing_varies() -> None:
    generator = torch.Generator().manual_seed(1)
    f, t = torch.randn(6, 3, 2, 2, generator=generator), torch.rand(6, 2, 2, 2, generator=generator)
    t[:, 1] = 0.5
    weight, held = torch.randn(2, 3, generator=generator), torch.tensor([1, 4, 5])
    q = torch.einsum("nchw,c->nhw", f[held], weight[0]).flatten().numpy()
    found = correlation(TensorSource(f), t, held, weight)
    assert float(found[0]) == pytest.approx(np.corrcoef(q, t[held, 0].flatten().numpy())[0, 1], abs=1e-5)
    assert float(found[1]) == 0


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(16, 24), (31, 24), (20, 61)])
def test_coverage_is_the_mask_s_share_of_each_cell_that_the_network_sees(fit: Any, size: Any) -> None:
    recipe = Preprocess(detectors.SIZE, fit=fit, mean=0.0, std=1.0, interpolation="bilinear")
    mask = np.zeros(size, bool)
    mask[2 : size[0] // 2, size[1] // 3 :] = True
    drawn = np.repeat(mask[:, :, None] * np.uint8(255), 3, 2)
    x, geometry = recipe(read_images(drawn)[0])
    features = SimpleNamespace(failed=(), n_images=1, grid=detectors.GRID, geometries=(geometry,))
    told: list[Any] = []
    found = coverage(SimpleNamespace(features=features), lambda i: mask[None], 1, lambda *a: told.append(a))
    by_pixels = x[0].reshape(4, 4, 6, 4).mean((1, 3))
    # Resizing smooths over about a pixel at an edge of the mask.
    assert float((found[0, 0] - by_pixels).abs().max()) < 0.3
    assert float((found[0, 0] - by_pixels).abs().mean()) < 0.05 and told == [("marks", 1, 1)]
    if (fit, size) == ("stretch", (16, 24)):
        torch.testing.assert_close(found[0, 0], by_pixels, atol=1e-6, rtol=0)


@pytest.mark.parametrize("places", [True, False])
def test_pictures_that_cannot_be_read_shift_no_row(places: bool, tmp_path: Path) -> None:
    for i, picture in enumerate(PICTURES[:30]):
        Image.fromarray(picture).save(tmp_path / f"{i:02}.png")
    for bad in ("00", "11"):
        (tmp_path / f"{bad}.png").write_bytes(b"no picture")
    files = sorted(tmp_path.glob("*.png"))
    asked: list[int] = []

    def marks(number: int) -> np.ndarray:
        asked.append(number)
        return masks(number)

    has = np.stack([detectors.amounts(p).mean((1, 2)) > 0.02 for p in PICTURES[:30]])
    good = [i for i in range(30) if i not in (0, 11)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = model().fit(files, SHOWN[:30], detectors.COLOURS, marks if places else has)
    assert any("2 of 30" in str(w.message) for w in caught) and (not places or asked == good)
    again = model().fit(
        [files[i] for i in good],
        [SHOWN[i] for i in good],
        detectors.COLOURS,
        (lambda i: masks(good[i])) if places else has[good],
    )
    torch.testing.assert_close(found.space.weight, again.space.weight, rtol=1e-5, atol=1e-6)
    assert found.fitted.record["pictures"] == 28


def test_independent_heads_see_the_true_concepts() -> None:
    z = torch.randn(50, 2, generator=torch.Generator().manual_seed(0)) * 3 + 1
    t = torch.rand(50, 2, 4, 6, generator=torch.Generator().manual_seed(1))
    told = LabelledCBM._told(z, t)
    torch.testing.assert_close(told.mean(0), z.mean(0), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(told.std(0), z.std(0), rtol=1e-4, atol=1e-4)
    assert np.corrcoef(told[:, 0], t[:, 0].mean((1, 2)))[0, 1] > 0.9999
    one, other = (
        model(independent=yes).fit(PICTURES, SHOWN, detectors.COLOURS, masks) for yes in (True, False)
    )
    assert torch.equal(one.space.weight, other.space.weight)
    assert not torch.equal(one.head.weight, other.head.weight)
    torch.testing.assert_close(one.head.weight, other.head.weight, rtol=0.1, atol=0.1)


def test_a_concept_that_covers_as_much_of_every_picture_is_no_nan() -> None:
    def half(number: int) -> np.ndarray:
        found = np.zeros((1, 16, 24))
        found[0, :, 12 * (number % 2) : 12 * (number % 2) + 12] = 1
        return np.concatenate([found, masks(number)])

    made = model(independent=True).fit(PICTURES, SHOWN, ["half", *detectors.COLOURS], half)
    assert torch.isfinite(made.head.weight).all() and torch.equal(made.head.weight[:, 0], torch.zeros(2))


def test_marks_that_do_not_fit_are_refused() -> None:
    names = detectors.COLOURS
    cases: list[tuple[Any, str]] = [
        (np.ones((39, 3), bool), r"\(39, 3\)(.|\n)*each of 40 pictures"),
        (lambda i: masks(i)[:2], r"picture 0 are \(2, 16, 24\)(.|\n)*\(3, 16, 24\)"),
        (lambda i: masks(i)[:, :8], r"as large as the picture"),
        (lambda i: masks(i) * 255, r"shares from 0 to 1"),
        (lambda i: masks(i) * np.nan, r"shares from 0 to 1"),
        (lambda i: masks(i) * [[[1]], [[0]], [[1]]], r"1 concepts are the same in all pictures: green"),
        (np.ones((40, 3), bool), r"3 concepts are the same"),
    ]
    for marks, words in cases:
        with pytest.raises(InputError, match=words):
            model().fit(PICTURES, SHOWN, names, marks)


def test_the_labelled_bottleneck_explains_with_labels_as_its_source() -> None:
    backbone: Backbone = detectors.backbone()
    made = LabelledCBM(backbone, head=HEAD).fit(PICTURES, "network", detectors.COLOURS, masks)
    answer = made.explain(FRESH[0])
    assert {concept.source for concept in answer.concepts} == {"label"}
    assert made.classes == detectors.CLASSES and abs(answer.totals.gap) < 1e-4
