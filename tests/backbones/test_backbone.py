from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seewhy.backbones.base import Backbone
from seewhy.errors import InputError, NotSupported, UnknownName
from seewhy.images.preprocess import Preprocess

SIZE = (24, 40)


class Small(nn.Module):
    """A convolution, batch norm, dropout and a linear head with `n` classes."""

    def __init__(self, n: int = 3, channels: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(channels, 6, 4, stride=4), nn.BatchNorm2d(6), nn.ReLU())
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(6, n)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.body(x).mean((2, 3))))


def pictures(n: int = 2, channels: int = 3) -> Tensor:
    return torch.randn(n, channels, *SIZE, generator=torch.Generator().manual_seed(1))


LOGITS = torch.tensor([[0.1, 0.7, 0.2], [0.9, 0.0, 0.1]])


def named() -> Backbone:
    return Backbone(Small(), name="zoo", classes=["cat", "Dog", "bird"])


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("predicted", [1, 0]),
        (2, [2, 2]),
        (-1, [2, 2]),
        ("cat", [0, 0]),
        ("dog", [1, 1]),
        ("BIRD", [2, 2]),
        (["bird", 0], [2, 0]),
        (["predicted", "predicted"], [1, 0]),
        (np.int64(1), [1, 1]),
        (np.array([0, 2]), [0, 2]),
        (torch.tensor([2, 1]), [2, 1]),
        (torch.tensor(1), [1, 1]),
    ],
)
def test_targets_are_classes_by_index_or_name_for_all_or_each(target: object, wanted: list[int]) -> None:
    assert named().targets(target, LOGITS) == wanted  # type: ignore[arg-type]


def test_without_names_a_class_is_called_by_its_number() -> None:
    backbone = Backbone(Small())
    assert backbone.targets("class 2", LOGITS) == [2, 2]
    assert backbone.class_name(1) == "class 1"


@pytest.mark.parametrize(
    ("target", "error", "words"),
    [
        (3, UnknownName, "There is no class 3.\n  zoo has 3 classes, 0 to 2"),
        (-4, UnknownName, "There is no class -4"),
        ("dag", UnknownName, "'dag' is not among the 3 classes of zoo.\n  Did you mean 'Dog'?"),
        (["cat"], InputError, "There are 1 targets for 2 pictures"),
        (1.5, InputError, "The target is 1.5"),
        ([0.5, 1], InputError, "The target is 0.5"),
        (True, InputError, "The target is True"),
        (None, InputError, "The target is None"),
    ],
)
def test_a_wrong_target_is_named_with_what_there_is(
    target: object, error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as raised:
        named().targets(target, LOGITS)  # type: ignore[arg-type]
    assert words in str(raised.value)


def test_predictions_are_sorted_and_scored_by_softmax() -> None:
    best, second = named().predictions(LOGITS[0], top_k=2)
    assert (best.index, best.name, second.name) == (1, "Dog", "bird")
    by_hand = np.exp(0.7) / (np.exp(0.1) + np.exp(0.7) + np.exp(0.2))
    assert best.score == pytest.approx(by_hand, rel=1e-6)
    assert best.logit == pytest.approx(0.7, rel=1e-6)


def test_a_single_class_is_scored_by_its_sigmoid() -> None:
    backbone = Backbone(Small(1).eval())
    logits = backbone.logits(pictures())
    assert logits.shape == (2, 1)
    (only,) = backbone.predictions(logits[0])
    assert only.score == pytest.approx(1 / (1 + np.exp(-only.logit)), rel=1e-6)
    assert backbone.layer(size=SIZE).layer.name == "body"


def test_a_network_in_train_mode_is_run_in_eval_mode_and_left_as_it_was() -> None:
    module = Small().train()
    module.drop.eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.get_rng_state()
    backbone = Backbone(module)
    split = backbone.split(size=SIZE)
    with backbone.undisturbed():
        assert split.replay_error(pictures()) <= 1e-6
    assert [child.training for child in (module, module.body[1], module.drop)] == [True, True, False]
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_frozen_network_has_layers_too_and_stays_frozen() -> None:
    module = Small().eval().requires_grad_(False)
    assert Backbone(module).layer(size=SIZE).sealed
    assert not any(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_are_found_their_way_around(dtype: torch.dtype) -> None:
    backbone = Backbone(Small().eval().to(dtype))
    candidate = backbone.layer(size=SIZE)
    assert backbone.dtype == dtype and candidate.layer.name == "body" and candidate.sealed
    assert backbone.split(size=SIZE).realisation == "graph"


def test_the_layer_is_found_under_no_grad_and_inference_mode() -> None:
    for closed in (torch.no_grad(), torch.inference_mode()):
        module = Small().eval()
        with closed:
            assert Backbone(module).split(size=SIZE).layer.name == "body"


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_the_number_of_channels_is_that_of_the_first_convolution(channels: int) -> None:
    probe = Backbone(Small(channels=channels).eval()).probe(SIZE)
    assert probe.inputs.shape == (2, channels, *SIZE)


def test_a_convolution_that_comes_first_only_in_the_list_does_not_mislead() -> None:
    class Late(Small):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.late = nn.Conv2d(6, 6, 1)
            parts = Small()
            self.body, self.drop, self.head = parts.body, parts.drop, parts.head

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.late(self.body(x)).mean((2, 3)))

    assert Backbone(Late().eval()).layer(size=SIZE).layer.name == "late"


def test_tuples_and_dicts_are_read_like_tensors() -> None:
    class Wordy(Small):
        def forward(self, x: Tensor) -> object:
            return {"logits": super().forward(x), "note": "text"}

    plain, wordy = Backbone(Small().eval()), Backbone(Wordy().eval())
    assert torch.equal(wordy.logits(pictures()), plain.logits(pictures()))
    split = wordy.split(size=SIZE)
    cut = split.cut(pictures())
    assert torch.allclose(split.tail(cut.features, cut.rest), plain.logits(pictures()))


def test_a_wrong_input_size_is_an_error_that_says_what_to_pass() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 4, stride=4), nn.Flatten(), nn.Linear(4 * 6 * 10, 3)).eval()
    assert Backbone(module).layer(size=SIZE).layer.name == "0"
    with pytest.raises(InputError) as error:
        Backbone(module, name="fixed").layer(size=(32, 32))
    assert "fixed does not run on pictures of 32 x 32 pixels and 3 channels (RuntimeError" in str(error.value)
    assert "preprocess=seewhy.Preprocess(size=(height, width), ...)" in str(error.value)


