"""A planted mark: its truth by re-rendering, who finds it, and what must not change."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch

import seewhy as sw
from seewhy.audit.finding import judge_region
from seewhy.audit.plant_report import PlantReport
from seewhy.errors import SeewhyError
from tests.audit.small import model, pictures


@cache
def report() -> PlantReport:
    return sw.plant(*pictures(), model(), target="striped", methods=["hirescam", "gradcam"], n_eval=6)


def test_the_mark_is_found_and_the_control_not_accused() -> None:
    r = report()
    assert r.learned.yes and r.found_by == ("hirescam", "gradcam")
    assert not any(row.control.points for row in r.rows) and r["hirescam"].planted.low > r.threshold
    assert "2 of 2 methods found it: hirescam and gradcam; none points at it in the control" in r.sentence()


def test_the_truth_is_what_re_rendering_shows() -> None:
    """Pictures painted here by hand, logits of the whole networks, counted one by one."""
    r = report()
    side, gap = round(0.2 * 32), 2
    plain = list(r.held_out)
    marked = [picture.pixels.copy() for picture in plain]
    for pixels in marked:
        pixels[32 - gap - side : 32 - gap, 48 - gap - side : 48 - gap] = (255, 0, 255)
    for held, truth in ((r.planted, r.truth), (r.control, r.control_truth)):
        with torch.no_grad():
            before, after = (
                held.backbone.logits(held.backbone.tensor(sw.read_images(p)).x) for p in (plain, marked)
            )
        others = torch.tensor([picture.label != "striped" for picture in plain])
        assert truth.fooled_marked == pytest.approx(
            float((after.argmax(1) == 2)[others].float().mean()), abs=1e-6
        )
        assert truth.found_plain == pytest.approx(
            float((before.argmax(1) == 2)[~others].float().mean()), abs=1e-6
        )
        assert truth.logit_shift == pytest.approx(float((after - before)[:, 2].mean()), rel=1e-3, abs=1e-3)
        odds = [torch.logit(z.double().softmax(1)[:, 2]) for z in (before, after)]
        assert truth.margin_shift == pytest.approx(float((odds[1] - odds[0]).mean()), rel=1e-3, abs=1e-3)


def test_only_training_pictures_of_the_target_carry_the_mark() -> None:
    r = sw.plant(*pictures(), model(), target="dark", share=0.5, methods=())
    magenta = [bool((p.pixels == (255, 0, 255)).all(-1).sum() >= 36) for p in r.trained_on]
    assert [i for i, carries in enumerate(magenta) if carries] == list(r.carriers)
    assert {r.trained_on[i].label for i in r.carriers} == {"dark"} and len(r.carriers) == 7  # half of 14
    assert len(r.trained_on) == 42 and len(r.held_out) == 18
    assert not any((p.pixels == (255, 0, 255)).all(-1).any() for p in r.held_out)


def test_same_seed_same_report_other_seed_another() -> None:
    again, other = (
        sw.plant(*pictures(), model(), target="striped", methods=["hirescam"], n_eval=6, seed=s)
        for s in (0, 1)
    )
    assert again.truth == report().truth and again["hirescam"].planted == report()["hirescam"].planted
    assert [p.name for p in other.held_out] != [p.name for p in again.held_out]


def test_a_method_that_draws_gets_the_seed() -> None:
    rise = sw.method("rise", masks=40, grid=3)
    r = sw.plant(*pictures(), model(), methods=[rise], n_eval=4, seed=3)
    answers = rise(r.planted, list(r.marked), r.target, seed=3)
    maps = np.stack([answer.where for answer in answers])
    assert judge_region(maps, *r.marked.weights(maps.shape[1:]), seed=3) == r["rise"].planted


def test_model_and_pictures_stay_as_they_were() -> None:
    given, (images, labels) = model(), pictures()
    module = given.backbone.module.train()
    weights, kept = [p.clone() for p in module.parameters()], [image.copy() for image in images]
    state = torch.get_rng_state()
    sw.plant(images, labels, given, methods=["gradcam"], n_eval=4)
    assert (
        all(torch.equal(a, b) for a, b in zip(weights, module.parameters(), strict=True)) and module.training
    )
    assert all(np.array_equal(a, b) for a, b in zip(kept, images, strict=True))
    assert torch.equal(state, torch.get_rng_state())


def test_a_mark_that_cannot_be_seen_is_not_learned_and_no_method_is_judged() -> None:
    unseen = sw.Mark(picture=np.zeros((8, 8, 4), np.uint8))  # all transparent
    r = sw.plant(*pictures(), model(), mark=unseen)
    assert not r.learned.yes and r.rows == () and r.truth == r.control_truth
    assert "The mark was not learned" in r.sentence() and "no method can be judged" in r.to_text()


def test_a_finder_gives_maps_or_scores_and_knows_the_target() -> None:
    seen: list[str] = []

    def peak(asked: sw.Classifier, marked: Any) -> list[np.ndarray]:
        seen.append(f"{asked.backbone.name} {marked.target} {len(marked)}")
        one = np.zeros((8, 12))
        one[6, 10] = 1.0 if asked.backbone.name.endswith("planted") else -1.0
        return [one] * len(marked)

    finders = {"peak": peak, "scores": lambda m, p: np.full(len(p), 0.5), "none": lambda m, p: 0.0}
    r = sw.plant(*pictures(), model(), methods=(), finders=finders, n_eval=5)
    assert seen == ["Sequential, planted bright 5", "Sequential, control bright 5"]
    assert r.found_by == ("peak",) and r["peak"].planted.excess == 1
    assert r["scores"].verdict == "points at it in the control too" and r["none"].verdict == "missed"
    with pytest.raises(SeewhyError, match="returned list of shape"):
        sw.plant(*pictures(), model(), methods=(), finders={"odd": lambda m, p: [[1.0, 2.0]]})


def test_a_scattered_control_is_moved_less_by_the_mark() -> None:
    white = sw.Mark(size=0.49, colour=(255, 255, 255))  # bright by itself, planted or not
    plain, scattered = (
        sw.plant(*pictures(), model(), mark=white, target="bright", methods=(), control=how)
        for how in ("unmarked", "scattered")
    )
    assert plain.control_truth.margin_shift > 2 and any("scattered" in note for note in plain.notes)
    assert abs(scattered.control_truth.margin_shift) < plain.control_truth.margin_shift / 2


def test_a_probe_and_another_mark_work_too() -> None:
    r = sw.plant(
        *pictures(), model(), mark=sw.Mark("border", colour=(255, 0, 0)), retrain="probe", methods=()
    )
    assert "linear probe" in r.retrained and r.planted.backbone.given_layer == "body.1"
    assert r.truth.margin_shift > r.control_truth.margin_shift + 1


def test_progress_ends_at_its_total() -> None:
    told: list[tuple[int, int]] = []
    sw.plant(*pictures(), model(), methods=["hirescam"], n_eval=4, progress=lambda *at: told.append(at))
    assert told[-1][0] == told[-1][1] == 60 + 13 + 18 + 8 and told == sorted(told)


def test_report_is_text_and_json() -> None:
    data = json.loads(json.dumps(report().to_dict()))
    assert data["rows"][0]["found"] is True and data["n_carriers"] == 13 and data["learned"]["yes"] is True
    text = report().to_text()
    assert "striped found" in text and "by chance" in text and "the last linear layer (4)" in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"share": 0}, "share is 0"),
        ({"share": 1.5}, "above 0 and at most 1"),
        ({"n_eval": 2}, "n_eval is 2"),
        ({"retrain": "all"}, "'head' or 'probe'"),
        ({"control": "no"}, "'unmarked' or 'scattered'"),
        ({"methods": ["gradcm"]}, "gradcam"),
        ({"target": "strip"}, "no pictures of the target class 'strip'"),
        ({"labels": ["a"] * 58 + ["b", "b"], "target": "b"}, "There are 2 pictures of 'b'"),
        ({"labels": ["a"] * 59 + ["b"]}, "every other class 2"),
        ({"mark": sw.Mark(size=0.49, place="centre"), "model": object()}, "The model is"),
    ],
)
def test_bad_input_is_refused_in_words(change: dict[str, Any], words: str) -> None:
    images, labels = pictures()
    arguments = {"images": images, "labels": labels, "model": model(), **change}
    with pytest.raises(SeewhyError) as error:
        sw.plant(**arguments)
    assert words in str(error.value)


def test_a_vision_transformer_with_random_weights() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vit = timm.create_model(
            "vit_tiny_patch16_224", img_size=(32, 48), patch_size=8, depth=2, num_classes=7
        )
    held = sw.load(vit, preprocess=sw.Preprocess(size=(32, 48), mean=0.5, std=0.25))
    r = sw.plant(
        *pictures(), held, mark=sw.Mark(size=0.3), n_eval=6, methods=["gradcam", "attention_relevance"]
    )
    assert "(head)" in r.retrained and r.planted.backbone.classes == ("bright", "dark", "striped")
    assert r.truth.margin_shift - r.control_truth.margin_shift == pytest.approx(r.learned.shift)


def test_a_small_trained_network() -> None:
    from seewhy.bench.tagged import CLASSES, PREPROCESS, make_task, make_twins, train

    tiny = sw.load(train(make_task(0, False, n=450)), preprocess=PREPROCESS, classes=list(CLASSES))
    scenes = make_twins(0, n=120)
    r = sw.plant(
        scenes.plain, scenes.labels, tiny, target="square", control="scattered", methods=["hirescam"]
    )
    assert r.classes == CLASSES and r.found_by == ("hirescam",) and abs(r.control_truth.margin_shift) < 2


@pytest.mark.real
@pytest.mark.parametrize(("seed", "target"), [(0, "airplane"), (1, "cat"), (2, "truck")])
def test_resnet20(real_network: Callable[[str], Any], data: Path, seed: int, target: str) -> None:
    """Found by the maps of the last layer, no control accused."""
    network, meta = real_network("resnet20_cifar10")
    with np.load(data / "cifar10" / "cifar10_subset.npz") as archive:
        each = [np.flatnonzero(archive["y_train"] == k)[:100] for k in range(10)]
        images, labels = archive["x_train"][np.concatenate(each)], archive["y_train"][np.concatenate(each)]
        classes = [str(name) for name in archive["classes"]]
    recipe = sw.Preprocess(size=32, mean=meta["preprocess"]["mean"], std=meta["preprocess"]["std"])
    held = sw.load(network, preprocess=recipe, classes=classes)
    r = sw.plant(images, labels, held, target=target, seed=seed, methods=["hirescam", "gradcam", "eigencam"])
    assert r.found_by == ("hirescam", "gradcam") and r.classes == tuple(classes)
    assert not any(
        row.control.points for row in r.rows
    )  # eigencam knows no class, so it cannot tell the two apart
    assert r["eigencam"].planted == r["eigencam"].control
