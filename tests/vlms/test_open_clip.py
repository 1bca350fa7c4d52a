"""open_clip's models: their own embeddings, their own words, and the activation that their weights need."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from seewhy.bundled.words import WordTokenizer
from seewhy.errors import BadArtefact, InputError, UnknownName
from seewhy.images.preprocess import Preprocess
from seewhy.vlms.load import load_vlm
from seewhy.vlms.open_clip import OpenClipVLM
from tests.vlms import small

VOCABULARY = 49408
TEXTS = ["a red beak", "stripes"]
CFG: dict[str, Any] = {
    "embed_dim": small.DIM,
    "vision_cfg": {
        "image_size": [32, 48],
        "patch_size": 8,
        "width": 32,
        "layers": 3,
        "head_width": 8,
        "mlp_ratio": 2.0,
    },
    "text_cfg": {
        "context_length": small.CONTEXT,
        "width": 16,
        "heads": 2,
        "layers": 2,
        "vocab_size": VOCABULARY,
    },
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and two small architectures in open_clip's lists, one of them of quick GELUs."""
    import open_clip.factory
    import open_clip.pretrained

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEEWHY_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "Small", CFG)
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "Small-quickgelu", {**CFG, "quick_gelu": True})
    preprocess = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "interpolation": "bilinear"}
    tags = {
        "quick": {"url": "https://x/quick.safetensors", "quick_gelu": True, **preprocess},
        "plain": {"url": "https://x/plain.safetensors", **preprocess},
    }
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "Small", tags)
    return tmp_path


@pytest.fixture
def model() -> Any:
    """One set of weights, in a network of plain GELUs."""
    return small.open_clip_model(vocab=VOCABULARY)


def with_activation(model: Any, quick_gelu: bool) -> tuple[Tensor, Tensor]:
    """What the weights say of a picture and two texts, through open_clip alone."""
    import open_clip

    other = small.open_clip_model(quick_gelu=quick_gelu, vocab=VOCABULARY)
    other.load_state_dict(model.state_dict())
    rows = open_clip.SimpleTokenizer(context_length=small.CONTEXT)(TEXTS)
    with torch.no_grad():
        found = other.encode_image(picture()), other.encode_text(rows)
    return nn.functional.normalize(found[0], dim=-1), nn.functional.normalize(found[1], dim=-1)


def picture() -> Tensor:
    return torch.randn(1, 3, 32, 48, generator=torch.Generator().manual_seed(2))


def on_shelf(home: Path, tag: str, state: dict[str, Tensor]) -> None:
    folder = home / "models" / "open_clip" / "Small" / tag
    folder.mkdir(parents=True)
    safetensors.torch.save_file({k: v.contiguous() for k, v in state.items()}, folder / "w.safetensors")


def assert_says(vlm: Any, expected: tuple[Tensor, Tensor]) -> None:
    assert torch.allclose(vlm.encode_images(picture()), expected[0], atol=1e-5)
    assert torch.allclose(vlm.encode_texts(TEXTS), expected[1], atol=1e-5)


def test_the_two_activations_give_different_embeddings(model: Any) -> None:
    # By 100 times the tolerance of the tests below, else they could not fail.
    quick, plain = with_activation(model, True), with_activation(model, False)
    assert all(float((a - b).abs().max()) > 1e-3 for a, b in zip(quick, plain, strict=True))


@pytest.mark.parametrize(
    ("tag", "quick", "kind", "words"),
    [
        (
            "quick",
            True,
            "QuickGELU",
            "as the weights 'quick' were trained; the architecture alone says GELU.",
        ),
        ("plain", False, "GELU", "GELU, as the architecture says."),
    ],
)
def test_a_tag_decides_the_activation(
    home: Path, model: Any, tag: str, quick: bool, kind: str, words: str
) -> None:
    on_shelf(home, tag, model.state_dict())
    vlm = load_vlm(f"open_clip/Small/{tag}")
    assert_says(vlm, with_activation(model, quick))
    said = vlm.describe()
    assert (
        said["activation"] == [kind] and words in said["notes"][0] and said["id"] == f"open_clip/Small/{tag}"
    )


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("name", ["open_clip/Small", "open_clip/Small-quickgelu"])
def test_weights_in_openais_archive_get_quick_gelu_whatever_the_architecture_says(
    home: Path, model: Any, name: str, suffix: str
) -> None:
    state = {key: value.half() for key, value in model.state_dict().items()}
    rounded = model.half().float()
    for mark in ("input_resolution", "context_length", "vocab_size"):
        state[mark] = torch.tensor(32)
    path = home / f"ViT{suffix}"
    torch.save(state, path) if suffix == ".pt" else safetensors.torch.save_file(state, path)
    vlm = load_vlm(name, weights=path)
    assert_says(vlm, with_activation(rounded, True))
    mended = "; the architecture alone says GELU" if name == "open_clip/Small" else ""
    assert vlm.notes == (
        f"Its activation is QuickGELU, because the weights are in OpenAI's archive{mended}.",
    )


