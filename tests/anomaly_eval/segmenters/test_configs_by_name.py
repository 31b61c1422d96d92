"""Configs that are named, and what a name that is none gets."""

from __future__ import annotations

import gmmseg  # noqa: F401  isort: skip
from pathlib import Path

import pytest

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.shipped import config_source
from anomaly_eval.segmenters.configs import _config_from_file


def test_a_shipped_name() -> None:
    assert _config_from_file("softmax_cgnet_cityscapes").model["backbone"]["type"] == "CGNet"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("softmax_cgnet_cityscape", "did you mean the shipped softmax_cgnet_cityscapes?"),
        ("softmax_cgnet_cityscapes.py", "did you mean the shipped softmax_cgnet_cityscapes?"),
        ("xyz", "there is no config xyz; give the name of a shipped one, a .py file or"),
        ("mmseg::fcn/none.py", "there is no config mmseg::fcn/none.py in that package"),
    ],
)
def test_a_name_that_is_none(given: str, told: str) -> None:
    with pytest.raises(InputError) as error:
        _config_from_file(given)
    assert told in str(error.value)


def test_a_folder_is_no_config(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no config"):
        config_source(str(tmp_path))


@pytest.mark.parametrize("line", ["_base_ = './none.py'", "open('/no/such/file')"])
def test_a_config_whose_files_are_missing(tmp_path: Path, line: str) -> None:
    (tmp_path / "net.py").write_text(f"{line}\n")
    with pytest.raises(InputError, match=r"needs a file that is missing .*(none\.py|/no/such/file).*correct its path"):
        _config_from_file(str(tmp_path / "net.py"))
