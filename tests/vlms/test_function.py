"""Two functions as a model: what they return is made right, and said if it was not."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seewhy.errors import InputError, NotSupported
from seewhy.images.preprocess import Preprocess
from seewhy.vlms.function import FunctionVLM
from seewhy.vlms.load import load_vlm

RECIPE = Preprocess(size=(4, 6), mean=0.0, std=1.0)


def colours(x: Tensor) -> Tensor:
    return nn.functional.normalize(x.mean((2, 3)), dim=1)


def words(texts: list[str]) -> Tensor:
    return nn.functional.normalize(torch.tensor([[len(t), t.count("e"), 1.0] for t in texts]), dim=1)


def vlm(images: Any = colours, texts: Any = words, **options: Any) -> FunctionVLM:
    return FunctionVLM(images, texts, RECIPE, 3, "mine", **options)


def pictures() -> Tensor:
    return torch.rand(2, 3, 4, 6, generator=torch.Generator().manual_seed(0)) + 0.1


def test_unit_rows_pass_without_a_word() -> None:
    found = vlm()
    assert torch.allclose(found.encode_images(pictures()), colours(pictures()), atol=1e-6)
    assert torch.allclose(found.encode_texts(["red", "green"]), words(["red", "green"]), atol=1e-6)


def test_other_lengths_are_divided_out_and_said_once_for_each_side() -> None:
    found = vlm(lambda x: 7 * colours(x), lambda texts: 0.5 * words(texts))
    with pytest.warns(UserWarning, match="mine: the picture embeddings have length 7, not 1") as caught:
        rows = found.encode_images(pictures())
    assert len(caught) == 1 and caught[0].filename == __file__  # the warning points at the caller
    assert torch.allclose(rows, colours(pictures()), atol=1e-6)
    with pytest.warns(UserWarning, match="the text embeddings have length 0.5, not 1"):
        assert torch.allclose(found.encode_texts(["red"]), words(["red"]), atol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found.encode_images(pictures())
        found.encode_texts(["red"])


def test_one_long_row_among_unit_rows_is_said_too() -> None:
    found = vlm(lambda x: colours(x) * torch.tensor([[1.0], [1.5]]))
    with pytest.warns(UserWarning, match=r"have length 1.5, not 1"):
        found.encode_images(pictures())


def test_it_may_change_its_input_without_harm() -> None:
    x = pictures()
    before = x.clone()
    vlm(lambda y: colours(y.add_(1.0))).encode_images(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    ("images", "got"),
    [
        (lambda x: [1.0], "list"),
        (lambda x: x.mean((1, 2, 3)), r"\(2,\)"),
        (lambda x: None, "NoneType"),
    ],
)
def test_what_is_no_batch_of_embeddings_is_refused(images: Any, got: str) -> None:
    with pytest.raises(InputError, match=f"mine returned {got} as embeddings"):
        vlm(images).encode_images(pictures())


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(InputError, match="encode_texts is a dict.\n  A function is needed"):
        vlm(texts={"red": [1, 0, 0]})


def test_it_has_no_places_of_its_own() -> None:
    with pytest.raises(NotSupported, match="mine has no re-attention"):
        vlm().reattend(pictures(), torch.zeros(1, 24))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)
        with torch.no_grad():
            self.layer.weight.copy_(torch.eye(3))
            self.layer.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        assert not self.training
        return nn.functional.normalize(self.layer(x.mean((2, 3))), dim=1)

    embed = forward


@pytest.mark.parametrize("use", ["module", "method", "named"])
def test_the_networks_behind_it_are_known(use: str) -> None:
    net = Net().train()
    given = {"module": net, "method": net.embed, "named": lambda x: net(x)}[use]
    found = vlm(given, modules=[net] if use == "named" else ())
    found.encode_images(pictures())
    assert net.training  # in eval mode only while it ran
    first = found.fingerprint()
    with torch.no_grad():
        net.layer.weight[0, 0] += 0.5
    assert found.fingerprint() != first


def test_without_networks_the_fingerprint_is_what_it_does_or_what_it_is_called() -> None:
    same, other = vlm(), vlm(lambda x: colours(x.flip(1)))
    assert vlm().fingerprint() == same.fingerprint() != other.fingerprint()
    assert vlm(version="1").fingerprint() == vlm(lambda x: colours(x.flip(1)), version="1").fingerprint()
    assert vlm(version="1").fingerprint() != vlm(version="2").fingerprint()


def test_load_takes_it_as_it_is() -> None:
    found = vlm()
    assert load_vlm(found) is found
