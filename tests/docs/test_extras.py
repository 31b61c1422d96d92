"""The extras of the package hold what the pages say that they install."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
_SECTION = _PROJECT.partition("[project.optional-dependencies]\n")[2].partition("\n[")[0]
_LISTS = re.findall(r"^(\w+) = (\[.*?\])$", _SECTION, re.MULTILINE | re.DOTALL)
EXTRAS = {name: {re.split(r"[<>=\[]", one)[0] for one in ast.literal_eval(value)} for name, value in _LISTS}


def test_a_network_can_be_exported_with_the_extra_that_runs_it() -> None:
    # torch.onnx.export imports it from torch 2.9 on, and torch does not install it.
    assert "onnxscript" in EXTRAS["onnx"]


@pytest.mark.parametrize("extra", sorted(EXTRAS.keys() - {"dev", "imagenet"}))
def test_what_extras_install_is_tested(extra: str) -> None:
    assert EXTRAS[extra] <= EXTRAS["dev"]


def test_pages_name_extras_that_there_are() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    named = set(re.findall(r'pip install "\.\[(\w+)\]"', text))
    assert {"onnx", "hdf5"} <= named <= EXTRAS.keys()
