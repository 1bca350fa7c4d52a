"""Any model in one call: names with random or cached weights, folders, modules - and errors that help."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from seewhy.backbones.base import Backbone
from seewhy.backbones.load import info, load_backbone
from seewhy.errors import BadArtefact, InputError, NotSupported, Offline, UnknownName
from seewhy.hub.store import write_folder
from seewhy.images.picture import Picture
from seewhy.images.preprocess import Preprocess

TIMM = "timm/test_resnet.r160_in1k"
REVISION = "0" * 40


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches and an empty working folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("SEEWHY_HOME", "HF_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    return tmp_path


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    """Weights that are not those of random initialisation."""
    import timm

    with torch.random.fork_rng():
        torch.manual_seed(5)
        return dict(timm.create_model("test_resnet").state_dict())


def picture(height: int = 50, width: int = 70) -> Picture:
    return Picture(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def in_hub_cache(home: Path, repo: str) -> Path:
    folder = home / "HF_HOME" / "hub" / f"models--{repo.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(REVISION)
    (folder / "snapshots" / REVISION).mkdir(parents=True)
    return folder / "snapshots" / REVISION


# ---------------------------------------------------------------------- random weights


@pytest.mark.parametrize(
    ("name", "n_classes", "first"),
    [
        ("timm/test_vit", 1000, "tench"),
        ("torchvision/squeezenet1_1", 1000, "tench"),
        ("torchvision/googlenet", 1000, "tench"),
        ("open_clip/RN50", 2, "class 0"),
    ],
)
def test_random_weights_need_no_file_and_are_marked(name: str, n_classes: int, first: str) -> None:
    backbone = load_backbone(name, weights=None)
    assert backbone.untrained and backbone.describe()["untrained"]
    assert not backbone.module.training
    assert backbone.class_name(0) == first
    with torch.no_grad():
        assert backbone.logits(backbone.tensor([picture()]).x).shape == (1, n_classes)


def test_random_weights_are_the_same_ones_and_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = load_backbone("timm/test_vit", weights=None)
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(7)
    assert first.fingerprint() == load_backbone("timm/test_vit", weights=None).fingerprint()


def test_timm_tells_its_class_tokens() -> None:
    assert load_backbone("timm/vit_tiny_patch16_224", weights=None)._prefix_hint == 1
    assert load_backbone("timm/test_vit4", weights=None).layer().layer.prefix == 1


def test_class_names_of_imagenet_are_all_different() -> None:
    for name in ("timm/test_resnet", "torchvision/alexnet"):
        classes = load_backbone(name, weights=None).classes
        assert classes is not None and classes[207] == "golden retriever"
    import timm

    from seewhy.backbones.timm import class_names

    assert len(set(class_names(timm.create_model("test_resnet")) or ())) == 1000


# ---------------------------------------------------------------------- weights of the name


def test_timm_weights_in_the_hub_cache_are_loaded_offline(home: Path, state: dict[str, torch.Tensor]) -> None:
    safetensors.torch.save_file(state, in_hub_cache(home, TIMM) / "model.safetensors")
    backbone = load_backbone(TIMM)
    assert backbone.name == TIMM and not backbone.untrained
    assert all(torch.equal(value, state[key]) for key, value in backbone.module.state_dict().items())
    assert load_backbone("timm/test_resnet").name == TIMM


def test_torchvision_gives_the_same_logits_as_torchvision_itself(home: Path) -> None:
    from torchvision import models

    entry = models.GoogLeNet_Weights.IMAGENET1K_V1
    checkpoint = home / "TORCH_HOME" / "hub" / "checkpoints" / Path(entry.url).name
    checkpoint.parent.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        torch.save(models.googlenet(aux_logits=True, init_weights=False).state_dict(), checkpoint)
    backbone = load_backbone("torchvision/googlenet")
    theirs = models.googlenet(weights=entry).eval()
    x = backbone.tensor([picture()]).x
    with torch.no_grad():
        assert torch.equal(backbone.logits(x), theirs(x))
    assert backbone.name == "torchvision/googlenet@IMAGENET1K_V1"


def test_old_densenet_names_are_understood(home: Path) -> None:
    import re

    from torchvision import models

    url = models.DenseNet121_Weights.DEFAULT.url
    checkpoint = home / "TORCH_HOME" / "hub" / "checkpoints" / Path(url).name
    checkpoint.parent.mkdir(parents=True)
    own = models.densenet121().state_dict()
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", key): value for key, value in own.items()
    }
    assert old.keys() != own.keys()
    torch.save(old, checkpoint)
    loaded = load_backbone("torchvision/densenet121").module.state_dict()
    assert all(torch.equal(loaded[key], own[key]) for key in own)


def test_open_clip_logits_are_scaled_similarities_to_the_words(home: Path) -> None:
    import open_clip

    with torch.random.fork_rng():
        torch.manual_seed(2)
        clip = open_clip.create_model("RN50-quickgelu", pretrained_text=False).eval()
    torch.save(clip.state_dict(), home / "clip.pt")
    words = ["cat", "dog", "a very long name of a thing"]
    backbone = load_backbone("open_clip/RN50/openai", weights=home / "clip.pt", classes=words)
    x = backbone.tensor([picture(), picture(90, 41)]).x
    tokens = open_clip.get_tokenizer("RN50")([f"a photo of a {word}" for word in words])
    with torch.no_grad():
        image, text, scale = clip(x, tokens)
        assert torch.allclose(backbone.logits(x), scale * image @ text.T, atol=1e-5)
    assert backbone.classes == tuple(words)


def test_a_fetched_folder_is_found_and_can_be_named(home: Path, state: dict[str, torch.Tensor]) -> None:
    safetensors.torch.save_file(state, home / "w.safetensors")
    folder = write_folder(TIMM, {"model.safetensors": home / "w.safetensors"}, home / "models")
    first = load_backbone(TIMM)
    assert torch.equal(first.module.state_dict()["conv1.0.weight"], state["conv1.0.weight"])
    assert load_backbone(f"local:{folder}").fingerprint() == first.fingerprint()


@pytest.mark.parametrize(
    ("name", "size"), [(TIMM, ""), ("torchvision/resnet50", r" \(98 MB\)"), ("hf/google/vit", "")]
)
def test_without_weights_it_is_offline(name: str, size: str) -> None:
    with pytest.raises(Offline, match=rf"{size} are not on this machine.*SEEWHY_OFFLINE=1") as caught:
        load_backbone(name)
    assert "--weights none" in str(caught.value)


def test_local_files_only_forbids_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEEWHY_OFFLINE")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with pytest.raises(Offline, match="local_files_only=True"):
        load_backbone(TIMM, local_files_only=True)


def test_damaged_cached_weights_are_a_bad_artefact(home: Path) -> None:
    (in_hub_cache(home, TIMM) / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(BadArtefact, match=r"do not load") as caught:
        load_backbone(TIMM)
    assert "Remove the file so that it is fetched again" in str(caught.value)


# ---------------------------------------------------------------------- weights that are given


def test_given_weights_are_loaded(home: Path, state: dict[str, torch.Tensor]) -> None:
    safetensors.torch.save_file(state, home / "best.safetensors")
    for weights in (home / "best.safetensors", "best.safetensors", "local:best.safetensors", home):
        backbone = load_backbone("timm/test_resnet", weights=weights)
        assert torch.equal(backbone.module.state_dict()["conv1.0.weight"], state["conv1.0.weight"])


def test_given_weights_that_do_not_fit_are_named(home: Path, state: dict[str, torch.Tensor]) -> None:
    safetensors.torch.save_file({"other": torch.zeros(1)}, home / "best.safetensors")
    with pytest.raises(BadArtefact, match=r"1 unexpected: other"):
        load_backbone("timm/test_resnet", weights=home / "best.safetensors")


def test_given_weights_with_nan_are_refused(home: Path, state: dict[str, torch.Tensor]) -> None:
    state["fc.bias"][0] = float("nan")
    safetensors.torch.save_file(state, home / "best.safetensors")
    with pytest.raises(InputError, match="'fc.bias' in .*best.safetensors holds NaN"):
        load_backbone("timm/test_resnet", weights=home / "best.safetensors")


def test_a_tag_is_no_path(home: Path) -> None:
    with pytest.raises(InputError, match="weights is 'IMAGENET1K_V2', which is no weights file") as caught:
        load_backbone("torchvision/resnet50", weights="IMAGENET1K_V2")
    assert "torchvision/resnet50@IMAGENET1K_V2" in str(caught.value)


# ---------------------------------------------------------------------- folders


def test_a_folder_in_timms_form(home: Path, state: dict[str, torch.Tensor]) -> None:
    import timm
    from timm.models import save_for_hf

    model = timm.create_model("test_resnet", num_classes=3)
    save_for_hf(model, home / "mine", model_config={"label_names": ["a", "b", "c"]}, safe_serialization=True)
    backbone = load_backbone("mine")
    assert backbone.name == "local:mine" and backbone.class_name(2) == "c"
    assert torch.equal(backbone.module.fc.weight, model.fc.weight)  # type: ignore[union-attr,arg-type]
    assert load_backbone("mine", weights=None).untrained


@pytest.fixture
def tiny_hf(home: Path) -> Path:
    """A folder with a small Hugging Face ViT and its image processor."""
    import transformers

    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
        id2label={0: "cat", 1: "dog", 2: "fish"},
        label2id={"cat": 0, "dog": 1, "fish": 2},
    )
    transformers.ViTForImageClassification(config).save_pretrained(home / "tiny")
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(home / "tiny")
    return home / "tiny"


def test_a_folder_of_hugging_face(tiny_hf: Path) -> None:
    import transformers

    backbone = load_backbone("local:tiny")
    assert backbone.classes == ("cat", "dog", "fish")
    assert backbone.preprocess is not None and backbone.preprocess.size == (32, 32)
    theirs = transformers.ViTForImageClassification.from_pretrained(tiny_hf).eval()
    x = backbone.tensor([picture()]).x
    with torch.no_grad():
        assert torch.allclose(backbone.logits(x), theirs(x).logits)
    assert backbone.layer().layer.grid == (4, 4)


def test_a_hub_name_in_the_cache_is_loaded_offline(home: Path, tiny_hf: Path) -> None:
    for file in tiny_hf.iterdir():
        (in_cache := home / "HF_HOME" / "hub" / "models--me--tiny" / "snapshots" / REVISION).mkdir(
            parents=True, exist_ok=True
        )
        (in_cache / file.name).write_bytes(file.read_bytes())
    refs = home / "HF_HOME" / "hub" / "models--me--tiny" / "refs"
    refs.mkdir()
    (refs / "main").write_text(REVISION)
    assert load_backbone("hf/me/tiny").classes == ("cat", "dog", "fish")
    assert load_backbone("hf/me/tiny", weights=None).untrained


def test_a_model_without_a_trained_head_is_refused(tiny_hf: Path) -> None:
    file = tiny_hf / "model.safetensors"
    state = {k: v for k, v in safetensors.torch.load_file(file).items() if not k.startswith("classifier")}
    safetensors.torch.save_file(state, file, metadata={"format": "pt"})
    with pytest.raises(BadArtefact, match=r"lack 2 tensors: classifier.bias, classifier.weight") as caught:
        load_backbone("local:tiny")
    assert "trained classification head" in str(caught.value)


def test_a_model_that_is_no_classifier_is_refused(home: Path) -> None:
    (home / "words").mkdir()
    (home / "words" / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(InputError, match="is a 'bert' model"):
        load_backbone("local:words")


def test_a_processor_that_does_something_else_leaves_no_recipe(tiny_hf: Path) -> None:
    path = tiny_hf / "preprocessor_config.json"
    settings = json.loads(path.read_text()) | {"do_resize": False}
    path.write_text(json.dumps(settings))
    assert load_backbone("local:tiny").preprocess is None


def test_a_folder_that_is_no_model_says_what_it_holds(home: Path) -> None:
    (home / "photos").mkdir()
    (home / "photos" / "cat.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"'photos' holds cat.jpg") as caught:
        load_backbone("photos")
    assert "config.json of timm or transformers" in str(caught.value)
    with pytest.raises(UnknownName, match="There is no folder 'nowhere'"):
        load_backbone("local:nowhere")


# ---------------------------------------------------------------------- names that do not exist


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("timm/resnt50", "timm has no model 'resnt50'.\n  Did you mean 'resnet50'"),
        ("timm/resnet50.a9_in1k", "timm has no weights 'a9_in1k' for 'resnet50'.\n  Did you mean"),
        ("torchvision/resnet51", "torchvision has no classifier 'resnet51'.\n  Did you mean 'resnet50'"),
        ("torchvision/resnet50@V3", "They are: IMAGENET1K_V1, IMAGENET1K_V2."),
        ("torchvision/fcn_resnet50", "torchvision has no classifier 'fcn_resnet50'"),
        ("open_clip/ViT-B-33", "open_clip has no architecture 'ViT-B-33'.\n  Did you mean 'ViT-B-32'"),
        ("open_clip/RN50/opanai", "Did you mean 'openai'"),
        ("resnet50", "Write 'timm/resnet50' or 'torchvision/resnet50'."),
    ],
)
def test_unknown_names_get_the_nearest(name: str, said: str) -> None:
    with pytest.raises(UnknownName) as caught:
        load_backbone(name, classes=["a", "b"])
    assert said in str(caught.value)


def test_open_clip_needs_words_and_a_tag() -> None:
    with pytest.raises(InputError, match="compares pictures with words, and no class names were given"):
        load_backbone("open_clip/RN50/openai")
    with pytest.raises(InputError, match=r"'open_clip/RN50' has 3 sets of weights") as caught:
        load_backbone("open_clip/RN50", classes=["a", "b"])
    assert "Write for example 'open_clip/RN50/openai'." in str(caught.value)


# ---------------------------------------------------------------------- objects, and what the user says


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> Any:
        return {"logits": self.head(self.conv(x).relu().mean((2, 3)))}


def test_a_module_is_wrapped_as_it_is() -> None:
    module = Small().train()
    recipe = Preprocess(size=16)
    backbone = load_backbone(module, preprocess=recipe, classes=["a", "b"], layer="conv")
    assert backbone.module is module and module.training
    assert backbone.preprocess is recipe and backbone.given_layer == "conv"
    assert not backbone.untrained


def test_a_backbone_is_itself_unless_something_is_said() -> None:
    backbone = Backbone(
        Small(), preprocess=Preprocess(size=16), classes=["a", "b"], layer="conv", name="mine"
    )
    assert load_backbone(backbone) is backbone
    changed = load_backbone(backbone, classes=["c", "d"])
    assert changed.classes == ("c", "d") and changed.module is backbone.module
    assert (changed.preprocess, changed.given_layer, changed.name) == (backbone.preprocess, "conv", "mine")


def test_a_module_of_timm_keeps_its_configuration_and_says_where_it_is_from() -> None:
    import timm

    backbone = load_backbone(timm.create_model("test_resnet"))
    assert backbone.preprocess is not None and backbone.preprocess.size == (160, 160)
    assert "check that it fits the weights" in backbone.preprocess.source
    assert backbone.class_name(0) == "tench"


def test_a_module_of_transformers_keeps_its_labels() -> None:
    import transformers

    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], id2label={0: "cat", 1: "dog"}
    )
    backbone = load_backbone(transformers.ResNetForImageClassification(config))
    assert backbone.classes == ("cat", "dog") and backbone.preprocess is None


def test_the_number_of_names_must_be_the_number_of_classes() -> None:
    with pytest.raises(InputError, match=r"classes has 2 names.\n.* has 1000 classes"):
        load_backbone("timm/test_vit", weights=None, classes=["a", "b"])


def test_class_names_may_stand_in_a_file(home: Path) -> None:
    (home / "c.txt").write_text("left\nright\n")
    assert load_backbone(Small(), classes="c.txt").classes == ("left", "right")


@pytest.mark.parametrize("weights", [None, "w.pth"])
def test_a_built_network_brings_its_own_weights(weights: str | None) -> None:
    with pytest.raises(InputError, match=r"was given with Small") as caught:
        load_backbone(Small(), weights=weights)
    assert "Leave weights out" in str(caught.value)


def test_something_else_is_refused() -> None:
    with pytest.raises(InputError, match="A backbone wraps a torch.nn.Module"):
        load_backbone(lambda x: x)


def test_devices() -> None:
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert load_backbone(Small(), device="auto").device.type == best
    assert load_backbone(Small(), device="cpu").device.type == "cpu"
    for wrong in ("cpuu", "cuda:99"):
        with pytest.raises(InputError, match=f"The device '{wrong}' cannot be used") as caught:
            load_backbone(Small(), device=wrong)
        assert "seewhy doctor lists the devices" in str(caught.value)


def test_info_looks_a_name_up_without_loading() -> None:
    found = info("torchvision/resnet50")
    assert found.id == "torchvision/resnet50@IMAGENET1K_V2" and found.n_classes == 1000
    assert info("timm/resnet50").id == "timm/resnet50.a1_in1k"
    assert info("open_clip/ViT-B-32/openai").preprocess.startswith("resize short side to 224 (bicubic)")
    assert info("hf/google/vit").id == "hf/google/vit"
    with pytest.raises(NotSupported, match="is a folder"):
        info("local:x")


def test_a_missing_extra_names_the_line_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from seewhy.errors import MissingExtra

    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra) as caught:
        load_backbone("hf/google/vit")
    assert "Install it: pip install 'seewhy[hf]'." in str(caught.value)
