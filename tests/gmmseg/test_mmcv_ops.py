"""The stand-in for mmcv's compiled operations, each case in an interpreter of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from gmmseg.mmcv_ops import compiled_operations_exist

CHECKOUT = Path(__file__).parents[2]
without_compiled_mmcv = pytest.mark.skipif(compiled_operations_exist(), reason="a compiled mmcv is installed")


def run_python(code: str, *first_on_path: Path) -> str:
    """Run the code in a fresh interpreter and return what it printed."""
    paths = [str(path) for path in (*first_on_path, CHECKOUT)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def fake_mmcv(folder: Path, *files: str) -> Path:
    """Make a package `mmcv` that cannot be imported and holds the named empty files."""
    package = folder / "mmcv"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('mmcv was imported')\n", encoding="utf-8")
    for name in files:
        (package / name).touch()
    return folder


@without_compiled_mmcv
def test_models_import_and_a_missing_operation_says_so() -> None:
    code = """
import gmmseg
import mmseg.models
from mmcv.ops.nms import ext_module
from mmcv.utils.ext_loader import check_ops_exist
print(check_ops_exist())
try:
    ext_module.nms(1, iou_threshold=0.5)
except NotImplementedError as error:
    print(error)
"""
    exists, message = run_python(code).splitlines()
    assert exists == "False"
    assert "operation `nms` is not available" in message
    assert "install mmcv 2.1.0 with its operations" in message


def test_importing_gmmseg_is_light() -> None:
    code = """
import sys, gmmseg
print(sorted({name.partition('.')[0] for name in sys.modules} & {'torch', 'numpy', 'mmseg', 'mmengine'}))
"""
    assert run_python(code) == "[]"


@pytest.mark.parametrize("suffix", EXTENSION_SUFFIXES)
def test_a_compiled_extension_is_left_alone(tmp_path: Path, suffix: str) -> None:
    code = "import sys, gmmseg; print('mmcv._ext' in sys.modules, 'mmcv' in sys.modules)"
    assert run_python(code, fake_mmcv(tmp_path, f"_ext{suffix}")) == "False False"


def test_without_the_extension_file_the_stand_in_is_there(tmp_path: Path) -> None:
    code = "import sys, gmmseg; print(type(sys.modules['mmcv._ext']).__name__, 'mmcv' in sys.modules)"
    assert run_python(code, fake_mmcv(tmp_path, "_ext.txt")) == "MissingOperations False"


def test_an_extension_that_is_already_imported_stays(tmp_path: Path) -> None:
    code = """
import sys, types
real = sys.modules['mmcv._ext'] = types.ModuleType('mmcv._ext')
import gmmseg
print(sys.modules['mmcv._ext'] is real)
"""
    assert run_python(code, fake_mmcv(tmp_path)) == "True"


def test_the_page_lists_all_dependencies_but_torch_and_mmcv() -> None:
    """Users of a compiled mmcv install them by hand, so the page about it must not fall behind."""
    project = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    declared = re.findall(r'"(.+)",', project.partition("\ndependencies = [")[2].partition("\n]")[0])
    page = (CHECKOUT / "docs" / "compiled-mmcv.md").read_text(encoding="utf-8")
    listed = re.findall(r'"([^"]+)"', page.partition("\npip install --no-deps")[0])
    others = [name for name in declared if not name.startswith(("torch", "mmcv"))]
    assert len(others) == len(declared) - 2
    assert sorted(listed) == sorted(others)
