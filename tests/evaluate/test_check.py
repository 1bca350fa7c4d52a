"""`sw.check`: exact accounts hold, wrong ones fail, and the network is left as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import seewhy as sw
from seewhy.errors import InputError, NotSupported
from seewhy.explanation import Answers, AttributionMap, Explanation, Receipt
from seewhy.explanation.receipt import area

PHOTO = np.random.default_rng(0).integers(0, 256, (30, 41, 3), dtype=np.uint8)
FAST: dict[str, Any] = {"n_edits": 24, "n_random": 3, "steps": 5}


def network(*head: nn.Module, size: tuple[int, int] = (12, 20)) -> sw.Classifier:
    """Two convolutions with batch norm, and `head`; default pooling and a linear layer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        end = head or (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(8, 3))
        body = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()
        )
        module = nn.Sequential(*body, *end)
        for parameter in module.parameters():
            nn.init.normal_(parameter, std=0.5)
    return sw.load(module.eval(), preprocess=sw.Preprocess(size), classes=list("abc"))


def explained(model: sw.Classifier, photo: Any = PHOTO, **options: Any) -> Explanation:
    answer = model.explain(photo, **options)
    assert isinstance(answer, Explanation)
    return answer


def receipt(answer: Explanation | AttributionMap, **options: Any) -> Receipt:
    made = sw.check(answer, **(FAST | options)).receipt
    assert made is not None
    return made


def shuffled(answer: Explanation) -> Explanation:
    """Each channel with the contribution of the next one: it adds up, and is wrong."""
    moved = [*answer.concepts[1:], answer.concepts[0]]
    concepts = tuple(
        replace(concept, contribution=other.contribution, shares=other.shares)
        for concept, other in zip(answer.concepts, moved, strict=True)
    )
    return replace(answer, concepts=concepts)


def test_an_exact_account_predicts_every_edit() -> None:
    made = receipt(explained(network()), n_edits=64)
    assert made.n_edits == 64 and made.tail_forwards == 65
    assert made.r2 == pytest.approx(1, abs=1e-4) and made.how_much == "holds"
    assert made.worst is not None and made.worst < 1e-5 * max(map(abs, made.measured))
    for row in made.alone:
        assert row.measured == pytest.approx(row.predicted, abs=1e-5)


def test_a_wrong_account_fails_though_it_adds_up() -> None:
    made = receipt(shuffled(explained(network())), n_edits=64)
    assert made.r2 is not None and made.r2 < 0.5
    assert made.state == "fails" and not made.passed and "do not predict" in made.sentence()


def test_on_a_tail_that_bends_removed_channels_show_a_blank_picture() -> None:
    answer = explained(
        network(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 3))
    )
    assert answer.replay is not None and answer.replay.concepts is not None
    without, plain = answer.replay.concepts(np.stack([np.zeros(8), np.ones(8)]))
    assert without == pytest.approx(answer.bias, abs=1e-5)
    assert plain == pytest.approx(answer.target.logit, abs=1e-5)
    made = receipt(answer)
    assert made.r2 is not None and made.r2 < 1 - 1e-4


