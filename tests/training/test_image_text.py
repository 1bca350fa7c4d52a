"""The image-text model's losses are what they say, and short texts are embedded as long ones are."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from seewhy.training.image_text import (
    ImageTextLearner,
    contrastive,
    explicit_attention,
    short_texts,
    sigmoid_loss,
)
from seewhy.training.loop import train
from seewhy.training.recipes import RECIPES, ImageTextRecipe
from seewhy.training.run import tokenizer
from seewhy.training.scenes import Scenes
from tests.training.small import same

CPU = torch.device("cpu")
TEXTS = ["red", "a small striped red star", "a creature with a hooked beak and a webbed foot on bricks"]


def learner(drawn: Scenes, name: str = "clip", **changes: object) -> ImageTextLearner:
    recipe = RECIPES[name]
    assert isinstance(recipe, ImageTextRecipe)
    whole = {"scenes": 36, "pairs": 40, "batch": 8, **changes}
    return ImageTextLearner(replace(recipe, **whole), drawn, tokenizer(), CPU)


def made(shape: tuple[int, int], seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores, and truths of all three values."""
    rng = np.random.default_rng(seed)
    truth = torch.tensor(rng.choice([-1, 0, 1], shape), dtype=torch.int8)
    return torch.tensor(rng.normal(0, 3, shape)), truth


SHAPES = [(1, 1), (1, 7), (5, 1), (4, 6), (7, 3)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_contrastive_is_a_double_loop_over_true_pairs(shape: tuple[int, int]) -> None:
    scores, truth = made(shape, sum(shape))
    total, n = 0.0, 0
    for row in range(shape[0]):
        for column in range(shape[1]):
            if truth[row, column] != 1:
                continue
            n += 1
            own = scores[row, column]
            texts = sum(math.exp(scores[row, c] - own) for c in range(shape[1]) if truth[row, c] == 0)
            images = sum(math.exp(scores[r, column] - own) for r in range(shape[0]) if truth[r, column] == 0)
            total += (math.log1p(texts) + math.log1p(images)) / 2
    assert float(contrastive(scores, truth)) == pytest.approx(total / max(n, 1), rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_sigmoid_loss_is_a_double_loop_over_known_pairs(shape: tuple[int, int]) -> None:
    scores, truth = made(shape, sum(shape))
    known = [
        math.log1p(math.exp(-float(scores[row, column]) * (1 if truth[row, column] == 1 else -1)))
        for row in range(shape[0])
        for column in range(shape[1])
        if truth[row, column] != -1
    ]
    assert float(sigmoid_loss(scores, truth)) == pytest.approx(sum(known) / max(len(known), 1), rel=1e-12)


@pytest.mark.parametrize("loss", [contrastive, sigmoid_loss])
def test_pairs_that_say_nothing_do_not_count(loss: object) -> None:
    assert callable(loss)
    scores, truth = made((5, 6), 1)
    scores.requires_grad_()
    torch.autograd.backward(loss(scores, truth))
    assert scores.grad is not None
    assert not scores.grad[truth == -1].any() and bool((scores.grad[truth == 1] < 0).all())
    assert float(loss(scores.detach(), torch.full_like(truth, -1))) == 0.0


def test_short_texts_are_embedded_as_the_model_embeds_them(drawn: Scenes) -> None:
    one = learner(drawn)
    numbers = one.tokenizer(TEXTS)
    longest = int((numbers != 0).sum(1).max())
    assert longest < numbers.shape[1]
    with torch.inference_mode(), explicit_attention(CPU):
        expected = one.model.encode_text(numbers)
        assert torch.allclose(short_texts(one.model, numbers), expected, atol=1e-5)
        assert torch.allclose(short_texts(one.model, numbers[:, :longest]), expected, atol=1e-5)


def test_texts_of_all_lengths_keep_their_places(drawn: Scenes) -> None:
    one = learner(drawn)
    long = (
        "there is a small striped red star, a large dotted blue ring and a medium solid green cross on bricks"
    )
    texts = [long, "red", TEXTS[1], long.replace("red", "white"), "blue"]
    with torch.inference_mode():
        found = one._embedded(texts)
        expected = one.model.encode_text(one.tokenizer(texts), normalize=True)
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(found.norm(dim=-1), torch.ones(5), atol=1e-5)


@pytest.mark.parametrize("name", ["clip", "clip-plain"])
def test_two_steps_move_every_part_that_is_shipped(name: str, drawn: Scenes, tmp_path: Path) -> None:
    one, fresh = learner(drawn, name), learner(drawn, name)
    assert same(one.module, fresh.module) and one.steps == 5
    train(one, tmp_path, stop_after=2)
    before = dict(fresh.module.named_parameters())
    still = {n for n, p in one.module.named_parameters() if torch.equal(p, before[n])}
    # A model without a loss over cells has no use for that loss's scale.
    assert still <= ({"cells"} if name == "clip-plain" else set())


def test_a_resumed_training_is_the_same_to_the_bit(drawn: Scenes, tmp_path: Path) -> None:
    whole, resumed = learner(drawn), learner(drawn)
    train(whole, tmp_path / "whole", stop_after=3)
    train(learner(drawn), tmp_path / "a", stop_after=1)
    train(resumed, tmp_path / "a", stop_after=2)
    assert same(whole.module, resumed.module)


def test_scales_learn_faster_and_do_not_decay(drawn: Scenes) -> None:
    one = learner(drawn)
    decayed, plain, scales = one.optimiser.param_groups
    assert (
        decayed["weight_decay"]
        == one.recipe.weight_decay
        > 0
        == plain["weight_decay"]
        == scales["weight_decay"]
    )
    assert scales["lr"] == 10 * one.recipe.peak_rate == 10 * plain["lr"]
    assert all(p.ndim == 0 for p in scales["params"]) and len(scales["params"]) >= 2
    n = sum(len(group["params"]) for group in one.optimiser.param_groups)
    assert n == len(list(one.module.parameters()))