@pytest.mark.parametrize(("name", "quick"), [("Small", False), ("Small-quickgelu", True)])
def test_a_plain_file_follows_the_architecture_and_says_so(
    home: Path, model: Any, name: str, quick: bool
) -> None:
    torch.save(model.state_dict(), home / "w.pt")
    vlm = load_vlm(f"open_clip/{name}", weights=home / "w.pt")
    assert_says(vlm, with_activation(model, quick))
    assert "the weights file says nothing of its activation" in vlm.notes[0]


def test_the_same_weights_with_another_activation_are_another_model(home: Path, model: Any) -> None:
    torch.save(model.state_dict(), home / "w.pt")
    one, other = (load_vlm(f"open_clip/Small{end}", weights=home / "w.pt") for end in ("", "-quickgelu"))
    assert one.fingerprint() != other.fingerprint()
    assert one.fingerprint() == load_vlm("open_clip/Small", weights=home / "w.pt").fingerprint()


def test_an_archive_with_code_is_refused_with_the_way_out(home: Path) -> None:
    with zipfile.ZipFile(home / "ViT.pt", "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/model.py"):
            archive.writestr(f"ViT/{name}", b"")
    with pytest.raises(BadArtefact, match="is a TorchScript archive, code and weights in one") as caught:
        load_vlm("open_clip/Small", weights=home / "ViT.pt")
    assert "torch.jit.load(FILE).state_dict()" in str(caught.value)


def test_random_weights_are_the_same_ones_and_marked() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    vlm = load_vlm("open_clip/Small", weights=None)
    assert torch.equal(before, torch.get_rng_state()) and vlm.untrained
    torch.rand(5)
    assert vlm.fingerprint() == load_vlm("open_clip/Small", weights=None).fingerprint()


def test_its_loss_has_a_scale_and_perhaps_a_shift(model: Any) -> None:
    tokenizer = WordTokenizer(small.WORDS, small.CONTEXT)
    vlm = OpenClipVLM(model, tokenizer, name="mine", preprocess=small.recipe(model))
    assert vlm.scale == pytest.approx(1 / 0.07, rel=1e-4) and vlm.shift == 0.0
    model.logit_bias = nn.Parameter(torch.tensor([-10.0]))
    assert OpenClipVLM(model, tokenizer, name="mine", preprocess=small.recipe(model)).shift == -10.0


def test_texts_are_not_cut() -> None:
    vlm = load_vlm("open_clip/Small", weights=None)
    fits = " ".join(["red"] * (small.CONTEXT - 2))
    assert vlm.encode_texts([fits]).shape == (1, small.DIM)
    with pytest.raises(InputError, match=r"has 10 tokens.\n  The model reads at most 9"):
        vlm.encode_texts(["red", fits + " red"])


def test_a_module_without_its_preprocessing_asks_for_it(model: Any) -> None:
    with pytest.raises(InputError, match="'mine' came without its preprocessing"):
        OpenClipVLM(model, WordTokenizer(small.WORDS, small.CONTEXT), name="mine")
    model.visual.preprocess_cfg = {
        "size": (32, 48),
        "mean": (0.5,) * 3,
        "std": (0.5,) * 3,
        "resize_mode": "squash",
    }
    vlm = OpenClipVLM(model, WordTokenizer(small.WORDS, small.CONTEXT), name="mine")
    assert isinstance(vlm.preprocess, Preprocess) and vlm.preprocess.fit == "stretch"


def test_names_and_tags_that_are_not_there_are_corrected() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'quick'"):
        load_vlm("open_clip/Small/quik")
    with pytest.raises(InputError, match="'open_clip/Small' has 2 sets of weights"):
        load_vlm("open_clip/Small")


def test_tokenizers_of_transformers_are_asked_for_their_length_too(home: Path, model: Any) -> None:
    pytest.importorskip("transformers")
    import open_clip

    small.write_clip_tokenizer(home)
    tokenizer = open_clip.tokenizer.HFTokenizer(str(home), context_length=small.CONTEXT)
    vlm = OpenClipVLM(model, tokenizer, name="mine", preprocess=small.recipe(model))
    assert vlm.encode_texts(["red " * (small.CONTEXT - 2)]).shape == (1, small.DIM)
    with pytest.raises(InputError, match="has 10 tokens"):
        vlm.encode_texts(["red " * (small.CONTEXT - 1)])
