"""A model's name means one thing, or the message says what can be written instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from seewhy.errors import InputError, UnknownName
from seewhy.hub.resolve import ModelName, factories_in, resolve

CATALOGUE = {
    "seewhy": ["resnet-t4", "clip"],
    "timm": ["resnet50", "resnet18d", "vit_tiny_patch16_224"],
    "torchvision": ["resnet50", "alexnet"],
    "open_clip": ["ViT-B-32", "RN50"],
}


def names() -> dict[str, list[str]]:
    return CATALOGUE


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "library", "id_", "tag"),
    [
        ("seewhy/resnet-t4", "seewhy", "resnet-t4", None),
        ("timm/resnet50", "timm", "resnet50", None),
        ("timm/resnet50.a1_in1k", "timm", "resnet50", "a1_in1k"),
        ("torchvision/resnet50@IMAGENET1K_V2", "torchvision", "resnet50", "IMAGENET1K_V2"),
        ("open_clip/ViT-B-32/openai", "open_clip", "ViT-B-32", "openai"),
        ("hf/google/vit-base-patch16-224", "hf", "google/vit-base-patch16-224", None),
        ("hf/google/vit@main", "hf", "google/vit", "main"),
        ("local:models/mine", "local", "models/mine", None),
    ],
)
def test_every_form_is_taken_apart_and_put_together_again(
    text: str, library: str, id_: str, tag: str | None
) -> None:
    parsed = resolve(text)
    assert (parsed.library, parsed.id, parsed.tag) == (library, id_, tag)
    assert str(parsed) == text


def test_a_bare_name_of_one_library_is_accepted_and_the_choice_told() -> None:
    parsed = resolve("alexnet", names)
    assert str(parsed) == "torchvision/alexnet"
    assert parsed.note == "'alexnet' is read as 'torchvision/alexnet'"


def test_a_model_that_comes_with_seewhy_needs_no_prefix() -> None:
    parsed = resolve("resnet-t4", names)
    assert str(parsed) == "seewhy/resnet-t4"
    assert parsed.note == "'resnet-t4' is read as 'seewhy/resnet-t4'"


@pytest.mark.parametrize("text", ["seewhy/resnet-t4@v2", "seewhy/resnet-t4.v2"])
def test_a_model_that_comes_with_seewhy_has_no_tag(text: str) -> None:
    assert resolve(text) == ModelName("seewhy", text.removeprefix("seewhy/"))
    assert str(resolve(text)) == text


def test_the_nearest_of_seewhys_own_names_is_told() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'seewhy/resnet-t4'"):
        resolve("resnet-t5", names)


def test_a_bare_name_keeps_its_tag() -> None:
    assert resolve("resnet18d.ra4_e3600", names) == ModelName(
        "timm", "resnet18d", "ra4_e3600", "'resnet18d.ra4_e3600' is read as 'timm/resnet18d.ra4_e3600'"
    )


def test_a_bare_name_of_two_libraries_prints_both_spellings() -> None:
    with pytest.raises(UnknownName) as caught:
        resolve("resnet50", names)
    assert str(caught.value) == (
        "'resnet50' is in timm and torchvision.\n"
        "  Their weights and preprocessing differ under the same name.\n"
        "  Write 'timm/resnet50' or 'torchvision/resnet50'."
    )


def test_where_no_weights_are_meant_one_library_may_be_preferred_and_is_told() -> None:
    parsed = resolve("resnet50", names, prefer="timm")
    assert str(parsed) == "timm/resnet50"
    assert parsed.note == "'resnet50' is read as 'timm/resnet50' (not torchvision/resnet50)"


def test_an_unknown_name_gets_the_nearest_ones_with_their_libraries() -> None:
    with pytest.raises(UnknownName, match="no model 'alexnett'") as caught:
        resolve("alexnett", names)
    assert "Did you mean 'torchvision/alexnet'" in str(caught.value)
    assert "seewhy models list shows every name." in str(caught.value)


def test_a_name_like_nothing_gets_the_forms() -> None:
    with pytest.raises(UnknownName, match=r"hf/ORG/NAME, local:DIR, FILE.py:FACTORY"):
        resolve("qqqqqq", names)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("tim/resnet50", "Did you mean 'timm/resnet50'?"),
        ("google/vit-base", "Write 'hf/google/vit-base' for the hub, or 'local:google/vit-base'"),
        ("./mine", "or 'local:./mine' for a folder"),
        ("hf-hub:timm/resnet50", "Seewhy writes it 'hf/timm/resnet50'."),
        ("local-dir:mine", "Seewhy writes it 'local:mine'."),
        ("seewy/resnet-t4", "Did you mean 'seewhy/resnet-t4'?"),
        ("seewhy/", "Names have the forms seewhy/NAME, timm/NAME[.TAG]"),
        ("seewhy/a/b", "Names have the forms seewhy/NAME"),
        ("local:", "A folder follows 'local:'."),
        ("timm/", "Names have the forms seewhy/NAME, timm/NAME[.TAG]"),
        ("timm/../x", "Names have the forms"),
        ("hf/a/b/c", "Names have the forms"),
        ("", "Names have the forms"),
    ],
)
def test_a_wrong_form_is_corrected(text: str, advice: str) -> None:
    with pytest.raises(UnknownName) as caught:
        resolve(text, names)
    assert advice in str(caught.value)


def test_an_existing_folder_is_a_local_model(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert resolve("mine") == ModelName("local", "mine")
    assert resolve(str(tmp_path / "mine")).library == "local"


def test_a_library_prefix_wins_over_a_folder_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "timm" / "resnet50").mkdir(parents=True)
    assert resolve("timm/resnet50").library == "timm"
    (tmp_path / "seewhy" / "resnet-t4").mkdir(parents=True)
    assert resolve("seewhy/resnet-t4").library == "seewhy"


def test_a_file_with_a_factory(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("def build(): ...\n")
    assert resolve("net.py:build") == ModelName("file", "net.py", "build")
    assert str(resolve("net.py:build")) == "net.py:build"


@pytest.mark.parametrize("text", ["net.py", "net.py:"])
def test_a_file_without_a_factory_names_the_ones_it_has(tmp_path: Path, text: str) -> None:
    (tmp_path / "net.py").write_text("import os\n_x = 1\ndef build(): ...\nclass Net: ...\n")
    with pytest.raises(InputError, match="names no function") as caught:
        resolve(text)
    assert "Write for example 'net.py:build'." in str(caught.value)
    assert factories_in(tmp_path / "net.py") == ["build", "Net"]


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "network.py").write_text("")
    with pytest.raises(UnknownName, match=r"no file 'netwrok.py'") as caught:
        resolve("netwrok.py:build")
    assert "Did you mean 'network.py'?" in str(caught.value)


def test_a_weights_file_alone_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "best.pth").write_bytes(b"x")
    with pytest.raises(InputError, match="does not say which network") as caught:
        resolve("best.pth")
    assert "-m timm/NAME --weights best.pth" in str(caught.value)
