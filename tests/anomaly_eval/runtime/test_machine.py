"""What is asked of the machine is asked only where it helps."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from anomaly_eval.runtime.machine import is_zen4

ZEN4 = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nflags\t\t: fpu avx2 avx512f\n\nprocessor\t: 1\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ZEN4, True),
        (ZEN4.replace("avx512f", ""), False),
        (ZEN4.replace("25", "26"), False),
        (ZEN4.replace("AuthenticAMD", "GenuineIntel"), False),
        ("", False),
    ],
    ids=["Zen 4", "Zen 3", "Zen 5", "Intel", "nothing"],
)
def test_zen4_is_recognised(tmp_path, text, expected):
    (tmp_path / "cpuinfo").write_text(text)
    assert is_zen4(tmp_path / "cpuinfo") is expected
    assert not is_zen4(tmp_path / "none")


def run(code, cpuinfo, **variables):
    environment = {key: value for key, value in os.environ.items() if key != "NPY_DISABLE_CPU_FEATURES"} | variables
    imports = "from pathlib import Path\nfrom anomaly_eval.runtime.machine import *"
    program = f"{imports}\ncpuinfo = Path({str(cpuinfo)!r})\n{code}"
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


def test_the_switch_is_set_before_numpy_and_left_alone_otherwise(tmp_path):
    (tmp_path / "cpuinfo").write_text(ZEN4)
    tell = "import os; print(os.environ.get('NPY_DISABLE_CPU_FEATURES', 'unset'))"
    assert "AVX512_ICL" in run(f"prefer_fast_sort(cpuinfo); {tell}", tmp_path / "cpuinfo")
    assert run(f"import numpy; prefer_fast_sort(cpuinfo); {tell}", tmp_path / "cpuinfo") == "unset"
    assert run(f"prefer_fast_sort(cpuinfo); {tell}", tmp_path / "none") == "unset"
    own = run(f"prefer_fast_sort(cpuinfo); {tell}", tmp_path / "cpuinfo", NPY_DISABLE_CPU_FEATURES="AVX2")
    assert own == "AVX2"
