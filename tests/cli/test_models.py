"""`seewhy models`: names, what is known about them, and folders that can be carried and checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from seewhy.bundled import cards
from tests.bundled import made
from tests.cli.conftest import Seewhy

REVISION = "0" * 40


def test_names_are_listed_by_wildcards_and_library(seewhy: Seewhy) -> None:
    lines = seewhy("models", "list", "*resnet50").out.splitlines()
    assert {"timm/resnet50", "torchvision/resnet50"} <= set(lines)
    assert all(line.endswith("resnet50") for line in lines)
    assert json.loads(seewhy("models", "list", "torchvision/vit_b*", "--json").out) == [
        "torchvision/vit_b_16",
        "torchvision/vit_b_32",
    ]


def test_everything_is_listed_without_a_pattern(seewhy: Seewhy) -> None:
    result = seewhy("models")
    names = result.out.splitlines()
    assert len(names) > 1000 and {name.partition("/")[0] for name in names} == {
        "seewhy",
        "timm",
        "torchvision",
        "open_clip",
    }
    assert f"{len(names)} names" in result.err
    assert seewhy("models", "list").out == result.out


def test_a_pattern_that_matches_nothing_is_told(seewhy: Seewhy) -> None:
    result = seewhy("models", "list", "resnet51")
    assert result.code == 1 and "No model matches 'resnet51'." in result.err and "Did you mean" in result.err


def test_methods_are_listed_with_what_they_need(seewhy: Seewhy) -> None:
    rows = {row["name"]: row for row in json.loads(seewhy("models", "--methods", "--json").out)}
    assert rows["gradcam"]["needs"] == ["features", "gradient"]
    assert "arXiv 1610.02391" in rows["gradcam"]["paper"]
    assert "gradcam" in seewhy("models", "--methods").out


def test_info_tells_what_is_known(seewhy: Seewhy) -> None:
    found = json.loads(seewhy("models", "info", "torchvision/resnet50", "--json").out)
    assert found["id"] == "torchvision/resnet50@IMAGENET1K_V2" and found["classes"] == 1000
    assert found["on_this_machine"] is None
    text = seewhy("models", "info", "timm/resnet50.a1_in1k").out
    assert "licence: apache-2.0" in text and "on this machine: no" in text
    assert "preprocess: resize short side to 235 (bicubic), crop 224x224" in text


def test_info_of_an_unknown_name_is_told(seewhy: Seewhy) -> None:
    result = seewhy("models", "info", "resnet50")
    assert result.code == 1 and "Write 'timm/resnet50' or 'torchvision/resnet50'." in result.err


@pytest.fixture
def bundled(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A classifier and an image-text model of random numbers in the place of those that come with Seewhy."""
    folder = workplace / "weights"
    folder.mkdir()
    for kind in ("resnet", "clip"):
        made.write(folder, made.card(kind))
    monkeypatch.setattr(cards, "FOLDER", folder)
    return folder


def test_models_that_come_with_seewhy_are_listed_first(bundled: Path, seewhy: Seewhy) -> None:
    assert seewhy("models", "list", "seewhy/*").out == "seewhy/clip-made\nseewhy/resnet-made\n"
    assert seewhy("models", "list").out.startswith("seewhy/clip-made\nseewhy/resnet-made\n")


def test_info_of_a_model_that_comes_with_seewhy(bundled: Path, seewhy: Seewhy) -> None:
    lines = seewhy("models", "info", "seewhy/resnet-made").out.splitlines()
    size = (bundled / "resnet-made.safetensors").stat().st_size / 1e6
    assert {
        "id: seewhy/resnet-made",
        "title: Is it a star? (resnet)",
        "task: T2",
        "classes: 3",
        "licence: Apache-2.0",
        "source: trained on Seewhy's world w9, commit 0123456789ab",
        f"megabytes: {size:.2f}",
        f"on this machine: {bundled / 'resnet-made.safetensors'}",
    } <= set(lines)
    assert any(line.startswith("preprocess: resize short side to 96 (bilinear)") for line in lines)
    assert not any(line.startswith("words") for line in lines)


