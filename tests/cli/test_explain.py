"""`seewhy explain`: any photographs, any model, one answer each, written where it was asked for."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from seewhy.bundled import cards
from tests.bundled import made
from tests.cli.conftest import Seewhy

NET = "net.py:build"


def test_one_photograph_gives_one_answer_that_adds_up(seewhy: Seewhy) -> None:
    result = seewhy("explain", "cat.png", "-m", NET, "--json")
    assert result.code == 0
    answer = json.loads(result.out)
    assert answer["schema"] == "seewhy.explanation/1"
    parts = [c["contribution"] for c in answer["concepts"]] + [answer["bias"], answer["remainder"]]
    allowed = 1e-4 * sum(abs(part) for part in parts)
    assert sum(parts) == pytest.approx(answer["target"]["logit"], abs=allowed)
    assert answer["model"]["id"] == NET


def test_the_text_names_picture_class_model_and_rest(seewhy: Seewhy) -> None:
    result = seewhy("explain", "cat.png", "-m", NET, "--top-k", "1")
    assert result.code == 0 and result.err == ""
    assert result.out.startswith("cat.png  ->  ") and f"model {NET}" in result.out
    assert "other 3 concepts" in result.out and "= logit" in result.out


@pytest.mark.parametrize(("suffix", "start"), [("html", b"<!doctype html>"), ("json", b"{"), ("png", b"\x89PNG"),
                                               ("svg", b"<?xml")])  # fmt: skip
def test_the_suffix_says_what_is_written(suffix: str, start: bytes, seewhy: Seewhy, workplace: Path) -> None:
    result = seewhy("explain", "cat.png", "-m", NET, "-o", f"why.{suffix}", "--top-k", "2")
    assert result.code == 0 and result.err == f"wrote why.{suffix}\n"
    assert (workplace / f"why.{suffix}").read_bytes().lower().startswith(start.lower())


def test_the_page_tells_the_command_that_makes_it(seewhy: Seewhy, workplace: Path) -> None:
    (workplace / "my cat.png").write_bytes((workplace / "cat.png").read_bytes())
    seewhy("explain", "my cat.png", "-m", NET, "--target", "dog", "-o", "why.html")
    page = (workplace / "why.html").read_text()
    told = "seewhy explain &#x27;my cat.png&#x27; -m net.py:build --target dog -o why.html"
    assert told in page or told.replace("&#x27;", "'") in page


def test_folders_patterns_and_lists_are_many(seewhy: Seewhy) -> None:
    for photos in (["photos"], ["photos/*.png"], ["photos/a.png", "photos/b.png"]):
        answers = json.loads(seewhy("explain", *photos, "-m", NET, "--json").out)
        assert answers["schema"] == "seewhy.answers/1"
        assert [a["image"]["name"] for a in answers["answers"]] == ["a.png", "b.png"]


def test_a_folder_gets_one_page_per_photograph(seewhy: Seewhy, workplace: Path) -> None:
    result = seewhy("explain", "photos", "cat.png", "photos/a.png", "-m", NET, "-o", "out/")
    assert result.code == 0
    assert sorted(p.name for p in (workplace / "out").iterdir()) == [
        "a-2.html",
        "a.html",
        "b.html",
        "cat.html",
    ]


def test_one_bad_photograph_among_many_is_reported_and_the_others_explained(
    seewhy: Seewhy, workplace: Path
) -> None:
    (workplace / "photos" / "broken.png").write_bytes((workplace / "cat.png").read_bytes()[:100])
    result = seewhy("explain", "photos", "nowhere.png", "-m", NET, "--json")
    assert result.code == 1
    assert len(json.loads(result.out)["answers"]) == 2
    assert "broken.png" in result.err and "There is no file 'nowhere.png'." in result.err
    assert result.err.endswith("2 pictures could not be read; the others were explained.\n")


def test_when_no_photograph_can_be_read_nothing_is_printed(seewhy: Seewhy) -> None:
    result = seewhy("explain", "x.png", "y.png", "-m", NET)
    assert result.code == 1 and result.out == ""
    assert "no file 'x.png'" in result.err and "no file 'y.png'" in result.err
    assert "None of the 2 pictures can be read." in result.err


def test_stdin_is_a_photograph(seewhy: Seewhy, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = (workplace / "cat.png").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    piped = json.loads(seewhy("explain", "-", "-m", NET, "--json").out)
    named = json.loads(seewhy("explain", "cat.png", "-m", NET, "--json").out)
    assert piped["image"]["name"] == "stdin"
    assert piped["image"]["sha256"] == named["image"]["sha256"]
    assert piped["concepts"] == named["concepts"]


def test_an_empty_stdin_and_a_keyboard_are_told(seewhy: Seewhy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert "stdin is empty (0 bytes)." in seewhy("explain", "-", "-m", NET).err
    keyboard = io.TextIOWrapper(io.BytesIO(b""))
    monkeypatch.setattr(keyboard, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdin", keyboard)
    result = seewhy("explain", "-", "-m", NET)
    assert result.code == 1 and "stdin is the keyboard" in result.err and "< cat.jpg" in result.err


def test_an_address_is_not_fetched_offline(seewhy: Seewhy) -> None:
    result = seewhy("explain", "https://example.org/cat.png", "-m", NET)
    assert result.code == 3 and "SEEWHY_OFFLINE is set" in result.err


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("why.gif", "ends in '.gif'.\n  The suffix says what is written: .html, .json, .png, .svg"),
        ("why", "output 'why' has no suffix."),
        ("nowhere/why.html", "cannot be written: No such file or directory."),
        ("cat.png/why.html", "cannot be written: Not a directory."),
    ],
)
def test_an_output_that_cannot_be_written_is_said_before_anything_is_computed(
    output: str, said: str, seewhy: Seewhy, workplace: Path
) -> None:
    before = sorted(workplace.rglob("*"))
    result = seewhy("explain", "cat.png", "-m", "slow.py:build", "-o", output)
    assert result.code == 1 and said in result.err
    assert sorted(workplace.rglob("*")) == before


def test_targets_are_names_or_numbers_and_names_win(seewhy: Seewhy) -> None:
    for given, index in (("dog", 1), ("DOG", 1), ("0", 0), ("7", 2), ("-1", 2)):
        answer = json.loads(seewhy("explain", "cat.png", "-m", NET, "-t", given, "--json").out)
        assert answer["target"]["index"] == index, given
    result = seewhy("explain", "cat.png", "-m", NET, "-t", "dgo")
    assert result.code == 1 and "'dgo' is not among the 3 classes" in result.err
    assert "Did you mean 'dog'" in result.err


def test_a_method_gives_its_map(seewhy: Seewhy) -> None:
    answer = json.loads(seewhy("explain", "cat.png", "-m", NET, "--method", "gradcam", "--json").out)
    assert answer["schema"] == "seewhy.attribution/1" and answer["method"]["name"] == "gradcam"
    assert (
        seewhy("explain", "cat.png", "-m", NET, "--method", "gradcam", "-o", "w.json", "--top-k", "3").code
        == 0
    )


def test_an_unknown_method_names_the_nearest(seewhy: Seewhy) -> None:
    result = seewhy("explain", "cat.png", "-m", NET, "--method", "grodcam")
    assert result.code == 1 and "Did you mean 'gradcam'" in result.err


def test_seeds_and_batch_sizes_reach_the_method(seewhy: Seewhy) -> None:
    def rise(*options: object) -> dict[str, object]:
        result = seewhy("explain", "cat.png", "-m", NET, "--method", "smoothgrad", "--json", *options)
        answer: dict[str, object] = json.loads(result.out)
        return answer

    first = rise()
    assert rise("--seed", 0)["map"] == first["map"] != rise("--seed", 1)["map"]
    assert rise("--seed", 1)["seed"] == 1
    assert "3" in str(rise("--batch-size", 3)["choices"])


def test_a_layer_is_used_or_refused(seewhy: Seewhy) -> None:
    answer = json.loads(seewhy("explain", "cat.png", "-m", NET, "--layer", "conv", "--json").out)
    assert answer["choices"]["layer"].startswith("conv (4x16x24), given")
    result = seewhy("explain", "cat.png", "-m", NET, "--layer", "convv")
    assert result.code == 1 and "LayerNotFound: No module 'convv' in Net." in result.err


def test_random_weights_are_marked_in_every_result(seewhy: Seewhy) -> None:
    result = seewhy("explain", "cat.png", "-m", "timm/test_resnet", "--weights", "none")
    assert result.code == 0 and "untrained: random weights" in result.out


def test_class_names_come_from_a_file(seewhy: Seewhy, workplace: Path) -> None:
    (workplace / "c.txt").write_text("left\nright\nup\n")
    answer = json.loads(
        seewhy("explain", "cat.png", "-m", NET, "--classes", "c.txt", "-t", "up", "--json").out
    )
    assert answer["target"]["name"] == "up"
    result = seewhy("explain", "cat.png", "-m", NET, "--classes", "none.txt")
    assert result.code == 1 and "cannot be read" in result.err


def test_a_device_that_is_not_there_is_told(seewhy: Seewhy) -> None:
    assert seewhy("explain", "cat.png", "-m", NET, "--device", "cpu").code == 0
    result = seewhy("explain", "cat.png", "-m", NET, "--device", "tpuu")
    assert result.code == 1 and "The device 'tpuu' cannot be used" in result.err


def test_a_network_without_preprocessing_is_told_what_to_pass(seewhy: Seewhy) -> None:
    result = seewhy("explain", "cat.png", "-m", "net.py:Net")
    assert result.code == 1 and "came without its preprocessing" in result.err


@pytest.mark.real
def test_a_real_classifier_in_a_new_users_three_lines(data: Path, seewhy: Seewhy, workplace: Path) -> None:
    (workplace / "mine.py").write_text(
        f"import sys; sys.path.insert(0, {str(data)!r}); from load import load\n"
        "recipe = dict(size=224, resize=256, interpolation='bicubic', mean=0.5, std=0.5)\n"
        "def build(): return load('mobilenetv2_imagenet')[0], dict(preprocess=recipe)\n"
    )
    names = json.loads((data / "imagenet_samples" / "labels.json").read_text())[:3]
    photos = [data / "imagenet_samples" / row["file"] for row in names]
    result = seewhy("explain", *photos, "-m", "mine.py:build", "-o", "why.html", "--json", "--top-k", 3)
    assert result.code == 0 and (workplace / "why.html").stat().st_size > 50_000
    predicted = [a["target"]["index"] for a in json.loads(result.out)["answers"]]
    # The network's measured top-1 on these pictures is 82.5 %.
    assert np.mean([p == row["class_index"] for p, row in zip(predicted, names, strict=True)]) > 0.5


@pytest.mark.real
def test_the_real_network_for_small_pictures(data: Path, seewhy: Seewhy, workplace: Path) -> None:
    from PIL import Image

    with np.load(data / "cifar10" / "cifar10_subset.npz") as subset:
        pictures, labels, classes = subset["x_test"][::125], subset["y_test"][::125], subset["classes"]
    (workplace / "cifar").mkdir()
    for i, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(workplace / "cifar" / f"{i}.png")
    (workplace / "c.txt").write_text("\n".join(map(str, classes)))
    (workplace / "mine.py").write_text(
        f"import sys; sys.path.insert(0, {str(data)!r}); from load import load\n"
        "def build(): return load('resnet20_cifar10')[0], dict(preprocess=dict(size=32))\n"
    )
    result = seewhy(
        "explain",
        "cifar",
        "-m",
        "mine.py:build",
        "--classes",
        "c.txt",
        "-o",
        "why.html",
        "--json",
        "--top-k",
        2,
    )
    assert result.code == 0
    answers = json.loads(result.out)["answers"]
    assert np.mean([a["target"]["index"] == k for a, k in zip(answers, labels, strict=True)]) >= 0.5
    assert all(a["target"]["name"] == classes[a["target"]["index"]] for a in answers)


@pytest.mark.parametrize(("kind", "name"), [("resnet", "star"), ("vit", "star"), ("clip", "a red star")])
def test_a_model_that_comes_with_seewhy_explains_a_photograph(
    kind: str, name: str, seewhy: Seewhy, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "weights").mkdir()
    made.write(workplace / "weights", made.card(kind))
    monkeypatch.setattr(cards, "FOLDER", workplace / "weights")
    (workplace / "words.txt").write_text("a red star\ngrass\n")
    words = ["--classes", "words.txt"] if kind == "clip" else []
    result = seewhy("explain", "cat.png", "-m", f"seewhy/{kind}-made", "--target", name, "--json", *words)
    assert result.code == 0, result.err
    answer = json.loads(result.out)
    assert answer["model"]["id"] == f"seewhy/{kind}-made" and not answer["model"]["untrained"]
    assert answer["target"]["name"] == name and answer["kind"] == "share"
