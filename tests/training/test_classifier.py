"""A classifier's training sees each scene once an epoch, and its loss is cross-entropy."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from seewhy.training.classifier import ClassifierLearner, to_input
from seewhy.training.loop import train
from seewhy.training.pictures import Order, Pictures, pictures
from seewhy.training.recipes import RECIPES, ClassifierRecipe
from tests.training.small import same

CPU = torch.device("cpu")


def tiny(name: str, **changes: object) -> ClassifierRecipe:
    recipe = RECIPES[name]
    assert isinstance(recipe, ClassifierRecipe)
    whole = {"scenes": 26, "epochs": 2, "batch": 8, **changes}
    return replace(recipe, **whole)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    """Of T4, for both architectures."""
    return pictures(Order("T4", "train", 26, 96), tmp_path_factory.mktemp("pictures"))


def test_each_scene_comes_at_most_once_an_epoch_in_an_order_of_its_own(few: Pictures) -> None:
    learner = ClassifierLearner(tiny("resnet-t4"), few, CPU)
    assert learner.steps == 6
    epochs = [np.concatenate([learner._batch(step) for step in range(at, at + 3)]) for at in (0, 3)]
    for seen in epochs:
        assert len(seen) == len(set(seen.tolist())) == 24 and seen.min() >= 0 and seen.max() < 26
    assert epochs[0].tolist() != epochs[1].tolist()
    # Which scenes a step sees depends on its number alone, not on the steps before it.
    assert np.array_equal(learner._batch(4), ClassifierLearner(tiny("resnet-t4"), few, CPU)._batch(4))
    other = ClassifierLearner(tiny("resnet-t4", seed=1), few, CPU)
    assert not np.array_equal(learner._batch(4), other._batch(4))


@pytest.mark.parametrize("name", ["resnet-t4", "vit-t4"])
def test_the_loss_is_the_cross_entropy_of_the_batch(name: str, few: Pictures) -> None:
    learner = ClassifierLearner(tiny(name), few, CPU)
    network = copy.deepcopy(learner.module).train()
    learner.module.train()
    batch = learner._batch(1)
    x = torch.tensor(few.pixels[batch].astype(np.float32).transpose(0, 3, 1, 2)) / 127.5 - 1
    logits = network(x).detach().double()
    slow = 0.0
    for row, label in zip(logits, few.labels[batch], strict=True):
        slow += math.log(sum(math.exp(float(one)) for one in row)) - float(row[label])
    # bfloat16 keeps eight bits of each number where the processor has units for it
    assert float(learner.loss(1).detach()) == pytest.approx(slow / 8, rel=0.02)


@pytest.mark.parametrize("name", ["resnet-t4", "vit-t4"])
def test_a_resumed_training_of_the_real_network_is_the_same_to_the_bit(
    name: str, few: Pictures, tmp_path: Path
) -> None:
    whole = ClassifierLearner(tiny(name), few, CPU)
    train(whole, tmp_path / "whole", stop_after=4)
    train(ClassifierLearner(tiny(name), few, CPU), tmp_path / "a", stop_after=2)
    resumed = ClassifierLearner(tiny(name), few, CPU)
    train(resumed, tmp_path / "a", stop_after=2)
    assert same(whole.module, resumed.module)
    assert not same(whole.module, ClassifierLearner(tiny(name), few, CPU).module)


def test_the_seed_decides_the_first_weights_and_the_callers_randomness_stays(few: Pictures) -> None:
    before = torch.get_rng_state()
    one, two = (ClassifierLearner(tiny("resnet-t4"), few, CPU) for _ in range(2))
    assert same(one.module, two.module) and torch.equal(torch.get_rng_state(), before)
    assert not same(one.module, ClassifierLearner(tiny("resnet-t4", seed=1), few, CPU).module)
    assert one.identity == two.identity and one.identity["name"] == "resnet-t4"


@pytest.mark.parametrize(("name", "kind"), [("resnet-t4", torch.optim.SGD), ("vit-t4", torch.optim.AdamW)])
def test_norms_and_offsets_do_not_decay(name: str, kind: type, few: Pictures) -> None:
    learner = ClassifierLearner(tiny(name), few, CPU)
    assert isinstance(learner.optimiser, kind)
    matrices, others = learner.optimiser.param_groups
    assert matrices["weight_decay"] == learner.recipe.weight_decay > 0 == others["weight_decay"]
    assert all(p.ndim > 1 for p in matrices["params"]) and all(p.ndim <= 1 for p in others["params"])
    assert len(matrices["params"]) + len(others["params"]) == len(list(learner.module.parameters()))


def test_bytes_become_minus_one_to_one_channels_first() -> None:
    pixels = torch.tensor([[[[0, 255, 51]]]], dtype=torch.uint8)
    found = to_input(pixels)
    assert found.shape == (1, 3, 1, 1) and found.flatten().tolist() == pytest.approx([-1, 1, -0.6])
