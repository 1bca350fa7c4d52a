"""The ImageNet-Segmentation protocol on pictures whose numbers are worked out by hand, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from seewhy.errors import InputError
from seewhy.evaluate.where.segmentation import ImageNetSegmentation, join

MASK = np.array([[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]], bool)


def drawn(n: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.normal(size=(n, 6, 7)), generator.random((n, 6, 7)) < 0.3


def test_the_mask_itself_is_perfect() -> None:
    found = ImageNetSegmentation()(MASK * 3.0, MASK)
    assert found.counts.tolist() == [[12, 0, 0, 4]]
    assert (found.pixel_accuracy, found.mean_iou, found.mean_ap, found.mean_f1) == (1, 1, 1, 1)


def test_a_row_too_much_by_hand() -> None:
    """2 x 4 pixels lit, 2 of the mask's 4 among them: the numbers are worked out on paper."""
    r = np.zeros((4, 4))
    r[:2] = 5
    found = ImageNetSegmentation()(r, MASK)
    assert found.counts.tolist() == [[6, 6, 2, 2]]
    assert found.pixel_accuracy == 8 / 16
    assert found.mean_iou == pytest.approx((6 / 14 + 2 / 10) / 2)
    assert found.f1.per_item[0] == pytest.approx(2 * 2 / (2 * 2 + 6 + 2))
    # 16 scores of 1, 8 of them right, then 16 of 0: precision 1/2 at recall 1/2, and 1/2 at recall 1.
    assert found.ap.per_item[0] == pytest.approx(0.5)


def test_a_graded_map_by_hand() -> None:
    """The threshold is the mean of the stretched map: 4 of 16 at 1, one more at 0.4 (mean 0.275) counts as lit."""
    r = MASK * 10.0
    r[0, 0] = 4.0
    found = ImageNetSegmentation()(r, MASK)
    assert found.counts.tolist() == [[11, 1, 0, 4]]
    assert found.mean_iou == pytest.approx((11 / 12 + 4 / 5) / 2)
    # Scores 1 (15 of 15 right), 0.6 (right: background there), 0.4 (wrong), 0 (wrong): AP 1.
    assert found.mean_ap == 1 and found.mean_f1 == pytest.approx(8 / 9)


def test_ap_and_f1_are_scikit_learns_in_the_layout_of_both_classes() -> None:
    maps, masks = drawn(5)
    found = ImageNetSegmentation()(maps, masks)
    for i in range(5):
        r = (maps[i] - maps[i].min()) / (maps[i].max() - maps[i].min())
        labels, scores = np.stack([~masks[i], masks[i]]), np.stack([1 - r, r])
        expected = average_precision_score(labels.ravel(), scores.ravel())
        assert found.ap.per_item[i] == pytest.approx(expected, abs=1e-7)
        assert found.f1.per_item[i] == pytest.approx(f1_score(masks[i].ravel(), (r > r.mean()).ravel()))


def test_the_data_set_is_counted_as_one_not_averaged() -> None:
    maps, masks = drawn(4)
    found = ImageNetSegmentation()(maps, masks)
    called = maps > maps.mean((1, 2), keepdims=True)
    assert found.pixel_accuracy == pytest.approx((called == masks).mean())
    ious = [(a & b).sum() / (a | b).sum() for a, b in ((called, masks), (~called, ~masks))]
    assert found.mean_iou == pytest.approx(np.mean(ious))
    assert found.mean_iou != pytest.approx(
        np.mean([ImageNetSegmentation()(r, g).mean_iou for r, g in zip(maps, masks, strict=True)])
    )


def test_batches_join_to_the_data_set() -> None:
    maps, masks = drawn(7)
    maps[5] = np.nan
    whole = ImageNetSegmentation()(maps, masks)
    joined = join([ImageNetSegmentation()(maps[i : i + 2], masks[i : i + 2]) for i in range(0, 7, 2)])
    assert np.array_equal(joined.counts, whole.counts) and len(joined) == 7 and joined.n_undefined == 1
    assert np.array_equal(joined.ap.per_item, whole.ap.per_item, equal_nan=True)
    assert np.array_equal(joined.f1.per_item, whole.f1.per_item, equal_nan=True)
    with pytest.raises(InputError, match="0 results were given"):
        join([])
    with pytest.raises(InputError, match="2 results were given, scored with different options"):
        join([whole, ImageNetSegmentation(strict_compat=True)(maps, masks)])


def test_maps_of_one_value_are_undefined_unless_the_authors_way_is_asked() -> None:
    maps = np.stack([np.full((4, 4), 3.0), np.full((4, 4), np.nan), MASK * 1.0])
    masks = np.stack([MASK] * 3)
    found = ImageNetSegmentation()(maps, masks)
    assert found.n_undefined == 2 and found.counts.tolist() == [[0] * 4, [0] * 4, [12, 0, 0, 4]]
    assert found.pixel_accuracy == 1
    strict = ImageNetSegmentation(strict_compat=True)(maps, masks)
    assert strict.counts.tolist() == [[12, 0, 4, 0], [12, 0, 4, 0], [12, 0, 0, 4]]
    assert strict.ap.per_item.tolist() == [0.5, 0.5, 1] and strict.f1.per_item.tolist() == [0, 0, 1]


def test_empty_masks_and_no_pictures_are_undefined() -> None:
    found = ImageNetSegmentation()(np.eye(4), np.zeros((4, 4), bool))
    assert found.n_undefined == 1 and np.isnan([found.pixel_accuracy, found.mean_iou, found.mean_ap]).all()
    nothing = ImageNetSegmentation()(np.zeros((0, 2, 2)), np.zeros((0, 4, 4), bool))
    assert len(nothing) == 0 and np.isnan(nothing.mean_f1)


def test_random_maps_have_ap_of_a_half_and_small_maps_are_resized() -> None:
    generator = np.random.default_rng(2)
    masks = np.zeros((100, 28, 28), bool)
    masks[:, 5:15, 8:20] = True
    found = ImageNetSegmentation()(generator.random((100, 28, 28)), masks)
    assert found.mean_ap == pytest.approx(0.5, abs=0.01)
    assert found.pixel_accuracy == pytest.approx(0.5, abs=0.01)
    assert ImageNetSegmentation()(generator.random((100, 7, 7)), masks).counts.sum(1).tolist() == [784] * 100


def test_a_picture_has_one_value_alone_and_in_any_batch() -> None:
    maps, masks = drawn(6)
    together = ImageNetSegmentation()(maps, masks)
    for i in range(6):
        alone = ImageNetSegmentation()(maps[i] * 1e-200, masks[i])
        assert np.array_equal(alone.counts[0], together.counts[i])
        assert alone.ap.per_item[0] == pytest.approx(together.ap.per_item[i], abs=1e-12)