def additive() -> sw.Classifier:
    """Logits that are a mean over pixels of a weighted sum of their colours."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    return sw.load(module.eval(), preprocess=sw.Preprocess((6, 10), fit="stretch"), classes=["a", "b"])


def test_curves_of_an_additive_network_are_their_closed_form() -> None:
    model = additive()
    answer = explained(model, PHOTO, target="a")
    made = receipt(answer, score="logit", steps=60)
    x = model.backbone.tensor([answer.image]).x[0].double()
    head, conv = model.backbone.module[3], model.backbone.module[0]
    weights = (head.weight[0] @ conv.weight[:, :, 0, 0]).double().detach()
    gains = torch.einsum("c,chw->hw", weights, x - x.mean((1, 2), keepdim=True)).ravel() / 60
    falls = torch.cat([torch.zeros(1), gains.sort(descending=True).values.cumsum(0)])
    np.testing.assert_allclose(made.deletion_curve, answer.target.logit - falls, atol=1e-5)
    # Filled with the mean colour, hiding all changes nothing, and random orders are flat on average.
    assert falls[-1].abs() < 1e-6
    assert made.deletion_holds and made.insertion_holds and made.where == "holds"


def test_showing_in_an_order_is_hiding_in_its_reverse() -> None:
    answer = additive().attribute(PHOTO, "input_x_gradient", "a")
    assert isinstance(answer, AttributionMap)
    upright, turned = receipt(answer), receipt(replace(answer, map=-answer.map))
    np.testing.assert_allclose(upright.insertion_curve, turned.deletion_curve[::-1], atol=2e-2)
    assert turned.where == "fails" and turned.state == "fails"


@pytest.mark.parametrize("fill", ["mean", "blur"])
def test_both_ends_are_the_picture_and_the_filling(fill: Any) -> None:
    model = network()
    answer = explained(model)
    made = receipt(answer, fill=fill)
    assert made.deletion_curve[0] == made.insertion_curve[-1] == pytest.approx(answer.target.score, abs=1e-6)
    assert made.deletion_curve[-1] == made.insertion_curve[0] == made.random_curve[-1]
    if fill == "mean":
        x = model.backbone.tensor([answer.image]).x
        blank = model.backbone.module(x.mean((2, 3), keepdim=True).expand_as(x)).softmax(1)
        assert made.deletion_curve[-1] == pytest.approx(
            float(blank[0, answer.target.index].detach()), abs=1e-6
        )


def test_a_flat_map_gets_exactly_what_random_orders_get() -> None:
    answer = network().attribute(PHOTO, "gradcam")
    assert isinstance(answer, AttributionMap)
    made = receipt(replace(answer, map=np.full((3, 4), 2.0)))
    assert made.deletion_random is not None and made.deletion == made.deletion_random.mean
    assert made.insertion_random is not None and made.insertion == made.insertion_random.mean
    assert made.where == "fails"


def test_random_orders_are_measured_one_by_one() -> None:
    answer = explained(network())
    replay, seen = answer.replay, []
    assert replay is not None

    def watched(keep: np.ndarray, fill: str, score: str) -> np.ndarray:
        found = replay.pixels(keep, fill, score)
        seen.append(found)
        return found

    made = receipt(replace(answer, replay=replace(replay, pixels=watched)), n_random=4)
    (whole, blank), orders = seen[1], seen[2:6]
    curves = [[whole, *order, blank] for order in orders]
    np.testing.assert_allclose(made.random_curve, np.mean(curves, 0))
    assert made.random_sd == pytest.approx(np.std([area(curve) for curve in curves], ddof=1))
    assert made.n_random == 4


def test_passes_are_counted_and_progress_ends_at_all() -> None:
    model = network()
    answer, told, n_seen = explained(model), [], [0]
    hook = model.backbone.module.register_forward_hook(
        lambda _, inputs, __: n_seen.__setitem__(0, n_seen[0] + len(inputs[0]))
    )
    made = receipt(answer, progress=lambda done, total: told.append((done, total)))
    hook.remove()
    assert made.forwards == n_seen[0] == 3 + (3 + 2) * 4
    assert told == [(i, 5) for i in range(1, 6)]


def test_the_network_is_left_as_it_was() -> None:
    model = network()
    answers = [explained(model), model.attribute(PHOTO, "gradcam")]
    module = model.backbone.module.train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    for answer in answers:
        sw.check(answer, **FAST)
    assert all(part.training for part in module.modules())
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in module.parameters())


def test_a_check_touches_no_global_stream_and_repeats_itself() -> None:
    answer = explained(network())
    state = torch.random.get_rng_state()
    first, again, other = receipt(answer), receipt(answer), receipt(answer, seed=1)
    assert torch.equal(state, torch.random.get_rng_state())
    assert first == again and first != other
    assert (first.seed, other.seed) == (0, 1)


def test_many_are_checked_as_each_alone_and_stay_answers() -> None:
    model = network()
    many = model.explain([PHOTO, PHOTO[::-1].copy()])
    assert isinstance(many, Answers)
    checked = sw.check(many, **FAST)
    assert isinstance(checked, Answers) and len(checked) == 2
    for one, alone in zip(checked, many, strict=True):
        assert one.receipt == receipt(alone) and one.concepts is alone.concepts
        assert alone.receipt is None


def test_ready_tensors_are_checked_too() -> None:
    model = network()
    x = model.backbone.tensor([explained(model).image]).x
    made = receipt(explained(model, x[0], preprocess=False))
    plain = receipt(explained(model))
    np.testing.assert_allclose(made.measured, plain.measured, atol=1e-5)
    np.testing.assert_allclose(made.deletion_curve, plain.deletion_curve, atol=1e-5)


def test_importance_without_a_sign_is_tested_by_its_map_alone() -> None:
    answer = replace(explained(network()), kind="variance", bias=None, remainder=None)
    made = receipt(answer)
    assert made.n_edits == 0 and made.how_much is None and made.where is not None
    assert "contributions: importance of kind 'variance' has no sign" in made.notes[0]


def test_effects_are_tested_one_at_a_time_and_without_places_there_is_no_map() -> None:
    plain = explained(network())
    concepts = tuple(replace(concept, shares=None) for concept in plain.concepts)
    made = receipt(replace(plain, kind="effect", concepts=concepts, bias=None, remainder=None))
    assert made.n_edits == len(made.alone) == 8 and made.r2 == pytest.approx(1, abs=1e-4)
    assert made.where is None and "map: no concept tells its contribution by place" in made.notes[0]
    assert made.state == "holds"


def test_an_answer_from_a_file_says_what_to_do(tmp_path: Path) -> None:
    explained(network()).save(tmp_path / "why.json")
    with pytest.raises(NotSupported, match="loaded from a file\\); explain the picture again"):
        sw.check(sw.load_answer(tmp_path / "why.json"))


def test_another_network_than_the_one_explained_is_refused() -> None:
    model = network()
    answer = explained(model)
    with torch.no_grad():
        model.backbone.module[-1].bias.add_(5)
    with pytest.raises(
        InputError, match=r"(?s)when 'image 0' was explained, and is .* now.*Explain the picture again"
    ):
        sw.check(answer)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_edits": 3}, "n_edits is 3"),
        ({"n_random": 1}, "n_random is 1"),
        ({"steps": 2.0}, "steps is 2.0"),
        ({"fill": "blurr"}, "Did you mean 'blur'"),
        ({"score": "log"}, "The score is 'log'"),
    ],
)
def test_options_out_of_range_are_refused(options: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        sw.check(explained(network()), **options)


@pytest.mark.real
def test_the_account_of_a_real_network_holds_and_a_shuffled_one_fails(
    data: Path, real_network: Callable[[str], Any]
) -> None:
    module, _ = real_network("resnet20_cifar10")
    x_test = np.load(data / "cifar10" / "cifar10_subset.npz")["x_test"][:2]
    model = sw.load(module, preprocess=sw.Preprocess(32, fit="stretch"))
    for photo in x_test:
        answer = explained(model, photo)
        made = receipt(answer, n_edits=64)
        assert made.r2 == pytest.approx(1, abs=1e-4)
        assert receipt(shuffled(answer), n_edits=64).state == "fails"
