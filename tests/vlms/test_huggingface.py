"""CLIP and SigLIP of transformers, from folders as the hub has them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from seewhy.errors import BadArtefact, InputError, MissingExtra
from seewhy.vlms.huggingface import HuggingFaceVLM
from seewhy.vlms.load import load_vlm
from tests.vlms import small

transformers = pytest.importorskip("transformers")
REVISION = "0" * 40


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("SEEWHY_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    return tmp_path


def write_clip(folder: Path) -> Path:
    small.hugging_face_model("clip").save_pretrained(folder)
    small.write_clip_tokenizer(folder)
    write_processor(folder, "CLIPImageProcessor")
    return folder


def write_siglip(folder: Path) -> Path:
    """SigLIP with a tokenizer of whole words, which knows upper case, so that lowering shows."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    small.hugging_face_model("siglip").save_pretrained(folder)
    vocab = {word: i for i, word in enumerate(["<unk>", "</s>", "a", "A", "red", "Red", "star"])}
    core = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    names = {"unk_token": "<unk>", "eos_token": "</s>", "pad_token": "</s>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=core, **names).save_pretrained(folder)
    write_processor(folder, "SiglipImageProcessor")
    return folder


def write_processor(folder: Path, kind: str) -> None:
    size = {"height": 32, "width": 32}
    settings: dict[str, Any] = {
        "image_processor_type": kind,
        "do_resize": True,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.4, 0.3],
        "image_std": [0.5, 0.4, 0.3],
        "resample": 3,
        "size": {"shortest_edge": 32} if kind.startswith("CLIP") else size,
    }
    if kind.startswith("CLIP"):
        settings |= {"do_center_crop": True, "crop_size": size, "do_convert_rgb": True}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


@pytest.mark.parametrize(("write", "shifted"), [(write_clip, False), (write_siglip, True)])
def test_scaled_cosines_are_the_models_own_logits(home: Path, write: Any, shifted: bool) -> None:
    folder = write(home / "tiny")
    vlm, theirs = load_vlm("local:tiny"), transformers.AutoModel.from_pretrained(folder).eval()
    texts = ["a red star", "star"]
    most = 16 if shifted else small.CONTEXT
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    rows = tokenizer(texts, padding="max_length", max_length=most, return_tensors="pt")
    given = {"input_ids": rows["input_ids"]} if shifted else rows
    x = small.pictures(vlm)
    with torch.no_grad():
        logits = theirs(pixel_values=x, **given).logits_per_image
    mine = vlm.scale * vlm.encode_images(x) @ vlm.encode_texts(texts).T + vlm.shift
    assert torch.allclose(mine, logits, atol=1e-4)
    assert (vlm.shift != 0) == shifted and not vlm.untrained and vlm.preprocess.size == (32, 32)


def test_siglips_texts_are_lowered_and_filled_to_their_full_length(home: Path) -> None:
    write_siglip(home / "tiny")
    vlm = load_vlm("local:tiny")
    assert isinstance(vlm, HuggingFaceVLM)
    assert torch.equal(vlm.encode_texts(["A Red star"]), vlm.encode_texts(["a red star"]))
    assert not torch.allclose(vlm.encode_texts(["a red"]), vlm.encode_texts(["a star"]), atol=1e-3)
    rows = vlm._tokens(["A Red star"])
    assert rows.keys() == {"input_ids"}  # trained without a mask
    assert rows["input_ids"].tolist() == [[2, 4, 6] + [1] * 13]


def test_clips_texts_do_not_depend_on_their_company(home: Path) -> None:
    write_clip(home / "tiny")
    vlm = load_vlm("local:tiny")
    together = vlm.encode_texts(["red", "a red star"])
    assert torch.allclose(together[:1], vlm.encode_texts(["red"]), atol=1e-6)


def test_texts_are_not_cut(home: Path) -> None:
    write_clip(home / "tiny")
    vlm = load_vlm("local:tiny")
    vlm.encode_texts(["red " * (small.CONTEXT - 2)])
    with pytest.raises(InputError, match="has 10 tokens"):
        vlm.encode_texts(["red " * (small.CONTEXT - 1)])


