"""The networks under test are what they say, and their evidence is what decides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from seewhy.bench import subjects
from seewhy.bench.how_much import account
from seewhy.bench.small_net import TinyNet
from seewhy.bench.subjects import BEASTS, FEWEST, SCALE, SUBJECTS
from seewhy.errors import InputError
from seewhy.world.glass.base import to_input
from seewhy.world.tasks.tasks import TASKS
from seewhy.world.truth.models import model_function


def _untrained(marked: bool, seed: int) -> TinyNet:
    return TinyNet(TASKS["T6"].classes, torch.Generator().manual_seed(seed)).eval()


def test_the_box_that_asks_for_parts_has_both_and_shares_them_evenly() -> None:
    subject = SUBJECTS["parts"].make("how-much", FEWEST, 0)
    logits = model_function(subject.model)(subject.pixels)
    assert logits[np.arange(FEWEST), subject.targets] == pytest.approx(np.full(FEWEST, SCALE), rel=0.05)
    few = replace(
        subject, scenes=subject.scenes[:3], targets=subject.targets[:3], evidence=subject.evidence[:3]
    )
    for truth, target in zip(account(few).truths, few.targets, strict=True):
        wanted = {words.split()[1] for words in BEASTS[list(BEASTS)[target]]}
        for factor, value in zip(truth.factors, truth.values, strict=True):
            # A part is drawn on a body only, so that the body shares in the conjunction of two.
            counts = factor.kind == "body" or factor.slot in wanted
            assert value == pytest.approx(SCALE / 3 if counts else 0.0, abs=0.2)
    assert subject.evidence.any((1, 2)).all()


@pytest.mark.parametrize("name", ["shape", "cheat"])
def test_trained_networks_are_asked_about_what_they_answer_rightly(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subjects, "trained", _untrained)
    subject = SUBJECTS[name].make("where", FEWEST, 0)
    network = subject.model.backbone.module
    with torch.no_grad():
        x = (to_input(subject.pixels) - 0.5) / 0.5
        assert (network(x).argmax(1).numpy() == subject.targets).all()
    task = TASKS["T6"]
    assert [task.label(scene) for scene in subject.scenes] == subject.targets.tolist()
    assert any(scene.decoy for scene in subject.scenes) == (name == "cheat")
    assert not set(subject.scenes) & set(subject.fit_scenes)
    for scene, evidence in zip(subject.scenes, subject.evidence, strict=True):
        large = next(thing for thing in scene.objects if thing.size == "large")
        centre = int(large.y * subject.size), int(large.x * subject.size)
        assert evidence[
            max(0, centre[0] - 11) : centre[0] + 12, max(0, centre[1] - 11) : centre[1] + 12
        ].any()
    with pytest.raises(InputError, match="scenes rightly"):
        SUBJECTS[name].make("where", 500, 0) if name == "shape" else subjects._of_shapes(
            name, "", _untrained(True, 0), list(subject.scenes[:5]), FEWEST, 0
        )


def test_training_is_of_this_seed_and_marks_only_where_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def train(pictures: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], **options: int) -> TinyNet:
        seen.append((pictures, labels, options))
        return _untrained(True, options["seed"])

    monkeypatch.setattr(subjects, "N_TRAIN", 60)
    monkeypatch.setattr(subjects.small_net, "train", train)
    for marked in (False, True):
        subjects.trained.__wrapped__(marked, 3)
    (plain, labels, options), (marked_ones, _, _) = seen
    corner = slice(0, 6)
    differ = (plain != marked_ones).any((1, 2, 3))
    assert options["seed"] == 3 and differ.any() and not (differ & (labels != 0)).any()
    assert (plain[:, corner, corner] != marked_ones[:, corner, corner]).any((1, 2, 3)).sum() == differ.sum()
    assert differ[labels == 0].mean() > 0.7