def test_info_of_an_image_text_model_shows_its_words(bundled: Path, seewhy: Seewhy) -> None:
    assert (
        "words: a, red, blue, star, disk, grass, on" in seewhy("models", "info", "clip-made").out.splitlines()
    )
    found = json.loads(seewhy("models", "info", "seewhy/clip-made", "--json").out)
    assert found["words"] == list(made.WORDS) and found["classes"] is None


def test_a_model_that_comes_with_seewhy_needs_no_fetching(
    bundled: Path, seewhy: Seewhy, workplace: Path
) -> None:
    result = seewhy("models", "fetch", "seewhy/resnet-made", "--to", "stick")
    assert result.code == 0 and result.out == f"{bundled}\n"
    assert "seewhy/resnet-made comes with Seewhy and is whole" in result.err
    assert not (workplace / "stick").exists()
    assert json.loads(seewhy("models", "fetch", "resnet-made", "--json").out) == {
        "id": "seewhy/resnet-made",
        "folder": str(bundled),
        "files": ["resnet-made.safetensors"],
    }


def test_a_damaged_model_is_told_instead_of_fetched(bundled: Path, seewhy: Seewhy) -> None:
    (bundled / "resnet-made.safetensors").write_bytes(b"damaged")
    for verb in ("info", "fetch"):
        result = seewhy("models", verb, "seewhy/resnet-made")
        assert result.code == 1 and "is not the file that its card speaks of" in result.err


@pytest.fixture
def cached(workplace: Path) -> dict[str, torch.Tensor]:
    """Weights of timm/test_resnet in the hub's cache."""
    import timm

    folder = workplace / "caches" / "HF_HOME" / "hub" / "models--timm--test_resnet.r160_in1k"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(REVISION)
    (folder / "snapshots" / REVISION).mkdir(parents=True)
    state = dict(timm.create_model("test_resnet").state_dict())
    safetensors.torch.save_file(state, folder / "snapshots" / REVISION / "model.safetensors")
    return state


def test_a_fetched_model_is_carried_to_another_machine(
    cached: dict[str, torch.Tensor], seewhy: Seewhy, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = seewhy("models", "fetch", "timm/test_resnet", "--to", "stick")
    assert result.code == 0
    assert result.out == "stick/timm/test_resnet.r160_in1k\n"
    assert seewhy("models", "verify", "stick").out == "timm/test_resnet.r160_in1k: ok\n"
    monkeypatch.setenv("HF_HOME", str(workplace / "another machine"))
    assert seewhy("explain", "cat.png", "-m", "timm/test_resnet").code == 3
    (workplace / "stick").rename(workplace / "models")
    result = seewhy("explain", "cat.png", "-m", "timm/test_resnet", "--top-k", "1")
    assert result.code == 0 and "untrained" not in result.out


def test_damage_on_the_way_is_found(cached: dict[str, torch.Tensor], seewhy: Seewhy, workplace: Path) -> None:
    seewhy("models", "fetch", "timm/test_resnet", "--to", "stick")
    file = workplace / "stick" / "timm" / "test_resnet.r160_in1k" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x7f")
    result = seewhy("models", "verify", "stick", "--json")
    assert result.code == 1
    assert "its SHA-256 differs" in json.loads(result.out)["timm/test_resnet.r160_in1k"][0]


def test_fetching_offline_is_3(seewhy: Seewhy) -> None:
    result = seewhy("models", "fetch", "torchvision/resnet18")
    assert result.code == 3 and "(45 MB)" in result.err


def test_verify_of_another_folder_is_told(seewhy: Seewhy) -> None:
    result = seewhy("models", "verify", "photos")
    assert result.code == 1 and "photos has no seewhy.json" in result.err


def test_path_prints_the_places_in_order(seewhy: Seewhy, workplace: Path) -> None:
    places = json.loads(seewhy("models", "path", "--json").out)
    assert [place["name"] for place in places] == [
        "./models",
        "$SEEWHY_HOME/models",
        "$HF_HOME",
        "$TORCH_HOME",
    ]
    assert places[0] == {"name": "./models", "path": str(workplace / "models"), "exists": False}