def test_the_configurations_activation_is_used_and_told(home: Path) -> None:
    write_clip(home / "tiny")
    quick = load_vlm("local:tiny")
    assert quick.describe()["activation"] == ["quick_gelu"]
    config = json.loads((home / "tiny" / "config.json").read_text())
    for side in ("text_config", "vision_config"):
        config[side]["hidden_act"] = "gelu"
    (home / "tiny" / "config.json").write_text(json.dumps(config))
    plain = load_vlm("local:tiny")
    assert plain.describe()["activation"] == ["gelu"] and plain.fingerprint() != quick.fingerprint()
    x = small.pictures(plain)
    assert float((plain.encode_images(x) - quick.encode_images(x)).abs().max()) > 1e-3


def test_a_hub_name_in_the_cache_is_loaded_offline_with_any_weights(home: Path) -> None:
    repo = home / "HF_HOME" / "hub" / "models--me--tiny"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(REVISION)
    folder = write_clip(repo / "snapshots" / REVISION)
    vlm = load_vlm("hf/me/tiny")
    assert vlm.name == "hf/me/tiny"
    assert torch.equal(
        load_vlm("hf/me/tiny", weights=folder / "model.safetensors").encode_texts(["red"]),
        vlm.encode_texts(["red"]),
    )
    random = load_vlm("hf/me/tiny", weights=None)
    assert random.untrained and random.fingerprint() == load_vlm("hf/me/tiny", weights=None).fingerprint()


def test_weights_without_a_text_side_are_refused(home: Path) -> None:
    file = write_clip(home / "tiny") / "model.safetensors"
    state = {k: v for k, v in safetensors.torch.load_file(file).items() if k != "text_projection.weight"}
    safetensors.torch.save_file(state, file, metadata={"format": "pt"})
    with pytest.raises(BadArtefact, match="lack 1 tensors: text_projection.weight") as caught:
        load_vlm("local:tiny")
    assert "needs both sides and their projections" in str(caught.value)


def test_a_damaged_tokenizer_is_told(home: Path) -> None:
    write_clip(home / "tiny")
    (home / "tiny" / "vocab.json").write_text("{")
    with pytest.raises(BadArtefact, match="The tokenizer of 'local:tiny' does not load"):
        load_vlm("local:tiny")


def test_a_model_of_another_kind_is_refused(home: Path) -> None:
    (home / "vit").mkdir()
    (home / "vit" / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(InputError, match="'local:vit' is a 'vit' model.\n  .*knows clip and siglip"):
        load_vlm("local:vit")


def test_a_folder_without_its_image_processor_asks_for_it(home: Path) -> None:
    (write_clip(home / "tiny") / "preprocessor_config.json").unlink()
    with pytest.raises(InputError, match="has no preprocessing that Seewhy can follow"):
        load_vlm("local:tiny")


def test_a_missing_extra_names_the_line_to_install_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip(home / "tiny")
    monkeypatch.setitem(sys.modules, "transformers", None)
    for name in ("hf/me/tiny", "local:tiny"):
        with pytest.raises(MissingExtra, match="Install it: pip install 'seewhy\\[hf\\]'"):
            load_vlm(name)


def test_siglips_own_tokenizer_without_its_package_is_a_missing_extra(home: Path) -> None:
    try:
        import sentencepiece  # noqa: F401
    except ImportError:
        folder = write_siglip(home / "tiny")
        (folder / "tokenizer.json").unlink()
        (folder / "spiece.model").write_bytes(b"")
        (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "SiglipTokenizer"}))
        with pytest.raises(MissingExtra, match="needs a package that is not installed"):
            load_vlm("local:tiny")
    else:
        pytest.skip("sentencepiece is installed")


def test_half_precision_on_disk_becomes_single(home: Path) -> None:
    folder = write_clip(home / "tiny")
    small.hugging_face_model("clip").half().save_pretrained(folder)
    vlm = load_vlm("local:tiny")
    assert all(
        isinstance(p, nn.Parameter) and p.dtype == torch.float32 for p in vlm._modules()[0].parameters()
    )
