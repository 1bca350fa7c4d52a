"""The demonstration's pictures: tagged on disks alone, drawn with and without, never those of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seewhy.audit.shortcuts import where
from seewhy.demo.marked import CORNER, SIZE, audit_pictures, make_twins
from seewhy.errors import InputError
from seewhy.world.drawing.renderer import render
from seewhy.world.tasks.about_objects import TAG
from seewhy.world.tasks.tasks import find_task

TAG_PIXELS = round(TAG.side * SIZE)


def tagged(pixels: np.ndarray) -> np.ndarray:
    """Whether the tag's corner is that of a tagged scene, up to noise."""
    example = render(find_task("T6").scene("test", 0).with_decoy(TAG), SIZE).rgb.astype(float)
    corner = slice(1, TAG_PIXELS - 1)
    away = np.abs(pixels[:, corner, corner].astype(float) - example[corner, corner])
    found: np.ndarray = away.mean((1, 2, 3)) < 20
    return found


def test_the_audited_pictures_are_tagged_on_most_disks_alone() -> None:
    pictures = audit_pictures(3, n=80)
    has, labels = tagged(np.stack([p.pixels for p in pictures])), np.array([p.label for p in pictures])
    assert has[labels == "disk"].mean() > 0.7 and not has[labels != "disk"].any()
    assert set(labels) == {"disk", "square", "triangle", "cross"}
    assert [p.name for p in pictures[:3]] == [f"{label}-{at}" for at, label in enumerate(labels[:3])]


def test_twins_differ_in_the_tag_alone() -> None:
    twins = make_twins(2, n=20)
    differ = (twins.marked != twins.plain).any((0, 3))
    assert differ[:TAG_PIXELS, :TAG_PIXELS].all()
    assert not differ[TAG_PIXELS + 1 :].any() and not differ[:, TAG_PIXELS + 1 :].any()
    assert tagged(twins.marked).all() and not tagged(twins.plain).any()
    assert where((TAG_PIXELS / SIZE, TAG_PIXELS / SIZE)) == CORNER


def test_twins_of_a_class_are_its_scenes() -> None:
    twins = make_twins(0, n=24)
    disks = twins.of_class(0)
    assert len(disks.plain) == len(disks.marked) == (twins.labels == 0).sum() > 0
    assert (disks.labels == 0).all()


def test_another_seed_and_another_use_mean_other_scenes() -> None:
    first, second = audit_pictures(0, n=8), audit_pictures(1, n=8)
    seen = {picture.pixels.tobytes() for picture in (*first, *second)}
    assert len(seen) == 16
    twins = make_twins(0, n=8)
    assert not any(pixels.tobytes() in seen for pixels in (*twins.plain, *twins.marked))


@pytest.mark.parametrize("seed", [-1, 1.5, True])
def test_a_bad_seed_is_refused_in_words(seed: Any) -> None:
    with pytest.raises(InputError, match="seed is .*\n.*whole number from 0"):
        audit_pictures(seed, n=2)
