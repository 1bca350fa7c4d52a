"""Help is quick and light, versions and usage are told, and every error has its exit code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Seewhy

VERBS = ("explain", "audit", "discover", "compare", "layers", "models", "demo", "doctor")
HEAVY = ("torch", "numpy", "matplotlib", "PIL", "timm", "torchvision", "open_clip", "transformers")


def program(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The installed command in a process of its own."""
    command = [sys.executable, "-c", "from seewhy.cli.app import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, timeout=120)


def test_help_imports_nothing_heavy() -> None:
    verbs: list[list[str]] = [[], *([verb] for verb in VERBS)]
    code = (
        "import sys\nfrom seewhy.cli.app import run\n"
        f"verbs = {verbs}\n"
        "codes = [run([*verb, '--help']) for verb in verbs]\n"
        f"print(codes, [m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stderr.strip().splitlines()[-1] == f"{[0] * len(verbs)} []"
    assert "See why a vision model decided" in done.stdout


def test_every_verb_has_json_and_debug() -> None:
    below = [["models", verb] for verb in ("list", "info", "fetch", "verify", "path")]
    for verb in [*([verb] for verb in VERBS), *below]:
        text = program(*verb, "--help", COLUMNS="200", TERM="dumb").stdout
        assert "--json" in text and "--debug" in text, verb


def test_the_version_is_told(seewhy: Seewhy) -> None:
    from seewhy import __version__

    assert seewhy("--version") == type(seewhy("--version"))(0, f"seewhy {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["explian"], "No such command 'explian'"),
        (["explain", "cat.png"], "Missing option '--model'"),
        (["explain", "-m", "net.py:build"], "Missing argument 'PHOTO'"),
        (["explain", "cat.png", "-m", "net.py:build", "--seed", "x"], "unable to parse string as an integer"),
        (
            ["explain", "cat.png", "-m", "net.py:build", "--top-k", "0"],
            "should be greater than or equal to 1",
        ),
        (["layers"], "Missing argument 'MODEL'"),
        (["audit", "photos"], "Missing option '--model'"),
        (["discover", "-m", "net.py:build"], "Missing argument 'PICTURES'"),
        (["demo", "--seed", "-1"], "should be greater than or equal to 0"),
    ],
)
def test_wrong_usage_is_2(arguments: list[str], said: str, seewhy: Seewhy) -> None:
    result = seewhy(*arguments)
    assert result.code == 2 and result.out == ""
    assert said in " ".join(result.err.replace("│", " ").split())


def test_an_error_is_1_with_its_message_only(seewhy: Seewhy) -> None:
    result = seewhy("explain", "dog.png", "-m", "net.py:build")
    assert result.code == 1 and result.out == ""
    assert result.err.startswith("InputError: There is no file 'dog.png'.\n  ")
    assert "Traceback" not in result.err


def test_offline_is_3_with_three_ways_forward(seewhy: Seewhy) -> None:
    result = seewhy("explain", "cat.png", "-m", "timm/resnet18")
    assert result.code == 3 and result.out == ""
    assert result.err.startswith("Offline: Weights 'timm/resnet18.a1_in1k' are not on this machine")
    assert all(way in result.err for way in ("1) seewhy models fetch", "2) weights=", "3) weights=None"))


def test_debug_shows_the_traceback_before_the_message(seewhy: Seewhy, workplace: Path) -> None:
    (workplace / "bad.py").write_text("def build():\n    raise ValueError('width')\n")
    plain = seewhy("layers", "bad.py:build")
    assert plain.code == 1 and "Traceback" not in plain.err
    assert "bad.py, line 2: ValueError: width (while calling build())." in plain.err
    told = seewhy("layers", "bad.py:build", "--debug")
    assert told.code == 1 and told.err.startswith("Traceback") and "raise ValueError('width')" in told.err


def test_a_network_that_does_not_run_is_1_and_says_why(seewhy: Seewhy, workplace: Path) -> None:
    (workplace / "bad.py").write_text(
        "from torch import nn\nclass Net(nn.Module):\n    def forward(self, x): return self.nothing(x)\n"
    )
    result = seewhy("layers", "bad.py:Net")
    assert result.code == 1 and "Traceback" not in result.err
    assert "AttributeError: 'Net' object has no attribute 'nothing'" in result.err


def test_what_nobody_foresaw_is_1_without_a_traceback(
    seewhy: Seewhy, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr("seewhy.backbones.load.load_backbone", broken)
    result = seewhy("layers", "timm/resnet18")
    assert result.code == 1 and "Traceback" not in result.err
    assert "ZeroDivisionError: a mistake of ours" in result.err
    assert "--debug shows where it happened." in result.err


def test_an_interrupt_is_130(seewhy: Seewhy, workplace: Path) -> None:
    (workplace / "slow.py").write_text("def build(): raise KeyboardInterrupt\n")
    result = seewhy("layers", "slow.py:build")
    assert (result.code, result.out, result.err) == (130, "", "Interrupted.\n")


def test_a_reader_that_has_left_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-c", "from seewhy.cli.app import main; main()", "models", "path"],
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=120,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_no_color_is_honoured() -> None:
    colour = re.compile(r"\x1b\[[0-9;]*3[0-9]")
    assert colour.search(program("--help", FORCE_COLOR="1", TERM="xterm", NO_COLOR="").stdout)
    assert not colour.search(program("--help", FORCE_COLOR="1", TERM="xterm", NO_COLOR="1").stdout)


def test_the_process_has_the_exit_codes_too() -> None:
    assert program("--version").returncode == 0
    assert program("models", "verify", "nowhere").returncode == 1
    assert program("nonsense").returncode == 2
    assert program("models", "fetch", "torchvision/alexnet", SEEWHY_OFFLINE="1").returncode == 3
