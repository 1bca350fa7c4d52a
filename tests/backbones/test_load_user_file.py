"""A user's file is run as their program would be, leaves nothing behind, and its mistakes are shown by line."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from seewhy.backbones.load import load_backbone
from seewhy.errors import InputError, NotFitted, UnknownName

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.conv(x).relu().mean((2, 3)))
"""

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write(code, name)` puts a file into the folder and gives its path."""

    def to_file(code: str, name: str = "net.py") -> str:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(code))
        return str(tmp_path / name)

    return to_file


def test_a_factory_gives_its_network(write: Write) -> None:
    path = write(NET + "def build(): return Net()")
    backbone = load_backbone(f"{path}:build")
    assert type(backbone.module).__name__ == "Net" and backbone.name == f"{path}:build"
    assert backbone.preprocess is None and not backbone.untrained
    assert type(load_backbone(f"{path}:Net").module).__name__ == "Net"


def test_a_network_may_stand_in_the_file_itself(write: Write) -> None:
    path = write(NET + "net = Net()\nclass All:\n    best = net")
    assert type(load_backbone(f"{path}:net").module).__name__ == "Net"
    assert type(load_backbone(f"{path}:All.best").module).__name__ == "Net"


def test_a_factory_may_say_more(write: Write) -> None:
    path = write(
        NET + "def build(): return Net(), dict(preprocess=dict(size=(20, 30), mean=0.5, std=0.5), "
        "classes=['a', 'b'], layer='conv', name='mine', output=lambda y: -y)"
    )
    backbone = load_backbone(f"{path}:build")
    assert backbone.preprocess is not None and backbone.preprocess.size == (20, 30)
    assert (backbone.classes, backbone.given_layer, backbone.name) == (("a", "b"), "conv", "mine")
    x = torch.rand(1, 3, 20, 30)
    assert torch.equal(backbone.logits(x), -backbone.module(x))


def test_a_factory_may_give_a_backbone(write: Write) -> None:
    path = write(NET + "import seewhy as sw\ndef build(): return sw.backbone(Net(), classes=['a', 'b'])")
    assert load_backbone(f"{path}:build").classes == ("a", "b")


def test_the_files_own_folder_can_be_imported_from_and_is_gone_afterwards(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    write("from torch import nn\ndef load(): return nn.Linear(2, 2)", "load.py")
    path = write("from load import load\ndef build():\n    import load as again\n    return again.load()")
    paths, modules = list(sys.path), set(sys.modules)
    load_backbone(f"{path}:build")
    assert sys.path == paths and sys.dont_write_bytecode is False
    assert set(sys.modules) == modules
    assert sorted(p.name for p in Path(path).parent.iterdir()) == ["load.py", "net.py"]


def test_a_folder_that_the_file_adds_is_taken_off_again(write: Write, tmp_path: Path) -> None:
    write("from torch import nn\nnet = nn.Linear(2, 2)", "parts/seewhy_test_parts.py")
    path = write(
        f"import sys\nsys.path.insert(0, {str(tmp_path / 'parts')!r})\nfrom seewhy_test_parts import net"
    )
    paths = list(sys.path)
    load_backbone(f"{path}:net")
    assert sys.path == paths and "seewhy_test_parts" not in sys.modules


def test_modules_of_the_same_name_from_elsewhere_are_neither_used_nor_lost(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("from seewhy_test_utils import width\nfrom torch import nn\nnet = nn.Linear(width, 2)")
    write("width = 7", "seewhy_test_utils.py")
    other = ModuleType("seewhy_test_utils")
    other.__file__ = write("", "other/seewhy_test_utils.py")
    monkeypatch.setitem(sys.modules, "seewhy_test_utils", other)
    assert load_backbone(f"{path}:net").module.in_features == 7
    assert sys.modules["seewhy_test_utils"] is other


def test_two_files_of_one_name_do_not_meet(write: Write) -> None:
    for name, width in (("one", 3), ("two", 5)):
        write(f"width = {width}", f"{name}/seewhy_test_width.py")
        code = "from seewhy_test_width import width\nfrom torch import nn\nnet = nn.Linear(width, 2)"
        assert load_backbone(f"{write(code, f'{name}/net.py')}:net").module.in_features == width


def test_dataclasses_and_copies_work(write: Write) -> None:
    import copy

    path = write(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        + NET.strip()
        + "\n@dataclass\nclass Settings:\n    width: int = 4\ndef build(): return Net()"
    )
    copy.deepcopy(load_backbone(f"{path}:build").module)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "x = 1\ny = oops\n",
            "net.py, line 2: NameError: name 'oops' is not defined (while loading net.py).",
        ),
        ("def build(:\n", "net.py, line 1: SyntaxError: "),
        ("import seewhy_no_such_module\n", "net.py, line 1: ModuleNotFoundError: "),
        (
            "def inner():\n    raise ValueError('bad width')\ndef build():\n    return inner()\n",
            "net.py, line 2: ValueError: bad width (while calling build()).",
        ),
        (
            "import torch\ndef build():\n    return torch.zeros(2) @ torch.zeros(3)\n",
            "net.py, line 3: RuntimeError",
        ),
        ("def build(width): ...\n", "The function is called without arguments."),
        ("import sys\nsys.exit(3)\n", "put what it does as a script under if __name__ == '__main__'."),
        ("def build(): return 3\n", "net.py:build gives a int."),
        ("def build(): return 3, 4\n", "net.py:build gives a tuple of int, int."),
        ("build = 3\n", "It must give a torch.nn.Module, or a pair"),
        (
            "from torch import nn\ndef build(): return nn.Linear(1, 1), dict(clases=['a'])\n",
            "gives the option 'clases'",
        ),
        ("from torch import nn\ndef build(): return nn.Linear(1, 1), dict(preprocess=3)\n", "is a int."),
        (
            "from torch import nn\ndef build(): return nn.Linear(1, 1), dict(preprocess=dict(sise=3))\n",
            "does not make a Preprocess",
        ),
        (
            "from torch import nn\ndef build():\n    net = nn.Linear(1, 1)\n    net.bias.data[0] = float('nan')\n"
            "    return net\n",
            "'bias' in",
        ),
    ],
)
def test_mistakes_are_shown_by_line(code: str, said: str, write: Write) -> None:
    paths, modules = list(sys.path), set(sys.modules)
    with pytest.raises(InputError) as caught:
        load_backbone(f"{write(code)}:build")
    assert said in str(caught.value)
    assert sys.path == paths and set(sys.modules) == modules


def test_an_error_in_a_file_that_is_imported_points_into_the_users_own(write: Write) -> None:
    write("raise ValueError('deep')", "seewhy_test_deep.py")
    with pytest.raises(InputError, match=r"net.py, line 2: ValueError: deep"):
        load_backbone(f"{write('x = 1' + chr(10) + 'import seewhy_test_deep')}:build")


def test_our_own_errors_pass_as_they_are(write: Write) -> None:
    path = write("from seewhy.errors import NotFitted\ndef build(): raise NotFitted('fit it first')")
    with pytest.raises(NotFitted, match="fit it first"):
        load_backbone(f"{path}:build")


def test_an_unknown_factory_names_the_nearest(write: Write) -> None:
    with pytest.raises(UnknownName, match="defines no 'biuld'") as caught:
        load_backbone(f"{write(NET + 'def build(): return Net()')}:biuld")
    assert "Did you mean 'build'?" in str(caught.value)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "recipe", "size"),
    [
        ("mobilenetv2_imagenet", "size=224, resize=256, interpolation='bicubic', mean=0.5, std=0.5", 224),
        ("resnet20_cifar10", "size=32", 32),
    ],
)
def test_the_real_networks_load_from_three_lines(
    name: str, recipe: str, size: int, data: Path, write: Write, real_network: Any
) -> None:
    path = write(
        f"import sys; sys.path.insert(0, {str(data)!r})\n"
        "from load import load\n"
        f"def build(): return load({name!r})[0], dict(preprocess=dict({recipe}))\n"
    )
    backbone = load_backbone(f"{path}:build")
    theirs, _ = real_network(name)
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, size, size), np.float32))
    with torch.no_grad():
        assert torch.equal(backbone.logits(x), theirs(x))