def test_rows_of_logits_that_are_not_one_per_picture_are_refused() -> None:
    class Squeezing(Small):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).squeeze(0)

    backbone = Backbone(Squeezing().eval())
    assert backbone.logits(pictures(2)).shape == (2, 3)
    with pytest.raises(NotSupported, match="returned 3 rows of logits for 1 pictures"):
        backbone.logits(pictures(1))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("resnet18", "The model is str 'resnet18'"),
        (nn.DataParallel(Small()), "wrapped in DataParallel"),
    ],
)
def test_what_is_no_plain_module_is_refused_with_what_to_pass(model: object, words: str) -> None:
    with pytest.raises(InputError) as error:
        Backbone(model)  # type: ignore[arg-type]
    assert words in str(error.value)
    assert "Pass model.module" in str(error.value) or "seewhy.load" in str(error.value)


def test_pictures_need_a_recipe() -> None:
    with pytest.raises(InputError, match="came without its preprocessing"):
        Backbone(Small()).tensor([])


def test_the_input_size_is_the_recipes_else_the_networks_own() -> None:
    module = Small()
    assert Backbone(module).input_size == (224, 224)
    module.image_size = [48, 64]  # type: ignore[assignment]
    assert Backbone(module).input_size == (48, 64)
    assert Backbone(module, preprocess=Preprocess(size=(20, 30))).input_size == (20, 30)


def test_layers_and_splits_are_found_once_for_each_size() -> None:
    backbone = Backbone(Small().eval())
    assert backbone.split(size=SIZE) is backbone.split("body", size=SIZE)
    assert backbone.layer(size=(16, 16)).layer.grid == (4, 4)
    assert backbone.layer(size=SIZE).layer.grid == (6, 10)


def test_threads_may_ask_at_once() -> None:
    backbone, x, answers = Backbone(Small().train()), pictures(), []

    def ask() -> None:
        with backbone.undisturbed():
            split = backbone.split(size=SIZE)
            cut = split.cut(x)
            answers.append((split, split.tail(cut.features, cut.rest).detach()))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6 and all(split is answers[0][0] for split, _ in answers)
    assert all(torch.equal(logits, answers[0][1]) for _, logits in answers)
    assert backbone.module.training
