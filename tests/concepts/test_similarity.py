"""The cubic cosine similarity is what the papers print, on each axis, and none of the forms found in public code."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from seewhy.concepts.similarity import center_by_image, cubic_similarity, similarity_and_gradient
from seewhy.errors import InputError

AXES = ("images", "images+locations", "locations")


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def one_slice(a: np.ndarray, b: np.ndarray) -> float:
    """(1) and (2) with loops."""
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    dot = norm_a = norm_b = 0.0
    for x, y in zip(a, b, strict=True):
        u, v = (x - mean_a) ** 3, (y - mean_b) ** 3
        dot, norm_a, norm_b = dot + u * v, norm_a + u * u, norm_b + v * v
    return float(dot / (norm_a**0.5 * norm_b**0.5))


def by_loops(maps: Tensor, targets: Tensor, axes: str) -> list[float]:
    a, b = maps.double().numpy(), targets.double().numpy()
    n, m, h, w = a.shape
    found = []
    for k in range(m):
        if axes == "images":
            values = [one_slice(a[:, k, y, x], b[:, k, y, x]) for y in range(h) for x in range(w)]
        elif axes == "locations":
            values = [one_slice(a[i, k].ravel(), b[i, k].ravel()) for i in range(n)]
        else:
            values = [one_slice(a[:, k].ravel(), b[:, k].ravel())]
        found.append(float(np.mean(values)))
    return found


def slice_of(a: Tensor) -> Tensor:
    return a.reshape(-1, 1, 1, 1)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("shape", [(6, 3, 4, 5), (9, 1, 1, 3), (2, 2, 7, 2)])
def test_the_similarity_is_that_of_loops(axes: str, shape: tuple[int, ...]) -> None:
    a, b = draw(*shape), draw(*shape, seed=1)
    found = cubic_similarity(a, b, axes=axes)
    np.testing.assert_allclose(found.value, by_loops(a, b, axes), atol=1e-12)
    assert found.skipped == 0


def test_pooled_concepts_are_the_same_on_both_axes_that_have_pictures() -> None:
    a, b = draw(20, 3, 1, 1), draw(20, 3, 1, 1, seed=1)
    over_images = cubic_similarity(a, b, axes="images").value
    torch.testing.assert_close(over_images, cubic_similarity(a, b, axes="images+locations").value)


@pytest.mark.parametrize("axes", AXES)
def test_positive_stretches_and_shifts_change_nothing(axes: str) -> None:
    a, b = draw(8, 2, 3, 4), draw(8, 2, 3, 4, seed=1)
    other = cubic_similarity(5 * a - 2, 0.03 * b + 0.2, axes=axes).value
    torch.testing.assert_close(other, cubic_similarity(a, b, axes=axes).value)


@pytest.mark.parametrize("axes", AXES)
def test_a_stretched_teacher_is_matched_perfectly_and_its_negative_is_opposite(axes: str) -> None:
    b = 0.2 + 0.01 * draw(8, 2, 3, 4)
    torch.testing.assert_close(cubic_similarity(70 * b, b, axes=axes).value, torch.ones(2).double())
    torch.testing.assert_close(cubic_similarity(-3 * b, b, axes=axes).value, -torch.ones(2).double())


def cube_after(a: Tensor, b: Tensor) -> Tensor:
    return torch.cosine_similarity(a - a.mean(), b - b.mean(), dim=0) ** 3


def not_centred(a: Tensor, b: Tensor) -> Tensor:
    return torch.cosine_similarity(a**3, b**3, dim=0)


def fixed_clamp(a: Tensor, b: Tensor) -> Tensor:
    u, v = (a - a.mean()) ** 3, (b - b.mean()) ** 3
    return (u @ v) / (u.norm().clamp(min=1e-3) * v.norm().clamp(min=1e-3))


@pytest.mark.parametrize("wrong", [cube_after, not_centred, fixed_clamp])
def test_no_wrong_form_of_public_code_passes_for_the_similarity(
    wrong: Callable[[Tensor, Tensor], Tensor],
) -> None:
    # Spread .01 about .25, as similarities of images and texts; 5,000 pictures have a cubed norm of 3e-4 or so.
    b = 0.25 + 0.01 * draw(5000).float()
    a = 3 + 0.01 * draw(5000, seed=1).float() + 0.5 * b
    right = one_slice(a.double().numpy(), b.double().numpy())
    assert abs(float(cubic_similarity(slice_of(a), slice_of(b)).value) - right) < 1e-5
    assert abs(float(wrong(a, b)) - right) > 0.01


def test_changes_of_a_place_s_teacher_are_seen_where_places_are_compared_only() -> None:
    a, b = draw(12, 2, 3, 4), draw(12, 2, 3, 4, seed=1)
    stretched = b * (0.5 + draw(1, 2, 3, 4, seed=2).abs()) + draw(1, 2, 3, 4, seed=3)
    for axes, seen in (("images", False), ("images+locations", True), ("locations", True)):
        before, after = (cubic_similarity(a, t, axes=axes).value for t in (b, stretched))
        assert bool(((before - after).abs() > 1e-3).all()) is seen, axes


def test_changes_of_a_picture_s_teacher_are_not_seen_within_pictures() -> None:
    a, b = draw(12, 2, 3, 4), draw(12, 2, 3, 4, seed=1)
    stretched = b * (0.5 + draw(12, 2, 1, 1, seed=2).abs()) + draw(12, 2, 1, 1, seed=3)
    for axes, seen in (("images", True), ("images+locations", True), ("locations", False)):
        before, after = (cubic_similarity(a, t, axes=axes).value for t in (b, stretched))
        assert bool(((before - after).abs() > 1e-3).all()) is seen, axes


def test_centring_by_picture_subtracts_before_anything_else() -> None:
    a, b, whole = draw(6, 2, 3, 4), draw(6, 2, 3, 4, seed=1), draw(6, 2, seed=2)
    by_hand = torch.stack([b[i] - whole[i].view(2, 1, 1) for i in range(6)])
    torch.testing.assert_close(center_by_image(b, whole), by_hand)
    found = cubic_similarity(a, b, unprompted=whole).value
    np.testing.assert_allclose(found, by_loops(a, by_hand, "images"), atol=1e-12)
    within = [cubic_similarity(a, b, axes="locations", unprompted=u).value for u in (whole, None)]
    torch.testing.assert_close(*within)


@pytest.mark.parametrize("axes", AXES)
def test_the_written_gradient_is_the_automatic_one(axes: str) -> None:
    a, b = draw(7, 3, 2, 5).requires_grad_(), draw(7, 3, 2, 5, seed=1)
    b[:, 1] = 0.3  # skipped
    b[2, 0] = 0.1
    expected = cubic_similarity(a, b, axes=axes)
    expected.value.sum().backward()
    found, gradient = similarity_and_gradient(a, b, axes=axes)
    assert a.grad is not None
    torch.testing.assert_close(gradient, a.grad, rtol=0, atol=1e-14)
    torch.testing.assert_close(found.value, expected.value.detach())
    assert found.skipped == expected.skipped and torch.equal(found.compared, expected.compared)


def test_the_gradient_is_that_of_differences() -> None:
    b = draw(5, 1, 2, 2, seed=1)
    for axes in AXES:
        a = draw(5, 1, 2, 2).requires_grad_()
        assert torch.autograd.gradcheck(lambda x, axes=axes: cubic_similarity(x, b, axes=axes).value, (a,))


def test_constant_slices_of_the_teacher_are_skipped_and_counted() -> None:
    a, b = draw(6, 2, 2, 2), draw(6, 2, 2, 2, seed=1)
    b[:, 0, 1, 1] = 0.25
    b[:, 1] = 0.25 + 1e-8 * b[:, 1]  # variance 1e-16
    found = cubic_similarity(a, b)
    assert found.compared.tolist() == [3, 0] and found.skipped == 5
    cells = [one_slice(a[:, 0, y, x].numpy(), b[:, 0, y, x].numpy()) for y, x in ((0, 0), (0, 1), (1, 0))]
    np.testing.assert_allclose(found.value, [np.mean(cells), 0], atol=1e-12)


def test_a_constant_map_has_no_similarity_and_no_gradient() -> None:
    a, b = torch.full((6, 1, 2, 2), 0.3).requires_grad_(), draw(6, 1, 2, 2).float()
    found = cubic_similarity(a, b)
    found.value.sum().backward()
    _, gradient = similarity_and_gradient(a, b)
    assert found.value.item() == 0 and found.skipped == 0
    assert a.grad is not None and not a.grad.any() and not gradient.any()


@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1e8, 1e30])
def test_the_scale_of_maps_does_not_matter_in_single_precision(scale: float) -> None:
    a, b = draw(50, 2, 2, 2).float(), draw(50, 2, 2, 2, seed=1).float()
    expected = cubic_similarity(a, b).value
    torch.testing.assert_close(cubic_similarity(a * scale, b).value, expected)
    torch.testing.assert_close(similarity_and_gradient(a * scale, b)[0].value, expected)


def test_half_precision_is_widened_before_anything_is_subtracted() -> None:
    a, b = draw(50, 2, 2, 2).half(), (0.2 + 0.05 * draw(50, 2, 2, 2, seed=1)).half()
    found = cubic_similarity(a, b).value
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, by_loops(a, b, "images"), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((1, 2, 3, 3), "images"), ((1, 2, 1, 1), "images+locations"), ((9, 2, 1, 1), "locations")],
)
def test_one_sample_is_nothing_to_compare(shape: tuple[int, ...], axes: str) -> None:
    with pytest.raises(InputError, match="nothing to compare"):
        cubic_similarity(draw(*shape), draw(*shape), axes=axes)


def test_what_cannot_be_compared_is_said() -> None:
    a = draw(4, 2, 3, 3)
    with pytest.raises(InputError, match=r"targets \(4, 2, 3, 4\).*\n.*equal"):
        cubic_similarity(a, draw(4, 2, 3, 4))
    with pytest.raises(InputError, match=r"axes is 'image'\.\n  Did you mean 'images'"):
        cubic_similarity(a, a, axes="image")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="int64"):
        cubic_similarity(a, a.long())
    with pytest.raises(InputError, match=r"\(4, 3\).*\n.*one value per picture and concept"):
        cubic_similarity(a, a, unprompted=draw(4, 3))
