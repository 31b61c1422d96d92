"""Functions in Python files: what they are called with, and all that can be wrong with them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.given import python_function
from tests.anomaly_eval.segmenters.python.nets import load, write


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("net.py:build", ("net.py", "build")),
        ("/a b/net.v2.py:Net", ("/a b/net.v2.py", "Net")),
        ("C:\\nets\\net.py:build", ("C:\\nets\\net.py", "build")),
        ("net.py", ("net.py", "")),
        ("net.py:", ("net.py", "")),
        ("net.pth", None),
        ("net.pyc", None),
        ("net.py/net.pth", None),
        ("build", None),
    ],
)
def test_which_words_name_a_function(word: str, found: tuple[str, str] | None) -> None:
    assert python_function(Path(word)) == (None if found is None else (Path(found[0]), found[1]))


FILL = "    net = Net()\n    net.load_state_dict(torch.load({}, weights_only=True))\n    return net\n"
SIGNATURES = {
    "checkpoint": "def build(checkpoint):\n" + FILL.format("checkpoint"),
    "weights": "def build(classes=5, weights=None):\n" + FILL.format("weights"),
    "checkpoint_path": "def build(*, checkpoint_path: str):\n" + FILL.format("'/' + checkpoint_path[1:]"),
    "position": "def build(source, /, classes=5):\n" + FILL.format("source"),
    "device": "def build(path, device):\n    assert device.type == 'cpu'\n" + FILL.format("path"),
    "class": "class build(Net):\n    def __init__(self, ckpt):\n        super().__init__()\n"
    "        self.load_state_dict(torch.load(ckpt, weights_only=True))\n",
}


@pytest.mark.parametrize("text", SIGNATURES.values(), ids=list(SIGNATURES))
def test_the_checkpoint_is_handed_on(tmp_path: Path, text: str) -> None:
    image = np.full((32, 32, 3), 99, np.uint8)
    filled = load(write(tmp_path, "def build():\n    return Net()\n"))
    weights = tmp_path / "weights.pth"
    torch.save({name: value + 1 for name, value in filled.network.module.state_dict().items()}, weights)
    segmenter = load(write(tmp_path, text), weights=weights)
    with torch.no_grad():
        for value in filled.network.module.state_dict().values():
            value += 1
    torch.testing.assert_close(segmenter(image).logits.values, filled(image).logits.values)
    record = segmenter.describe()
    assert record.checkpoint == "net.py:build" and any("weights.pth, sha256" in note for note in record.notes)
    torch.save({name: value + 1 for name, value in segmenter.network.module.state_dict().items()}, weights)
    again = load(write(tmp_path, text), weights=weights).describe()
    assert (again.checkpoint_sha256 != record.checkpoint_sha256) and (again.config_sha256 != record.config_sha256)


@pytest.mark.parametrize(
    ("text", "function", "sentence"),
    [
        (
            "def build():\n    return Net()\n",
            "biuld",
            r"net\.py has no function 'biuld'; the nearest known one is 'build'",
        ),
        ("", "torch.nn", "has no function 'torch.nn'"),
        ("build = 3\n", "build", "'build' in .* is a int; name a function"),
        (
            "def build():\n    return {}['weights']\n",
            "build",
            r"net\.py:build cannot be built: line 14, KeyError: 'weights'",
        ),
        ("def build(:\n", "build", r"cannot be built: line 13, SyntaxError: "),
        ("import no_such_package\n", "build", r"line 13, ModuleNotFoundError: No module named 'no_such_package'"),
        ("import sys\nsys.exit('bye')\n", "build", r"line 14, SystemExit: bye"),
        (
            "def build():\n    return Net().to('cuda:99')\n",
            "build",
            r"cannot be built: line 14, .*; let it take a parameter called device",
        ),
        ("def build():\n    pass\n", "build", "net.py:build gives None in the place of a network"),
        ("def build():\n    return Net\n", "build", "gives the class Net itself in the place of a network"),
        ("def build():\n    return 'net.pth'\n", "build", "gives a str in the place of a network"),
        (
            "def build(classes):\n    return Net()\n",
            "build",
            "needs 'classes'; give --model FILE.py:FUNCTION with --ckpt",
        ),
        (
            "def build(path, classes):\n    return Net()\n",
            "build",
            "needs 'path'; give|needs 'classes', which nobody gives",
        ),
        (
            "def build():\n    return Net(), {'classes': list('abcd')}\n",
            "build",
            "names 4 classes, but gives 5 outputs",
        ),
        ("def build():\n    return Net(1)\n", "build", "of a single class; two or more are needed"),
        (
            "def build():\n    return Net(), {'features': 'haed'}\n",
            "build",
            "no module 'haed' .* the nearest known one is 'head'",
        ),
        ("def build():\n    return Net(), {'features': 'x9'}\n", "build", "no module 'x9' .* choose from body, head"),
        (
            "def build():\n    return Net(), {'output': 'probabilities'}\n",
            "build",
            "says that it gives probabilities, but",
        ),
        ("def build():\n    return Net(), {'mean': [1, 2], 'std': [1, 2]}\n", "build", "number for each of the three"),
        (
            "def build():\n    return nn.Sequential(Net(), nn.Flatten())\n",
            "build",
            "of the shape 1x1280; return a tensor",
        ),
        (
            "def build():\n    return nn.Conv2d(4, 5, 1)\n",
            "build",
            "can process neither .* expected input.*; name the size",
        ),
        ("def build():\n    return nn.Identity(), {'std': [1]}\n", "build", "number for each of the three"),
        (
            "class Pair(Net):\n    def forward(self, x):\n        return super().forward(x).repeat(2, 1, 1, 1)\n",
            "Pair",
            "logits of 2 images for an input of 1",
        ),
    ],
)
def test_bad_files_are_refused_in_a_sentence(tmp_path: Path, text: str, function: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as refused:
        load(write(tmp_path, text), function)
    assert str(refused.value).endswith(".") and "\n" not in str(refused.value)


def test_files_that_are_not_there_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "def build():\n    return Net()\n")
    with pytest.raises(InputError, match=r"there is no Python file .*nought\.py; write FILE\.py:FUNCTION"):
        load(tmp_path / "nought.py")
    with pytest.raises(InputError, match=r"folder\.py cannot be read \(.*directory\)"):
        (tmp_path / "folder.py").mkdir()
        load(tmp_path / "folder.py")
    with pytest.raises(InputError, match=r"takes no file of weights, so --ckpt .* says nothing to it"):
        load(path, weights=path)
    with pytest.raises(
        InputError, match=r"there is no file .*nought\.pth, which net\.py:build is to take; check --ckpt"
    ):
        load(path, weights=tmp_path / "nought.pth")


def test_a_file_without_a_function_is_not_run(tmp_path: Path) -> None:
    text = "raise AssertionError\ndef build():\n    return Net()\n"
    for path in (write(tmp_path, text), tmp_path / "net.py:"):
        with pytest.raises(InputError, match=r"name of its function .*\(it has Net, build\); write .*net\.py:NAME"):
            load(path, "")
    with pytest.raises(InputError, match=r"\(it is no Python\)"):
        load(write(tmp_path, "def build(:\n"), "")


def test_modules_beside_the_file_are_those_of_its_own_folder(tmp_path: Path) -> None:
    text = (
        "import parts_of_a_test\n\ndef build():\n    import late_parts_of_a_test\n    return Net(parts_of_a_test.N)\n"
    )
    for folder, classes in (("one", 4), ("other", 7), ("one", 4)):
        write(tmp_path / folder, f"N = {classes}\n", "parts_of_a_test.py", before="")
        write(tmp_path / folder, "", "late_parts_of_a_test.py", before="")
        assert len(load(write(tmp_path / folder, text)).classes) == classes
    assert not any(str(tmp_path) in entry for entry in sys.path)


def test_what_a_file_prints_is_no_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loud = "class Loud(Net):\n    def forward(self, x):\n        print('run')\n        return super().forward(x)\n"
    text = f"print('file')\n{loud}def build():\n    print('built')\n    return Loud()\n"
    load(write(tmp_path, text))(np.zeros((8, 8, 3), np.uint8))
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.split() == ["file", "built", "run", "run"]
