"""`seewhy layers`: the chosen layer first, and no weights needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seewhy.bundled import cards
from tests.bundled import made
from tests.cli.conftest import Seewhy


def test_a_library_name_needs_no_weights(seewhy: Seewhy) -> None:
    result = seewhy("layers", "timm/test_resnet")
    assert result.code == 0
    first = result.out.splitlines()[1]
    assert first.startswith("*") and "chosen: everything passes through it" in first
    assert "timm/test_resnet.r160_in1k, input 160x160" in result.err


def test_a_bare_name_of_several_libraries_is_told(seewhy: Seewhy) -> None:
    result = seewhy("layers", "alexnet", "--json")
    assert result.code == 0 and "'alexnet' is read as 'torchvision/alexnet'" in result.err
    result = seewhy("layers", "resnet18", "--json")
    assert (
        result.code == 0 and "'resnet18' is read as 'timm/resnet18' (not torchvision/resnet18)" in result.err
    )
    rows = json.loads(result.out)["layers"]
    assert rows[0]["layer"] == "layer4" and rows[0]["chosen"] and rows[0]["grid"] == [7, 7]
    assert rows[0]["stride"] == [32.0, 32.0] and rows[0]["features"] == 512


def test_layers_whose_gradient_is_zero_stand_last_with_the_reason(seewhy: Seewhy) -> None:
    rows = json.loads(seewhy("layers", "timm/vit_tiny_patch16_224", "--json").out)["layers"]
    assert rows[0]["prefix_tokens"] == 1 and rows[0]["usable"]
    usable = [row["usable"] for row in rows]
    assert not usable[-1] and usable == sorted(usable, reverse=True)
    assert "gradient is zero" in rows[-1]["reason"]


def test_a_users_file_on_pictures_that_are_not_square(seewhy: Seewhy) -> None:
    report = json.loads(seewhy("layers", "net.py:build", "--json").out)
    assert report["input"] == [16, 24]
    assert report["layers"][0]["layer"] == "conv" and report["layers"][0]["grid"] == [16, 24]


def test_a_layer_can_be_asked_for(seewhy: Seewhy) -> None:
    result = seewhy("layers", "timm/test_resnet", "--layer", "layer1", "--json")
    assert json.loads(result.out)["layers"][0]["layer"] == "layer1"
    result = seewhy("layers", "timm/test_resnet", "--layer", "fc")
    assert result.code == 1 and "returns nothing that keeps a place" in result.err


def test_rows_are_limited_and_the_rest_counted(seewhy: Seewhy) -> None:
    result = seewhy("layers", "timm/test_resnet", "--top-k", "2")
    assert len(result.out.splitlines()) == 3
    assert "more; --top-k" in result.err


def test_an_unknown_name_is_1_and_the_hub_offline_3(seewhy: Seewhy) -> None:
    result = seewhy("layers", "timm/resnt18")
    assert result.code == 1 and "Did you mean 'resnet18'" in result.err
    assert seewhy("layers", "hf/google/vit-base-patch16-224").code == 3


@pytest.mark.parametrize(
    ("kind", "size", "grid"), [("resnet", 96, [12, 12]), ("vit", 96, [12, 12]), ("clip", 64, [8, 8])]
)
def test_models_that_come_with_seewhy_need_neither_weights_nor_classes(
    kind: str, size: int, grid: list[int], seewhy: Seewhy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{kind}-made.json").write_text(made.card(kind).to_json())
    monkeypatch.setattr(cards, "FOLDER", tmp_path)
    report = json.loads(seewhy("layers", f"seewhy/{kind}-made", "--json").out)
    assert report["model"] == f"seewhy/{kind}-made" and report["input"] == [size, size]
    assert report["layers"][0]["chosen"] and report["layers"][0]["grid"] == grid
