"""Networks with modules of one's own run where the user names the module that registers them."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.imports import import_modules
from anomaly_eval.segmenters.load import load_segmenter
from tests.anomaly_eval import networks

CODE = """
from mmseg.models.backbones import CGNet
from mmseg.registry import MODELS

@MODELS.register_module()
class BackboneOfOnesOwn(CGNet):
    pass
"""
OWN = networks.CGNET | {"backbone": networks.CGNET["backbone"] | {"type": "BackboneOfOnesOwn"}}


@pytest.fixture
def module(tmp_path: Path) -> Iterator[Path]:
    """A module that nothing has imported, and nothing knows afterwards."""
    path = tmp_path / "backbone_of_ones_own.py"
    path.write_text(CODE)
    before = list(sys.path)
    yield path
    MODELS.module_dict.pop("BackboneOfOnesOwn", None)
    sys.modules.pop(path.stem, None)
    sys.path[:] = before


def checkpoint(folder: Path) -> Path:
    """Write a network with a backbone of one's own, as mmengine does."""
    config = {"model": OWN, "custom_imports": {"imports": ["backbone_of_ones_own"], "allow_failed_imports": False}}
    text = Config(config, format_python_code=False).pretty_text
    weights = networks.build(networks.CGNET).state_dict()
    torch.save({"meta": {"cfg": text}, "state_dict": weights}, folder / "net.pth")
    return folder / "net.pth"


def test_a_config_in_a_checkpoint_imports_nothing_by_itself(module: Path) -> None:
    path = checkpoint(module.parent)
    with pytest.raises(
        InputError, match=r"'BackboneOfOnesOwn'.*\(backbone_of_ones_own\) with --import if you trust it"
    ):
        load_segmenter(path, device="cpu")
    assert module.stem not in sys.modules


@pytest.mark.parametrize("by_name", [False, True])
def test_a_module_that_the_user_names_is_imported(module: Path, monkeypatch: pytest.MonkeyPatch, by_name: bool) -> None:
    path = checkpoint(module.parent)
    monkeypatch.chdir(module.parent)
    name = module.stem if by_name else str(module)
    for _ in range(2):
        segmenter = load_segmenter(path, device="cpu", imports=[name])
        assert segmenter.provides == {"logits", "features", "classifier"}
        assert segmenter.describe().imports == {name: hashlib.sha256(module.read_bytes()).hexdigest()}


def test_a_config_file_finds_the_module_by_its_name(module: Path) -> None:
    path, config = checkpoint(module.parent), module.parent / "own.py"
    config.write_text(f"custom_imports = dict(imports=['backbone_of_ones_own'])\nmodel = {OWN!r}")
    with pytest.raises(InputError, match=r"own\.py imports what is not there \(\[?'?backbone_of_ones_own") as caught:
        load_segmenter(path, str(config), device="cpu")
    assert "sys.path" not in str(caught.value) and len(str(caught.value)) < 300
    assert load_segmenter(path, str(config), device="cpu", imports=[str(module)]).classes


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("none.py", None, r"none\.py: there is no such file"),
        ("no_module_of_this_name", None, "ModuleNotFoundError"),
        ("broken.py", "1 / 0", "ZeroDivisionError"),
        ("quits.py", "raise SystemExit(0)", "SystemExit"),
        ("torch.py", "", r"a module called torch is imported already; rename the file"),
        ("wrong.py", "def (", "SyntaxError"),
    ],
)
def test_modules_that_cannot_be_imported(tmp_path: Path, name: str, code: str | None, words: str) -> None:
    if code is not None:
        (tmp_path / name).write_text(code)
    given = str(tmp_path / name) if name.endswith(".py") else name
    with pytest.raises(InputError, match=rf"--import .*{words}"):
        import_modules([given])
    assert name.removesuffix(".py") == "torch" or name.removesuffix(".py") not in sys.modules
