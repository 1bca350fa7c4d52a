"""Any model of pictures and words in one call, and errors for what is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from seewhy.errors import InputError, Offline, UnknownName
from seewhy.hub.store import write_folder
from seewhy.images.preprocess import Preprocess
from seewhy.vlms.base import VLM
from seewhy.vlms.load import load_vlm
from tests.vlms import small


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("SEEWHY_HOME", "HF_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path


class Own(VLM):
    """A model that replaces the public methods, so that nobody checks for it."""

    def __init__(self, length: float = 1.0, kind: torch.dtype = torch.float32) -> None:
        super().__init__(name="own", preprocess=Preprocess(size=4), dim=3)
        self.length, self.kind = length, kind

    def encode_images(self, x: Tensor) -> Tensor:
        rows = self.length * nn.functional.normalize(x.mean((2, 3)), dim=1)
        return rows.to(self.kind)

    def _images(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _texts(self, texts: list[str]) -> Tensor:
        return torch.ones(len(texts), 3)


def test_a_model_that_keeps_its_promises_is_taken_as_it_is() -> None:
    vlm = Own()
    assert load_vlm(vlm, device="cpu") is vlm
    bundled = small.bundled()
    assert load_vlm(bundled) is bundled


@pytest.mark.parametrize(
    ("vlm", "got"),
    [
        (Own(length=3.0), "float32 (1, 3) of length 3"),
        (Own(kind=torch.float64), "float64 (1, 3) of length 1"),
    ],
)
def test_an_unnormalised_model_of_ones_own_is_refused(vlm: VLM, got: str) -> None:
    with pytest.raises(InputError) as caught:
        load_vlm(vlm)
    assert f"encode_images of own returns {got}." in str(caught.value)
    assert "Implement _images and _texts instead" in str(caught.value)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (nn.Linear(2, 2), "The model is a Linear.\n  It is a VLM or a name: seewhy/clip"),
        (None, "The model is a NoneType"),
        ("timm/resnet50", "'timm/resnet50' is a model of timm, and has no words"),
        (
            "seewhy/resnet-t4",
            "'seewhy/resnet-t4' is a classifier: it has no words.*\n.*\n  Take 'seewhy/clip'",
        ),
    ],
)
def test_what_has_no_words_is_refused(model: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_vlm(model)


def test_names_that_are_not_there_are_corrected() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'clip'"):
        load_vlm("seewhy/clib")
    with pytest.raises(UnknownName, match="Did you mean 'ViT-B-16'"):
        load_vlm("open_clip/ViTB-16/openai")
    with pytest.raises(UnknownName, match="There is no folder 'nowhere'"):
        load_vlm("local:nowhere")


def test_a_bare_name_that_one_library_has_is_enough() -> None:
    assert load_vlm("clip").name == "seewhy/clip"


def test_weights_that_are_not_here_say_what_to_do() -> None:
    with pytest.raises(Offline, match="'open_clip/ViT-B-16/openai' are not on this machine"):
        load_vlm("open_clip/ViT-B-16/openai", local_files_only=True)
    with pytest.raises(Offline, match="hf/google/siglip-base-patch16-224"):
        load_vlm("hf/google/siglip-base-patch16-224", local_files_only=True)


def test_a_built_model_brings_its_own_weights() -> None:
    with pytest.raises(InputError, match="weights=None was given with own"):
        load_vlm(Own(), weights=None)


def test_a_folder_that_is_no_model_says_what_it_holds(home: Path) -> None:
    (home / "photos").mkdir()
    (home / "photos" / "cat.jpg").touch()
    with pytest.raises(InputError, match="The folder 'photos' holds cat.jpg"):
        load_vlm("local:photos")


def test_a_fetched_folder_says_itself_what_it_is(home: Path) -> None:
    state = small.bundled().model.state_dict()  # type: ignore[attr-defined]
    safetensors.torch.save_file({k: v.contiguous() for k, v in state.items()}, home / "w.safetensors")
    folder = write_folder("seewhy/clip", {"w.safetensors": home / "w.safetensors"}, home / "models")
    assert load_vlm(f"local:{folder}").fingerprint() == load_vlm("seewhy/clip").fingerprint()


@pytest.mark.gpu
def test_a_device_can_be_named() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    vlm = load_vlm("seewhy/clip", device="cuda")
    assert vlm.encode_texts(["a red star"]).device.type == "cuda"
    bias = torch.zeros(1, 64)
    x = small.pictures(vlm)
    assert torch.allclose(vlm.reattend(x, bias)[:, 0], vlm.encode_images(x), atol=1e-4)
    assert vlm.dense(x).device.type == "cuda"


def test_a_device_that_is_not_there_is_told() -> None:
    with pytest.raises(InputError, match="The device 'warp' cannot be used"):
        load_vlm("seewhy/clip", device="warp")
