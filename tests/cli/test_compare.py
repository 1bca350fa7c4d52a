"""`seewhy compare`: two models, targets or methods on each picture, or two pictures; anything else is usage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import NET as CODE
from tests.cli.conftest import Seewhy

NET = "net.py:build"
OTHER = "other.py:build"


@pytest.fixture(autouse=True)
def other(workplace: Path) -> None:
    """A second network, which differs in its weights alone."""
    (workplace / "other.py").write_text(CODE.replace("manual_seed(0)", "manual_seed(1)"))


def test_two_models_are_compared_on_one_picture(seewhy: Seewhy) -> None:
    result = seewhy("compare", "cat.png", "-m", NET, "-m", OTHER, "--target", "dog", "--json")
    assert result.code == 0 and result.err == ""
    found = json.loads(result.out)
    assert found["schema"] == "seewhy.comparison/1"
    differs = {fact["name"] for fact in found["facts"] if fact["same"] is False}
    assert differs == {"model"}
    assert [found[side]["model"]["id"] for side in ("first", "second")] == [NET, OTHER]
    assert found["first"]["target"]["name"] == found["second"]["target"]["name"] == "dog"
    change = found["second"]["target"]["logit"] - found["first"]["target"]["logit"]
    assert sum(row["change"] for row in found["totals"][:-1]) == pytest.approx(change, abs=1e-3)


def test_each_side_says_what_explain_says(seewhy: Seewhy) -> None:
    found = json.loads(seewhy("compare", "cat.png", "-m", NET, "-m", OTHER, "--json").out)
    for side, net in (("first", NET), ("second", OTHER)):
        alone = json.loads(seewhy("explain", "cat.png", "-m", net, "--json").out)
        assert found[side]["where"] == alone["where"] and found[side]["target"] == alone["target"]


def test_two_pictures_are_compared_by_one_model(seewhy: Seewhy) -> None:
    result = seewhy("compare", "photos/a.png", "photos/b.png", "-m", NET)
    assert result.code == 0 and result.out.startswith("a.png and b.png\n")
    assert "two pictures of different sizes" in result.out and "channel 0" in result.out


@pytest.mark.parametrize(
    ("options", "differs"),
    [
        (["--target", "cat", "--target", "1"], "target"),
        (["--method", "gradcam", "--method", "hirescam"], "method"),
        (["--method", "default", "--method", "gradcam"], "method"),
    ],
)
def test_two_targets_or_methods_are_compared_too(options: list[str], differs: str, seewhy: Seewhy) -> None:
    result = seewhy("compare", "cat.png", "-m", NET, *options, "--json")
    assert result.code == 0, result.err
    facts = {fact["name"]: fact["same"] for fact in json.loads(result.out)["facts"]}
    assert facts[differs] is False and facts["model"] is True and facts["picture"] is True


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cat.png", "-m", NET], "1 picture and one model leave nothing to compare"),
        (["photos", "cat.png", "-m", NET], "3 pictures and one model leave nothing to compare"),
        (["cat.png", "-m", NET, "-m", NET], "1 picture and one model"),
        (["cat.png", "-m", NET, "-m", OTHER, "-m", NET], "--model was given 3 times; two are compared"),
        (["cat.png", "-m", NET, *["-t", "cat"] * 3], "--target was given 3 times"),
        (["cat.png"], "Missing option"),
        (["-m", NET], "Missing argument"),
    ],
)
def test_wrong_usage_is_told_and_ends_with_two(arguments: list[str], said: str, seewhy: Seewhy) -> None:
    result = seewhy("compare", *arguments)
    assert result.code == 2 and result.out == ""
    words = " ".join(result.err.replace("│", " ").split())
    assert said in words and "Traceback" not in words


@pytest.mark.parametrize(("suffix", "start"), [("json", b"{"), ("svg", b"<?xml")])
def test_the_suffix_says_what_is_written(suffix: str, start: bytes, seewhy: Seewhy, workplace: Path) -> None:
    result = seewhy("compare", "cat.png", "-m", NET, "-m", OTHER, "-o", f"c.{suffix}", "--top-k", 2)
    assert result.code == 0 and result.err == f"wrote c.{suffix}\n"
    assert (workplace / f"c.{suffix}").read_bytes().startswith(start)


def test_the_page_tells_the_command_that_makes_it(seewhy: Seewhy, workplace: Path) -> None:
    seewhy("compare", "cat.png", "-m", NET, "-m", OTHER, "-t", "dog", "--seed", 3, "-o", "c.html")
    told = "seewhy compare cat.png -m net.py:build -m other.py:build --target dog --seed 3 -o c.html"
    assert told in (workplace / "c.html").read_text()


def test_several_pictures_get_a_page_each(seewhy: Seewhy, workplace: Path) -> None:
    (workplace / "a.png").write_bytes((workplace / "photos" / "a.png").read_bytes())
    result = seewhy("compare", "photos", "a.png", "-m", NET, "-m", OTHER, "-o", "out/", "--json")
    assert result.code == 0
    assert sorted(path.name for path in (workplace / "out").iterdir()) == ["a-2.html", "a.html", "b.html"]
    found = json.loads(result.out)
    assert found["schema"] == "seewhy.comparisons/1" and len(found["comparisons"]) == 3


def test_several_pictures_do_not_fit_in_one_file(seewhy: Seewhy, workplace: Path) -> None:
    result = seewhy("compare", "photos", "-m", NET, "-m", OTHER, "-o", "c.html")
    assert result.code == 1 and "is one file, for 2 comparisons" in result.err and "-o out/" in result.err
    assert not (workplace / "c.html").exists()


def test_one_bad_picture_among_several_is_reported(seewhy: Seewhy) -> None:
    result = seewhy("compare", "photos", "nowhere.png", "-m", NET, "-m", OTHER)
    assert result.code == 1 and result.out.count("rank correlation") == 2
    assert "There is no file 'nowhere.png'." in result.err


def test_an_unknown_target_names_the_nearest(seewhy: Seewhy) -> None:
    result = seewhy("compare", "cat.png", "-m", NET, "-m", OTHER, "-t", "dgo")
    assert result.code == 1 and "Did you mean 'dog'" in result.err
