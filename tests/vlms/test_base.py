"""What every model of pictures and words promises, whatever its two sides return."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seewhy.errors import InputError, NotSupported, UnknownName
from seewhy.images.preprocess import Preprocess
from seewhy.vlms.base import VLM


class Colours(VLM):
    """The mean colour of a picture, and words for colours; long vectors in double precision, dropout on the way."""

    words = {
        "red": (3.0, 0.0, 0.0),
        "green": (0.0, 3.0, 0.0),
        "grey": (1.0, 1.0, 1.0),
        "dark": (0.0, 0.0, 0.0),
    }

    def __init__(self, **changes: Any) -> None:
        self.net = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.Dropout(0.5))
        with torch.no_grad():
            self.net[0].weight.copy_(5 * torch.eye(3)[:, :, None, None])
        recipe = Preprocess(size=(4, 6), mean=0.0, std=1.0)
        super().__init__(**{"name": "colours", "preprocess": recipe, "dim": 3, "scale": 2.0, **changes})
        self.seen: list[Tensor] = []
        self.calls: list[int] = []

    def _images(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        return self.net(x).mean((2, 3)).double()

    def _texts(self, texts: list[str]) -> Tensor:
        self.calls.append(len(texts))
        return torch.tensor([self.words[text] for text in texts]).double()

    def _modules(self) -> list[nn.Module]:
        return [self.net]


def pictures(n: int = 2) -> Tensor:
    return torch.rand(n, 3, 4, 6, generator=torch.Generator().manual_seed(0)) + 0.1


def test_embeddings_are_unit_rows_in_single_precision_without_gradients() -> None:
    vlm, x = Colours(), pictures().requires_grad_()
    found, words = vlm.encode_images(x), vlm.encode_texts(["red", "grey"])
    assert torch.allclose(found, nn.functional.normalize(x.detach().mean((2, 3)), dim=1), atol=1e-6)
    assert torch.allclose(words, torch.tensor([[1.0, 0.0, 0.0], [3**-0.5] * 3]), atol=1e-6)
    assert found.dtype == words.dtype == torch.float32 and not found.requires_grad


def test_the_modules_the_picture_and_the_random_state_are_left_as_they_were() -> None:
    vlm, x = Colours(), pictures()
    vlm.net.train()
    vlm.net[1].eval()
    before, state = x.clone(), torch.get_rng_state()
    assert torch.equal(vlm.encode_images(x), vlm.encode_images(x))  # no dropout
    assert vlm.net.training and vlm.net[0].training and not vlm.net[1].training
    assert torch.equal(x, before) and torch.equal(state, torch.get_rng_state())


def test_a_caller_in_inference_mode_gets_ordinary_tensors() -> None:
    with torch.inference_mode():
        found = Colours().encode_images(pictures())
    assert not found.is_inference()


@pytest.mark.parametrize(
    ("x", "got"),
    [
        (torch.zeros(0, 3, 4, 6), "float32 (0, 3, 4, 6)"),
        (torch.zeros(1, 3, 6, 4), "float32 (1, 3, 6, 4)"),
        (torch.zeros(1, 1, 4, 6), "float32 (1, 1, 4, 6)"),
        (torch.zeros(3, 4, 6), "float32 (3, 4, 6)"),
        (torch.zeros(1, 3, 4, 6, dtype=torch.uint8), "uint8 (1, 3, 4, 6)"),
        ([[0.0]], "list"),
    ],
)
def test_what_is_no_batch_of_its_pictures_is_refused(x: Any, got: str) -> None:
    with pytest.raises(InputError) as caught:
        Colours().encode_images(x)
    assert f"colours got pictures as {got}." in str(caught.value)
    assert "It takes a floating batch (b, 3, 4, 6), b at least 1." in str(caught.value)


@pytest.mark.parametrize("level", [float("nan"), float("inf")])
def test_pictures_that_are_not_finite_are_refused(level: float) -> None:
    x = pictures()
    x[1, 0, 0, 0] = level
    with pytest.raises(InputError, match="The pictures hold NaN or infinity"):
        Colours().encode_images(x)


def test_an_embedding_without_a_direction_is_an_error_that_names_it() -> None:
    x = pictures(3)
    x[2] = 0
    with pytest.raises(InputError, match=r"zero or not finite, for picture \(2,\)"):
        Colours().encode_images(x)
    with pytest.raises(InputError, match=r"for text \(1,\)"):
        Colours().encode_texts(["red", "dark"])
    broken = Colours()
    with torch.no_grad():
        broken.net[0].weight.fill_(float("nan"))
    with pytest.raises(InputError, match="half precision for overflow"):
        broken.encode_images(pictures())


def test_embeddings_of_another_shape_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"returned \(2, 3\) as embeddings.\n  They must be a tensor \(2, 4\)"
    ):
        Colours(dim=4).encode_images(pictures())


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ([], "There are no texts."),
        ("red", "The texts are the single text 'red'"),
        (["red", "  "], "Text 1 is '  '"),
        (["red", None], "Text 1 is None"),
    ],
)
def test_texts_that_say_nothing_are_refused(texts: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Colours().encode_texts(texts)


def test_many_texts_are_read_in_parts_and_keep_their_order() -> None:
    vlm = Colours()
    texts = ["red", "green", "grey"] * 50
    found = vlm.encode_texts(texts)
    assert len(vlm.calls) > 1 and sum(vlm.calls) == 150 == len(found)
    assert torch.equal(found, vlm.encode_texts(["red", "green", "grey"]).repeat(50, 1))


def test_inputs_come_to_the_type_of_the_image_tower() -> None:
    vlm = Colours()
    vlm.net.half()
    found = vlm.encode_images(pictures().double())
    assert vlm.seen[0].dtype == torch.float16 and found.dtype == torch.float32
    assert torch.allclose(found, Colours().encode_images(pictures()), atol=2e-3)


@pytest.mark.gpu
def test_it_runs_where_its_modules_are() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    found = Colours().to("cuda").encode_images(pictures())
    assert found.device.type == "cuda"
    assert torch.allclose(found.cpu(), Colours().encode_images(pictures()), atol=1e-4)


def test_without_a_view_it_says_what_it_cannot_do_and_what_it_can() -> None:
    vlm = Colours()
    reason = "it has no view into its image tower"
    assert vlm.why_not("dense") == vlm.why_not("reattend") == vlm.why_not("dense", "naclip") == reason
    calls = (
        lambda: vlm.dense(pictures()),
        lambda: vlm.reattend(pictures(), torch.zeros(1, 4)),
        lambda: vlm.token_grid,
    )
    for what, call in zip(
        ("dense tokens of mode 'naclip'", "re-attention", "a grid of patches"), calls, strict=True
    ):
        with pytest.raises(NotSupported) as caught:
            call()
        assert f"{what.removeprefix('a ')}: {reason}." in str(caught.value)
        assert "It does encode_images, encode_texts." in str(caught.value)


def test_unknown_operations_and_modes_name_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'dense'"):
        Colours().why_not("dens")  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="no dense mode 'naclp'.\n  Did you mean 'naclip'"):
        Colours().dense(pictures(), "naclp")


def test_the_fingerprint_follows_what_decides_embeddings_and_nothing_else() -> None:
    first = Colours().fingerprint()
    assert len(first) == 64 and Colours(name="other", scale=9.0).fingerprint() == first
    told = Preprocess(size=(4, 6), mean=0.0, std=1.0, source="elsewhere")
    assert Colours(preprocess=told).fingerprint() == first
    assert Colours(preprocess=Preprocess(size=(4, 6), mean=0.1, std=1.0)).fingerprint() != first
    vlm = Colours()
    assert vlm.fingerprint() == first
    with torch.no_grad():
        vlm.net[0].weight[0, 0] += 1e-3
    assert vlm.fingerprint() != first


def test_what_it_says_of_itself_is_json() -> None:
    said = json.loads(json.dumps(Colours(notes=["Made up."]).describe()))
    assert said["id"] == "colours" and said["supports"] == [] and said["token_grid"] is None
    assert (said["scale"], said["shift"], said["dim"], said["notes"]) == (2.0, 0.0, 3, ["Made up."])
